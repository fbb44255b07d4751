"""The rules that must always hold, asked after every step, and of every delete at the moment in which it arrives."""

import json
from collections import Counter
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import Max

from lsq_ops.models import (
    Attempt,
    AuditEvent,
    CallBody,
    Decision,
    DeletionCall,
    DeletionItem,
    DeletionRequest,
    KeptNeighbour,
    Notice,
    RequestVersion,
    TaskClaim,
    Vote,
)
from lsq_ops.services import story, trail

from .book import Arrival

if TYPE_CHECKING:
    from .stage import Stage

FIRST_STATE = {"request": "draft", "call": "planned", "attempt": "intent"}
MACHINES = {"request": DeletionRequest, "call": DeletionCall, "attempt": Attempt}
RAN = ("completed", "partial", "failed", "stopped", "closed")
GONE = ("gone", "already_gone")
SOON = 0.01  # the clock ticks while a statement runs
LOOKED = 900  # seconds: what was shown or changed before that was seen by the reading just before the send
OUR_CALLS, WINDOW = 20, 5.0  # 25 in 5 s, less the share of others
VERSION_FACTS = (
    "number editor asked_by parameters category reason reading read_at items_count leads_count kept_count calls_count"
    " kept_hash shares digest submitted_at submitted_by tier approvals_needed teams_needed wait_seconds"
).split()
ITEM_FACTS = "version call record_id lead_id owner_id event_code at content_hash odd".split()
CALL_FACTS = "version number path lead_id owner_id size window_from window_to codes body_hash".split()
ATTEMPT_FACTS = "pk call version number lead_id digest body_hash token_hash intent_at".split()
VOTE_FACTS = "pk version voter__username decision digest grant team takes_back".split()


class Judge:
    """What was seen so far, to compare with what is there now."""

    def __init__(self, stage: "Stage") -> None:
        self.stage, self.book = stage, stage.book
        self.states: dict[tuple[str, str], str] = {}
        self.over: set[int] = set()
        self.rated = 0
        self.troubles: list[str] = []
        self.frozen: dict[int, str] = {}
        self.votes: list[tuple[Any, ...]] = []
        self.attempts: list[tuple[Any, ...]] = []
        self.outcomes: dict[int, str] = {}
        self.voices: Counter[str] = Counter()
        self.first_request = DeletionRequest.objects.aggregate(n=Max("pk"))["n"] or 0
        last = AuditEvent.objects.order_by("-seq").first()
        self.seq, self.hash = (last.seq, last.hash) if last else (0, "0" * 64)

    def after_a_step(self) -> None:
        assert not self.troubles, self.troubles
        assert not self.stage.complaints.texts, f"the worker failed: {self.stage.complaints.texts}"
        self._audit()
        self._states()
        self._people()
        self._attempts()
        self._frozen()
        self._outcomes()
        self._next()
        self._rate()

    def at_the_end(self) -> None:
        self.after_a_step()
        report = trail.verify()
        assert report.ok, report.sentence
        for request in self._requests():
            assert request.is_over, f"{request} is still {request.state}: {request.attention}"
        held = Attempt.objects.filter(resolved_at__isnull=True).exists() or TaskClaim.objects.exists()
        assert not held, "all is over, and an attempt still holds what it deleted"

    def _requests(self) -> list[DeletionRequest]:
        found = DeletionRequest.objects.filter(pk__gt=self.first_request).select_related("account").order_by("pk")
        requests = list(found)
        assert {request.pk for request in requests} == set(self.book.wishes), "a request came or went by itself"
        return requests

    # --- 7: every change has its event, and the chain holds -----------------------------------------------------

    def _audit(self) -> None:
        for event in AuditEvent.objects.filter(seq__gt=self.seq).order_by("seq"):
            assert (event.seq, event.prev_hash) == (self.seq + 1, self.hash), f"event {event.seq} is no next link"
            assert _link(event) == event.hash, f"event {event.seq} has another hash"
            self.seq, self.hash = event.seq, event.hash
            self._told(event)

    def _told(self, event: AuditEvent) -> None:
        noun, details = event.action.partition(".")[0], json.loads(event.details)
        if noun == "vote":
            self.voices[event.object_id] += 1
        if noun not in MACHINES or "after" not in details:
            return
        key = (noun, event.object_id)
        before, after = self.states.get(key, FIRST_STATE[noun]), details["after"]
        assert before == details["before"], f"{key} was {before}, and moved from {details['before']}"
        assert MACHINES[noun].MOVES[before], f"{key} was over as {before}, and became {after}"
        self.states[key] = after
        if key[0] == "request" and after == "approved":
            version = next(
                v for v in self.book.wishes[int(event.object_id)].versions.values() if v.digest == details["digest"]
            )
            assert version.enough(datetime.fromisoformat(event.at).timestamp()), (
                f"{key} is approved by {version.ballots}"
            )

    def _states(self) -> None:
        """6 and 7: each row is in the state that its events tell."""
        requests = self._requests()
        rows: dict[str, list[tuple[int, str]]] = {"request": [(r.pk, r.state) for r in requests]}
        for noun, model in (("call", DeletionCall), ("attempt", Attempt)):
            found = model._default_manager.filter(request__pk__gt=self.first_request)
            rows[noun] = list(found.values_list("pk", "state"))
        for noun, pairs in rows.items():
            for pk, state in pairs:
                told = self.states.get((noun, str(pk)), FIRST_STATE[noun])
                assert state == told, f"{noun} {pk} is {state}, its events say {told}"

    # --- 1 to 3: votes; 9: decisions ----------------------------------------------------------------------------

    def _people(self) -> None:
        votes = Vote.objects.filter(request__pk__gt=self.first_request).order_by("pk")
        rows = list(votes.values_list(*VOTE_FACTS))
        assert rows[: len(self.votes)] == self.votes, "a vote was changed or removed"
        for pk, version_pk, voter, decision, digest, *_ in rows[len(self.votes) :]:
            version = self.book.version(version_pk)
            assert version and version.digest == digest, f"vote {pk} is on something that nobody was shown"
            cast = [ballot for ballot in version.ballots if ballot.who.name == voter]
            assert cast, f"vote {pk}: {voter} has not voted"
            assert decision == "withdrawn" or cast[0].decision == decision, f"vote {pk} is not what {voter} said"
            assert self.voices[str(pk)] == 1, f"vote {pk} has {self.voices[str(pk)]} audit events"
        self.votes = rows
        for wish in self.book.wishes.values():
            for version in wish.versions.values():
                names = [ballot.who.name for ballot in version.ballots]
                assert len(set(names)) == len(names) and not set(names) & wish.involved
        for decision in Decision.objects.filter(request__pk__gt=self.first_request, confirmed_at__isnull=False):
            assert decision.pk in self.book.decisions, f"{decision} was confirmed by nobody"

    # --- 4 and 8: attempts -------------------------------------------------------------------------------------

    def _attempts(self) -> None:
        found = Attempt.objects.filter(request__pk__gt=self.first_request).order_by("pk")
        rows = list(found.values_list(*ATTEMPT_FACTS))
        assert rows[: len(self.attempts)] == self.attempts, "an attempt was changed or removed"
        for pk, _, version_pk, _, _, digest, _, _, intent_at in rows[len(self.attempts) :]:
            version = self.book.version(version_pk)
            assert version and version.digest == digest, f"attempt {pk} is of something that nobody was shown"
            assert version.enough(intent_at.timestamp()), f"attempt {pk} had no valid approval: {version.ballots}"
        self.attempts = rows

    def arrived(self, path: str, body: dict[str, Any], token: str, *, turned_away: bool) -> int:
        """A delete has reached LeadSquared; its number."""
        now = self.stage.clock.now
        assert not connection.in_atomic_block, "the attempt is not committed"
        attempt = self._attempt_of(token, body)
        number = len(self.book.arrivals)
        arrival = Arrival(number, now, path, token, attempt.pk, attempt.call_id, attempt.request_id, turned_away)
        try:
            self._is_new(arrival)
            self._is_approved(attempt, arrival, body)
            self._takes_only(attempt, arrival, body)
        except AssertionError as trouble:
            self.troubles.append(str(trouble))  # the worker would take it for an error of its own
        self.book.arrivals.append(arrival)
        return number

    def _attempt_of(self, token: str, body: dict[str, Any]) -> Attempt:
        """By its token; without a webhook address by the body, among those that didn't arrive yet."""
        known = [arrival.attempt for arrival in self.book.arrivals]
        found = Attempt.objects.exclude(pk__in=known).select_related("call__body", "version")
        if token:
            attempts = list(found.filter(token_hash=token))
        else:
            # One whose sender was held up on the threshold is unknown by then; it is its own attempt all the same.
            found = found.filter(state__in=("intent", "unknown")).order_by("pk")
            attempts = [attempt for attempt in found if json.loads(attempt.call.body.text) == body][-1:]
        assert attempts, f"no attempt stands behind a delete that arrived: {body}"
        return attempts[0]

    def _is_new(self, arrival: Arrival) -> None:
        """8 and 9: each attempt once; a call a second time only if it was turned away, or two people decided it."""
        for before in self.book.arrivals:
            assert not arrival.token or before.token != arrival.token, "a token came twice"
            if before.call != arrival.call or before.turned_away:
                continue
            decided = [at for call, at in self.book.resends if call == arrival.call and before.at < at <= arrival.at]
            assert decided, f"call {arrival.call} came again after arrival {before.number}, and nobody decided that"

    def _is_approved(self, attempt: Attempt, arrival: Arrival, body: dict[str, Any]) -> None:
        opened, wish = attempt.intent_at.timestamp(), self.book.wishes[arrival.request]
        version = self.book.version(attempt.version_id)
        assert version and version.enough(opened), f"arrival {arrival.number}: no valid approval"
        assert json.loads(version.bodies[arrival.call]) == body, f"arrival {arrival.number}: another body"
        assert opened <= wish.stopped + SOON, f"arrival {arrival.number}: after the request was stopped"
        paused = [spell for spell in self.book.paused if spell.start < opened < spell.end]
        assert not paused, f"arrival {arrival.number}: while the account was paused"

    def _takes_only(self, attempt: Attempt, arrival: Arrival, body: dict[str, Any]) -> None:
        """What it names now was approved; what nobody could know of came or changed at the last moment."""
        version, opened = self.book.version(attempt.version_id), attempt.intent_at.timestamp()
        assert version
        for record in self.stage.crm.chosen_by(arrival.path, body):
            if version.items.get(record) != arrival.call:
                shown = [at for at in self.book.shown.get(record, []) if at < opened - LOOKED]
                assert not shown, f"arrival {arrival.number} names {record}, which nobody approved"
            changed = self.book.changed.get(record, 0.0)
            known = version.read_at < changed < opened - LOOKED
            assert not known, f"arrival {arrival.number} names {record}, which changed long before"

    # --- 5: what is frozen stays --------------------------------------------------------------------------------

    def _frozen(self) -> None:
        submitted = [version.pk for wish in self.book.wishes.values() for version in wish.versions.values()]
        if not submitted:
            return
        for version, facts in _facts(submitted).items():
            known = self.frozen.setdefault(version, facts)
            assert known == facts, f"version {version} is frozen, and changed"

    # --- 10: outcomes ------------------------------------------------------------------------------------------

    def _outcomes(self) -> None:
        items = DeletionItem.objects.filter(version__request__pk__gt=self.first_request).order_by("pk")
        rows = {
            pk: (record, call, out) for pk, record, call, out in items.values_list("pk", "record_id", "call", "outcome")
        }
        for pk, outcome in self.outcomes.items():
            assert rows[pk][2] == outcome, f"item {pk} was {outcome}, and is {rows[pk][2]}"
        for pk, (record, call, outcome) in rows.items():
            if outcome and pk not in self.outcomes:
                self.outcomes[pk] = outcome
                self._is_true(record, call, outcome)
        for request in self._requests():
            if request.state in RAN and request.pk not in self.over:
                self.over.add(request.pk)
                self._adds_up(request)

    def _is_true(self, record: str, call: int, outcome: str) -> None:
        removal = self.stage.crm.removed.get(record)
        mine = [arrival for arrival in self.book.arrivals if arrival.call == call]
        ours = removal is not None and removal.by in [arrival.number for arrival in mine]
        if outcome in GONE:
            assert removal is not None, f"{record} is said to be {outcome}, and is there"
        if outcome in ("skipped", "already_gone"):
            assert not ours, f"{record} is said to be {outcome}, and went by our own delete"
        if outcome == "still_present":
            shown = self.book.shown.get(record, [0.0])[-1]
            assert shown > max((arrival.at for arrival in mine), default=0.0), f"{record}: nobody looked after the send"

    def _adds_up(self, request: DeletionRequest) -> None:
        version = request.version
        found = Counter(version.items.values_list("outcome", flat=True))
        assert not found[""] and sum(found.values()) == version.items_count, f"{request}: {found}"
        done = found["gone"] + found["already_gone"]
        if request.state == "completed":
            assert done == version.items_count, f"{request} is completed: {found}"
            self._took_nothing_else(request)
        assert not (request.state == "failed" and done), f"{request} failed: {found}"

    def _took_nothing_else(self, request: DeletionRequest) -> None:
        """A record that nobody approved, that we had seen there before, and that our own job took: never completed. Of
        what goes after the last reading nobody can know."""
        version = self.book.wishes[request.pk].versions[request.version_number]
        for record, removal in self.stage.crm.removed.items():
            by = next((a for a in self.book.arrivals if a.number == removal.by and a.request == request.pk), None)
            if by is None or record in version.items or removal.at >= self._last_reading(request, by.call):
                continue
            seen = [at for at in self.book.shown.get(record, []) if _epoch(request.started_at) <= at < by.at]
            assert not seen, f"{request} is completed, and took {record} with it"

    def _last_reading(self, request: DeletionRequest, call_pk: int) -> float:
        call = DeletionCall.objects.get(pk=call_pk)
        readings = request.snapshots.filter(complete=True, subject_id=call.lead_id or call.owner_id)
        begun = readings.filter(read_at__lte=call.ended_at).aggregate(t=Max("started_at"))["t"]
        return _epoch(begun)

    # --- 11: what comes next -----------------------------------------------------------------------------------

    def _next(self) -> None:
        for request in self._requests():
            if request.is_over:
                assert request.ended_at, f"{request} is over, and nobody knows since when"
                continue
            assert story.next_step(request).strip(), f"{request} is {request.state}, and nothing comes next"
            if request.state in ("pending", "approved"):
                assert request.expires_at, f"{request} is {request.state} for ever"
            if request.state == "needs_attention":
                told = Notice.objects.filter(request=request, subject__contains="needs attention")
                assert told.exists(), f"{request} needs attention, and nobody was told"

    def _rate(self) -> None:
        """No more calls in a window than are ours."""
        times, self.rated = self.book.calls[max(0, self.rated - OUR_CALLS) :], len(self.book.calls)
        for first, last in zip(times, times[OUR_CALLS:], strict=False):
            assert last - first >= WINDOW, f"{OUR_CALLS + 1} calls in {last - first:.3f} s"


def _link(event: AuditEvent) -> str:
    keys = ("seq", "at", "actor", "action", "object_type", "object_id", "details")
    body = {key: getattr(event, key) for key in keys}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256((event.prev_hash + text).encode()).hexdigest()


def _facts(versions: list[int]) -> dict[int, str]:
    """One hash for each version over everything of it that is frozen."""
    found: dict[int, list[Any]] = {pk: [] for pk in versions}
    for pk, *facts in RequestVersion.objects.filter(pk__in=versions).values_list("pk", *VERSION_FACTS):
        found[pk].append(facts)
    for model, by, names in (
        (DeletionItem, "version", ITEM_FACTS),
        (DeletionCall, "version", CALL_FACTS),
        (KeptNeighbour, "version", ["version", "record_id", "lead_id", "why"]),
        (CallBody, "call__version", ["call__version", "call", "text"]),
    ):
        rows = model._default_manager.filter(**{f"{by}__in": versions}).order_by("pk")
        for version, *facts in rows.values_list(by, "pk", *names):
            found[version].append(facts)
    return {pk: sha256(repr(facts).encode()).hexdigest() for pk, facts in found.items()}


def _epoch(when: Any) -> float:
    return when.timestamp() if when else 0.0
