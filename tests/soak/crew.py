"""Everybody at work, hour after hour: requests of every kind made, approved and looked after, files uploaded, leads and
owners read anew, questions asked. What was deleted is entered once more, so that there is always as much to do."""

import io
import json
import random
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.request import Request, urlopen

from django.db import connection

from lsq_ops.models import DeletionRequest, RequestTarget, Task
from lsq_ops.sandbox.world import BULK_OWNER_ID
from lsq_ops.services import leads, talk, uploaded
from tests.chaos.process_people import People, settle_in

ENTERED = (201, 202, 205, 208, 3001, 3002)  # each lead has at least FEWEST of each before anybody asks for it
FEWEST = 4
BETWEEN = 1.5  # seconds between two of the things that are no request
LINES = 120  # of an uploaded file


class Sandbox:
    """LeadSquared's stand-in, over its socket."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, **body: Any) -> Any:
        data = json.dumps(body).encode() if body else None
        with urlopen(Request(f"{self.url}/__sandbox__/{path}", data=data), timeout=60) as answer:
            return json.load(answer)

    def enter(self, lead: str, rng: random.Random) -> None:
        """What was deleted of a lead is there again, as other records: somebody types it in twice."""
        there = self.ask(f"counts?lead={lead}")["by_code"]
        for code in ENTERED:
            for _ in range(FEWEST - there.get(str(code), 0)):
                at = datetime.now(UTC) - timedelta(hours=rng.uniform(3, 250))
                self.ask("world", do="add_activity", prospect_id=lead, code=code, created_on=f"{at:%Y-%m-%d %H:%M:%S}")


class Crew(People):
    """The desks of the chaos harness, without its mischief, and one more for the rest of a day's work."""

    def __init__(self, sandbox: Sandbox, seed: str, *, want: int) -> None:
        settle_in()
        ids = sandbox.ask("world")["leads"]
        super().__init__(SimpleNamespace(lead_ids=lambda: ids), seed, want=want)  # type: ignore[arg-type]
        self.sandbox, self.mischief = sandbox, 0.0
        self.done: Counter[str] = Counter()
        self.threads.append(threading.Thread(target=self.rest, daemon=True))

    def chosen(self, kind: str, rng: random.Random) -> tuple[str, list[str], dict[str, Any]]:
        """Leads that nobody works on; what a request would find gone is entered before."""
        busy = set(self._busy())
        free, every = [lead for lead in self.leads if lead not in busy], self.leads
        self.leads = free or every
        try:
            if kind == "tasks" and rng.random() < 0.5:
                return "task", self._tasks_left_behind(rng), {}
            for lead in (some := rng.sample(self.leads, min(len(self.leads), 3))):
                self.sandbox.enter(lead, rng)
            self.leads = some
            return super().chosen(kind, rng)
        finally:
            self.leads = every

    def _busy(self) -> Any:
        open_now = DeletionRequest.objects.filter(state__in=DeletionRequest.open_states())
        return RequestTarget.objects.filter(version__request__in=open_now).values_list("lead_id", flat=True)

    def _tasks_left_behind(self, rng: random.Random) -> list[str]:
        """A few of the twelve thousand of an owner who left."""
        there = Task.objects.filter(owner_id=BULK_OWNER_ID, gone_at__isnull=True).order_by("task_id")
        ids = list(there.values_list("task_id", flat=True)[:400])
        return rng.sample(ids, min(len(ids), rng.randint(1, 20)))

    def round(self, number: int, rng: random.Random) -> None:
        """Each desk asks, where the chaos harness has one of them ask."""
        if number and DeletionRequest.objects.filter(state__in=DeletionRequest.open_states()).count() < self.want:
            with self.brave():
                self.ask(rng)
        super().round(number, rng)

    def ask(self, rng: random.Random) -> None:
        super().ask(rng)
        self.done["requests"] += 1

    def rest(self) -> None:
        rng = random.Random(f"{self.seed} rest")
        while not self.over.wait(BETWEEN):
            what = rng.choices((self.upload, self.refresh, self.owner, self.question), (4, 4, 1, 3))[0]
            with self.brave():
                what(rng)
                self.done[what.__name__] += 1
        connection.close()

    def upload(self, rng: random.Random) -> None:
        """A list of leads, with lines that are none."""
        lines = [rng.choice(self.leads) if rng.random() < 0.9 else f"line {number}" for number in range(LINES)]
        file = io.BytesIO("\n".join(["ProspectID", *lines]).encode())
        uploaded.receive(self.who("rita"), file, "leads.csv", names="lead", how={"by": "id"})

    def refresh(self, rng: random.Random) -> None:
        leads.refresh(self.who("rita"), rng.sample(self.leads, 5))

    def owner(self, rng: random.Random) -> None:
        owners = Task.objects.exclude(owner_id="").values_list("owner_id", flat=True).distinct()[:20]
        if owners:
            leads.refresh_owner(self.who("rita"), rng.choice(list(owners)))

    def question(self, rng: random.Random) -> None:
        """On a request that waits, so that others get a mail."""
        waiting = DeletionRequest.objects.filter(state__in=("pending", "running")).order_by("?").first()
        if waiting:
            talk.write(self.who("rita"), waiting, f"Is number {rng.randrange(10**6)} among them?")
