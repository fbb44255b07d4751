"""Mail to those who must act. Written in the transaction of the change, sent by the worker; no personal data of a
lead."""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.db.models import Q
from django.urls import reverse

from lsq_ops.models import DeletionRequest, Notice, db_now

from .may import APPROVER, AUDITOR, OPERATOR

GIVE_UP_AFTER = 8


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


def send_due() -> bool:
    """Send one waiting mail; False where none waits."""
    now = db_now()
    due = Notice.objects.filter(sent_at__isnull=True, tries__lt=GIVE_UP_AFTER)
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
