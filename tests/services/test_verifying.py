"""The end is decided by reading: when it is read, what a reading proves, and what a person must look at."""

from datetime import timedelta

import pytest

from lsq_ops.models import (
    Account,
    ActivitySnapshot,
    DeletionCall,
    DeletionItem,
    DeletionRequest,
    KeptNeighbour,
    Task,
    db_now,
)
from lsq_ops.sandbox.world import BULK_OWNER_ID, WELL_KNOWN
from lsq_ops.services import agenda, approval, drafting, reading, settling, story, verifying
from tests.world import skip_wait

from .steps import (
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
    unplugged,
)


@pytest.fixture(autouse=True)
def prompt(world, monkeypatch):
    """LeadSquared does what it is asked at once."""
    world.sandbox.faults.set("delay", 0)
    read_when_told(monkeypatch)


def sent(world, name="asha"):
    """A request whose only call was sent; nothing was read back yet."""
    request, call = one_call(world, name)
    drain()
    let_land(world)
    call.refresh_from_db()
    assert call.state == "verifying"
    return request, call


# --- When it is read ---------------------------------------------------------------------------------------


def test_it_is_read_on_its_schedule_and_then_again_and_again(world, monkeypatch):
    timed(monkeypatch, read_schedule=(15, 60, 300), read_then_every=3600, read_until=86400)
    world.sandbox.faults.set("effect", "nothing")
    _, call = sent(world)
    due = []
    for age in (15, 60, 300, 4000):
        call.refresh_from_db()
        due.append((call.not_before - call.sent_at).total_seconds())
        DeletionCall.objects.update(sent_at=db_now() - timedelta(seconds=age), not_before=db_now())
        drain()
    call.refresh_from_db()
    assert due == pytest.approx([15, 60, 300, 3900], abs=5)  # the readings themselves take their time
    assert call.reads == 4
    assert (call.not_before - db_now()).total_seconds() == pytest.approx(3600, abs=5)


def test_what_is_still_there_a_day_after_it_was_accepted_is_still_there(world):
    world.sandbox.faults.set("effect", "nothing")
    request, _ = sent(world)
    assert go_on(world, request, 3).state == "running"
    DeletionCall.objects.update(sent_at=db_now() - timedelta(days=1))
    assert to_the_end(world, request).state == "failed"
    assert outcomes(request) == {"still_present": 12}
    assert (sends(world), attempts(request)) == (1, ["accepted"])


def test_a_fifth_that_stays_makes_it_partial_and_what_remains_is_one_click_away(world):
    world.sandbox.faults.set("effect", "keep_20_percent")
    request, _ = sent(world)
    DeletionCall.objects.update(sent_at=db_now() - timedelta(days=1))
    assert to_the_end(world, request).state == "partial"
    assert outcomes(request) == {"gone": 10, "still_present": 2}
    world.sandbox.faults.reset()
    again = drafting.request_remaining(world.rita, request)
    drain()
    left = set(request.version.items.filter(outcome="still_present").values_list("record_id", flat=True))
    assert set(again.version.items.values_list("record_id", flat=True)) == left


def test_what_acts_late_is_read_until_it_is_gone(world):
    world.sandbox.faults.set("effect", "late")
    world.sandbox.faults.set("late_by", 4)
    request, _ = one_call(world)
    drain()
    hurry(request)
    drain()
    request.refresh_from_db()
    assert request.state == "running"
    let_land(world)
    assert to_the_end(world, request).state == "completed"


def test_without_a_webhook_it_completes_and_says_that_none_came(world, settings):
    request, _ = sent(world)
    assert to_the_end(world, request).state == "completed"
    settings.PUBLIC_URL = "https://portal.example.com"
    assert "No webhook receipt came. It is read once more" in story.closing_sentence(request)


# --- What a reading proves ---------------------------------------------------------------------------------


def test_a_reading_from_before_the_deletion_was_due_decides_nothing(world):
    request, call = sent(world)
    verifying.judge_ready(request)
    call.refresh_from_db()
    assert call.state == "verifying"


def test_a_call_that_somebody_moves_in_the_same_moment_is_left_as_it_is_and_judged_later(world, monkeypatch):
    request, call = sent(world)

    def moved_by_another(judged, why):
        DeletionCall.objects.filter(pk=judged.pk).update(state="planned")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(verifying, "_show_blank", moved_by_another)
        hurry(request)
        drain()
        call.refresh_from_db()
        assert (call.state, call.items.exclude(outcome="").count()) == ("verifying", 0)
    agenda.catch_up()  # the sweep finds it
    request.refresh_from_db()
    assert request.state == "completed"


def test_nothing_is_concluded_from_a_reading_that_is_not_whole(world, monkeypatch):
    timed(monkeypatch, read_retries=())
    request, call = sent(world)
    world.sandbox.faults.set("reading", "hides")
    go_on(world, request, 2)
    call.refresh_from_db()
    assert (call.state, call.reads >= 2) == ("verifying", True)
    world.sandbox.faults.reset()
    assert to_the_end(world, request).state == "completed"


def test_what_can_not_be_read_for_a_day_is_said_to_be_unverifiable_and_people_are_told(world, monkeypatch, mailoutbox):
    timed(monkeypatch, read_retries=())
    request, call = sent(world)
    world.sandbox.faults.set("answer", "502", match="ProspectActivity.svc/Retrieve")
    assert go_on(world, request, 3).state == "running"
    DeletionCall.objects.update(sent_at=db_now() - timedelta(days=1))
    assert to_the_end(world, request).state == "needs_attention"
    call.refresh_from_db()
    assert call.state == "unverifiable"
    assert outcomes(request) == {"unverifiable": 12}
    assert any("needs attention" in mail.subject for mail in mailoutbox)


def test_a_lead_that_is_deleted_after_the_send_is_unverifiable(world):
    world.sandbox.faults.set("effect", "lead_gone")
    request, _ = sent(world)
    assert to_the_end(world, request).state == "needs_attention"
    assert outcomes(request) == {"unverifiable": 12}
    assert "deleted or merged after the send" in request.calls.get().note


def test_a_lead_that_is_unknown_to_one_page_and_shown_by_another_proves_nothing(world, monkeypatch):
    timed(monkeypatch, read_retries=())
    request, call = sent(world)
    world.sandbox.faults.set("answer", "500_lead", match="ProspectActivity.svc/Retrieve")
    go_on(world, request, 2)
    call.refresh_from_db()
    assert call.state == "verifying"
    assert outcomes(request) == {"open": 12}


def test_a_worker_that_was_given_up_can_not_change_a_finished_reading(world):
    request = world.draft("activities", "asha")
    first = request.snapshots.get()
    rows = first.rows()
    late = ActivitySnapshot.objects.get(pk=first.pk)
    late.started_at -= timedelta(minutes=5)
    reading.fill(late, [], complete=False, why="only half of it was read")
    first = ActivitySnapshot.objects.get(pk=first.pk)
    assert first.complete
    assert first.rows() == rows


def test_a_list_that_shows_nothing_at_all_after_the_send_is_not_believed(world):
    """No "gone", no "more went than was approved": it is shown, nothing more is sent, and it is read again."""
    world.sandbox.faults.set("effect", "nothing", match="Delete")
    request, call = sent(world)
    world.sandbox.faults.set("reading", "empty", match=call.lead_id)
    hurry(request)
    drain()
    call.refresh_from_db()
    request.refresh_from_db()
    assert (call.state, request.state, outcomes(request)) == ("verifying", "needs_attention", {"open": 12})
    assert "shows nothing at all" in request.attention
    world.sandbox.faults.reset()
    hurry(request)
    drain()
    request.refresh_from_db()
    assert (request.state, request.attention) == ("running", "")


def test_a_day_of_showing_nothing_makes_it_unverifiable(world):
    request, call = sent(world)
    world.sandbox.faults.set("reading", "empty", match=call.lead_id)
    DeletionCall.objects.update(sent_at=db_now() - timedelta(days=2), reads=9)
    hurry(request)
    drain()
    assert outcomes(request) == {"unverifiable": 12}
    call.refresh_from_db()
    assert "shows nothing at all" in call.note


def test_an_owner_without_any_task_left_is_believed_where_all_of_them_were_to_go(world):
    request = running_tasks(world, 5, of=5)
    assert to_the_end(world, request).state == "completed"
    assert outcomes(request) == {"gone": 5}


# --- More went than was approved ---------------------------------------------------------------------------


def test_a_neighbour_that_went_too_is_an_alarm_and_pauses_the_account(world, mailoutbox):
    world.sandbox.faults.set("effect", "delete_neighbour")
    request, call = sent(world)
    assert to_the_end(world, request).state == "needs_attention"
    call.refresh_from_db()
    world.account.refresh_from_db()
    assert call.state == "over_deleted"
    assert request.attention == "More went than was approved."
    assert world.account.pause_reason.startswith("More went than was approved")
    assert outcomes(request) == {"gone": 12}
    assert any("More went" in mail.body for mail in mailoutbox)


def test_a_neighbour_that_came_after_the_approval_is_missed_as_well(world):
    request, call = one_call(world)
    later = call.window_to + timedelta(hours=2)
    new = world.sandbox.world.add_activity(WELL_KNOWN["asha"], 201, f"{later:%Y-%m-%d %H:%M:%S}")
    assert not KeptNeighbour.objects.filter(record_id=new).exists()
    drain()
    let_land(world)
    world.sandbox.world.remove_activities([new])
    assert to_the_end(world, request).state == "needs_attention"
    assert request.calls.get().state == "over_deleted"


def other_code(world, call):
    """A kept record of another code, outside the call's window."""
    kept = KeptNeighbour.objects.filter(version=call.version_id, at__lt=call.window_from - timedelta(days=5))
    return kept.exclude(event_code=201).first().record_id


def test_what_vanished_and_can_not_be_ours_needs_attention_and_leaves_the_account_alone(world):
    request, call = sent(world)
    world.sandbox.world.remove_activities([other_code(world, call)])
    assert to_the_end(world, request).state == "needs_attention"
    assert "this call can't have taken them" in request.attention
    world.account.refresh_from_db()
    assert not world.account.is_paused
    assert outcomes(request) == {"gone": 12}


def test_what_vanished_is_not_forgotten_by_the_next_reading(world):
    world.sandbox.faults.set("effect", "nothing")
    request, call = sent(world)
    world.sandbox.world.remove_activities([other_code(world, call)])
    go_on(world, request, 2)
    world.sandbox.world.remove_activities(call.items.values_list("record_id", flat=True))
    assert go_on(world, request, 3).state == "needs_attention"
    call.refresh_from_db()
    assert (call.state, call.strange) == ("gone", True)


def test_a_neighbour_that_another_request_was_sent_to_delete_is_no_alarm(world, monkeypatch):
    """The other request's deletion acts late: after this one's reading just before the send."""
    request = world.approved(world.pending("activities", "asha"))
    DeletionRequest.objects.filter(pk=request.pk).update(starts_at=db_now() + timedelta(hours=1))
    other = world.approved(world.pending("stage_history", "asha", days=90))
    world.sandbox.faults.set("effect", "nothing", match="StageChange")
    skip_wait(other)
    with monkeypatch.context() as patch:
        unplugged(patch)
        while not attempts(other):
            go_on(world, other)
    go_on(world, other, 2)
    assert attempts(other)[-1] == "accepted"
    DeletionCall.objects.filter(request=other).update(sent_at=db_now() - timedelta(days=1))
    assert to_the_end(world, other).state == "failed"
    skip_wait(request)
    drain()
    let_land(world)
    world.sandbox.world.remove_activities(other.version.items.values_list("record_id", flat=True))
    assert to_the_end(world, request).state == "completed"


def test_a_deletion_that_was_refused_explains_no_neighbour_that_went(world):
    """LeadSquared said that it isn't done, and it was read to be so: whatever took it later, that call did not."""
    request = world.approved(world.pending("activities", "asha"))
    DeletionRequest.objects.filter(pk=request.pk).update(starts_at=db_now() + timedelta(hours=1))
    other = world.approved(world.pending("stage_history", "asha", days=90))
    world.sandbox.faults.set("answer", "400", match="StageChange")
    skip_wait(other)
    assert to_the_end(world, other).state == "failed"
    skip_wait(request)
    drain()
    let_land(world)
    world.sandbox.world.remove_activities(other.version.items.values_list("record_id", flat=True))
    assert to_the_end(world, request).state == "needs_attention"


def test_the_first_send_is_what_a_second_one_is_measured_by(world):
    """Nothing of what the first send took may be called already gone, or its neighbours forgotten."""
    _, call = sent(world)
    before = verifying.there_before(call)
    assert set(call.items.values_list("record_id", flat=True)) <= before.keys()
    DeletionCall.objects.update(sent_at=db_now() - timedelta(days=1))
    assert verifying.there_before(call) == before


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("window", "modified_on"),
        ("window", "inserted_on"),
        ("ends", "half_open"),
        ("ends", "exclusive"),
        ("subseconds", "yes"),
        ("effect", "delete_other_code"),
        ("effect", "delete_neighbour"),
        ("effect", "keep_20_percent"),
        ("effect", "nothing"),
    ],
)
def test_completed_means_that_every_item_and_nothing_else_is_gone_whatever_leadsquared_does(world, switch, value):
    world.sandbox.faults.set(switch, value)
    request, call = one_call(world)
    before = set(world.sandbox.world.activity_ids(call.lead_id))
    go_on(world, request, 2)
    DeletionCall.objects.update(sent_at=db_now() - timedelta(days=1))
    to_the_end(world, request)
    went = before - set(world.sandbox.world.activity_ids(call.lead_id))
    items = set(request.version.items.values_list("record_id", flat=True))
    assert (request.state == "completed") == (went == items)
    assert "open" not in outcomes(request)


# --- Tasks -------------------------------------------------------------------------------------------------


def test_tasks_that_are_absent_from_their_owners_and_their_leads_lists_are_gone(world, settings):
    settings.LSQ_TASKS_PER_CALL = 2
    request = running_tasks(world, 5)
    assert request.calls.count() == 3
    assert to_the_end(world, request).state == "completed"
    assert outcomes(request) == {"gone": 5}
    assert len(world.sandbox.world.bulk_task_ids()) == 35


@pytest.mark.parametrize("effect", ["task_done", "task_moved"])
def test_a_task_that_was_completed_or_handed_over_is_not_gone(world, effect):
    world.sandbox.faults.set("effect", effect)
    request = running_tasks(world, 3)
    go_on(world, request, 2)
    DeletionCall.objects.update(sent_at=db_now() - timedelta(days=1))
    assert to_the_end(world, request).state == "failed"
    assert outcomes(request) == {"still_present": 3}


@pytest.mark.parametrize("change", ["complete_tasks", "move_tasks"])
def test_a_task_that_was_completed_or_handed_over_since_the_approval_is_not_sent(world, change):
    request = running_tasks(world, 3)
    getattr(world.sandbox.world, change)([request.version.items.first().record_id])
    assert to_the_end(world, request).state == "failed"
    assert sends(world) == 0
    assert outcomes(request) == {"skipped": 3}


def test_a_task_in_no_list_that_can_be_asked_for_is_not_called_gone_already(world):
    """Its lead was merged away and it has another owner: it lives on where neither list shows it."""
    request = running_tasks(world, 3)
    world.sandbox.world.move_tasks(request.version.items.values_list("record_id", flat=True))
    world.sandbox.faults.set("lead_gone", "yes")
    assert to_the_end(world, request).state == "failed"
    assert sends(world) == 0
    assert outcomes(request) == {"unverifiable": 3}


def test_a_task_in_no_list_that_can_be_asked_for_is_not_called_gone_after_the_send(world, monkeypatch):
    read_when_told(monkeypatch)
    world.sandbox.faults.set("effect", "task_moved")
    request = running_tasks(world, 3)
    drain()
    assert sends(world) == 1
    let_land(world)
    world.sandbox.faults.set("lead_gone", "yes")
    assert to_the_end(world, request).state == "needs_attention"
    assert outcomes(request) == {"unverifiable": 3}
    assert request.calls.get().state == "unverifiable"


def test_another_task_of_the_owner_that_went_too_never_ends_as_completed(world):
    world.sandbox.faults.set("effect", "delete_neighbour")
    request = running_tasks(world, 3)
    assert to_the_end(world, request).state == "needs_attention"
    assert go_on(world, request, 3).state == "needs_attention"
    assert "vanished" in request.attention


def test_two_requests_on_one_owners_tasks_do_not_alarm_each_other(world):
    """The second one's reading just before the send still shows what the first one is deleting."""
    first = running_tasks(world, 4)
    later = db_now() + timedelta(hours=1)
    DeletionCall.objects.update(not_before=later)
    ids = first.version.items.values("record_id")
    others = list(Task.objects.exclude(task_id__in=ids).filter(owner_id=BULK_OWNER_ID)[:3])
    second = world.drafted("tasks", drafting.select(world.rita, "task", [task.task_id for task in others]), {})
    approval.submit(world.rita, second)
    skip_wait(world.approved(second))
    world.sandbox.faults.set("delay", 1)
    DeletionCall.objects.update(not_before=None)
    drain()
    assert sends(world) == 2
    assert to_the_end(world, first).state == "completed"
    assert to_the_end(world, second).state == "completed"


# --- Killed between two steps ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "step", "before"),
    [
        (reading, "order", True),
        (reading, "perform", True),
        (reading, "fill", True),
        (agenda, "after", True),
        (verifying, "judge", True),
        (verifying, "decide", True),
        (verifying, "end", False),
        (verifying, "settle", True),
    ],
)
def test_a_worker_killed_while_reading_back_leaves_nothing_stuck(world, monkeypatch, module, step, before):
    request, _ = sent(world)
    real = getattr(module, step)

    def killed(*args, **kwargs):
        monkeypatch.setattr(module, step, real)
        if not before:
            real(*args, **kwargs)
        raise SystemExit

    monkeypatch.setattr(module, step, killed)
    hurry(request)
    with pytest.raises(SystemExit):
        drain()
    ActivitySnapshot.objects.filter(read_at__isnull=True).update(claimed_until=db_now() - timedelta(seconds=1))
    agenda.catch_up()
    drain()
    request.refresh_from_db()
    assert request.state == "completed"
    assert DeletionItem.objects.filter(version=request.version, outcome="gone").count() == 12


def test_an_end_is_told_once_and_its_account_is_right(world, mailoutbox):
    request, _ = sent(world)
    to_the_end(world, request)
    for _ in range(3):
        settling.settle(request)
        verifying.judge_ready(request)
    drain()
    told = [mail for mail in mailoutbox if mail.subject == f"{request}: completed"]
    assert [mail.body.splitlines()[0] for mail in told] == ["12 of 12 gone from what LeadSquared's API shows."]
    assert Account.objects.get().paused_at is None


def test_a_reading_back_goes_on_while_the_account_is_paused(world):
    request, _ = sent(world)
    Account.objects.update(paused_at=db_now(), pause_reason="look only")
    assert to_the_end(world, request).state == "completed"
