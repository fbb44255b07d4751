"""Where examples are played: a database that is prepared once, with people, a mirror and a proven account, and a copy
of it for each example. Nothing is cleaned up by deleting rows: the guards would refuse."""

import copy
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from lsq_ops.services import leads
from tests.chaos.clock import Clock
from tests.chaos.crm import OWNER_CHANGE, STAGE_CHANGE, Crm
from tests.chaos.databases import Databases

from .book import Book, Wish
from .judge import Judge
from .people import OVER, People, believed, set_up
from .stage import Stage

HOUR, DAY = 3600.0, 86400.0
KINDS = ("activities", "tasks", "owner_history", "stage_history")
# What stands on the two leads and the one that proves the kinds; the codes of a lead, oldest first, 7 hours apart.
HISTORIES = (
    (201, 21, 202, 201, OWNER_CHANGE, 202, 203, 201, STAGE_CHANGE, 201, 203, OWNER_CHANGE, 21, STAGE_CHANGE),
    (202, 201, OWNER_CHANGE, 201, 202, STAGE_CHANGE, 203),
    (201, OWNER_CHANGE, STAGE_CHANGE, 21, 201, OWNER_CHANGE, STAGE_CHANGE, 202),
)
TASKS = 4


class Theatre:
    def __init__(self, folder: Path) -> None:
        self.databases = Databases(folder)
        self.template = self.databases.prepare(f"model_{os.getpid()}_prepared")
        self.crm, self.now = Crm(Random(7)), 0.0
        try:
            self._prepare()
        except BaseException:
            self.close()  # the tests that follow must not go on with our database
            raise

    def close(self) -> None:
        self.databases.close()

    @contextmanager
    def play(self) -> Iterator[tuple[Stage, People]]:
        """A stage of its own for one example."""
        self.databases.copy(self.template, f"model_{os.getpid()}_example")
        with self._stage(copy.deepcopy(self.crm), self.now) as (stage, people):
            yield stage, people

    @contextmanager
    def _stage(self, crm: Crm, now: float) -> Iterator[tuple[Stage, People]]:
        clock = Clock()
        clock.now = now or clock.now
        stage = Stage(clock, crm, Book())
        with ExitStack() as stack:
            stack.enter_context(stage.open())
            stage.book.people = believed(clock.now)
            stage.judge = Judge(stage)
            yield stage, People(stage)

    # --- Preparing -------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        with self._stage(self.crm, 0.0) as (stage, people):
            set_up()
            stage.book.people = believed(stage.clock.now)
            for history in HISTORIES:
                _furnish(self.crm, history, stage.clock.now)
            stage.person("rita", lambda user: leads.add_leads(user, list(self.crm.leads)))
            stage.work(100)
            for kind in KINDS:
                self._prove(stage, people, kind)
            stage.pass_time(26 * HOUR)
            stage.work(100)
            self.now = stage.clock.now

    def _prove(self, stage: Stage, people: People, kind: str) -> None:
        """One small request of the kind, to its end."""
        lead = list(self.crm.leads)[-1]
        wish = people.draft(
            "rita", kind, picked(self.crm, kind, [lead], 2), asked(kind, 9 * DAY, stage.clock.now), "rita"
        )
        assert wish is not None
        while people.see(wish).state not in OVER:
            the_usual(stage, people, wish)
        assert people.see(wish).state == "completed", people.see(wish).state
        stage.book.wishes.clear()


def _furnish(crm: Crm, history: tuple[int, ...], now: float) -> None:
    lead = crm.add_lead()
    for number, code in enumerate(history):
        crm.add_activity(lead, code, now - 5 * DAY + number * 7 * HOUR)
    for number in range(TASKS):
        crm.add_task(lead, crm.owners[number % 2], now - DAY + number)


def picked(crm: Crm, kind: str, wanted: list[str], most: int) -> tuple[str, list[str]]:
    """What somebody ticks: leads, or some of their tasks."""
    if kind != "tasks":
        return "lead", wanted
    return "task", [task.id for lead in wanted for task in crm.tasks_where(lead=lead)[:most]]


def asked(kind: str, reach: float, now: float) -> dict[str, Any]:
    """The window chooses; how far it reaches back decides how many items there are."""
    if kind == "tasks":
        return {}
    times = {"from": now - reach, "to": now - 2 * HOUR}
    made: dict[str, Any] = {name: datetime.fromtimestamp(at, UTC).isoformat() for name, at in times.items()}
    return made | ({"codes": [201, 202]} if kind == "activities" else {})


def the_usual(stage: Stage, people: People, wish: Wish) -> None:
    """Whatever comes next where nothing goes wrong: people do their part, the worker its own, and time passes."""
    request = people.see(wish)
    if request.state == "draft" and request.version.reading == "complete":
        people.submit("rita", wish)
    elif request.state == "pending":
        version = wish.versions[request.version_number]
        for name in ("arun", "dana", "dev", "bela"):
            if people.book.may_vote(name, wish, version, people.now):
                people.vote(name, wish, "approve")
                break
    elif request.state == "approved" and request.starts_at:
        stage.pass_time(max(0.0, request.starts_at.timestamp() - people.now) + 1)
        stage.work(1)
    else:
        stage.work(4)
        stage.pass_time(9)
