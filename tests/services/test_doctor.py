"""The doctor finds what ails, one finding for each, and says what to do."""

import hashlib
import json
import re
import time
from collections import namedtuple
from datetime import timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from unittest.mock import patch

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection

from lsq_ops.models import (
    Account,
    AuditAnchor,
    AuditHead,
    Beat,
    CallBody,
    ItemContent,
    KeptNeighbour,
    SnapshotContent,
    TrailCheck,
    WebhookReceipt,
    db_now,
    guards,
)
from lsq_ops.services import anchors, doctor, trail

from .steps import drain, one_call

Usage = namedtuple("Usage", "total used free")


def said(only):
    return [(finding.state, finding.says) for finding in doctor.examine(only)]


def states(only):
    return [finding.state for finding in doctor.examine(only)]


@pytest.fixture
def well(committed_world, portal_server):
    """A portal that lacks nothing, and that its own address leads to."""
    Beat.show("worker")
    trail.verify()
    TrailCheck.objects.create(begun_at=db_now(), head_seq=1, head_hash="", prev="", done_at=db_now())
    anchors.keep()
    return committed_world


def test_where_nothing_is_wrong_every_finding_is_ok_and_says_something(well):
    found = list(doctor.examine())
    assert {finding.name for finding in found} == set(doctor.CHECKS)
    assert all(finding.says for finding in found)
    # The small world's people are few, and on PostgreSQL the tests own the tables.
    expected = {"people"} | ({"guards"} if connection.vendor == "postgresql" else set())
    assert {one.name for one in found if one.state != "ok"} == expected
    assert {one.state for one in found} == {"ok", "warning"}


def test_every_finding_that_is_not_ok_says_what_to_do(db):
    """An empty database: no account, no worker, no people."""
    found = [finding for finding in doctor.examine() if finding.state != "ok"]
    assert {"worker", "leadsquared", "people"} <= {finding.name for finding in found}
    assert all(finding.do for finding in found)


def test_a_worker_that_has_been_silent_is_told_of(world):
    assert states("worker") == ["wrong"]
    Beat.objects.create(name="worker on elsewhere", at=db_now() - timedelta(minutes=5))
    assert said("worker") == [("wrong", "Last seen 5 min ago.")]
    Beat.objects.create(name="sweep", at=db_now())  # a web process may sweep; that is no worker
    assert states("worker") == ["wrong"]


def test_a_missing_guard_is_named(world):
    guards.drop(connection)
    assert len([state for state in states("guards") if state == "wrong"]) == len(guards.statements(connection.vendor))


def test_keys_of_another_account_and_a_pause_are_told_apart(world):
    assert states("leadsquared") == ["ok", "ok"]
    Account.objects.update(paused_at=db_now(), paused_by="omar", pause_reason="Month's end.")
    assert said("leadsquared")[0] == ("warning", "It answers, but the account is paused, by omar: Month's end.")
    Account.objects.update(org_id="another")
    (state, says), _ = said("leadsquared")
    assert state == "wrong" and "another account" in says


def test_refused_keys_are_told_in_words_and_the_key_is_not(world, settings):
    settings.LSQ_ACCESS_KEY = "u$rwrong-one"
    ((state, says),) = said("leadsquared")
    assert state == "wrong" and "refused the keys" in says and "wrong-one" not in says


def test_clocks_that_differ_are_told_of(world):
    with patch.object(doctor, "db_now", lambda: db_now() - timedelta(seconds=90)):
        ((state, says),) = said("clock")
    assert state == "warning" and "90." in says


def test_leadsquareds_clock_is_read_from_its_answer(world, monkeypatch):
    later = formatdate(time.time() + 3600, usegmt=True)
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda handler, timestamp=None: later)
    _, (state, says) = said("leadsquared")
    assert state == "warning" and re.search(r"(3599|36\d\d) s ahead", says)
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda handler, timestamp=None: "no date")
    assert states("leadsquared") == ["ok"]


def test_a_report_that_does_not_come_back_is_told_of(world, settings):
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    ((state, says),) = said("webhook")
    assert state == "wrong" and "ConnectionRefusedError" in says
    settings.PUBLIC_URL = world.sandbox.url  # somebody else's server
    assert states("webhook") == ["wrong"]
    settings.PUBLIC_URL = ""
    assert states("webhook") == ["warning"]


def test_a_full_disk_is_told_of(world):
    with patch.object(doctor.shutil, "disk_usage", return_value=Usage(1, 1, 1000)):
        assert states("disk") == ["wrong"]


def test_a_head_that_does_not_fit_its_last_event_is_told_of(world):
    assert "ok" in states("trail")
    with patch.object(doctor, "AuditHead") as head:
        head.objects.get.return_value = AuditHead(seq=AuditHead.objects.get().seq, hash="f" * 64)
        assert states("trail")[0] == "wrong"


def test_an_anchor_that_can_not_leave_is_told_of(world, settings, tmp_path):
    settings.AUDIT_ANCHOR_FILE = str(tmp_path / "no such folder" / "anchors")
    anchors.keep()
    assert "wrong" not in states("anchors")
    AuditAnchor.objects.update(made_at=db_now() - timedelta(hours=2))
    assert said("anchors") == [("wrong", "1 anchors could not leave by AUDIT_ANCHOR_FILE.")]


def test_a_row_that_no_longer_fits_its_digest_is_told_of(world):
    request = world.pending()
    assert said("digests") == [("ok", "1 computed again from their rows.")]
    guards.drop(connection)
    item = request.version.items.first()
    type(item).objects.filter(pk=item.pk).update(content_hash="0" * 64)
    assert said("digests")[0] == (
        "wrong",
        f"DR-{request.pk} is not what was approved: its digest does not fit its rows.",
    )


def spoil(model, **values):
    row = model.objects.order_by("-pk").first()
    model.objects.filter(pk=row.pk).update(**values)
    return row.pk


def test_what_is_stored_beside_its_hash_is_computed_again(world, settings):
    world.pending("activities", "bruno")
    settings.PUBLIC_URL = ""
    request, _ = one_call(world)
    drain()
    attempt = request.attempts.get()
    WebhookReceipt.keep(attempt.pk, hashlib.sha256(b"{}").hexdigest(), b"{}", "", db_now(), 20)
    for everything in (False, True):
        found = list(doctor.examine("hashes", everything))
        assert {one.state for one in found} == {"ok"} and len(found) == 5
        assert not any(" 0 computed" in one.says for one in found), found
    guards.drop(connection)
    spoil(KeptNeighbour, record_id="another")
    content = spoil(ItemContent, raw={"another": "content"})
    body = spoil(CallBody, text="{}")
    reading = spoil(SnapshotContent, packed=b"cut off")
    receipt = spoil(WebhookReceipt, body=b"another")
    wrong = [finding for finding in doctor.examine("hashes") if finding.state == "wrong"]
    assert len(wrong) == 5 and all("verify_audit" in finding.do for finding in wrong)
    told = " ".join(finding.says for finding in wrong)
    assert all(f"(rows {pk})" in told for pk in (content, body, reading, receipt))


def test_a_sample_is_of_the_newest_and_of_any_others_and_all_is_all(world, monkeypatch):
    world.pending()
    monkeypatch.setattr(doctor.proofs, "SAMPLE", 4)
    (items, *_) = doctor.proofs.again()
    assert 2 <= items.count <= 4
    (items, *_) = doctor.proofs.again(everything=True)
    assert items.count == ItemContent.objects.count() > 4


def test_what_was_emptied_is_passed_over(world):
    world.pending()
    guards.drop(connection)
    count = ItemContent.objects.count()
    spoil(ItemContent, raw=None, salt="")
    (items, *_) = doctor.proofs.again(everything=True)
    assert (items.count, items.wrong) == (count - 1, ())


def test_not_to_know_is_another_exit_code_than_wrong(monkeypatch):
    def unreachable():
        raise DatabaseError

    monkeypatch.setitem(doctor.CHECKS, "disk", unreachable)
    (found,) = doctor.examine("disk")
    assert (found.state, found.do) == ("unknown", "Is the database reachable and migrated?")
    bad, fine = doctor.Finding("a", doctor.WRONG, ""), doctor.Finding("a", doctor.WARNING, "")
    assert [doctor.exit_code(one) for one in ([fine], [], [found, fine], [found, bad])] == [0, 0, 2, 1]
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", "--only", "disk")
    assert ended.value.code == 2


def test_several_machines_on_one_file_are_told_of(world):
    Beat.show("worker")
    Beat.objects.create(name="worker on elsewhere", at=db_now())
    assert states("worker") == (["wrong", "ok"] if connection.vendor == "sqlite" else ["ok"])


def test_the_command_tells_machines_and_ends_with_1_where_something_is_wrong(world, capsys):
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", "--json", "--only", "worker")
    assert ended.value.code == 1
    (finding,) = json.loads(capsys.readouterr().out)
    assert (finding["name"], finding["state"]) == ("worker", "wrong") and finding["do"]
    Beat.show("worker")
    call_command("doctor", "--only", "worker")
    assert capsys.readouterr().out.startswith("ok       worker       Seen 0 s ago.")
