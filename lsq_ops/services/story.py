"""A request told to people: its timeline, what comes next and when, and how it ended."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Max, Min, Q

from lsq_ops.models import ActivitySnapshot, AuditEvent, DeletionCall, DeletionRequest, Vote, db_now
from lsq_ops.models.timing import span

from . import reading, striking
from .cost import time_left
from .may import enough, lapsed_votes, valid_votes

SHOWN = 300
WORDS = {
    "request.draft": "{actor} drafted the request",
    "request.version": "{actor} made version {version}",
    "request.pending": "{actor} submitted version {version}: {items} items, {tier} tier",
    "request.approved": "The approvals are complete",
    "request.running": "Running",
    "request.needs_attention": "Needs attention",
    "request.stop_asked": "{actor} stopped it",
    "request.completed": "Completed: {gone} of {items} gone",
    "request.partial": "Ended partly done: {gone} of {items} gone",
    "request.failed": "Ended without effect: {gone} of {items} gone",
    "request.stopped": "Stopped: {gone} of {items} gone",
    "request.closed": "Closed by two people",
    "request.looked_again": "Read once more after the end: {found}",
    "request.went_on_without": "{actor} left out what is on hold",
    "request.left_out": "{actor} left out what {by} proposed",
    "request.asked": "{actor} asked a question",
    "request.answered": "{actor} answered a question",
    "request.evidence_exported": "{actor} took the evidence report away",
    "request.items_exported": "{actor} downloaded {items} items with what they hold",
    "request.restore_help_taken": "{actor} downloaded the restore help for {items} records",
    "request.rejected": "Rejected by {actor}",
    "request.withdrawn": "Withdrawn by {actor}",
    "request.cancelled": "Cancelled by {actor}; nothing was sent",
    "request.expired": "Expired; nothing was sent",
    "request.changed_since_submit": "What LeadSquared shows has changed since it was submitted",
    "vote.approve": "{actor} approved ({team})",
    "vote.reject": "{actor} rejected it",
    "vote.changes": "{actor} asked for changes",
    "vote.withdrawn": "{actor} took the vote back",
    "vote.confirm": "{actor} confirmed in place of a lapsed approval ({team})",
    "decision.proposed": "{actor} proposed: {choice}",
    "decision.confirmed": "{actor} confirmed: {choice}",
}


@dataclass(frozen=True, slots=True)
class Event:
    at: datetime
    sentence: str
    seq: int | None = None
    detail: str = ""


def timeline(request: DeletionRequest) -> list[Event]:
    """What happened, oldest first: the people's steps from the audit trail, the calls' and readings' from their
    rows."""
    events = _from_trail(request) + _from_calls(request) + _from_readings(request)
    return sorted(events, key=lambda event: (event.at, event.seq or 0))[-SHOWN:]


def next_step(request: DeletionRequest, votes: list[Vote] | None = None) -> str:
    """What comes next and when, or what it waits for; "" at the end. `votes`: its valid ones, where they are known."""
    if request.state in VOTED_ON:
        return VOTED_ON[request.state](request, valid_votes(request) if votes is None else votes)
    if request.state == "draft":
        return _next_of_draft(request)
    return request.attention if request.state == "needs_attention" else ""


def closing_sentence(request: DeletionRequest) -> str:
    """The end in one sentence; "" while it is open or never ran."""
    if not request.is_over or not request.started_at:
        return ""
    counts = outcome_counts(request)
    done = counts.get("gone", 0) + counts.get("already_gone", 0)
    read_at = request.snapshots.filter(lane=ActivitySnapshot.Lane.VERIFY).aggregate(t=Max("read_at"))["t"]
    when = f", read at {_clock(request, read_at, seconds=True)}" if read_at else ""
    end = f"{done:,} of {request.version.items_count:,} gone from what LeadSquared's API shows{when}."
    rest = {"still_present": "still there", "skipped": "not sent", "unverifiable": "can't be read any more"}
    parts = [f"{counts[outcome]:,} {words}" for outcome, words in rest.items() if counts.get(outcome)]
    silent = " No webhook receipt came." if settings.PUBLIC_URL else " No webhook was asked for: PUBLIC_URL is not set."
    receipts = "" if request.attempts.filter(receipts__isnull=False).exists() else silent
    rest_of_it = f" {', '.join(parts).capitalize()}." if parts else ""
    later = f" {request.later}" if request.later else _to_come(request)
    return end + rest_of_it + (receipts if request.attempts.exists() else "") + later


def _to_come(request: DeletionRequest) -> str:
    return f" It is read once more {_clock(request, request.look_again_at)}." if request.look_again_at else ""


def outcome_counts(request: DeletionRequest) -> dict[str, int]:
    rows = request.version.items.values_list("outcome").annotate(n=Count("id")).order_by()
    return {outcome or "open": n for outcome, n in rows}


def phases(request: DeletionRequest) -> list[tuple[str, int, int]]:
    """(phase, done, of all): calls sent, reported by webhook, read back."""
    calls = request.version.calls
    total = calls.exclude(state="skipped").count()
    sent = calls.exclude(state__in=("planned", "skipped")).count()
    reported = (
        request.attempts.filter(version=request.version, receipts__isnull=False).values("call").distinct().count()
    )
    read = calls.filter(state__in=DeletionCall.ENDS).count()
    return [("sent", sent, total), ("reported", reported, total), ("read back", read, total)]


def _next_of_draft(request: DeletionRequest) -> str:
    version = request.version
    if version.reading == "reading":
        from .preview import progress

        done, total = progress(request)
        return f"Reading what is there: {done} of {total} readings done.{_put_off(request)}"
    if version.reading == "incomplete":
        return version.reading_note
    if not version.items_count:
        return "Nothing would go. Change what is chosen, or withdraw it."
    return "Look at what would go, then submit it for approval."


def _next_of_pending(request: DeletionRequest, votes: list[Vote]) -> str:
    version = request.version
    given = f"{len(votes)} of {version.approvals_needed} approvals"
    teams = f" from {version.teams_needed} teams" if version.teams_needed > 1 else ""
    again = " The leads are being read again." if version.recheck_from else ""
    return f"Waiting for approval: {given}{teams}. It expires {_clock(request, request.expires_at)}.{again}"


def _next_of_approved(request: DeletionRequest, votes: list[Vote]) -> str:
    if request.account.is_paused:
        return f"Waits: the account is paused. {request.account.pause_reason}"
    if not enough(request, votes):
        return f"{lapsed(request)} {_what_counts(request, votes)}"
    return f"Starts by itself at {_clock(request, request.starts_at, seconds=True)}; until then it can be undone."


def _next_of_running(request: DeletionRequest, votes: list[Vote]) -> str:
    if request.account.is_paused:
        return f"Waits: the account is paused. {request.account.pause_reason}"
    if request.kind in request.account.paused_kinds:
        return f"Waits: {request.account.paused_kinds[request.kind]}"
    if not enough(request, votes):
        return f"Waits. {lapsed(request)} {_what_counts(request, votes)}"
    calls = request.version.calls
    soon = calls.filter(state="verifying").aggregate(t=Min("not_before"))["t"]
    left = _left(request)
    if soon:
        return f"Reading back at {_clock(request, soon, seconds=True)}, or when the webhook comes.{left}"
    if calls.filter(Q(state="verifying") | Q(state="sent")).exists():
        return f"Reading back what is left of it now.{_put_off(request)}{left}"
    waiting = calls.filter(state="planned").exclude(note="").first()
    return f"{waiting.note}{_put_off(request)}{left}" if waiting else f"Sending the next call.{left}"


VOTED_ON = {"pending": _next_of_pending, "approved": _next_of_approved, "running": _next_of_running}


def _left(request: DeletionRequest) -> str:
    seconds = time_left(request)
    if seconds is None:
        return ""
    low, high = map(span, seconds)
    return f" About {low} left." if low == high else f" About {low} to {high} left, if nothing is in its way."


def _put_off(request: DeletionRequest) -> str:
    """Why a reading could not be made yet, and when it is tried again; "" where none waits."""
    waiting = request.snapshots.filter(read_at__isnull=True, not_before__isnull=False).exclude(why="")
    first = waiting.order_by("not_before").first()
    if first is None or first.not_before is None:
        return ""
    when = "now" if first.not_before <= db_now() else f"at {_clock(request, first.not_before, seconds=True)}"
    return f" {first.why} It is tried again {when}."


LAPSED = "An approval lapsed"


def lapsed(request: DeletionRequest) -> str:
    """Whose approval doesn't count any more, since when, and what can be done."""
    whose = [f"{vote.voter_name}'s (since {_clock(request, lapsed_at(vote))})" for vote in lapsed_votes(request)]
    return f"{LAPSED}: {' and '.join(whose)}. Another approver must confirm what was not yet sent, or it is stopped."


def _what_counts(request: DeletionRequest, votes: list[Vote]) -> str:
    version = request.version
    teams = f", from {len({vote.team_id for vote in votes})} of {version.teams_needed} teams"
    return f"{len(votes)} of {version.approvals_needed} approvals count now{teams if version.teams_needed > 1 else ''}."


def lapsed_at(vote: Vote) -> datetime | None:
    """When the grant was revoked, or the voter locked out; None where nobody wrote it down."""
    if vote.grant.revoked_at:
        return vote.grant.revoked_at
    locks = AuditEvent.objects.filter(action="people.locked", object_type="user", object_id=str(vote.voter_id))
    last = locks.order_by("-seq").first()
    return datetime.fromisoformat(last.at) if last else None


def _from_trail(request: DeletionRequest) -> list[Event]:
    own = Q(object_type="deletionrequest", object_id=str(request.pk))
    votes = Q(object_type="vote", object_id__in=[str(pk) for pk in request.votes.values_list("pk", flat=True)])
    decisions = Q(
        object_type="decision",
        object_id__in=[str(pk) for pk in request.decisions.values_list("pk", flat=True)],
    )
    reasons = {str(vote.pk): _reason(vote) for vote in request.votes.all()}
    events = []
    for row in AuditEvent.objects.filter(own | votes | decisions).order_by("seq"):
        detail = reasons.get(row.object_id, "") if row.object_type == "vote" else _digest(row)
        events.append(Event(datetime.fromisoformat(row.at), sentence(row), row.seq, detail))
    return events


def _reason(vote: Vote) -> str:
    words = striking.in_words(vote) if vote.decision == Vote.Decision.CHANGES else ""
    return f"{vote.reason} To leave out: {words}." if words else vote.reason


def sentence(row: AuditEvent) -> str:
    """One audit event in words."""
    words = WORDS.get(row.action)
    details = row.facts()
    if words is None:
        noun, verb = row.action.split(".")
        return f"{row.actor}: {noun} {verb.replace('_', ' ')} ({row.object_type} {row.object_id})"
    return words.format_map(_Known(details | {"actor": row.actor}))


class _Known(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "?"


def _digest(row: AuditEvent) -> str:
    digest = row.facts().get("digest", "")
    return f"digest {digest[:12]}…" if digest else ""


def _from_calls(request: DeletionRequest) -> list[Event]:
    events = []
    attempts = request.attempts.select_related("call").prefetch_related("receipts")
    for attempt in attempts[: SHOWN // 3]:
        call = f"Call {attempt.call.number}"
        events.append(Event(attempt.intent_at, f"{call} was sent ({attempt.call.size:,} items)"))
        if attempt.answered_at:
            events.append(Event(attempt.answered_at, f"{call}: {attempt.get_state_display()}", detail=attempt.message))
        for receipt in attempt.receipts.all():
            times = f", {receipt.count} times" if receipt.count > 1 else ""
            events.append(Event(receipt.first_at, f"{call}: the webhook reported{times}", detail=receipt.says))
    for ended in request.version.calls.filter(ended_at__isnull=False)[: SHOWN // 3]:
        note = ended.contradiction or ended.note
        events.append(Event(ended.ended_at, f"Call {ended.number}: {ended.get_state_display()}", detail=note))  # type: ignore[arg-type]
    return events


def _from_readings(request: DeletionRequest) -> list[Event]:
    """One event for each round of readings, not for each lead."""
    rows = (
        request.snapshots.filter(read_at__isnull=False)
        .values("lane", "ordered_at")
        .annotate(
            n=Count("id"),
            whole=Count("id", filter=Q(complete=True)),
            at=Max("read_at"),
        )
        .order_by("at")
    )
    return [
        Event(
            row["at"],
            f"{reading.Lane(row['lane']).label.capitalize()}: {row['n']} reading{'' if row['n'] == 1 else 's'}, "
            + ("complete" if row["n"] == row["whole"] else f"{row['n'] - row['whole']} not complete"),
        )
        for row in rows[: SHOWN // 3]
    ]


def _clock(request: DeletionRequest, at: datetime | None, *, seconds: bool = False) -> str:
    """Local time with its zone's name, UTC beside it."""
    if at is None:
        return "a time not yet known"
    local = at.astimezone(ZoneInfo(request.account.time_zone))
    pattern = "%H:%M:%S" if seconds else "%a %d %b %H:%M"
    if local.tzname() == "UTC":
        return f"{local:{pattern}} UTC"
    utc = "%H:%M:%S" if seconds else "%H:%M"
    return f"{local:{pattern} %Z} ({at:{utc}} UTC)"
