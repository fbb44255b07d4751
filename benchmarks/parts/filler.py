"""Fills a migrated database as some years of work would: N leads, five activities and five audit events for each,
tasks, readings, mails, holds, and requests with their sends and reports, one of them a large one; always the same ones.
Past the guards, which are put back.

    python -m benchmarks.parts.filler LEADS
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any
from uuid import UUID

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from benchmarks.parts.trail import links  # noqa: E402
from lsq_ops import terms  # noqa: E402
from lsq_ops.models import (  # noqa: E402
    Account,
    Activity,
    ActivitySnapshot,
    Attempt,
    AuditEvent,
    AuditHead,
    CrmUser,
    DeletionCall,
    DeletionItem,
    DeletionRequest,
    Hold,
    Lead,
    Notice,
    RequestVersion,
    SearchTerm,
    Task,
    WebhookReceipt,
    guards,
)
from lsq_ops.services import accounts, people  # noqa: E402

CHUNK = 20_000
USERS = 50
EACH = 5  # activities, and audit events, of a lead
TASKS_OF, HOLDS_OF, REQUESTS_OF = 2, 500, 500  # so many leads for one of these
READINGS_OF, MAILS_OF = 5, 100  # so many leads for one of these
LARGE = 5000  # items of the first request; the others have ten
FEWEST = 1000  # of holds and of requests: a page of fifty is full, whatever the number of leads
CODES = {201: "Site visit", 202: "Call back", 203: "Feedback", 21: "Phone call", 3001: "Owner changed"}
FIRST = "Asha Bruno Chen Divya Elena Farid Gita Hugo Indira Jonas Kavya Luis Meera Nadia Omar Priya Ravi Sara".split()
LAST = "Pillai Rao Iyer Costa Weber Khan Sharma Mehta Novak Silva Das Nair Roy Sen Gupta Bose".split()
SENT = ("completed", "partial", "running")
NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)


def main(number: int) -> None:
    people.setup_roles()
    accounts.ensure_account()
    people.make_demo_people()
    account = accounts.current_account()
    guards.drop(connection)
    with transaction.atomic():
        _fast()
        leads = _leads(account, number)
        pour(Lead, leads)
        pour(SearchTerm, _terms(account, number))
        pour(Activity, _activities(account, number))
        pour(Task, _tasks(account, number))
        pour(CrmUser, _users(account))
        pour(Hold, _holds(account, number))
        _requests(account, max(FEWEST, number // REQUESTS_OF))
        pour(ActivitySnapshot, _readings(account, number))
        pour(Notice, _mails(number, max(FEWEST, number // REQUESTS_OF)))
        _trail(number * EACH)
    guards.install(connection)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    print(json.dumps({"leads": Lead.objects.count(), "activities": Activity.objects.count()}), flush=True)


def _fast() -> None:
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA cache_size = -1000000")


def pour(model: Any, rows: Iterable[dict[str, Any]]) -> None:
    """By the database's own means; a row is a column's name and its value."""
    rows = iter(rows)
    said = lru_cache(maxsize=100_000)(connection.ops.adapt_datetimefield_value)
    while chunk := list(islice(rows, CHUNK)):
        names = list(chunk[0])
        values = [
            [
                said(value) if type(value) is datetime else json.dumps(value) if type(value) is dict else value
                for value in row.values()
            ]
            for row in chunk
        ]
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                marks = ", ".join(["%s"] * len(names))
                cursor.executemany(f"INSERT INTO {model._meta.db_table} ({', '.join(names)}) VALUES ({marks})", values)
            else:
                _copy(cursor, f"COPY {model._meta.db_table} ({', '.join(names)}) FROM STDIN", values)


def _copy(cursor: Any, sql: str, rows: list[list[Any]]) -> None:
    with cursor.copy(sql) as copy:
        for row in rows:
            copy.write_row(row)


def guid(kind: int, number: int) -> str:
    """Scattered, as those of a CRM are."""
    return str(UUID(bytes=hashlib.md5(f"{kind} {number}".encode(), usedforsecurity=False).digest()))


def _facts(number: int) -> dict[str, str]:
    first, last = FIRST[number * 7919 % len(FIRST)], LAST[number * 104_729 % len(LAST)]
    return {
        "number": str(100_000 + number),
        "first_name": first,
        "last_name": f"{last} {chr(97 + number % 26)}{number * 31 % 1000}",
        "email": f"{first.lower()}.{number}@example.com",
        "phone": f"+91-{9_000_000_000 + number * 7919 % 1_000_000_000}",
        "mobile": "",
    }


def _leads(account: Account, number: int) -> Iterator[dict[str, Any]]:
    for one in range(1, number + 1):
        read = NOW - timedelta(seconds=one % 86_400)
        yield {
            "id": one,
            "account_id": account.pk,
            "prospect_id": guid(1, one),
            **_facts(one),
            "stage": ("Prospect", "Opportunity", "Customer")[one % 3],
            "owner_id": guid(2, one % USERS),
            "owner_name": f"Owner {one % USERS}",
            "created_on": NOW - timedelta(days=one % 900),
            "modified_on": NOW - timedelta(hours=one % 900),
            "raw": {"ProspectID": guid(1, one), "Notes": "x" * 100},
            "read_at": read,
            "records_read_at": read,
            "tasks_read_at": read,
            "activity_count": EACH,
            "task_count": 1,
        }


def _terms(account: Account, number: int) -> Iterator[dict[str, Any]]:
    for one in range(1, number + 1):
        for term in sorted(terms.of_lead(**_facts(one))):
            yield {"lead_id": one, "term": term}


def _activities(account: Account, number: int) -> Iterator[dict[str, Any]]:
    codes = list(CODES.items())
    for one in range(number * EACH):
        code, name = codes[one % len(codes)]
        made = NOW - timedelta(minutes=one % 500_000)
        yield {
            "account_id": account.pk,
            "lead_id": one // EACH + 1,
            "activity_id": guid(3, one),
            "event_code": code,
            "event_name": name,
            "activity_type": 2 if code in (201, 202, 203) else 1,
            "created_on": made,
            "modified_on": made,
            "created_by": f"Owner {one % USERS}",
            "raw": {"Note": "x" * 100},
            "read_at": NOW,
        }


def _tasks(account: Account, number: int) -> Iterator[dict[str, Any]]:
    for one in range(number // TASKS_OF):
        yield {
            "account_id": account.pk,
            "task_id": guid(4, one),
            "lead_id": guid(1, one * TASKS_OF + 1),
            "owner_id": guid(2, one % USERS),
            "owner_name": f"Owner {one % USERS}",
            "name": (name := f"Call back about offer {one}"),
            "name_term": terms.of_name(name),
            "due": NOW + timedelta(hours=one % 900 - 450),
            "completed": one % 3 == 0,
            "raw": {"Description": "x" * 60},
            "read_at": NOW,
            "gone_at": NOW if one % 40 == 0 else None,
        }


def _users(account: Account) -> Iterator[dict[str, Any]]:
    for one in range(USERS):
        yield {
            "account_id": account.pk,
            "user_id": guid(2, one),
            "name": f"Owner {one}",
            "email": f"owner{one}@example.com",
            "role": "Sales_User",
            "active": one % 5 > 0,
            "read_at": NOW,
        }


def _holds(account: Account, number: int) -> Iterator[dict[str, Any]]:
    for one in range(max(FEWEST, number // HOLDS_OF)):
        yield {
            "account_id": account.pk,
            "record_type": "lead",
            "record_id": guid(1, one * 10 + 1),
            "reason": f"court case {one % 100}",
            "set_by": "pia",
            "set_at": NOW,
            "lifted_at": NOW if one % 2 else None,
            "lifted_by": "pia" if one % 2 else "",
        }


def _requests(account: Account, number: int) -> None:
    """One in twenty is pending, one in two hundred on its way; each has one call, which was sent and reported once."""
    rita = User.objects.get(username="rita").pk
    states = ["pending", *["completed"] * 16, "partial", "withdrawn", "rejected"]
    ways = states * 9 + [*states[:-4], "running", *states[-3:]]
    sizes = {1: LARGE}
    pour(
        DeletionRequest,
        (
            {
                "id": one,
                "account_id": account.pk,
                "kind": ("activities", "owner_history", "tasks")[one % 3],
                "state": ways[one % len(ways)],
                "state_at": NOW - timedelta(hours=one),
                "requester_id": rita,
                "version_number": 1,
                "created_at": NOW - timedelta(hours=one),
                "started_at": NOW - timedelta(hours=one) if ways[one % len(ways)] in SENT else None,
                "ended_at": NOW - timedelta(hours=one) if ways[one % len(ways)] in SENT[:-1] else None,
                "stop_asked_by": "",
                "later": "",
                "attention": "",
            }
            for one in range(1, number + 1)
        ),
    )
    pour(
        RequestVersion,
        (
            {
                "id": one,
                "request_id": one,
                "number": 1,
                "editor_id": rita,
                "asked_by_id": rita,
                "made_at": NOW - timedelta(hours=one),
                "parameters": {"picked": True},
                "category": "duplicate",
                "reason": f"entered twice in week {one % 52}",
                "ticket": f"OPS-{one}",
                "source": {},
                "reading": "complete",
                "reading_from": NOW - timedelta(hours=one),
                "reading_note": "",
                "read_at": NOW - timedelta(hours=one),
                "items_count": sizes.get(one, 10),
                "leads_count": 1,
                "kept_count": 0,
                "left_out_count": 0,
                "calls_count": 1,
                "kept_hash": "",
                "shares": {},
                "digest": f"{one:064x}",
                "submitted_at": NOW - timedelta(hours=one),
                "submitted_by_id": rita,
                "tier": "low",
                "tier_reason": "",
                "approvals_needed": 1,
                "teams_needed": 1,
                "wait_seconds": 120,
                "reminded": 0,
            }
            for one in range(1, number + 1)
        ),
    )
    calls = [
        DeletionCall(
            id=one, request_id=one, version_id=one, number=1, path="x", lead_id=guid(1, one), size=sizes.get(one, 10),
            body_hash="", state="gone" if ways[one % len(ways)] in SENT[:-1] else "planned",
        )
        for one in range(1, number + 1)
    ]  # fmt: skip
    DeletionCall.objects.bulk_create(calls, batch_size=500)
    pour(DeletionItem, _items(number, sizes))
    sent = [one for one in range(1, number + 1) if ways[one % len(ways)] in SENT[:-1]]
    pour(Attempt, (_attempt(account, one) for one in sent))
    pour(WebhookReceipt, (_receipt(one) for one in sent))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for table in ("lead", "deletionrequest", "requestversion", "deletioncall", "attempt"):
                name = f"lsq_ops_{table}"
                cursor.execute(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))")


def _items(number: int, sizes: dict[int, int]) -> Iterator[dict[str, Any]]:
    for one in range(1, number + 1):
        for n in range(sizes.get(one, 10)):
            yield {
                "version_id": one,
                "call_id": one,
                "record_id": guid(3, one * 10 + n) if n < 10 else guid(5, n),
                "lead_id": guid(1, one),
                "owner_id": "",
                "event_code": 201,
                "label": "Site visit",
                "at": NOW - timedelta(minutes=n),
                "content_hash": "",
                "odd": "",
                "outcome": "",
            }


def _attempt(account: Account, one: int) -> dict[str, Any]:
    """Every tenth was turned away."""
    at = NOW - timedelta(hours=one)
    return {
        "id": one,
        "account_id": account.pk,
        "request_id": one,
        "version_id": one,
        "call_id": one,
        "number": 1,
        "lead_id": guid(1, one),
        "digest": f"{one:064x}",
        "body_hash": f"{one:064x}",
        "token_hash": f"{one:064x}",
        "state": "turned_away" if one % 10 == 0 else "accepted",
        "intent_at": at,
        "lease_until": at,
        "answered_at": at,
        "http_status": 429 if one % 10 == 0 else 200,
        "cause": "rate" if one % 10 == 0 else "",
        "message": "",
        "seconds": 0.3,
        "late_answer": "",
        "resolved_at": at,
    }


def _receipt(one: int) -> dict[str, Any]:
    at = NOW - timedelta(hours=one)
    return {
        "attempt_id": one,
        "body_hash": f"{one:064x}",
        "body": b'{"Status":"Success"}',
        "content_type": "application/json",
        "says": "Success",
        "says_success": True,
        "first_at": at,
        "last_at": at,
        "count": 1,
        "taken_at": at,
    }


def _readings(account: Account, number: int) -> Iterator[dict[str, Any]]:
    """One in a hundred was not whole."""
    for one in range(number // READINGS_OF):
        at = NOW - timedelta(minutes=one)
        yield {
            "account_id": account.pk,
            "subject": "lead_activities",
            "subject_id": guid(1, one * READINGS_OF + 1),
            "lane": 3,
            "ordered_at": at,
            "tries": 1,
            "started_at": at,
            "read_at": at,
            "complete": one % 100 != 0,
            "lead_gone": False,
            "why": "" if one % 100 else "The list changed while it was read.",
            "records": EACH,
            "sha256": f"{one:064x}",
        }


def _mails(number: int, requests: int) -> Iterator[dict[str, Any]]:
    """One in a thousand was given up."""
    users = sorted(User.objects.values_list("pk", flat=True))
    for one in range(number // MAILS_OF):
        given_up = one % 1000 == 7
        yield {
            "user_id": users[one % len(users)],
            "request_id": one % requests + 1,
            "topic": "mine",
            "subject": f"DR-{one % requests + 1} has ended",
            "text": "All is gone.",
            "made_at": NOW - timedelta(minutes=one),
            "together": False,
            "sent_at": None if given_up else NOW,
            "tries": 8 if given_up else 1,
        }


def _trail(number: int) -> None:
    head = AuditHead.objects.get()
    last = None

    def events() -> Iterator[dict[str, Any]]:
        nonlocal last
        for event in links(head.seq, head.hash, number):
            last = event
            yield event

    pour(AuditEvent, events())
    if last:
        AuditHead.objects.update(seq=last["seq"], hash=last["hash"])


if __name__ == "__main__":
    main(int(sys.argv[1]))
