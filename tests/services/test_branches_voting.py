"""Votes, rights and the waits around them: the ways that are seldom gone."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import DatabaseError, connections
from django.utils import timezone

from lsq_ops.models import (
    Account,
    Activity,
    ActivitySnapshot,
    ApproverGrant,
    AuditEvent,
    DeletionRequest,
    Hold,
    IllegalMove,
    RequestVersion,
    Team,
    Vote,
    db_now,
)
from lsq_ops.services import accounts, approval, drafting, people, trail, waiting
from lsq_ops.services.may import Barred, enough, grant_in_force, involved, may, unresolved, valid_votes
from tests.world import SITE_VISIT

from .steps import drain, one_call


def vote(user, request, decision="approve", **other):
    version = request.version
    given = {"digest": version.digest, "count": version.items_count, **other}
    approval.vote(user, request, decision, **given)
    request.refresh_from_db()


def granted(world, user, team):
    """The user, as an approver of the team, from now on."""
    people.set_roles(world.pia, user, {"Approver"})
    people._grant(user, team, by="test")
    return type(user).objects.get(pk=user.pk)


# --- What is voted on --------------------------------------------------------------------------------------


def test_a_vote_counts_only_on_what_the_voter_was_shown(world):
    request = world.pending("activities", "bruno")
    with pytest.raises(Barred, match="What you were shown"):
        vote(world.arun, request, digest="0" * 64)
    assert not Vote.objects.exists()


def test_above_the_low_tier_an_approver_types_the_number(world):
    request = world.pending("activities", "bruno")
    assert request.version.tier != "low"
    for count in (None, request.version.items_count + 1):
        with pytest.raises(Barred, match="Type the number"):
            vote(world.arun, request, count=count)
    vote(world.arun, request)
    assert Vote.objects.count() == 1


def test_the_quorum_counts_teams_and_not_only_people(world):
    request = world.pending("stage_history", "asha", days=90)
    vera = granted(world, world.vera, world.arun.grants.get().team)
    vote(world.arun, request)
    vote(vera, request)
    assert request.state == "pending"
    vote(world.dana, request)
    assert request.state == "approved"


def test_a_vote_that_was_taken_back_counts_no_more_and_can_not_be_given_again(world):
    request = world.pending("activities", "bruno")
    with pytest.raises(Barred, match="no vote"):
        approval.take_back(world.arun, request)
    vote(world.arun, request)
    approval.take_back(world.arun, request)
    vote(world.dana, request)
    assert (request.state, len(valid_votes(request))) == ("pending", 1)
    with pytest.raises(Barred, match="voted on this version already"):
        vote(world.arun, request)


def test_two_last_votes_at_once_approve_it(committed_world, monkeypatch):
    """Each is counted with the other one in sight, or both would wait for a vote that is there already."""
    world, after = committed_world, approval._after_vote
    request = world.pending("activities", "bruno")
    monkeypatch.setattr(approval, "_after_vote", lambda *those: (time.sleep(0.5), after(*those)))

    def cast(user):
        try:
            vote(user, DeletionRequest.objects.get(pk=request.pk))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as voters:
        for done in [voters.submit(cast, user) for user in (world.arun, world.dana)]:
            done.result()
    request.refresh_from_db()
    assert (request.state, len(valid_votes(request))) == ("approved", 2)


def test_ten_approvers_at_the_same_instant_make_one_transition(committed_world):
    """Nobody is counted twice, nobody is lost, and the audit trail tells of one approval."""
    world = committed_world
    request = world.pending("activities", "bruno")
    crowd = [
        people._create(f"approver{n}", "", "", "", "a-long-one-for-nobody", {"Approver"}, by="test") for n in range(8)
    ]
    for user in crowd:
        people._grant(user, Team.objects.first(), by="test")
    together = Barrier(10)

    def cast(user):
        try:
            mine = DeletionRequest.objects.get(pk=request.pk)
            together.wait(30)
            vote(user, mine)
            return "voted"
        except (Barred, DatabaseError) as no:
            return str(no)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as voters:
        said = list(voters.map(cast, [world.arun, world.dana, *crowd]))
    request.refresh_from_db()
    assert (request.state, said.count("voted"), len(valid_votes(request))) == ("approved", 2, 2), said
    assert AuditEvent.objects.filter(action="request.approved").count() == 1
    assert all("only while it is waiting for approval" in no for no in said if no != "voted"), said
    assert trail.verify().ok


def test_a_rejection_ends_it_and_says_why(world):
    request = world.pending("activities", "bruno")
    with pytest.raises(Barred, match="Say why"):
        vote(world.arun, request, "reject", reason=" ")
    vote(world.arun, request, "reject", reason="these are real visits")
    assert request.state == "rejected"
    with pytest.raises(Barred, match="possible only while"):
        vote(world.dana, request)


def test_asking_for_changes_makes_a_new_version_on_which_the_approver_may_vote(world):
    request = world.pending("activities", "bruno")
    vote(world.arun, request, "changes", reason="leave the last one")
    assert (request.state, request.version_number) == ("draft", 2)
    drain()
    request.refresh_from_db()
    approval.submit(world.rita, request)
    request.refresh_from_db()
    vote(world.arun, request)
    assert len(valid_votes(request)) == 1


def test_where_the_database_says_no_the_vote_does_not_count(world, monkeypatch):
    """Our own look came before somebody else's change."""
    request = world.pending("activities", "bruno")
    people._grant(world.rita, world.arun.grants.get().team, by="test")
    monkeypatch.setattr(approval, "need", lambda user, verb, obj: None)
    with pytest.raises(Barred, match="The vote does not count"):
        vote(world.rita, request)
    assert not Vote.objects.exists()


def test_who_lost_the_grant_between_look_and_vote_reads_why(world, monkeypatch):
    request = world.pending("activities", "bruno")
    people.revoke_grant(world.pia, world.arun.grants.get())
    monkeypatch.setattr(approval, "need", lambda user, verb, obj: None)
    with pytest.raises(Barred, match="no grant as approver"):
        vote(world.arun, request)


def test_a_confirmation_is_refused_while_no_approval_has_lapsed(world):
    request, _ = one_call(world)
    other = world.dana if request.votes.get().voter == world.arun else world.arun
    with pytest.raises(Barred, match="No approval has lapsed"):
        approval.confirm_vote(other, request, request.version.digest)


def test_a_confirmation_counts_only_on_what_was_shown(world):
    request, _ = one_call(world)
    other = world.dana if request.votes.get().voter == world.arun else world.arun
    people.revoke_grant(world.pia, request.votes.get().grant)
    with pytest.raises(Barred, match="What you were shown"):
        approval.confirm_vote(other, request, "0" * 64)
    assert not enough(request, valid_votes(request))


# --- An old reading, repeated before a vote ----------------------------------------------------------------


@pytest.fixture
def being_reread(world):
    """Pending, its reading too old to vote on, and a repeat of it ordered."""
    request = world.pending("activities", "bruno")
    past = db_now() - timedelta(hours=5)
    RequestVersion.objects.filter(pk=request.version.pk).update(rechecked_at=past)
    request.refresh_from_db()
    with pytest.raises(Barred, match="being read again"):
        vote(world.arun, request)
    request.refresh_from_db()
    return request


def test_a_repeat_that_is_under_way_is_not_ordered_again(world, being_reread):
    with pytest.raises(Barred, match="being read again"):
        vote(world.dana, being_reread)
    assert being_reread.snapshots.filter(read_at__isnull=True).count() == 1


def test_a_repeat_whose_order_was_lost_is_ordered_anew_and_decides_nothing_before(world, being_reread):
    ActivitySnapshot.objects.filter(read_at__isnull=True).update(request=None)
    approval.recheck(being_reread)
    assert being_reread.snapshots.filter(read_at__isnull=True).count() == 1
    being_reread.refresh_from_db()
    assert (being_reread.state, being_reread.version.recheck_from is None) == ("pending", False)


def test_a_repeat_that_comes_in_after_the_request_was_withdrawn_changes_nothing(world, being_reread, monkeypatch):
    difference = approval._difference

    def withdrawn_meanwhile(request, done):
        approval.withdraw(world.rita, request)
        return difference(request, done)

    monkeypatch.setattr(approval, "_difference", withdrawn_meanwhile)
    drain()
    being_reread.refresh_from_db()
    assert (being_reread.state, being_reread.version_number) == ("withdrawn", 1)


def test_the_same_items_by_other_calls_are_a_difference_too(world):
    """What came between two ticked records isn't ticked, so that one window is two now."""
    lead = world.mirror_leads("asha")[0]
    ticked = Activity.objects.filter(lead=lead, event_code=SITE_VISIT).order_by("created_on")
    ids = list(ticked.values_list("activity_id", flat=True))[:3]
    request = world.drafted("activities", drafting.select(world.rita, "activity", ids), {"picked": True})
    approval.submit(world.rita, request)
    request.refresh_from_db()
    first, last = request.version.items.order_by("at").first(), request.version.items.order_by("at").last()
    between = first.at + (last.at - first.at) / 2
    RequestVersion.objects.filter(pk=request.version.pk).update(rechecked_at=db_now() - timedelta(hours=5))
    world.sandbox.world.add_activity(lead.prospect_id, SITE_VISIT, f"{between:%Y-%m-%d %H:%M:%S}")
    request.refresh_from_db()
    with pytest.raises(Barred, match="being read again"):
        vote(world.arun, request)
    drain()
    request.refresh_from_db()
    assert request.state == "draft"
    assert "the calls that are needed differ" in request.attention


# --- Who is next -------------------------------------------------------------------------------------------


def test_a_pending_request_waits_for_those_who_may_vote_and_the_others_read_why_not(world):
    request = world.pending("activities", "bruno")
    assert (waiting.waiting_for(world.arun), waiting.waiting_for(world.rita)) == ([request], [])
    [(shown, why)] = waiting.not_for(world.rita)
    assert (shown, "approver" in why) == (request, True)
    vote(world.arun, request)
    assert waiting.waiting_for(world.arun) == []
    assert waiting.not_for(world.dana) == []


def test_a_lapsed_approval_waits_for_another_approver(world):
    request, _ = one_call(world)
    lapsed = request.votes.get()
    other = world.dana if lapsed.voter == world.arun else world.arun
    assert waiting.waiting_for(other) == []
    people.revoke_grant(world.pia, lapsed.grant)
    assert waiting.waiting_for(other) == [request]


# --- Who may -----------------------------------------------------------------------------------------------


def test_a_grant_counts_from_its_date_on_and_says_so_before(world):
    request = world.pending("activities", "bruno")
    team, tomorrow = world.arun.grants.get().team, db_now() + timedelta(days=1)
    people.set_roles(world.pia, world.vera, {"Approver"})
    vera = type(world.vera).objects.get(pk=world.vera.pk)
    ApproverGrant.objects.create(user=vera, team=team, counts_from=tomorrow, given_by="pia", given_at=db_now())
    assert grant_in_force(vera) is None
    assert "counts from" in may(vera, "vote", request).why


def test_who_submitted_or_edited_any_version_is_involved(world):
    request = world.draft("activities", "bruno")
    people.set_roles(world.pia, world.arun, {"Requester", "Approver"})
    people.set_roles(world.pia, world.dana, {"Requester", "Approver"})
    arun, dana = (type(user).objects.get(pk=user.pk) for user in (world.arun, world.dana))
    drafting.reread(arun, request)
    drain()
    request.refresh_from_db()
    vera = granted(world, world.vera, arun.grants.get().team)
    granted(world, world.olga, dana.grants.get().team)
    approval.submit(dana, request)
    request.refresh_from_db()
    assert [involved(user, request) for user in (world.rita, arun, dana, vera)] == ["made", "edited", "edited", ""]
    for user in (arun, dana):
        assert may(user, "vote", request).why == "You edited this request; somebody else decides on it."


def test_what_belongs_to_another_account_is_read_only(world):
    request = world.pending("activities", "asha")
    selection = drafting.select(world.rita, "lead", ["x"])
    Account.objects.filter(pk=world.account.pk).update(current=False)
    request = DeletionRequest.objects.get(pk=request.pk)
    assert "another LeadSquared account" in may(world.rita, "withdraw", request).why
    assert may(world.rita, "clone", request)
    selection.refresh_from_db()
    selection.account.refresh_from_db()
    assert "read-only" in may(world.rita, "draft", selection).why
    assert "read-only" in may(world.omar, "pause", selection.account).why


def test_an_attempt_is_unresolved_until_it_is_resolved(world):
    request, _ = one_call(world)
    assert unresolved(request) == []
    world.sandbox.faults.set("delay", 5)
    drain()
    assert unresolved(request) == list(request.attempts.all())


# --- Before submitting -------------------------------------------------------------------------------------


def test_a_window_that_ends_less_than_an_hour_ago_is_not_submitted(world):
    request = world.draft("activities", "asha")
    settled = approval.timing().window_settled
    end = request.version.calls.order_by("-window_to").first().window_to
    with pytest.raises(Barred, match="less than an hour ago"):
        approval._check_items(request, end + timedelta(seconds=settled - 1))
    approval._check_items(request, end + timedelta(seconds=settled + 1))


def test_what_is_still_being_read_is_not_submitted(world):
    request = world.draft("activities", "asha")
    drafting.reread(world.rita, request)
    request.refresh_from_db()
    with pytest.raises(Barred, match="still being read"):
        approval.submit(world.rita, request)


def test_what_is_on_hold_is_not_submitted(world):
    request = world.draft("activities", "asha")
    Hold.objects.create(
        account=world.account,
        record_type="lead",
        record_id=request.version.items.first().lead_id,
        reason="court case",
        set_by="pia",
        set_at=db_now(),
    )
    with pytest.raises(Barred, match="on hold"):
        approval.submit(world.rita, request)


def test_without_enough_people_who_could_vote_it_is_not_submitted(world):
    request = world.draft("stage_history", "asha", days=90)
    people.revoke_grant(world.pia, world.dana.grants.get())
    with pytest.raises(Barred, match="2 approvals"):
        approval.submit(world.rita, request)


def test_a_kind_that_is_not_proven_begins_small(world):
    request = world.draft("activities", "asha")
    Account.objects.update(sandbox=False)
    request = DeletionRequest.objects.get(pk=request.pk)
    with pytest.raises(Barred, match="at most 1 lead and 10 items"):
        approval.submit(world.rita, request)


# --- Waiting -----------------------------------------------------------------------------------------------


def test_a_pause_that_comes_just_before_it_expires_keeps_an_approval_alive(world):
    request = world.approved(world.pending("activities", "asha"))
    past = timezone.now() - timedelta(seconds=1)
    DeletionRequest.objects.filter(pk=request.pk).update(expires_at=past)
    accounts.pause(world.omar, "just now")
    approval.expire(request)
    request.refresh_from_db()
    assert request.state == "approved"


def test_what_is_not_late_yet_does_not_expire(world):
    request = world.pending("activities", "asha")
    approval.expire(request)
    request.refresh_from_db()
    assert request.state == "pending"


def test_a_draft_that_was_submitted_just_now_is_not_withdrawn_for_idleness(world, monkeypatch):
    request = world.draft("activities", "asha")
    past = db_now() - timedelta(days=31)
    DeletionRequest.objects.filter(pk=request.pk).update(state_at=past)
    RequestVersion.objects.filter(request=request).update(made_at=past)
    locked = DeletionRequest.locked

    def submitted_meanwhile(pk):
        if not submitted:
            submitted.append(pk)
            approval.submit(world.rita, request)
        return locked(pk)

    submitted: list[int] = []
    monkeypatch.setattr(DeletionRequest, "locked", staticmethod(submitted_meanwhile))
    approval.withdraw_idle()
    request.refresh_from_db()
    assert request.state == "pending"


def test_a_lock_outside_a_transaction_is_refused(committed_db):
    with pytest.raises(RuntimeError, match="holds nothing"):
        DeletionRequest.locked(1)


def test_a_request_that_was_withdrawn_can_not_be_approved_by_a_stale_copy(world):
    request = world.pending("activities", "asha")
    approval.withdraw(world.rita, request)
    stale = DeletionRequest.objects.get(pk=request.pk)
    with pytest.raises((IllegalMove, DatabaseError)):
        stale.move("approved", actor="test")
