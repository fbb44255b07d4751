"""Every column of a guarded table is watched over by a rule, or is said to be free: a new one must be decided on."""

import pytest
from django.apps import apps
from django.db import connection

from lsq_ops.models import guards
from lsq_ops.models.guards_aside import FREE

TABLES = {model._meta.db_table: model for model in apps.get_app_config("lsq_ops").get_models()}


@pytest.mark.parametrize("table", sorted({guard.table for guard in guards.GUARDS}))
def test_each_column_is_kept_or_free(table):
    kept = {c.strip('"') for g in guards.GUARDS if g.table == table and g.event == "UPDATE" for c in g.keeps.split()}
    free = set(FREE.get(table, "").split())
    columns = {field.column for field in TABLES[table]._meta.local_concrete_fields}
    if "*" not in kept:
        assert columns - kept == free, "a column that nobody has decided on"
        assert kept <= columns, "a rule about a column that isn't there"
    assert free <= columns


def test_a_trigger_that_is_none_of_ours_is_noticed(db):
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("CREATE TRIGGER helpful AFTER INSERT ON lsq_ops_vote BEGIN SELECT 1; END")
        else:
            cursor.execute(
                "CREATE FUNCTION helpful() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;"
                "CREATE TRIGGER helpful AFTER INSERT ON lsq_ops_vote FOR EACH ROW EXECUTE FUNCTION helpful()"
            )
    assert guards.compare(connection) == ["helpful on lsq_ops_vote is none of ours"]


def test_a_guard_that_is_switched_off_is_noticed(db):
    if connection.vendor == "sqlite":
        return  # no trigger can be switched off there, only dropped
    for how in ("DISABLE", "ENABLE REPLICA", "ENABLE"):
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE lsq_ops_vote {how} TRIGGER guard_vote_insert_own")
        assert guards.compare(connection) == ["guard_vote_insert_own was changed or switched off"], how
