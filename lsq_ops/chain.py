"""The arithmetic of the audit trail: links, anchors, and what is wrong with a chain. Standard library only, and nothing
newer than Python 3.8: it is the core of the verifier that travels with an evidence report."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Row = dict[str, Any]

GENESIS = "0" * 64
HASHED = ("seq", "at", "actor", "action", "object_type", "object_id", "details")
FIELDS = (*HASHED, "prev_hash", "hash")
ANCHOR = "lsq-ops-anchor"
REACH = 5000  # numbers up and down in which a moved event is looked for


def canonical(value: Any) -> str:
    """JSON with one spelling: sorted keys, no spaces, real characters, no NaN."""
    return _canonical(value)


def link_hash(prev_hash: str, event: Row) -> str:
    """SHA-256 over the previous hash and the canonical JSON of `seq` to `details`; hex."""
    (first, second), seq = pieces(event), event["seq"]
    body = f"{first}{_text(event['at'])}{second}{seq if type(seq) is int else _text(seq)}}}"
    return hashlib.sha256((prev_hash + body).encode()).hexdigest()


def pieces(event: Row) -> tuple[str, str]:
    """What is hashed of an event: up to its time, and from there up to its number, which is followed by a brace."""
    # canonical() of it, spelled out: a trail of a million events is checked in a third of the time.
    return (
        f'{{"action":{_text(event["action"])},"actor":{_text(event["actor"])},"at":',
        f',"details":{_text(event["details"])},"object_id":{_text(event["object_id"])}'
        f',"object_type":{_text(event["object_type"])},"seq":',
    )


_canonical = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=str
).encode
_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def is_whole(event: Row) -> bool:
    """Is its hash that of what it says? Of an event whose text is withheld nobody can tell; whoever hands such events
    in says that they are there."""
    return bool(event.get("withheld")) or link_hash(event["prev_hash"], event) == event["hash"]


# --- Anchors ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Anchor:
    """What stood in the trail at a time, signed, and kept where who can write the database can't: a file elsewhere, a
    log, a mail. `at` is ISO 8601 in UTC; `mac` is the HMAC-SHA256 with AUDIT_KEY, hex."""

    seq: int
    hash: str
    at: str
    mac: str

    def __str__(self) -> str:
        return f"{ANCHOR} seq={self.seq} hash={self.hash} at={self.at} mac={self.mac}"

    def is_signed_with(self, key: str) -> bool:
        return hmac.compare_digest(self.mac, _mac(key, self.seq, self.hash, self.at))


def sign(key: str, seq: int, hash: str, at: str) -> Anchor:
    return Anchor(seq, hash, at, _mac(key, seq, hash, at))


def _mac(key: str, seq: int, hash: str, at: str) -> str:
    return hmac.new(key.encode(), f"{ANCHOR}\n{seq}\n{hash}\n{at}".encode(), hashlib.sha256).hexdigest()


def anchors_in(lines: Iterable[str]) -> Iterator[Anchor]:
    """The anchors that stand in a text, whatever stands around them: a file of them, a log, a saved mail."""
    for line in lines:
        words = [word.rstrip('",}') for word in line.partition(f"{ANCHOR} ")[2].split()[:4]]  # a log may be of JSON
        facts = dict(word.partition("=")[::2] for word in words)
        if set(facts) == {"seq", "hash", "at", "mac"} and facts["seq"].isdecimal():
            yield Anchor(int(facts["seq"]), facts["hash"], facts["at"], facts["mac"])


# --- Checking --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """The first thing that is wrong. `kind`: edited, missing, reordered, cut off, re-chained."""

    seq: int
    kind: str
    sentence: str


@dataclass
class Check:
    """A walk along the chain that can be put aside and gone on with: `last` is the number of the last event that held,
    `prev` its hash, `anchored` the last of them that an anchor speaks for."""

    head: tuple[int, str] | None = None  # number and hash of the last event, as the head's row says
    anchors: dict[int, Anchor] = field(default_factory=dict)
    last: int = 0
    prev: str = GENESIS
    anchored: int = 0

    def walk(self, rows: Iterable[Row], most: int | None = None) -> Fault | None:
        """Go on with `rows`, all that are left, ordered by seq: at most `most` of them. The first fault, or None."""
        waiting = iter(rows)
        row, until = next(waiting, None), None if most is None else self.last + most
        while row is not None and (until is None or self.last < until):
            following = next(waiting, None)
            fault = self._own_fault(row, following, waiting) or self._against_anchor(row, following)
            if fault:
                return fault
            self.last, self.prev = row["seq"], row["hash"]
            row = following
        return None

    def end(self) -> Fault | None:
        """After the last row: does anything outside the rows say that there were more, or others?"""
        head = self.head or (0, GENESIS)
        if head[0] == self.last and head[1] != self.prev:
            return _edited(self.last, "the chain's head knows another hash for it")
        until = max([head[0], *self.anchors])
        if until > self.last:
            who = "the chain's head" if head[0] == until else "an anchor"
            return Fault(
                self.last + 1,
                "cut off",
                f"The trail is cut off: event {self.last + 1} to {until} are missing, of which {who} knows.",
            )
        if self.head and head[0] < self.last:
            return _edited(head[0] + 1, "the chain's head knows nothing of it")
        return None

    def _own_fault(self, row: Row, following: Row | None, rest: Iterator[Row]) -> Fault | None:
        seq = self.last + 1
        if row["seq"] != seq:
            return Fault(seq, "missing", f"Event {seq} is missing.")
        whole = is_whole(row)
        fits = row["prev_hash"] == self.prev
        if whole and fits:
            return None
        if whole:
            # Two whole links that don't fit: the one that its other neighbour doesn't know was changed.
            known = following is None or following["prev_hash"] == row["hash"]
            bad = seq - 1 if known and seq > 1 else seq
            return _edited(bad, "its hash was made anew, but its neighbour knows the old one")
        if fits or not _was_elsewhere(row):
            return _edited(seq, "its hash is not that of what it says")
        if any(other["prev_hash"] == self.prev for other in (following, *rest) if other):
            return Fault(seq, "reordered", f"Event {seq} is reordered: what stands there was written as another one.")
        return Fault(seq, "missing", f"Event {seq} is missing: the later ones were moved up.")

    def _against_anchor(self, row: Row, following: Row | None) -> Fault | None:
        anchor = self.anchors.get(row["seq"])
        if anchor is None:
            return None
        if anchor.hash == row["hash"]:
            self.anchored = anchor.seq
            return None
        others = following["prev_hash"] if following else self.head[1] if self.head else ""
        if others == anchor.hash:
            return _edited(anchor.seq, "its hash was made anew, but an anchor and its neighbour know the old one")
        return Fault(
            anchor.seq,
            "re-chained",
            f"Event {anchor.seq} is re-chained: the anchor of {anchor.at} knows another hash for it. The chain was"
            f" written anew somewhere after event {self.anchored}.",
        )


def _edited(seq: int, why: str) -> Fault:
    return Fault(seq, "edited", f"Event {seq} is edited: {why}.")


def _was_elsewhere(row: Row) -> bool:
    """The row is whole but for its number."""
    mine = int(row["seq"])
    near = (seq for step in range(1, REACH) for seq in (mine + step, mine - step) if seq > 0)
    return any(link_hash(row["prev_hash"], {**row, "seq": seq}) == row["hash"] for seq in near)
