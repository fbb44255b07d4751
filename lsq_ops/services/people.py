"""Roles, people and grants. `setup_roles` makes what is missing and runs any number of times."""

import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from lsq_ops.models import Account, ApproverGrant, Policy, Team, audited, db_now, record, timing

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
DEMO_PASSWORD = "try-the-sandbox"  # noqa: S105 (the sandbox's people, who can reach nothing real)


def setup_roles() -> None:
    """Groups, teams and the shipped policy."""
    for role in ROLES:
        Group.objects.get_or_create(name=role)
    for team in TEAMS:
        Team.objects.get_or_create(name=team)
    if not Policy.objects.filter(retired_at__isnull=True).exists():
        with audited():
            policy = Policy.objects.create(
                name="as shipped", tiers=SHIPPED_TIERS, counts_from=db_now(), set_by="system"
            )
            record("policy.set", policy, actor="system", tiers=len(SHIPPED_TIERS))


def make_demo_people() -> list[tuple[str, str, str]]:
    """The sandbox's people, one for each role: (user name, password, what they may)."""
    if not settings.SANDBOX_MODE:
        raise Barred("Demo people exist in the sandbox only.")
    for username, first, last, roles, team in DEMO:
        if not User.objects.filter(username=username).exists():
            user = _create(username, first, last, f"{username}@example.com", DEMO_PASSWORD, set(roles), by="system")
            if team:
                _grant(user, Team.objects.get(name=team), by="system")
    return [(username, DEMO_PASSWORD, _may_words(roles, team)) for username, _, _, roles, team in DEMO]


def make_first_admin() -> tuple[str, str] | None:
    """With keys, on an empty database: one policy admin, also operator, with a one-time password."""
    if User.objects.exists():
        return None
    password = secrets.token_urlsafe(12)
    _create("admin", "First", "Admin", "", password, {POLICY_ADMIN, OPERATOR}, by="system")
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
    if User.objects.filter(username__iexact=username).exists():
        raise Barred(f"There is a user {username} already.")
    try:
        validate_password(password)
    except ValidationError as error:
        raise Barred(" ".join(error.messages)) from None
    return _create(username, first_name, last_name, email, password, set(roles), by=str(by))


def set_roles(by: Person, user: User, roles: set[str]) -> None:
    """Give exactly these roles. Nobody changes their own."""
    need(by, "manage_people")
    if by.pk == user.pk:
        raise Barred("Nobody changes their own roles; another policy admin does it.")
    _check_roles(roles)
    with audited():
        before = sorted(user.groups.filter(name__in=ROLES).values_list("name", flat=True))
        user.groups.set([*user.groups.exclude(name__in=ROLES), *Group.objects.filter(name__in=roles)])
        user.__dict__.pop("_lsq_roles", None)
        record("people.roles_changed", user, actor=str(by), before=before, after=sorted(roles))


def give_grant(by: Person, user: User, team: Team) -> ApproverGrant:
    """The right to vote for `team`; it counts after a day, at once while the account has never been resumed."""
    need(by, "manage_people")
    if by.pk == user.pk:
        raise Barred("Nobody gives a grant to themselves; another policy admin does it.")
    if APPROVER not in roles_of(user):
        raise Barred(f"{user} does not have the role of an approver; give the role first.")
    if ApproverGrant.objects.filter(user=user, revoked_at__isnull=True).exists():
        raise Barred(f"{user} has a grant already; revoke it first.")
    return _grant(user, team, by=str(by))


def revoke_grant(by: Person, grant: ApproverGrant) -> None:
    """The grant's votes stop counting now; requests that rest on them wait for another approver."""
    need(by, "manage_people")
    with audited():
        grants = ApproverGrant.objects.filter(pk=grant.pk, revoked_at__isnull=True)
        if not grants.update(revoked_at=db_now(), revoked_by=str(by)):
            raise Barred("This grant was revoked already.")
        record("people.grant_revoked", grant, actor=str(by), user=str(grant.user))


def _create(username: str, first: str, last: str, email: str, password: str, roles: set[str], *, by: str) -> User:
    _check_roles(roles)
    with audited():
        user = User.objects.create_user(username, email, password, first_name=first, last_name=last, is_staff=True)
        user.groups.set(Group.objects.filter(name__in=roles))
        record("people.user_made", user, actor=by, roles=sorted(roles))
    return user


def _grant(user: Person, team: Team, *, by: str) -> ApproverGrant:
    now = db_now()
    counts_from = now if _first_set_up() else now + timedelta(seconds=timing().change_counts_after)
    with audited():
        grant = ApproverGrant.objects.create(user=user, team=team, counts_from=counts_from, given_by=by, given_at=now)
        record("people.grant_given", grant, actor=by, user=str(user), team=team.name, counts_from=counts_from)
    return grant


def _first_set_up() -> bool:
    """The account is still paused and was never resumed: nothing could have been sent."""
    from .accounts import FIRST_PAUSE

    return not Account.objects.exclude(pause_reason=FIRST_PAUSE).exists()


def _check_roles(roles: set[str]) -> None:
    unknown = set(roles) - set(ROLES)
    if unknown:
        raise Barred(f"There is no role {', '.join(sorted(unknown))}; the roles are {', '.join(ROLES)}.")
    if AUDITOR in roles and len(roles) > 1:
        raise Barred("An auditor is nothing else: take away the other roles, or the auditor's.")
    if {POLICY_ADMIN, APPROVER} <= set(roles):
        raise Barred("A policy admin is never an approver: who makes the rules does not vote under them.")


def _may_words(roles: tuple[str, ...], team: str) -> str:
    if not roles:
        return "may only look"
    return ", ".join(role.lower() for role in roles) + (f" ({team})" if team else "")
