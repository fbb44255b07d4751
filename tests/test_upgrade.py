"""From the first version's tables to the newest ones, with data in them, on the running database."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, connections, transaction

from lsq_ops.health import migrations_wait
from lsq_ops.models import AuditEvent, DeletionItem, Lead, SearchTerm, Task, WebhookReceipt, guards
from lsq_ops.services import trail

LEADS = 30


@pytest.fixture
def first_version(django_db_setup: None, django_db_blocker: Any, tmp_path: Path) -> Iterator[None]:
    """An old database in place of the tests' own."""
    from benchmarks.parts import first_version as old

    with django_db_blocker.unblock():
        connections.close_all()
        ours = connection.settings_dict["NAME"]
        connection.settings_dict["NAME"] = empty_database(tmp_path)
        try:
            old.migrate()
            old.fill(LEADS)
            old.guard()
            yield
        finally:
            connections.close_all()
            connection.settings_dict["NAME"] = ours


def empty_database(folder: Path) -> str:
    server = os.environ.get("TEST_DATABASE_URL")
    if not server:
        return str(folder / "first.sqlite3")
    import psycopg

    name = f"first_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name}".encode())
        admin.execute(f"CREATE DATABASE {name}".encode())
    return name


def test_what_the_first_version_left_becomes_what_the_newest_one_keeps(first_version: None) -> None:
    assert migrations_wait()
    call_command("migrate", verbosity=0, interactive=False)

    assert not migrations_wait()
    assert guards.compare(connection) == []
    checked = trail.verify()
    assert checked.ok and AuditEvent.objects.count() == LEADS * 5
    for change in ("UPDATE lsq_ops_auditevent SET actor = 'nobody'", "DELETE FROM lsq_ops_attempt"):
        with pytest.raises(DatabaseError, match="never"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(change)

    assert Lead.objects.count() == LEADS and DeletionItem.objects.filter(outcome="gone").count() == LEADS * 10
    # What later versions keep beside it was made of what was there.
    assert SearchTerm.objects.values("lead").distinct().count() == LEADS
    assert not Task.objects.filter(name_term=None).exists()
    assert not WebhookReceipt.objects.filter(taken_at=None).exists()
