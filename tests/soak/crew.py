"""Everybody at work, hour after hour: requests of every kind made, approved and looked after, files uploaded, leads and
owners read anew, questions asked. What was deleted is entered once more, so that there is always as much to do; and
nobody adds to a queue that is behind, so that it shows what grows by itself."""

import io
import json
import random
import threading
import time
from collections import Counter
from copy import copy
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.request import Request, urlopen

from django.db import connection

from lsq_ops.models import Account, ActivitySnapshot, DeletionRequest, RequestTarget
from lsq_ops.sandbox.cast import KEY_USER_ID
from lsq_ops.services import leads, operations, talk, uploaded
from tests.chaos.process_people import People, settle_in

ENTERED = (201, 202, 205, 208, 3001, 3002)  # each lead has at least FEWEST of each before anybody asks for it
FEWEST = 4
MANY = 50  # tasks: such a lead has those of an owner who left, whose list of 12,000 would be read for each request
BEHIND = 15.0  # seconds that anything has waited, in whatever lane: the last ones go behind all others
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
        there = self.ask(f"counts?lead={lead}")
        for number in range(FEWEST - there["open_tasks"]):
            due = f"{datetime.now(UTC) + timedelta(days=number):%Y-%m-%d %H:%M:%S}"
            self.ask("world", do="add_task", prospect_id=lead, name="Call back", due=due)
        for code in ENTERED:
            for _ in range(FEWEST - there["by_code"].get(str(code), 0)):
                at = datetime.now(UTC) - timedelta(hours=rng.uniform(3, 250))
                self.ask("world", do="add_activity", prospect_id=lead, code=code, created_on=f"{at:%Y-%m-%d %H:%M:%S}")


class Crew(People):
    """The desks of the chaos harness, without its mischief, and one more for the rest of a day's work."""

    def __init__(self, sandbox: Sandbox, seed: str, *, want: int) -> None:
        settle_in()
        counted = {lead: sandbox.ask(f"counts?lead={lead}") for lead in sandbox.ask("world")["leads"]}
        ids = [lead for lead, there in counted.items() if there["open_tasks"] + there["completed_tasks"] < MANY]
        super().__init__(SimpleNamespace(lead_ids=lambda: ids), seed, want=want)  # type: ignore[arg-type]
        self.sandbox, self.mischief = sandbox, 0.0
        self.done: Counter[str] = Counter()
        self.threads.append(threading.Thread(target=self.rest, daemon=True))

    def chosen(self, kind: str, rng: random.Random) -> tuple[str, list[str], dict[str, Any]]:
        """Leads that nobody works on; what a request would find gone is entered before."""
        busy = set(self._busy())
        free = [lead for lead in self.leads if lead not in busy] or self.leads
        at_hand = copy(self)  # other desks choose at the same time
        at_hand.leads = rng.sample(free, min(len(free), 3))
        for lead in at_hand.leads:
            self.sandbox.enter(lead, rng)
        return People.chosen(at_hand, kind, rng)

    def _busy(self) -> Any:
        open_now = DeletionRequest.objects.filter(state__in=DeletionRequest.open_states())
        return RequestTarget.objects.filter(version__request__in=open_now).values_list("lead_id", flat=True)

    def _is_behind(self) -> bool:
        return operations.age(Account.objects.get(current=True)) > BEHIND

    def wait_until_read(self, seconds: float) -> None:
        """Until the leads that were brought in are read; but not longer than so."""
        until = time.monotonic() + seconds
        while ActivitySnapshot.objects.filter(read_at__isnull=True).exists() and time.monotonic() < until:
            time.sleep(0.5)

    def round(self, number: int, rng: random.Random) -> None:
        """Each desk asks, where the chaos harness has one of them ask."""
        open_now = DeletionRequest.objects.filter(state__in=DeletionRequest.open_states()).count()
        if number and open_now < self.want:
            with self.brave():
                self.ask(rng)
        super().round(number, rng)

    def ask(self, rng: random.Random) -> None:
        if not self._is_behind():
            super().ask(rng)
            self.done["requests"] += 1

    def rest(self) -> None:
        rng = random.Random(f"{self.seed} rest")
        while not self.over.wait(BETWEEN):
            what = rng.choices((self.upload, self.refresh, self.owner, self.question), (4, 4, 1, 3))[0]
            with self.brave():
                if not self._is_behind():
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
        """Whose list of tasks comes and goes with the requests."""
        leads.refresh_owner(self.who("rita"), KEY_USER_ID)

    def question(self, rng: random.Random) -> None:
        """On a request that waits, so that others get a mail."""
        waiting = DeletionRequest.objects.filter(state__in=("pending", "running")).order_by("?").first()
        if waiting:
            talk.write(self.who("rita"), waiting, f"Is number {rng.randrange(10**6)} among them?")
