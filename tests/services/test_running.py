"""From approved to sent: what must hold before a call leaves, and what each answer to it means."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection, connections
from django.db.models import F

from lsq_ops.models import Account, Attempt, DeletionCall, DeletionRequest, Hold, TaskClaim, db_now
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import accounts, agenda, approval, budget, drafting, people, preview, running
from lsq_ops.services.may import Barred
from tests.world import skip_wait

from .steps import (
    DELETES,
    attempts,
    drain,
    go_on,
    hurry,
    one_call,
    outcomes,
    read_when_told,
    running_tasks,
    sends,
    timed,
    to_the_end,
    unplugged,
)

NO_ANSWER = ["502", "302", "html", "broken_json", "reset_before_answer", "cut_short"]


@pytest.fixture(autouse=True)
def prompt(sandbox, monkeypatch):
    """LeadSquared does what it is asked at once."""
    sandbox.faults.set("delay", 0)
    read_when_told(monkeypatch)


# --- What an answer means ----------------------------------------------------------------------------------


def test_what_never_left_is_planned_again_later_and_later_then_the_account_pauses(world, monkeypatch):
    request, call = one_call(world)
    unplugged(monkeypatch)
    delays = {}
    for _ in range(12):
        begun = db_now()
        drain()
        ended = db_now()
        call.refresh_from_db()
        delays.setdefault(call.tries, (call.not_before - ended, call.not_before - begun))
        hurry(request)
    assert attempts(request) == ["not_sent"] * 4
    assert set(delays) == {1, 2, 3, 4}
    for tries, seconds in {1: 1, 2: 2, 3: 5, 4: 10}.items():
        at_least, at_most = delays[tries]
        assert at_least <= timedelta(seconds=seconds) <= at_most
    world.account.refresh_from_db()
    assert "could not be reached" in world.account.pause_reason
    assert not request.attempts.filter(resolved_at__isnull=True).exists()


@pytest.mark.parametrize("shape", ["429", "403_rate", "200_rate"])
def test_a_call_turned_away_for_the_rate_is_sent_again_and_everybody_waits(world, shape):
    request, _ = one_call(world)
    world.sandbox.faults.set("answer", shape, match=DELETES, times=1)
    drain()
    world.account.refresh_from_db()
    assert attempts(request) == ["turned_away"]
    assert world.account.hold_until > db_now().timestamp()
    assert world.account.learnt_calls is not None
    Account.objects.update(hold_until=0)
    assert to_the_end(world, request).state == "completed"
    assert attempts(request) == ["turned_away", "accepted"]


@pytest.mark.parametrize("answer", ["401", "403", "200_forbidden"])
def test_keys_that_may_read_but_not_delete_pause_only_the_kind(world, answer):
    request, _ = one_call(world)
    world.sandbox.faults.set("answer", answer, match=DELETES)
    go_on(world, request, 2)
    world.account.refresh_from_db()
    assert attempts(request) == ["turned_away"]
    assert not world.account.is_paused
    assert list(world.account.paused_kinds) == ["activities"]
    assert to_the_end(world, world.running("stage_history", "bruno", days=90)).state == "completed"


def test_keys_that_are_refused_altogether_pause_the_account_with_the_cause(world):
    request, call = one_call(world)
    world.sandbox.faults.set("answer", "401", match=DELETES)
    world.sandbox.faults.set("answer", "401", match="UserByAccessKey")
    go_on(world, request, 2)
    world.account.refresh_from_db()
    assert "keys" in world.account.pause_reason
    assert attempts(request) == ["turned_away"]
    call.refresh_from_db()
    assert call.state == "planned"


@pytest.mark.parametrize("answer", ["400", "405", "200_error", "500_input"])
def test_what_is_refused_is_never_sent_again_and_one_reading_decides(world, answer):
    request, _ = one_call(world)
    world.sandbox.faults.set("answer", answer, match=DELETES)
    assert to_the_end(world, request).state == "failed"
    assert attempts(request) == ["refused"]
    assert sends(world) == 1
    assert request.calls.get().reads == 1
    assert outcomes(request) == {"still_present": 12}


def test_what_was_refused_but_done_all_the_same_is_gone(world):
    request, _ = one_call(world)
    world.sandbox.faults.set("answer", "400", match=DELETES)
    world.sandbox.faults.set("takes_effect", "yes", match=DELETES)
    assert to_the_end(world, request).state == "completed"
    assert outcomes(request) == {"gone": 12}


@pytest.mark.parametrize("answer", NO_ANSWER)
def test_an_unclear_answer_is_read_back_and_done_when_all_is_gone(world, answer):
    request, _ = one_call(world)
    world.sandbox.faults.set("answer", answer, match=DELETES)
    drain()
    assert attempts(request) == ["unknown"]
    assert request.calls.get().state == "verifying"
    assert to_the_end(world, request).state == "completed"
    assert sends(world) == 1


def test_an_answer_that_never_comes_is_given_up_and_unclear(world, monkeypatch):
    timed(monkeypatch, http_deadline=1)
    request, _ = one_call(world)
    world.sandbox.faults.set("answer", "hang", match=DELETES)
    assert to_the_end(world, request).state == "completed"
    assert attempts(request) == ["unknown"]


def test_an_unclear_call_that_did_nothing_is_never_sent_again_by_itself(world):
    request, call = one_call(world)
    world.sandbox.faults.set("answer", "502", match=DELETES)
    world.sandbox.faults.set("takes_effect", "no", match=DELETES)
    go_on(world, request, 6)
    call.refresh_from_db()
    assert (request.state, call.state, attempts(request)) == ("running", "verifying", ["unknown"])
    assert call.reads >= 6
    assert sends(world) == 1


# --- Before the send ---------------------------------------------------------------------------------------


def test_an_item_that_changed_since_the_approval_is_not_sent_and_what_remains_can_be_asked_for_again(world):
    request, call = one_call(world)
    changed = call.items.first()
    world.sandbox.world.edit_activity(changed.record_id, "somebody corrected this")
    assert to_the_end(world, request).state == "failed"
    assert sends(world) == 0
    assert "changed since the approval" in request.calls.get().note
    assert outcomes(request) == {"skipped": 12}
    again = drafting.request_remaining(world.rita, request)
    drain()
    again.refresh_from_db()
    assert set(again.version.items.values_list("record_id")) == set(request.version.items.values_list("record_id"))


def test_what_had_gone_already_is_not_told_as_not_sent_when_the_call_is_skipped(world):
    request, call = one_call(world)
    gone, changed = (item.record_id for item in call.items.all()[:2])
    world.sandbox.world.remove_activities([gone])
    world.sandbox.world.edit_activity(changed, "corrected")
    assert to_the_end(world, request).state == "partial"
    assert outcomes(request) == {"already_gone": 1, "skipped": 11}


def test_a_set_that_grew_is_not_sent(world):
    request, call = one_call(world)
    inside = call.window_from + timedelta(minutes=1)
    world.sandbox.world.add_activity(WELL_KNOWN["asha"], 201, f"{inside:%Y-%m-%d %H:%M:%S}")
    assert to_the_end(world, request).state == "failed"
    assert sends(world) == 0
    assert "nobody approved" in request.calls.get().note


@pytest.mark.parametrize("seconds", [-1, 1])
def test_a_record_that_came_within_a_second_of_the_window_is_too_near_to_send(world, seconds):
    request, call = one_call(world)
    bound = call.window_from if seconds < 0 else call.window_to
    near = bound + timedelta(seconds=seconds)
    world.sandbox.world.add_activity(WELL_KNOWN["asha"], 201, f"{near:%Y-%m-%d %H:%M:%S}")
    assert to_the_end(world, request).state == "failed"
    assert sends(world) == 0


def test_a_set_that_shrank_goes_on(world):
    request, call = one_call(world)
    world.sandbox.world.remove_activities([call.items.first().record_id])
    assert to_the_end(world, request).state == "completed"
    assert outcomes(request) == {"gone": 11, "already_gone": 1}


def test_a_lead_that_was_deleted_before_the_send_is_already_gone(world):
    request, _ = one_call(world)
    world.sandbox.world.remove_lead(WELL_KNOWN["asha"])
    assert to_the_end(world, request).state == "completed"
    assert sends(world) == 0
    assert outcomes(request) == {"already_gone": 12}


def test_a_record_on_hold_is_not_sent(world):
    request, _ = one_call(world)
    Hold.objects.create(
        account=world.account,
        record_type="lead",
        record_id=WELL_KNOWN["asha"],
        reason="court case",
        set_by="pia",
        set_at=db_now(),
    )
    assert to_the_end(world, request).state == "failed"
    assert sends(world) == 0
    assert request.calls.get().note == "put on hold since the approval"


def test_bytes_that_are_not_what_was_approved_never_leave_and_somebody_is_told(world, monkeypatch, mailoutbox):
    request, _ = one_call(world)
    monkeypatch.setattr(preview, "digest_of", lambda version: "0" * 64)
    go_on(world, request, 2)
    assert (sends(world), attempts(request)) == (0, [])
    assert request.state == "needs_attention"
    assert "not what was approved" in request.attention
    assert sum("not what was approved" in mail.body for mail in mailoutbox if mail.to == ["omar@example.com"]) == 1


def test_the_cap_of_an_hour_makes_the_rest_wait_and_it_goes_on_by_itself(world, monkeypatch):
    request = world.running("activities", "asha", "bruno", "chen")
    timed(monkeypatch, items_per_hour=25)
    go_on(world, request, 4)
    assert sorted(request.calls.values_list("size", "state")) == [(12, "gone"), (13, "gone"), (14, "planned")]
    assert "cap of 25 items an hour" in request.calls.get(state="planned").note
    timed(monkeypatch, items_per_hour=39)
    assert to_the_end(world, request).state == "completed"


def test_two_workers_at_once_do_not_overshoot_the_cap(committed_world, monkeypatch):
    """The first look at the cap is before both of them; the one that counts is under the account's lock."""
    world = committed_world
    request = world.running("activities", "asha", "bruno", "chen")
    timed(monkeypatch, items_per_hour=12)
    go_on(world, request, 3)
    timed(monkeypatch, items_per_hour=DeletionCall.objects.get(state="gone").size + 15)
    hurry(request)
    monkeypatch.setattr(running, "_drifted", lambda call, readings: False)
    monkeypatch.setattr(running, "_look_again", lambda call: [])
    calls = [running.next_call(), running.next_call()]
    both = Barrier(2)
    check = running._check_before
    monkeypatch.setattr(running, "_check_before", lambda call: (check(call), both.wait(20)))

    def send(call):
        try:
            running.send(call)
        finally:
            connections.close_all()

    threads = [Thread(target=send, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Attempt.objects.count() == 2
    assert "cap of" in DeletionCall.objects.get(state="planned").note


def test_an_attempt_is_on_the_disk_before_its_first_byte_leaves(committed_world, monkeypatch):
    """SQLite's usual mode may lose the last commits in a power cut; so may PostgreSQL, as it is set up here."""
    ask = {"sqlite": "PRAGMA synchronous", "postgresql": "SHOW synchronous_commit"}[connection.vendor]
    seen, opened = [], running._open

    def mode():
        with connection.cursor() as cursor:
            cursor.execute(ask)
            return cursor.fetchone()[0]

    def watched(call, token):
        seen.append(mode())
        return opened(call, token)

    monkeypatch.setattr(running, "_open", watched)
    one_call(committed_world)
    drain()
    assert seen in ([2], ["on"])
    assert mode() in (1, "off")


# --- A list that shows nothing at all ----------------------------------------------------------------------


def test_a_list_that_shows_nothing_at_all_before_the_send_is_not_believed(world, mailoutbox):
    request, call = one_call(world)
    world.sandbox.faults.set("reading", "empty", match=call.lead_id)
    drain()
    call.refresh_from_db()
    assert (call.state, sends(world)) == ("planned", 0)
    assert "LeadSquared shows nothing at all" in call.note
    assert any("nothing at all" in mail.body for mail in mailoutbox)
    world.sandbox.faults.reset()
    assert to_the_end(world, request).state == "completed"
    assert outcomes(request) == {"gone": 12}


@pytest.mark.parametrize(("hours", "minutes"), [(0, 1), (1, 15), (20, 60)])
def test_what_is_not_believed_is_read_again_the_later_the_longer_it_is_so(world, monkeypatch, hours, minutes):
    """A minute apart for a whole day would eat the budget of everybody else."""
    timed(monkeypatch, read_until=86400)
    request, call = one_call(world)
    world.sandbox.faults.set("reading", "empty", match=call.lead_id)
    drain()
    DeletionRequest.objects.filter(pk=request.pk).update(started_at=db_now() - timedelta(hours=hours))
    hurry(request)
    drain()
    call.refresh_from_db()
    assert abs(call.not_before - db_now() - timedelta(minutes=minutes)) < timedelta(seconds=30)


def test_after_a_day_of_showing_nothing_the_call_is_not_sent(world):
    request, call = one_call(world)
    world.sandbox.faults.set("reading", "empty", match=call.lead_id)
    drain()
    DeletionRequest.objects.filter(pk=request.pk).update(started_at=db_now() - timedelta(days=1))
    to_the_end(world, request)
    call.refresh_from_db()
    assert (call.state, sends(world)) == ("skipped", 0)
    assert call.note.startswith("LeadSquared shows nothing at all")
    assert outcomes(request) == {"skipped": 12}


# --- First call, checked before the rest -------------------------------------------------------------------


def test_the_smallest_call_goes_alone_first_and_the_rest_when_it_is_gone(world):
    request = world.running("activities", "asha", "bruno", "chen")
    drain()
    assert sorted(request.calls.values_list("size", "state")) == [(12, "verifying"), (13, "planned"), (14, "planned")]
    assert to_the_end(world, request).state == "completed"
    assert request.attempts.order_by("id").first().call.size == 12


def test_a_first_call_that_does_not_end_as_gone_stops_the_rest_until_people_decide(world):
    request = world.running("activities", "asha", "bruno", "chen")
    world.sandbox.faults.set("answer", "400", match=DELETES)
    assert to_the_end(world, request).state == "needs_attention"
    go_on(world, request, 3)
    assert sends(world) == 1
    assert sorted(request.calls.values_list("state", flat=True)) == ["planned", "planned", "still_present"]
    approval.stop(world.omar, request)
    request.refresh_from_db()
    assert request.state == "stopped"
    assert outcomes(request) == {"still_present": 12, "skipped": 27}


def test_is_the_first_call_skipped_the_next_smallest_is_first(world):
    request = world.running("activities", "asha", "bruno", "chen")
    smallest = request.calls.get(size=12)
    world.sandbox.world.edit_activity(smallest.items.first().record_id, "corrected")
    drain()
    assert sorted(request.calls.values_list("size", "state")) == [(12, "skipped"), (13, "verifying"), (14, "planned")]
    assert to_the_end(world, request).state == "partial"


# --- Pause, stop, lapsed approvals -------------------------------------------------------------------------


def test_a_pause_is_in_force_before_the_next_send(world):
    request = world.running("activities", "asha", "bruno", "chen")
    drain()
    accounts.pause(world.omar, "a look at the first call")
    go_on(world, request, 3)
    assert sends(world) == 1
    assert sorted(request.calls.values_list("state", flat=True)) == ["gone", "planned", "planned"]
    accounts.resume(world.olga)
    assert to_the_end(world, request).state == "completed"


def test_a_pause_between_claim_and_send_holds_the_call_back(world, monkeypatch):
    request, _ = one_call(world)
    look = running._look_again

    def pausing(call):
        found = look(call)
        accounts.pause(world.omar, "just now")
        return found

    monkeypatch.setattr(running, "_look_again", pausing)
    drain()
    assert (sends(world), attempts(request)) == (0, [])


def test_a_paused_kind_does_not_hold_up_the_other_kinds_however_many_calls_it_has(world, settings):
    settings.LSQ_TASKS_PER_CALL = 1
    request = running_tasks(world, 24, of=24)
    while not request.calls.filter(state="gone").exists():
        hurry(request)
        agenda.tend()
        agenda.do_one()
    accounts.pause_kind(world.account, "tasks", by="system", reason="may not")
    other = world.running("stage_history", "asha", days=90)
    assert to_the_end(world, other).state == "completed"
    request.refresh_from_db()
    assert request.state == "running"


def test_stopping_sends_nothing_more_and_says_how_many_were_taken(world):
    request = world.running("activities", "asha", "bruno", "chen")
    drain()
    assert approval.stop(world.rita, request) == (1, 2)
    assert to_the_end(world, request).state == "stopped"
    assert sends(world) == 1
    assert outcomes(request) == {"gone": 12, "skipped": 27}


@pytest.mark.parametrize("answer", ["429", "401"])
def test_a_call_that_is_turned_away_after_the_stop_is_not_planned_again(world, monkeypatch, answer):
    request, _ = one_call(world)
    world.sandbox.faults.set("answer", answer, match=DELETES)
    keep = running.keep_answer

    def stopped_meanwhile(attempt, given):
        approval.stop(world.rita, request)
        keep(attempt, given)

    monkeypatch.setattr(running, "keep_answer", stopped_meanwhile)
    drain()
    request.refresh_from_db()
    assert (request.state, request.calls.get().state) == ("stopped", "skipped")
    assert outcomes(request) == {"skipped": 12}


@pytest.mark.parametrize("how", ["left", "revoked"])
def test_a_run_waits_when_an_approval_lapses_until_another_approver_confirms(world, how, mailoutbox):
    request, _ = one_call(world)
    voter = request.votes.get().voter
    other = world.dana if voter == world.arun else world.arun
    if how == "left":
        type(voter).objects.filter(pk=voter.pk).update(is_active=False)
    else:
        people.revoke_grant(world.pia, voter.grants.get(revoked_at__isnull=True))
    go_on(world, request, 3)
    assert (sends(world), request.state) == (0, "running")
    assert "approval lapsed" in request.attention
    assert sum("lapsed" in mail.body and mail.to == [other.email] for mail in mailoutbox) == 1
    approval.confirm_vote(other, request, request.version.digest)
    assert to_the_end(world, request).state == "completed"


def test_nobody_who_asked_for_it_confirms_a_lapsed_approval(world):
    request, _ = one_call(world)
    people.revoke_grant(world.pia, world.arun.grants.get(revoked_at__isnull=True))
    for user in (world.rita, world.omar, world.arun):
        with pytest.raises(Barred):
            approval.confirm_vote(user, request, request.version.digest)


def test_a_lapsed_run_can_be_stopped(world):
    request, _ = one_call(world)
    people.revoke_grant(world.pia, world.arun.grants.get(revoked_at__isnull=True))
    go_on(world, request)
    approval.stop(world.omar, request)
    request.refresh_from_db()
    assert request.state == "stopped"


# --- Starting, and the time until then ---------------------------------------------------------------------


def approved(world, **ago):
    request = world.approved(world.pending("activities", "asha"))
    past = {name: db_now() - timedelta(seconds=seconds) for name, seconds in ago.items()}
    DeletionRequest.objects.filter(pk=request.pk).update(**past)
    return request


def test_an_approval_that_ran_out_while_no_worker_was_there_does_not_start(world):
    request = approved(world, starts_at=7200, expires_at=3600)
    drain()
    request.refresh_from_db()
    assert request.state == "expired"
    assert sends(world) == 0


def test_a_start_that_comes_too_late_is_refused_by_the_start_itself(world):
    request = approved(world, starts_at=7200, expires_at=3600)
    running.start(request)
    request.refresh_from_db()
    assert request.state == "approved"


def test_a_pause_does_not_count_against_an_approval(world):
    request = approved(world, starts_at=7200)
    accounts.pause(world.omar, "over the weekend")
    Account.objects.update(paused_at=F("paused_at") - timedelta(days=2))
    DeletionRequest.objects.filter(pk=request.pk).update(
        state_at=F("state_at") - timedelta(days=2), expires_at=F("expires_at") - timedelta(days=2)
    )
    drain()
    request.refresh_from_db()
    assert request.state == "approved"
    accounts.resume(world.omar)
    assert to_the_end(world, request).state == "completed"


# --- Workers that die, sleep or compete --------------------------------------------------------------------


def test_two_workers_never_hold_the_same_call(world):
    _, call = one_call(world)
    first, second = running.next_call(), running.next_call()
    assert first.pk == call.pk
    assert second is None


def test_a_worker_that_slept_through_its_claim_does_not_send(world):
    request, _ = one_call(world)
    drain_reading(request)
    sleeper = running.next_call()
    DeletionCall.objects.update(claimed_until=db_now() - timedelta(seconds=1))
    running.send(sleeper)
    assert attempts(request) == []
    assert to_the_end(world, request).state == "completed"
    running.send(sleeper)
    assert sends(world) == 1


def drain_reading(request):
    """The reading just before the send is there; the call is free again."""
    running.send(running.next_call())
    agenda.do_one()
    assert request.snapshots.filter(lane=1, complete=True).exists()
    DeletionCall.objects.update(claimed_until=None, not_before=None)


def dies(monkeypatch, module, name, *, before):
    """The worker is killed at this step, once."""
    real = getattr(module, name)

    def killed(*args, **kwargs):
        monkeypatch.setattr(module, name, real)
        if not before:
            real(*args, **kwargs)
        raise SystemExit

    monkeypatch.setattr(module, name, killed)
    with pytest.raises(SystemExit):
        drain()


def age_leases():
    past = db_now() - timedelta(seconds=1)
    Attempt.objects.filter(state="intent").update(lease_until=past)
    DeletionCall.objects.filter(claimed_until__isnull=False).update(claimed_until=past)
    from lsq_ops.models import ActivitySnapshot

    ActivitySnapshot.objects.filter(read_at__isnull=True, claimed_until__isnull=False).update(claimed_until=past)


@pytest.mark.parametrize(
    ("step", "before", "sent", "attempt"),
    [
        ("_look_again", True, 1, ["accepted"]),
        ("_drifted", False, 1, ["accepted"]),
        ("open_attempt", True, 1, ["accepted"]),
        ("open_attempt", False, 0, ["unknown"]),
        ("keep_answer", True, 1, ["unknown"]),
        ("keep_answer", False, 1, ["accepted"]),
    ],
)
def test_a_worker_killed_at_a_step_neither_loses_nor_doubles_a_send(world, monkeypatch, step, before, sent, attempt):
    request, call = one_call(world)
    dies(monkeypatch, running, step, before=before)
    age_leases()
    agenda.catch_up()
    go_on(world, request, 4)
    assert (sends(world), attempts(request)) == (sent, attempt)
    call.refresh_from_db()
    assert call.state == ("gone" if sent else "verifying")


def test_an_attempt_whose_lease_ran_out_is_unclear_and_never_ready_again(world, monkeypatch):
    request, call = one_call(world)
    dies(monkeypatch, running, "open_attempt", before=False)
    age_leases()
    go_on(world, request, 5)
    call.refresh_from_db()
    assert (call.state, attempts(request), sends(world)) == ("verifying", ["unknown"], 0)
    assert call.attempts.get().cause == "lease"


def test_an_answer_after_the_lease_is_kept_beside_and_moves_nothing(world, monkeypatch):
    request, call = one_call(world)
    keep, late = running.keep_answer, {}
    monkeypatch.setattr(running, "keep_answer", lambda attempt, answer: late.update(it=(attempt, answer)))
    drain()
    age_leases()
    agenda.tend()
    keep(*late["it"])
    attempt = call.attempts.get()
    assert (attempt.state, attempt.late_answer) == ("unknown", "accepted none 200")
    assert to_the_end(world, request).state == "completed"


def test_a_worker_that_woke_up_with_too_little_of_its_lease_left_does_not_send(world, monkeypatch):
    request, _ = one_call(world)
    timed(monkeypatch, attempt_lease=20)
    drain()
    assert sends(world) == 0
    assert attempts(request) == ["not_sent"]


def test_a_worker_that_was_held_up_longer_than_its_place_in_the_budget_does_not_send(world, monkeypatch):
    """Somebody else may have taken the place meanwhile: one call too many would reach LeadSquared."""
    request, _ = one_call(world)
    really, asked = budget.Budget.is_in_time, []

    def a_minute_later(gate, ticket):
        if Attempt.objects.exists():
            asked.append(ticket)
            return really(gate, replace(ticket, at=ticket.at - 60))
        return really(gate, ticket)

    monkeypatch.setattr(budget.Budget, "is_in_time", a_minute_later)
    drain()
    assert len(asked) == 1
    assert sends(world) == 0
    assert attempts(request) == ["not_sent"]


def test_a_lost_ring_is_found_by_the_beat(world, monkeypatch):
    from lsq_ops import jobs

    request, _ = one_call(world)
    monkeypatch.setattr("lsq_ops.queue._put", lambda *args: None)
    monkeypatch.setattr(agenda, "LINGER", 0)
    jobs.beat()
    hurry(request)
    jobs.beat()
    request.refresh_from_db()
    assert request.state == "completed"


def test_workers_at_the_same_time_send_every_call_once(committed_world, monkeypatch):
    world = committed_world
    timed(monkeypatch, read_schedule=(0.2,), read_then_every=1)
    pending = [world.pending(kind, "asha", "bruno", days=30) for kind in ON_LEADS]  # reading works off what may start
    requests = [world.approved(request) for request in pending]
    for request in requests:
        skip_wait(request)
    with ThreadPoolExecutor(3) as workers:
        for done in [workers.submit(work_until_over, requests) for _ in range(3)]:
            done.result()
    assert {request.state for request in DeletionRequest.objects.all()} == {"completed"}
    bodies = [str(delete["body"]) for delete in world.sandbox.stats["deletes"]]
    assert len(bodies) == len(set(bodies)) == Attempt.objects.count() == DeletionCall.objects.count()


ON_LEADS = ("activities", "stage_history")


def work_until_over(requests):
    until = time.monotonic() + 60
    try:
        while time.monotonic() < until and DeletionRequest.objects.exclude(state="completed").exists():
            agenda.work(2)
    finally:
        connections.close_all()


# --- Several requests on the same records ------------------------------------------------------------------


def test_two_requests_on_one_lead_take_turns_and_the_second_says_for_whom_it_waits(world):
    first = world.approved(world.pending("activities", "asha"))
    second = world.approved(world.pending("stage_history", "asha", days=90))
    for request in (first, second):
        skip_wait(request)
    drain()
    used = budget.used_today(world.account)
    for _ in range(3):
        second.calls.update(not_before=None)
        running.send(running.next_call())
    assert second.calls.get().note == f"Waiting for {first}: it is deleting on the same records."
    assert budget.used_today(world.account) == used
    assert to_the_end(world, first).state == "completed"
    assert to_the_end(world, second).state == "completed"


def test_a_task_is_claimed_by_one_attempt_at_a_time_and_given_back(world):
    request = running_tasks(world, 3)
    drain()
    assert TaskClaim.objects.count() == 3
    assert to_the_end(world, request).state == "completed"
    assert TaskClaim.objects.count() == 0
