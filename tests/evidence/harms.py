"""What is done to a report whose manifest is made anew afterwards, and the words in which the verifier must say so."""

import json

from tests.evidence.packets import named, rows_of, with_rows


def change(name, row, **facts):
    def harm(parts):
        rows = rows_of(parts, name)
        rows[row] = rows[row] | facts
        return with_rows(parts, name, rows)

    return harm


def remove(name, row):
    def harm(parts):
        rows = rows_of(parts, name)
        del rows[row]
        return with_rows(parts, name, rows)

    return harm


def swap(name, a, b):
    def harm(parts):
        rows = rows_of(parts, name)
        rows[a], rows[b] = {**rows[b], "seq": rows[a]["seq"]}, {**rows[a], "seq": rows[b]["seq"]}
        return with_rows(parts, name, rows)

    return harm


def cut(parts):
    """The last three events, and the head as if there had been no more."""
    rows = rows_of(parts, "audit/events.jsonl")[:-3]
    about = json.loads(parts["report.json"])
    about["segment"] |= {"last": rows[-1]["seq"], "last_hash": rows[-1]["hash"]}
    return with_rows(parts, "audit/events.jsonl", rows) | {"report.json": json.dumps(about)}


def change_json(name, **facts):
    def harm(parts):
        whole = named(parts, name)
        return parts | {whole: json.dumps(json.loads(parts[whole]) | facts)}

    return harm


HARMS = {
    "a vote's voter": (change("votes.jsonl", 0, voter="vera"), r"vote \d+: event \d+ tells something else"),
    "a vote's digest": (change("votes.jsonl", 0, digest="0" * 64), r"vote \d+: it was given on another digest"),
    "a vote taken out": (remove("votes.jsonl", 1), r"1 valid approval from 1 team, where 2 .*: quorum\]"),
    "a vote by the requester": (change("votes.jsonl", 0, voter="rita"), r"rita made, edited or asked"),
    "a grant that came later": (
        change("votes.jsonl", 0, grant={"counts_from": "2999", "revoked_at": None}),
        r"vote \d+: arun had no grant in force",
    ),
    "an item taken out": (
        remove("items.jsonl", 5),
        r"version 1: 25 items are listed, but it has 26.*count\]",
    ),
    "an item's content hash": (
        change("items.jsonl", 5, content_hash="0" * 64),
        r"DR-\d+ version 1: its digest is not that of its parts",
    ),
    "an outcome": (
        change("items.jsonl", 5, outcome="still_present"),
        r"DR-\d+ call \d: the outcomes of its items are not those of event \d+\. \[DR-\d+ call \d: outcome\]",
    ),
    "no outcome": (change("items.jsonl", 5, outcome=""), r"it is over, but the outcome of 1 item is missing"),
    "a version's digest": (
        change("versions.jsonl", 0, digest="a" * 64),
        r"the trail tells of another digest",
    ),
    "the quorum": (change("versions.jsonl", 0, approvals_needed=3), r"2 valid approvals .* where 3"),
    "the parameters": (change("versions.jsonl", 0, parameters="{}"), r"version 1: its digest is not that"),
    "what stays": (remove("kept.jsonl", 0), r"DR-\d+ version 1: the list of what stays was changed"),
    "a call's body": (change("calls.jsonl", 0, body="{}"), r"call 1: its body is not the one"),
    "a call's state": (
        change("calls.jsonl", 0, state="partial"),
        r"call 1: the report says partial, the trail gone",
    ),
    "an attempt taken out": (remove("attempts.jsonl", 0), r"attempt \d+: event \d+ of the trail tells of it"),
    "an attempt's time": (
        change("attempts.jsonl", 0, intent_at="2000-01-01T00:00:00.000000+00:00"),
        r"attempt \d+: 0 valid approvals",
    ),
    "an attempt's state": (change("attempts.jsonl", 0, state="refused"), r"says refused, the trail accepted"),
    "the state": (
        change_json("request.json", state="failed"),
        r"DR-\d+: the report says failed, the trail completed",
    ),
    "the host": (
        change_json("request.json", host="elsewhere"),
        r"version 1: its digest is not that of its parts",
    ),
    "an event": (change("audit/events.jsonl", 4, actor="nobody"), r"Event \d+ is edited.*\[event \d+: edited\]"),
    "an event taken out": (remove("audit/events.jsonl", 4), r"Event \d+ is missing.*\[event \d+: missing\]"),
    "two events": (swap("audit/events.jsonl", 3, 6), r"Event \d+ is reordered.*\[event \d+: reordered\]"),
    "the tail": (cut, r"The trail is cut off.*of which an anchor knows.*\[event \d+: cut off\]"),
    "a withheld event": (
        change("audit/events.jsonl", 4, withheld=True),
        r"A report on a request shows every event; here some are withheld",
    ),
    "a part that is no JSON": (lambda parts: parts | {named(parts, "votes.jsonl"): "{"}, r"requests can't be read"),
    "a part of another shape": (
        lambda parts: parts | {named(parts, "request.json"): "[]"},
        r"DR-\d+ can't be read: a part is missing or broken",
    ),
}
