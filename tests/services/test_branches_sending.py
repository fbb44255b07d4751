"""Before a call leaves and when its answer is kept: the ways that are seldom gone."""

from datetime import timedelta

import pytest

from lsq_ops.models import Account, Attempt, BudgetSlot, DeletionCall, TaskClaim, db_now
from lsq_ops.services import accounts, agenda, answering, approval, drafting, running
from tests.world import SITE_VISIT, skip_wait

from .steps import DELETES, attempts, drain, go_on, let_land, one_call, running_tasks, sends, timed, to_the_end


@pytest.fixture(autouse=True)
def prompt(sandbox, monkeypatch):
    """LeadSquared does what it is asked at once, and nothing is read back before the test lets time pass."""
    sandbox.faults.set("delay", 0)
    timed(monkeypatch, read_schedule=(600,), read_then_every=600)


# --- Starting ----------------------------------------------------------------------------------------------


def test_nothing_starts_within_the_undo_time(world, monkeypatch):
    timed(monkeypatch, wait_low=600, wait_medium=600, wait_high=600)
    request = world.approved(world.pending("activities", "asha"))
    drain()
    running.start(request)
    request.refresh_from_db()
    assert (request.state, sends(world)) == ("approved", 0)
    assert request.starts_at > db_now() + timedelta(minutes=5)
    skip_wait(request)
    approval.cancel(world.rita, request)
    running.start(request)
    request.refresh_from_db()
    assert request.state == "cancelled"


# --- Claims ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["account", "kind"])
def test_where_it_is_paused_there_is_no_call_to_look_at(world, what):
    one_call(world)
    if what == "account":
        accounts.pause(world.omar, "a look")
    else:
        accounts.pause_kind(world.account, "activities", by="system", reason="may not")
    assert running.next_call() is None


def test_a_call_that_another_worker_claims_between_look_and_claim_is_theirs(world, monkeypatch):
    _, call = one_call(world)
    clock, theirs = running.timing(), db_now() + timedelta(minutes=1)

    def quicker():
        DeletionCall.objects.filter(pk=call.pk).update(claimed_until=theirs)
        return clock

    monkeypatch.setattr(running, "timing", quicker)
    assert running.next_call() is None
    call.refresh_from_db()
    assert call.claimed_until == theirs


def test_a_worker_that_slept_until_its_claim_was_over_does_not_send_although_nobody_took_the_call(world):
    request, _ = one_call(world)
    sleeper = running.next_call()
    sleeper.claimed_until = db_now() - timedelta(seconds=1)
    DeletionCall.objects.update(claimed_until=sleeper.claimed_until)
    with pytest.raises(running.LostRace):
        running.open_attempt(sleeper)
    assert attempts(request) == []


def test_a_worker_that_gives_up_late_does_not_take_the_claim_of_the_next_one(world):
    one_call(world)
    first = running.next_call()
    DeletionCall.objects.update(claimed_until=db_now() - timedelta(seconds=1))
    second = running.next_call()
    running.put_off(first, "too late")
    call = DeletionCall.objects.get()
    assert (call.claimed_until, call.note) == (second.claimed_until, "")


# --- Looking once more, and the caps -----------------------------------------------------------------------


def test_a_reading_just_before_the_send_that_is_not_whole_is_not_enough(world, monkeypatch, mailoutbox):
    timed(monkeypatch, read_retries=())
    request, call = one_call(world)
    world.sandbox.faults.set("answer", "502", match="ProspectActivity.svc/Retrieve")
    go_on(world, request, 2)
    call.refresh_from_db()
    assert (call.state, sends(world)) == ("planned", 0)
    assert "It was not complete" in call.note
    assert any("It was not complete" in mail.body for mail in mailoutbox)
    world.sandbox.faults.reset()
    assert to_the_end(world, request).state == "completed"


def test_a_reading_from_before_another_deletion_on_the_lead_is_not_the_one_before_the_send(world):
    request, _ = one_call(world)
    other = world.approved(world.pending("stage_history", "asha", days=90))
    skip_wait(other)
    assert to_the_end(world, request).state == "completed"
    other.refresh_from_db()
    resolved = request.attempts.get().resolved_at
    assert running._fresh_since(other.calls.get()) >= resolved


def test_the_cap_of_a_day_makes_the_rest_wait_too(world, monkeypatch):
    request = world.running("activities", "asha", "bruno", "chen")
    timed(monkeypatch, items_per_day=25)
    go_on(world, request, 4)
    assert sorted(request.calls.values_list("size", "state")) == [(12, "gone"), (13, "gone"), (14, "planned")]
    assert "cap of 25 items a day" in request.calls.get(state="planned").note


def test_what_was_turned_away_does_not_use_up_the_cap(world, monkeypatch):
    request, _ = one_call(world)
    timed(monkeypatch, items_per_hour=12)
    world.sandbox.faults.set("answer", "429", match=DELETES, times=1)
    drain()
    Account.objects.update(hold_until=0)
    assert to_the_end(world, request).state == "completed"
    assert attempts(request) == ["turned_away", "accepted"]


# --- Between the last look and the send --------------------------------------------------------------------


@pytest.fixture
def meanwhile(monkeypatch):
    """Has something happen right after all was looked at and checked."""
    drifted = running._drifted

    def happens(what):
        monkeypatch.setattr(running, "_drifted", lambda call, readings: drifted(call, readings) or bool(what()))

    return happens


def test_other_keys_meanwhile_hold_the_call_back(world, meanwhile, settings):
    request, call = one_call(world)
    meanwhile(lambda: setattr(settings, "LSQ_SECRET_KEY", "another"))
    drain()
    call.refresh_from_db()
    assert (call.state, call.note, attempts(request)) == ("planned", accounts.KEYS_CHANGED, [])
    assert not BudgetSlot.objects.exclude(ticket="").exists()


def test_a_stop_meanwhile_holds_the_call_back(world, meanwhile):
    request, _ = one_call(world)
    meanwhile(lambda: approval.stop(world.rita, request) and None)
    drain()
    request.refresh_from_db()
    assert (request.state, sends(world), attempts(request)) == ("stopped", 0, [])


def test_a_voter_who_leaves_meanwhile_shuts_the_gate_and_the_operators_hear_of_it(world, meanwhile, mailoutbox):
    request, call = one_call(world)
    voter = request.votes.get().voter
    meanwhile(lambda: type(voter).objects.filter(pk=voter.pk).update(is_active=False) and None)
    drain()
    call.refresh_from_db()
    assert (sends(world), attempts(request)) == (0, [])
    assert call.note.startswith("The database refused: ")
    assert "the gate is shut" in call.note
    assert any("the gate is shut" in mail.body for mail in mailoutbox)


def test_another_send_on_the_lead_meanwhile_is_waited_for(world, monkeypatch):
    first = world.approved(world.pending("activities", "asha"))
    second = world.approved(world.pending("stage_history", "asha", days=90))
    for request in (first, second):
        skip_wait(request)
    drain()
    assert attempts(first) == ["accepted"]
    monkeypatch.setattr(running, "_check_before", lambda call: None)
    DeletionCall.objects.filter(request=second).update(not_before=None)
    drain()
    assert attempts(second) == []
    assert second.calls.get().note == f"Waiting for {first}: it is deleting on the same records."


# --- The place in the budget -------------------------------------------------------------------------------


def test_what_is_not_sent_after_all_gives_its_place_in_the_budget_back(world, monkeypatch):
    request, _ = one_call(world)
    look = running._look_again

    def pausing(call):
        found = look(call)
        accounts.pause_kind(world.account, "activities", by="system", reason="may not")
        return found

    monkeypatch.setattr(running, "_look_again", pausing)
    drain()
    assert (sends(world), attempts(request)) == (0, [])
    assert not BudgetSlot.objects.exclude(ticket="").exists()


def test_a_day_whose_calls_are_used_up_puts_the_send_off(world, settings):
    request, call = one_call(world)
    while not request.snapshots.filter(lane=1, read_at__isnull=False).exists():
        agenda.do_one()
    settings.LSQ_DAILY_LIMIT = 1
    drain()
    call.refresh_from_db()
    assert (call.state, attempts(request)) == ("planned", [])
    assert "The 1 calls of today are used up" in call.note
    assert call.not_before > db_now() + timedelta(minutes=9)


# --- What an answer leads to -------------------------------------------------------------------------------


def test_an_attempt_within_its_lease_is_left_alone(world, monkeypatch):
    request, _ = one_call(world)
    monkeypatch.setattr(running, "keep_answer", lambda attempt, answer: None)
    drain()
    let_land(world)
    agenda.tend()
    assert attempts(request) == ["intent"]


def test_a_lease_that_ran_out_while_its_answer_was_being_kept_moves_nothing(world):
    request, _ = one_call(world)
    drain()
    stale = Attempt.objects.get()
    stale.state = "intent"
    answering.expire_lease(stale)
    assert attempts(request) == ["accepted"]


def test_tasks_that_were_turned_away_are_free_again_and_sent_again(world):
    request = running_tasks(world, 3)
    world.sandbox.faults.set("answer", "429", match="DeleteTasks", times=1)
    drain()
    assert (attempts(request), TaskClaim.objects.count()) == (["turned_away"], 0)
    Account.objects.update(hold_until=0)
    assert to_the_end(world, request).state == "completed"


def test_what_is_refused_is_read_at_once(world):
    _, call = one_call(world)
    world.sandbox.faults.set("answer", "400", match=DELETES)
    drain()
    call.refresh_from_db()
    assert (call.state, call.reads) == ("still_present", 1)


def test_a_call_that_got_through_ends_the_count_of_those_that_did_not(world):
    request, _ = one_call(world)
    Account.objects.update(not_sent_in_a_row=3)
    to_the_end(world, request)
    assert Account.objects.get().not_sent_in_a_row == 0


@pytest.mark.parametrize("shape", ["429", "200_rate"])
def test_a_call_turned_away_for_the_rate_waits_the_window_that_leadsquared_names(world, shape):
    _, call = one_call(world)
    world.sandbox.faults.set("answer", shape, match=DELETES, times=1)
    drain()
    call.refresh_from_db()
    assert call.not_before > db_now() + timedelta(seconds=3)


# --- Two on the same records -------------------------------------------------------------------------------


def test_calls_of_one_request_on_one_lead_take_turns(world):
    selection = drafting.select(world.rita, "lead", [lead.prospect_id for lead in world.mirror_leads("asha")])
    request = world.drafted("activities", selection, world.window(60) | {"codes": [SITE_VISIT, 202, 203, 204]})
    approval.submit(world.rita, request)
    skip_wait(world.approved(request))
    while not request.calls.filter(state="gone").exists():
        go_on(world, request)
    drain()
    under_way = request.calls.get(state="verifying").number
    waiting = set(request.calls.filter(state="planned").values_list("note", flat=True))
    assert waiting == {f"Waiting for call {under_way}: one at a time on a lead."}
