"""Checking the audit chain: every link recomputed, in order, against the head. What a cut-off tail or a re-written
chain leaves whole only anchors outside the database can show; there are none yet, and the report says so."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lsq_ops.models import AuditEvent, AuditHead, audited, record
from lsq_ops.models.audit import GENESIS, link_hash

from .may import Person, need

FIELDS = ("seq", "at", "actor", "action", "object_type", "object_id", "details", "prev_hash", "hash")
CHUNK = 5000


@dataclass(frozen=True, slots=True)
class Report:
    """`ok` is None where the chain could not be checked."""

    ok: bool | None
    events: int
    bad_seq: int | None
    kind: str
    sentence: str


def verify() -> Report:
    """Stream the chain; the first bad link decides."""
    head = AuditHead.objects.filter(pk=1).first()
    if head is None:
        return Report(None, 0, None, "no head", "The chain's head is missing: the trail can't be checked.")
    last, prev = 0, GENESIS
    for row in _rows():
        kind = _fault(row, last, prev)
        if kind:
            seq = last + 1 if kind == "missing" else row["seq"]
            return Report(False, last, seq, kind, f"Event {seq} is {kind}.")
        last, prev = row["seq"], row["hash"]
        if last == head.seq and prev != head.hash:
            return Report(False, last, last, "re-chained", f"Event {last} is re-chained: its hash is not the head's.")
    if last < head.seq:
        return Report(
            False,
            last,
            last + 1,
            "cut off",
            f"The trail is cut off: event {last + 1} to {head.seq} are missing.",
        )
    return Report(
        True,
        last,
        None,
        "",
        f"{last:,} events, every link whole. No anchor outside the database exists yet, so this proves"
        " no more than that the database agrees with itself.",
    )


def verify_now(user: Person) -> Report:
    """Verify, and write into the trail that somebody did and what they found."""
    need(user, "verify_trail")
    report = verify()
    facts = {"ok": report.ok, "events": report.events, "bad_seq": report.bad_seq, "sentence": report.sentence}
    with audited():
        record("trail.verified", ("trail", report.events), actor=str(user), **facts)
    return report


def _rows() -> Iterator[dict[str, Any]]:
    # By position, not by number: a swapped pair must be seen as such.
    return AuditEvent.objects.order_by("seq").values(*FIELDS).iterator(chunk_size=CHUNK)


def _fault(row: dict[str, Any], last: int, prev: str) -> str:
    """ "edited", "missing", "reordered" or "re-chained" for the first link that doesn't hold; "" where it does."""
    if row["seq"] != last + 1:
        return "missing"
    own = link_hash(row["prev_hash"], row) == row["hash"]
    if row["prev_hash"] == prev:
        return "" if own else "edited"
    return "reordered" if own else "edited"
