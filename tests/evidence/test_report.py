"""The deletion evidence report: a real request is exported and checked on a machine that has nothing but Python."""

import hashlib
import json
import stat
import subprocess
import sys
import tracemalloc
import zipfile

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from lsq_ops.models import AuditEvent, CallBody, DeletionCall, DeletionItem, DeletionRequest, Lead, db_now
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import agenda, approval, report
from lsq_ops.services.may import may
from lsq_ops.services.report import Subject
from tests.admin.test_doors import client_of
from tests.evidence.packets import exported, named, parts_of, rows_of, verify, with_rows, zipped
from tests.services.steps import running_tasks, to_the_end
from tests.world import skip_wait

# --- A good one ------------------------------------------------------------------------------------------------------


def test_a_report_is_checked_with_nothing_but_python(over, tmp_path, key_file):
    path = exported(Subject((over,)), tmp_path / "r.zip")
    code, said = verify(path)
    assert code == 0, said
    assert "26 items, 2 calls, 2 votes: digests, counts, quorum and the trail agree" in said
    assert "reaches to event" in said
    assert "Whether the anchors are genuine is not checked" in said
    code, said = verify(path, "--key-file", key_file)
    assert code == 0, said
    assert "sealed with this key" in said
    assert "not checked" not in said


def test_the_zip_checks_itself_and_so_does_the_folder(over, tmp_path):
    path = exported(Subject((over,)), tmp_path / "r.zip")
    with zipfile.ZipFile(path) as made:
        made.extractall(tmp_path / "folder")
    for what in ("r.zip", "folder", "folder/verify.py"):
        ran = subprocess.run([sys.executable, "-I", "-S", what], cwd=tmp_path, capture_output=True, text=True)
        assert (ran.returncode, "Nothing is wrong" in ran.stdout) == (0, True), (what, ran.stdout, ran.stderr)


def test_the_whole_is_there_and_no_token_in_it(over, tmp_path):
    parts = parts_of(exported(Subject((over,)), tmp_path / "r.zip"))
    assert {"READ ME FIRST.html", "READ ME FIRST.txt", "verify.py", "verify.html", "audit/anchors.txt"} <= set(parts)
    version = over.version
    assert len(rows_of(parts, "items.jsonl")) == version.items_count
    assert len(rows_of(parts, "kept.jsonl")) == version.kept_count + version.left_out_count
    assert {call["state"] for call in rows_of(parts, "calls.jsonl")} == {"gone"}
    assert rows_of(parts, "readings.jsonl")
    text = "".join(parts.values())
    assert not any(attempt.token_hash in text for attempt in over.attempts.all())
    assert not any(name.endswith("contents.jsonl") for name in parts)
    first = parts["READ ME FIRST.html"]
    assert "26 of 26 gone from what LeadSquared&#x27;s API shows" in first
    assert "Arun Iyer (Business) approved" in first
    assert "What it does not prove" in first
    assert " UTC)" in first


def test_contents_are_there_where_they_are_asked_for_and_are_those_that_were_approved(over, tmp_path):
    path = exported(Subject((over,)), tmp_path / "r.zip", contents=True)
    assert verify(path)[0] == 0
    parts = parts_of(path)
    rows = rows_of(parts, "contents.jsonl")
    assert len(rows) == over.version.items_count
    rows[3]["text"] = rows[3]["text"].replace("Site", "Cite")
    code, said = verify(zipped(tmp_path / "x.zip", with_rows(parts, "contents.jsonl", rows)))
    assert (code, f"item {rows[3]['id']}: its content is not the one" in said) == (1, True)


def test_a_report_on_a_request_under_way_on_a_draft_and_on_an_old_version(world, tmp_path):
    request = world.draft("activities", "asha")
    for step in ("draft", "pending", "approved", "running"):
        code, said = verify(exported(Subject((request,)), tmp_path / f"{step}.zip"))
        assert code == 0, (step, said)
        if step == "draft":
            approval.submit(world.rita, request)
            request.refresh_from_db()
            approval.vote(world.arun, request, "changes", digest=request.version.digest, reason="fewer")
            world.work()
            request.refresh_from_db()
            assert request.state == "draft"
            approval.submit(world.rita, request)
        elif step == "pending":
            world.approved(request)
        elif step == "approved":
            skip_wait(request)
            agenda.tend()
        request.refresh_from_db()


def test_what_shows_after_the_end_is_in_the_next_report(over, tmp_path):
    before = parts_of(exported(Subject((over,)), tmp_path / "before.zip"))
    DeletionRequest.objects.filter(pk=over.pk).update(look_again_at=db_now())
    for _ in range(5):
        agenda.tend()
        while agenda.do_one():
            pass
    over.refresh_from_db()
    assert over.later
    path = exported(Subject((over,)), tmp_path / "after.zip")
    assert verify(path)[0] == 0
    assert "request.looked_again" not in before["audit/events.jsonl"]
    assert "request.looked_again" in parts_of(path)["audit/events.jsonl"]
    assert over.later in parts_of(path)["READ ME FIRST.txt"]


def test_tasks_by_owner_are_checked_too(world, tmp_path):
    request = to_the_end(world, running_tasks(world, 12))
    code, said = verify(exported(Subject((request,)), tmp_path / "r.zip"))
    assert (code, "12 items" in said) == (0, True), said


def test_twenty_thousand_items_are_written_a_row_at_a_time(world, tmp_path):
    request = world.draft("activities", "asha")
    version, row = request.version, request.version.items.values().first()
    old = DeletionCall.objects.filter(pk=row["call_id"])
    call = DeletionCall.objects.create(**{**old.values()[0], "id": None, "number": 99, "size": 20_000})
    CallBody.objects.create(call=call, text=old.get().body.text)
    made = {**row, "id": None, "call_id": call.pk}
    rows = [{**made, "record_id": f"{number:08x}{row['record_id'][8:]}"} for number in range(20_000)]
    DeletionItem.objects.bulk_create([DeletionItem(**one) for one in rows], batch_size=1000)
    count = version.items.count()
    request.versions.update(items_count=count)
    del rows
    tracemalloc.start()
    try:
        path = exported(Subject((request,)), tmp_path / "r.zip")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 8_000_000
    assert most < 8_000_000
    code, said = verify(path)
    assert (code, f"{count:,} items" in said) == (0, True), said


# --- One lead, and nobody else ---------------------------------------------------------------------------------------


def foreign_ids(lead):
    items = DeletionItem.objects.exclude(lead_id=lead).values_list("record_id", "lead_id")
    names = ("prospect_id", "first_name", "last_name", "email", "phone")
    others, own = Lead.objects.exclude(prospect_id=lead).values_list(*names), Lead.objects.filter(prospect_id=lead)
    told = {str(value) for row in (*items, *others) for value in row if value and len(str(value)) > 3}
    return told - set(own.values_list(*names)[0])


def test_a_report_on_a_lead_holds_nobody_else_s_data(over, tmp_path):
    lead = Lead.objects.get(prospect_id=WELL_KNOWN["bruno"])
    path = exported(report.about_lead(lead), tmp_path / "r.zip", contents=True)
    code, said = verify(path)
    assert code == 0, said
    assert "Withheld, because they name other leads: 1 event" in said
    parts, text = parts_of(path), path.read_bytes().decode("utf-8", "replace").lower()
    mine = over.version.items.filter(lead_id=lead.prospect_id).count()
    assert len(rows_of(parts, "items.jsonl")) == mine > 0
    assert lead.prospect_id in text
    foreign = foreign_ids(lead.prospect_id)
    assert WELL_KNOWN["asha"] in foreign
    assert [one for one in foreign if one.lower() in text] == []
    assert "entered twice" not in parts[named(parts, "versions.jsonl")]  # what people wrote may be about the other one
    assert "withheld: this request concerns other leads too" in parts["READ ME FIRST.html"]


def test_what_people_were_told_of_the_others_stays_out_too(world, tmp_path):
    """What is written freely beside a request may name any lead that it concerns."""
    request = world.draft("activities", "asha", "bruno")
    told = f"{WELL_KNOWN['asha']} is not as it was"
    DeletionRequest.objects.filter(pk=request.pk).update(attention=told, later=told)
    request.versions.update(reason=told, ticket=told, source={"file": told})
    request.calls.exclude(lead_id=WELL_KNOWN["asha"]).update(note="moved on")
    lead = Lead.objects.get(prospect_id=WELL_KNOWN["bruno"])
    text = "".join(parts_of(exported(report.about_lead(lead), tmp_path / "r.zip")).values())
    assert "moved on" in text
    assert WELL_KNOWN["asha"] not in text


def test_a_call_that_holds_others_tasks_is_shown_by_its_hash(world, tmp_path):
    request = to_the_end(world, running_tasks(world, 12))
    item = request.version.items.exclude(lead_id="").first()
    assert request.version.items.exclude(lead_id=item.lead_id).exists()
    lead = Lead.objects.get(prospect_id=item.lead_id)
    path = exported(report.about_lead(lead), tmp_path / "r.zip", contents=True)
    assert verify(path)[0] == 0
    (call,) = rows_of(parts_of(path), "calls.jsonl")
    assert (call["body"], call["body_withheld"], len(call["body_hash"])) == (None, True, 64)
    text = path.read_bytes().decode("utf-8", "replace").lower()
    mine = set(request.version.items.filter(lead_id=lead.prospect_id).values_list("record_id", flat=True))
    others = set(request.version.items.values_list("record_id", flat=True)) - mine
    assert [one for one in others | foreign_ids(lead.prospect_id) - mine if one.lower() in text] == []


def test_a_lead_that_nothing_happened_to(world, tmp_path):
    (lead,) = world.mirror_leads("chen")
    code, said = verify(exported(report.about_lead(lead), tmp_path / "r.zip"))
    assert code == 0, said


# --- Who may, and how ------------------------------------------------------------------------------------------------


def test_auditors_and_who_took_part_may_take_it_away(world):
    request = world.approved(world.pending("activities", "asha", "bruno"))
    allowed = {
        name
        for name in "rita arun dana omar aida pia vera".split()
        if may(getattr(world, name), "export_evidence", request)
    }
    assert allowed == {"rita", "arun", "dana", "aida"}
    assert "those who took part" in may(world.omar, "export_evidence", request).why
    lead = Lead.objects.first()
    assert may(world.aida, "export_lead", lead)
    assert not may(world.rita, "export_lead", lead)


@pytest.mark.parametrize("model", ["deletionrequest", "lead"])
def test_the_button_gives_the_file_and_the_trail_its_sha256(over, tmp_path, world, model):
    row = over if model == "deletionrequest" else Lead.objects.first()
    client, page = client_of(world.aida), reverse(f"admin:lsq_ops_{model}_change", args=[row.pk])
    address = reverse(f"admin:lsq_ops_{model}_evidence", args=[row.pk])
    assert address in client.get(page).content.decode()
    assert client.get(address).status_code == 200
    assert not AuditEvent.objects.filter(action__endswith="evidence_exported").exists()
    answer = client.post(address)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert "no-store" in answer["Cache-Control"]
    data = b"".join(answer.streaming_content)
    event = AuditEvent.objects.get(action__endswith="evidence_exported")
    assert (event.actor, json.loads(event.details)["sha256"]) == ("aida", hashlib.sha256(data).hexdigest())
    (tmp_path / "r.zip").write_bytes(data)
    assert verify(tmp_path / "r.zip")[0] == 0
    assert client_of(world.vera).post(address).status_code == 403
    assert AuditEvent.objects.filter(action__endswith="evidence_exported").count() == 1


def test_the_command_writes_a_new_file_for_its_caller_only(over, tmp_path, capsys):
    path = tmp_path / "r.zip"
    call_command("export_evidence", str(over).lower(), "--output", str(path))
    assert "its SHA-256 " + hashlib.sha256(path.read_bytes()).hexdigest() in capsys.readouterr().out
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert verify(path)[0] == 0
    for arguments, words in (
        ([str(over), "--output", str(path)], "can't be made"),
        (["DR-9999999", "--output", str(tmp_path / "x")], "no request DR-9999999"),
        (["--lead", "nobody", "--output", str(tmp_path / "x")], "no lead nobody"),
        ([], "Name a request"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("export_evidence", *arguments)
    assert not (tmp_path / "x").exists()
    call_command("export_evidence", "--lead", WELL_KNOWN["asha"].upper(), "--output", str(tmp_path / "lead.zip"))
    assert verify(tmp_path / "lead.zip")[0] == 0


def test_what_others_wrote_can_not_act(world, tmp_path):
    request = world.draft("activities", "asha")
    request.versions.update(reason="<script>alert(1)</script>\u202egnirts\nWhy: none", ticket="=HYPERLINK(1)")
    row = request.version.items.values().first()
    hostile = {"id": None, "record_id": "0" + row["record_id"][1:], "label": "=cmd|' /C calc'!A0"}
    DeletionItem.objects.create(**{**row, **hostile})
    parts = parts_of(exported(Subject((request,)), tmp_path / "r.zip"))
    assert "<script>alert" not in parts["READ ME FIRST.html"]
    assert "\u202e" not in parts["READ ME FIRST.html"] + parts["READ ME FIRST.txt"]
    assert "\nWhy: none" not in parts["READ ME FIRST.txt"]
    assert ",'=cmd|" in parts[f"requests/{request}/items.csv"]
    assert ",=cmd" not in parts[f"requests/{request}/items.csv"]
