"""What stays unknown after its grace: two operators decide, and nobody who is involved."""

from datetime import timedelta

import pytest

from lsq_ops.models import Decision, DeletionCall, db_now
from lsq_ops.services import agenda, approval, deciding, people, settling, waiting
from lsq_ops.services.may import Barred

from .steps import DELETES, attempts, drain, go_on, hurry, let_land, one_call, outcomes, sends, timed, to_the_end


@pytest.fixture
def unknown(world, monkeypatch):
    """A call without a clear answer, still there when its grace is over."""
    world.sandbox.faults.set("delay", 0)
    world.sandbox.faults.set("answer", "502", match=DELETES)
    world.sandbox.faults.set("takes_effect", "no", match=DELETES)
    timed(monkeypatch, grace=0, read_schedule=(600,), read_then_every=600)
    request, call = one_call(world)
    assert to_the_end(world, request).state == "needs_attention"
    world.sandbox.faults.reset()
    world.sandbox.faults.set("rate_limit", "off")
    world.sandbox.faults.set("delay", 0)
    call.refresh_from_db()
    return request, call


def decide(world, request, call, choice, by=("omar", "olga")):
    first, second = (getattr(world, name) for name in by)
    decision = deciding.propose(first, request, call, choice, "looked at it in LeadSquared")
    deciding.confirm(second, decision)
    request.refresh_from_db()
    call.refresh_from_db()


def test_an_unclear_call_that_is_still_there_after_its_grace_is_shown_to_the_operators(world, unknown, mailoutbox):
    request, call = unknown
    assert "Two operators decide" in request.attention
    assert (call.state, attempts(request), sends(world)) == ("verifying", ["unknown"], 1)
    drain()
    told = {address for mail in mailoutbox if "needs attention" in mail.subject for address in mail.to}
    assert {world.omar.email, world.olga.email, world.rita.email} <= told


def test_nothing_is_decided_before_the_grace_is_over(world, unknown, monkeypatch):
    request, call = unknown
    timed(monkeypatch, grace=3600)
    with pytest.raises(Barred, match="not waiting"):
        deciding.propose(world.omar, request, call, "resend", "hurry")


def test_two_operators_send_it_a_second_time(world, unknown):
    request, call = unknown
    decide(world, request, call, "resend")
    assert (request.state, call.state) == ("running", "planned")
    assert request.attempts.get().resolved_at is not None
    assert to_the_end(world, request).state == "completed"
    assert (attempts(request), sends(world)) == (["unknown", "accepted"], 2)
    assert outcomes(request) == {"gone": 12}


def test_two_operators_end_it_as_it_was_last_read(world, unknown):
    request, call = unknown
    decide(world, request, call, "end")
    assert (request.state, call.state, sends(world)) == ("failed", "still_present", 1)
    assert outcomes(request) == {"still_present": 12}


def test_what_can_not_be_read_when_it_is_ended_is_unverifiable(world, unknown):
    request, call = unknown
    DeletionCall.objects.update(sent_at=db_now() + timedelta(seconds=1))  # no reading since
    decide(world, request, call, "end")
    assert (call.state, request.state) == ("unverifiable", "needs_attention")
    assert outcomes(request) == {"unverifiable": 12}


@pytest.mark.parametrize("who", ["rita", "arun", "aida", "pia", "vera"])
def test_only_operators_propose(world, unknown, who):
    request, call = unknown
    with pytest.raises(Barred):
        deciding.propose(getattr(world, who), request, call, "resend", "why not")


@pytest.mark.parametrize("choice", ["resend", "close"])
def test_nobody_confirms_their_own_proposal_or_without_being_an_operator(world, unknown, choice):
    request, call = unknown
    decision = deciding.propose(world.omar, request, call, choice, "looked")
    for user in (world.omar, world.rita, world.dana):
        with pytest.raises(Barred):
            deciding.confirm(user, decision)
    decision.refresh_from_db()
    assert decision.confirmed_at is None


def test_an_operator_who_made_the_request_neither_proposes_nor_confirms(world, unknown):
    request, call = unknown
    people.set_roles(world.pia, world.rita, {"Requester", "Operator"})
    rita = type(world.rita).objects.get(pk=world.rita.pk)
    with pytest.raises(Barred, match="made, edited or asked"):
        deciding.propose(rita, request, call, "end", "mine")
    decision = deciding.propose(world.omar, request, call, "end", "looked")
    with pytest.raises(Barred, match="made, edited or asked"):
        deciding.confirm(rita, decision)


def test_a_decision_is_confirmed_once_and_there_is_one_at_a_time(world, unknown):
    request, call = unknown
    decision = deciding.propose(world.omar, request, call, "resend", "looked")
    with pytest.raises(Barred, match="already"):
        deciding.propose(world.olga, request, call, "end", "no, end it")
    deciding.confirm(world.olga, decision)
    with pytest.raises(Barred):
        deciding.confirm(world.olga, decision)


def test_a_call_that_ended_meanwhile_needs_no_decision(world, unknown):
    request, call = unknown
    decision = deciding.propose(world.omar, request, call, "resend", "looked")
    world.sandbox.world.remove_activities(call.items.values_list("record_id", flat=True))
    assert go_on(world, request, 2).state == "completed"
    with pytest.raises(Barred):
        deciding.confirm(world.olga, Decision.objects.get(pk=decision.pk))
    assert sends(world) == 1


def test_a_request_that_went_on_meanwhile_is_not_closed(world, unknown, monkeypatch):
    request, call = unknown
    decision = deciding.propose(world.omar, request, None, "close", "enough")
    timed(monkeypatch, grace=3600)
    settling.settle(request)
    request.refresh_from_db()
    assert request.state == "running"
    with pytest.raises(Barred, match="running"):
        deciding.confirm(world.olga, Decision.objects.get(pk=decision.pk))
    call.refresh_from_db()
    assert call.state == "verifying"


def test_a_stopped_request_is_not_sent_a_second_time(world, unknown):
    request, call = unknown
    decision = deciding.propose(world.omar, request, call, "resend", "looked")
    approval.stop(world.rita, request)
    with pytest.raises(Barred, match="stopped"):
        deciding.confirm(world.olga, Decision.objects.get(pk=decision.pk))
    request.refresh_from_db()
    with pytest.raises(Barred, match="stopped"):
        deciding.propose(world.omar, request, call, "resend", "again")
    assert sends(world) == 1


def test_what_the_first_send_did_after_all_is_told_as_gone_and_not_sent_again(world, unknown):
    request, call = unknown
    decide(world, request, call, "resend")
    world.sandbox.world.remove_activities(call.items.values_list("record_id", flat=True))
    assert to_the_end(world, request).state == "completed"
    assert (outcomes(request), sends(world)) == ({"gone": 12}, 1)


def test_what_the_first_send_took_too_much_of_is_not_forgotten_by_the_second(world, unknown):
    request, call = unknown
    decide(world, request, call, "resend")
    going = list(call.items.values_list("record_id", flat=True))
    world.sandbox.world.remove_activities(going + world.sandbox.world.neighbour(going, same_code=True))
    assert to_the_end(world, request).state == "needs_attention"
    world.account.refresh_from_db()
    assert world.account.is_paused
    assert "More went" in request.attention


def test_a_lead_that_is_deleted_after_the_first_send_is_unverifiable_and_not_gone(world, unknown):
    request, call = unknown
    decide(world, request, call, "resend")
    world.sandbox.world.remove_lead(call.lead_id)
    assert to_the_end(world, request).state == "failed"
    assert (outcomes(request), sends(world)) == ({"unverifiable": 12}, 1)


def test_stopping_before_the_second_send_does_not_call_the_first_one_not_sent(world, unknown):
    request, call = unknown
    decide(world, request, call, "resend")
    approval.stop(world.rita, request)
    request.refresh_from_db()
    assert request.state == "stopped"
    assert outcomes(request) == {"still_present": 12}


def test_the_second_send_has_a_grace_of_its_own_and_is_not_repeated_either(world, unknown, monkeypatch):
    request, call = unknown
    timed(monkeypatch, grace=3600)
    world.sandbox.faults.set("answer", "502", match=DELETES)
    world.sandbox.faults.set("takes_effect", "no", match=DELETES)
    timed(monkeypatch, grace=0)
    decide(world, request, call, "resend")
    timed(monkeypatch, grace=3600)
    assert go_on(world, request, 4).state == "running"
    assert (attempts(request), sends(world)) == (["unknown", "unknown"], 2)


def test_two_operators_close_a_request_by_hand_and_its_account_is_whole(world, unknown):
    request, call = unknown
    with pytest.raises(Barred):
        deciding.propose(world.rita, request, None, "close", "mine")
    decide(world, request, None or call, "close")
    assert (request.state, call.state) == ("closed", "still_present")
    assert outcomes(request) == {"still_present": 12}
    assert not request.attempts.filter(resolved_at__isnull=True).exists()


def test_closing_an_over_deleted_request_skips_what_was_not_sent(world, monkeypatch):
    world.sandbox.faults.set("delay", 0)
    world.sandbox.faults.set("effect", "delete_neighbour")
    request = world.running("activities", "asha", "bruno", "chen")
    assert to_the_end(world, request).state == "needs_attention"
    with pytest.raises(Barred):
        deciding.propose(world.omar, request, None, "close", " ")
    decision = deciding.propose(world.omar, request, None, "close", "restored by hand")
    deciding.confirm(world.olga, decision)
    request.refresh_from_db()
    assert request.state == "closed"
    assert outcomes(request) == {"gone": 12, "skipped": 27}


def test_a_call_on_its_way_this_very_moment_is_not_closed_over(world, monkeypatch):
    world.sandbox.faults.set("delay", 0)
    request, call = one_call(world)
    monkeypatch.setattr("lsq_ops.services.running.keep_answer", lambda attempt, answer: None)
    drain()
    let_land(world)
    hurry(request)
    type(request).objects.filter(pk=request.pk).update(state="needs_attention")
    request.refresh_from_db()
    decision = deciding.propose(world.omar, request, None, "close", "enough")
    with pytest.raises(Barred, match="very moment"):
        deciding.confirm(world.olga, decision)
    decision.refresh_from_db()
    call.refresh_from_db()
    assert (decision.confirmed_at, call.state) == (None, "sent")
    agenda.tend()


def test_the_grace_is_learnt_from_what_calls_needed_until_they_were_seen_done(world, monkeypatch):
    """Three times the 95th percentile of the last ones, within its bounds; the longest while too few are known."""
    request = world.pending("activities", "asha")
    timed(monkeypatch, grace=86_400, grace_least=3_600, grace_learns_from=20)
    call, now = request.calls.get(), db_now()

    def done(minutes):
        """A call that was seen done so many minutes after it was sent."""
        number = DeletionCall.objects.count() + 1
        DeletionCall.objects.bulk_create(
            [DeletionCall(request=request, version=draft, number=number, size=1, path="p", state="gone")]
        )
        ended = now + timedelta(seconds=number)
        sent = ended - timedelta(minutes=minutes)
        DeletionCall.objects.filter(number=number, version=draft).update(sent_at=sent, ended_at=ended)

    draft = world.draft("activities", "bruno").version
    for _ in range(19):
        done(60)
    assert settling.grace(call.request.account) == timedelta(days=1)
    done(100)
    assert settling.grace(call.request.account) == timedelta(hours=3)
    for _ in range(3):
        done(100)
    assert settling.grace(call.request.account) == timedelta(minutes=300)
    for _ in range(200):
        done(5)
    assert settling.grace(call.request.account) == timedelta(hours=1)
    for _ in range(20):
        done(60 * 23)
    assert settling.grace(call.request.account) == timedelta(days=1)


def test_a_proposal_for_a_call_that_ended_by_itself_waits_for_nobody(world, unknown):
    request, call = unknown
    deciding.propose(world.omar, request, call, "end", "it has been a day")
    assert [one.request for one in waiting.open_decisions()] == [request]
    assert waiting.waiting_for(world.olga) == [request]
    world.sandbox.world.remove_activities(call.items.values_list("record_id", flat=True))
    hurry(request)
    go_on(world, request, 2)
    assert not waiting.open_decisions().exists()
    assert waiting.waiting_for(world.olga) == []
