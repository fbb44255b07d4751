"""The chain's arithmetic: what was done to a trail is found, with number and kind, and a clean one raises no alarm."""

from dataclasses import replace
from hashlib import sha256
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsq_ops.chain import GENESIS, HASHED, Check, anchors_in, canonical, link_hash, sign

KEY = "a key that the database's owner doesn't have"
TAMPERED, CLEAN = 2000, 1000


def make_trail(random, count):
    rows, prev = [], GENESIS
    for seq in range(1, count + 1):
        row = {
            "seq": seq,
            "at": f"2026-11-22T10:{seq % 60:02}:00+00:00",
            "actor": random.choice(("rita", "arun", "system")),
            "action": random.choice(("request.draft", "vote.approve", "attempt.intent")),
            "object_type": "deletionrequest",
            "object_id": str(random.randint(1, 99)),
            "details": f'{{"n":{random.randint(1, 9)}}}',
        }
        rows.append(linked(row, prev))
        prev = rows[-1]["hash"]
    return rows


def linked(row, prev):
    return {**row, "prev_hash": prev, "hash": link_hash(prev, row)}


def head_of(rows):
    return rows[-1]["seq"], rows[-1]["hash"]


def anchor_at(rows, seq):
    return sign(KEY, seq, rows[seq - 1]["hash"], "2026-11-22T11:00:00+00:00")


def check(rows, head, anchors, most=None):
    """The first fault, found in one walk or in many."""
    known = {anchor.seq: anchor for anchor in anchors if anchor.is_signed_with(KEY)}
    walk, before = Check(head, known), -1
    while walk.last > before:
        before = walk.last
        fault = walk.walk(iter([row for row in rows if row["seq"] > walk.last]), most)
        if fault:
            return fault, walk
    return walk.end(), walk


# --- What is done to a trail: (rows, head) after it, and the number and kind that must be said ---------------------


def edited(random, rows):
    k, name = random.randint(1, len(rows)), random.choice(("details", "actor", "at", "object_id", "action"))
    row = rows[k - 1]
    return [*rows[: k - 1], {**row, name: row[name] + "!"}, *rows[k:]], head_of(rows), k, "edited"


def hash_edited(random, rows):
    k, name = random.randint(1, len(rows)), random.choice(("hash", "prev_hash"))
    return [*rows[: k - 1], {**rows[k - 1], name: "f" * 64}, *rows[k:]], head_of(rows), k, "edited"


def replaced(random, rows):
    k = random.randint(1, len(rows))
    new = linked({**rows[k - 1], "actor": "nobody"}, rows[k - 1]["prev_hash"])
    return [*rows[: k - 1], new, *rows[k:]], head_of(rows), k, "edited"


def deleted(random, rows):
    k = random.randint(1, len(rows) - 1)
    return [*rows[: k - 1], *rows[k:]], head_of(rows), k, "missing"


def deleted_and_renumbered(random, rows):
    k = random.randint(1, len(rows) - 1)
    moved = [{**row, "seq": row["seq"] - 1} for row in rows[k:]]
    left = [*rows[: k - 1], *moved]
    return left, random.choice((head_of(rows), head_of(left))), k, "missing"


def swapped(random, rows):
    i, j = sorted(random.sample(range(1, len(rows) + 1), 2))
    new = list(rows)
    new[i - 1], new[j - 1] = {**rows[j - 1], "seq": i}, {**rows[i - 1], "seq": j}
    return new, head_of(rows), i, "reordered"


def cut_off(random, rows):
    k = random.randint(2, len(rows))
    left = rows[: k - 1]
    return left, random.choice((head_of(rows), head_of(left))), k, "cut off"


def rechained(random, rows):
    """Written anew from some event on, as whoever holds the database can: only the anchor at the end knows."""
    k = random.randint(1, len(rows))
    new = list(rows[: k - 1])
    for row in [{**rows[k - 1], "details": "{}"}, *rows[k:]]:
        new.append(linked(row, new[-1]["hash"] if new else GENESIS))
    return new, head_of(new), len(rows), "re-chained"


def slipped_in(random, rows):
    """One more event in the middle, and all behind it written anew."""
    k = random.randint(1, len(rows))
    new = list(rows[: k - 1])
    for row in [{**rows[k - 1], "actor": "slipped"}, *rows[k - 1 :]]:
        new.append(linked({**row, "seq": len(new) + 1}, new[-1]["hash"] if new else GENESIS))
    return new, head_of(new), len(rows), "re-chained"


HARMS = (
    edited, hash_edited, replaced, deleted, deleted_and_renumbered, swapped, cut_off, rechained, slipped_in,
)  # fmt: skip


def test_two_thousand_tampered_trails_are_found_with_their_number_and_kind():
    random = Random(8)
    for number in range(TAMPERED):
        rows = make_trail(random, random.randint(3, 40))
        anchor, harm = anchor_at(rows, len(rows)), HARMS[number % len(HARMS)]
        harmed, head, seq, kind = harm(random, rows)
        fault, _ = check(harmed, head, [anchor], random.choice((None, 1, 7)))
        assert fault is not None, (number, harm.__name__)
        assert (fault.seq, fault.kind) == (seq, kind), (number, harm.__name__, fault.sentence)
        assert f"vent {seq}" in fault.sentence


def test_a_thousand_clean_trails_raise_no_alarm():
    random = Random(9)
    for _ in range(CLEAN):
        rows = make_trail(random, random.randint(1, 40))
        at = sorted(random.sample(range(1, len(rows) + 1), random.randint(0, min(4, len(rows)))))
        fault, walk = check(rows, head_of(rows), [anchor_at(rows, seq) for seq in at], random.choice((None, 1, 7)))
        assert fault is None
        assert (walk.last, walk.anchored) == (len(rows), at[-1] if at else 0)


def test_of_several_anchors_the_first_that_knows_another_hash_says_where():
    rows = make_trail(Random(1), 30)
    anchors = [anchor_at(rows, seq) for seq in (5, 10, 15, 20)]
    new = rows[:11]
    for row in [{**rows[11], "details": "{}"}, *rows[12:]]:
        new.append(linked(row, new[-1]["hash"]))
    fault, walk = check(new, head_of(new), anchors)
    assert (fault.seq, fault.kind, walk.anchored) == (15, "re-chained", 10)
    assert "after event 10" in fault.sentence


def test_an_anchor_is_found_in_a_log_or_a_mail_and_its_signature_is_checked():
    anchor = anchor_at(make_trail(Random(1), 3), 3)
    text = [
        "Dear auditor,",
        f"2026-11-22 11:00 INFO lsq_ops.anchors {anchor}",
        f"> {anchor}\r\n",
        "lsq-ops-anchor seq=x",
    ]
    assert list(anchors_in(text)) == [anchor, anchor]
    assert anchor.is_signed_with(KEY)
    assert not anchor.is_signed_with("another")
    for changed in (replace(anchor, seq=4), replace(anchor, hash="0" * 64), replace(anchor, at="2026")):
        assert not changed.is_signed_with(KEY)


def test_without_an_anchor_a_chain_written_anew_looks_whole():
    """Why there are anchors."""
    rows = make_trail(Random(1), 9)
    harmed, head, _, _ = rechained(Random(2), rows)
    assert check(harmed, head, [])[0] is None


@pytest.mark.parametrize("harm", [edited, replaced, deleted, swapped])
def test_what_stands_in_the_middle_is_found_without_an_anchor_too(harm):
    rows = make_trail(Random(1), 20)
    harmed, head, seq, kind = harm(Random(3), rows)
    fault, _ = check(harmed, head, [])
    assert (fault.seq, fault.kind) == (seq, kind)


# --- How a link is spelled -----------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.integers(1, 10**12), st.fixed_dictionaries({name: texts for name in HASHED if name != "seq"}))
def test_a_link_hashes_the_canonical_json_of_what_the_event_says(seq, words):
    event = {**words, "seq": seq, "hash": "of no account"}
    said = canonical({name: event[name] for name in HASHED})
    assert link_hash(GENESIS, event) == sha256((GENESIS + said).encode()).hexdigest()
