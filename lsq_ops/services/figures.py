"""The portal in figures, for whoever draws curves and sets alarms: docs/watching.md says what each one means.

Counts and ages alone, read from the tables at each look, in a number of queries that does not grow with them. Labels
are states and parts out of closed lists: nothing that a person or LeadSquared wrote.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.db.models import Count, Max, Min, Q, Sum

from lsq_ops.models import (
    Account,
    Attempt,
    AuditAnchor,
    AuditEvent,
    AuditHead,
    Beat,
    DeletionCall,
    DeletionRequest,
    TrailCheck,
    WebhookReceipt,
    db_now,
    timing,
)

from . import accounts, notices, operations, waiting

LATELY = timedelta(days=1)
WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)
# As `operations.lanes` has them: their names there are for people, and change with their language.
LANES = (
    "calls_to_read_back",
    "readings_back",
    "calls_to_send",
    "readings_before_a_send",
    "uploads",
    "readings_for_previews",
    "readings_for_the_mirror",
    "syncs",
    "mails",
)


@dataclass(slots=True)
class Figure:
    """One metric. `values`: the label's value ("" where it has none) and the number; `label`: its name."""

    name: str
    says: str
    label: str = ""
    values: list[tuple[str, float]] = field(default_factory=list)


def figures() -> Iterator[Figure]:
    account = accounts.current_account() if Account.objects.filter(current=True).exists() else None
    now = db_now()
    yield from _beats(now)
    yield from _lanes(account, now)
    if account is not None:
        yield from _budget(account, now)
        yield from _requests(account, now)
        yield from _calls(account, now)
        yield from _pauses(account)
    yield from _receipts(now)
    yield from _trail(now)
    yield from _sign_ins(now)
    yield _one("mails_given_up", "Mails that could not be sent, and are no longer tried", notices.given_up().count())


def _one(name: str, says: str, value: float | None) -> Figure:
    """Nothing at all where there is no value: a zero would be a claim."""
    return Figure(name, says, values=[] if value is None else [("", value)])


def _age(now: datetime, at: datetime | None) -> float | None:
    return None if at is None else max(0.0, (now - at).total_seconds())


def _beats(now: datetime) -> Iterator[Figure]:
    parts = {part: Q(name__startswith=f"{part} on ") for part in ("worker", "watchdog")}
    newest = Beat.objects.aggregate(**{part: Max("at", filter=named) for part, named in parts.items()})
    ages = [(part, age) for part in parts if (age := _age(now, newest[part])) is not None]
    yield Figure("beat_age_seconds", "Since the part was last seen alive, on whichever machine", "part", ages)
    fresh = now - timedelta(seconds=timing().beat_stale)
    alive = Beat.objects.filter(at__gte=fresh).aggregate(**{p: Count("pk", filter=q) for p, q in parts.items()})
    yield Figure("parts_alive", "Machines on which the part was seen just now", "part", [*alive.items()])


def _lanes(account: Account | None, now: datetime) -> Iterator[Figure]:
    lanes = [*zip(LANES, operations.lanes(account), strict=True)]
    yield Figure("queue_ready", "What could be done now", "lane", [(name, lane.now) for name, lane in lanes])
    yield Figure("queue_later", "What waits for its time", "lane", [(name, lane.later) for name, lane in lanes])
    ages = [(name, _age(now, lane.oldest) or 0.0) for name, lane in lanes]
    yield Figure("queue_oldest_age_seconds", "Age of the oldest that could be done now", "lane", ages)
    yield _one("queue_rings", "Rings that wait in the queue; they only wake workers", operations.rings())


def _budget(account: Account, now: datetime) -> Iterator[Figure]:
    gauge = operations.gauge(account)
    held = max(0.0, (gauge.held_until - now).total_seconds()) if gauge.held_until else 0.0
    yield _one("budget_window_used", "Calls under way or fresh in the window", gauge.in_window)
    yield _one("budget_window_limit", "Calls that the portal allows itself in a window now", gauge.size)
    yield _one("budget_window_seconds", "Length of the window", gauge.seconds)
    yield _one("budget_day_used", "Calls made this day, UTC", gauge.today)
    yield _one("budget_day_limit", "Calls that the portal allows itself a day; absent where none is set", gauge.cap)
    yield _one("budget_held_seconds", "Until calls go on after LeadSquared's rate limit was met", held)


def _requests(account: Account, now: datetime) -> Iterator[Figure]:
    rows = DeletionRequest.objects.filter(account=account).values("state").order_by()
    counted = {row["state"]: row["n"] for row in rows.annotate(n=Count("pk"))}
    yield Figure("requests", "Requests by state", "state", _all(DeletionRequest.State.values, counted))
    open_ones = [state for state in DeletionRequest.State.values if state in DeletionRequest.open_states()]
    since = rows.filter(state__in=open_ones).annotate(since=Min("state_at"))
    ages = {row["state"]: _age(now, row["since"]) or 0.0 for row in since}
    yield Figure(
        "requests_oldest_age_seconds", "How long the oldest open request stands so", "state", _all(open_ones, ages)
    )
    decisions = waiting.open_decisions().filter(request__account=account).count()
    yield _one("decisions_waiting", "Decisions that wait for a second operator", decisions)


def _all(names: Iterable[str], known: dict[str, float]) -> list[tuple[str, float]]:
    return [(name, known.get(name, 0)) for name in names]


def _calls(account: Account, now: datetime) -> Iterator[Figure]:
    # Of whichever account: so an index alone answers it.
    rows = DeletionCall.objects.values("state").annotate(n=Count("pk")).order_by()
    by_state = {row["state"]: row["n"] for row in rows}
    yield Figure(
        "calls",
        "Calls by state; the ends are outcomes as they were read",
        "state",
        _all(DeletionCall.State.values, by_state),
    )
    sends = Attempt.objects.filter(account=account, intent_at__gte=now - LATELY).values("state").order_by()
    lately = {row["state"]: row["n"] for row in sends.annotate(n=Count("pk"))}
    yield Figure(
        "attempts_last_day", "Sends begun within a day, by what came back", "state", _all(Attempt.State.values, lately)
    )
    unknown = Attempt.objects.filter(account=account, state="unknown", resolved_at__isnull=True)
    counted = unknown.aggregate(n=Count("pk"), since=Min("intent_at"))
    yield _one("unknown_outcomes", "Sends without a clear answer that nothing has decided yet", counted["n"])
    yield _one("unknown_outcomes_oldest_age_seconds", "Age of the oldest of them", _age(now, counted["since"]) or 0.0)


def _pauses(account: Account) -> Iterator[Figure]:
    yield _one("account_paused", "1 where the account is paused", int(account.is_paused))
    yield _one("kinds_paused", "Kinds of deletion that are paused", len(account.paused_kinds))


def _receipts(now: datetime) -> Iterator[Figure]:
    received = WebhookReceipt.objects.count()
    unread = WebhookReceipt.objects.filter(taken_at__isnull=True).count()
    disputed = DeletionCall.objects.filter(ended_at__gte=now - WEEK).exclude(contradiction="").count()
    yield _one("receipts", "Reports of LeadSquared that were kept", received)
    yield _one("receipts_unread", "Those that the worker has not looked at", unread)
    yield _one("receipts_unmatched", "Calls that ended within a week and whose report and reading disagree", disputed)


def _trail(now: datetime) -> Iterator[Figure]:
    head = AuditHead.objects.filter(pk=1).values_list("seq", flat=True).first() or 0
    anchor = AuditAnchor.objects.values_list("seq", "made_at").first()
    check = TrailCheck.objects.filter(done_at__isnull=False).values_list("head_seq", "done_at").first()
    told = AuditEvent.objects.filter(action="trail.verified").order_by("-seq").first()
    yield _one("audit_events", "Events in the audit trail", head)
    yield _one("audit_events_since_anchor", "Events behind the last anchor", head - (anchor[0] if anchor else 0))
    yield _one("audit_anchor_age_seconds", "Age of the last anchor", _age(now, anchor[1] if anchor else None))
    yield _one("audit_events_since_check", "Events behind the last check that ended", head - (check[0] if check else 0))
    yield _one("audit_check_age_seconds", "Since the last check ended", _age(now, check[1] if check else None))
    verdict = None if told is None else int(told.facts().get("ok") is True)
    yield _one("audit_check_ok", "1 where the last check found the trail whole", verdict)


def _sign_ins(now: datetime) -> Iterator[Figure]:
    """No list of sign-ins is kept: wrong tries stand in a table until that name signs in or the block is over."""
    lately = AccessAttempt.objects.filter(attempt_time__gte=now - HOUR)
    blocked = Q(failures_since_start__gte=timing().sign_in_tries)
    wrong = lately.aggregate(failed=Sum("failures_since_start"), blocked=Count("pk", filter=blocked))
    people = User.objects.filter(last_login__gte=now - HOUR).count()
    counted = [("ok", people), ("failed", wrong["failed"] or 0), ("blocked", wrong["blocked"])]
    yield Figure(
        "sign_ins_last_hour", "People who signed in; wrong tries; names blocked at an address", "outcome", counted
    )
