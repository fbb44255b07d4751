"""The cursor of a reading: the answers that it has so far. A reading that is cut short plays them back, without a call,
and goes on behind them.

So the pager needs no state that could be stored half: given the same answers it asks the same questions, and where it
asks another one, what is stored behind that is no answer and is thrown away.
"""

import gzip
import hashlib
import json
from datetime import timedelta
from typing import Any

from lsq_ops.leadsquared.client import Gate, Sender
from lsq_ops.leadsquared.errors import Answer, Outcome
from lsq_ops.models import ActivitySnapshot, SnapshotPage

KEPT = timedelta(minutes=10)  # a list that takes longer has changed too much to be put together
SHORT = 10  # answers; so few are asked for again sooner than they are stored one by one


class Tape:
    """Stands between a client and both its transport and its gate, for the length of one reading."""

    def __init__(self, snapshot: ActivitySnapshot, transport: Sender, gate: Gate) -> None:
        self.snapshot, self.transport, self.gate = snapshot, transport, gate
        self.stored = list(snapshot.pages.all())
        self.played = 0
        self.unsaved: list[tuple[SnapshotPage, bytes]] = []
        self.new = 0

    def enter(self) -> Any:
        """No place in the budget is needed for what is only played back."""
        return None if self.played < len(self.stored) else self.gate.enter()

    def leave(self, ticket: Any, answer: Answer | None) -> None:
        if ticket is not None:
            self.gate.leave(ticket, answer)

    def send(self, operation: str, method: str, path: str, **what: Any) -> Answer:
        asked = _mark(method, path, what)
        if self.played < len(self.stored):
            page = self.stored[self.played]
            if page.asked == asked:
                self.played += 1
                return Answer(operation, Outcome.ACCEPTED, status=200, body=gzip.decompress(bytes(page.packed)))
            self._forget()
            return self._ask_late(operation, method, path, asked, what)
        return self._ask(operation, method, path, asked, what)

    def save(self) -> None:
        """Keep what was answered since the last time."""
        for page, body in self.unsaved:  # most readings end before any of it is kept
            page.packed = gzip.compress(body, 1)
        SnapshotPage.objects.bulk_create((page for page, _ in self.unsaved), ignore_conflicts=True)
        self.unsaved = []

    def _ask_late(self, operation: str, method: str, path: str, asked: str, what: dict[str, Any]) -> Answer:
        """`enter` thought that the answer was at hand; so the place in the budget is taken here."""
        ticket, answer = self.gate.enter(), None
        try:
            answer = self._ask(operation, method, path, asked, what)
        finally:
            self.gate.leave(ticket, answer)
        return answer

    def _ask(self, operation: str, method: str, path: str, asked: str, what: dict[str, Any]) -> Answer:
        answer = self.transport.send(operation, method, path, **what)
        if answer.outcome == Outcome.ACCEPTED:
            page = SnapshotPage(snapshot=self.snapshot, number=self.played, asked=asked)
            self.stored.append(page)
            self.unsaved.append((page, answer.body))
            self.played, self.new = self.played + 1, self.new + 1
            if self.played > SHORT:
                self.save()
        return answer

    def _forget(self) -> None:
        self.snapshot.pages.filter(number__gte=self.played).delete()
        del self.stored[self.played :]


def _mark(method: str, path: str, what: dict[str, Any]) -> str:
    body = what.get("body") or b""
    text = json.dumps([method, path, what.get("params") or {}], sort_keys=True).encode()
    return hashlib.sha256(text + b"\n" + body).hexdigest()
