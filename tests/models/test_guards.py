"""The database's own rules, met with raw SQL: no page and no service stands in the way here."""

import pytest
from django.db import DatabaseError, connection, transaction

from lsq_ops.models import Attempt, AuditEvent, Decision, DeletionRequest, Vote, WebhookReceipt, audited, db_now, guards
from lsq_ops.services import approval, drafting, people, running
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
    no_clear_answer(attempt(request))
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


def test_the_gate_is_shut_until_the_undo_time_is_over(world):
    request = world.approved(world.pending())
    assert request.state == "approved"
    with pytest.raises(DatabaseError, match="the gate is shut"), transaction.atomic():
        attempt(request)


def test_bytes_that_were_not_approved_do_not_pass_the_gate(world):
    request = world.running()
    with pytest.raises(DatabaseError, match="the gate is shut"), transaction.atomic():
        attempt(request, body_hash="0" * 64)


APPROVE = "UPDATE lsq_ops_deletionrequest SET state = 'approved' WHERE id = %s"


def test_a_vote_that_was_taken_back_does_not_approve(world):
    request = world.pending("activities", "bruno")
    made = cast(request, world.arun, world.arun.grants.get())
    cast(request, world.arun, world.arun.grants.get(), decision="withdrawn", takes_back=made)
    cast(request, world.dana, world.dana.grants.get())
    assert "needs its votes" in refused(APPROVE, request.pk)


def test_two_votes_of_one_team_do_not_stand_for_two_teams(world):
    request = world.pending("stage_history", "asha", days=90)
    assert (request.version.approvals_needed, request.version.teams_needed) == (2, 2)
    for person in (world.arun, world.vera):
        grant = person.grants.first() or people._grant(person, world.arun.grants.get().team, by="test")
        cast(request, person, grant)
    assert "needs its votes" in refused(APPROVE, request.pk)


def test_who_edited_it_does_not_vote_on_it(world):
    request = world.draft()
    people.set_roles(world.pia, world.arun, {"Requester", "Approver"})
    drafting.reread(type(world.arun).objects.get(pk=world.arun.pk), request)
    world.work()
    request.refresh_from_db()
    approval.submit(world.rita, request)
    request.refresh_from_db()
    with pytest.raises(DatabaseError, match="made, edited or asked for"), transaction.atomic():
        cast(request, world.arun, world.arun.grants.get())


# --- Decisions and receipts --------------------------------------------------------------------------------


@pytest.fixture
def unclear(world):
    """A running request whose only attempt has no clear answer and was resolved, as if it were to be sent again."""
    request = world.running()
    no_clear_answer(attempt(request))
    return request


def test_a_proposal_alone_opens_no_second_send_and_a_decision_opens_one(world, unclear):
    decision = propose(unclear, world.omar)
    with pytest.raises(DatabaseError, match="second send"), transaction.atomic():
        attempt(unclear, number=2)
    Decision.objects.filter(pk=decision.pk).update(confirmed_by=world.olga, confirmed_at=db_now())
    no_clear_answer(attempt(unclear, number=2))
    with pytest.raises(DatabaseError, match="second send"), transaction.atomic():
        attempt(unclear, number=3)


def test_nobody_confirms_their_own_decision_or_one_on_their_own_request(world, unclear):
    people.set_roles(world.pia, world.rita, {"Requester", "Operator"})
    with pytest.raises(DatabaseError, match="who isn't involved"), transaction.atomic():
        propose(unclear, world.rita)
    decision = propose(unclear, world.omar)
    for person in (world.omar, world.rita):
        with pytest.raises(DatabaseError, match="a second person who isn't involved"), transaction.atomic():
            Decision.objects.filter(pk=decision.pk).update(confirmed_by=person, confirmed_at=db_now())


def test_what_an_attempt_and_its_receipts_say_stays(world, unclear):
    made = unclear.attempts.get()
    now = db_now()
    assert "written once" in refused("UPDATE lsq_ops_attempt SET resolved_at = NULL WHERE id = %s", made.pk)
    receipt = WebhookReceipt.objects.create(attempt=made, body_hash="0" * 64, body=b"", first_at=now, last_at=now)
    refused("UPDATE lsq_ops_webhookreceipt SET body_hash = 'x' WHERE id = %s", receipt.pk)
    refused("DELETE FROM lsq_ops_webhookreceipt WHERE id = %s", receipt.pk)


def no_clear_answer(made: Attempt) -> None:
    Attempt.objects.filter(pk=made.pk).update(state="unknown")
    Attempt.objects.filter(pk=made.pk).update(resolved_at=db_now())


def propose(request: DeletionRequest, person) -> Decision:
    call = request.version.calls.first()
    return Decision.objects.create(
        request=request, call=call, choice="resend", reason="looked", proposed_by=person, proposed_at=db_now()
    )


def cast(request: DeletionRequest, voter, grant, **other) -> Vote:
    facts = {"decision": "approve", "digest": request.version.digest, **other}
    return Vote.objects.create(
        request=request,
        version=request.version,
        voter=voter,
        voter_name=str(voter),
        grant=grant,
        team=grant.team,
        at=db_now(),
        **facts,
    )


def attempt(request: DeletionRequest, number: int = 1, **other) -> Attempt:
    call = request.version.calls.first()
    now = db_now()
    facts = {"digest": request.version.digest, "body_hash": call.body_hash, **other}
    return Attempt.objects.create(
        account=request.account,
        request=request,
        version=request.version,
        call=call,
        number=number,
        lead_id=call.lead_id,
        token_hash=running.token_hash(f"{now}{number}"),
        intent_at=now,
        lease_until=now,
        **facts,
    )
