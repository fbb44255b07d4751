"""The doctor finds what ails, one finding for each, and says what to do."""

import json
from collections import namedtuple
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.core.management import call_command
from django.db import connection

from lsq_ops.models import Account, AuditAnchor, AuditHead, Beat, TrailCheck, db_now, guards
from lsq_ops.services import anchors, doctor, trail

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
    assert states("leadsquared") == ["ok"]
    Account.objects.update(paused_at=db_now(), paused_by="omar", pause_reason="Month's end.")
    assert said("leadsquared") == [("warning", "It answers, but the account is paused, by omar: Month's end.")]
    Account.objects.update(org_id="another")
    ((state, says),) = said("leadsquared")
    assert state == "wrong" and "another account" in says


def test_refused_keys_are_told_in_words_and_the_key_is_not(world, settings):
    settings.LSQ_ACCESS_KEY = "u$rwrong-one"
    ((state, says),) = said("leadsquared")
    assert state == "wrong" and "refused the keys" in says and "wrong-one" not in says


def test_clocks_that_differ_are_told_of(world):
    with patch.object(doctor, "db_now", lambda: db_now() - timedelta(seconds=90)):
        ((state, says),) = said("clock")
    assert state == "warning" and "90." in says


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


def test_the_command_tells_machines_and_ends_with_1_where_something_is_wrong(world, capsys):
    with pytest.raises(SystemExit):
        call_command("doctor", "--json", "--only", "worker")
    (finding,) = json.loads(capsys.readouterr().out)
    assert (finding["name"], finding["state"]) == ("worker", "wrong") and finding["do"]
    Beat.show("worker")
    call_command("doctor", "--only", "worker")
    assert capsys.readouterr().out.startswith("ok       worker       Seen 0 s ago.")
