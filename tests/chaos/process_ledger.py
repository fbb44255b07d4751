"""What people wished, in the harness's own books: votes on what they were shown, pauses, stops, decisions.

A wish is written down before the service is asked, because a service whose database dies may have done it all the
same; a clear "no" strikes it out again.
"""

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

FOREVER = float("inf")


@dataclass(slots=True)
class Wish:
    voter: str
    at: float
    until: float = FOREVER  # taken back


@dataclass(slots=True)
class Span:
    """From when it was surely in force until somebody began to end it."""

    start: float
    end: float = FOREVER

    def holds(self, at: float) -> bool:
        return self.start < at < self.end


@dataclass
class Ledger:
    votes: dict[tuple[int, int], list[Wish]] = field(default_factory=lambda: defaultdict(list))
    shown: dict[tuple[int, int], frozenset[str]] = field(default_factory=dict)
    locked_out: dict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))
    pauses: list[Span] = field(default_factory=list)
    kind_pauses: dict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))
    stops: dict[int, float] = field(default_factory=dict)
    resends: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    drafts: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wish(self, key: tuple[int, int], voter: str) -> Wish:
        made = Wish(voter, time.time())
        with self.lock:
            self.votes[key].append(made)
        return made

    def strike(self, key: tuple[int, int], wish: Wish) -> None:
        with self.lock:
            self.votes[key].remove(wish)

    def in_force(self, key: tuple[int, int], at: float) -> set[str]:
        """Whose votes for this version were in force at that time."""
        with self.lock:
            wishes = list(self.votes.get(key, ()))
        return {w.voter for w in wishes if w.at <= at < w.until and not self.is_out(w.voter, at)}

    def is_out(self, voter: str, at: float) -> bool:
        return any(span.holds(at) for span in list(self.locked_out.get(voter, ())))

    def is_paused(self, kind: str, at: float) -> bool:
        return any(span.holds(at) for span in [*self.pauses, *self.kind_pauses.get(kind, ())])
