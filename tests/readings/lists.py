"""What is read: a lead's activities or an owner's tasks in the sandbox's account, and people who change them between
two calls of ours. It remembers all that ever stood there, so that it can say whether a reading is right."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from lsq_ops.sandbox import seed
from lsq_ops.sandbox.world import World

CODES = (201, 202, 203, 21, 3001, 3002)
NOTES = ("", "called back", "<b>bold</b>", "=1+1", 'say "hi" \\', "ünïcode ☃ 😀", "line\nline", "x" * 300)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

Rows = dict[str, Any]


@dataclass
class Changing:
    """A list of `subject_id` in `world`. `stood`: ids that stood there as the reading began, and still do; `versions`:
    id -> what a reading may have shown of it."""

    world: World
    random: Random
    subject_id: str
    stood: set[str] = field(default_factory=set)
    versions: dict[str, list[Rows]] = field(default_factory=dict)
    changes: int = 0

    def begin(self) -> None:
        """The reading begins (anew): what left before it does not count any more."""
        now = self.now()
        self.stood, self.versions = set(now), {record_id: [row] for record_id, row in now.items()}

    def change(self) -> None:
        """Somebody adds, edits or removes something."""
        self.changes += 1
        before = self.now()
        self.random.choice(self.ways())(before)
        after = self.now()
        self.stood &= set(after)
        for record_id, row in after.items():
            known = self.versions.setdefault(record_id, [])
            if row not in known:
                known.append(row)

    def wrong(self, rows: list[Rows]) -> str:
        """What is wrong with these rows, as a whole reading; "" where they are right."""
        ids = [self.id_of(row) for row in rows]
        if len(ids) != len(set(ids)):
            return "a record twice"
        if missing := self.stood - set(ids):
            return f"{len(missing)} of {len(self.stood)} records missing"
        if any(row not in self.versions.get(record_id, []) for record_id, row in zip(ids, rows, strict=True)):
            return "a record that never stood there so"
        return ""

    def new_id(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def some(self, ids: Iterable[str]) -> list[str]:
        known = sorted(ids)
        return self.random.sample(known, min(len(known), self.random.choice((1, 1, 2, 5))))

    def now(self) -> dict[str, Rows]:
        raise NotImplementedError

    def ways(self) -> list[Any]:
        raise NotImplementedError

    def id_of(self, row: Rows) -> str:
        raise NotImplementedError


class Activities(Changing):
    def fill(self, count: int) -> None:
        with self.world._write() as db:
            db.execute("DELETE FROM activities WHERE lead = ?", (self.subject_id,))
            db.executemany(
                "INSERT INTO activities VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    seed.activity_row(
                        self.new_id(), self.subject_id, self.random.choice(CODES), self.when(), self.when(),
                        note=self.random.choice(NOTES),
                    )
                    for _ in range(count)
                ],
            )  # fmt: skip

    def when(self) -> str:
        # Few enough that some share a second.
        return f"{BEGIN + timedelta(seconds=self.random.randrange(200)):%Y-%m-%d %H:%M:%S}"

    def now(self) -> dict[str, Rows]:
        records = [json.loads(record) for record in self.world.activities(self.subject_id, None)[0]]
        return {record["Id"]: record for record in records}

    def id_of(self, row: Rows) -> str:
        return row["Id"]

    def ways(self) -> list[Any]:
        return [self.add, self.remove, self.remove, self.edit, self.swap]

    def add(self, now: dict[str, Rows]) -> None:
        """Not only in front: LeadSquared takes activities of any date."""
        self.world.add_activity(self.subject_id, self.random.choice(CODES), self.when())

    def remove(self, now: dict[str, Rows]) -> None:
        self.world.remove_activities(self.some(now))

    def edit(self, now: dict[str, Rows]) -> None:
        for record_id in self.some(now)[:1]:
            self.world.edit_activity(record_id, self.random.choice(NOTES))

    def swap(self, now: dict[str, Rows]) -> None:
        """As many come as go: a count shows nothing."""
        gone = self.some(now)
        self.world.remove_activities(gone)
        for _ in gone:
            self.add(now)


class Tasks(Changing):
    """An owner's. A task that is completed and opened again within one reading is not played: nobody can see it."""

    def fill(self, count: int, lead: str = "") -> None:
        self.lead, self.flipped = lead, set[str]()
        with self.world._write() as db:
            db.execute("DELETE FROM tasks WHERE owner = ?", (self.subject_id,))
            rows = [self._row() for _ in range(count)]
            db.executemany("INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def _row(self) -> tuple[Any, ...]:
        done = self.random.random() < 0.4
        when = f"{BEGIN + timedelta(seconds=self.random.randrange(200)):%Y-%m-%d %H:%M:%S}"
        return (
            self.new_id(), self.lead, self.subject_id, int(done), when, when, when if done else "",
            self.random.choice(NOTES), self.random.choice(NOTES), "Call",
        )  # fmt: skip

    def now(self) -> dict[str, Rows]:
        return {task["id"]: task for task in self.world.tasks({"owner": self.subject_id})[0]}

    def id_of(self, row: Rows) -> str:
        return row["UserTaskId"]

    def wrong(self, rows: list[Rows]) -> str:
        """A task's row says in which list it was found; what it says else must be one of its versions."""
        ids = [self.id_of(row) for row in rows]
        if len(ids) != len(set(ids)):
            return "a task twice"
        if missing := self.stood - set(ids):
            return f"{len(missing)} of {len(self.stood)} tasks missing"
        for record_id, row in zip(ids, rows, strict=True):
            shown = (row["Name"], row["Description"], row["DueDate"], row["StatusCode"])
            if shown not in {(v["name"], v["description"], v["due"], v["status"]) for v in self.versions[record_id]}:
                return "a task that never stood there so"
        return ""

    def ways(self) -> list[Any]:
        return [self.add, self.remove, self.complete, self.reopen, self.move]

    def add(self, now: dict[str, Rows]) -> None:
        with self.world._write() as db:
            db.execute("INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._row())

    def remove(self, now: dict[str, Rows]) -> None:
        self.world.remove_tasks(self.some(now))

    def complete(self, now: dict[str, Rows]) -> None:
        self.world.complete_tasks(self._flip(now, 0))

    def reopen(self, now: dict[str, Rows]) -> None:
        self.world._for_ids("UPDATE tasks SET status = 0, completed_on = ''", self._flip(now, 1))

    def _flip(self, now: dict[str, Rows], status: int) -> list[str]:
        ids = self.some(i for i, task in now.items() if task["status"] == status and i not in self.flipped)
        self.flipped.update(ids)
        return ids

    def move(self, now: dict[str, Rows]) -> None:
        self.world.move_tasks(self.some(now))
