"""What a report says of one request: do versions, votes, calls and outcomes agree with each other and the trail?"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from lsq_ops.chain import canonical

from .bundle import Bundle, Finding, plural, wrong
from .trail import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    Rows = list[dict[str, Any]]
    Told = dict[tuple[str, str], Rows]  # (object type, id) -> its events, oldest first

NOUNS = {"vote": "votes", "decision": "decisions", "deletioncall": "calls", "attempt": "attempts"}
OUTCOMES = ("gone", "already_gone", "still_present", "skipped", "unverifiable")
DONE = ("gone", "already_gone")
ENDS = ("completed", "partial", "failed", "stopped", "closed")
ENDED = ("gone", "partial", "still_present", "unverifiable", "over_deleted", "skipped")
BEGINNINGS = ("request.draft", "attempt.intent")  # states that a row begins in
APPROVALS = ("approve", "confirm")
MAY_HAVE_ACTED = ("intent", "accepted", "refused", "unknown")


def part(number: int, name: str) -> str:
    return f"requests/DR-{number}/{name}.jsonl"


def events_of(bundle: Bundle, numbers: list[int]) -> dict[int, Told]:
    """The events that concern these requests, their votes, decisions, calls and attempts: one walk for all."""
    whose = {("deletionrequest", str(number)): number for number in numbers}
    for number in numbers:
        for noun, name in NOUNS.items():
            whose.update({(noun, str(row["id"])): number for row in bundle.rows(part(number, name))})
    told: dict[int, Told] = {number: {} for number in numbers}
    for event in bundle.rows(EVENTS):
        if not event.get("withheld"):
            details, about = json.loads(event["details"]), (event["object_type"], event["object_id"])
            number = whose.get(about, details.get("request"))
            if number in told:
                told[number].setdefault(about, []).append({**event, "details": details})
    return told


class Facts:
    """One request's parts. What is long, the items, is walked through and only counted."""

    def __init__(self, bundle: Bundle, about: dict[str, Any], number: int, told: Told) -> None:
        self.bundle, self.number, self.told, self.ref = bundle, number, told, f"DR-{number}"
        self.whole = not about["lead"]
        self.request = bundle.json(f"requests/DR-{number}/request.json")
        self.versions = {row["number"]: row for row in self.rows("versions")}
        self.votes, self.decisions = list(self.rows("votes")), list(self.rows("decisions"))
        self.calls, self.attempts = list(self.rows("calls")), list(self.rows("attempts"))
        self.outcomes: dict[int, dict[tuple[int, str], int]] = {n: {} for n in self.versions}
        self.hashes: dict[tuple[int, str], str] = {}

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        return self.bundle.rows(part(self.number, name))

    def events(self, noun: str, key: Any, *actions: str) -> Rows:
        return [event for event in self.told.get((noun, str(key)), []) if not actions or event["action"] in actions]

    def items_of(self, version: int, call: int | None = None) -> dict[str, int]:
        """Outcome -> items, of a call's number or of all."""
        counts: dict[str, int] = {}
        for (number, outcome), count in self.outcomes[version].items():
            if call in (None, number):
                counts[outcome] = counts.get(outcome, 0) + count
        return counts

    def fault(self, what: str, kind: str, sentence: str) -> Finding:
        return wrong(f"{self.ref}{what}", kind, f"{self.ref}{what}: {sentence}")


def check_request(bundle: Bundle, about: dict[str, Any], number: int, told: Told) -> Iterator[Finding]:
    facts, bad = Facts(bundle, about, number, told), 0
    for check in CHECKS:
        for fault in check(facts):
            bad += 1
            yield fault
    if bad:
        return
    items = sum(facts.items_of(facts.request["version"]).values())
    yield Finding(
        True,
        f"{facts.ref}: {plural(items, 'item')}, {plural(len(facts.calls), 'call')}, {plural(len(facts.votes), 'vote')}:"
        " digests, counts, quorum and the trail agree.",
    )
    if not facts.whole:
        yield Finding(None, f"{facts.ref} may concern other leads too: its digest is computed again in its own report.")


# --- What was asked --------------------------------------------------------------------------------------------------


def _items(facts: Facts) -> Iterator[Finding]:
    """One walk over the items: counted, and hashed on the way to each version's digest."""
    digests = {number: _begun(facts, version) for number, version in facts.versions.items()}
    for row in facts.rows("items"):
        number, key = row["version"], (row["version"], row["id"])
        if key in facts.hashes:
            yield facts.fault(f" item {row['id']}", "twice", "it is listed twice.")
        if row["outcome"] not in ("", *OUTCOMES):
            yield facts.fault(f" item {row['id']}", "outcome", "its outcome is none that there is.")
        counted, comma = (row["call"], row["outcome"]), "," if facts.outcomes[number] else ""
        digests[number].update((comma + canonical([row["id"], row["content_hash"]])).encode())
        facts.outcomes[number][counted] = facts.outcomes[number].get(counted, 0) + 1
        facts.hashes[key] = row["content_hash"]
    for number, version in facts.versions.items():
        if facts.whole:
            yield from _count_and_digest(facts, version, digests[number])


def _begun(facts: Facts, version: dict[str, Any]) -> Any:
    request = facts.request
    calls = sorted((c["number"], c["body_hash"]) for c in facts.calls if c["version"] == version["number"])
    bodies = canonical([body for _, body in calls])
    head = f'{{"account":{canonical(request["account"])},"calls":{bodies},"host":{canonical(request["host"])},"items":['
    return hashlib.sha256(head.encode())


def _count_and_digest(facts: Facts, version: dict[str, Any], digest: Any) -> Iterator[Finding]:
    what, found = f" version {version['number']}", sum(facts.items_of(version["number"]).values())
    if found != version["items"]:
        yield facts.fault(what, "count", f"{found:,} items are listed, but it has {version['items']:,}.")
    kept, kind = canonical(version["kept_hash"]), canonical(facts.request["kind"])
    digest.update(f'],"kept":{kept},"kind":{kind},"parameters":{version["parameters"]}}}'.encode())
    if version["digest"] and digest.hexdigest() != version["digest"]:
        sentence = "its digest is not that of its parts: items, what stays, parameters or calls were changed."
        yield facts.fault(what, "digest", sentence)


def _kept(facts: Facts) -> Iterator[Finding]:
    if not facts.whole:
        return
    ids: dict[int, list[str]] = {}
    for row in facts.rows("kept"):
        ids.setdefault(row["version"], []).append(row["id"])
    for number, version in facts.versions.items():
        if version["kept_hash"] and _sha("\n".join(sorted(ids.get(number, [])))) != version["kept_hash"]:
            yield facts.fault(f" version {number}", "kept", "the list of what stays was changed.")


def _contents(facts: Facts) -> Iterator[Finding]:
    for row in facts.rows("contents"):
        known = facts.hashes.get((row["version"], row["id"]))
        if row["text"] is not None and _sha(row["salt"] + row["text"]) != known:
            yield facts.fault(f" item {row['id']}", "content", "its content is not the one whose hash was approved.")


def _bodies(facts: Facts) -> Iterator[Finding]:
    for call in facts.calls:
        if call["body"] is not None and _sha(call["body"]) != call["body_hash"]:
            yield facts.fault(f" call {call['number']}", "body", "its body is not the one whose hash was approved.")


def _outcomes(facts: Facts) -> Iterator[Finding]:
    request, open_ = facts.request, facts.items_of(facts.request["version"]).get("", 0)
    if open_ and request["started_at"] and request["state"] in ENDS:
        yield facts.fault("", "no outcome", f"it is over, but the outcome of {plural(open_, 'item')} is missing.")


# --- Who decided -----------------------------------------------------------------------------------------------------


def _votes(facts: Facts) -> Iterator[Finding]:
    seen = set()
    for vote in facts.votes:
        what, version = f" vote {vote['id']}", facts.versions[vote["version"]]
        if vote["digest"] != version["digest"]:
            yield facts.fault(
                what, "digest", f"it was given on another digest than that of version {version['number']}."
            )
        if vote["takes_back"]:
            continue
        if (vote["version"], vote["voter"]) in seen:
            yield facts.fault(what, "twice", f"{vote['voter']} voted twice on version {vote['version']}.")
        seen.add((vote["version"], vote["voter"]))
        if vote["voter"] in _involved(facts, vote["version"]):
            yield facts.fault(what, "not allowed", f"{vote['voter']} made, edited or asked for what the vote is on.")
        if not _granted(vote, vote["at"]):
            yield facts.fault(what, "not allowed", f"{vote['voter']} had no grant in force.")


def _involved(facts: Facts, until: int) -> set[str]:
    people = {facts.request["requester"]}
    for number, version in facts.versions.items():
        if number <= until:
            people |= {version["editor"], version["asked_by"], version["submitted_by"]}
    return people


def _granted(vote: dict[str, Any], at: str) -> bool:
    grant = vote["grant"]
    return grant["counts_from"] <= at and (not grant["revoked_at"] or grant["revoked_at"] >= at)


def _quorum(facts: Facts) -> Iterator[Finding]:
    version = facts.versions[facts.request["version"]]
    approved = facts.events("deletionrequest", facts.number, "request.approved")
    if facts.request["started_at"] or facts.request["state"] == "approved":
        until = approved[-1]["at"] if approved else facts.request["started_at"] or facts.request["state_at"]
        yield from _short(facts, "", [v for v in _standing(facts, until) if v["decision"] == "approve"], version)
    for attempt in facts.attempts:
        if attempt["digest"] != facts.versions[attempt["version"]]["digest"]:
            yield facts.fault(
                f" attempt {attempt['id']}", "digest", "it was made on another digest than the approved one."
            )
        at = attempt["intent_at"]
        valid = [vote for vote in _standing(facts, at) if _granted(vote, at)]
        yield from _short(facts, f" attempt {attempt['id']}", valid, version)


def _standing(facts: Facts, until: str) -> Rows:
    back = {vote["takes_back"] for vote in facts.votes}
    return [
        vote
        for vote in facts.votes
        if vote["version"] == facts.request["version"]
        and vote["decision"] in APPROVALS
        and vote["id"] not in back
        and vote["at"] <= until
    ]


def _short(facts: Facts, what: str, votes: Rows, version: dict[str, Any]) -> Iterator[Finding]:
    needed, teams = max(1, version["approvals_needed"]), version["teams_needed"]
    people, from_teams = len({vote["voter"] for vote in votes}), len({vote["team"] for vote in votes})
    if people < needed or from_teams < teams:
        found = f"{plural(people, 'valid approval')} from {plural(from_teams, 'team')}"
        sentence = f"{found}, where {needed} from {plural(max(1, teams), 'team')} were needed."
        yield facts.fault(what, "quorum", sentence)


def _sends(facts: Facts) -> Iterator[Finding]:
    """What was sent is what was approved; never twice after a send that may have done something, but for two people."""
    calls = {call["id"]: call for call in facts.calls}
    last: dict[int, dict[str, Any]] = {}
    for attempt in facts.attempts:
        call, what = calls[attempt["call"]], f" attempt {attempt['id']}"
        if attempt["body_hash"] != call["body_hash"]:
            yield facts.fault(what, "body", f"it sent another body than call {call['number']} has.")
        before = last.get(call["id"])
        if before and before["state"] in MAY_HAVE_ACTED and not _decided(facts, before, attempt):
            yield facts.fault(
                what, "decision", f"call {call['number']} was sent again without a decision of two people."
            )
        last[call["id"]] = attempt


def _decided(facts: Facts, before: dict[str, Any], after: dict[str, Any]) -> bool:
    return any(
        one["call"] == before["call"]
        and one["choice"] == "resend"
        and one["confirmed_at"]
        and before["intent_at"] <= one["confirmed_at"] <= after["intent_at"]
        for one in facts.decisions
    )


def _decisions(facts: Facts) -> Iterator[Finding]:
    for one in facts.decisions:
        if one["confirmed_by"] == one["proposed_by"]:
            yield facts.fault(f" decision {one['id']}", "not allowed", "one person proposed and confirmed it.")


# --- What the trail tells --------------------------------------------------------------------------------------------


def _told_of_votes(facts: Facts) -> Iterator[Finding]:
    for vote in facts.votes:
        said = {"request": facts.number, "digest": vote["digest"], "team": vote["team"]}
        yield from _same(facts, "vote", vote["id"], f"vote.{vote['decision']}", vote["voter"], said)
    for one in facts.decisions:
        said = {"request": facts.number, "choice": one["choice"]}
        yield from _same(facts, "decision", one["id"], "decision.proposed", one["proposed_by"], said)
        if one["confirmed_at"]:
            yield from _same(facts, "decision", one["id"], "decision.confirmed", one["confirmed_by"], said)
    yield from _untold(facts, "vote", facts.votes)
    yield from _untold(facts, "decision", facts.decisions)


def _told_of_sends(facts: Facts) -> Iterator[Finding]:
    for attempt in facts.attempts:
        said = {"request": facts.number, "call": attempt["call"], "body": attempt["body_hash"]}
        yield from _same(facts, "attempt", attempt["id"], "attempt.intent", "system", said)
        yield from _last_state(facts, "attempt", attempt["id"], attempt["state"], f" attempt {attempt['id']}")
    if facts.whole:
        yield from _untold(facts, "attempt", facts.attempts)


def _told_of_calls(facts: Facts) -> Iterator[Finding]:
    for call in facts.calls:
        what, counts = f" call {call['number']}", facts.items_of(call["version"], call["number"])
        if call["state"] != "planned":
            yield from _last_state(facts, "deletioncall", call["id"], call["state"], what)
        if call["state"] not in ENDED or sum(counts.values()) != call["size"]:
            if facts.whole and sum(counts.values()) != call["size"]:
                yield facts.fault(
                    what, "count", f"{sum(counts.values()):,} items are listed, but it has {call['size']:,}."
                )
            continue
        for event in facts.events("deletioncall", call["id"], f"call.{call['state']}")[-1:]:
            told = {name: event["details"][name] for name in OUTCOMES if event["details"].get(name)}
            if told != counts:
                yield facts.fault(
                    what, "outcome", f"the outcomes of its items are not those of event {event['seq']:,}."
                )


def _told_of_request(facts: Facts) -> Iterator[Finding]:
    request, counts = facts.request, facts.items_of(facts.request["version"])
    yield from _last_state(facts, "deletionrequest", facts.number, request["state"], "")
    for event in facts.events("deletionrequest", facts.number, *(f"request.{end}" for end in ENDS)):
        gone = event["details"].get("gone")
        if facts.whole and gone is not None and gone != sum(counts.get(name, 0) for name in DONE):
            yield facts.fault(
                "", "outcome", f"the number of items that are gone is not that of event {event['seq']:,}."
            )
    submitted = facts.events("deletionrequest", facts.number, "request.pending")
    digests = {event["details"].get("version"): event["details"].get("digest") for event in submitted}
    for number, version in facts.versions.items():
        if version["digest"] != digests.get(number, ""):
            yield facts.fault(f" version {number}", "digest", "the trail tells of another digest, or of none.")


def _same(facts: Facts, noun: str, key: Any, action: str, actor: str, said: dict[str, Any]) -> Iterator[Finding]:
    """An event tells of it, and the same."""
    events, what = facts.events(noun, key, action), f" {noun} {key}"
    if not events:
        yield facts.fault(what, "not in the trail", f"no event of the trail tells of it ({action}).")
    for event in events:
        told = {name: event["details"].get(name) for name in said}
        if event["actor"] != actor or told != said:
            yield facts.fault(what, "differs", f"event {event['seq']:,} tells something else of it ({action}).")


def _untold(facts: Facts, noun: str, rows: Rows) -> Iterator[Finding]:
    """What the trail tells of, and the report left out."""
    known = {str(row["id"]) for row in rows}
    for (kind, key), events in facts.told.items():
        if kind == noun and key not in known:
            told = f"event {events[0]['seq']:,} of the trail tells of it, the report doesn't."
            yield facts.fault(f" {noun} {key}", "left out", told)


def _last_state(facts: Facts, noun: str, key: Any, state: str, what: str) -> Iterator[Finding]:
    events = facts.events(noun, key)
    moves = [event["action"] for event in events if event["action"] in BEGINNINGS or event["details"].get("after")]
    last = moves[-1].partition(".")[2] if moves else "nothing"
    if last != state:
        yield facts.fault(what, "state", f"the report says {state}, the trail {last}.")


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


CHECKS = (
    _items,
    _kept,
    _contents,
    _bodies,
    _outcomes,
    _votes,
    _quorum,
    _sends,
    _decisions,
    _told_of_votes,
    _told_of_sends,
    _told_of_calls,
    _told_of_request,
)
