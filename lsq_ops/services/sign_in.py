"""Signing in: whether a session still stands, what must be done first, one's own password, and what a change of
password or second factor does to the votes of that person."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db.models import DateTimeField, Exists, ExpressionWrapper, OuterRef, Subquery
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from lsq_ops.models import AuditEvent, OneTimePassword, Topic, VotingSuspension, audited, db_now, record, timing

from . import notices
from .may import APPROVER, OPERATOR, POLICY_ADMIN, Barred, Person, roles_of
from .people import is_first_set_up

PRIVILEGED = {APPROVER, OPERATOR, POLICY_ADMIN}
Why = VotingSuspension.Why


@dataclass(frozen=True, slots=True)
class Standing:
    """What the door must know at every request, in one query."""

    now: datetime
    password_is_anothers: bool
    has_factor: bool
    changed_at: datetime | None


def standing(user: Person) -> Standing:
    factor = Authenticator.objects.filter(user=OuterRef("pk"), type=Authenticator.Type.TOTP)
    one_time = OneTimePassword.objects.filter(user=OuterRef("pk"), password=OuterRef("password"))
    changes = VotingSuspension.objects.filter(user=OuterRef("pk")).order_by("-id")
    row = (
        User.objects.filter(pk=user.pk)
        .annotate(now=ExpressionWrapper(Now(), DateTimeField()), once=Exists(one_time), factor=Exists(factor))
        .annotate(changed_at=Subquery(changes.values("at")[:1]))
        .values_list("now", "once", "factor", "changed_at")
    )
    return Standing(*row.get())


def is_privileged(user: Person) -> bool:
    return bool(roles_of(user) & PRIVILEGED)


def factor_required(user: Person) -> bool:
    """Who decides, operates or makes the rules signs in with a second factor; in the sandbox it is offered."""
    return not settings.SANDBOX_MODE and is_privileged(user)


def may_be_idle(user: Person) -> int:
    clock = timing()
    return clock.session_idle_privileged if is_privileged(user) else clock.session_idle


def change_password(user: User, password: str) -> VotingSuspension:
    """One's own. A password that somebody else made is over with it."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Barred(" ".join(error.messages)) from None
    if user.check_password(password):
        raise Barred(_("This is the password that you have; choose another one."))
    with audited():
        user.set_password(password)
        user.save(update_fields=["password"])
        record("people.password_changed", user, actor=str(user))
        return suspend(user, Why.PASSWORD_CHANGED, by=str(user))


def suspend(user: Person, why: Why, *, by: str) -> VotingSuspension:
    """New votes of this person wait a day, and their other sessions are over; votes that were given stay. Nothing waits
    in the first set-up, while the account was never resumed: there, everybody's password and second factor is new."""
    now = db_now()
    until = now if is_first_set_up() else now + timedelta(seconds=timing().vote_suspended_for)
    with audited():
        row = VotingSuspension.objects.create(user=user, until=until, why=why, at=now, by=by)
        if until > now:
            record("people.votes_suspended", user, actor=by, until=until, why=why.value)
        text = _("Your {label} on {now:%d %b %Y %H:%M} UTC, by {by}.").format(label=why.label, now=now, by=by)
        text = _("{text} If that is news to you, tell a policy admin at once.").format(text=text)
        notices.tell([user], None, _("your {label}").format(label=why.label), text, Topic.SIGN_IN)
    return row


def votes_would_wait(user: Person) -> int:
    """Seconds that new votes wait after such a change; 0 for whoever has none to give."""
    return 0 if APPROVER not in roles_of(user) or is_first_set_up() else timing().vote_suspended_for


# --- Wrong tries -----------------------------------------------------------------------------------------------------


def tries(request: object = None, credentials: object = None) -> int:
    return timing().sign_in_tries


def blocked_for(request: object = None) -> timedelta:
    return timedelta(seconds=timing().sign_in_blocked)


def note_blocked(username: str) -> None:
    """Into the trail, once in the time of a block: whoever tries from many addresses must not fill it."""
    user = User.objects.filter(username=username).first()
    if user is None:
        return
    with audited():
        told = AuditEvent.objects.filter(object_type="user", object_id=str(user.pk), action="people.sign_in_blocked")
        last = told.order_by("-seq").values_list("at", flat=True).first()
        if last is None or db_now() - datetime.fromisoformat(last) > blocked_for():
            record("people.sign_in_blocked", user, actor="system", minutes=timing().sign_in_blocked // 60)
