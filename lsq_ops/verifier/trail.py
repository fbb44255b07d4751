"""The part of the audit trail that a report holds: is it whole, and how far is it anchored?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lsq_ops.chain import GENESIS, Anchor, Check, Fault, anchors_in

from .bundle import Bundle, Finding, plural, wrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EVENTS, ANCHORS = "audit/events.jsonl", "audit/anchors.txt"


def walk_trail(segment: dict[str, Any], rows: Iterable[dict[str, Any]], anchors: Iterable[Anchor]) -> tuple[Check, Any]:
    """(how far it holds, the first fault or None) of the events `first` to `last` of a trail. What stands before them
    is known by its hash only."""
    first, last = segment["first"], segment["last"]
    prev = GENESIS if first == 1 else segment["prev_hash"]
    known: dict[int, Anchor] = {}
    for anchor in anchors:  # the ones from further outside come first, and count
        known.setdefault(anchor.seq, anchor)
    before = known.pop(first - 1, None)
    known = {seq: anchor for seq, anchor in known.items() if seq >= first}
    check = Check((last, segment["last_hash"]), known, first - 1, prev)
    if before and before.hash != prev:
        why = f"Event {before.seq} is re-chained: the anchor of {before.at} knows another hash for it."
        return check, Fault(before.seq, "re-chained", why)
    return check, check.walk(rows) or check.end()


def check_trail(bundle: Bundle, about: dict[str, Any], key: str, outside: list[Anchor]) -> Iterator[Finding]:
    segment = about["segment"]
    if segment is None:
        yield Finding(None, "No event of the audit trail concerns it.")
        return
    inside = list(anchors_in(bundle.lines(ANCHORS)))
    unsigned = [anchor for anchor in (*outside, *inside) if key and not anchor.is_signed_with(key)]
    # What an anchor elsewhere says of later events is no business of this report.
    known = [anchor for anchor in outside if anchor.seq <= segment["last"]] + inside
    counts = {"withheld": 0}
    rows = _counted(bundle.rows(EVENTS), counts)
    check, fault = walk_trail(segment, rows, [anchor for anchor in known if anchor not in unsigned])
    if unsigned:
        sentence = f"Not signed with this key, and so of no account: {plural(len(unsigned), 'anchor')}."
        yield wrong(f"event {unsigned[0].seq}", "not signed", sentence)
    if fault:
        yield wrong(f"event {fault.seq}", fault.kind, fault.sentence)
        return
    yield from _withheld(counts["withheld"], bool(about["lead"]))
    shown = f"events {segment['first']:,} to {segment['last']:,}"
    yield Finding(True, f"Audit trail, {shown}: every link is whole{_but(counts['withheld'])}.")
    yield from _reach(check, segment, bool(key or outside))


def _counted(rows: Iterable[dict[str, Any]], counts: dict[str, int]) -> Iterator[dict[str, Any]]:
    for row in rows:
        counts["withheld"] += bool(row.get("withheld"))
        yield row


def _but(withheld: int) -> str:
    return f", but for what is withheld ({plural(withheld, 'event')})" if withheld else ""


def _withheld(count: int, allowed: bool) -> Iterator[Finding]:
    if count and not allowed:
        yield wrong(
            plural(count, "event"), "withheld", "A report on a request shows every event; here some are withheld."
        )
    elif count:
        yield Finding(
            None,
            f"Withheld, because they name other leads: {plural(count, 'event')}. Only their hashes are here, and that"
            " these are right is the portal's word; a request's own report shows them, and verify_audit checks all.",
        )


def _reach(check: Check, segment: dict[str, Any], genuine: bool) -> Iterator[Finding]:
    anchor = check.anchors.get(check.anchored)
    if anchor is None:
        yield Finding(
            None,
            "No anchor stands in this part of the trail, so it proves no more than that it agrees with itself. Anchors"
            " are made once an hour: export the report again later.",
        )
        return
    yield Finding(True, f"What is proven reaches to event {anchor.seq:,}, anchored at {anchor.at}.")
    if anchor.seq < segment["last"]:
        yield Finding(None, f"No anchor speaks yet for events {anchor.seq + 1:,} to {segment['last']:,}.")
    if not genuine:
        yield Finding(
            None,
            "Whether the anchors are genuine is not checked: it takes AUDIT_KEY (--key-file) or the anchors that were"
            " kept elsewhere (--anchors).",
        )
