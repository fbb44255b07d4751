"""The approval policy: which tier a request falls into, and why. Of several policies the strictest answer counts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from lsq_ops import kinds
from lsq_ops.models import DeletionRequest, Policy, RequestVersion, timing
from lsq_ops.wording import counted

from . import policies
from .may import APPROVER, grant_in_force, involved, suspension


@dataclass(frozen=True, slots=True)
class Tier:
    name: str
    reason: str
    approvals: int
    teams: int
    wait: int


def tier_of(request: DeletionRequest) -> Tier:
    """The lowest tier whose limits all hold; what fits none, or carries a mark, is the highest."""
    found = (_tier(policy, request) for policy in policies.in_force())
    return max(found, key=lambda t: (t.approvals, t.teams, t.wait))


def eligible(request: DeletionRequest) -> list[User]:
    """Approvers who could vote: active, granted, not suspended, and neither maker, editor nor asker."""
    people = User.objects.filter(is_active=True, groups__name=APPROVER).distinct()
    return [u for u in people if grant_in_force(u) and not suspension(u) and not involved(u, request)]


def shortage(request: DeletionRequest, tier: Tier) -> str:
    """Why not enough people could vote; empty where they could."""
    people = eligible(request)
    teams = {grant.team_id for user in people if (grant := grant_in_force(user))}
    if len(people) >= tier.approvals and len(teams) >= tier.teams:
        return ""
    return _(
        "This needs {approvals} approvals from {teams} team(s), but only {count} people from {count2} "
        "team(s) could vote. A policy admin can give more grants."
    ).format(approvals=tier.approvals, teams=tier.teams, count=len(people), count2=len(teams))


def unproven(request: DeletionRequest) -> str:
    """Why this is too much for a kind that has not yet completed by reading on this account; empty where it isn't. The
    sandbox counts as proven."""
    version, clock = request.version, timing()
    done = DeletionRequest.objects.filter(account=request.account, kind=request.kind, state="completed")
    small = version.leads_count <= clock.proving_leads and version.items_count <= clock.proving_items
    if small or request.account.sandbox or done.exists():
        return ""
    return _(
        "The first request of this kind on this account proves that it works: at most {proving_leads} "
        "lead and {proving_items} items. This one has {items_count} items on {leads_count} leads. Once a "
        "small one has completed, this limit is gone."
    ).format(
        proving_leads=clock.proving_leads,
        proving_items=clock.proving_items,
        items_count=version.items_count,
        leads_count=version.leads_count,
    )


def working_days_later(start: datetime, days: int) -> datetime:
    end = start
    while days:
        end += timedelta(days=1)
        days -= end.weekday() < 5
    return end


def _tier(policy: Policy, request: DeletionRequest) -> Tier:
    version = request.version
    mark = _high_mark(request)
    for tier in policy.tiers[:-1]:
        if not mark and _fits(tier, version, request.kind):
            return _made(tier, _why(version))
    return _made(policy.tiers[-1], mark or _why(version))


def _made(tier: dict[str, Any], reason: str) -> Tier:
    clock = timing()
    wait = {"low": clock.wait_low, "medium": clock.wait_medium}.get(tier["name"], clock.wait_high)
    return Tier(tier["name"], reason, max(1, tier["approvals"]), tier["teams"], wait)


def _fits(tier: dict[str, Any], version: RequestVersion, kind: str) -> bool:
    if tier["max_items"] is not None and version.items_count > tier["max_items"]:
        return False
    if tier["max_leads"] is not None and not _narrow(version, tier["max_leads"], kind):
        return False
    share = tier["max_share"]
    return share is None or not any(
        goes * 100 >= share * all_of for goes, all_of in version.shares.values() if all_of >= 10
    )


def _narrow(version: RequestVersion, max_leads: int, kind: str) -> bool:
    if version.leads_count <= max_leads:
        return True
    return kind == "tasks" and version.items.values("owner_id").distinct().order_by().count() == 1


def _high_mark(request: DeletionRequest) -> str:
    always = kinds.get(request.kind).always_high
    if always:
        return always
    shares = [goes * 100 >= 60 * all_of for goes, all_of in request.version.shares.values() if all_of >= 10]
    heavy = sum(shares)
    leads = max(1, request.version.leads_count)
    if heavy and (heavy * 20 > leads or leads == 1):
        return _("{heavy} of {leads} leads would lose 60 % or more of their history").format(heavy=heavy, leads=leads)
    return ""


def _why(version: RequestVersion) -> str:
    items, leads = version.items_count, version.leads_count
    return _("{items} on {leads}").format(items=counted(items, "item"), leads=counted(leads, "lead"))
