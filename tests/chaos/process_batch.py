"""One batch, in a process of its own: a new deployment, people at work, faults one upon the other, then calm and the
judgement. Its sums are the last line of its output."""

import json
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402  (the portal's code wants its settings first)
from django.db import connection  # noqa: E402

from lsq_ops.models import DeletionRequest  # noqa: E402

from .process_board import Board  # noqa: E402
from .process_crm import RememberingSandbox  # noqa: E402
from .process_faults import Violence  # noqa: E402
from .process_ledger import Span  # noqa: E402
from .process_oracle import Oracle, Witness  # noqa: E402
from .process_people import APPROVERS, KINDS, People, settle_in  # noqa: E402
from .process_portal import Portal, Recovery  # noqa: E402
from .process_switches import Trouble  # noqa: E402
from .process_timing import live  # noqa: E402
from .sums import Sums  # noqa: E402

CALM = {"brisk": 90.0, "sandbox": 240.0}  # seconds without any request coming to its end
LONGEST_CALM = 600.0
Fault = Callable[[], str]


class Batch:
    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan, self.seed = plan, plan["batch_seed"]
        self.sums = Sums(plan["seed"])
        self.rng = random.Random(self.seed)
        self.folder = Path(plan["folder"])
        self.counting = threading.Lock()
        self.missed: Counter[str] = Counter()
        self.began = time.monotonic()

    def run(self) -> dict[str, Any]:
        live(self.plan["pace"])
        rate = f"{settings.LSQ_RATE_LIMIT[0]}/{settings.LSQ_RATE_LIMIT[1]:g}"
        self.crm = RememberingSandbox(self.plan["world"], rate_limit=rate, delay=0.3, late_by=18, slow_for=2)
        with self.crm:
            settings.LSQ_HOST = self.crm.url
            self.crm.app.committed = Witness().committed
            self.crm.faults.hit = self.fault
            settle_in()
            self.people = People(self.crm.world, self.seed, want=self.plan["want"])
            self.people.fault = self.fault
            with open(self.folder / "supervisor.log", "w") as out:
                self.portal = Portal(
                    self.folder, Board(self.folder / "board"), clusters=self.plan["clusters"],
                    pace=self.plan["pace"], out=out,
                )  # fmt: skip
                self.recovery = Recovery(self.portal, self.stuck)
                try:
                    self.portal.start()
                    self.storm_and_calm()
                finally:
                    self.people.stop()
                    self.recovery.stop()
                    self.portal.stop()
            Oracle(self.crm, self.people.ledger, self.sums, self.violence.database_away).judge()
        return self.report()

    def storm_and_calm(self) -> None:
        self.violence = Violence(self.portal, self.recovery, self.rng)
        self.violence.fault = self.fault
        self.trouble = Trouble(self.crm, self.portal.port, lambda: list(self.people.asked), self.rng)
        self.recovery.thread.start()
        self.people.bring_in()
        self.people.start()
        self.storm()
        self.say(f"{self.sums.faults} faults; calm")
        self.calm()

    def storm(self) -> None:
        """One fault upon the other, each in a thread of its own, until there are enough or the time is over."""
        choices = self.choices()
        until = time.monotonic() + self.plan["seconds"]
        running: list[threading.Thread] = []
        said = 0
        while self.sums.faults < self.plan["faults"] and time.monotonic() < until:
            self.violence.collect()
            running = [thread for thread in running if thread.is_alive()]
            if len(running) < 6:
                name = self.rng.choices(list(choices), [weight for weight, _ in choices.values()])[0]
                running.append(threading.Thread(target=self.one, args=[choices[name][1]], name=name, daemon=True))
                running[-1].start()
            if self.sums.faults >= said + 20:
                said = self.sums.faults
                self.say(f"{said} faults")
            time.sleep(self.rng.uniform(*self.plan["pause"]))
        for thread in running:
            thread.join(40)

    def one(self, fault: Fault) -> None:
        try:
            if name := fault():
                self.fault(name)
        except Exception as trouble:  # the database or Redis was away: then there was nothing to be done to it
            self.missed[f"{type(trouble).__name__}: {str(trouble)[:80]}"] += 1
        finally:
            connection.close()

    def choices(self) -> dict[str, tuple[float, Fault]]:
        """Name -> (weight, fault) for this deployment."""
        violence, trouble = self.violence, self.trouble
        table: list[tuple[float, Fault]] = [
            (10, violence.kill_at_a_step), (3, violence.stop_at_a_step), (1, violence.stop_somebody),
            (2, violence.kill_worker), (0.5, violence.kill_idle_worker), (0.7, violence.kill_monitor),
            (0.7, violence.kill_pusher), (0.3, violence.kill_sentinel), (0.3, violence.kill_main),
            (0.4, violence.kill_web), (1, violence.ring_twenty_times), (1.5, violence.lose_rings),
            (1, violence.reverse_rings), (1, violence.database_locked),
            (6, trouble.answer_to_delete), (2, trouble.answer_to_reading), (6, trouble.effect), (4, trouble.webhook),
            (1, trouble.delayed), (2, trouble.reading), (0.5, trouble.down), (1, trouble.rate_eaten),
            (0.7, trouble.flood), (1, trouble.malformed), (0.5, trouble.forged), (1, trouble.replayed),
            (1, trouble.neighbour_deleted), (1, trouble.record_added), (1, trouble.record_edited),
            (1, trouble.task_done), (1, trouble.task_moved), (1, trouble.task_deleted),
            (0.5, trouble.lead_unknown),
            (0.3, self.account_paused), (0.3, self.kind_paused), (0.7, self.voter_leaves),
        ]  # fmt: skip
        if connection.vendor == "sqlite":
            table += [(1.5, violence.disk_full_at_a_step)]
        else:
            table += [(1, violence.database_cut), (0.3, violence.database_crashed),
                      (0.5, violence.database_frozen), (0.4, violence.database_disk_full)]  # fmt: skip
        if settings.REDIS_URL:
            table += [(0.7, violence.redis_flushed), (0.4, violence.redis_paused), (0.7, violence.redis_cut)]
        only = self.plan["only"]
        return {fault.__name__: (weight, fault) for weight, fault in table if not only or fault.__name__ in only}

    def account_paused(self) -> str:
        self.people.pause()
        return "people pause the account"

    def kind_paused(self) -> str:
        self.people.pause_kind(self.rng.choice(KINDS))
        return "people pause a kind"

    def voter_leaves(self) -> str:
        name = self.rng.choice(APPROVERS)
        if any(span.end == float("inf") for span in self.people.ledger.locked_out[name]):
            return ""
        self.fault("people lose a voter")
        self.people.lock_out(name, self.rng.uniform(1, 8))
        return ""

    def calm(self) -> None:
        """No fault any more; people do what the pages ask them to; then everything must be over."""
        self.crm.faults.calm()
        self.violence.release()
        self.people.want, self.people.mischief = 0, 0
        for name in APPROVERS:
            self.people.let_in(name, Span(0))
        self.wait_for_the_end(CALM[self.plan["pace"]])
        wait(20, lambda: not self.crm.stats["busy"])
        self.recovery.over.wait(1)
        for request in DeletionRequest.objects.filter(state__in=DeletionRequest.open_states()):
            calls = [(call.number, call.state, call.note) for call in request.version.calls.all() if not call.is_over]
            self.stuck(f"{request} is {request.state} ({request.attention}) {calls[:3]}")
        if self.portal.trouble:
            self.stuck(self.portal.trouble)

    def wait_for_the_end(self, patience: float) -> None:
        """A busy machine is slow, and slow is not stuck: the patience begins anew with each request that ends."""
        begun = moved = time.monotonic()
        left = self.open_requests()
        while (left or not self.recovery.quiet()) and time.monotonic() < min(moved + patience, begun + LONGEST_CALM):
            time.sleep(0.5)
            self.violence.release()
            now_left = self.open_requests()
            moved = time.monotonic() if now_left < left else moved
            left = now_left

    def open_requests(self) -> int:
        try:
            return DeletionRequest.objects.filter(state__in=DeletionRequest.open_states()).count()
        except Exception:  # the database is coming back
            connection.close()
            return 10**6

    def fault(self, name: str) -> None:
        with self.counting:
            self.sums.fault(name)

    def stuck(self, what: str) -> None:
        with self.counting:
            self.sums.trouble("stuck", what)

    def say(self, text: str) -> None:
        print(f"[{self.seed}] {time.monotonic() - self.began:4.0f} s: {text}", file=sys.stderr, flush=True)

    def report(self) -> dict[str, Any]:
        states = Counter(DeletionRequest.objects.values_list("state", flat=True))
        return {
            "sums": self.sums.stored(),
            "recovery": self.recovery.worst,
            "revivals": self.portal.revivals,
            "requests": dict(states),
            "deletes": len(self.crm.app.deletes()),
            "calls": len(self.crm.app.arrivals),
            "receipts": len(self.crm.app.webhooks.posts),
            "people_met": dict(self.people.met),
            "failed_jobs": dict(self.portal.failed_jobs()),
            "missed": dict(self.missed),
            "seconds": round(time.monotonic() - self.began, 1),
            "load": os.getloadavg()[0],
            "plan": self.plan,
        }


def wait(seconds: float, done: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        time.sleep(0.2)


if __name__ == "__main__":
    result = Batch(json.loads(os.environ["CHAOS_PLAN"])).run()
    print(json.dumps(result), flush=True)
    os._exit(0)  # threads that still wait for a database that was taken away are nobody's concern
