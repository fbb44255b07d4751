"""The sandbox's account: leads, activities, tasks and users in one SQLite database, safe for threads."""

# ruff: noqa: S608  (table and column names come from this file, values are always bound)
from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import cast, seed

WELL_KNOWN = {name: cast.stable_id(f"lead:{name}") for name in ("asha", "bruno", "chen")}
# Nearly all of her history are the site visits of last week: deleting them is a lot.
MOSTLY_SITE_VISITS = cast.stable_id("lead:divya")
BULK_OWNER_ID = cast.BULK_OWNER_ID

SCHEMA = """
CREATE TABLE users (id TEXT PRIMARY KEY, first TEXT, last TEXT, email TEXT, role TEXT, active INTEGER);
CREATE TABLE leads (id TEXT PRIMARY KEY, number INTEGER, email TEXT, digits TEXT, words TEXT, changed_on TEXT,
                    record TEXT);
CREATE TABLE activities (id TEXT PRIMARY KEY, lead TEXT, code INTEGER, kind INTEGER, created_on TEXT,
                         modified_on TEXT, inserted_on TEXT, record TEXT);
CREATE TABLE tasks (id TEXT PRIMARY KEY, lead TEXT, owner TEXT, status INTEGER, due TEXT, created_on TEXT,
                    completed_on TEXT, name TEXT, description TEXT, kind TEXT);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT);
CREATE INDEX activities_newest ON activities (lead, created_on DESC, id);
CREATE INDEX activities_by_code ON activities (lead, code, created_on DESC, id);
CREATE INDEX tasks_by_lead ON tasks (lead);
CREATE INDEX tasks_by_owner ON tasks (owner, status, created_on DESC, id);
"""
ORDERS = {"newest": "created_on DESC, id", "oldest": "created_on, id", "unstable": "random()"}
OPERATORS = {"inclusive": (">=", "<="), "half_open": (">=", "<"), "exclusive": (">", "<")}


class World:
    """`path` is a file or ":memory:". A file that holds a world is kept as it is; `seed` is for a new one, unless it is
    to begin as a copy of another, `like` that one."""

    def __init__(self, path: str | Path = ":memory:", *, seed: int = 1, like: World | None = None) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;")
        if like is not None:
            like._db.backup(self._db)
        if not self._rows("SELECT 1 FROM sqlite_master WHERE name = 'facts'"):
            self._fill(seed)

    def _fill(self, number: int) -> None:
        with self._write() as db:
            for statement in SCHEMA.split(";")[:-1]:
                db.execute(statement)
            seed.fill(db, number)
            db.execute("INSERT INTO facts VALUES ('seed', ?)", (number,))

    def reseed(self, number: int = 1) -> None:
        """Throws everything away and makes a new world, dated today."""
        with self._lock:
            for table in _first(self._rows("SELECT name FROM sqlite_master WHERE type = 'table'")):
                self._db.execute(f"DROP TABLE {table}")
            self._fill(number)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _page(
        self, what: str, table: str, where: str, values: Sequence[Any], order: str, limit: int, skip: int
    ) -> tuple[list[tuple[Any, ...]], int]:
        """One page, and the number of all rows; both of the same moment."""
        sql = f"SELECT {what} FROM {table} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"  # nosec B608 # this file's own words; values are bound
        with self._lock:
            total = self._rows(f"SELECT count(*) FROM {table} WHERE {where}", values)[0][0]  # nosec B608 # this file's own words; values are bound
            return self._rows(sql, (*values, limit, skip)), total

    def _for_ids(self, statement: str, ids: Iterable[str], *values: Any) -> int:
        where = "WHERE id IN (SELECT value FROM json_each(?))"  # of any length, unlike a list of marks
        with self._write() as db:
            return db.execute(f"{statement} {where}", (*values, json.dumps(list(ids)))).rowcount

    # Users and leads. Leads are JSON texts in the flat shape of Leads.GetById.

    def users(self) -> list[dict[str, Any]]:
        names = ("id", "first", "last", "email", "role", "active")
        rows = self._rows(f"SELECT {', '.join(names)} FROM users ORDER BY rowid")  # nosec B608 # this file's own words; values are bound
        return [dict(zip(names, row, strict=True)) for row in rows]

    def lead_ids(self) -> list[str]:
        return _first(self._rows("SELECT id FROM leads ORDER BY number"))

    def has_lead(self, prospect_id: str) -> bool:
        return bool(self.leads([prospect_id]))

    def leads(self, prospect_ids: Iterable[str]) -> list[str]:
        found = (self._rows("SELECT record FROM leads WHERE id = ?", (i.lower(),)) for i in prospect_ids)
        return [rows[0][0] for rows in found if rows]

    def leads_by_email(self, email: str) -> list[str]:
        return self._leads_where("email <> '' AND email = ?", email.strip().lower())

    def leads_by_phone(self, phone: str) -> list[str]:
        """However it is written: the last ten digits decide."""
        digits = "".join(filter(str.isdigit, phone))
        return self._leads_where("digits <> '' AND substr(digits, -10) = substr(?, -10)", digits)

    def leads_by_words(self, text: str) -> list[str]:
        return self._leads_where("instr(words, ?) > 0", text.strip().lower()) if text.strip() else []

    def _leads_where(self, where: str, value: str) -> list[str]:
        return _first(self._rows(f"SELECT record FROM leads WHERE {where} ORDER BY number LIMIT 50", (value,)))  # nosec B608 # this file's own words; values are bound

    def leads_changed(self, since: str, until: str, order: str, limit: int, skip: int) -> tuple[list[str], int]:
        where = "changed_on BETWEEN ? AND ?"
        rows, total = self._page("record", "leads", where, (since, until), f"{order}, id", limit, skip)
        return _first(rows), total

    def remove_lead(self, prospect_id: str) -> None:
        """As LeadSquared does it: activities and tasks go with the lead."""
        with self._write() as db:
            for table, column in (("leads", "id"), ("activities", "lead"), ("tasks", "lead")):
                db.execute(f"DELETE FROM {table} WHERE {column} = ?", (prospect_id.lower(),))  # nosec B608 # this file's own words; values are bound

    # Activities: JSON texts in the shape of Retrieve.

    def activities(
        self, prospect_id: str, code: int | None, limit: int = -1, skip: int = 0, order: str = "newest"
    ) -> tuple[list[str], int]:
        where = "lead = ?" if code is None else "lead = ? AND code = ?"
        values = (prospect_id.lower(),) if code is None else (prospect_id.lower(), code)
        rows, total = self._page("record", "activities", where, values, ORDERS[order], limit, skip)
        return _first(rows), total

    def activity(self, activity_id: str) -> dict[str, Any] | None:
        rows = self._rows("SELECT record FROM activities WHERE id = ?", (activity_id.lower(),))
        return json.loads(rows[0][0]) if rows else None

    def activity_ids(self, prospect_id: str, code: int | None = None, since: str = "") -> list[str]:
        """Newest first; `since` is a UTC text like the API's."""
        where = "lead = ? AND coalesce(code = ?, 1) AND created_on >= ?"
        values = (prospect_id.lower(), code, since)
        return _first(self._rows(f"SELECT id FROM activities WHERE {where} ORDER BY {ORDERS['newest']}", values))  # nosec B608 # this file's own words; values are bound

    def select(
        self, prospect_id: str, kind: int, codes: Sequence[str], start: str | None, end: str | None, *,
        column: str = "created_on", ends: str = "inclusive", subseconds: bool = False,
    ) -> list[str]:  # fmt: skip
        """Ids of what a delete would remove; no codes means every code, no bound an open window."""
        shown = column if subseconds else f"substr({column}, 1, 19)"
        where, values = "lead = ? AND kind = ?", [prospect_id, kind, *codes]
        where += f" AND code IN ({_marks(codes)})" if codes else ""
        for bound, operator in zip((start, end), OPERATORS[ends], strict=True):
            where += f" AND {shown} {operator} ?" if bound else ""
            values += [bound] if bound else []
        return _first(self._rows(f"SELECT id FROM activities WHERE {where} ORDER BY id", values))  # nosec B608 # this file's own words; values are bound

    def neighbour(self, going: Sequence[str], *, same_code: bool) -> list[str]:
        """The newest record beside `going`: of the same lead and kind, and of the same code or just not."""
        if not going:
            return []
        lead, kind = self._rows("SELECT lead, kind FROM activities WHERE id = ?", (going[0],))[0]
        codes = f"SELECT code FROM activities WHERE id IN ({_marks(going)})"  # nosec B608 # this file's own words; values are bound
        where = f"lead = ? AND kind = ? AND id NOT IN ({_marks(going)}) AND (code IN ({codes})) = ?"
        sql = f"SELECT id FROM activities WHERE {where} ORDER BY {ORDERS['newest']} LIMIT 1"  # nosec B608 # this file's own words; values are bound
        return _first(self._rows(sql, (lead, kind, *going, *going, same_code)))

    def add_activity(self, prospect_id: str, code: int, created_on: str, note: str = "") -> str:
        """Gives the new record's id."""
        row = seed.activity_row(str(uuid.uuid4()), prospect_id.lower(), code, created_on, note=note)
        with self._write() as db:
            db.execute(f"INSERT INTO activities VALUES ({_marks(row)})", row)  # nosec B608 # this file's own words; values are bound
            self._touch(db, prospect_id)
        return str(row[0])

    def edit_activity(self, activity_id: str, note: str) -> None:
        """Changes the content and ModifiedOn, as a colleague in the web app would."""
        with self._write() as db:
            record = self.activity(activity_id)
            if record is None:
                raise KeyError(activity_id)
            record["ModifiedOn"] = now = _now()
            record["Data"] = [pair for pair in record["Data"] if pair["Key"] != "NotableEventDescription"]
            record["Data"].append({"Key": "NotableEventDescription", "Value": note})
            sql = "UPDATE activities SET modified_on = ?, record = ? WHERE id = ?"
            db.execute(sql, (now, json.dumps(record), activity_id))
            self._touch(db, record["RelatedProspectId"])

    def _touch(self, db: sqlite3.Connection, prospect_id: str) -> None:
        now, record = _now(), "json_set(record, '$.LeadLastModifiedOn', ?)"
        sql = f"UPDATE leads SET changed_on = ?, record = {record} WHERE id = ?"  # nosec B608 # this file's own words; values are bound
        db.execute(sql, (now, now + ".000", prospect_id.lower()))

    def remove_activities(self, ids: Iterable[str]) -> int:
        return self._for_ids("DELETE FROM activities", ids)

    # Tasks: dicts of columns; the two endpoints print them differently.

    def tasks(
        self, where: dict[str, Any], due: tuple[str, str] = ("", "~"), order: str = "created_on DESC",
        limit: int = -1, skip: int = 0,
    ) -> tuple[list[dict[str, Any]], int]:  # fmt: skip
        """`where` names columns (lead, owner, status, id) and their values."""
        names = ("id", "lead", "owner", "status", "due", "created_on", "completed_on", "name", "description",
                 "kind", "owner_name")  # fmt: skip
        matches = " AND ".join([*(f"{column} = ?" for column in where), "due BETWEEN ? AND ?"])
        owner_name = "(SELECT first || ' ' || last FROM users WHERE id = owner)"
        what, values = f"{', '.join(names[:-1])}, {owner_name}", (*where.values(), *due)
        rows, total = self._page(what, "tasks", matches, values, f"{order}, id", limit, skip)
        return [dict(zip(names, row, strict=True)) for row in rows], total

    def bulk_task_ids(self) -> list[str]:
        """The 12,000 tasks of one inactive owner on 40 leads (those not yet deleted)."""
        return _first(self._rows("SELECT id FROM tasks WHERE owner = ? ORDER BY id", (BULK_OWNER_ID,)))

    def existing_tasks(self, ids: Iterable[str]) -> list[str]:
        """Those of `ids` that there are, each once, in their order."""
        values = json.dumps(list(dict.fromkeys(ids)))
        return _first(
            self._rows("SELECT tasks.id FROM json_each(?) JOIN tasks ON tasks.id = value ORDER BY key", (values,))
        )

    def other_task(self, ids: Sequence[str]) -> list[str]:
        """One task of the first one's owner that is not among `ids`."""
        sql = "SELECT id FROM tasks WHERE owner = (SELECT owner FROM tasks WHERE id = ?) ORDER BY id"
        others = (task_id for task_id in _first(self._rows(sql, ids[:1] or ("",))) if task_id not in set(ids))
        return [task_id for task_id, _ in zip(others, range(1), strict=False)]

    def add_task(self, prospect_id: str, name: str, due: str, owner: str = cast.KEY_USER_ID) -> str:
        """An open one; gives its id."""
        row = (str(uuid.uuid4()), prospect_id.lower(), owner, 0, due, _now(), None, name, "", cast.TASK_KINDS[0])
        with self._write() as db:
            db.execute(f"INSERT INTO tasks VALUES ({_marks(row)})", row)  # nosec B608 # question marks only
        return row[0]

    def remove_tasks(self, ids: Iterable[str]) -> int:
        return self._for_ids("DELETE FROM tasks", ids)

    def complete_tasks(self, ids: Iterable[str]) -> int:
        return self._for_ids("UPDATE tasks SET status = 1, completed_on = ?", ids, _now())

    def move_tasks(self, ids: Iterable[str], owner: str = cast.KEY_USER_ID) -> int:
        return self._for_ids("UPDATE tasks SET owner = ?", ids, owner)

    def counts(self, prospect_id: str) -> dict[str, Any]:
        """{"total": activities of all codes, "by_code": {code: number}, "open_tasks", "completed_tasks"}"""
        lead = (prospect_id.lower(),)
        by_code = dict(self._rows("SELECT code, count(*) FROM activities WHERE lead = ? GROUP BY code", lead))
        tasks = dict(self._rows("SELECT status, count(*) FROM tasks WHERE lead = ? GROUP BY status", lead))
        number = {"open_tasks": tasks.get(0, 0), "completed_tasks": tasks.get(1, 0)}
        return {"total": sum(by_code.values()), "by_code": by_code} | number


def _first(rows: list[tuple[Any, ...]]) -> list[Any]:
    return [row[0] for row in rows]


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
