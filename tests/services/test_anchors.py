"""Anchors leave the database, and show what only they can show; the day's check says so by itself."""

import logging
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection

from lsq_ops.chain import GENESIS, anchors_in, link_hash
from lsq_ops.models import (
    AuditAnchor,
    AuditEvent,
    AuditHead,
    Notice,
    TrailCheck,
    audited,
    db_now,
    guards,
    record,
    timing,
)
from lsq_ops.services import agenda, anchors, trail
from lsq_ops.services.may import Barred


def tell(count=1):
    with audited():
        for number in range(count):
            record("lead.added", ("lead", number), actor="rita", n=number)


def age(hours):
    """So many hours pass: rows are aged, not clocks."""
    past = timedelta(hours=hours)
    for row in AuditAnchor.objects.all():
        AuditAnchor.objects.filter(pk=row.pk).update(made_at=row.made_at - past)
    for check in TrailCheck.objects.all():
        TrailCheck.objects.filter(pk=check.pk).update(begun_at=check.begun_at - past)


def by_hand(*statements):
    """What whoever holds the database can do."""
    guards.drop(connection)
    with connection.cursor() as cursor:
        for sql, *values in statements:
            cursor.execute(sql, values)
    guards.install(connection)


def rechain(since):
    """One event changed, and everything behind it written anew, with the head: the database agrees with itself."""
    rows = list(AuditEvent.objects.filter(seq__gte=since).order_by("seq").values())
    prev = AuditEvent.objects.get(seq=since - 1).hash if since > 1 else GENESIS
    statements = []
    for row in rows:
        row |= {"actor": "somebody else" if row["seq"] == since else row["actor"], "prev_hash": prev}
        row["hash"] = prev = link_hash(prev, row)
        sets = "UPDATE lsq_ops_auditevent SET actor = %s, prev_hash = %s, hash = %s WHERE seq = %s"
        statements.append((sets, row["actor"], row["prev_hash"], row["hash"], row["seq"]))
    by_hand(*statements, ("UPDATE lsq_ops_audithead SET hash = %s", prev))


@pytest.fixture
def file(settings, tmp_path):
    settings.AUDIT_ANCHOR_FILE = str(tmp_path / "anchors.txt")
    return tmp_path / "anchors.txt"


# --- Out of the database -------------------------------------------------------------------------------------------


def test_an_anchor_leaves_to_the_log_the_file_and_the_mail(db, file, settings, mailoutbox, caplog):
    settings.AUDIT_ANCHOR_MAIL = "auditor@example.invalid"
    tell(3)
    with caplog.at_level(logging.INFO, "lsq_ops.anchors"):
        anchors.keep()
    head = AuditHead.objects.get()
    for text in (caplog.text, file.read_text(), mailoutbox[0].body):
        (anchor,) = anchors_in(text.splitlines())
        assert (anchor.seq, anchor.hash) == (3, head.hash)
        assert anchor.is_signed_with(settings.AUDIT_KEY)
    assert mailoutbox[0].to == ["auditor@example.invalid"]


def test_the_next_one_comes_after_an_hour_or_a_thousand_events_and_not_without_a_new_one(db, file):
    tell()
    anchors.keep()
    age(hours=2)
    anchors.keep()
    tell()
    anchors.keep()
    tell()
    anchors.keep()
    assert [a.seq for a in anchors_in(file.read_text().splitlines())] == [1, 2]
    tell(timing().anchor_events - 2)
    anchors.keep()
    assert AuditAnchor.objects.count() == 2
    tell()
    anchors.keep()
    assert [a.seq for a in anchors_in(file.read_text().splitlines())] == [1, 2, 1002]


def test_what_could_not_leave_leaves_later(db, settings, tmp_path, mailoutbox, monkeypatch):
    settings.AUDIT_ANCHOR_FILE = str(tmp_path / "not there yet" / "anchors.txt")
    settings.AUDIT_ANCHOR_MAIL = "auditor@example.invalid"

    def away(*args, **kwargs):
        raise ConnectionRefusedError

    tell()
    with monkeypatch.context() as broken:
        broken.setattr(anchors, "send_mail", away)
        anchors.keep()
    anchors.keep()  # the mail server isn't asked again within a minute
    assert AuditAnchor.objects.filter(filed_at__isnull=True, mailed_at__isnull=True).count() == 1
    (tmp_path / "not there yet").mkdir()
    monkeypatch.setattr(anchors, "MAIL_EVERY", timedelta(0))
    anchors.keep()
    anchors.keep()
    assert len(list(anchors_in((tmp_path / "not there yet" / "anchors.txt").read_text().splitlines()))) == 1
    assert len(mailoutbox) == 1


def test_whoever_sweeps_keeps_the_anchors(people, file):
    agenda.catch_up()
    assert [a.seq for a in anchors_in(file.read_text().splitlines())] == [AuditHead.objects.get().seq]


# --- What they show ------------------------------------------------------------------------------------------------


def test_what_is_proven_reaches_to_the_last_anchor(db):
    tell(4)
    assert "No anchor exists yet" in trail.verify().sentence
    anchors.keep()
    tell(2)
    report = trail.verify()
    assert (report.ok, report.events, report.anchored) == (True, 6, 4)
    assert "proven reaches to event 4, anchored at 20" in report.sentence


def test_a_chain_written_anew_is_shown_by_its_anchor_alone(db, file):
    tell(6)
    anchors.keep()
    tell(3)
    rechain(3)
    report = trail.verify()
    assert (report.ok, report.bad_seq, report.kind) == (False, 6, "re-chained")
    by_hand(("DELETE FROM lsq_ops_auditanchor",))  # who holds the database holds this list too; not the file
    assert trail.verify().kind == "re-chained"
    file.rename(file.with_name("elsewhere.txt"))
    assert trail.verify().ok
    assert trail.verify([str(file.with_name("elsewhere.txt"))]).kind == "re-chained"


def test_a_tail_that_was_cut_off_together_with_the_head_is_shown(db):
    tell(6)
    anchors.keep()
    last = AuditEvent.objects.get(seq=4)
    by_hand(
        ("DELETE FROM lsq_ops_auditevent WHERE seq > 4",),
        ("UPDATE lsq_ops_audithead SET seq = 4, hash = %s", last.hash),
    )
    report = trail.verify()
    assert (report.ok, report.bad_seq, report.kind) == (False, 5, "cut off")


def test_events_behind_the_head_are_shown(db):
    tell(4)
    third = AuditEvent.objects.get(seq=3)
    by_hand(("UPDATE lsq_ops_audithead SET seq = 3, hash = %s", third.hash))
    report = trail.verify()
    assert (report.ok, report.bad_seq) == (False, 4)


def test_an_anchor_that_somebody_else_signed_says_nothing(db, settings):
    """Who holds the database could write one that fits his own chain; without the key it is told from ours."""
    tell(3)
    anchors.keep()
    settings.AUDIT_KEY = "another key"
    report = trail.verify()
    assert (report.ok, report.anchored) == (True, 0)
    assert "1 anchors are not signed with this AUDIT_KEY" in report.sentence


def test_the_command_takes_anchors_from_a_file_and_says_where_it_can_not(db, file, capsys, tmp_path):
    tell(3)
    anchors.keep()
    kept = tmp_path / "kept.txt"
    file.rename(kept)
    by_hand(("DELETE FROM lsq_ops_auditanchor",))
    call_command("verify_audit", "--anchors", str(kept))
    assert "proven reaches to event 3" in capsys.readouterr().out
    rechain(2)
    with pytest.raises(SystemExit) as end:
        call_command("verify_audit", "--anchors", str(kept))
    assert end.value.code == 1
    assert "Event 3 is re-chained" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        call_command("verify_audit", "--anchors", str(tmp_path / "no such file"))
    assert end.value.code == 2
    assert "no such file" in capsys.readouterr().err


# --- Once a day, by itself -----------------------------------------------------------------------------------------


def first_event_is_old():
    by_hand(("UPDATE lsq_ops_auditevent SET at = %s WHERE seq = 1", (db_now() - timedelta(days=2)).isoformat()))
    rechain(1)


def checked():
    """Until the check is over, as the worker does it: a slice at a time, behind all other work."""
    for count in range(1, 50):
        if not trail.check_due():
            return count
    raise AssertionError("the check never ends")


def test_the_day_is_checked_in_slices_and_once(people, monkeypatch):
    monkeypatch.setattr(trail, "SLICE", 7)
    tell(20)
    assert not trail.check_due()  # the first event isn't a day old
    first_event_is_old()
    seen = AuditHead.objects.get().seq
    assert checked() > 3
    check, said = TrailCheck.objects.get(), AuditEvent.objects.order_by("-seq").first()
    assert (check.last, check.done_at is not None) == (seen, True)
    assert (said.action, said.actor) == ("trail.verified", "system")
    assert '"ok":true' in said.details
    assert checked() == 1
    age(hours=25)
    checked()
    assert TrailCheck.objects.count() == 2
    assert trail.verify().ok


def test_what_the_day_s_check_finds_is_told_to_auditors_and_policy_admins(people):
    tell(20)
    first_event_is_old()
    by_hand(("UPDATE lsq_ops_auditevent SET details = '{}' WHERE seq = 9",))
    checked()
    said = AuditEvent.objects.order_by("-seq").first()
    assert '"bad_seq":9' in said.details
    told = Notice.objects.filter(subject__contains="does not hold")
    assert {notice.user.username for notice in told} == {"aida", "pia"}
    assert all("Event 9 is edited" in notice.text for notice in told)


def test_a_cut_off_tail_is_found_by_the_day_s_check_too(people):
    first_event_is_old()
    tell(20)
    anchors.keep()
    left = AuditHead.objects.get().seq - 5
    by_hand(
        ("DELETE FROM lsq_ops_auditevent WHERE seq > %s", left),
        ("UPDATE lsq_ops_audithead SET seq = %s, hash = %s", left, AuditEvent.objects.get(seq=left).hash),
    )
    checked()
    assert f'"bad_seq":{left + 1}' in AuditEvent.objects.order_by("-seq").first().details


def test_what_is_written_while_the_check_goes_on_is_no_fault(people, monkeypatch):
    monkeypatch.setattr(trail, "SLICE", 7)
    tell(20)
    first_event_is_old()
    assert trail.check_due()
    tell(3)
    anchors.keep()
    assert trail.check_due()
    tell(3)
    checked()
    assert '"ok":true' in AuditEvent.objects.filter(action="trail.verified").get().details


# --- When somebody asks --------------------------------------------------------------------------------------------


def test_a_long_trail_is_left_to_the_worker_who_writes_what_the_auditor_asked_for(people, monkeypatch):
    monkeypatch.setattr(trail, "SLICE", 7)
    tell(20)
    assert trail.verify_now(people.aida) is None
    with pytest.raises(Barred, match="under way, asked for by aida: it has come to event 0 of"):
        trail.verify_now(people.aida)
    seen = AuditHead.objects.get().seq
    assert checked() > 3
    said = AuditEvent.objects.order_by("-seq").first()
    assert (said.action, said.actor, said.object_id) == ("trail.verified", "aida", str(seen))
    assert trail.under_way() is None


def test_checks_that_two_workers_began_at_once_are_both_ended(people, monkeypatch):
    monkeypatch.setattr(trail, "SLICE", 7)
    tell(20)
    for _ in range(2):
        trail._begin(AuditHead.objects.get())
    checked()
    assert not TrailCheck.objects.filter(done_at__isnull=True).exists()
