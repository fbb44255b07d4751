"""Reading back, deciding, settling, and the look a day later: the ways that are seldom gone."""

from datetime import timedelta

import pytest

from lsq_ops.models import (
    ActivitySnapshot,
    AuditEvent,
    Decision,
    DeletionCall,
    DeletionItem,
    DeletionRequest,
    KeptNeighbour,
    WebhookReceipt,
    db_now,
)
from lsq_ops.sandbox.world import BULK_OWNER_ID
from lsq_ops.services import agenda, deciding, drafting, reading, receiving, running, settling, verifying
from lsq_ops.services.may import Barred

from .steps import (
    DELETES,
    attempts,
    drain,
    go_on,
    hurry,
    let_land,
    one_call,
    outcomes,
    read_when_told,
    running_tasks,
    sends,
    timed,
    to_the_end,
)

SUCCESS = b'{"Status":"Success"}'


@pytest.fixture(autouse=True)
def prompt(world, monkeypatch):
    """LeadSquared does what it is asked at once; webhooks come to token-0 where a test sends them."""
    world.sandbox.faults.set("delay", 0)
    read_when_told(monkeypatch)


def sent(world, **faults):
    """A request whose only call was sent; nothing was read back yet."""
    for name, value in faults.items():
        world.sandbox.faults.set(name, value, match=DELETES)
    request, call = one_call(world)
    drain()
    let_land(world)
    call.refresh_from_db()
    return request, call


def unclear(world):
    return sent(world, answer="502", takes_effect="no")


def a_day_after_the_send():
    DeletionCall.objects.update(sent_at=db_now() - timedelta(days=1))


# --- Which reading decides ---------------------------------------------------------------------------------


def test_a_call_is_not_judged_by_a_reading_from_before_it_was_due(world):
    _, call = sent(world)
    verifying.order(call)
    call.refresh_from_db()
    verifying.judge(call)
    call.refresh_from_db()
    assert (call.state, call.not_before) == ("verifying", None)  # it waits for the reading that was ordered


def test_a_reading_that_began_before_and_ended_after_it_was_due_does_not_count(world):
    request, call = sent(world)
    reading.order(
        world.account, [("lead_activities", call.lead_id)], reading.Lane.VERIFY, since=db_now(), request=request
    )
    early = reading.claim([reading.Lane.VERIFY])
    due = db_now()
    reading.perform(early)
    early.refresh_from_db()
    assert early.started_at < due < early.read_at
    assert reading.finished(request, due) == {}


def test_two_workers_order_the_readings_of_a_call_once(world):
    request, call = sent(world)
    hurry(request)
    first, second = (DeletionCall.objects.get(pk=call.pk) for _ in range(2))
    verifying.order(first)
    verifying.order(second)
    call.refresh_from_db()
    assert call.reads == 1
    assert ActivitySnapshot.objects.filter(lane=reading.Lane.VERIFY).count() == 1


def test_a_call_that_another_worker_ended_meanwhile_is_left_as_it_is(world):
    request, call = sent(world)
    to_the_end(world, request)
    stale = DeletionCall.objects.get(pk=call.pk)
    stale.state = "verifying"
    verifying.judge(stale)
    assert AuditEvent.objects.filter(action="call.gone").count() == 1


def test_the_last_whole_reading_decides_what_two_people_end(world, monkeypatch):
    timed(monkeypatch, grace=0, read_schedule=(600,), read_then_every=600, read_retries=())
    request, call = unclear(world)
    assert to_the_end(world, request).state == "needs_attention"
    world.sandbox.faults.set("answer", "502", match="ProspectActivity.svc/Retrieve")
    hurry(request)
    drain()
    assert not ActivitySnapshot.objects.filter(request=request).last().complete
    call.refresh_from_db()
    deciding.confirm(world.olga, deciding.propose(world.omar, request, call, "end", "given up"))
    assert outcomes(request) == {"still_present": 12}


def test_an_operator_has_it_read_now_instead_of_on_schedule(world):
    request, call = sent(world)
    assert call.not_before > db_now()
    with pytest.raises(Barred, match="Only an operator"):
        verifying.reverify(world.rita, request)
    assert verifying.reverify(world.omar, request) == 1
    drain()
    request.refresh_from_db()
    assert request.state == "completed"
    with pytest.raises(Barred, match="possible only while"):
        verifying.reverify(world.omar, request)


# --- What is unclear waits for people ----------------------------------------------------------------------


def test_an_unclear_call_that_is_still_there_after_a_day_does_not_end_by_itself(world, monkeypatch):
    timed(monkeypatch, grace=90_000, read_schedule=(600,), read_then_every=600)
    request, call = unclear(world)
    a_day_after_the_send()
    go_on(world, request, 3)
    call.refresh_from_db()
    assert (request.state, call.state, outcomes(request)) == ("running", "verifying", {"open": 12})


def test_an_unclear_call_that_can_not_be_read_for_a_day_does_not_end_by_itself(world, monkeypatch):
    timed(monkeypatch, grace=90_000, read_schedule=(600,), read_then_every=600, read_retries=())
    request, call = unclear(world)
    world.sandbox.faults.set("answer", "502", match="ProspectActivity.svc/Retrieve")
    a_day_after_the_send()
    go_on(world, request, 4)
    call.refresh_from_db()
    assert (call.state, outcomes(request)) == ("verifying", {"open": 12})


def test_nobody_is_asked_before_it_was_read_once(world, monkeypatch):
    timed(monkeypatch, grace=0, read_schedule=(600,), read_then_every=600)
    request, _ = unclear(world)
    drain()
    request.refresh_from_db()
    assert request.state == "running"


def test_what_was_accepted_is_only_read_on_however_long_the_grace_is_over(world, monkeypatch):
    timed(monkeypatch, grace=0, read_schedule=(600,), read_then_every=600)
    request, call = sent(world, effect="nothing")
    assert go_on(world, request, 3).state == "running"
    assert not deciding.is_open_question(DeletionCall.objects.get(pk=call.pk))


@pytest.fixture
def question(world, monkeypatch, settings):
    """A call without a clear answer whose grace is over, and an operator's proposal to send it again."""
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    monkeypatch.setattr(running.tokens, "make", lambda: f"token-{sends(world)}")
    timed(monkeypatch, grace=0, read_schedule=(600,), read_then_every=600)
    request, call = unclear(world)
    assert to_the_end(world, request).state == "needs_attention"
    world.sandbox.faults.reset()
    world.sandbox.faults.set("rate_limit", "off")
    world.sandbox.faults.set("delay", 0)
    call.refresh_from_db()
    return request, call, deciding.propose(world.omar, request, call, "resend", "looked at it in LeadSquared")


def test_a_webhook_after_the_proposal_answers_the_question_and_nothing_is_sent_again(world, question):
    request, call, decision = question
    receiving.receive("token-0", SUCCESS, "application/json")
    agenda.tend()
    assert attempts(request) == ["accepted"]
    with pytest.raises(Barred, match="ended meanwhile"):
        deciding.confirm(world.olga, decision)
    call.refresh_from_db()
    assert (call.state, sends(world)) == ("verifying", 1)
    assert Decision.objects.get().confirmed_at is None


def test_what_the_first_send_took_late_is_missed_by_the_second_as_well(world, question):
    """A neighbour that the first send took between the decision and the second send."""
    request, call, decision = question
    deciding.confirm(world.olga, decision)
    going = list(call.items.values_list("record_id", flat=True))
    world.sandbox.world.remove_activities(world.sandbox.world.neighbour(going, same_code=True))
    assert to_the_end(world, request).state == "needs_attention"
    call.refresh_from_db()
    assert (call.state, sends(world)) == ("over_deleted", 2)


# --- What explains a record that vanished ------------------------------------------------------------------


def test_a_draft_that_names_the_neighbour_explains_nothing(world):
    """Somebody has asked for it too, but nothing of that was ever sent."""
    request, call = sent(world)
    kept = KeptNeighbour.objects.filter(version=call.version_id, event_code=201).first()
    selection = drafting.select(world.rita, "lead", [call.lead_id])
    draft = world.drafted("activities", selection, world.window(400) | {"codes": [201]})
    assert DeletionItem.objects.filter(version=draft.version, record_id=kept.record_id).exists()
    world.sandbox.world.remove_activities([kept.record_id])
    assert to_the_end(world, request).state == "needs_attention"
    assert request.calls.get().state == "over_deleted"


def test_before_anything_was_sent_there_is_nothing_to_compare_with(world):
    _, call = one_call(world)
    assert verifying.there_before(call) == {}


def test_a_second_send_that_is_stopped_says_that_the_first_one_took_too_much(world, question):
    request, call, decision = question
    deciding.confirm(world.olga, decision)
    going = list(call.items.values_list("record_id", flat=True))
    world.sandbox.world.remove_activities(going + world.sandbox.world.neighbour(going, same_code=True))
    drain()
    request.refresh_from_db()
    call.refresh_from_db()
    assert (call.state, call.strange, call.contradiction) == ("skipped", True, "More went than was approved.")
    assert (request.state, outcomes(request)) == ("needs_attention", {"gone": 12})


# --- Contradictions ----------------------------------------------------------------------------------------


def test_a_webhook_that_told_of_success_where_a_part_stayed_is_shown(world, monkeypatch, settings):
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    monkeypatch.setattr(running.tokens, "make", lambda: "token-0")
    request, call = sent(world, effect="keep_20_percent")
    receiving.receive("token-0", SUCCESS, "application/json")
    a_day_after_the_send()
    assert to_the_end(world, request).state == "partial"
    call.refresh_from_db()
    assert "reported success, but the reading shows items still there" in call.contradiction


# --- Tasks -------------------------------------------------------------------------------------------------


def test_a_list_is_read_once_for_all_calls_that_leave_within_the_minute(world, settings):
    settings.LSQ_TASKS_PER_CALL = 1
    request = running_tasks(world, 3)
    while not request.calls.filter(state="gone").exists():
        hurry(request)
        agenda.tend()
        agenda.do_one()
    while not request.calls.filter(state="verifying").exists():
        agenda.do_one()
        hurry(request)
    call = request.calls.select_related("request__account").get(state="verifying")
    verifying.order(call)
    assert DeletionCall.objects.get(pk=call.pk).reads == 0  # the third one can still leave
    call.sent_at -= timedelta(seconds=61)
    verifying.order(call)
    assert DeletionCall.objects.get(pk=call.pk).reads == 1


def test_an_owners_list_of_which_a_part_is_missing_says_so(world):
    class Torn:
        records, complete, why = (), False, "only a page of it came"

    class Client:
        def tasks_by_owner(self, owner, status):
            return Torn

    assert reading._owner_tasks(Client(), BULK_OWNER_ID) == ([], False, Torn.why, False)


# --- The end, and a day later ------------------------------------------------------------------------------


def test_a_request_that_is_over_is_not_settled_again(world):
    request = world.pending()
    settling.settle(request)
    request.refresh_from_db()
    assert request.state == "pending"


def test_why_it_needs_attention_follows_the_calls(world, monkeypatch):
    request, call = unclear(world)
    timed(monkeypatch, grace=0, read_schedule=(600,), read_then_every=600)
    assert to_the_end(world, request).state == "needs_attention"
    told = request.attention
    DeletionCall.objects.filter(pk=call.pk).update(strange=True, contradiction="Something else vanished.")
    settling.settle(request)
    request.refresh_from_db()
    assert (request.attention, told != request.attention) == ("Something else vanished.", True)


def test_a_day_later_a_list_that_shows_nothing_at_all_is_not_believed(world):
    request, call = sent(world, effect="nothing")
    a_day_after_the_send()
    assert to_the_end(world, request).state == "failed"
    world.sandbox.faults.set("reading", "empty", match=call.lead_id)
    DeletionRequest.objects.filter(pk=request.pk).update(look_again_at=db_now())
    assert go_on(world, request, 2).later.endswith("nothing has changed.")


def test_what_was_looked_at_already_is_not_looked_at_again(world):
    request, _ = sent(world)
    to_the_end(world, request)
    assert request.look_again_at is not None
    stale = DeletionRequest.objects.get(pk=request.pk)
    DeletionRequest.objects.filter(pk=request.pk).update(look_again_at=None)
    agenda.afterwards.step(stale)
    assert not AuditEvent.objects.filter(action="request.looked_again").exists()


# --- Receipts ----------------------------------------------------------------------------------------------


def test_two_workers_draw_the_conclusions_of_a_receipt_once(world, monkeypatch, settings):
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    monkeypatch.setattr(running.tokens, "make", lambda: "token-0")
    sent(world)
    receiving.receive("token-0", SUCCESS, "application/json")
    first, second = (WebhookReceipt.objects.select_related("attempt").get() for _ in range(2))
    receiving.take(first)
    receiving.take(second)
    assert AuditEvent.objects.filter(action="receipt.arrived").count() == 1


def test_of_a_long_body_the_beginning_is_kept(world, monkeypatch, settings):
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    monkeypatch.setattr(running.tokens, "make", lambda: "token-0")
    sent(world)
    for end in (b"one", b"another"):
        receiving.receive("token-0", b"x" * receiving.KEPT_BYTES + end, "text/plain")
    receipt = WebhookReceipt.objects.get()
    assert (len(receipt.body), receipt.count) == (receiving.KEPT_BYTES, 2)


def test_a_webhook_that_another_worker_took_while_it_was_being_read_has_it_read_once_more(world, monkeypatch, settings):
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    monkeypatch.setattr(running.tokens, "make", lambda: "token-0")
    request, call = sent(world, effect="nothing")
    read = reading.perform

    def read_meanwhile(snapshot, until=None):
        read(snapshot, until)
        if snapshot.lane == reading.Lane.VERIFY and not WebhookReceipt.objects.exists():
            receiving.receive("token-0", SUCCESS, "application/json")
            receiving.take(receiving.untaken(db_now()).get())
            world.sandbox.world.remove_activities(call.items.values_list("record_id", flat=True))

    monkeypatch.setattr(reading, "perform", read_meanwhile)
    hurry(request)
    drain()
    request.refresh_from_db()
    assert request.state == "completed"


def test_the_same_body_twice_at_once_is_one_receipt_with_a_count(world, monkeypatch, settings):
    """Both looked before either had written; the database lets one of them in."""
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    monkeypatch.setattr(running.tokens, "make", lambda: "token-0")
    sent(world)
    receiving.receive("token-0", SUCCESS, "application/json")
    monkeypatch.setattr(WebhookReceipt, "_insert_if_new", lambda receipt, most: receipt.save() or True)
    receiving.receive("token-0", SUCCESS, "application/json")
    assert WebhookReceipt.objects.get().count == 2


# --- Deciding -----------------------------------------------------------------------------------------------


def test_a_stop_in_between_bars_the_second_send_at_its_confirmation(world, question):
    request, _, decision = question
    DeletionRequest.objects.filter(pk=request.pk).update(stop_asked_at=db_now(), stop_asked_by="rita")
    with pytest.raises(Barred, match="rita has stopped"):
        deciding.confirm(world.olga, decision)
    assert sends(world) == 1


def test_who_proposes_says_why(world, question):
    request, call, _ = question
    with pytest.raises(Barred, match="Say why"):
        deciding.propose(world.olga, request, call, "end", "  ")
