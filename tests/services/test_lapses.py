"""An approval that lapses on the way: whose and when, who hears of it, who may stand in, and what that takes."""

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction

from lsq_ops.models import DeletionCall, DeletionRequest, Notice, Vote, db_now
from lsq_ops.services import approval, people, story, waiting
from lsq_ops.services.may import Barred, enough, may, valid_votes

from .steps import drain, hurry, sends, to_the_end

TOLD = "waits for people"


@pytest.fixture
def vera(world):
    """A third approver, for Data control."""
    return granted(world, world.vera, "Data control")


def granted(world, user, team):
    people.set_roles(world.pia, user, {*people.roles_of(user), "Approver"})
    people._grant(user, people.Team.objects.get(name=team), by="test")
    return User.objects.get(pk=user.pk)


def lose(world, user):
    people.revoke_grant(world.pia, user.grants.get(revoked_at__isnull=True))


def confirm(user, request, digest=None):
    approval.confirm_vote(user, request, digest or request.version.digest)
    request.refresh_from_db()


def told(request):
    rows = Notice.objects.filter(request=request, subject__contains=TOLD)
    return sorted(rows.values_list("user__username", flat=True))


def look(request, times=3):
    """The worker comes by so many times; whatever waits is due each time."""
    for _ in range(times):
        hurry(request)
        drain()
    request.refresh_from_db()


@pytest.fixture
def two_teams(world, vera):
    """Running, approved by both teams; nothing is sent yet."""
    request = world.running("stage_history", "asha", days=90)
    assert (request.version.approvals_needed, request.version.teams_needed, sends(world)) == (2, 2, 0)
    return request


def test_it_waits_and_says_whose_approval_lapsed_and_when(world, two_teams):
    lose(world, world.dana)
    look(two_teams)
    at = world.dana.grants.get().revoked_at
    words = story.next_step(two_teams)
    assert "Dana Levi's (since" in words
    assert f"{at:%H:%M} UTC" in words
    assert "1 of 2 approvals count now, from 1 of 2 teams" in words
    assert sends(world) == 0


def test_it_says_since_when_for_somebody_who_was_locked_out(world, two_teams):
    people.set_active(world.pia, world.dana, False)
    look(two_teams)
    assert "Dana Levi's (since" in two_teams.attention
    assert "not yet known" not in two_teams.attention
    lapsed = two_teams.votes.get(voter=world.dana)
    assert abs((story.lapsed_at(lapsed) - db_now()).total_seconds()) < 60


def test_who_could_confirm_and_the_requester_are_told_once(world, two_teams):
    lose(world, world.dana)
    look(two_teams, 5)
    assert told(two_teams) == ["rita", "vera"]  # Arun has voted already: he can't stand in
    assert "Dana Levi" in Notice.objects.filter(subject__contains=TOLD).first().text


def test_where_nobody_is_left_the_operators_hear_of_it(world):
    request = world.running("stage_history", "asha", days=90)
    lose(world, world.dana)
    look(request)
    assert told(request) == ["olga", "omar", "rita"]
    approval.stop(world.omar, request)
    assert request.version.calls.filter(state="skipped").exists()


def test_another_approver_confirms_and_it_goes_on(world, two_teams, vera):
    lose(world, world.dana)
    look(two_teams)
    confirm(vera, two_teams)
    assert two_teams.attention == ""
    assert not DeletionCall.objects.filter(request=two_teams, note__startswith=story.LAPSED).exists()
    assert to_the_end(world, two_teams).state == "completed"


def test_a_confirmation_of_the_wrong_team_is_not_enough(world, two_teams):
    """Dana was Data control's; two of Business don't stand for it."""
    omar = granted(world, world.omar, "Business")
    lose(world, world.dana)
    confirm(omar, two_teams)
    look(two_teams)
    assert (enough(two_teams, valid_votes(two_teams)), sends(world)) == (False, 0)
    assert "2 of 2 approvals count now, from 1 of 2 teams" in story.next_step(two_teams)


def test_two_that_lapsed_need_two_confirmations(world, two_teams, vera):
    omar = granted(world, world.omar, "Business")
    lose(world, world.arun)
    lose(world, world.dana)
    look(two_teams)
    assert "Arun Iyer's" in two_teams.attention
    assert "Dana Levi's" in two_teams.attention
    confirm(vera, two_teams)
    look(two_teams)
    assert sends(world) == 0
    assert told(two_teams) == ["omar", "rita", "vera"]  # still the same two: nobody is told again
    confirm(omar, two_teams)
    assert to_the_end(world, two_teams).state == "completed"


def test_a_confirmation_may_lapse_too(world, two_teams, vera):
    omar = granted(world, world.omar, "Data control")
    lose(world, world.dana)
    look(two_teams)
    confirm(vera, two_teams)
    lose(world, vera)
    look(two_teams)
    assert "Vera Lind's" in two_teams.attention
    assert sends(world) == 0
    assert told(two_teams).count("omar") == 2  # once for each lapse
    confirm(omar, two_teams)
    assert to_the_end(world, two_teams).state == "completed"


def test_nobody_confirms_twice(world, two_teams, vera):
    granted(world, world.olga, "Business")
    lose(world, world.arun)
    lose(world, world.dana)
    confirm(vera, two_teams)
    with pytest.raises(Barred, match="voted on this version already"):
        confirm(vera, two_teams)
    assert Vote.objects.filter(decision="confirm").count() == 1


def test_who_is_involved_does_not_confirm(world, two_teams):
    rita = granted(world, world.rita, "Data control")
    lose(world, world.dana)
    assert two_teams not in waiting.waiting_for(rita)
    with pytest.raises(Barred, match="You made this request"):
        confirm(rita, two_teams)
    grant = rita.grants.get()
    row = {"voter": rita, "voter_name": "Rita", "grant": grant, "team": grant.team, "decision": "confirm"}
    row |= {"request": two_teams, "version": two_teams.version, "digest": two_teams.version.digest, "at": db_now()}
    with pytest.raises(DatabaseError, match="made, edited or asked for"), transaction.atomic():
        Vote.objects.create(**row)


def test_a_stale_page_does_not_confirm(world, two_teams, vera):
    lose(world, world.dana)
    with pytest.raises(Barred, match="What you were shown"):
        confirm(vera, two_teams, "0" * 64)
    assert not Vote.objects.filter(decision="confirm").exists()


def test_a_lapse_in_the_undo_time_is_said_then_and_can_be_mended_then(world, vera):
    request = world.approved(world.pending("stage_history", "asha", days=90))
    lose(world, world.dana)
    assert "Dana Levi's" in story.next_step(request)
    assert may(vera, "confirm_vote", request)
    confirm(vera, request)
    assert request.state == "approved"
    assert "Starts by itself" in story.next_step(request)
    DeletionRequest.objects.filter(pk=request.pk).update(starts_at=request.state_at)
    assert to_the_end(world, request).state == "completed"
