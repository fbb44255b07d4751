"""The second factor: an authenticator's codes, and recovery codes for the day when it is lost. allauth keeps and checks
them; who may do what to whose, and what follows from it, is here."""

from datetime import datetime

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from lsq_ops.models import RequestVersion, VotingSuspension, audited, db_now, record, timing
from lsq_ops.wording import lazy

from .may import Barred, Person, need
from .sign_in import Why, factor_required, suspend

NEEDED = lazy("Your role needs a second factor, so it can't be removed. For another device a policy admin resets it.")


def has(user: Person) -> bool:
    return Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists()


def of(user: Person) -> tuple[Authenticator | None, list[str]]:
    """The authenticator, and the recovery codes that were not used yet."""
    mine = {one.type: one for one in Authenticator.objects.filter(user=user)}
    codes = mine.get(Authenticator.Type.RECOVERY_CODES)
    return mine.get(Authenticator.Type.TOTP), RecoveryCodes(codes).get_unused_codes() if codes else []


def set_up(user: User, secret: str) -> tuple[list[str], VotingSuspension]:
    """The secret is the authenticator's from now on. Returns the recovery codes, which are shown this once."""
    with audited():
        try:
            with transaction.atomic():
                TOTP.activate(user, secret)
        except IntegrityError:  # two tabs
            raise Barred(_("You have a second factor already.")) from None
        record("people.second_factor_added", user, actor=str(user))
        return RecoveryCodes.activate(user).get_unused_codes(), suspend(user, Why.FACTOR_ADDED, by=str(user))


def new_codes(user: User) -> list[str]:
    """Ten new recovery codes; the old ones are worth nothing any more."""
    with audited():
        if not has(user):
            raise Barred(_("Recovery codes belong to a second factor; set one up first."))
        Authenticator.objects.filter(user=user, type=Authenticator.Type.RECOVERY_CODES).delete()
        record("people.recovery_codes_made", user, actor=str(user))
        return RecoveryCodes.activate(user).get_unused_codes()


def remove(user: User) -> VotingSuspension:
    """One's own, by whoever doesn't need one."""
    if factor_required(user):
        raise Barred(NEEDED)
    with audited():
        _take_away(user)
        record("people.second_factor_removed", user, actor=str(user))
        return suspend(user, Why.FACTOR_REMOVED, by=str(user))


def reset(by: Person, user: User) -> None:
    """For somebody who lost device and codes: they set up a new one at their next sign-in."""
    need(by, "manage_people")
    if by.pk == user.pk:
        raise Barred(_("Nobody resets their own second factor; another policy admin does it."))
    with audited():
        _take_away(user)
        record("people.second_factor_reset", user, actor=str(by))
        suspend(user, Why.FACTOR_RESET, by=str(by))


def _take_away(user: User) -> None:
    if not Authenticator.objects.filter(user=user).delete()[0]:
        raise Barred(_("{user} has no second factor.").format(user=user))


# --- Votes -----------------------------------------------------------------------------------------------------------


def wanted_for(user: Person, version: RequestVersion) -> bool:
    """High requests are decided with a second factor that was checked just now; in the sandbox by who has one."""
    return version.tier == "high" and (not settings.SANDBOX_MODE or has(user))


def is_fresh(checked_at: datetime | None) -> bool:
    return checked_at is not None and (db_now() - checked_at).total_seconds() <= timing().factor_fresh


def need_fresh(user: Person, version: RequestVersion, checked_at: datetime | None) -> None:
    """Barred unless the person's second factor was checked within the last ten minutes, where that is asked for."""
    if wanted_for(user, version) and not is_fresh(checked_at):
        raise Barred(
            _(
                "A request of the high tier is decided with your second factor, checked within the last "
                "{factor_fresh} minutes. Type a new code."
            ).format(factor_fresh=timing().factor_fresh // 60)
        )
