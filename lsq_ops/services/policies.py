"""Changing the approval policy, and who could give what it asks for.

A change counts a day later and every approver hears of it; until then it can be taken back, and the old policy holds.
Marks that make a request high (a history that is wiped, most of a lead's activities) are no part of it: they stay.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from lsq_ops.models import Policy, Topic, audited, db_now, record, timing

from . import notices, people
from .may import APPROVER, Barred, Person, grant_in_force, need, suspension

NAMES = ("low", "medium", "high")
LIMITS = ("max_items", "max_leads", "max_share")
MOST = 20  # approvals of one request

Tiers = list[dict[str, Any]]


def in_force(now: datetime | None = None) -> QuerySet[Policy]:
    """The policies that count now; of several the strictest answer does."""
    now = now or db_now()
    over = Q(retired_at__isnull=False, retired_at__lte=now)
    return Policy.objects.filter(counts_from__lte=now).exclude(over).order_by("id")


def coming() -> Policy | None:
    """The change that waits for its day."""
    return Policy.objects.filter(counts_from__gt=db_now(), retired_at__isnull=True).first()


def set_policy(by: Person, tiers: Tiers, name: str) -> Policy:
    """A new policy in place of those in force, from a day later on. `tiers`: as Policy.tiers, low, medium, high."""
    need(by, "manage_policy")
    _check(tiers)
    with audited():
        _one_by_one()
        now = db_now()
        if waiting := coming():
            raise Barred(f"A change waits already, from {_time(waiting.counts_from)} on; take it back first.")
        counts_from = now + timedelta(seconds=_delay())
        in_force(now).update(retired_at=counts_from)
        policy = Policy.objects.create(name=name, tiers=tiers, counts_from=counts_from, set_by=str(by))
        record("policy.set", policy, actor=str(by), tiers=tiers, counts_from=counts_from)
        text = f"{by} changed the approval policy. It counts from {_time(counts_from)} on:\n\n{in_words(tiers)}"
        notices.tell(notices.approvers(), None, "the approval policy changes", text, Topic.RULES)
    return policy


def take_back(by: Person, policy: Policy) -> None:
    """A change that doesn't count yet; the policies that it would have replaced stay."""
    need(by, "manage_policy")
    with audited():
        _one_by_one()
        now = db_now()
        policy = Policy.objects.get(pk=policy.pk)
        if policy.retired_at or policy.counts_from <= now:
            raise Barred("This policy counts already, or is over; set another one instead.")
        Policy.objects.filter(retired_at=policy.counts_from).exclude(pk=policy.pk).update(retired_at=None)
        Policy.objects.filter(pk=policy.pk).update(retired_at=now)
        record("policy.taken_back", policy, actor=str(by))
        text = f"{by} took the announced change back."
        notices.tell(notices.approvers(), None, "the approval policy stays", text, Topic.RULES)


def in_words(tiers: Tiers) -> str:
    return "\n".join(f"{tier['name']}: {limits_in_words(tier)}: {approvals_in_words(tier)}" for tier in tiers)


def limits_in_words(tier: dict[str, Any]) -> str:
    words = {
        "max_items": "up to {:,} items",
        "max_leads": "on up to {:,} leads, or of one owner's tasks",
        "max_share": "under {:,} % of each lead's history",
    }
    said = [words[limit].format(tier[limit]) for limit in LIMITS if tier[limit] is not None]
    return ", ".join(said) or ("anything else, or marked" if tier["name"] == NAMES[-1] else "any number")


def approvals_in_words(tier: dict[str, Any]) -> str:
    teams = f" from {tier['teams']} teams" if tier["teams"] > 1 else ""
    return f"{tier['approvals']} approval{'s' if tier['approvals'] > 1 else ''}{teams}"


# --- Who could give them -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of one tier: how many people in how many teams could vote now, and how many of them may be away at the same time
    (-1: not even all together are enough)."""

    tier: dict[str, Any]
    people: int
    teams: int
    spare: int

    def __str__(self) -> str:
        teams = f"{self.teams} team{'' if self.teams == 1 else 's'}"
        there = f"{self.people} {'person' if self.people == 1 else 'people'} in {teams} could vote"
        if self.spare < 0:
            return f"{there}: nobody can decide this. A policy admin must give more grants."
        if self.spare == 0:
            return f"{there}: can be decided only if nobody is away."
        return f"{there}: can be decided if at most {self.spare} {'is' if self.spare == 1 else 'are'} away."


def coverage(tiers: Tiers | None = None) -> list[Coverage]:
    """For these tiers, or the ones in force (of several policies all). Who is barred from a request by having made,
    edited or asked for it is one of those who are "away"."""
    sizes: dict[int, int] = {}
    for user in User.objects.filter(is_active=True, groups__name=APPROVER).distinct():
        if (grant := grant_in_force(user)) and not suspension(user):
            sizes[grant.team_id] = sizes.get(grant.team_id, 0) + 1
    wanted = tiers if tiers is not None else [tier for policy in in_force() for tier in policy.tiers]
    return [Coverage(tier, sum(sizes.values()), len(sizes), _spare(tier, list(sizes.values()))) for tier in wanted]


def _spare(tier: dict[str, Any], sizes: list[int]) -> int:
    """However unluckily they are chosen: the smallest teams first, until one too few is left."""
    by_count = sum(sizes) - tier["approvals"]
    by_team = sum(sorted(sizes)[: len(sizes) - tier["teams"] + 1]) - 1 if len(sizes) >= tier["teams"] else -1
    return max(-1, min(by_count, by_team))


# --- What a policy may say -----------------------------------------------------------------------------------------


def _check(tiers: Tiers) -> None:
    """Barred with everything that is wrong, in words."""
    if wrong := list(_troubles(tiers)):
        raise Barred(" ".join(wrong))


def _troubles(tiers: Tiers) -> Iterator[str]:
    if [tier.get("name") for tier in tiers] != list(NAMES):
        yield "A policy has three tiers: low, medium and high."
        return
    for tier in tiers:
        if not 1 <= tier["approvals"] <= MOST:
            yield f"{tier['name'].capitalize()}: from 1 to {MOST} approvals; none is not possible."
        elif not 1 <= tier["teams"] <= tier["approvals"]:
            yield f"{tier['name'].capitalize()}: from 1 team to as many as there are approvals."
        if tier["max_items"] is not None and tier["max_items"] < 1:
            yield f"{tier['name'].capitalize()}: at least 1 item, or no limit."
    for lower, higher in pairwise(tiers):
        names = f"{higher['name'].capitalize()} must not ask for less than {lower['name']}"
        if (higher["approvals"], higher["teams"]) < (lower["approvals"], lower["teams"]):
            yield f"{names}: {approvals_in_words(higher)} against {approvals_in_words(lower)}."
        for limit in LIMITS:
            if higher[limit] is not None and (lower[limit] is None or higher[limit] < lower[limit]):
                yield f"{names}: its limit is the narrower one ({limits_in_words(higher)})."
                break
    if any(tiers[-1][limit] is not None for limit in LIMITS):
        yield "High has no limits: what fits none of the others is high."


def _one_by_one() -> None:
    """Two changes at once would both find nothing waiting."""
    list(Policy.objects.select_for_update(no_key=True).order_by("id").values_list("pk", flat=True))


def _delay() -> int:
    """At once in the first set-up, while the account was never resumed: nothing could have been sent."""
    return 0 if people.is_first_set_up() else timing().change_counts_after


def _time(at: datetime) -> str:
    return f"{at:%d %b %Y %H:%M} UTC"
