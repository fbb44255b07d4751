"""One reading after another, by the portal's own service: ordered, claimed, cut short, gone on with, filled, taken over
into the mirror. Between any two calls somebody may change the list; afterwards the list says whether the reading is
right."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

from lsq_ops.leadsquared.client import Client
from lsq_ops.leadsquared.errors import Answer, classify
from lsq_ops.leadsquared.paging import OffsetMeaning
from lsq_ops.models import Account, Activity, ActivitySnapshot, Lead, Task, db_now
from lsq_ops.sandbox import SANDBOX_KEYS
from lsq_ops.sandbox.api import Sandbox
from lsq_ops.sandbox.faults import Faults
from lsq_ops.sandbox.messages import Call
from lsq_ops.sandbox.world import World
from lsq_ops.services import accounts, reading
from lsq_ops.services.budget import OutOfTime
from lsq_ops.services.tape import Tape

from .lists import Activities, Changing, Tasks

MEANINGS = {"rows": OffsetMeaning.ROWS, "pages0": OffsetMeaning.PAGES_FROM_0, "pages1": OffsetMeaning.PAGES_FROM_1}
TURNS = 60


@dataclass
class Sums:
    """`wrong` must be 0. `needless`: nothing changed, nothing was odd, and it was not whole all the same."""

    seed: int
    runs: int = 0
    complete: int = 0
    changed: int = 0
    cut_short: int = 0
    wrong: int = 0
    needless: int = 0
    by_meaning: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.wrong and not self.needless

    def line(self) -> str:
        names = ("runs", "complete", "changed", "cut_short", "wrong", "needless", "seed")
        return " ".join(f"{name}={getattr(self, name)}" for name in names)


@dataclass
class Wire:
    """What the client sends by, and its gate: the sandbox in this process, and what happens meanwhile."""

    sandbox: Sandbox
    list: Changing
    random: Random
    restless: float  # the chance of a change before a call
    out_of_time: float  # the chance that the worker's turn is over before a call
    cut_short: int = 0

    def enter(self) -> None:
        if self.random.random() < self.out_of_time:
            self.cut_short += 1
            raise OutOfTime

    def leave(self, ticket: Any, answer: Answer | None) -> None:
        pass

    def send(self, operation: str, method: str, path: str, **what: Any) -> Answer:
        while self.random.random() < self.restless:
            self.list.change()
        headers = dict(zip(("access", "secret"), SANDBOX_KEYS, strict=True)) | {"content-type": "application/json"}
        call = Call(method, f"/v2/{path}", urlencode(what.get("params") or {}), headers, what.get("body") or b"")
        reply = self.sandbox.answer(call)
        return classify(operation, reply.status, reply.body, write=False)


class Readings:
    """Runs on the account of this database, on one lead and one user of a sandbox in memory."""

    def __init__(self, seed: int) -> None:
        self.sums, self.world, self.faults = Sums(seed), World(seed=1), Faults()
        self.sandbox = Sandbox(self.world, self.faults)
        self.account = accounts.ensure_account()
        self.lead, self.owner = self.world.lead_ids()[0], self.world.users()[-1]["id"]
        Lead.objects.get_or_create(account=self.account, prospect_id=self.lead, defaults={"read_at": db_now()})

    def run(self, number: int) -> None:
        random = Random(f"{self.sums.seed} {number}")
        changing, odd = self.scene(random)
        wire = Wire(
            self.sandbox, changing, random, random.choice((0, 0.04, 0.1, 0.3)), random.choice((0, 0, 0, 0.2))
        )  # fmt: skip
        snapshot = self.read(changing, wire)
        self.judge(snapshot, changing, number, odd=odd or bool(changing.changes))
        self.sums.cut_short += bool(wire.cut_short)

    def scene(self, random: Random) -> tuple[Changing, bool]:
        """The list, and whether LeadSquared is odd about it."""
        self.faults.reset()
        self.faults.set("rate_limit", "off")
        meaning, order = (
            random.choice(sorted(MEANINGS)),
            random.choice(("newest", "newest", "oldest", "oldest", "unstable")),
        )
        believed = random.choice((MEANINGS[meaning], MEANINGS[meaning], OffsetMeaning.UNKNOWN, *OffsetMeaning))
        self.faults.set("offset", meaning)
        self.faults.set("record_count", random.choice(("total", "page", "zero")))
        # Of an order that is another one each time, pages of one or two rows agree by chance now and then, and a reader
        # sees what a steady list shows: nobody can tell. Longer ones don't.
        self.faults.set(
            "row_cap", random.choice((5, 8, 13, 1000) if order == "unstable" else (1, 2, 3, 5, 8, 13, 1000))
        )
        Account.objects.filter(pk=self.account.pk).update(offset_meaning=believed)
        size = random.choice((0, 1, 2, *random.choices(range(60), k=5)))
        if random.random() < 0.25:
            self.sums.by_meaning["tasks"] += 1
            tasks = Tasks(self.world, random, self.owner)
            tasks.fill(size, self.lead)
            return tasks, False
        self.sums.by_meaning[meaning] += 1
        self.faults.set("order", order)
        activities = Activities(self.world, random, self.lead)
        activities.fill(size)
        return activities, order == "unstable" or believed not in (MEANINGS[meaning], OffsetMeaning.UNKNOWN)

    def read(self, changing: Changing, wire: Wire) -> ActivitySnapshot:
        """Until it is finished, or put off with a reason."""
        subject = "owner_tasks" if isinstance(changing, Tasks) else "lead_activities"
        reading.order(
            self.account, [(subject, changing.subject_id)], ActivitySnapshot.Lane.MIRROR, since=db_now()
        )  # fmt: skip
        for _ in range(TURNS):
            snapshot = reading.claim([ActivitySnapshot.Lane.MIRROR])
            assert snapshot is not None
            if not snapshot.pages.exists():
                changing.begin()
            tape = Tape(snapshot, wire, wire)
            with patch.object(accounts, "reader", lambda *a, tape=tape, **k: (Client(tape, gate=tape), tape)):
                reading.perform(snapshot, time.monotonic() + 1)
            snapshot.refresh_from_db()
            if snapshot.read_at:
                return snapshot
            if snapshot.why:
                break
            ActivitySnapshot.objects.filter(pk=snapshot.pk).update(not_before=None)
        reading.fill(snapshot, [], complete=False, why=snapshot.why or "cut short again and again")
        snapshot.refresh_from_db()
        return snapshot

    def judge(self, snapshot: ActivitySnapshot, changing: Changing, number: int, *, odd: bool) -> None:
        sums = self.sums
        sums.runs += 1
        sums.changed += bool(changing.changes)
        if not snapshot.complete:
            cut = snapshot.why == "cut short again and again"
            if not odd and not cut:
                sums.needless += 1
                sums.troubles.append(f"run {number}: not whole although nothing moved: {snapshot.why}")
            return
        sums.complete += 1
        if trouble := changing.wrong(snapshot.rows()) or self.not_mirrored(snapshot, changing):
            sums.wrong += 1
            sums.troubles.append(f"run {number}: complete, but {trouble}")

    def not_mirrored(self, snapshot: ActivitySnapshot, changing: Changing) -> str:
        ids = {changing.id_of(row) for row in snapshot.rows()}
        if isinstance(changing, Tasks):
            shown = Task.objects.filter(owner_id=self.owner, gone_at=None).values_list("task_id", flat=True)
        else:
            shown = Activity.objects.filter(lead__prospect_id=self.lead, gone_at=None).values_list(
                "activity_id", flat=True
            )  # fmt: skip
        return "" if set(shown) == ids else "the mirror shows other ones"


def run(runs: int, seed: int, first: int = 0) -> Sums:
    readings = Readings(seed)
    try:
        for number in range(first, first + runs):
            readings.run(number)
    finally:
        readings.world.close()
    return readings.sums


def stored(sums: Sums) -> dict[str, Any]:
    return json.loads(json.dumps({**sums.__dict__, "by_meaning": dict(sums.by_meaning)}))
