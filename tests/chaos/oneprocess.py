"""Scenarios in one process: the real services and database, an injected transport, virtual time."""

import gc
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from django.db import connection
from django.test import override_settings

from lsq_ops import queue
from lsq_ops.services import accounts, reading

from . import clock, setting
from .clock import Clock
from .databases import Databases
from .plan import Fault
from .scene import Scene
from .story import Story
from .sums import Sums

KEYS = {
    "SANDBOX_MODE": False,
    "LSQ_HOST": "https://api.example.invalid",
    "LSQ_ACCESS_KEY": "made-up-access-key",
    "LSQ_SECRET_KEY": "made-up-secret-key",
    "LSQ_RATE_LIMIT": (25, 5.0),
    "LSQ_TIME_ZONE": "",
}
# Faults drawn for one scenario, of which a third or more find their occasion: a quiet day, a bad one, and ruin.
DRAWN = ((6, 22), (30, 60), (100, 160))
Keep = Callable[[int, Sums, float], None]


def run(
    seed: int,
    faults: int,
    *,
    skip: int = 0,
    keep: Keep = lambda number, sums, seconds: None,
    provoke: Callable[[], list[Fault]] = list,
) -> Sums:
    """Scenarios of this seed until so many faults have happened; the first `skip` are left out. `provoke`: faults that
    every scenario has besides its own."""
    total, number = Sums(seed), skip
    with Harness() as harness:
        while total.faults < faults:
            begun = time.monotonic()
            sums = harness.scenario(seed_of(seed, number), provoke())
            keep(number, sums, time.monotonic() - begun)
            total.add(sums)
            number += 1
    return total


def seed_of(seed: int, number: int) -> int:
    return seed * 1_000_000 + number


class Harness:
    """A prepared database, and the patches that every scenario needs."""

    def __enter__(self) -> "Harness":
        with ExitStack() as stack:  # whatever fails here, the tests that follow get their own database back
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lsq-ops-chaos-")))
            self.databases = Databases(folder)
            stack.callback(self.databases.close)
            stack.enter_context(override_settings(**KEYS))
            self.template = self.databases.prepare("prepared")
            self._prepare()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *trouble: object) -> None:
        self._stack.close()

    def _prepare(self) -> None:
        with stage(Scene(0, Clock(), Sums(0))) as story:
            with story.scene.harness():
                setting.make_people(story)
            setting.prove_kinds(story)
        self.now = story.scene.clock.now
        gc.freeze()

    def scenario(self, seed: int, provoked: Sequence[Fault] = ()) -> Sums:
        copy = self.databases.copy(self.template, f"scenario_{seed}")
        virtual = Clock()
        virtual.now = self.now
        sums = Sums(seed)
        with stage(Scene(seed, virtual, sums)) as story:
            few, many = (0, 2) if provoked else story.scene.random.choice(DRAWN)
            story.tell(story.scene.random.randint(few, many), provoked)
        self.databases.drop(copy)
        for crash in sorted(set(story.scene.crashes)):
            print(f"seed {seed}: a job ended with {crash}", file=sys.stderr)
        return sums


class Crashes(logging.Handler):
    """What the portal logs as an error of its own, although nothing was done to it."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(logging.ERROR)
        self.scene = scene

    def emit(self, entry: logging.LogRecord) -> None:
        if self.scene.actors and not self.scene.actors[-1].hit:
            trouble = entry.exc_info[1] if entry.exc_info else None
            self.scene.crashes.append(f"{entry.getMessage()} {trouble!r}")


@contextmanager
def _listening(scene: Scene) -> Iterator[None]:
    log, handler = logging.getLogger("lsq_ops"), Crashes(scene)
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = True


@contextmanager
def stage(scene: Scene) -> Iterator[Story]:
    """Everything of the portal that the harness replaces: its clock, its wire and its doorbell."""
    story = Story(scene)
    reading._found.cache_clear()  # a scenario replays alike whatever ran before it
    with (
        clock.installed(scene.clock),
        patch.object(accounts, "Transport", story.wire.transport),
        patch.object(queue, "_put", scene.bell.put),
        connection.execute_wrapper(scene.statement),
        _commits(scene),
        _listening(scene),
    ):
        yield story


@contextmanager
def _commits(scene: Scene) -> Iterator[None]:
    really: Callable[[], None] = connection._commit  # type: ignore[attr-defined]
    with patch.object(connection, "_commit", lambda: scene.commit(really)):
        yield
