"""The engine with a part of it switched off: what the harness must notice. Each is a context manager for one run;
guards that would catch the same are dropped in the scenarios' own copies of the database only."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from django.db import connection

from lsq_ops.models import DeletionCall, db_now, guards
from lsq_ops.models.audit import audited, record
from lsq_ops.models.machine import StateMachine
from lsq_ops.services import agenda, answering, budget, running, verifying

from .databases import Databases
from .plan import Fault


@contextmanager
def sweeper() -> Iterator[None]:
    """An attempt whose sender died stays "about to be sent" for ever."""
    others = tuple(pair for pair in agenda.TENDED if pair[1] is not answering.expire_lease)
    with patch.object(agenda, "TENDED", others):
        yield


@contextmanager
def compare_and_set() -> Iterator[None]:
    """Who moves a row doesn't look whether it still is where it was seen."""

    def move(self: Any, to: str, *, actor: str, details: Any = None, **fields: Any) -> None:
        with audited():
            seen, rows = self.state, type(self)._default_manager
            rows.filter(pk=self.pk).update(state=to, **fields)
            self.state = to
            record(f"{self.NOUN}.{to}", self, actor=actor, before=seen, after=to, **(details or {}))

    rules, indexes = ("moves", "one_outcome", "second_send", "gate", "new_key"), ("call", "lead")
    with patch.object(StateMachine, "move", move), _open_blindly(), _without(*rules, one_attempt_per=indexes):
        yield


@contextmanager
def _open_blindly() -> Iterator[None]:
    """The attempt is opened as the call was seen when it was claimed."""
    really = running._open

    def blind(call: DeletionCall, token: str) -> Any:
        call.claimed_until = db_now() + timedelta(seconds=60)
        DeletionCall.objects.filter(pk=call.pk).update(state="planned", claimed_until=call.claimed_until)
        return really(call, token)

    with patch.object(running, "_open", blind):
        yield


@contextmanager
def gate() -> Iterator[None]:
    """Nobody asks, just before a send, whether the approvals still count."""
    with patch.object(running, "enough", lambda request, votes: True), _without("gate"):
        yield


@contextmanager
def re_read() -> Iterator[None]:
    """LeadSquared's "Success" is believed: what was accepted is gone."""
    really = verifying.decide

    def believe(call: Any, used: Any, **options: Any) -> None:
        attempt = verifying.last_attempt(call)
        if attempt.state != "accepted":
            return really(call, used, **options)
        before = verifying.there_before(call)
        verifying.end(call, attempt, "gone", list(call.items.all()), set(), before, "")

    with patch.object(verifying, "decide", believe):
        yield


@contextmanager
def kept_neighbours() -> Iterator[None]:
    """Nobody looks whether a record went that should stay."""
    with patch.object(verifying, "vanished", lambda call, before, now: []):
        yield


@contextmanager
def rate() -> Iterator[None]:
    """A budget with places for everybody."""
    with patch.object(budget, "size_of", lambda account: 60):
        yield


@contextmanager
def _without(*rules: str, one_attempt_per: tuple[str, ...] = ()) -> Iterator[None]:
    """Every prepared database loses these guards, and these unique indexes of the unresolved attempts."""
    really = Databases.prepare

    def prepare(self: Databases, wanted: str) -> str:
        made = really(self, wanted)
        with connection.cursor() as cursor:
            for name in one_attempt_per:
                cursor.execute(f"DROP INDEX one_unresolved_attempt_per_{name}")
            for guard in guards.GUARDS:
                if guard.rule in rules:
                    on = "" if connection.vendor == "sqlite" else f" ON {guard.table}"
                    cursor.execute(f"DROP TRIGGER {guard.name}{on}")
        return made

    with patch.object(Databases, "prepare", prepare):
        yield


@dataclass(frozen=True)
class Variant:
    """How it is broken, which number that must make grow, and the faults that bring it about soonest."""

    broken: Callable[[], AbstractContextManager[None]]
    number: str
    provoke: Callable[[], list[Fault]]


def _has_left(facts: dict[str, Any]) -> bool:
    return bool(facts["write"] and facts["step"] == "left")


def _opens_an_attempt(facts: dict[str, Any]) -> bool:
    return bool(facts["actor"] == "worker" and facts["sql"] == "PRAGMA synchronous")


VARIANTS = {
    "sweeper": Variant(sweeper, "stuck", lambda: [Fault("step", "kill when a delete has left", 1, _has_left)]),
    "compare_and_set": Variant(
        compare_and_set,
        "double",
        lambda: [Fault("statement", "stop a statement of a worker", 1, _opens_an_attempt, 78)],
    ),
    "gate": Variant(gate, "unapproved", lambda: [Fault("people", "grant revoked", data=30)]),
    "re_read": Variant(re_read, "false_verified", lambda: [Fault("effect", "nothing")]),
    "kept_neighbours": Variant(
        kept_neighbours,
        "false_verified",
        lambda: [Fault("effect", "takes another code"), Fault("effect", "takes a neighbour")],
    ),
    "rate": Variant(rate, "over_limit", lambda: [Fault("people", "reverify", data=200)]),
}
