"""A database as the first version left it: the tables of 0001, with work of some years in them.

python -m benchmarks.parts.first_version LEADS
"""

import json
import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any
from unittest import mock

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import DatabaseError, connection, transaction  # noqa: E402
from django.db.migrations.executor import MigrationExecutor  # noqa: E402

from benchmarks.parts import filler  # noqa: E402
from benchmarks.parts.filler import NOW, guid, pour  # noqa: E402
from benchmarks.parts.trail import links  # noqa: E402
from lsq_ops.models import guards  # noqa: E402

FIRST = "0001_first_tables"
REQUESTS, ITEMS = 500, 10


def main(leads: int) -> None:
    migrate()
    with transaction.atomic():
        fill(leads)
    guard()
    print(json.dumps({"leads": leads}), flush=True)


def migrate() -> None:
    """To the first version's tables. Today's guards ask for more than was there then."""
    with mock.patch.object(guards, "install"):
        call_command("migrate", "lsq_ops", FIRST, verbosity=0, interactive=False)
        for other in ("sessions", "django_q", "admin"):
            call_command("migrate", other, verbosity=0, interactive=False)


def guard() -> None:
    """Those of today's guards whose tables were there: the next version must take them down before it migrates."""
    for statements in guards.statements(connection.vendor, guards.schema_of(connection)).values():
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        except DatabaseError:
            continue


def fill(leads: int) -> None:
    """By the models of then: today's have columns that were not there."""
    old = MigrationExecutor(connection).loader.project_state([("lsq_ops", FIRST)]).apps
    account = old.get_model("lsq_ops", "Account").objects.create(
        host="http://127.0.0.1:9", sandbox=True, created_at=NOW, rate_calls=25, rate_seconds=5
    )
    of = {name: old.get_model("lsq_ops", name) for name in ("Lead", "Activity", "Task", "AuditEvent")}
    filler._fast()
    pour(of["Lead"], filler._leads(account, leads))
    pour(of["Activity"], filler._activities(account, leads))
    pour(of["Task"], _without("name_term", filler._tasks(account, leads)))
    _people_and_requests(old, account, min(REQUESTS, leads))
    _trail(old, of["AuditEvent"], leads * filler.EACH)
    if connection.vendor == "postgresql":
        _count_on(of["Lead"])


def _without(name: str, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {key: value for key, value in row.items() if key != name}


def _count_on(model: Any) -> None:
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")


def _people_and_requests(old: Any, account: Any, number: int) -> None:
    """Completed requests of one call each, with its attempt and the report of its end."""

    def every(name: str, rows: Iterable[dict[str, Any]]) -> list[Any]:
        model = old.get_model("lsq_ops", name)
        return list(model.objects.bulk_create([model(**row) for row in rows], batch_size=500))

    rita = old.get_model("auth", "User").objects.create(username="rita", password="!", is_staff=True)
    ago = [NOW - timedelta(hours=one) for one in range(1, number + 1)]
    common = {"account": account, "kind": "activities", "state": "completed", "requester": rita, "version_number": 1}
    requests = every("DeletionRequest", ({**common, "state_at": at, "created_at": at} for at in ago))
    said = {
        "number": 1,
        "editor": rita,
        "asked_by": rita,
        "submitted_by": rita,
        "parameters": {},
        "reading": "complete",
    }
    said |= {"category": "duplicate", "reason": "entered twice", "items_count": ITEMS, "calls_count": 1}
    versions = every(
        "RequestVersion",
        (
            {
                **said,
                "request": one,
                "made_at": NOW,
                "reading_from": NOW,
                "submitted_at": NOW,
                "digest": f"{one.pk:064x}",
            }
            for one in requests
        ),
    )
    calls = every(
        "DeletionCall",
        (
            {"request": v.request, "version": v, "number": 1, "path": "x", "lead_id": guid(1, v.pk), "size": ITEMS,
             "body_hash": "", "state": "gone"}
            for v in versions
        ),
    )  # fmt: skip
    every(
        "DeletionItem",
        (
            {"version": call.version, "call": call, "record_id": guid(3, call.pk * ITEMS + n), "lead_id": call.lead_id,
             "event_code": 201, "label": "Site visit", "at": NOW, "content_hash": "", "outcome": "gone"}
            for call in calls
            for n in range(ITEMS)
        ),
    )  # fmt: skip
    attempts = every(
        "Attempt",
        (
            {"account": account, "request": call.request, "version": call.version, "call": call, "number": 1,
             "lead_id": call.lead_id, "digest": call.version.digest, "body_hash": "", "token_hash": f"{call.pk:064x}",
             "state": "accepted", "intent_at": NOW, "lease_until": NOW, "resolved_at": NOW}
            for call in calls
        ),
    )  # fmt: skip
    every(
        "WebhookReceipt",
        (
            {"attempt": one, "body_hash": f"{one.pk:064x}", "body": b"{}", "first_at": NOW, "last_at": NOW}
            for one in attempts
        ),
    )


def _trail(old: Any, events: Any, number: int) -> None:
    head, _ = old.get_model("lsq_ops", "AuditHead").objects.get_or_create(defaults={"seq": 0, "hash": "0" * 64})
    last: dict[str, Any] = {}

    def rows() -> Iterator[dict[str, Any]]:
        for event in links(head.seq, head.hash, number):
            last.update(event)
            yield event

    pour(events, rows())
    head.seq, head.hash = last["seq"], last["hash"]
    head.save()


if __name__ == "__main__":
    main(int(sys.argv[1]))
