"""The application's own role on PostgreSQL: what it can't do even where the guards are gone, and that it can do its
work."""

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connection, transaction

from lsq_ops.models import AuditEvent, Vote, guards, powers
from lsq_ops.services import accounts

ROLE = "lsq_app_of_a_test"

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["guarded"])
def as_application(world, request):
    """The world's people are there; from now on the database is spoken to as the application. All rolled back."""
    if connection.vendor != "postgresql":
        yield None  # only PostgreSQL has roles
        return
    with connection.cursor() as cursor:
        if request.param == "unguarded":
            # Before the grants: a vacuum of a table waits for who changed its grants, and a DROP waits for the vacuum.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            guards.drop(connection)
        cursor.execute(f"CREATE ROLE {ROLE} NOLOGIN")
        call_command("database_roles", ROLE, "--apply")
        cursor.execute(f"SET LOCAL ROLE {ROLE}")
        yield world
        cursor.execute("RESET ROLE")


def refused(sql):
    with pytest.raises(DatabaseError) as no, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    return str(no.value)


def test_the_whole_job_is_done_by_the_application(as_application):
    if (world := as_application) is None:
        return
    assert not powers.owns_its_tables(connection)
    accounts.test_connection(world.omar)
    accounts.pause(world.omar, "lunch")
    accounts.resume(world.omar)
    request = world.work_out(world.running("activities", "asha"))
    assert (request.state, Vote.objects.count()) == ("completed", request.version.approvals_needed)


@pytest.mark.parametrize("as_application", ["guarded", "unguarded"], indirect=True)
def test_what_is_kept_can_not_be_touched_even_where_the_guards_are_gone(as_application, request):
    if (world := as_application) is None:
        return
    world.running("activities", "asha")
    world.work()
    assert AuditEvent.objects.exists()
    for table in ("lsq_ops_vote", "lsq_ops_attempt", "lsq_ops_auditevent"):
        assert "permission denied" in refused(f"DELETE FROM {table}")
        assert "permission denied" in refused(f"TRUNCATE {table} CASCADE")
        assert "must be owner" in refused(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        assert "must be owner" in refused(f"DROP TABLE {table}")
    assert "permission denied" in refused("UPDATE lsq_ops_vote SET decision = 'approve'")
    assert "permission denied" in refused("UPDATE lsq_ops_attempt SET digest = ''")
    assert "permission denied" in refused("UPDATE lsq_ops_auditevent SET actor = 'nobody'")
    assert "permission denied" in refused("INSERT INTO django_migrations (app, name, applied) VALUES ('a','b', now())")
    if "unguarded" not in request.node.name:
        assert "must be owner" in refused("DROP TRIGGER guard_vote_insert_own ON lsq_ops_vote")
        assert "permission denied" in refused("SET LOCAL session_replication_role = replica")


def test_the_role_s_name_is_a_plain_one():
    with pytest.raises(CommandError, match="no plain name"):
        call_command("database_roles", "x; DROP TABLE lsq_ops_vote")


def test_the_owner_is_told_from_the_application(db):
    assert powers.owns_its_tables(connection)
