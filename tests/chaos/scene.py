"""The stage of one scenario: who acts, what happens when, and where an act is cut short.

One thread, one database connection. Whoever acts may be killed at any statement, commit, step of a send, sleep or ring;
may be stopped where no transaction is open, while time goes on and others act; and time that is slept or spent on
the wire is time in which whatever is due happens.
"""

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, connection

from lsq_ops.services import agenda

from . import clock as clocks
from .bell import Bell
from .clock import Clock
from .crm import Crm
from .plan import Fault, Plan
from .sums import Sums

BEAT = 10.0
LINGER = 3.0
JOB = 40.0
DEEPEST = 3
ASKS_THE_TIME = ("clock_timestamp", 'INTO "lsq_ops_vote"', 'INTO "lsq_ops_attempt"', 'UPDATE "lsq_ops_deletionrequest"')
DUE = """
SELECT MIN(t) FROM (
  SELECT MIN(starts_at) AS t FROM lsq_ops_deletionrequest WHERE state = 'approved' AND starts_at > {now}
  UNION ALL SELECT MIN(expires_at) FROM lsq_ops_deletionrequest
    WHERE state IN ('pending', 'approved') AND expires_at > {now}
  UNION ALL SELECT MIN(not_before) FROM lsq_ops_deletioncall
    WHERE state IN ('planned', 'verifying') AND not_before > {now}
  UNION ALL SELECT MIN(claimed_until) FROM lsq_ops_deletioncall WHERE state = 'planned' AND claimed_until > {now}
  UNION ALL SELECT MIN(not_before) FROM lsq_ops_activitysnapshot WHERE read_at IS NULL AND not_before > {now}
  UNION ALL SELECT MIN(claimed_until) FROM lsq_ops_activitysnapshot WHERE read_at IS NULL AND claimed_until > {now}
  UNION ALL SELECT MIN(look_again_at) FROM lsq_ops_deletionrequest WHERE look_again_at > {now}
  UNION ALL SELECT MIN(lease_until) FROM lsq_ops_attempt WHERE state = 'intent' AND lease_until > {now}
) AS times
"""


class Killed(BaseException):
    """kill -9: nothing of the process runs after this, whatever it would like to catch."""


@dataclass
class Actor:
    kind: str  # worker, person, door, or harness: whom nothing happens to
    dead: bool = False
    stopped: bool = False
    lost: bool = False  # its connection to the database is gone
    hit: bool = False  # a fault met it: what it raises then is no surprise
    writes: int = 0


@dataclass
class Scene:
    seed: int
    clock: Clock
    sums: Sums
    random: Random = field(init=False)
    plan: Plan = field(init=False)
    crm: Crm = field(init=False)
    bell: Bell = field(init=False)
    actors: list[Actor] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    longest_rest: float = 3600.0  # seconds without a beat, while nothing is due by the tables

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.plan, self.crm = Plan(self.random), Crm(self.random)
        self.bell = Bell(self)
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()
        self._depth, self._lingered, self._next_beat = 0, 0, self.clock.now + BEAT
        self.clock.pass_time = self.sleep

    # --- Time ------------------------------------------------------------------------------------------------

    def at(self, when: float, what: Callable[[], object]) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), what))
        self.beat_soon(when)

    def later(self, seconds: float, what: Callable[[], object]) -> None:
        self.at(self.clock.now + seconds, what)

    def sleep(self, seconds: float) -> None:
        fault = self.plan.take("sleep") if self.actors[-1].kind == "worker" else None
        if fault:
            self.fire(fault)
            if fault.name.startswith("kill"):
                self.kill(self.actors[-1])
            self.stop(self.actors[-1], 40)
        self.pass_time(seconds)

    def pass_time(self, seconds: float) -> None:
        """Somebody sleeps or waits for an answer; the others go on."""
        until = self.clock.now + seconds
        if connection.in_atomic_block or self._depth >= DEEPEST:
            self.clock.now = until
        else:
            self.run_until(until)

    def run_until(self, until: float) -> None:
        """Whatever happens until then: what was foreseen, and the beats of the worker."""
        self._depth += 1
        try:
            while (when := self._next()) <= until:
                self.clock.now = max(self.clock.now, when)
                if self._events and self._events[0][0] <= when:
                    heapq.heappop(self._events)[2]()
                else:
                    self._beat()
            self.clock.now = max(self.clock.now, until)
        finally:
            self._depth -= 1

    def _next(self) -> float:
        return min(self._events[0][0], self._next_beat) if self._events else self._next_beat

    def next_moment(self) -> float:
        return max(self._next(), self.clock.now)

    def beat_soon(self, when: float | None = None) -> None:
        """A beat comes every ten seconds; those that would find nothing to do are left out."""
        grid = (int((when or self.clock.now) / BEAT) + 1) * BEAT
        self._next_beat = min(self._next_beat, grid)

    def _beat(self) -> None:
        self._next_beat = self.clock.now + self.longest_rest
        self.work(beat)
        self.rest()

    def rest(self) -> None:
        """Until the next beat that has something to do; a worker waits for what is due so soon, but not for ever."""
        with self.harness(), connection.cursor() as cursor:
            now = {"sqlite": "'" + self.clock.datetime().isoformat(" ")[:26] + "'"}
            cursor.execute(DUE.format(now=now.get(connection.vendor, f"to_timestamp({self.clock.now:.6f})")))
            due = cursor.fetchone()[0]
        if due is None:
            return
        wait = max(clocks.epoch(due) - self.clock.now, 0.0)
        if wait > LINGER or self._lingered >= 3:
            self.beat_soon(self.clock.now + wait)
            self._lingered = 0
        else:
            self._next_beat = min(self._next_beat, self.clock.now + wait + 0.01)
            self._lingered += 1

    # --- Acting ----------------------------------------------------------------------------------------------

    def act(self, kind: str, what: Callable[[], object]) -> tuple[Actor, object]:
        """Let somebody do something; what came of it, or the exception that ended it."""
        actor = Actor(kind)
        self.actors.append(actor)
        result: object = None
        try:
            result = what()
        except (Killed, Exception) as ended:
            result = ended
        finally:
            self.actors.pop()
        if isinstance(result, Killed | DatabaseError | InterfaceError) or actor.lost:
            self._hang_up()
        if actor.hit:
            self.beat_soon()  # the supervisor starts it anew, and its watchdog rings
        return actor, result

    def work(self, job: Callable[["Scene"], object]) -> bool:
        """A job of the queue; True where it changed something. What it raises is the queue's to log."""
        actor, result = self.act("worker", lambda: job(self))
        if isinstance(result, Exception) and not actor.hit:
            self.crashes.append(f"{type(result).__name__}: {result}")
        return actor.writes > 0

    @contextmanager
    def harness(self) -> Iterator[None]:
        """The harness itself looks or writes: nothing happens to it."""
        self.actors.append(Actor("harness"))
        try:
            yield
        finally:
            self.actors.pop()

    def _hang_up(self) -> None:
        """The end of a process ends its connection and what it had begun. While another one is stopped on the same
        connection, only what was begun ends."""
        if connection.in_atomic_block or connection.connection is None:
            return
        with suppress(DatabaseError, InterfaceError):
            connection.connection.rollback()
            if not self.actors:
                connection.close()

    # --- Where something may go wrong ------------------------------------------------------------------------

    def fire(self, fault: Fault) -> None:
        self.sums.fault(fault.name)
        if self.actors:
            self.actors[-1].hit = True

    def statement(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Around each statement: Django's execute_wrapper."""
        actor = self.actors[-1] if self.actors else Actor("harness")
        if actor.dead and "ROLLBACK" not in sql:
            raise Killed
        if actor.lost:
            raise InterfaceError("connection already closed")
        self.clock.tick()
        if actor.kind == "harness":
            return self._execute(execute, sql, params, many, context)
        fault = self.plan.take("statement", actor=actor.kind, inside=connection.in_atomic_block, sql=sql)
        if fault:
            self.fire(fault)
            self._before(actor, fault)
        result = self._execute(execute, sql, params, many, context)
        if sql.startswith(("INSERT", "UPDATE", "DELETE")) and "lsq_ops_beat" not in sql:
            actor.writes += 1
        if fault and fault.name.startswith("kill after"):
            self.kill(actor)
        return result

    def _execute(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if connection.vendor == "postgresql" and any(word in sql for word in ASKS_THE_TIME):
            clocks.tell(self.clock, connection.connection)
        return execute(sql, params, many, context)

    def _before(self, actor: Actor, fault: Fault) -> None:
        name = fault.name
        if name.startswith("kill before"):
            self.kill(actor)
        elif name.startswith("locked"):
            raise OperationalError("database is locked")
        elif name.startswith("disk full"):
            raise OperationalError("database or disk is full")
        elif name.startswith("connection lost"):
            actor.lost = True
            raise OperationalError("server closed the connection unexpectedly")
        elif name.startswith("stop"):
            self.stop(actor, fault.data)
        elif name.startswith("second worker"):
            self.work(work)

    def commit(self, really: Callable[[], None]) -> None:
        """Around each COMMIT."""
        actor = self.actors[-1] if self.actors else Actor("harness")
        if actor.dead:
            raise Killed
        fault = self.plan.take("commit") if actor.kind == "worker" else None
        if fault is None:
            return really()
        self.fire(fault)
        if fault.name == "kill before commit":
            connection.connection.rollback()  # as the database does for a client that is gone
            self.kill(actor)
        if fault.name == "disk full at commit":
            raise OperationalError("database or disk is full")
        really()
        if fault.name == "kill after commit":
            self.kill(actor)
        actor.lost = True
        raise OperationalError("server closed the connection unexpectedly")

    def step(self, step: str, *, write: bool) -> None:
        """A named step of a send."""
        actor = self.actors[-1]
        fault = self.plan.take("step", step=step, write=write) if actor.kind == "worker" else None
        if fault is None:
            return
        self.fire(fault)
        if fault.name.startswith("kill"):
            self.kill(actor)
        elif fault.name.startswith("stop"):
            self.stop(actor, fault.data)
        else:
            self.work(work)

    def stop(self, actor: Actor, seconds: float) -> None:
        """SIGSTOP, and SIGCONT so much later; meanwhile a second worker does the work."""
        actor.stopped = True
        self.run_until(self.clock.now + seconds)
        actor.stopped = False

    def kill(self, actor: Actor) -> None:
        actor.dead = True
        raise Killed


# --- The worker's door -------------------------------------------------------------------------------------------


def work(scene: Scene) -> None:
    """jobs.work without its waiting: what is due within seconds gets a job of its own, so that time can pass."""
    until, left = scene.clock.now + JOB, True
    while left and scene.clock.now < until:
        agenda.tend()
        left = False
        while scene.clock.now < until and agenda.do_one(until + agenda.TURN):
            left = True


def beat(scene: Scene) -> None:
    """jobs.beat."""
    agenda.beat()
    agenda.catch_up()
    work(scene)
