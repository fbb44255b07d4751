"""Mail to those who must act. Written in the transaction of the change, sent by the worker; no personal data of a
lead."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from lsq_ops.models import Account, DeletionRequest, Notice, NoticeChoice, Topic, db_now
from lsq_ops.queue import ring

from .may import APPROVER, AUDITOR, OPERATOR, Barred, Person, need

GIVE_UP_AFTER = 8
CALLED_OFF = GIVE_UP_AFTER + 1  # tries of a mail that must not be sent any more


def tell(
    people: Iterable[User], request: DeletionRequest | None, subject: str, text: str, topic: Topic = Topic.TROUBLE
) -> None:
    """Queue one mail for each person, for the time that they chose; the link only opens a page, it does nothing."""
    path = reverse("admin:lsq_ops_deletionrequest_change", args=[request.pk]) if request else reverse("admin:index")
    link = f"{settings.PUBLIC_URL.rstrip('/')}{path}" if settings.PUBLIC_URL else path
    about, now, told = request or _("LSQ Ops"), db_now(), list(people)
    chosen = dict(NoticeChoice.objects.filter(user__in=told, topic=topic).values_list("user", "when"))
    Notice.objects.bulk_create(
        Notice(
            user=user,
            request=request,
            topic=topic,
            subject=f"{about}: {subject}"[:200],
            text=f"{text}\n\n{link}\n",
            made_at=now,
            together=user.pk in chosen,
            not_before=_due(chosen.get(user.pk, When.AT_ONCE), now),
        )
        for user in told
        if chosen.get(user.pk) != When.NEVER
    )


# --- When -----------------------------------------------------------------------------------------------------------

When = NoticeChoice.When
MORNING = 8  # o'clock, the account's local time
# Who could stop what waits, or must decide it, hears of it the same hour or day; the rest may be read on the pages.
OFFERED: dict[Topic, tuple[NoticeChoice.When, ...]] = {
    Topic.TROUBLE: (When.AT_ONCE, When.HOURLY),
    Topic.VOTE: (When.AT_ONCE, When.HOURLY, When.DAILY),
    Topic.TALK: tuple(When),
    Topic.MINE: tuple(When),
    Topic.RULES: (When.AT_ONCE, When.DAILY),
    Topic.SIGN_IN: (When.AT_ONCE,),
}


def _due(when: str, now: datetime) -> datetime | None:
    """The start of the next hour, or of the next working morning of the account; None: at once."""
    if when == When.HOURLY:
        return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    if when != When.DAILY:
        return None
    account = Account.objects.filter(current=True).first()
    local = now.astimezone(ZoneInfo(account.time_zone if account else "UTC"))
    morning = local.replace(hour=MORNING, minute=0, second=0, microsecond=0)
    return morning if morning > local else morning + timedelta(days=1)


def choices_of(user: Person) -> dict[Topic, str]:
    """Topic -> when its mails come to this person."""
    need(user, "look")
    chosen = dict(NoticeChoice.objects.filter(user=user).values_list("topic", "when"))
    return {topic: chosen.get(topic, When.AT_ONCE) for topic in Topic}


def choose(user: Person, wanted: dict[Topic, str]) -> None:
    """From the next mail on. Barred where a topic is not to be had so late, or can't be turned off."""
    need(user, "look")
    for topic, when in wanted.items():
        if when not in OFFERED[topic]:
            raise Barred(_("“{label}” can't come so: it is about what waits for people.").format(label=topic.label))
    with transaction.atomic():
        for topic, when in wanted.items():
            if when == When.AT_ONCE:
                NoticeChoice.objects.filter(user=user, topic=topic).delete()
            else:
                NoticeChoice.objects.update_or_create(user=user, topic=topic, defaults={"when": when})


def operators() -> list[User]:
    return _having(OPERATOR)


def approvers() -> list[User]:
    return _having(APPROVER)


def auditors() -> list[User]:
    return _having(AUDITOR)


def _having(role: str) -> list[User]:
    return list(User.objects.filter(is_active=True, groups__name=role).distinct())


def owners(request: DeletionRequest) -> list[User]:
    """The requester and whoever it was made for."""
    return list({user.pk: user for user in (request.requester, request.version.asked_by)}.values())


def unsent() -> QuerySet[Notice]:
    """On their way: tried again until they have been tried too often."""
    return Notice.objects.filter(sent_at__isnull=True, tries__lt=GIVE_UP_AFTER)


def given_up() -> QuerySet[Notice]:
    """Tried too often, or their person has no address."""
    return Notice.objects.filter(sent_at__isnull=True, tries=GIVE_UP_AFTER)


def is_over(notice: Notice) -> bool:
    """Sent, or tried too often."""
    return notice.sent_at is not None or notice.tries >= GIVE_UP_AFTER


def state_of(notice: Notice) -> str:
    if notice.sent_at:
        return _("sent")
    if not is_over(notice):
        if notice.together and not notice.tries:
            return _("waits to go with others")
        return (
            _("tried {tries} times, goes on").format(tries=notice.tries) if notice.tries else _("waits for the worker")
        )
    if notice.tries == CALLED_OFF:
        return _("not sent: what it said was erased")
    return _("given up") if notice.user.email else _("not sent: this person has no address")


def send_again(by: Person, notice: Notice) -> None:
    """Barred where it is on its way, or was sent."""
    need(by, "send_again")
    if not given_up().filter(pk=notice.pk).update(tries=0, not_before=None):
        raise Barred(_("This mail was sent, or is on its way."))
    ring("work")


def send_due() -> bool:
    """Send one waiting mail, or the ones of a person that go together; False where none waits."""
    now, due = db_now(), unsent()
    due = due.filter(Q(not_before__isnull=True) | Q(not_before__lte=now))
    notice = due.order_by("id").first()
    if notice is None:
        return False
    if not notice.user.email:
        due.filter(pk=notice.pk).update(tries=GIVE_UP_AFTER)
        return True
    same = Q(user=notice.user, together=True) if notice.together else Q(pk=notice.pk)
    # Counted before it is sent: a mail server that kills the worker doesn't get the same mail for ever. In one
    # statement: what another worker has taken meanwhile is due no longer.
    later = now + timedelta(seconds=60 * 2**notice.tries)
    if due.filter(same, tries__lte=notice.tries).update(tries=F("tries") + 1, not_before=later):
        taken = Notice.objects.filter(same, sent_at__isnull=True, not_before=later)
        _send(list(taken.select_related("user", "request").order_by("id")))
    return True


def _send(taken: list[Notice]) -> None:
    if not taken:
        return
    try:
        send_mail(*_mail(taken), None, [taken[0].user.email])
    except OSError:  # smtplib's errors are OSErrors too; the next try is due later
        return
    Notice.objects.filter(pk__in=[notice.pk for notice in taken]).update(sent_at=db_now())


def _mail(notices: list[Notice]) -> tuple[str, str]:
    """Subject and text. Of several each says how its request stands by now."""
    if len(notices) == 1:
        return notices[0].subject, notices[0].text
    parts = []
    for notice in notices:
        stands = _(" (now: {state})").format(state=notice.request.get_state_display()) if notice.request else ""
        parts.append(f"{notice.subject}{stands}\n\n{notice.text.strip()}\n")
    return _("LSQ Ops: {count} messages").format(count=len(notices)), f"\n{'-' * 60}\n\n".join(parts)
