"""One scenario from its seed to its verdict: a small LeadSquared, one to three requests, faults, calm, and the end."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from unittest.mock import patch

from django.db import connection
from django.test import override_settings

from lsq_ops.models import Account, DeletionRequest, Task
from lsq_ops.services import drafting, leads, reading, running

from . import judge
from .crm import OWNER_CHANGE, STAGE_CHANGE
from .ledger import Ledger, Person
from .others import Others
from .people import APPROVERS, People
from .plan import OTHERS, PEOPLE, Fault
from .scene import Scene, beat
from .wire import Wire

HOUR, DAY = 3600.0, 86400.0
CALM = 3 * DAY
KINDS = ("activities", "activities", "tasks", "owner_history", "stage_history")
OPEN = str(DeletionRequest.open_states())
LOOKS = 900.0  # seconds between two looks of the people at their pages


class Story:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.ledger = Ledger(scene, people={name: Person(team) for name, team in APPROVERS.items()})
        self.wire = Wire(scene, self.ledger)
        self.people, self.others = People(scene, self.ledger), Others(scene, self.wire)
        self.requests: list[DeletionRequest] = []
        self.approved: set[int] = set()

    def tell(self, faults: int, provoked: Sequence[Fault] = ()) -> None:
        random = self.scene.random
        self.wire.rows, self.scene.bell.workers = random.choice((1000, 1000, 7)), random.choice((1, 1, 2))
        public = "" if random.random() < 0.1 else "https://portal.example.invalid"
        with override_settings(PUBLIC_URL=public, LSQ_TASKS_PER_CALL=random.choice((2, 500))), self.timed():
            self.narrow(random.choice((25, 25, 5)))
            self.make_leads(random.randint(1, 3))
            if random.random() < 0.25:
                self.scene.plan.draw(2)
            for _ in range(random.choice((1, 2, 2, 3))):
                self.bring_to_approval(random.choice(KINDS))
            self.scene.plan.faults += provoked
            self.scene.plan.draw(faults)
            self.run()
            self.calm_down()
            judge.judge(self.scene, self.ledger, self.approved)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """The shipped durations. In most scenarios a day holds fewer readings, and what waits for another request looks
        again less often: that saves work, not cases. In some the hour's cap is near."""
        every = self.scene.random.choice((HOUR, 4 * HOUR, 8 * HOUR, 8 * HOUR))
        cap = self.scene.random.choice((5000, 5000, 5000, 6))
        module = sys.modules["lsq_ops.models.timing"]
        shipped = replace(module.SHIPPED, read_then_every=int(every), items_per_hour=cap)
        with patch.object(module, "SHIPPED", shipped), patch.object(running.Wait.__init__, "__defaults__", (3600,)):
            yield

    def narrow(self, calls: int) -> None:
        """How many calls LeadSquared takes in five seconds: with few of them the budget is what everybody waits for."""
        with self.scene.harness():
            Account.objects.filter(current=True).update(rate_calls=calls)

    # --- LeadSquared -----------------------------------------------------------------------------------------

    def make_leads(self, count: int) -> None:
        random, now = self.scene.random, self.scene.clock.now
        for _ in range(count):
            lead = self.scene.crm.add_lead()
            codes = [random.choice((201, 202, 203)) for _ in range(random.randint(4, 12))]
            for code in [*codes, 21, 21, *[OWNER_CHANGE] * 3, *[STAGE_CHANGE] * 3]:
                made = self.scene.crm.add_activity(lead, code, now - random.uniform(2 * HOUR, 12 * DAY))
                if random.random() < 0.1:
                    self.scene.crm.add_activity(lead, code, made.at)  # a twin of the same second
            for _ in range(random.randint(3, 7)):
                self.scene.crm.add_task(lead, random.choice(self.scene.crm.owners), now - random.uniform(0, DAY))

    # --- Requests --------------------------------------------------------------------------------------------

    def bring_to_approval(self, kind: str) -> None:
        request = self.draft(kind)
        if request is None:
            return
        self.wait(lambda: self.people.see(request).version.reading != "reading", 2 * HOUR)
        self.requests.append(request)
        self.people.submit(request)
        self.people.answer_pages([request])

    def draft(self, kind: str) -> DeletionRequest | None:
        selection = self.select(kind)
        if selection is None:
            return None
        parameters = self.parameters(kind)

        def make() -> DeletionRequest:
            return drafting.draft(
                self.people("rita"), kind=kind, selection=selection, parameters=parameters, category="duplicate",
                reason="entered twice",
            )  # fmt: skip

        made = self.people.surely(make)
        return made if isinstance(made, DeletionRequest) else None

    def select(self, kind: str) -> Any:
        random, crm = self.scene.random, self.scene.crm
        chosen = sorted(random.sample(sorted(crm.leads), random.randint(1, len(crm.leads))))
        if kind != "tasks":
            return self.people.surely(lambda: drafting.select(self.people("rita"), "lead", chosen))
        self.people.surely(lambda: leads.add_leads(self.people("rita"), chosen))
        self.wait(lambda: self._tasks_known(chosen), HOUR)
        with self.scene.harness():
            known = sorted(Task.objects.filter(lead_id__in=chosen).values_list("task_id", flat=True))
        ids = random.sample(known, random.randint(1, len(known))) if known else []
        return self.people.surely(lambda: drafting.select(self.people("rita"), "task", ids)) if ids else None

    def _tasks_known(self, chosen: list[str]) -> bool:
        with self.scene.harness():
            open_ones = reading.Snapshot.objects.filter(subject_id__in=chosen, read_at__isnull=True)
            return not open_ones.exists()

    def parameters(self, kind: str) -> dict[str, Any]:
        random, now = self.scene.random, self.scene.clock.now
        if kind == "tasks":
            return {}
        start, end = now - random.uniform(1, 13) * DAY, now - random.uniform(0.1, 0.9) * DAY
        made = {name: datetime.fromtimestamp(at, UTC).isoformat() for name, at in (("from", start), ("to", end))}
        codes = sorted(random.sample((201, 202, 203), random.randint(1, 2)))
        return made | ({"codes": codes} if kind == "activities" else {})

    # --- The run ---------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Faults come while the requests run; those that find no occasion within two hours don't come at all."""
        self._note_approved()
        for fault in [f for f in self.scene.plan.faults if f.hook in ("others", "people")]:
            self.scene.plan.faults.remove(fault)
            self.scene.later(fault.data, partial(self._meanwhile, fault))
        self.wait(self.all_over, 2 * HOUR)

    def _meanwhile(self, fault: Fault) -> None:
        if not self.requests:
            return
        request, names = self.scene.random.choice(self.requests), [fault.name]
        who: People | Others = self.people if fault.hook == "people" else self.others
        # Where there is no occasion for the one, there is for another perhaps.
        names += self.scene.random.sample(PEOPLE if fault.hook == "people" else OTHERS, 4)
        for name in names:
            if who.meanwhile(name, request):
                return self.scene.fire(replace(fault, name=name))

    def calm_down(self) -> None:
        """No more faults. People do what the pages ask them, and after three days everything is over."""
        self.scene.plan.disarm()
        self.wire.eaten_until = self.wire.keys_until = 0
        until, pause = self.scene.clock.now + CALM, LOOKS
        while self.scene.clock.now < until and not self.all_over():
            self.people.answer_pages(self.requests)
            self._note_approved()
            self.wait(self.all_over, pause)
            pause = min(pause * 1.3, 4 * HOUR)
        # What comes late comes now: the last webhook, the job of a day ago, one more reading.
        self.scene.longest_rest = 8 * HOUR
        self.scene.run_until(self.scene.clock.now + 32 * HOUR)
        self.scene.work(beat)

    def _note_approved(self) -> None:
        with self.scene.harness():
            states = ("approved", "running", "needs_attention", *judge.RAN)
            self.approved |= set(DeletionRequest.objects.filter(state__in=states).values_list("pk", flat=True))

    def all_over(self) -> bool:
        if not self.requests:
            return True
        pks = ", ".join(str(request.pk) for request in self.requests)
        with self.scene.harness(), connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM lsq_ops_deletionrequest WHERE id IN ({pks}) AND state IN {OPEN}")
            return not cursor.fetchone()[0]

    def wait(self, until: Any, seconds: float) -> bool:
        """Let time pass in small steps until something is so."""
        end = self.scene.clock.now + seconds
        while not until():
            if self.scene.clock.now >= end:
                return False
            self.scene.run_until(min(end, self.scene.next_moment()))
        return True
