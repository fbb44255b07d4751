"""What a batch is judged by, when everything is quiet again: the CRM's own record and the people's own books, held
against what the portal has written down."""

import hashlib
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.db import connection

from lsq_ops.models import ActivitySnapshot, Attempt, DeletionItem, DeletionRequest, WebhookReceipt
from lsq_ops.services import trail

from .process_crm import Arrival, Post, RememberingSandbox
from .process_ledger import Ledger
from .sums import Sums

RAN = ("completed", "partial", "failed", "stopped", "closed")
GONE = ("gone", "already_gone")
RECEIPTS = 20
TEAM = {"arun": "Business", "dana": "Data control", "adam": "Data control"}
HISTORY = ("owner_history", "stage_history")


class Witness:
    """Asks the database, at the moment when a delete arrives, whether its attempt is committed. A connection of its
    own: nothing of the portal's code lies in between."""

    BY_TOKEN = "SELECT count(*) FROM lsq_ops_attempt WHERE token_hash = {}"
    BY_BODY = """SELECT count(*) FROM lsq_ops_attempt a JOIN lsq_ops_callbody b ON b.call_id = a.call_id
        WHERE a.state IN ('intent', 'unknown') AND a.resolved_at IS NULL AND b.text = {}"""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connection: Any = None

    def committed(self, arrival: Arrival) -> int | None:
        """None where the database could not be asked within four seconds."""
        value = arrival.token_hash or arrival.body
        sql = (self.BY_TOKEN if arrival.token else self.BY_BODY).format("?" if self.on_sqlite else "%s")
        until = time.monotonic() + 4
        with self.lock:
            while time.monotonic() < until:
                try:
                    return int(self._open().execute(sql, (value,)).fetchone()[0])
                except Exception:  # whatever it is, the next connection may do
                    self.connection = None
                    time.sleep(0.1)
        return None

    @property
    def on_sqlite(self) -> bool:
        return connection.vendor == "sqlite"

    def _open(self) -> Any:
        if self.connection is None and self.on_sqlite:
            name = settings.DATABASES["default"]["NAME"]
            self.connection = sqlite3.connect(f"file:{name}?mode=ro", uri=True, check_same_thread=False, timeout=4)
        elif self.connection is None:
            import psycopg

            own = settings.DATABASES["default"]
            self.connection = psycopg.connect(
                host=own["HOST"], port=own["PORT"], user=own["USER"], dbname=own["NAME"], autocommit=True
            )
        return self.connection


class Oracle:
    def __init__(self, crm: RememberingSandbox, ledger: Ledger, sums: Sums, away: list[tuple[float, float]]) -> None:
        self.crm, self.ledger, self.sums, self.away = crm, ledger, sums, away
        self.deletes = crm.app.deletes()
        self.attempts = {
            attempt.token_hash: attempt for attempt in Attempt.objects.select_related("call", "request", "version")
        }
        self.of_call: dict[int, list[Arrival]] = defaultdict(list)

    def judge(self) -> None:
        for arrival in self.deletes:
            attempt = self.attempt_of(arrival)
            if attempt is not None:
                self.of_call[attempt.call_id].append(arrival)
            self.recorded(arrival, attempt)
            self.approved(arrival, attempt)
        self.once()
        self.outcomes()
        self.nothing_lost()
        self.webhooks_kept()
        self.within_limit()
        report = trail.verify()
        if not report.ok:
            self.sums.audit = f"bad at {report.bad_seq}"
            self.sums.troubles.append(f"audit: {report.sentence}")

    def attempt_of(self, arrival: Arrival) -> Attempt | None:
        if arrival.token:
            return self.attempts.get(arrival.token_hash)
        same = [a for a in self.attempts.values() if a.body_hash == sha(arrival.body)]
        earlier = [a for a in same if a.intent_at.timestamp() <= arrival.at]
        return max(earlier, key=lambda a: a.intent_at, default=None)

    # --- Each delete that arrived --------------------------------------------------------------------------

    def recorded(self, arrival: Arrival, attempt: Attempt | None) -> None:
        if attempt is None or arrival.attempts not in (1, None):
            self.sums.trouble("unrecorded", f"{told(arrival)}: {arrival.attempts} attempts were committed")

    def approved(self, arrival: Arrival, attempt: Attempt | None) -> None:
        """Its body is one that enough people were shown and wanted, and nobody had said stop."""
        if attempt is None:
            if not any(arrival.body in bodies for bodies in self.ledger.shown.values()):
                self.sums.trouble("unapproved", f"{told(arrival)}: nobody was ever shown it")
            return
        key, at = (attempt.request_id, attempt.version.number), attempt.intent_at.timestamp()
        why = self._votes_missing(attempt, key, at)
        if arrival.body not in self.ledger.shown.get(key, ()):
            why = "its body was not shown to the voters"
        elif self.ledger.is_paused(attempt.request.kind, at):
            why = "the account or the kind was paused"
        elif self.ledger.stops.get(attempt.request_id, at) < at:
            why = "the request was stopped before"
        if why:
            self.sums.trouble("unapproved", f"{told(arrival)} of DR-{attempt.request_id}: {why}")

    def _votes_missing(self, attempt: Attempt, key: tuple[int, int], at: float) -> str:
        voters = self.ledger.in_force(key, at)
        strict = attempt.request.kind in HISTORY
        people = max(attempt.version.approvals_needed, 2 if strict else 1)
        teams = max(attempt.version.teams_needed, 2 if strict else 1)
        if len(voters) >= people and len({TEAM[voter] for voter in voters}) >= teams:
            return ""
        return f"only {sorted(voters)} had approved it"

    def once(self) -> None:
        tokens: dict[str, int] = defaultdict(int)
        for arrival in self.deletes:
            tokens[arrival.token] += bool(arrival.token)
            if tokens[arrival.token] == 2:
                self.sums.trouble("double", f"{told(arrival)}: its token came twice")
        for call, arrivals in self.of_call.items():
            for first, second in pairwise(arrivals):
                decided = any(first.at < at < second.at for at in self.ledger.resends.get(call, ()))
                if not first.turned_away and not decided:
                    self.sums.trouble("double", f"{told(second)}: call {call} came again and nobody had decided that")

    # --- Each item of a request that ran and is over -------------------------------------------------------

    def outcomes(self) -> None:
        items = DeletionItem.objects.filter(version__request__state__in=RAN, version__submitted_at__isnull=False)
        for item in items.filter(outcome__in=GONE).select_related("version").iterator():
            if self._is_there(item):
                self.false(item, f"called {item.outcome}, and the CRM still has it")
        for item in items.filter(outcome="skipped").select_related("version").iterator():
            if any(item.record_id == record for arrival in self.of_call[item.call_id] for record, _ in arrival.removed):
                self.false(item, "called not sent, and our own delete removed it")
        left = items.filter(outcome="still_present", record_id__in=self.crm.world.removed)
        for item in left.select_related("version", "call"):
            self._judge_left(item)
        for request in DeletionRequest.objects.filter(state="completed"):
            self._judge_neighbours(request)

    def _is_there(self, item: DeletionItem) -> bool:
        return bool(self.crm.world.there("tasks" if item.event_code is None else "activities", [item.record_id]))

    def _judge_left(self, item: DeletionItem) -> None:
        removed, _ = self.crm.world.removed[item.record_id]
        began = self._last_reading(item, item.outcome_at)
        if began is not None and removed < began:
            self.false(item, "called still there, and it was removed before that was read")

    def _last_reading(self, item: DeletionItem, until: datetime | None) -> float | None:
        """When the earliest of the last complete readings that show this item began."""
        request, begins = item.version.request_id, []
        for subject in {item.lead_id, item.owner_id, item.call.owner_id} - {""}:
            done = ActivitySnapshot.objects.filter(request=request, subject_id=subject, complete=True)
            last = done.filter(read_at__lte=until).order_by("-started_at").values_list("started_at", flat=True).first()
            begins += [epoch(last)] if last else []
        return min(begins, default=None)

    def _judge_neighbours(self, request: DeletionRequest) -> None:
        """Nothing that nobody approved went with a completed request, as far as its last readings could see."""
        for call in request.version.calls.all():
            done = ActivitySnapshot.objects.filter(request=request, complete=True, read_at__lte=call.ended_at)
            last = done.filter(subject_id__in=self._subjects(call)).order_by("-started_at").first()
            removed = {record: at for arrival in self.of_call[call.pk] for record, at in arrival.removed}
            for record in removed.keys() - approved_ids(removed):
                seen = self._seen_before(request, call, record)
                if last and removed[record] < epoch(last.started_at) and seen:
                    what = f"its call {call.number} took {record}, which nobody approved"
                    self.sums.trouble("false_verified", f"DR-{request.pk} is completed, and {what}")

    def _subjects(self, call: Any) -> set[str]:
        leads = set(DeletionItem.objects.filter(call=call).values_list("lead_id", flat=True))
        return {call.lead_id, call.owner_id, *leads} - {""}

    def _seen_before(self, request: DeletionRequest, call: Any, record: str) -> bool:
        """It was there when the request looked just before it sent."""
        first = call.attempts.order_by("number").first()
        before = ActivitySnapshot.objects.filter(request=request, complete=True, read_at__lte=first.intent_at)
        before = before.filter(subject_id__in=self._subjects(call), started_at__gte=request.started_at)
        began = [epoch(at) for at in before.values_list("started_at", flat=True)]
        return bool(began) and self.crm.world.added.get(record, 0) < min(began)

    def false(self, item: DeletionItem, what: str) -> None:
        self.sums.trouble("false_verified", f"item {item.pk} ({item.record_id}) of {item.version}: {what}")

    # --- What must not be lost -----------------------------------------------------------------------------

    def nothing_lost(self) -> None:
        there = set(DeletionRequest.objects.values_list("pk", flat=True))
        for pk in self.ledger.drafts - there:
            self.sums.trouble("lost", f"DR-{pk} was made and is not there")
        for request in DeletionRequest.objects.filter(state__in=RAN):
            items = request.version.items
            open_items = items.filter(outcome="").count()
            if open_items or items.count() != request.version.items_count:
                self.sums.trouble("lost", f"{request} is {request.state}: {open_items} items have no outcome")

    def webhooks_kept(self) -> None:
        """Each body that was answered with 200 for a token of ours, while the database was there."""
        kept = set(WebhookReceipt.objects.values_list("attempt__token_hash", "body_hash"))
        count: dict[str, int] = defaultdict(int)
        for token_hash, _ in kept:
            count[token_hash] += 1
        for post in self.crm.app.webhooks.posts:
            token_hash = sha(post.token)
            if post.status != 200 or token_hash not in self.attempts or self._was_away(post):
                continue
            if (token_hash, post.body_hash) not in kept and count[token_hash] < RECEIPTS:
                attempt = self.attempts[token_hash]
                self.sums.trouble("lost", f"a webhook for attempt {attempt.pk} was answered with 200 and not kept")

    def _was_away(self, post: Post) -> bool:
        return any(start - 1 < post.done and post.at < end + 1 for start, end in self.away)

    def within_limit(self) -> None:
        """No more calls in any window than are ours by the account's limit, less the reserve."""
        calls, seconds = settings.LSQ_RATE_LIMIT
        most = max(1, int(calls * (1 - settings.LSQ_RESERVE) + 1e-9))
        clocks = sorted(arrival.clock for arrival in self.crm.app.arrivals)
        over = [end - start for start, end in zip(clocks, clocks[most:], strict=False) if end - start < seconds]
        if over:
            words = f"{most + 1} calls within {min(over):.3f} s instead of {seconds} s, {len(over)} times"
            self.sums.trouble("over_limit", words)


def approved_ids(records: Iterable[str]) -> set[str]:
    items = DeletionItem.objects.filter(record_id__in=list(records), version__request__votes__decision="approve")
    return set(items.values_list("record_id", flat=True))


def epoch(at: datetime | None) -> float:
    return at.timestamp() if at else 0.0


def told(arrival: Arrival) -> str:
    return f"delete {arrival.number} ({arrival.operation.rpartition('/')[2]})"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
