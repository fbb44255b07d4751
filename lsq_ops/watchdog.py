"""Sees to it that the worker works, not only that its processes exist.

A killed idle worker can hang django-q2's cluster while every process looks alive. So the watchdog rings a job
that writes the time into a row, and looks whether the row moves.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from urllib.request import urlopen

from django.conf import settings
from django.db import connection

from lsq_ops import queue
from lsq_ops.models import Beat
from lsq_ops.models.timing import timing

HEARTBEAT_EVERY = 60.0
log = logging.getLogger(__name__)


class Watchdog:
    """Call `look()` about once a second; it calls `revive` when the worker has been silent too long."""

    def __init__(self, revive: Callable[[str], None]) -> None:
        self.revive = revive
        self.beat: datetime | None = None
        self.rung = self.outside = 0.0
        self.trouble = ""
        self.moved = time.monotonic()  # of this clock only: a step of the wall clock kills nobody

    def look(self) -> None:
        now = time.monotonic()
        if now - self.rung < timing().beat:
            return
        self.rung = now
        try:
            queue.ring("beat")
            Beat.show("watchdog")
            beat = Beat.newest("worker")
        except Exception as trouble:  # the database or Redis is away: nothing that a new worker would cure
            self.report(type(trouble).__name__)
            self.moved = now
            return
        finally:
            connection.close()
        self.report("")
        self.judge(beat, now)

    def report(self, trouble: str) -> None:
        """Once for each change, not at every beat."""
        if trouble != self.trouble:
            self.trouble = trouble
            log.error("The watchdog %s.", f"can't ring or read ({trouble})" if trouble else "can ring again")

    def judge(self, beat: datetime | None, now: float) -> None:
        if beat != self.beat:
            self.beat, self.moved = beat, now
            self.tell_outside(now)
        elif now - self.moved > timing().beat_stale:
            self.revive(f"was silent for {now - self.moved:.0f} s")
            self.moved = time.monotonic()

    def tell_outside(self, now: float) -> None:
        """HEARTBEAT_URL, opened beside the loop: a slow watcher must not make the watchdog late."""
        if settings.HEARTBEAT_URL and now - self.outside >= HEARTBEAT_EVERY:
            self.outside = now
            threading.Thread(target=_open, args=[settings.HEARTBEAT_URL], daemon=True).start()


def _open(url: str) -> None:
    try:
        with urlopen(url, timeout=10):  # noqa: S310  (settings let only http and https through)  # nosec B310 # settings let only http and https through
            pass
    except OSError as trouble:
        log.warning("HEARTBEAT_URL could not be opened: %s", type(trouble).__name__)
