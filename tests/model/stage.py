"""One example's world: a database of its own, virtual time, a LeadSquared in memory, and workers that die, stall or
overtake each other at any statement. One thread: who overtakes does it in the middle of the other's work."""

import heapq
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError, connection
from django.db.backends.signals import connection_created
from django.test import override_settings

from lsq_ops import queue
from lsq_ops.models import DeletionRequest, LostRace, audit
from lsq_ops.services import accounts, agenda, notices, reading
from lsq_ops.services.may import Barred
from tests.chaos import clock as clocks
from tests.chaos.clock import Clock
from tests.chaos.crm import Crm

from .book import Book
from .wire import Wire

if TYPE_CHECKING:
    from .judge import Judge

KEYS = {
    "SANDBOX_MODE": False,
    "LSQ_HOST": "https://api.example.invalid",
    "LSQ_ACCESS_KEY": "made-up-access-key",
    "LSQ_SECRET_KEY": "made-up-secret-key",
    "LSQ_RATE_LIMIT": (25, 5.0),
    "LSQ_TIME_ZONE": "UTC",
    "LSQ_TASKS_PER_CALL": 2,
    "PUBLIC_URL": "https://portal.example.invalid",
}
# PostgreSQL is told the time before each statement that asks for it, in its text or in a guard.
ASKS = ("clock_timestamp", 'INTO "lsq_ops_vote"', 'INTO "lsq_ops_attempt"', "lsq_ops_deletionrequest", "lsq_ops_vote")
PIECES = 3  # what an overtaking worker does


class Killed(BaseException):
    """kill -9: nothing of the process runs after this, whatever it would like to catch."""


@dataclass
class Fate:
    """What meets a worker: it dies or finds the database locked at its n-th statement; it is overtaken, or stalled for
    so many seconds and then overtaken, just before its n-th transaction."""

    what: str
    after: int
    seconds: float = 0


@dataclass
class Actor:
    kind: str  # worker, person, door; or looker, to whom nothing happens
    fate: Fate | None = None
    dead: bool = False
    hit: bool = False


class Complaints(logging.Handler):
    """Errors that the worker contains and logs: here they are errors."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.getMessage()} {record.exc_info and record.exc_info[1]!r}")


@dataclass
class Stage:
    clock: Clock
    crm: Crm
    book: Book
    judge: "Judge" = field(init=False)
    wire: Wire = field(init=False)
    at_send: list[tuple[str, Callable[[], object]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.wire = Wire(self)
        self.complaints = Complaints()
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()
        self._actors: list[Actor] = []
        self.clock.pass_time = self.pass_time

    @staticmethod
    def _hurry(sender: Any, connection: Any, **kwargs: Any) -> None:
        if connection.vendor == "sqlite":  # no power is cut here
            connection.connection.execute("PRAGMA synchronous = OFF")

    @contextmanager
    def open(self) -> Iterator[None]:
        """Everything of the portal that is replaced: its clock, its wire and its doorbell."""
        reading._found.cache_clear()  # an example replays alike whatever ran before it
        with ExitStack() as patches:
            patches.enter_context(override_settings(**KEYS))
            connection_created.connect(self._hurry)
            patches.callback(connection_created.disconnect, self._hurry)
            patches.enter_context(clocks.installed(self.clock))
            patches.enter_context(patch.object(accounts, "Transport", self.wire.transport))
            patches.enter_context(patch.object(queue, "_put", lambda job, row_id: None))
            patches.enter_context(connection.execute_wrapper(self._statement))
            begin = partial(self._begin, connection.set_autocommit)
            patches.enter_context(patch.object(connection, "set_autocommit", begin))
            patches.enter_context(patch.object(notices, "send_due", lambda: False))  # mail would be most of the work
            patches.enter_context(patch.object(agenda.log, "handlers", [self.complaints]))
            patches.enter_context(patch.object(agenda.log, "propagate", False))
            yield

    # --- Time ------------------------------------------------------------------------------------------------

    def later(self, seconds: float, what: Callable[[], object]) -> None:
        heapq.heappush(self._events, (self.clock.now + seconds, next(self._numbers), what))

    def pass_time(self, seconds: float) -> None:
        """Jobs and webhooks come when their time does, but never in the middle of somebody's transaction."""
        until = self.clock.now + seconds
        while self._events and self._events[0][0] <= until and not connection.in_atomic_block:
            when, _, what = heapq.heappop(self._events)
            self.clock.now = max(self.clock.now, when)
            what()
        self.clock.now = max(self.clock.now, until)

    # --- Acting ----------------------------------------------------------------------------------------------

    def act(self, kind: str, what: Callable[[], object], fate: Fate | None = None) -> object:
        """Let somebody do something; what came of it. A refusal is an answer; any other exception is a bug of the
        portal, unless fate had its hand in it."""
        actor = Actor(kind, fate)
        self._actors.append(actor)
        try:
            return what()
        except (Barred, LostRace) as no:
            return no
        except (Killed, OperationalError, InterfaceError) as end:
            if not actor.hit:
                raise
            if isinstance(end, Killed):
                connection.close()
            return end
        finally:
            self._actors.pop()

    def person(self, name: str, what: Callable[[User], object]) -> object:
        return self.act("person", lambda: what(User.objects.get(username=name)))

    def work(self, pieces: int, fate: Fate | None = None) -> object:
        """A worker that tends, and does so many pieces of work or until none is left."""
        return self.act("worker", lambda: self._pieces(pieces), fate)

    def _pieces(self, pieces: int) -> None:
        while pieces > 0:
            agenda.tend()
            before = pieces
            while pieces > 0 and agenda.do_one():
                pieces -= 1
            if pieces == before:
                return

    def beat(self) -> object:
        return self.act("worker", agenda.catch_up)

    def interrupt(self, where: str) -> None:
        """Somebody does something while a delete is on its way."""
        assert not connection.in_atomic_block, "a delete is sent inside a transaction"
        for armed in [armed for armed in self.at_send if armed[0] == where]:
            self.at_send.remove(armed)
            armed[1]()

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Nothing happens to who only looks."""
        self._actors.append(Actor("looker"))
        try:
            yield
        finally:
            self._actors.pop()

    def die(self) -> None:
        """Whoever is at work is killed here."""
        actor = self._actors[-1]
        actor.dead = actor.hit = True
        raise Killed

    def see(self, pk: int) -> DeletionRequest:
        return DeletionRequest.objects.select_related("account").get(pk=pk)

    # --- Statements ------------------------------------------------------------------------------------------

    def _statement(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        actor = self._actors[-1] if self._actors else Actor("looker")
        if actor.dead and "ROLLBACK" not in sql:
            raise Killed
        self.clock.tick()
        if actor.fate and actor.fate.what in ("dies", "locked"):
            self._meet(actor, actor.fate)
        if connection.vendor == "postgresql" and any(word in sql for word in ASKS):
            clocks.tell(self.clock, connection.connection)
        return execute(sql, params, many, context)

    def _begin(self, really: Callable[..., None], autocommit: bool, *arguments: Any, **options: Any) -> None:
        """Around the begin of each transaction: what was read before it may be old by then."""
        actor = self._actors[-1] if self._actors else Actor("looker")
        if not autocommit and actor.fate and actor.fate.what in ("overtaken", "stalled"):
            self._meet(actor, actor.fate)
        really(autocommit, *arguments, **options)

    def _meet(self, actor: Actor, fate: Fate) -> None:
        fate.after -= 1
        if fate.after > 0:
            return
        actor.fate = None
        if fate.what == "dies":
            self.die()
        elif fate.what == "locked":
            actor.hit = True
            raise OperationalError("database is locked")
        else:
            self._overtake(fate.seconds if fate.what == "stalled" else 0.0)

    def _overtake(self, seconds: float) -> None:
        """Another worker, which is a process of its own: it knows nothing of the events that this one collects."""
        mine, audit._local.events = audit._events(), None
        try:
            self.pass_time(seconds)
            self.work(PIECES)
        finally:
            audit._local.events = mine
