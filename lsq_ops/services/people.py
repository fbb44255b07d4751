"""Roles, people and grants. `setup_roles` makes what is missing and runs any number of times."""

import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils.translation import gettext as _

from lsq_ops.models import (
    Account,
    ApproverGrant,
    AuditEvent,
    OneTimePassword,
    Policy,
    Team,
    Topic,
    audited,
    db_now,
    record,
    timing,
)

from . import notices
from .may import APPROVER, AUDITOR, OPERATOR, POLICY_ADMIN, REQUESTER, ROLES, Barred, Person, need, roles_of

__all__ = ["ROLES", "give_grant", "make_user", "revoke_grant", "roles_of", "set_roles", "setup_roles"]

TEAMS = ("Business", "Data control")
SHIPPED_TIERS = [
    {"name": "low", "max_items": 50, "max_leads": 5, "max_share": 20, "approvals": 1, "teams": 1},
    {"name": "medium", "max_items": 1000, "max_leads": None, "max_share": None, "approvals": 2, "teams": 1},
    {"name": "high", "max_items": None, "max_leads": None, "max_share": None, "approvals": 2, "teams": 2},
]
DEMO = (
    ("rita", "Rita", "Rao", (REQUESTER,), ""),
    ("arun", "Arun", "Iyer", (APPROVER,), "Business"),
    ("dana", "Dana", "Levi", (APPROVER,), "Data control"),
    ("omar", "Omar", "Haddad", (OPERATOR,), ""),
    ("olga", "Olga", "Petrova", (OPERATOR,), ""),
    ("aida", "Aida", "Costa", (AUDITOR,), ""),
    ("pia", "Pia", "Novak", (POLICY_ADMIN,), ""),
    ("vera", "Vera", "Lind", (), ""),
)
DEMO_PASSWORD = "try-the-sandbox"  # noqa: S105 (the sandbox's people, who can reach nothing real)  # nosec B105 # the sandbox's people, who reach nothing real


def setup_roles() -> None:
    """Groups, teams and the shipped policy."""
    for role in ROLES:
        Group.objects.get_or_create(name=role)
    for team in TEAMS:
        Team.objects.get_or_create(name=team)
    if not Policy.objects.exists():
        with audited():
            policy = Policy.objects.create(
                name="as shipped", tiers=SHIPPED_TIERS, counts_from=db_now(), set_by="system"
            )
            record("policy.set", policy, actor="system", tiers=len(SHIPPED_TIERS))


def make_demo_people() -> list[tuple[str, str, str]]:
    """The sandbox's people, one for each role: (user name, password, what they may)."""
    if not settings.SANDBOX_MODE:
        raise Barred(_("Demo people exist in the sandbox only."))
    for username, first, last, roles, team in DEMO:
        if not User.objects.filter(username=username).exists():
            user = _create(username, first, last, f"{username}@example.com", DEMO_PASSWORD, set(roles), by="system")
            if team:
                _grant(user, Team.objects.get(name=team), by="system")
    return [(username, DEMO_PASSWORD, _may_words(roles, team)) for username, __, __, roles, team in DEMO]


def make_first_admin() -> tuple[str, str] | None:
    """With keys, on an empty database: one policy admin, also operator, with a one-time password."""
    if User.objects.exists():
        return None
    password = secrets.token_urlsafe(12)
    _once(_create("admin", "First", "Admin", "", password, {POLICY_ADMIN, OPERATOR}, by="system"))
    return "admin", password


def make_user(
    by: Person,
    *,
    username: str,
    first_name: str = "",
    last_name: str = "",
    email: str = "",
    password: str,
    roles: set[str] = frozenset(),  # type: ignore[assignment]
) -> User:
    need(by, "manage_people")
    username = User.normalize_username(username)  # as it is kept: look-alikes of a name are that name
    if User.objects.filter(username__iexact=username).exists():
        raise Barred(_("There is a user {username} already.").format(username=username))
    try:
        validate_password(password, User(username=username, first_name=first_name, last_name=last_name, email=email))
    except ValidationError as error:
        raise Barred(" ".join(error.messages)) from None
    try:
        user = _create(username, first_name, last_name, email, password, set(roles), by=str(by))
    except IntegrityError:  # a double click: both found the name free
        raise Barred(_("There is a user {username} already.").format(username=username)) from None
    _once(user)
    return user


def set_roles(by: Person, user: User, roles: set[str]) -> None:
    """Give exactly these roles. Nobody changes their own."""
    need(by, "manage_people")
    if by.pk == user.pk:
        raise Barred(_("Nobody changes their own roles; another policy admin does it."))
    _check_roles(roles)
    with audited():
        before = sorted(user.groups.filter(name__in=ROLES).values_list("name", flat=True))
        user.groups.set([*user.groups.exclude(name__in=ROLES), *Group.objects.filter(name__in=roles)])
        user.__dict__.pop("_lsq_roles", None)
        record("people.roles_changed", user, actor=str(by), before=before, after=sorted(roles))
        if APPROVER not in roles:
            for grant in ApproverGrant.objects.filter(user=user, revoked_at__isnull=True):
                revoke_grant(by, grant)


def set_active(by: Person, user: User, active: bool) -> None:
    """Lock somebody out, or let them in again. The votes of whoever is locked out stop counting meanwhile."""
    need(by, "manage_people")
    if by.pk == user.pk:
        raise Barred(_("Nobody locks themselves out; another policy admin does it."))
    with audited():
        if User.objects.filter(pk=user.pk, is_active=not active).update(is_active=active):
            record("people.unlocked" if active else "people.locked", user, actor=str(by))


def new_password(by: Person, user: User) -> str:
    """A one-time password for somebody who lost theirs. Not for oneself: that is what changing it is for."""
    need(by, "manage_people")
    if by.pk == user.pk:
        raise Barred(_("Change your own password by the menu beside your name."))
    from . import sign_in

    password = secrets.token_urlsafe(12)
    with audited():
        user.set_password(password)
        user.save(update_fields=["password"])
        _once(user)
        record("people.password_reset", user, actor=str(by))
        sign_in.suspend(user, sign_in.Why.PASSWORD_RESET, by=str(by))
    return password


def _once(user: User) -> None:
    OneTimePassword.objects.update_or_create(user=user, defaults={"password": user.password})


def give_grant(by: Person, user: User, team: Team) -> ApproverGrant:
    """The right to vote for `team`; it counts after a day, at once while the account has never been resumed."""
    need(by, "manage_people")
    if by.pk == user.pk:
        raise Barred(_("Nobody gives a grant to themselves; another policy admin does it."))
    if APPROVER not in roles_of(user):
        raise Barred(_("{user} does not have the role of an approver; give the role first.").format(user=user))
    if ApproverGrant.objects.filter(user=user, revoked_at__isnull=True).exists():
        raise Barred(_("{user} has a grant already; revoke it first.").format(user=user))
    return _grant(user, team, by=str(by))


def revoke_grant(by: Person, grant: ApproverGrant) -> None:
    """The grant's votes stop counting now; requests that rest on them wait for another approver."""
    need(by, "manage_people")
    with audited():
        grants = ApproverGrant.objects.filter(pk=grant.pk, revoked_at__isnull=True)
        if not grants.update(revoked_at=db_now(), revoked_by=str(by)):
            raise Barred(_("This grant was revoked already."))
        record("people.grant_revoked", grant, actor=str(by), user=str(grant.user))
        _announce(
            _("{by} revoked the grant of {user} for {team}. Its votes count no more.").format(
                by=by, user=grant.user, team=grant.team
            )
        )


def _create(username: str, first: str, last: str, email: str, password: str, roles: set[str], *, by: str) -> User:
    _check_roles(roles)
    with audited():
        user = User.objects.create_user(username, email, password, first_name=first, last_name=last, is_staff=True)
        user.groups.set(Group.objects.filter(name__in=roles))
        record("people.user_made", user, actor=by, roles=sorted(roles))
    return user


def _grant(user: Person, team: Team, *, by: str) -> ApproverGrant:
    now = db_now()
    counts_from = now if is_first_set_up() else now + timedelta(seconds=timing().change_counts_after)
    with audited():
        grant = ApproverGrant.objects.create(user=user, team=team, counts_from=counts_from, given_by=by, given_at=now)
        record("people.grant_given", grant, actor=by, user=str(user), team=team.name, counts_from=counts_from)
        _announce(
            _("{by} gave {user} a grant for {team}, counting from {counts_from:%d %b %Y %H:%M} UTC.").format(
                by=by, user=user, team=team, counts_from=counts_from
            )
        )
    return grant


def _announce(text: str) -> None:
    """Every approver hears who may vote: a grant that nobody should have is noticed by somebody."""
    notices.tell(notices.approvers(), None, _("who may vote has changed"), text, Topic.RULES)


def is_first_set_up() -> bool:
    """The account is still paused and was never resumed: nothing could have been sent. The trail is asked too, because
    whoever pauses later could type the first pause's reason."""
    from .accounts import FIRST_PAUSE

    waits = not Account.objects.exclude(pause_reason=FIRST_PAUSE).exists()
    return waits and not AuditEvent.objects.filter(action="account.resumed").exists()


def _check_roles(roles: set[str]) -> None:
    unknown = set(roles) - set(ROLES)
    if unknown:
        raise Barred(
            _("There is no role {names}; the roles are {roles}.").format(
                names=", ".join(sorted(unknown)), roles=", ".join(ROLES)
            )
        )
    if AUDITOR in roles and len(roles) > 1:
        raise Barred(_("An auditor is nothing else: take away the other roles, or the auditor's."))
    if {POLICY_ADMIN, APPROVER} <= set(roles):
        raise Barred(_("A policy admin is never an approver: who makes the rules does not vote under them."))


def _may_words(roles: tuple[str, ...], team: str) -> str:
    if not roles:
        return _("may only look")
    return ", ".join(role.lower() for role in roles) + (f" ({team})" if team else "")
