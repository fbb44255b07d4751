"""The chain: complete, in order, and it tells what was done to it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command
from django.db import connection, connections

from lsq_ops.chain import canonical
from lsq_ops.models import AuditEvent, DeletionRequest, audit, audited, guards, record
from lsq_ops.models.audit import OutsideAudited
from lsq_ops.services import trail

from .test_states import bare_request


def test_an_event_outside_a_transaction_is_refused(db):
    with pytest.raises(OutsideAudited):
        record("request.pending", ("x", 1), actor="rita")


def test_an_action_that_is_not_on_the_list_is_refused(db):
    with pytest.raises(ValueError), audited():
        record("request.exploded", ("x", 1), actor="rita")


def test_what_is_rolled_back_is_not_told(db):
    with audited():
        tell(1)
        with pytest.raises(RuntimeError), audited():
            tell(2)
            raise RuntimeError
        tell(3)
    assert list(AuditEvent.objects.order_by("seq").values_list("object_id", flat=True)) == ["1", "3"]


def test_a_change_whose_event_can_not_be_written_does_not_happen(people, monkeypatch):
    request = bare_request(people)
    monkeypatch.setattr(audit, "_append", None)
    with pytest.raises(TypeError):
        request.move("withdrawn", actor="test")
    assert DeletionRequest.objects.get(pk=request.pk).state == "draft"


def test_many_writers_at_once_make_one_chain(committed_db):
    """The head is locked before it is read: nobody continues a link that somebody else has continued."""

    def write(number: int) -> None:
        try:
            for _ in range(10):
                with audited():
                    tell(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as writers:
        for done in [writers.submit(write, number) for number in range(6)]:
            done.result()
    assert AuditEvent.objects.count() == 60
    assert trail.verify().ok


@pytest.mark.parametrize(
    "text", ['it\'s "so" \\ %s %(x)s {y}', "é ☃ 😀 \u2028 \t\r\n\x7f\x01", "', '); DROP TABLE x; --", "\\u0041 \\n"]
)
def test_whatever_the_words_are_the_link_is_the_one_that_a_check_expects(db, text):
    """PostgreSQL makes the link's hash, everybody else checks it."""
    with audited():
        for _ in range(2):
            record("account.tested", ("x", text[:20]), actor=text, words=text, number=1)
    assert [event.actor for event in AuditEvent.objects.all()] == [text, text]
    assert trail.verify().ok


def test_a_hundred_and_more_events_of_one_transaction_make_one_chain(db):
    with audited():
        for number in range(250):
            tell(number)
    assert AuditEvent.objects.count() == 250
    assert trail.verify().ok


def test_numbers_have_no_gap_and_the_chain_verifies(db):
    for number in range(5):
        with audited():
            tell(number)
            tell(number + 100)
    assert list(AuditEvent.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 11))
    assert trail.verify().ok


@pytest.mark.parametrize(
    ("harm", "kind", "seq"),
    [
        ("UPDATE lsq_ops_auditevent SET details = '{}' WHERE seq = 3", "edited", 3),
        ("UPDATE lsq_ops_auditevent SET actor = 'nobody' WHERE seq = 4", "edited", 4),
        ("DELETE FROM lsq_ops_auditevent WHERE seq = 2", "missing", 2),
        ("DELETE FROM lsq_ops_auditevent WHERE seq > 4", "cut off", 5),
    ],
)
def test_tampering_is_found_with_its_number_and_kind(db, harm, kind, seq):
    chain_of(6)
    without_guards(harm)
    report = trail.verify()
    assert (report.ok, report.kind, report.bad_seq) == (False, kind, seq)


def test_a_swapped_pair_is_found(db):
    chain_of(6)
    columns = "at, actor, action, object_type, object_id, details, prev_hash, hash"
    swap = [3, 4]
    rows = {seq: AuditEvent.objects.filter(seq=seq).values_list(*columns.split(", ")).get() for seq in swap}
    sets = ", ".join(f"{column} = %s" for column in columns.split(", "))
    guards.drop(connection)
    with connection.cursor() as cursor:
        for seq, other in zip(swap, reversed(swap), strict=True):
            cursor.execute(f"UPDATE lsq_ops_auditevent SET {sets} WHERE seq = %s", [*rows[other], seq])
    guards.install(connection)
    report = trail.verify()
    assert (report.ok, report.bad_seq) == (False, 3)


def test_the_command_exits_with_what_it_found(db, capsys):
    chain_of(3)
    call_command("verify_audit")
    without_guards("UPDATE lsq_ops_auditevent SET action = 'x' WHERE seq = 2")
    with pytest.raises(SystemExit) as exit_:
        call_command("verify_audit")
    assert exit_.value.code == 1
    assert "Event 2 is edited" in capsys.readouterr().out
    without_guards("DELETE FROM lsq_ops_audithead")
    with pytest.raises(SystemExit) as exit_:
        call_command("verify_audit")
    assert exit_.value.code == 1  # install() made a new head at 0, which the chain contradicts


def test_canonical_json_has_one_spelling():
    assert canonical({"b": 1, "a": "é"}) == '{"a":"é","b":1}'
    with pytest.raises(ValueError):
        canonical(float("nan"))


def tell(number: int) -> None:
    record("lead.added", ("lead", number), actor="rita", n=number)


def chain_of(length: int) -> None:
    with audited():
        for number in range(length):
            tell(number)


def without_guards(sql: str) -> None:
    guards.drop(connection)
    with connection.cursor() as cursor:
        cursor.execute(sql)
    guards.install(connection)
