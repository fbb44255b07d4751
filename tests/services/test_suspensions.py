"""Votes after a change of password or second factor, and the second factor that a high request asks for."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction

from lsq_ops.models import Account, AuditEvent, Notice, Vote, VotingSuspension, db_now
from lsq_ops.models.timing import DAY, SHIPPED
from lsq_ops.services import accounts, approval, people, policies, policy, second_factor, sign_in, waiting
from lsq_ops.services.may import Barred, may
from tests.models.test_guards import cast, refused, replacing

from .test_branches_voting import vote

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def at_work(world, settings):
    """Past the first set-up, and with the waits of a real account."""
    request = world.pending("activities", "asha")
    Account.objects.update(pause_reason="", paused_at=None)
    settings.SANDBOX_MODE = False
    return request


def suspended(user, until=timedelta(days=1), at=None):
    now = at or db_now()
    return VotingSuspension.objects.create(user=user, until=now + until, why="password_reset", at=now, by="pia")


CHANGES = {
    "password_reset": lambda world: people.new_password(world.pia, world.arun),
    "password_changed": lambda world: sign_in.change_password(world.arun, "of-my-own-making-7"),
    "second_factor_added": lambda world: second_factor.set_up(world.arun, SECRET),
    "second_factor_reset": lambda world: second_factor.reset(world.pia, world.arun),
}


@pytest.mark.parametrize("why", CHANGES)
def test_a_change_suspends_new_votes_for_a_day(world, at_work, why):
    if why == "second_factor_reset":
        second_factor.TOTP.activate(world.arun, SECRET)
    CHANGES[why](world)
    row = VotingSuspension.objects.get(user=world.arun)
    assert (row.why, row.until - row.at) == (why, timedelta(seconds=DAY))
    said = may(world.arun, "vote", at_work).why
    assert f"on {row.at:%d %b %Y %H:%M} UTC; your votes count again from {row.until:%d %b %Y %H:%M} UTC." in said
    with pytest.raises(Barred, match="count again from"):
        vote(world.arun, at_work)
    assert not Vote.objects.exists()
    event = AuditEvent.objects.get(action="people.votes_suspended")
    assert (event.object_id, why in event.details) == (str(world.arun.pk), True)
    assert AuditEvent.objects.filter(action=f"people.{why}").count() == 1
    assert Notice.objects.filter(user=world.arun, text__contains="tell a policy admin at once").count() == 1


def test_who_may_remove_the_second_factor(world, at_work):
    for user in (world.arun, world.rita):
        second_factor.TOTP.activate(user, SECRET)
    with pytest.raises(Barred, match="Your role needs a second factor"):
        second_factor.remove(world.arun)
    assert second_factor.has(world.arun)
    second_factor.remove(world.rita)
    assert not second_factor.has(world.rita)
    with pytest.raises(Barred, match="Nobody resets their own"):
        second_factor.reset(world.pia, world.pia)
    with pytest.raises(Barred, match="Only a policy admin"):
        second_factor.reset(world.omar, world.arun)


def test_nothing_waits_in_the_first_set_up(people, settings):
    settings.SANDBOX_MODE = False
    Account.objects.update(pause_reason=accounts.FIRST_PAUSE)
    assert SHIPPED.vote_suspended_for == DAY
    second_factor.set_up(people.arun, SECRET)
    row = VotingSuspension.objects.get()
    assert row.until == row.at
    assert not AuditEvent.objects.filter(action="people.votes_suspended").exists()


def test_a_pause_that_borrows_the_first_ones_reason_is_no_first_set_up(people, settings):
    settings.SANDBOX_MODE = False
    accounts.pause(people.omar, "for a moment")
    accounts.resume_account(people.account, by="omar")
    accounts.pause(people.omar, accounts.FIRST_PAUSE)
    second_factor.set_up(people.arun, SECRET)
    row = VotingSuspension.objects.get()
    assert row.until - row.at == timedelta(seconds=DAY)


def test_the_database_refuses_a_vote_of_a_suspended_person_and_of_nobody_else(world):
    request = world.pending("activities", "bruno")
    suspended(world.arun)
    with pytest.raises(DatabaseError, match="new votes of this person are suspended"), transaction.atomic():
        cast(request, world.arun, world.arun.grants.get())
    cast(request, world.dana, world.dana.grants.get())


def test_a_suspension_that_is_over_bars_nothing(world):
    request = world.pending("activities", "asha")
    suspended(world.arun, at=db_now() - timedelta(days=1, seconds=1))
    vote(world.arun, request)
    assert request.state == "approved"


def test_votes_that_were_given_stay_and_can_be_taken_back(world):
    request = world.pending("activities", "bruno")
    other = world.pending("activities", "chen")
    vote(world.arun, request)
    suspended(world.arun)
    approval.take_back(world.arun, request)
    vote(world.dana, other)
    suspended(world.dana)
    vote(people_with_a_grant(world), other)
    assert other.state == "approved"


def people_with_a_grant(world):
    people.set_roles(world.pia, world.vera, {"Approver"})
    people._grant(world.vera, world.arun.grants.get().team, by="test")
    return type(world.vera).objects.get(pk=world.vera.pk)


def test_who_is_suspended_is_not_counted_and_not_asked(world):
    request = world.pending("activities", "asha")
    assert world.arun in policy.eligible(request)
    assert waiting.waiting_for(world.arun) == [request]
    suspended(world.arun)
    assert world.arun not in policy.eligible(request)
    assert waiting.waiting_for(world.arun) == []
    assert [one.people for one in policies.coverage()] == [1, 1, 1]


def test_a_suspension_is_never_shortened_removed_or_replaced(world):
    row = suspended(world.arun)
    refused("UPDATE lsq_ops_votingsuspension SET until = at WHERE id = %s", row.pk)
    refused("DELETE FROM lsq_ops_votingsuspension WHERE id = %s", row.pk)
    refused(replacing("lsq_ops_votingsuspension").format(key="id"), row.pk)


# --- A second factor for what is high ------------------------------------------------------------------------


@pytest.mark.parametrize("decision", ["approve", "reject", "changes"])
def test_a_high_request_is_decided_with_a_second_factor_of_just_now(world, settings, decision):
    request = world.pending("stage_history", "asha", days=90)
    assert request.version.tier == "high"
    settings.SANDBOX_MODE = False
    for factor_at in (None, db_now() - timedelta(minutes=10, seconds=5)):
        with pytest.raises(Barred, match="second factor, checked within the last 10 minutes"):
            vote(world.arun, request, decision, reason="so", factor_at=factor_at)
    assert not Vote.objects.exists()
    vote(world.arun, request, decision, reason="so", factor_at=db_now() - timedelta(minutes=9))
    assert Vote.objects.count() == 1


def test_a_confirmation_of_a_high_request_asks_for_it_too(world, settings):
    request = world.approved(world.pending("stage_history", "asha", days=90))
    people.revoke_grant(world.pia, world.arun.grants.get())
    other = people_with_a_grant(world)
    settings.SANDBOX_MODE = False
    with pytest.raises(Barred, match="second factor"):
        approval.confirm_vote(other, request, request.version.digest)
    approval.confirm_vote(other, request, request.version.digest, factor_at=db_now())


def test_other_tiers_and_the_sandbox_ask_for_none_unless_one_is_set_up(world, settings):
    high = world.pending("stage_history", "asha", days=90)
    lower = world.pending("activities", "bruno")
    vote(world.arun, high)
    second_factor.TOTP.activate(world.dana, SECRET)
    with pytest.raises(Barred, match="second factor"):
        vote(world.dana, high)
    settings.SANDBOX_MODE = False
    vote(world.arun, lower)
    assert Vote.objects.filter(version=lower.version).count() == 1
