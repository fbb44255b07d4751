"""What records held leaves after its time; that they were, and what became of them, stays."""

import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from lsq_ops.leadsquared.records import LeadRecord
from lsq_ops.models import (
    Activity,
    ActivitySnapshot,
    AuditEvent,
    CallBody,
    DeletionItem,
    DeletionRequest,
    ItemContent,
    Lead,
    RetentionRun,
    SearchTerm,
    Selection,
    SnapshotContent,
    Task,
    UploadedLine,
    UploadedList,
    UploadedPart,
    WebhookReceipt,
    db_now,
)
from lsq_ops.services import agenda, batches, differences, drafting, holds, mirror, retention, sight, trail, uploaded
from lsq_ops.services.may import Barred


def guid(number):
    return f"00000000-0000-0000-0000-{number:012}"


@pytest.fixture
def all_is_old(monkeypatch):
    """As if whatever has ended had ended long ago."""
    monkeypatch.setattr(retention, "until", lambda: db_now() + timedelta(seconds=1))


def run():
    retention.start(actor="system")
    while retention.step():
        pass
    return RetentionRun.objects.latest("pk")


def texts(request):
    """All that still says what the records of a request held."""
    return [
        *ItemContent.objects.filter(item__version__request=request, raw__isnull=False),
        *ItemContent.objects.filter(item__version__request=request).exclude(salt=""),
        *CallBody.objects.filter(call__version__request=request).exclude(text=""),
        *(one for one in SnapshotContent.objects.filter(snapshot__request=request) if bytes(one.packed)),
        *(one for one in WebhookReceipt.objects.filter(attempt__request=request) if bytes(one.body)),
    ]


def skeleton(request):
    return list(
        DeletionItem.objects.filter(version__request=request)
        .order_by("pk")
        .values_list("record_id", "lead_id", "event_code", "at", "content_hash", "outcome", "outcome_at")
    )


def test_of_a_request_that_is_over_the_skeleton_stays(world, all_is_old):
    request = world.work_out(world.running("activities", "asha"))
    DeletionRequest.objects.filter(pk=request.pk).update(look_again_at=None)
    came = {"body": b'{"Status": 1}', "body_hash": "0" * 64, "first_at": db_now(), "last_at": db_now()}
    WebhookReceipt.objects.create(attempt=request.attempts.first(), **came)
    before, readings = skeleton(request), list(request.snapshots.values_list("pk", "records", "sha256", "complete"))
    assert len(texts(request)) > 2 * len(before) > 0
    made = run()
    assert texts(request) == []
    assert skeleton(request) == before
    assert list(request.snapshots.values_list("pk", "records", "sha256", "complete")) == readings
    assert made.counts["requests"] == 1
    event = AuditEvent.objects.get(action="request.contents_erased")
    assert (event.object_id, f'"items":{len(before)}' in event.details) == (str(request.pk), True)
    assert trail.verify().ok
    page = Client()
    page.force_login(world.rita)
    address = reverse("admin:lsq_ops_deletionrequest_change", args=[request.pk])
    for tab in ("items", "calls", "snapshots", "timeline", "kept", "leads"):
        assert page.get(address, {"tab": tab}).status_code == 200
    with pytest.raises(Barred, match="was erased"):
        sight.snapshot_file(world.rita, request.snapshots.first())
    with pytest.raises(Barred, match="was erased"):
        differences.compare(world.rita, request.snapshots.first(), request.snapshots.first())
    assert "requests" not in run().counts  # once


def test_what_is_not_over_is_not_touched(world, all_is_old):
    pending = world.pending("activities", "asha")
    held = len(texts(pending))
    run()
    assert len(texts(pending)) == held


def test_what_will_be_looked_at_once_more_waits(world, all_is_old):
    request = world.work_out(world.running("activities", "asha"))
    DeletionRequest.objects.filter(pk=request.pk).update(look_again_at=db_now() + timedelta(days=1))
    held = len(texts(request))
    assert "requests" not in run().counts
    assert len(texts(request)) == held


def test_a_hold_beats_it_until_it_is_lifted(world, all_is_old):
    request = world.work_out(world.running("activities", "asha"))
    DeletionRequest.objects.filter(pk=request.pk).update(look_again_at=None)
    held = len(texts(request))
    lead = request.version.items.first().lead_id
    holds.set_holds(world.pia, "lead", [lead], "court case")
    made = run()
    assert len(texts(request)) == held
    assert made.kept_back["requests"] == 1 and "requests" not in made.counts
    assert not AuditEvent.objects.filter(action="request.contents_erased").exists()
    holds.lift(world.pia, [lead])
    assert run().counts["requests"] == 1


def test_what_never_became_a_request_goes_too(people, all_is_old):
    mirror.write_leads(people.account, [LeadRecord.model_validate({"ProspectID": guid(1)})])
    upload = uploaded.receive(people.rita, io.BytesIO(f"{guid(1)}\n".encode()), "a.csv", names="lead", how={})
    ticked = drafting.select(people.rita, "lead", [guid(1)])
    assert run().counts == {"uploads": 1, "selections": 2}
    upload.refresh_from_db()
    assert upload.thrown_at and upload.sha256 and upload.selection is None
    assert not (UploadedPart.objects.exists() or UploadedLine.objects.exists())
    assert not Selection.objects.filter(pk=ticked.pk).exists()
    assert UploadedList.objects.count() == 1


@pytest.fixture
def gone(people):
    """Leads 1 to 3 with an activity and a task each: 1 is there, 2 is gone, 3 is gone and on hold."""
    rows = [{"ProspectID": guid(n), "EmailAddress": f"p{n}@example.com"} for n in (1, 2, 3)]
    mirror.write_leads(people.account, [LeadRecord.model_validate(row) for row in rows])
    facts = {"account": people.account, "read_at": db_now()}
    for n in (1, 2, 3):
        lead, went = Lead.objects.get(prospect_id=guid(n)), db_now() if n > 1 else None
        Activity.objects.create(lead=lead, activity_id=guid(10 + n), event_code=201, gone_at=went, **facts)
        Task.objects.create(task_id=guid(20 + n), lead_id=guid(n), gone_at=went, **facts)
        Lead.objects.filter(pk=lead.pk).update(gone_at=went)
    holds.set_holds(people.pia, "lead", [guid(3)], "court case")
    return people


def test_what_leadsquared_no_longer_shows_leaves_the_mirror(gone, all_is_old):
    made = run()
    assert made.counts == {"activities": 1, "tasks": 1, "leads": 1}
    assert made.kept_back == {"activities": 1, "tasks": 1, "leads": 1}
    assert set(Lead.objects.values_list("prospect_id", flat=True)) == {guid(1), guid(3)}
    assert set(Activity.objects.values_list("activity_id", flat=True)) == {guid(11), guid(13)}
    assert set(Task.objects.values_list("task_id", flat=True)) == {guid(21), guid(23)}
    assert SearchTerm.objects.filter(term__contains=b"p2@").count() == 0


def test_what_went_lately_stays(gone):
    assert run().counts == {}
    assert Lead.objects.count() == 3


def test_readings_of_the_mirror_lose_their_contents_and_keep_their_hash(world, all_is_old):
    world.mirror_leads("asha")
    snapshots = ActivitySnapshot.objects.filter(request=None)
    hashes = list(snapshots.values_list("pk", "records", "sha256"))
    held = sum(1 for one in snapshots if one.rows())
    assert held
    made = run()
    assert made.counts["readings"] == len(hashes)
    assert [one.rows() for one in ActivitySnapshot.objects.filter(request=None)] == [[]] * len(hashes)
    assert list(snapshots.values_list("pk", "records", "sha256")) == hashes
    assert Activity.objects.filter(gone_at=None).exists()  # the mirror itself stays


# --- Runs ---------------------------------------------------------------------------------------------------


def test_a_run_goes_on_where_it_stood_and_one_worker_does_it(gone, all_is_old, monkeypatch):
    retention.start(actor="system")
    begun = batches._claim(RetentionRun)
    assert retention.step() is False  # another one has it
    RetentionRun.objects.filter(pk=begun.pk).update(claimed_until=db_now() - timedelta(seconds=1))
    steps = 0
    while retention.step():
        steps += 1
    assert steps > len(retention.RULES)
    made = RetentionRun.objects.get()
    assert made.ended_at and made.counts == {"activities": 1, "tasks": 1, "leads": 1}
    assert [event.action for event in AuditEvent.objects.filter(object_id=str(made.pk), action__startswith="ret")] == [
        "retention.done",
        "retention.begun",
    ]


def test_it_begins_by_itself_once_a_day_where_something_is_due(gone, monkeypatch):
    retention.begin_due()
    assert not RetentionRun.objects.exists()
    monkeypatch.setattr(retention, "until", lambda: db_now() + timedelta(seconds=1))
    agenda.catch_up()
    agenda.work(5)
    assert RetentionRun.objects.get().ended_at
    mirror.mark_gone(gone.account, [guid(1)])
    retention.begin_due()
    assert RetentionRun.objects.count() == 1
    RetentionRun.objects.update(begun_at=db_now() - timedelta(days=1, seconds=1))
    retention.begin_due()
    assert RetentionRun.objects.count() == 2


def test_of_two_workers_that_would_begin_it_the_late_one_goes_on_with_its_work(gone, all_is_old, monkeypatch):
    due = retention.due

    def begun_meanwhile(most):
        retention.start(actor="system")
        return due(most)

    monkeypatch.setattr(retention, "due", begun_meanwhile)
    retention.begin_due()
    assert RetentionRun.objects.count() == 1


def test_the_dry_run_erases_nothing(gone, all_is_old):
    said = io.StringIO()
    call_command("retention", "--dry-run", stdout=said)
    assert "        2  leads of the mirror that LeadSquared no longer shows" in said.getvalue()
    assert Lead.objects.count() == 3 and not RetentionRun.objects.exists()
    call_command("retention", stdout=said)
    assert "The workers erase it now." in said.getvalue()
    agenda.work(5)
    assert Lead.objects.count() == 2


def test_where_everything_is_kept_nothing_begins(gone, settings):
    settings.CONTENTS_KEPT_DAYS = 0
    retention.begin_due()
    with pytest.raises(Barred, match="everything is kept"):
        retention.begin(gone.pia)
    assert (retention.due(), RetentionRun.objects.exists()) == ([], False)


def test_a_policy_admin_begins_it_on_its_page_which_says_what_goes(gone, all_is_old):
    client = Client()
    client.force_login(gone.pia)
    page = client.get("/admin/lsq_ops/retentionrun/").content.decode()
    assert "Activities of the mirror that LeadSquared no longer shows" in page and "Nothing was erased yet" in page
    asked = client.get("/admin/lsq_ops/retentionrun/begin/").content.decode()
    assert "Due now: 2 activities, 2 tasks, 2 leads." in asked
    client.post("/admin/lsq_ops/retentionrun/begin/")
    agenda.work(5)
    assert "1 activities, 1 tasks, 1 leads" in client.get("/admin/lsq_ops/retentionrun/").content.decode()
    with pytest.raises(Barred, match="policy admin"):
        retention.begin(gone.omar)
