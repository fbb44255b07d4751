"""The database's own rules, met with raw SQL: no page and no service stands in the way here."""

import pytest
from django.db import DatabaseError, connection, transaction

from lsq_ops.models import Attempt, AuditEvent, DeletionRequest, Vote, audited, db_now, guards
from lsq_ops.services import approval, people, running
from tests.world import skip_wait


def refused(sql: str, *values) -> str:
    """The database's refusal; fails where it lets the statement pass."""
    with pytest.raises(DatabaseError) as no, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)
    return str(no.value)


def replacing(table: str) -> str:
    """The same row again: OR REPLACE on SQLite, an upsert on PostgreSQL."""
    if connection.vendor == "sqlite":
        return f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} WHERE {{key}} = %s"
    upsert = "ON CONFLICT ({key}) DO UPDATE SET {key} = EXCLUDED.{key}"
    return f"INSERT INTO {table} SELECT * FROM {table} WHERE {{key}} = %s {upsert}"


def test_the_guards_are_as_written(db):
    assert guards.compare(connection) == []


def test_a_dropped_or_changed_guard_is_noticed(db):
    name = "guard_vote_insert_own"
    with connection.cursor() as cursor:
        table = "" if connection.vendor == "sqlite" else " ON lsq_ops_vote"
        cursor.execute(f"DROP TRIGGER {name}{table}")
    assert guards.compare(connection) == [f"{name} is missing"]


def test_audit_events_stay(world):
    seq = AuditEvent.objects.order_by("-seq").first().seq
    assert "never" in refused("UPDATE lsq_ops_auditevent SET actor = 'x' WHERE seq = %s", seq)
    assert "never" in refused("DELETE FROM lsq_ops_auditevent WHERE seq = %s", seq)
    refused(replacing("lsq_ops_auditevent").format(key="seq"), seq)
    refused("UPDATE lsq_ops_audithead SET seq = 0")


def test_nobody_votes_on_their_own_request(world):
    request = world.pending()
    grant = world.arun.grants.get()
    for person in (world.rita,):
        people._grant(person, grant.team, by="test")
        with pytest.raises(DatabaseError, match="made, edited or asked for"), transaction.atomic():
            cast(request, person, person.grants.get())


def test_an_approver_who_edited_or_was_asked_for_is_barred(world):
    request = world.draft()
    request.versions.update(asked_by=world.arun)
    approval.submit(world.rita, request)
    request.refresh_from_db()
    with pytest.raises(DatabaseError, match="made, edited or asked for"), transaction.atomic():
        cast(request, world.arun, world.arun.grants.get())


def test_a_vote_needs_a_grant_in_force_and_the_current_digest(world):
    request = world.pending()
    grant = world.arun.grants.get()
    with pytest.raises(DatabaseError, match="current version"), transaction.atomic():
        cast(request, world.arun, grant, digest="0" * 64)
    with pytest.raises(DatabaseError, match="grant in force"), transaction.atomic():
        cast(request, world.vera, grant)
    people.revoke_grant(world.pia, grant)
    with pytest.raises(DatabaseError, match="grant in force"), transaction.atomic():
        cast(request, world.arun, grant)


def test_one_vote_per_person_and_version_and_it_stays(world):
    request = world.pending("activities", "asha", "bruno", "chen")
    made = cast(request, world.arun, world.arun.grants.get())
    with pytest.raises(DatabaseError), transaction.atomic():
        cast(request, world.arun, world.arun.grants.get())
    refused("UPDATE lsq_ops_vote SET decision = 'reject' WHERE id = %s", made.pk)
    refused("DELETE FROM lsq_ops_vote WHERE id = %s", made.pk)
    refused(replacing("lsq_ops_vote").format(key="id"), made.pk)


def test_approved_by_hand_without_votes_is_refused(world):
    request = world.pending()
    assert "needs its votes" in refused(
        "UPDATE lsq_ops_deletionrequest SET state = 'approved' WHERE id = %s", request.pk
    )


def test_a_state_that_the_table_does_not_allow_is_refused(world):
    request = world.pending()
    assert "no such way" in refused("UPDATE lsq_ops_deletionrequest SET state = 'completed' WHERE id = %s", request.pk)


def test_terminal_states_never_change(world):
    request = world.pending()
    approval.withdraw(world.rita, request)
    refused("UPDATE lsq_ops_deletionrequest SET state = 'pending' WHERE id = %s", request.pk)
    refused("DELETE FROM lsq_ops_deletionrequest WHERE id = %s", request.pk)


def test_what_was_submitted_is_frozen(world):
    request = world.pending()
    version, item = request.version, request.version.items.first()
    refused("UPDATE lsq_ops_requestversion SET approvals_needed = 0 WHERE id = %s", version.pk)
    refused("UPDATE lsq_ops_requestversion SET digest = 'x' WHERE id = %s", version.pk)
    refused("UPDATE lsq_ops_deletionitem SET record_id = 'x' WHERE id = %s", item.pk)
    refused("DELETE FROM lsq_ops_deletionitem WHERE id = %s", item.pk)
    refused("UPDATE lsq_ops_callbody SET text = '{}' WHERE call_id = %s", item.call_id)
    refused("UPDATE lsq_ops_itemcontent SET salt = 'x' WHERE item_id = %s", item.pk)
    refused("DELETE FROM lsq_ops_keptneighbour WHERE version_id = %s", version.pk)
    refused("UPDATE lsq_ops_deletioncall SET path = 'x' WHERE id = %s", item.call_id)


def test_the_gate_is_shut_until_the_request_runs(world):
    request = world.pending()
    with pytest.raises(DatabaseError, match="the gate is shut"), transaction.atomic():
        attempt(request)


def test_the_gate_is_shut_for_a_state_set_by_hand(world):
    """Even with every other guard of the request dropped, an attempt needs its votes."""
    request = world.pending()
    with connection.cursor() as cursor:
        for name in guards.installed(connection):
            if name.startswith("guard_deletionrequest_update"):
                on = "" if connection.vendor == "sqlite" else " ON lsq_ops_deletionrequest"
                cursor.execute(f"DROP TRIGGER {name}{on}")
        cursor.execute("UPDATE lsq_ops_deletionrequest SET state = 'running' WHERE id = %s", [request.pk])
    with pytest.raises(DatabaseError, match="the gate is shut"), transaction.atomic():
        attempt(request)


def test_the_gate_opens_for_an_approved_running_request_once(world):
    request = world.running()
    made = attempt(request)
    with pytest.raises(DatabaseError), transaction.atomic():
        attempt(request, number=2)
    refused("DELETE FROM lsq_ops_attempt WHERE id = %s", made.pk)
    refused("UPDATE lsq_ops_attempt SET digest = 'x' WHERE id = %s", made.pk)
    refused(replacing("lsq_ops_attempt").format(key="id"), made.pk)


def test_the_gate_shuts_when_a_voter_leaves_or_loses_the_grant(world):
    request = world.running("activities", "bruno")
    world.arun.is_active = False
    world.arun.save()
    with pytest.raises(DatabaseError, match="the gate is shut"), transaction.atomic():
        attempt(request)
    world.arun.is_active = True
    world.arun.save()
    people.revoke_grant(world.pia, world.dana.grants.get())
    with pytest.raises(DatabaseError, match="the gate is shut"), transaction.atomic():
        attempt(request)


def test_a_wrong_digest_does_not_pass_the_gate(world):
    request = world.running()
    with pytest.raises(DatabaseError, match="the gate is shut"), transaction.atomic():
        attempt(request, digest="0" * 64)


def test_the_gate_is_shut_for_a_call_that_is_over(world):
    request = world.running()
    with audited():
        approval.skip(request.version.calls.first(), actor="test", why="changed")
    with pytest.raises(DatabaseError, match="the gate is shut"), transaction.atomic():
        attempt(request)


def test_no_second_send_without_two_people(world):
    request = world.running()
    first = attempt(request)
    Attempt.objects.filter(pk=first.pk).update(state="unknown")
    Attempt.objects.filter(pk=first.pk).update(resolved_at=db_now())
    with pytest.raises(DatabaseError, match="second send"), transaction.atomic():
        attempt(request, number=2)


def test_emptying_a_whole_table_is_refused(world):
    # SQLite has no TRUNCATE; its DELETE without WHERE is what empties a table at once there.
    empty = "DELETE FROM {}" if connection.vendor == "sqlite" else "TRUNCATE {} CASCADE"
    attempt(world.running())
    connection.check_constraints()  # PostgreSQL refuses to truncate what has deferred checks to come, guard or not
    for table in ("lsq_ops_auditevent", "lsq_ops_vote", "lsq_ops_attempt", "lsq_ops_deletionrequest"):
        assert "never" in refused(empty.format(table))


def test_an_outcome_is_written_once(world):
    request = world.running()
    skip_wait(request)
    world.work_out(request)
    item = request.version.items.first()
    assert "written once" in refused("UPDATE lsq_ops_deletionitem SET outcome = 'skipped' WHERE id = %s", item.pk)


def cast(request: DeletionRequest, voter, grant, digest: str | None = None) -> Vote:
    return Vote.objects.create(
        request=request,
        version=request.version,
        voter=voter,
        voter_name=str(voter),
        grant=grant,
        team=grant.team,
        decision="approve",
        digest=request.version.digest if digest is None else digest,
        at=db_now(),
    )


def attempt(request: DeletionRequest, number: int = 1, digest: str | None = None) -> Attempt:
    call = request.version.calls.first()
    now = db_now()
    return Attempt.objects.create(
        account=request.account,
        request=request,
        version=request.version,
        call=call,
        number=number,
        lead_id=call.lead_id,
        digest=request.version.digest if digest is None else digest,
        body_hash=call.body_hash,
        token_hash=running.token_hash(f"{now}{number}"),
        intent_at=now,
        lease_until=now,
    )
