"""The approval policy is changed in the open: a day before it counts, told to all approvers, and checked."""

from copy import deepcopy
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection

from lsq_ops.models import Account, ApproverGrant, AuditEvent, Notice, Policy, Team, db_now, guards, timing
from lsq_ops.services import people, policies, policy
from lsq_ops.services.may import Barred
from lsq_ops.services.people import give_grant, make_user, revoke_grant
from tests.services.steps import timed


def changed(**tiers):
    """The shipped tiers, with changes: low={"approvals": 2}."""
    made = deepcopy(people.SHIPPED_TIERS)
    for tier in made:
        tier |= tiers.get(tier["name"], {})
    return made


@pytest.fixture
def a_day(people, monkeypatch):
    """The shipped delay, on an account that was resumed once."""
    Account.objects.update(paused_at=None, pause_reason="")
    timed(monkeypatch, change_counts_after=86400)
    return people


def days_later(days):
    """The database lets nobody date a policy back; its rules are down meanwhile."""
    guards.drop(connection)
    for row in Policy.objects.all():
        past = timedelta(days=days)
        retired = row.retired_at - past if row.retired_at else None
        Policy.objects.filter(pk=row.pk).update(counts_from=row.counts_from - past, retired_at=retired)
    guards.install(connection)


# --- A change ------------------------------------------------------------------------------------------------------


def test_a_change_counts_a_day_later_and_the_old_policy_until_then(a_day):
    old = policies.in_force().get()
    new = policies.set_policy(a_day.pia, changed(low={"approvals": 2}), "stricter")
    assert new.counts_from - db_now() > timedelta(hours=23)
    assert (list(policies.in_force()), policies.coming()) == ([old], new)
    days_later(1)
    assert (list(policies.in_force()), policies.coming()) == ([new], None)


def test_a_request_falls_into_the_tier_of_the_policy_in_force(world, monkeypatch):
    timed(monkeypatch, change_counts_after=86400)
    Account.objects.update(paused_at=None, pause_reason="")
    request = world.draft("activities", "asha")
    before = policy.tier_of(request)
    policies.set_policy(world.pia, changed(low={"max_items": 1}, medium={"max_items": 2}), "tiny")
    assert policy.tier_of(request) == before
    days_later(1)
    assert (policy.tier_of(request).name, before.name) == ("high", "low")


def test_every_approver_hears_of_it_and_the_trail_keeps_it(a_day):
    new = policies.set_policy(a_day.pia, changed(high={"approvals": 3}), "three for high")
    told = Notice.objects.filter(subject__contains="the approval policy changes")
    assert {notice.user.username for notice in told} == {"arun", "dana"}
    assert "high: anything else, or marked: 3 approvals from 2 teams" in told[0].text
    event = AuditEvent.objects.filter(action="policy.set").first()
    assert (event.actor, event.object_id) == ("pia", str(new.pk))
    assert '"approvals":3' in event.details


def test_a_change_waits_alone_and_can_be_taken_back(a_day):
    old = policies.in_force().get()
    new = policies.set_policy(a_day.pia, changed(low={"approvals": 2}), "stricter")
    with pytest.raises(Barred, match="A change waits already"):
        policies.set_policy(a_day.pia, changed(), "another")
    policies.take_back(a_day.pia, new)
    assert (list(policies.in_force()), policies.coming()) == ([old], None)
    days_later(2)
    assert list(policies.in_force()) == [old]
    with pytest.raises(Barred, match="counts already, or is over"):
        policies.take_back(a_day.pia, new)
    with pytest.raises(Barred, match="counts already"):
        policies.take_back(a_day.pia, old)
    assert AuditEvent.objects.filter(action="policy.taken_back").count() == 1


def test_in_the_first_set_up_it_counts_at_once(people, monkeypatch):
    from lsq_ops.services.accounts import FIRST_PAUSE

    timed(monkeypatch, change_counts_after=86400)
    Account.objects.update(paused_at=db_now(), pause_reason=FIRST_PAUSE)
    new = policies.set_policy(people.pia, changed(low={"approvals": 2}), "ours")
    assert list(policies.in_force()) == [new]


@pytest.mark.parametrize("name", ["rita", "arun", "omar", "aida", "vera"])
def test_nobody_else_changes_it(people, name):
    with pytest.raises(Barred, match="Only a policy admin"):
        policies.set_policy(getattr(people, name), changed(), "mine")


@pytest.mark.parametrize(
    ("tiers", "why"),
    [
        ({"low": {"approvals": 0}}, "none is not possible"),
        ({"low": {"teams": 2}}, "as many as there are approvals"),
        ({"medium": {"approvals": 1}, "low": {"approvals": 2}}, "Medium must not ask for less than low"),
        ({"high": {"teams": 1, "approvals": 1}}, "High must not ask for less than medium"),
        ({"medium": {"max_items": 10}}, "its limit is the narrower one"),
        ({"low": {"max_items": None}}, "its limit is the narrower one"),
        ({"high": {"max_items": 9_000}}, "High has no limits"),
        ({"low": {"name": "lowest"}}, "three tiers"),
        ({"low": {"max_items": 0}}, "at least 1 item"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_in_words(people, tiers, why):
    with pytest.raises(Barred, match=why):
        policies.set_policy(people.pia, changed(**tiers), "odd")
    assert Policy.objects.count() == 1


# --- Who could give what it asks for -------------------------------------------------------------------------------


def brute_force(tier, teams):
    """The most that may be away, whoever they are."""
    from itertools import combinations

    everybody = [(team, n) for team, size in enumerate(teams) for n in range(size)]
    most = -1
    for away in range(len(everybody) + 1):
        for gone in combinations(everybody, away):
            left = [person for person in everybody if person not in gone]
            if len(left) < tier["approvals"] or len({team for team, _ in left}) < tier["teams"]:
                return most
        most = away
    return most


@pytest.mark.parametrize("teams", [[], [1], [2], [1, 1], [2, 1], [2, 2], [3, 1], [3, 2, 1], [1, 1, 1], [4, 2]])
@pytest.mark.parametrize(("approvals", "asked"), [(1, 1), (2, 1), (2, 2), (3, 2), (3, 3)])
def test_how_many_may_be_away(teams, approvals, asked):
    tier = {"approvals": approvals, "teams": asked}
    assert policies._spare(tier, teams) == brute_force(tier, teams)


def test_only_those_who_could_vote_now_are_counted(people, monkeypatch):
    low, medium, high = policies.coverage()
    assert (low.people, low.teams, low.spare, medium.spare, high.spare) == (2, 2, 1, 0, 0)
    assert "can be decided if at most 1 is away" in str(low)
    assert "only if nobody is away" in str(high)
    monkeypatch.setattr(people.arun, "is_active", False)
    people.arun.save()
    low, medium, high = policies.coverage()
    assert (low.spare, high.spare) == (0, -1)
    assert "nobody can decide this" in str(high)
    revoke_grant(people.pia, ApproverGrant.objects.get(user=people.dana))
    assert policies.coverage()[0].people == 0


def test_the_command_says_what_needs_how_many_and_fails_where_nobody_may_be_away(people, capsys):
    with pytest.raises(SystemExit):
        call_command("policy_coverage")
    assert "high    anything else, or marked: 2 approvals from 2 teams. 2 people" in capsys.readouterr().out
    for number, team in enumerate(Team.objects.all()):
        user = make_user(people.pia, username=f"new{number}", password="Xk39-lantern-soup", roles={"Approver"})
        give_grant(people.pia, user, team)
    call_command("policy_coverage")
    assert "at most 1 is away" in capsys.readouterr().out
    assert timing().change_counts_after == 0  # the sandbox's: else the grants would count tomorrow
