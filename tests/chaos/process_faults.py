"""What happens to the portal's own processes, its queue and its database: kill -9, SIGSTOP, rings that come twenty
times, backwards or never, a database that is locked, cut off or crashed."""

import contextlib
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection

from lsq_ops import queue
from lsq_ops.models import DeletionRequest

from .process_board import STEPS, Board
from .process_portal import Portal, Recovery

SENDING = ("claimed", "committed", "bytes_left", "answered")  # the steps that matter most come most often
LOCKED = "lsq_ops_attempt lsq_ops_deletionrequest lsq_ops_budgetslot lsq_ops_audithead lsq_ops_webhookreceipt".split()


class Violence:
    """Each method does one fault and says what it was, or "" where it could not."""

    def __init__(self, portal: Portal, recovery: Recovery, rng: random.Random) -> None:
        self.portal, self.recovery, self.rng = portal, recovery, rng
        self.board: Board = portal.board
        self.fault: Callable[[str], None] = lambda name: None
        self.database_away: list[tuple[float, float]] = []
        self.heavy = threading.Lock()  # one trouble of the database at a time
        self.stopped: dict[int, float] = {}

    # --- Orders at named steps (they count when somebody has come there, see `collect`) ---------------------

    def kill_at_a_step(self) -> str:
        self._arm("kill")
        return ""

    def stop_at_a_step(self) -> str:
        """Short, longer than the budget's fallback, longer than every lease."""
        self._arm("stop", self.rng.choice((1.0, 4.0, 14.0, 20.0)))
        return ""

    def disk_full_at_a_step(self) -> str:
        if connection.vendor == "sqlite":
            self._arm("full", self.rng.choice((0.3, 1.0, 3.0)))
        return ""

    def _arm(self, do: str, seconds: float = 0) -> None:
        """A process that was stopped within a transaction would only hold up all others: that is "database locked"."""
        steps = [name for name in STEPS if do == "kill" or name not in ("commit", "statement")]
        step = self.rng.choice([*steps, *SENDING, *SENDING])
        if not self.board.armed(step):
            self.board.arm(step, do, seconds=seconds, skip=self.rng.randint(1, 40) if step == "statement" else 0)

    def collect(self) -> None:
        """Count what was carried out; who was stopped goes on after a while."""
        for hit in self.board.hits():
            name = f"{hit.do} at {hit.step}"
            self.fault(name)
            if hit.do == "stop":
                self.stopped[hit.pid] = time.monotonic() + hit.seconds
            else:
                self.recovery.killed(name)
        for pid, until in list(self.stopped.items()):
            if time.monotonic() > until:
                self._signal(pid, signal.SIGCONT)
                del self.stopped[pid]

    def release(self) -> None:
        """Calm: no order waits, nobody is stopped."""
        self.board.disarm()
        self.collect()
        for pid in list(self.stopped):
            self._signal(pid, signal.SIGCONT)
        self.stopped.clear()

    # --- Kills from outside --------------------------------------------------------------------------------

    def kill_worker(self) -> str:
        return self._kill("kill busy worker", [pid for pid in self.board.having("worker") if self.board.busy(pid)])

    def kill_idle_worker(self) -> str:
        """May hang the whole cluster: its queue's lock dies with the process."""
        idle = [pid for pid in self.board.having("worker") if not self.board.busy(pid)]
        return self._kill("kill idle worker", idle)

    def kill_monitor(self) -> str:
        return self._kill("kill monitor", self.board.having("monitor"))

    def kill_pusher(self) -> str:
        return self._kill("kill pusher", self.board.having("pusher"))

    def kill_sentinel(self) -> str:
        return self._kill("kill sentinel", self.board.having("sentinel"))

    def kill_main(self) -> str:
        return self._kill("kill main", self.portal.mains())

    def kill_web(self) -> str:
        process = self.portal.web.process
        return self._kill("kill web", [process.pid] if process and self.portal.web.alive() else [])

    def _kill(self, name: str, pids: list[int]) -> str:
        if not pids or not self._signal(self.rng.choice(pids), signal.SIGKILL):
            return ""
        self.recovery.killed(name)
        return name

    def stop_somebody(self) -> str:
        pids = self.portal.processes()
        if not pids:
            return ""
        pid = self.rng.choice(pids)
        if pid in self.stopped or not self._signal(pid, signal.SIGSTOP):
            return ""
        self.stopped[pid] = time.monotonic() + self.rng.uniform(0.5, 4)
        return "stop at random"

    def _signal(self, pid: int, number: int) -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            return True
        return False

    # --- The queue -----------------------------------------------------------------------------------------

    def ring_twenty_times(self) -> str:
        request = DeletionRequest.objects.order_by("-id").first()
        for _ in range(20 if request else 0):
            queue.ring("work", request.pk if request else None)
        return "ring twenty times" if request else ""

    def lose_rings(self) -> str:
        """For two seconds no ring arrives."""
        return "rings lost" if self._rings_of(2.0) else ""

    def reverse_rings(self) -> str:
        rings = self._rings_of(1.0)
        for payload in reversed(rings):
            self._put_back(payload)
        return "rings reversed" if len(rings) > 1 else ""

    def _rings_of(self, seconds: float) -> list[Any]:
        """All that come within so many seconds, taken out of the queue."""
        taken: list[Any] = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            taken += self._take_rings()
            time.sleep(0.02)
        return taken

    def _take_rings(self) -> list[Any]:
        from django_q.brokers import get_broker
        from django_q.models import OrmQ

        broker = get_broker()
        if settings.REDIS_URL:
            found = []
            while (payload := broker.connection.lpop(broker.list_key)) is not None:
                found.append(payload)
            return found
        rows = list(OrmQ.objects.filter(lock__lte=_now()))
        OrmQ.objects.filter(pk__in=[row.pk for row in rows]).delete()
        return [row.payload for row in rows]

    def _put_back(self, payload: Any) -> None:
        from django_q.brokers import get_broker

        get_broker().enqueue(payload)

    # --- Redis ---------------------------------------------------------------------------------------------

    def redis_flushed(self) -> str:
        self._redis().flushall()
        return "redis flushed"

    def redis_paused(self) -> str:
        pid = int(self._redis().info("server")["process_id"])
        self._signal(pid, signal.SIGSTOP)
        time.sleep(self.rng.uniform(0.5, 4))
        self._signal(pid, signal.SIGCONT)
        return "redis paused"

    def redis_cut(self) -> str:
        self._redis().client_kill_filter(_type="normal", skipme=True)
        return "redis connections cut"

    def _redis(self) -> Any:
        import redis

        return redis.Redis.from_url(settings.REDIS_URL)

    # --- The database --------------------------------------------------------------------------------------

    def database_locked(self) -> str:
        """A few seconds; now and then longer than anybody waits."""
        seconds = 22.0 if self.rng.random() < 0.05 else self.rng.uniform(0.5, 4)
        with self._away():
            if connection.vendor == "sqlite":
                with contextlib.closing(sqlite3.connect(settings.DATABASES["default"]["NAME"], timeout=30)) as other:
                    other.execute("BEGIN EXCLUSIVE")
                    time.sleep(seconds)
                    other.rollback()
            else:
                with self._other() as other:
                    other.execute(f"LOCK TABLE {self.rng.choice(LOCKED)} IN ACCESS EXCLUSIVE MODE")
                    time.sleep(seconds)
        return "database locked"

    def database_cut(self) -> str:
        """All connections, or one of them, are ended by the server."""
        one = self.rng.random() < 0.5
        with self._away(), self._other() as other:
            sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            sql += " AND pid <> pg_backend_pid() AND datname = current_database()"
            other.execute(sql + (" ORDER BY random() LIMIT 1" if one else ""))
        return "database connection lost" if one else "database connections all lost"

    def database_crashed(self) -> str:
        """kill -9 of one server process: PostgreSQL ends all others, and starts anew out of its log."""
        with self._away():
            self._signal(self._server_process(), signal.SIGKILL)
            time.sleep(0.5)
        return "database crashed"

    def database_frozen(self) -> str:
        """One server process stands still for a while, perhaps with locks in its hands."""
        with self._away():
            pid = self._server_process()
            self._signal(pid, signal.SIGSTOP)
            time.sleep(self.rng.uniform(0.5, 3))
            self._signal(pid, signal.SIGCONT)
        return "database process frozen"

    def database_disk_full(self) -> str:
        """One server process can't write any more: where it was to write its log, the server goes down for it."""
        import resource

        with self._away(), contextlib.suppress(ProcessLookupError, PermissionError):
            pid = self._server_process()
            before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            time.sleep(self.rng.uniform(0.5, 2))
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
            return "database disk full"
        return ""

    @contextlib.contextmanager
    def _away(self) -> Any:
        with self.heavy:
            begun = time.time()
            self.database_away.append((begun, float("inf")))
            try:
                yield
            finally:
                self.database_away[-1] = (begun, time.time())

    def _other(self) -> Any:
        """A connection of nobody's, in a transaction that is rolled back."""
        import psycopg

        own = settings.DATABASES["default"]
        address = {"host": own["HOST"], "port": own["PORT"], "user": own["USER"], "dbname": own["NAME"]}
        return psycopg.connect(**address)

    def _server_process(self) -> int:
        """The server's process of one of the portal's connections."""
        with self._other() as other:
            sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            rows = other.execute(sql + " AND datname = current_database() ORDER BY random() LIMIT 1").fetchall()
        return int(rows[0][0])


def _now() -> Any:
    from django.utils import timezone

    return timezone.now()
