"""The sandbox with a memory: every call that arrived and when, and what each delete took away.

What is kept here is the truth that a batch is judged by; nothing of it comes from the portal's own words, but for the
one look at the moment when a delete arrives: is its attempt committed?
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from lsq_ops.sandbox import SANDBOX_KEYS, api, cast
from lsq_ops.sandbox.deletes import Deletes
from lsq_ops.sandbox.faults import Faults
from lsq_ops.sandbox.messages import Call, Reply
from lsq_ops.sandbox.seed import Seeder
from lsq_ops.sandbox.server import RunningSandbox
from lsq_ops.sandbox.webhooks import Webhooks
from lsq_ops.sandbox.world import SCHEMA, World

REFUSALS = (b"MXAPIRateLimitExceeded", b"MXInvalidAccessDetails", b"MXUnAuthorizedAccess")
KEPT_BYTES = 65_536


def canonical(body: dict[str, Any]) -> str:
    """One spelling of a delete's body; the webhook's address is no part of what was approved."""
    plain = {name: value for name, value in body.items() if name != "StatusWebhookURL"}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(slots=True)
class Arrival:
    """One call at the door. `turned_away`: rate or keys, so nothing was done. `attempts`: those committed for it."""

    number: int
    at: float
    clock: float
    operation: str
    body: str = ""
    token: str = ""
    torn: bool = False
    turned_away: bool = False
    taken: bool = False
    attempts: int | None = None
    removed: list[tuple[str, float]] = field(default_factory=list)

    @property
    def token_hash(self) -> str:
        return hashlib.sha256(self.token.encode()).hexdigest() if self.token else ""


@dataclass(slots=True)
class Post:
    """One webhook, as it was sent, and the answer it got."""

    token: str
    body_hash: str
    at: float
    done: float = 0.0
    status: int = 0


class Crowd(Seeder):
    """Many leads with little on each: what a reading costs is not what is tested here."""

    size: ClassVar[int] = 150

    def everybody(self) -> None:
        for first, last, role, active in cast.USERS:
            user_id = cast.stable_id(f"user:{first} {last}")
            self.rows["users"].append((user_id, first, last, cast.mailbox(first, last), role, active))
            self.owners.append((user_id, f"{first} {last}"))
        for number in range(self.size):
            self.somebody(number)

    def somebody(self, number: int) -> None:
        lead = self.lead(cast.stable_id(f"chaos:{self.seed}:{number}"), "Lead", f"{number}", "", "")
        self.duplicate_burst(lead)
        for code, most in ((201, 4), (202, 5), (205, 4), (208, 3), (3001, 4), (3002, 4), (22, 1)):
            for _ in range(self.rng.randint(1, most)):
                self.activity(lead, code, self.moment(11))
        for _ in range(self.rng.randint(2, 5)):
            self.task(lead, self.rng.choice(self.owners[:6])[0], completed=self.rng.random() < 0.3)


class RememberingWorld(World):
    """Remembers what was removed, when and by which delete, and what was added."""

    def __init__(self, seed: int) -> None:
        self.removed: dict[str, tuple[float, Arrival | None]] = {}
        self.added: dict[str, float] = {}
        self.acting = threading.local()
        super().__init__(seed=seed)

    def _fill(self, number: int) -> None:
        crowd = Crowd(number)
        crowd.everybody()
        with self._write() as db:
            for statement in SCHEMA.split(";")[:-1]:
                db.execute(statement)
            for table, rows in crowd.rows.items():
                db.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)
            db.execute("INSERT INTO facts VALUES ('seed', ?)", (number,))

    def there(self, table: str, ids: Iterable[str]) -> set[str]:
        rows = self._rows(f"SELECT id FROM {table} WHERE id IN (SELECT value FROM json_each(?))", (json.dumps([*ids]),))
        return {row[0] for row in rows}

    def add_activity(self, prospect_id: str, code: int, created_on: str, note: str = "") -> str:
        made = super().add_activity(prospect_id, code, created_on, note)
        self.added[made] = time.time()
        return made

    def remove_activities(self, ids: Iterable[str]) -> int:
        return self._remove("activities", list(ids), super().remove_activities)

    def remove_tasks(self, ids: Iterable[str]) -> int:
        return self._remove("tasks", list(ids), super().remove_tasks)

    def _remove(self, table: str, ids: list[str], remove: Callable[[Iterable[str]], int]) -> int:
        with self._lock:
            going = self.there(table, ids)
            count = remove(ids)
            self._note(going)
        return count

    def remove_lead(self, prospect_id: str) -> None:
        lead = (prospect_id.lower(),)
        with self._lock:
            going = {row[0] for table in ("activities", "tasks") for row in self._rows(
                f"SELECT id FROM {table} WHERE lead = ?", lead)}  # fmt: skip
            super().remove_lead(prospect_id)
            self._note(going)

    def _note(self, going: set[str]) -> None:
        arrival, now = getattr(self.acting, "arrival", None), time.time()
        for record_id in going:
            self.removed[record_id] = (now, arrival)
            if arrival is not None:
                arrival.removed.append((record_id, now))


class RememberingDeletes(Deletes):
    """Whatever a delete removes is written down as its own."""

    def __init__(self, door: RememberingDoor, world: RememberingWorld, faults: Faults, webhooks: Webhooks) -> None:
        super().__init__(world, faults, webhooks, door.timers)
        self.door, self.memory = door, world

    def _queue(self, call: Call, what: str, choose: Callable[[], list[str]], *, lead: str = "", asked: int = 0) -> None:
        arrival = self.door.mine.arrival
        arrival.taken = True

        def chosen() -> list[str]:
            self.memory.acting.arrival = arrival
            return choose()

        super()._queue(call, what, chosen, lead=lead, asked=asked)


class RememberingWebhooks(Webhooks):
    def __init__(self) -> None:
        super().__init__()
        self.posts: list[Post] = []
        self.mine = threading.local()

    def _send(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> None:
        token = url.rstrip("/").rpartition("/")[2]
        post = Post(token, hashlib.sha256(body[:KEPT_BYTES]).hexdigest(), time.time())
        self.mine.status = ""
        super()._send(method, url, body, headers)
        post.done, said = time.time(), self.mine.status
        post.status = int(said) if said.isdigit() else 0
        if method == "POST" and body:
            self.posts.append(post)

    def _count(self, answer: str) -> None:
        self.mine.status = answer
        super()._count(answer)


class RememberingDoor(api.Sandbox):
    """Every call is noted before anything else is done with it."""

    def __init__(self, world: RememberingWorld, faults: Faults, keys: tuple[str, str]) -> None:
        super().__init__(world, faults, keys)
        self.arrivals: list[Arrival] = []
        self.committed: Callable[[Arrival], int | None] = lambda arrival: None
        self.mine = threading.local()
        self._noting = threading.Lock()
        self.webhooks = self.control.webhooks = RememberingWebhooks()
        self._deletes = api._deletes(RememberingDeletes(self, world, faults, self.webhooks))

    def answer(self, call: Call) -> Reply:
        arrival = self._arrived(call)
        self.mine.arrival = arrival
        if arrival.operation in self._deletes and not arrival.torn:
            arrival.attempts = self.committed(arrival)
        return super().answer(call)

    def _arrived(self, call: Call) -> Arrival:
        operation = call.path.removeprefix("/v2/")
        with self._noting:
            arrival = Arrival(len(self.arrivals), time.time(), time.monotonic(), operation)
            self.arrivals.append(arrival)
        if operation in self._deletes:
            self._look_into(call, arrival)
        return arrival

    def _look_into(self, call: Call, arrival: Arrival) -> None:
        try:
            body = json.loads(call.body)
            arrival.body = canonical(body)
            arrival.token = str(body.get("StatusWebhookURL") or "").rstrip("/").rpartition("/")[2]
        except (ValueError, AttributeError):
            arrival.torn = True  # whoever sent it died in the middle of it: no server would take it

    def _turn_away(self, call: Call) -> Reply | None:
        return self._noted(super()._turn_away(call))

    def _faulty(self, call: Call) -> Reply:
        answer = super()._faulty(call)
        self._noted(answer)
        return answer

    def _noted(self, answer: Reply | None) -> Reply | None:
        if answer and (answer.status in (401, 403, 429) or any(mark in answer.body[:500] for mark in REFUSALS)):
            self.mine.arrival.turned_away = True
        return answer

    def deletes(self) -> list[Arrival]:
        return [arrival for arrival in list(self.arrivals) if arrival.operation in self._deletes and not arrival.torn]


class CountingFaults(Faults):
    """Says when a switch that was set for some calls really met one."""

    def __init__(self) -> None:
        super().__init__()
        self.hit: Callable[[str], None] = lambda name: None

    def _use(self, name: str, rule: Any) -> None:
        super()._use(name, rule)
        if rule.times is not None:
            self.hit(f"crm {name}={rule.value}")

    def calm(self) -> None:
        """No switch is set for some calls any more; what is set for all of them stays."""
        with self._lock:
            for rules in self._rules.values():
                rules[:] = [rule for rule in rules if rule.match is None and rule.times is None]


class RememberingSandbox(RunningSandbox):
    world: RememberingWorld
    faults: CountingFaults
    app: RememberingDoor

    def __init__(self, seed: int, **switches: object) -> None:
        super().__init__(RememberingWorld(seed))
        self.faults = CountingFaults()
        for name, value in switches.items():
            self.faults.set(name, value)
        self.app = RememberingDoor(self.world, self.faults, SANDBOX_KEYS)
