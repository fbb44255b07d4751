"""The first page of a deletion evidence report: what was asked, who decided, what went, for whoever is no engineer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db.models import Count, Max
from django.template.loader import render_to_string

from lsq_ops import kinds
from lsq_ops.models import ActivitySnapshot, DeletionItem, Vote
from lsq_ops.templatetags.lsq_ops import plain

from . import story
from .report_rows import Scope

if TYPE_CHECKING:
    from .report import Subject

STEPS = 60  # of the timeline; the trail has them all
SAID = {
    "approve": "approved",
    "reject": "rejected",
    "changes": "asked for changes",
    "withdrawn": "took the vote back",
    "confirm": "confirmed in place of a lapsed approval",
}


@dataclass
class Part:
    """One request, told."""

    ref: str
    title: str
    asked: str
    why: str
    ticket: str
    state: str
    people: list[tuple[str, str]]
    end: str
    tier: str
    votes: list[tuple[str, str, str]] = field(default_factory=list)
    went: list[tuple[str, int]] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    steps: list[tuple[str, str]] = field(default_factory=list)
    stays: int = 0
    digest: str = ""
    read_back: str = ""


def first_page(subject: Subject, scopes: Iterable[Scope], by: str, now: datetime) -> dict[str, str]:
    scopes = list(scopes)
    zone = _zone(scopes[0]) if scopes else ZoneInfo("UTC")
    context = {
        "name": f"lead {subject.lead.prospect_id}" if subject.lead else str(subject.requests[0]),
        "lead": subject.lead,
        "parts": [_part(scope) for scope in scopes],
        "made": _time(now, zone),
        "by": _line(by),
        "contents": any(scope.contents for scope in scopes),
        "sandbox": any(scope.request.account.sandbox for scope in scopes),
    }
    return {
        f"READ ME FIRST.{kind}": render_to_string(f"lsq_ops/evidence/first.{kind}", context) for kind in ("html", "txt")
    }


def _part(scope: Scope) -> Part:
    request, version, zone = scope.request, scope.request.version, _zone(scope)
    counts = dict(scope.mine(version.items.all()).values_list("outcome").annotate(n=Count("id")).order_by())
    return Part(
        ref=str(request),
        title=kinds.get(request.kind).title,
        asked=kinds.get(request.kind).describe(version.parameters, request.account),
        why=_line(f"{version.get_category_display()}: {scope.said(version.reason)}"),
        ticket=_line(scope.said(version.ticket)),
        state=request.get_state_display(),
        people=_people(scope),
        end="" if scope.lead else _line(story.closing_sentence(request)),
        tier=_tier(scope),
        votes=[_vote(scope, vote) for vote in request.votes.select_related("team", "version").order_by("id")],
        went=[(_outcome(outcome), counts[outcome]) for outcome in sorted(counts)],
        unclear=list(_unclear(scope, counts)),
        steps=_steps(scope),
        stays=scope.mine(version.kept.all()).count(),
        digest=version.digest,
        read_back=_read_back(scope, zone),
    )


def _people(scope: Scope) -> list[tuple[str, str]]:
    version = scope.request.version
    people = (
        ("Made by", scope.request.requester),
        ("Asked for by", version.asked_by),
        ("Last edited by", version.editor),
        ("Submitted by", version.submitted_by),
    )
    return [(word, _line(user.get_full_name() or user.get_username())) for word, user in people if user]


def _tier(scope: Scope) -> str:
    version = scope.request.version
    if not version.submitted_at:
        return "It was not submitted."
    teams = f" from {version.teams_needed} teams" if version.teams_needed > 1 else ""
    needed = f"{version.approvals_needed} approval{'' if version.approvals_needed == 1 else 's'}{teams}"
    return f"{version.tier.capitalize()} tier ({version.tier_reason}): {needed} needed."


def _vote(scope: Scope, vote: Vote) -> tuple[str, str, str]:
    reason = f" “{scope.said(vote.reason)}”" if vote.reason else ""
    said = f"{vote.voter_name} ({vote.team.name}) {SAID[vote.decision]}, version {vote.version.number}.{reason}"
    return _line(said), _time(vote.at, _zone(scope)), vote.digest


def _outcome(word: str) -> str:
    return dict(DeletionItem.Outcome.choices).get(word, "no outcome yet")


def _unclear(scope: Scope, counts: dict[str, int]) -> Iterable[str]:
    request = scope.request
    if counts.get("unverifiable"):
        yield f"{counts['unverifiable']:,} could not be read any more: what became of them is not known."
    if counts.get("") and request.started_at:
        yield f"{counts['']:,} have no outcome yet; the request is still under way."
    sent = scope.attempts
    if sent.exists() and not sent.filter(receipts__isnull=False).exists():
        yield "LeadSquared sent no report on it (no webhook); what is said here rests on reading alone."
    for call in scope.calls:
        if call.contradiction and scope.is_whole(call):
            yield f"Call {call.number}: {_line(call.contradiction)}"
    if request.later:
        yield _line(scope.said(request.later))


def _read_back(scope: Scope, zone: ZoneInfo) -> str:
    lane = ActivitySnapshot.Lane.VERIFY
    readings = scope.request.snapshots.filter(lane=lane, read_at__isnull=False)
    if scope.lead:
        readings = readings.filter(subject_id=scope.lead)
    last = readings.aggregate(at=Max("read_at"))["at"]
    if last is None:
        return "Nothing was read back."
    whole = readings.filter(complete=True).count()
    return (
        f"{readings.count():,} readings after the send, {whole:,} of them complete; the last one {_time(last, zone)}."
    )


def _steps(scope: Scope) -> list[tuple[str, str]]:
    """The people's steps, from the trail; in a report on a lead nothing that might be about another one."""
    events = [event for event in story.timeline(scope.request) if event.seq or not scope.lead]
    told = [(event, "" if scope.shared or not event.detail else f" ({event.detail})") for event in events[-STEPS:]]
    return [(_time(event.at, _zone(scope)), _line(event.sentence + detail)) for event, detail in told]


def _zone(scope: Scope) -> ZoneInfo:
    return ZoneInfo(scope.request.account.time_zone)


def _time(at: datetime, zone: ZoneInfo) -> str:
    """Local time with its zone, UTC beside it."""
    local, utc = at.astimezone(zone), at.astimezone(UTC)
    if local.tzname() == "UTC":
        return f"{utc:%d %b %Y, %H:%M:%S} UTC"
    day = "" if local.date() == utc.date() else f"{utc:%d %b}, "
    return f"{local:%d %b %Y, %H:%M:%S %Z} ({day}{utc:%H:%M:%S} UTC)"


def _line(text: str) -> str:
    """What others wrote, on one line, with nothing invisible in it."""
    return plain(" ".join(text.split()))
