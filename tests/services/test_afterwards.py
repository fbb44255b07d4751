"""What is over never changes; a day later it is read once more, and what shows then is appended."""

from datetime import timedelta

import pytest

from lsq_ops.leadsquared.records import ActivityRecord
from lsq_ops.models import Account, ActivitySnapshot, AuditEvent, DeletionCall, DeletionRequest, Notice, db_now
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import agenda, deciding, reading, receiving, running, story

from .steps import DELETES, drain, go_on, let_land, one_call, outcomes, read_when_told, running_tasks, to_the_end


@pytest.fixture(autouse=True)
def prompt(world, monkeypatch):
    world.sandbox.faults.set("delay", 0)
    read_when_told(monkeypatch)


def ended(world, **faults):
    """A request of one call that is over; a call that left something was given its day."""
    for name, value in faults.items():
        world.sandbox.faults.set(name, value, match=DELETES)
    request, call = one_call(world)
    drain()
    let_land(world)
    DeletionCall.objects.filter(pk=call.pk).update(sent_at=db_now() - timedelta(days=1))
    return to_the_end(world, request), call


def a_day_later(world, request):
    DeletionRequest.objects.filter(pk=request.pk, look_again_at__isnull=False).update(look_again_at=db_now())
    return go_on(world, request, 2)


def test_without_a_receipt_it_is_read_once_more_and_nothing_has_changed(world):
    request, _ = ended(world)
    assert "It is read once more" in story.closing_sentence(request)
    request = a_day_later(world, request)
    assert (request.state, request.look_again_at) == ("completed", None)
    assert request.later.endswith("UTC: nothing has changed.")
    assert request.later in story.closing_sentence(request)
    assert AuditEvent.objects.filter(action="request.looked_again").count() == 1
    before = ActivitySnapshot.objects.count()
    a_day_later(world, request)
    assert ActivitySnapshot.objects.count() == before  # once


def test_with_a_receipt_and_all_gone_it_is_not_read_again(world, settings, monkeypatch):
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    monkeypatch.setattr(running.tokens, "make", lambda: "token")
    request, _ = one_call(world)
    drain()
    receiving.receive("token", b'{"Status":"Success"}', "application/json")
    assert to_the_end(world, request).state == "completed"
    assert request.look_again_at is None


def test_what_acted_after_the_end_is_appended_and_moves_nothing(world):
    request, call = ended(world, effect="nothing")
    assert (request.state, outcomes(request)) == ("failed", {"still_present": 12})
    world.sandbox.world.remove_activities(call.items.values_list("record_id", flat=True))
    request = a_day_later(world, request)
    assert (request.state, outcomes(request)) == ("failed", {"still_present": 12})
    assert "12 records that were still there have vanished later" in request.later
    told = set(Notice.objects.filter(subject__contains="after its end").values_list("user__username", flat=True))
    assert told == {"rita"}


def test_a_neighbour_that_went_late_is_told_to_the_operators_too(world):
    request, _ = ended(world)
    rows = ActivitySnapshot.objects.filter(request=request).last().rows()
    world.sandbox.world.remove_activities([next(row["Id"] for row in rows if row["EventCode"] == 202)])
    request = a_day_later(world, request)
    assert "1 record that nobody asked to delete have vanished" in request.later
    told = set(Notice.objects.filter(subject__contains="after its end").values_list("user__username", flat=True))
    assert told == {"rita", "omar", "olga"}
    assert not Account.objects.get().is_paused


def test_what_is_there_again_is_told(world, monkeypatch):
    request, call = ended(world)
    records = [ActivityRecord.model_validate(raw) for raw in call.items.values_list("content__raw", flat=True)]
    monkeypatch.setattr(reading, "_read", lambda client, snapshot: (records, True, "", False))
    request = a_day_later(world, request)
    assert "12 records that were gone are there again" in request.later


def test_a_lead_that_is_gone_by_then_proves_nothing(world):
    request, _ = ended(world, effect="nothing")
    world.sandbox.world.remove_lead(WELL_KNOWN["asha"])
    assert a_day_later(world, request).later.endswith("nothing has changed.")


def test_what_can_not_be_read_then_is_said(world, monkeypatch):
    request, _ = ended(world)
    monkeypatch.setattr(reading, "_read", lambda client, snapshot: ([], False, "half of it", False))
    a_day_later(world, request)
    assert go_on(world, request, 8).later.endswith("it could not be read completely.")


def test_tasks_too(world):
    request = running_tasks(world, 3)
    world.sandbox.faults.set("effect", "task_done", match="DeleteTasks")
    drain()
    let_land(world)
    DeletionCall.objects.update(sent_at=db_now() - timedelta(days=1))
    assert to_the_end(world, request).state == "failed"
    world.sandbox.world.remove_tasks(request.version.items.values_list("record_id", flat=True))
    assert "3 records that were still there have vanished later" in a_day_later(world, request).later


def test_closed_by_two_people_is_read_once_more_as_well(world):
    request, _ = one_call(world)
    world.sandbox.faults.set("answer", "502", match=DELETES)
    world.sandbox.faults.set("takes_effect", "no", match=DELETES)
    drain()
    DeletionRequest.objects.filter(pk=request.pk).update(state="needs_attention")
    request.refresh_from_db()
    deciding.confirm(world.olga, deciding.propose(world.omar, request, None, "close", "given up"))
    request.refresh_from_db()
    assert request.state == "closed"
    assert request.look_again_at > db_now()


def test_a_draft_that_never_ran_is_not(world):
    request = world.draft()
    agenda.tend()
    assert request.look_again_at is None
