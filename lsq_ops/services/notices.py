"""Mail to those who must act. Written in the transaction of the change, sent by the worker; no personal data of a
lead."""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.db.models import Q, QuerySet
from django.urls import reverse

from lsq_ops.models import DeletionRequest, Notice, db_now
from lsq_ops.queue import ring

from .may import APPROVER, AUDITOR, OPERATOR, Barred, Person, need

GIVE_UP_AFTER = 8
CALLED_OFF = GIVE_UP_AFTER + 1  # tries of a mail that must not be sent any more


def tell(people: Iterable[User], request: DeletionRequest | None, subject: str, text: str) -> None:
    """Queue one mail for each person; the link only opens a page, it does nothing."""
    path = reverse("admin:lsq_ops_deletionrequest_change", args=[request.pk]) if request else reverse("admin:index")
    link = f"{settings.PUBLIC_URL.rstrip('/')}{path}" if settings.PUBLIC_URL else path
    about, now = request or "LSQ Ops", db_now()
    Notice.objects.bulk_create(
        Notice(
            user=user,
            request=request,
            subject=f"{about}: {subject}"[:200],
            text=f"{text}\n\n{link}\n",
            made_at=now,
        )
        for user in people
    )


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
        return "sent"
    if not is_over(notice):
        return f"tried {notice.tries} times, goes on" if notice.tries else "waits for the worker"
    if notice.tries == CALLED_OFF:
        return "not sent: what it said was erased"
    return "given up" if notice.user.email else "not sent: this person has no address"


def send_again(by: Person, notice: Notice) -> None:
    """Barred where it is on its way, or was sent."""
    need(by, "send_again")
    if not given_up().filter(pk=notice.pk).update(tries=0, not_before=None):
        raise Barred("This mail was sent, or is on its way.")
    ring("work")


def send_due() -> bool:
    """Send one waiting mail; False where none waits."""
    now, due = db_now(), unsent()
    notice = due.filter(Q(not_before__isnull=True) | Q(not_before__lte=now)).order_by("id").first()
    if notice is None:
        return False
    # Counted before it is sent: a mail server that kills the worker doesn't get the same mail for ever.
    later = now + timedelta(seconds=60 * 2**notice.tries)
    if not due.filter(pk=notice.pk, tries=notice.tries).update(tries=notice.tries + 1, not_before=later):
        return True
    if not notice.user.email:
        due.filter(pk=notice.pk).update(tries=GIVE_UP_AFTER)
        return True
    try:
        send_mail(notice.subject, notice.text, None, [notice.user.email])
    except OSError:  # smtplib's errors are OSErrors too; the next try is due later
        return True
    Notice.objects.filter(pk=notice.pk).update(sent_at=db_now())
    return True
