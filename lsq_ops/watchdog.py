"""Sees to it that the worker works, not only that its processes exist.

A killed idle worker can hang django-q2's cluster while every process looks alive. So the watchdog rings a job
that writes the time into a row, and looks whether the row moves.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import connection

from lsq_ops import queue
from lsq_ops.models import Beat, db_now
from lsq_ops.models.timing import span, timing
from lsq_ops.services import heartbeat

LONGEST = 8  # times beat_stale
OWN_SILENCE = 10  # times beat_stale: each ring goes to one machine of all, so that one may go without for a while
log = logging.getLogger(__name__)


class Watchdog:
    """Call `look()` about once a second; it calls `revive` when the worker has been silent too long."""

    def __init__(self, revive: Callable[[str], None]) -> None:
        self.revive = revive
        self.beat: datetime | None = None
        self.rung = 0.0
        self.trouble = ""
        self.begun = self.moved = time.monotonic()  # of this clock only: a step of the wall clock kills nobody
        self.longer = 1  # a busy machine may take longer to start it than it may be silent
        self.own: datetime | None = None
        self.own_moved = self.moved

    def look(self) -> None:
        now = time.monotonic()
        if now - self.rung < timing().beat:
            return
        self.rung = now
        try:
            queue.ring("beat")
            Beat.show("watchdog")
            beat, own = Beat.newest("worker"), Beat.seen_here("worker")
            self.tell_outside(now)
        except Exception as trouble:  # the database or Redis is away: nothing that a new worker would cure
            self.report(type(trouble).__name__)
            self.moved = self.own_moved = now
            heartbeat.keep_without_database()
            return
        finally:
            connection.close()
        self.report("")
        self.judge(beat, now)
        self.judge_own(own, now)

    def report(self, trouble: str) -> None:
        """Once for each change, not at every beat."""
        if trouble != self.trouble:
            self.trouble = trouble
            log.error("The watchdog %s.", f"can't ring or read ({trouble})" if trouble else "can ring again")

    def judge(self, beat: datetime | None, now: float) -> None:
        if beat != self.beat:
            self.beat, self.moved, self.longer = beat, now, 1
        elif now - self.moved > timing().beat_stale * self.longer:
            self.longer = min(self.longer * 2, LONGEST)
            self.revive(f"was silent for {now - self.moved:.0f} s")
            self.moved = self.own_moved = time.monotonic()

    def judge_own(self, own: datetime | None, now: float) -> None:
        """Others that are at work would hide a cluster of this machine that hangs."""
        if own != self.own:
            self.own, self.own_moved = own, now
        elif now - self.own_moved > OWN_SILENCE * timing().beat_stale:
            self.revive(f"was silent for {now - self.own_moved:.0f} s, while others worked")
            self.moved = self.own_moved = time.monotonic()

    def tell_outside(self, now: float) -> None:
        """Not at once after a start: the worker that it would tell of has not shown itself yet."""
        if now - self.begun > timing().beat_stale:
            heartbeat.keep()


def silent_here() -> str:
    """Why this machine's worker or its watchdog counts as silent; "" where both were seen lately."""
    now, stale = db_now(), timing().beat_stale
    for part, seconds in (("watchdog", 2 * stale), ("worker", OWN_SILENCE * stale)):
        seen = Beat.seen_here(part)
        if seen is None:
            return f"No {part} of {settings.MACHINE} was ever seen."
        if (age := (now - seen).total_seconds()) > seconds:
            return f"The {part} of {settings.MACHINE} was last seen {span(age)} ago."
    return ""
