"""The harness's own book: what arrived at LeadSquared, who voted and decided what, which webhooks were answered. It is
written while things happen, from outside; judging it is in judge.py."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import connection

from lsq_ops.models import Attempt

if TYPE_CHECKING:
    from .scene import Scene

HOOK = "StatusWebhookURL"


@dataclass
class Vote:
    user: str
    version: int
    digest: str
    bodies: list[str]
    at: float


@dataclass
class Arrival:
    """A delete that reached LeadSquared; `attempt` is the one committed attempt of its own, if it was there."""

    number: int
    at: float
    path: str
    body: dict[str, Any]
    token_hash: str
    turned_away: bool
    attempt: int | None
    call: int | None
    request: int | None
    version: int | None
    size: int
    opened_at: float
    named: list[str]


@dataclass
class Posted:
    token_hash: str
    sha256: str
    at: float


@dataclass
class Person:
    """What the harness knows of an approver: the team, and since when the word doesn't count."""

    team: str
    out_since: float | None = None


@dataclass
class Ledger:
    scene: "Scene"
    arrivals: list[Arrival] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)  # when any call of ours arrived
    votes: list[Vote] = field(default_factory=list)
    needs: dict[int, tuple[int, int]] = field(default_factory=dict)  # version -> votes and teams, by our own reckoning
    involved: dict[int, set[str]] = field(default_factory=dict)  # request -> who made, edited or asked for it
    people: dict[str, Person] = field(default_factory=dict)
    paused: list[list[float]] = field(default_factory=list)  # from, until
    stopped: dict[int, float] = field(default_factory=dict)
    resends: list[tuple[int, float]] = field(default_factory=list)  # call, confirmed at
    webhooks: list[Posted] = field(default_factory=list)
    shown: dict[str, list[float]] = field(default_factory=dict)  # record -> when a reading of ours showed it

    # --- LeadSquared -----------------------------------------------------------------------------------------

    def read_arrived(self) -> None:
        self.calls.append(self.scene.clock.now)

    def showed(self, ids: Iterable[str]) -> None:
        for record_id in ids:
            self.shown.setdefault(record_id, []).append(self.scene.clock.now)

    def arrived(self, path: str, sent: dict[str, Any], *, turned_away: bool) -> Arrival:
        now, address = self.scene.clock.now, sent.get(HOOK, "")
        body = {name: value for name, value in sent.items() if name != HOOK}
        token = address.rstrip("/").rpartition("/")[2]
        token_hash = hashlib.sha256(token.encode()).hexdigest() if token else ""
        with self.scene.harness():
            attempt = None if connection.in_atomic_block else self._attempt_of(token_hash, body)
        made = Arrival(
            len(self.arrivals), now, path, body, token_hash, turned_away,
            attempt=attempt.pk if attempt else None,
            call=attempt.call_id if attempt else None,
            request=attempt.request_id if attempt else None,
            version=attempt.version_id if attempt else None,
            size=attempt.call.size if attempt else 0,
            opened_at=attempt.intent_at.timestamp() if attempt else 0,
            named=self.scene.crm.chosen_by(path, body),
        )  # fmt: skip
        self.calls.append(now)
        self.arrivals.append(made)
        self._judge_at_once(made)
        return made

    def _attempt_of(self, token_hash: str, body: dict[str, Any]) -> Attempt | None:
        """By the token's hash; without a webhook address by the body, among those that may not have been sent yet.
        One whose sender was stopped on the threshold is unknown by then: it is its own attempt all the same."""
        if token_hash:
            return Attempt.objects.filter(token_hash=token_hash).select_related("call__body").first()
        for state in ("intent", "unknown"):
            attempts = Attempt.objects.filter(state=state, resolved_at__isnull=True).select_related("call__body")
            fits = [a for a in attempts if not self._seen(a) and json.loads(a.call.body.text) == body]
            if fits:
                return fits[0] if len(fits) == 1 else None
        return None

    def _seen(self, attempt: Attempt) -> bool:
        return any(arrival.attempt == attempt.pk for arrival in self.arrivals)

    # --- What must hold at the moment of an arrival ------------------------------------------------------------

    def _judge_at_once(self, arrival: Arrival) -> None:
        name = f"arrival {arrival.number} (call {arrival.call}, attempt {arrival.attempt})"
        if arrival.attempt is None:
            self.trouble("unrecorded", f"{name} had no committed attempt of its own")
        if why := self._not_approved(arrival):
            self.trouble("unapproved", f"{name}: {why}")
        if why := self._came_before(arrival):
            self.trouble("double", f"{name}: {why}")

    def _not_approved(self, arrival: Arrival) -> str:
        """Why this send had no valid approval; empty where it had."""
        if arrival.version is None or arrival.request is None:
            return "no version of a request stands behind it"
        votes = {v.user: v for v in self.votes if v.version == arrival.version and self._counts(v, arrival)}
        teams = {self.people[user].team for user in votes}
        need = self.needs.get(arrival.version)
        if need is None or len(votes) < need[0] or len(teams) < need[1]:
            return f"it needs {need} votes and teams, and has {sorted(votes)}"
        if any(start < arrival.opened_at < end for start, end in self.paused):
            return "its attempt was opened while the account was paused"
        if self.stopped.get(arrival.request, arrival.opened_at) < arrival.opened_at:
            return "its attempt was opened after the request was stopped"
        return ""

    def _counts(self, vote: Vote, arrival: Arrival) -> bool:
        out = self.people[vote.user].out_since
        bodies = [json.loads(text) for text in vote.bodies]
        in_force = out is None or out > arrival.opened_at
        return in_force and arrival.body in bodies and vote.user not in self.involved[arrival.request or 0]

    def _came_before(self, arrival: Arrival) -> str:
        """Why this is a second send that nobody decided on; empty where it isn't."""
        for before in self.arrivals[:-1]:
            if arrival.token_hash and before.token_hash == arrival.token_hash:
                return f"the token of arrival {before.number} came again"
            if before.call != arrival.call or arrival.call is None or before.turned_away:
                continue
            if not any(call == arrival.call and before.at < at <= arrival.at for call, at in self.resends):
                return f"the call came already as arrival {before.number}"
        return ""

    # --- People ----------------------------------------------------------------------------------------------

    def voted(self, user: str, version: int, digest: str, bodies: list[str]) -> None:
        self.votes.append(Vote(user, version, digest, bodies, self.scene.clock.now))

    def paused_now(self) -> None:
        self.paused.append([self.scene.clock.now, float("inf")])

    def resumed_now(self) -> None:
        """Asked for, whether or not it worked: from here on it isn't certain that it is paused."""
        for span in self.paused:
            span[1] = min(span[1], self.scene.clock.now)

    # --- Webhooks --------------------------------------------------------------------------------------------

    def posted(self, token: str, body: bytes, *, status: int, harmed: bool) -> None:
        """Answered 200 with nothing in the door's way: from here on there must be a receipt."""
        if status == 200 and not harmed and body:
            kept = hashlib.sha256(body[:65_536]).hexdigest()
            self.webhooks.append(Posted(hashlib.sha256(token.encode()).hexdigest(), kept, self.scene.clock.now))
        elif status not in (0, 200):
            self.trouble("lost", f"the webhook door answered {status}")

    def trouble(self, invariant: str, what: str) -> None:
        self.scene.sums.trouble(invariant, f"seed {self.scene.seed}: {what}")
