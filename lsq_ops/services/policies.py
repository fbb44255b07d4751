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
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lsq_ops.models import Policy, Topic, audited, db_now, record, timing
from lsq_ops.wording import counted

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
            raise Barred(
                _("A change waits already, from {time} on; take it back first.").format(time=_time(waiting.counts_from))
            )
        counts_from = now + timedelta(seconds=_delay())
        in_force(now).update(retired_at=counts_from)
        policy = Policy.objects.create(name=name, tiers=tiers, counts_from=counts_from, set_by=str(by))
        record("policy.set", policy, actor=str(by), tiers=tiers, counts_from=counts_from)
        text = _("{by} changed the approval policy. It counts from {time} on:\n\n{in_words}").format(
            by=by, time=_time(counts_from), in_words=in_words(tiers)
        )
        notices.tell(notices.approvers(), None, _("the approval policy changes"), text, Topic.RULES)
    return policy


def take_back(by: Person, policy: Policy) -> None:
    """A change that doesn't count yet; the policies that it would have replaced stay."""
    need(by, "manage_policy")
    with audited():
        _one_by_one()
        now = db_now()
        policy = Policy.objects.get(pk=policy.pk)
        if policy.retired_at or policy.counts_from <= now:
            raise Barred(_("This policy counts already, or is over; set another one instead."))
        Policy.objects.filter(retired_at=policy.counts_from).exclude(pk=policy.pk).update(retired_at=None)
        Policy.objects.filter(pk=policy.pk).update(retired_at=now)
        record("policy.taken_back", policy, actor=str(by))
        text = _("{by} took the announced change back.").format(by=by)
        notices.tell(notices.approvers(), None, _("the approval policy stays"), text, Topic.RULES)


def in_words(tiers: Tiers) -> str:
    return "\n".join(f"{tier['name']}: {limits_in_words(tier)}: {approvals_in_words(tier)}" for tier in tiers)


def limits_in_words(tier: dict[str, Any]) -> str:
    words = {
        "max_items": _("up to {:,} items"),
        "max_leads": _("on up to {:,} leads, or of one owner's tasks"),
        "max_share": _("under {:,} % of each lead's history"),
    }
    said = [words[limit].format(tier[limit]) for limit in LIMITS if tier[limit] is not None]
    return ", ".join(said) or (_("anything else, or marked") if tier["name"] == NAMES[-1] else _("any number"))


def approvals_in_words(tier: dict[str, Any]) -> str:
    teams = _(" from {teams} teams").format(teams=tier["teams"]) if tier["teams"] > 1 else ""
    return counted(tier["approvals"], "approval") + teams


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
        there = ngettext(
            "{people} person in {teams} could vote", "{people} people in {teams} could vote", self.people
        ).format(people=self.people, teams=counted(self.teams, "team"))
        if self.spare < 0:
            return _("{there}: nobody can decide this. A policy admin must give more grants.").format(there=there)
        if self.spare == 0:
            return _("{there}: can be decided only if nobody is away.").format(there=there)
        return ngettext(
            "{there}: can be decided if at most {spare} is away.",
            "{there}: can be decided if at most {spare} are away.",
            self.spare,
        ).format(there=there, spare=self.spare)


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
        yield _("A policy has three tiers: low, medium and high.")
        return
    for tier in tiers:
        if not 1 <= tier["approvals"] <= MOST:
            yield _("{name}: from 1 to {most} approvals; none is not possible.").format(
                name=tier["name"].capitalize(), most=MOST
            )
        elif not 1 <= tier["teams"] <= tier["approvals"]:
            yield _("{name}: from 1 team to as many as there are approvals.").format(name=tier["name"].capitalize())
        if tier["max_items"] is not None and tier["max_items"] < 1:
            yield _("{name}: at least 1 item, or no limit.").format(name=tier["name"].capitalize())
    for lower, higher in pairwise(tiers):
        names = _("{name} must not ask for less than {name2}").format(
            name=higher["name"].capitalize(), name2=lower["name"]
        )
        if (higher["approvals"], higher["teams"]) < (lower["approvals"], lower["teams"]):
            yield _("{names}: {approvals_in_words} against {approvals_in_words2}.").format(
                names=names,
                approvals_in_words=approvals_in_words(higher),
                approvals_in_words2=approvals_in_words(lower),
            )
        for limit in LIMITS:
            if higher[limit] is not None and (lower[limit] is None or higher[limit] < lower[limit]):
                yield _("{names}: its limit is the narrower one ({limits_in_words}).").format(
                    names=names, limits_in_words=limits_in_words(higher)
                )
                break
    if any(tiers[-1][limit] is not None for limit in LIMITS):
        yield _("High has no limits: what fits none of the others is high.")


def _one_by_one() -> None:
    """Two changes at once would both find nothing waiting."""
    list(Policy.objects.select_for_update(no_key=True).order_by("id").values_list("pk", flat=True))


def _delay() -> int:
    """At once in the first set-up, while the account was never resumed: nothing could have been sent."""
    return 0 if people.is_first_set_up() else timing().change_counts_after


def _time(at: datetime) -> str:
    return _("{at:%d %b %Y %H:%M} UTC").format(at=at)
