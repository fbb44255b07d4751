"""The verdict on a scenario that is over: the portal's rows against LeadSquared's own memory and the ledger."""

from collections import Counter, defaultdict
from typing import Any

from lsq_ops.models import (
    Account,
    ActivitySnapshot,
    Attempt,
    DeletionCall,
    DeletionItem,
    DeletionRequest,
    WebhookReceipt,
    timing,
)  # fmt: skip
from lsq_ops.services import trail

from .ledger import Ledger
from .scene import Scene

PER_TOKEN = 20
RAN = ("completed", "partial", "failed", "stopped", "closed")


def judge(scene: Scene, ledger: Ledger, approved: set[int]) -> None:
    with scene.harness():
        _nothing_lost(scene, ledger, approved)
        _nothing_false(scene, ledger)
        _receipts(ledger)
        _limits(ledger, *_limit_of())
        report = trail.verify()
    if not report.ok:
        scene.sums.audit = f"bad at {report.bad_seq}"
        scene.sums.troubles.append(f"audit: seed {scene.seed}: {report.sentence}")


def _limit_of() -> tuple[int, float]:
    """Calls in a window that are ours: the account's, less the reserve of a fifth."""
    account = Account.objects.get(current=True)
    return max(1, account.rate_calls * 4 // 5), account.rate_seconds


# --- lost, stuck -------------------------------------------------------------------------------------------------


def _nothing_lost(scene: Scene, ledger: Ledger, approved: set[int]) -> None:
    there = set(DeletionRequest.objects.values_list("pk", flat=True))
    for pk in approved - there:
        ledger.trouble("lost", f"DR-{pk} was approved and is not there any more")
    for request in DeletionRequest.objects.filter(pk__in=approved):
        if not request.is_over:
            ledger.trouble("stuck", f"{request} is still {request.state}: {request.attention} {_open_calls(request)}")
        elif request.state in RAN:
            _adds_up(ledger, request)


def _open_calls(request: DeletionRequest) -> list[Any]:
    calls = request.version.calls.exclude(state__in=DeletionCall.terminal_states())
    return list(calls.values_list("pk", "state", "note")[:3])


def _adds_up(ledger: Ledger, request: DeletionRequest) -> None:
    version = request.version
    outcomes = Counter(version.items.values_list("outcome", flat=True))
    named = set(version.items.values_list("record_id", flat=True))
    if outcomes.get("") or sum(outcomes.values()) != version.items_count or len(named) != version.items_count:
        ledger.trouble("lost", f"{request} is {request.state}, and of {version.items_count} items {dict(outcomes)}")
    done, all_of = outcomes["gone"] + outcomes["already_gone"], version.items_count
    if request.state == "completed" and done != all_of:
        ledger.trouble("lost", f"{request} is completed with {done} of {all_of} items gone")
    if request.state == "failed" and done:
        ledger.trouble("lost", f"{request} failed with {done} items gone")


def _receipts(ledger: Ledger) -> None:
    """Each distinct body that was answered 200 for a live token is kept, up to the cap for a token."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for posted in ledger.webhooks:
        wanted[posted.token_hash].add(posted.sha256)
    for token_hash, bodies in wanted.items():
        attempt = Attempt.objects.filter(token_hash=token_hash).first()
        if attempt is None:
            continue  # a stranger's: nothing is kept of it
        kept = set(WebhookReceipt.objects.filter(attempt=attempt).values_list("body_hash", flat=True))
        if len(kept) < min(PER_TOKEN, len(kept | bodies)):
            ledger.trouble("lost", f"attempt {attempt.pk}: {len(bodies - kept)} of {len(bodies)} webhooks left nothing")


# --- false words -------------------------------------------------------------------------------------------------


def _nothing_false(scene: Scene, ledger: Ledger) -> None:
    for item in DeletionItem.objects.exclude(outcome="").select_related("call__request", "version"):
        if why := _false(scene, ledger, item):
            call = item.call
            ledger.trouble("false_verified", f"{call.request}, call {call.pk} ({call.state}), {item.outcome}: {why}")
    for request in DeletionRequest.objects.filter(state="completed"):
        if lost := _lost_neighbours(scene, ledger, request):
            ledger.trouble("false_verified", f"{request} is completed, but {len(lost)} others went with it: {lost[:2]}")


def _false(scene: Scene, ledger: Ledger, item: DeletionItem) -> str:
    removal = scene.crm.removed.get(item.record_id)
    if item.outcome in ("gone", "already_gone"):
        return f"{item.record_id} is still there" if scene.crm.exists(item.record_id) else ""
    if removal is None:
        return ""
    ours = removal.by is not None and ledger.arrivals[removal.by].call == item.call_id
    if item.outcome == "skipped" and ours:
        return f"{item.record_id} went by our own delete, arrival {removal.by}"
    if item.outcome == "still_present" and removal.at < _deciding_reading(item):
        return f"{item.record_id} went before the reading that decided"
    return ""


def _deciding_reading(item: DeletionItem) -> float:
    """When the last whole reading began that could tell of the item; of several lists the one that began first."""
    done = ActivitySnapshot.objects.filter(request=item.call.request, complete=True, read_at__lte=item.outcome_at)
    begun = [
        done.filter(subject=subject, subject_id=subject_id).order_by("-started_at").values_list("started_at", flat=True)
        for subject, subject_id in _lists_of(item)
    ]
    newest = [times[0].timestamp() for times in begun if times and times[0]]
    return min(newest) if newest and len(newest) == len(begun) else 0.0


def _lists_of(item: DeletionItem) -> list[tuple[str, str]]:
    if item.call.request.kind != "tasks":
        return [("lead_activities", item.call.lead_id)]
    return [("owner_tasks", item.call.owner_id), *([("lead_tasks", item.lead_id)] if item.lead_id else [])]


def _lost_neighbours(scene: Scene, ledger: Ledger, request: DeletionRequest) -> list[str]:
    """Records that nobody approved and a job of this request took before its last reading began. Only those count that
    a reading of ours had shown before: of what came and went between two readings nobody can know."""
    named = set(request.version.items.values_list("record_id", flat=True))
    ended = request.ended_at.timestamp() if request.ended_at else 0.0
    last = ActivitySnapshot.objects.filter(request=request, complete=True, read_at__isnull=False)
    times = [(s.started_at, s.read_at) for s in last if s.started_at and s.read_at]
    began = max((start.timestamp() for start, read in times if read.timestamp() <= ended), default=0)
    start = request.started_at.timestamp() if request.started_at else 0.0
    return [
        record_id
        for record_id, removal in scene.crm.removed.items()
        if removal.by is not None
        and ledger.arrivals[removal.by].request == request.pk
        and record_id not in named
        and removal.at < began
        and any(start <= shown < ledger.arrivals[removal.by].at for shown in ledger.shown.get(record_id, []))
    ]


# --- limits ------------------------------------------------------------------------------------------------------


def _limits(ledger: Ledger, limit: int, window: float) -> None:
    times = sorted(ledger.calls)
    for first, last in zip(times, times[limit:], strict=False):
        if last - first < window:
            ledger.trouble("over_limit", f"{limit + 1} calls within {last - first:.3f} s, from {first:.3f} on")
            break
    done = [arrival for arrival in ledger.arrivals if not arrival.turned_away]
    for span, cap in ((3600.0, timing().items_per_hour), (86400.0, timing().items_per_day)):
        for one in done:
            near = [a for a in done if one.opened_at - span < a.opened_at <= one.opened_at]
            if len(near) > 1 and sum(a.size for a in near) > cap:
                ledger.trouble("over_limit", f"more than {cap} items within {span:.0f} s at arrival {one.number}")
                break
