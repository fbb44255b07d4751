"""A deployment as `manage.py up` makes it: web server and worker cluster under the project's own supervisor and
watchdog, on committed data, each a process group of its own; and what of it is alive."""

import contextlib
import os
import re
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from django.conf import settings
from django.db import connection

from lsq_ops.models import Beat
from lsq_ops.supervisor import Child, Supervisor, environment_with
from lsq_ops.watchdog import Watchdog

from .process_board import Board

HERE = "127.0.0.1"
READY_WITHIN = 60.0
GOES_ON_WITHIN = 60.0


class Portal:
    """The children and the thread that looks after them."""

    def __init__(self, folder: Path, board: Board, *, clusters: int, pace: str, out: TextIO) -> None:
        self.folder, self.board, self.pace = folder, board, pace
        self.supervisor = Supervisor(out)
        self.port = settings.PORT
        self.web = self.child("web", web_command(self.port))
        qcluster = [sys.executable, "-m", "tests.chaos.process_worker"]
        self.clusters = [self.child(f"worker{number + 1}", qcluster) for number in range(clusters)]
        self.over = threading.Event()
        self.trouble = ""
        self.revivals = 0
        self.keeper = threading.Thread(target=self.keep, name="supervisor", daemon=True)

    def child(self, name: str, command: list[str]) -> Child:
        values = {
            "LSQ_HOST": settings.LSQ_HOST,
            "PUBLIC_URL": settings.PUBLIC_URL,
            "CHAOS_BOARD": str(self.board.folder),
            "CHAOS_PACE": self.pace,
        }
        return Child(name, command, self.folder / f"{name}.log", environment_with(**values), settings.BASE_DIR, 10.0)

    def start(self) -> None:
        for child in (self.web, *self.clusters):
            self.supervisor.start(child)
        self.keeper.start()
        wait_until(self.answers, "the web server answers")
        wait_until(lambda: bool(self.board.having("pusher")), "the cluster works")

    def keep(self) -> None:
        """What `up` does each second, with the same watchdog."""
        dog = Watchdog(self.revive)
        try:
            while not self.over.wait(1):
                self.supervisor.look()
                dog.look()
        except Exception as trouble:  # the supervisor itself broke: that is a finding
            self.trouble = f"the supervisor broke: {type(trouble).__name__}: {trouble}"

    def revive(self, why: str) -> None:
        self.revivals += 1
        for cluster in self.clusters:
            self.supervisor.restart(cluster, why)

    def stop(self) -> None:
        self.over.set()
        if self.keeper.ident:
            self.keeper.join(30)
        for pid in self.processes():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGCONT)
        self.supervisor.stop()

    def failed_jobs(self) -> Counter[str]:
        """What ended a worker's job too early, by the first words of it."""
        found: Counter[str] = Counter()
        for child in self.clusters:
            text = child.log.read_text(errors="replace") if child.log.exists() else ""
            found.update(re.findall(r"Failed '[\w.]+' \([^)]*\) - (.{0,100})", text))
        return found

    def answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((HERE, self.port)) == 0

    def mains(self) -> list[int]:
        return [child.process.pid for child in self.clusters if child.process and child.alive()]

    def processes(self) -> list[int]:
        return [pid for role in ("worker", "monitor", "pusher", "sentinel") for pid in self.board.having(role)]


def web_command(port: int) -> list[str]:
    return [sys.executable, "-m", "waitress", f"--listen={HERE}:{port}", "--threads=8", "portal.wsgi:application"]


def wait_until(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"After {READY_WITHIN:.0f} s it is not so that {what}.")
        time.sleep(0.1)


class Recovery:
    """How long it takes until a worker works again, or the web server answers again, after each kill."""

    def __init__(self, portal: Portal, stuck: Callable[[str], None]) -> None:
        self.portal, self.stuck = portal, stuck
        self.waiting: list[tuple[str, float]] = []
        self.worst: dict[str, float] = {}
        self.lock = threading.Lock()
        self.beat, self.told = time.time(), False
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, name="recovery", daemon=True)

    def killed(self, name: str) -> None:
        with self.lock:
            self.waiting.append((name, time.time()))

    def watch(self) -> None:
        while not self.over.wait(0.25):
            beat, web = newest_beat(), self.portal.answers()
            now = time.time()
            self._listen(beat, now)
            with self.lock:
                self.waiting = [each for each in self.waiting if not self._settled(*each, beat, web, now)]

    def _listen(self, beat: float, now: float) -> None:
        """The longest time in which no worker did anything, whatever the reason: what other workers finish after a kill
        hides a cluster that then does nothing more."""
        if beat > self.beat:
            self.beat, self.told = beat, False
        silence = round(now - self.beat, 1)
        self.worst["silence"] = max(self.worst.get("silence", 0.0), silence)
        if silence > GOES_ON_WITHIN and not self.told:
            self.told = True
            self.stuck(f"no worker did anything for {GOES_ON_WITHIN:.0f} s")

    def _settled(self, name: str, at: float, beat: float, web: bool, now: float) -> bool:
        works = web if name == "kill web" else beat > at
        if works or now - at > GOES_ON_WITHIN:
            self.worst[name] = round(max(self.worst.get(name, 0.0), now - at), 1)
        if not works and now - at > GOES_ON_WITHIN:
            self.stuck(f"{name}: nothing worked for {GOES_ON_WITHIN:.0f} s")
        return works or now - at > GOES_ON_WITHIN

    def quiet(self) -> bool:
        with self.lock:
            return not self.waiting

    def stop(self) -> None:
        self.over.set()
        if self.thread.ident:
            self.thread.join(30)


def newest_beat() -> float:
    """When a worker last did something (epoch); 0 where the database can't be asked."""
    try:
        newest = Beat.newest("worker")
    except Exception:
        return 0.0
    finally:
        connection.close()
    return newest.timestamp() if newest else 0.0
