"""A request told to people: its timeline, what comes next and when, and how it ended."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Max, Min, Q
from django.utils.translation import gettext as _

from lsq_ops.models import ActivitySnapshot, AuditEvent, DeletionCall, DeletionRequest, Vote, db_now
from lsq_ops.models.timing import span
from lsq_ops.wording import counted, lazy, listed, marked

from . import reading, run_windows, striking
from .cost import time_left
from .may import enough, lapsed_votes, valid_votes

SHOWN = 300
WORDS = {
    "request.draft": lazy("{actor} drafted the request"),
    "request.version": lazy("{actor} made version {version}"),
    "request.pending": lazy("{actor} submitted version {version}: {items} items, {tier} tier"),
    "request.approved": lazy("The approvals are complete"),
    "request.running": "Running",
    "request.needs_attention": lazy("Needs attention"),
    "request.stop_asked": lazy("{actor} stopped it"),
    "request.completed": lazy("Completed: {gone} of {items} gone"),
    "request.partial": lazy("Ended partly done: {gone} of {items} gone"),
    "request.failed": lazy("Ended without effect: {gone} of {items} gone"),
    "request.stopped": lazy("Stopped: {gone} of {items} gone"),
    "request.closed": lazy("Closed by two people"),
    "request.looked_again": lazy("Read once more after the end: {found}"),
    "request.went_on_without": lazy("{actor} left out what is on hold"),
    "request.left_out": lazy("{actor} left out what {by} proposed"),
    "request.asked": lazy("{actor} asked a question"),
    "request.answered": lazy("{actor} answered a question"),
    "request.evidence_exported": lazy("{actor} took the evidence report away"),
    "request.items_exported": lazy("{actor} downloaded {items} items with what they hold"),
    "request.restore_help_taken": lazy("{actor} downloaded the restore help for {items} records"),
    "request.restored": lazy("Came out of a backup of {taken_at}"),
    "request.restore_confirmed": lazy("{actor} confirmed it after the restore"),
    "request.rejected": lazy("Rejected by {actor}"),
    "request.withdrawn": lazy("Withdrawn by {actor}"),
    "request.cancelled": lazy("Cancelled by {actor}; nothing was sent"),
    "request.expired": lazy("Expired; nothing was sent"),
    "request.changed_since_submit": lazy("What LeadSquared shows has changed since it was submitted"),
    "vote.approve": lazy("{actor} approved ({team})"),
    "vote.reject": lazy("{actor} rejected it"),
    "vote.changes": lazy("{actor} asked for changes"),
    "vote.withdrawn": lazy("{actor} took the vote back"),
    "vote.confirm": lazy("{actor} confirmed in place of a lapsed approval ({team})"),
    "decision.proposed": lazy("{actor} proposed: {choice}"),
    "decision.confirmed": lazy("{actor} confirmed: {choice}"),
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


def next_step(
    request: DeletionRequest, votes: list[Vote] | None = None, windows: run_windows.Windows | None = None
) -> str:
    """What comes next and when, or what it waits for; "" at the end. `votes`: its valid ones, and `windows`: those of
    its account, where they are known."""
    if request.waits_after_restore and not request.is_over:
        return after_restore(request)
    if request.state in VOTED_ON:
        given = valid_votes(request) if votes is None else votes
        return _closed(request, given, windows) or VOTED_ON[request.state](request, given)
    if request.state == "draft":
        return _next_of_draft(request)
    return request.attention if request.state == "needs_attention" else ""


def after_restore(request: DeletionRequest) -> str:
    """Why nothing of it is sent since the portal was restored, and what ends that."""
    return _(
        "Waits: the portal was restored from a backup on {at}, and calls of this request may have been sent that the"
        " backup knows nothing of. Nothing more of it is sent until an operator confirms it after the restore."
    ).format(at=_clock(request, request.restored_at))


def closing_sentence(request: DeletionRequest) -> str:
    """The end in one sentence; "" while it is open or never ran."""
    if not request.is_over or not request.started_at:
        return ""
    counts = outcome_counts(request)
    done = counts.get("gone", 0) + counts.get("already_gone", 0)
    read_at = request.snapshots.filter(lane=ActivitySnapshot.Lane.VERIFY).aggregate(t=Max("read_at"))["t"]
    when = _(", read at {when}").format(when=_clock(request, read_at, seconds=True)) if read_at else ""
    end = _("{done:,} of {items_count:,} gone from what LeadSquared's API shows{when}.").format(
        done=done, items_count=request.version.items_count, when=when
    )
    rest = {"still_present": _("still there"), "skipped": _("not sent"), "unverifiable": _("can't be read any more")}
    parts = [f"{counts[outcome]:,} {words}" for outcome, words in rest.items() if counts.get(outcome)]
    silent = (
        _(" No webhook receipt came.")
        if settings.PUBLIC_URL
        else _(" No webhook was asked for: PUBLIC_URL is not set.")
    )
    receipts = "" if request.attempts.filter(receipts__isnull=False).exists() else silent
    rest_of_it = f" {', '.join(parts).capitalize()}." if parts else ""
    later = f" {request.later}" if request.later else _to_come(request)
    return end + rest_of_it + (receipts if request.attempts.exists() else "") + later


def _to_come(request: DeletionRequest) -> str:
    return (
        _(" It is read once more {when}.").format(when=_clock(request, request.look_again_at))
        if request.look_again_at
        else ""
    )


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
    return [(_("sent"), sent, total), (_("reported"), reported, total), (_("read back"), read, total)]


def _next_of_draft(request: DeletionRequest) -> str:
    version = request.version
    if version.reading == "reading":
        from .preview import progress

        done, total = progress(request)
        return _("Reading what is there: {done} of {total} readings done.{put_off}").format(
            done=done, total=total, put_off=_put_off(request)
        )
    if version.reading == "incomplete":
        return version.reading_note
    if not version.items_count:
        return _("Nothing would go. Change what is chosen, or withdraw it.")
    return _("Look at what would go, then submit it for approval.")


def _next_of_pending(request: DeletionRequest, votes: list[Vote]) -> str:
    version = request.version
    given = _("{count} of {approvals_needed} approvals").format(
        count=len(votes), approvals_needed=version.approvals_needed
    )
    teams = (
        _(" from {teams_needed} teams").format(teams_needed=version.teams_needed) if version.teams_needed > 1 else ""
    )
    again = _(" The leads are being read again.") if version.recheck_from else ""
    return _("Waiting for approval: {given}{teams}. It expires {when}.{again}").format(
        given=given, teams=teams, when=_clock(request, request.expires_at), again=again
    )


def _next_of_approved(request: DeletionRequest, votes: list[Vote]) -> str:
    if request.account.is_paused:
        return _("Waits: the account is paused. {pause_reason}").format(pause_reason=request.account.pause_reason)
    if not enough(request, votes):
        return f"{lapsed(request)} {_what_counts(request, votes)}"
    return _("Starts by itself at {when}; until then it can be undone.").format(
        when=_clock(request, request.starts_at, seconds=True)
    )


def _next_of_running(request: DeletionRequest, votes: list[Vote]) -> str:
    if request.account.is_paused:
        return _("Waits: the account is paused. {pause_reason}").format(pause_reason=request.account.pause_reason)
    if request.kind in request.account.paused_kinds:
        return _("Waits: {paused_kinds}").format(paused_kinds=request.account.paused_kinds[request.kind])
    if not enough(request, votes):
        return _("Waits. {lapsed} {what_counts}").format(
            lapsed=lapsed(request), what_counts=_what_counts(request, votes)
        )
    calls = request.version.calls
    soon = calls.filter(state="verifying").aggregate(t=Min("not_before"))["t"]
    left = _left(request)
    if soon:
        return _("Reading back at {when}, or when the webhook comes.{left}").format(
            when=_clock(request, soon, seconds=True), left=left
        )
    if calls.filter(Q(state="verifying") | Q(state="sent")).exists():
        return _("Reading back what is left of it now.{put_off}{left}").format(put_off=_put_off(request), left=left)
    waiting = calls.filter(state="planned").exclude(note="").first()
    return (
        f"{waiting.note}{_put_off(request)}{left}" if waiting else _("Sending the next call.{left}").format(left=left)
    )


def _closed(request: DeletionRequest, votes: list[Vote], windows: run_windows.Windows | None) -> str:
    """That it waits for the run window, where it waits for nothing that people must do; "" where it doesn't."""
    account = request.account
    if request.state == "pending" or account.is_paused or not enough(request, votes):
        return ""
    if request.state == "running" and request.kind in account.paused_kinds:
        return ""
    at = db_now()
    if request.state == "approved" and request.starts_at:
        at = max(at, request.starts_at)
    waits = (run_windows.of(account) if windows is None else windows).waits(at)
    if not waits or request.state == "approved":
        return waits and _("{waits} Until it starts it can be undone.").format(waits=waits)
    calls = request.version.calls
    if not calls.filter(state="planned").exists():
        return ""
    read_back = calls.filter(state__in=("sent", "verifying")).exists()
    return _("{waits} What was sent is read back meanwhile.").format(waits=waits) if read_back else waits


VOTED_ON = {"pending": _next_of_pending, "approved": _next_of_approved, "running": _next_of_running}


def _left(request: DeletionRequest) -> str:
    seconds = time_left(request)
    if seconds is None:
        return ""
    low, high = map(span, seconds)
    return (
        _(" About {low} left.").format(low=low)
        if low == high
        else _(" About {low} to {high} left, if nothing is in its way.").format(low=low, high=high)
    )


def _put_off(request: DeletionRequest) -> str:
    """Why a reading could not be made yet, and when it is tried again; "" where none waits."""
    waiting = request.snapshots.filter(read_at__isnull=True, not_before__isnull=False).exclude(why="")
    first = waiting.order_by("not_before").first()
    if first is None or first.not_before is None:
        return ""
    when = (
        _("now")
        if first.not_before <= db_now()
        else _("at {when}").format(when=_clock(request, first.not_before, seconds=True))
    )
    return _(" {why} It is tried again {when}.").format(why=first.why, when=when)


LAPSED = marked("An approval lapsed")


def lapsed(request: DeletionRequest) -> str:
    """Whose approval doesn't count any more, since when, and what can be done."""
    whose = [
        _("{voter_name}'s (since {when})").format(voter_name=vote.voter_name, when=_clock(request, lapsed_at(vote)))
        for vote in lapsed_votes(request)
    ]
    rest = _("{whose}. Another approver must confirm what was not yet sent, or it is stopped.")
    return f"{_(LAPSED)}: {rest.format(whose=listed(whose))}"  # notes are found by how they begin


def _what_counts(request: DeletionRequest, votes: list[Vote]) -> str:
    version = request.version
    teams = _(", from {count} of {teams_needed} teams").format(
        count=len({vote.team_id for vote in votes}), teams_needed=version.teams_needed
    )
    return _("{count} of {approvals_needed} approvals count now{teams}.").format(
        count=len(votes), approvals_needed=version.approvals_needed, teams=teams if version.teams_needed > 1 else ""
    )


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
    return _("{reason} To leave out: {words}.").format(reason=vote.reason, words=words) if words else vote.reason


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
    return _("digest {digest}…").format(digest=digest[:12]) if digest else ""


def _from_calls(request: DeletionRequest) -> list[Event]:
    events = []
    attempts = request.attempts.select_related("call").prefetch_related("receipts")
    for attempt in attempts[: SHOWN // 3]:
        call = _("Call {number}").format(number=attempt.call.number)
        events.append(
            Event(attempt.intent_at, _("{call} was sent ({size:,} items)").format(call=call, size=attempt.call.size))
        )
        if attempt.answered_at:
            events.append(Event(attempt.answered_at, f"{call}: {attempt.get_state_display()}", detail=attempt.message))
        for receipt in attempt.receipts.all():
            times = _(", {count} times").format(count=receipt.count) if receipt.count > 1 else ""
            events.append(
                Event(
                    receipt.first_at,
                    _("{call}: the webhook reported{times}").format(call=call, times=times),
                    detail=receipt.says,
                )
            )
    for ended in request.version.calls.filter(ended_at__isnull=False)[: SHOWN // 3]:
        note = ended.contradiction or ended.note
        events.append(
            Event(
                ended.ended_at,  # type: ignore[arg-type]
                _("Call {number}: {state}").format(number=ended.number, state=ended.get_state_display()),
                detail=note,
            )
        )
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
            f"{str(reading.Lane(row['lane']).label).capitalize()}: {counted(row['n'], 'reading')}, "
            + (_("complete") if row["n"] == row["whole"] else _("{n} not complete").format(n=row["n"] - row["whole"])),
        )
        for row in rows[: SHOWN // 3]
    ]


def _clock(request: DeletionRequest, at: datetime | None, *, seconds: bool = False) -> str:
    """Local time with its zone's name, UTC beside it."""
    if at is None:
        return _("a time not yet known")
    local = at.astimezone(ZoneInfo(request.account.time_zone))
    pattern = "%H:%M:%S" if seconds else "%a %d %b %H:%M"
    if local.tzname() == "UTC":
        return f"{local:{pattern}} UTC"
    utc = "%H:%M:%S" if seconds else "%H:%M"
    return f"{local:{pattern} %Z} ({at:{utc}} UTC)"
