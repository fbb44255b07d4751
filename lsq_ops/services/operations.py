"""How the portal works right now: what beats, what waits in which lane, what the budget allows, what went wrong lately,
and for each alarm what happens if nobody does anything, and what to press.

Read from the tables alone: it asks nothing of LeadSquared, and costs the same however often somebody looks.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Max, Min, Model, Q, QuerySet
from django.utils import functional
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lsq_ops import kinds, queue
from lsq_ops.models import (
    Account,
    ActivitySnapshot,
    Attempt,
    AuditEvent,
    Beat,
    DeletionCall,
    DeletionRequest,
    MirrorSync,
    UploadedList,
    WebhookReceipt,
    db_now,
    timing,
)
from lsq_ops.models.timing import span
from lsq_ops.wording import lazy, marked

from . import budget, causes, doctor, notices, run_windows, story, waiting
from .may import valid_votes_of

NOTHING_LOST = lazy("Nothing is lost.")
LATELY = timedelta(days=1)  # failures that are counted
SHOWN = 40  # requests, the ones that wait longest
CAUSES_SHOWN = 12
STUCK_AFTER = 3  # tries of a sync that came to nothing


# --- What beats ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    at: datetime
    alive: bool


def parts() -> list[Part]:
    """Each worker and watchdog of each machine that was seen lately."""
    fresh = db_now() - timedelta(seconds=timing().beat_stale)
    return [Part(_on_machine(beat.name), beat.at, beat.at >= fresh) for beat in Beat.parts()]


def _on_machine(name: str) -> str:
    part, __, host = name.partition(" on ")
    return _("{part} on {host}").format(part=_(part), host=host)


_PARTS = (marked("worker"), marked("watchdog"))


@dataclass(frozen=True, slots=True)
class Lamp:
    """`works`: some worker was seen just now."""

    works: bool
    worker_at: datetime | None
    webhook_at: datetime | None
    verified_at: datetime | None


def lamp() -> Lamp:
    at = Beat.newest("worker")
    fresh = at is not None and (db_now() - at).total_seconds() <= timing().beat_stale
    return Lamp(fresh, at, WebhookReceipt.newest_at(), AuditEvent.newest_at("trail.verified"))


# --- What waits ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lane:
    """`now`: could be done now, the oldest of it since `oldest`; `later`: waits for its time, the first until
    `next_at`."""

    name: str
    now: int
    oldest: datetime | None
    later: int
    next_at: datetime | None


def lanes(account: Account | None) -> list[Lane]:
    """In the order in which workers take them."""
    calls = DeletionCall.objects.filter(request__account=account)
    running = calls.filter(state="planned", request__state="running", request__version_number=F("version__number"))
    unread = ActivitySnapshot.objects.filter(account=account, read_at__isnull=True)
    counted: Iterable[Any] = unread.values("lane").annotate(**_counted(F("ordered_at"))).order_by()
    readings = {row["lane"]: row for row in counted}
    names = ActivitySnapshot.Lane
    return [
        _lane(_("Calls to be read back"), calls.filter(state="verifying"), F("sent_at")),
        _lane_of(names.VERIFY.label, readings.get(names.VERIFY)),
        _lane(_("Calls to be sent"), running, F("request__started_at")),
        _lane_of(names.SEND.label, readings.get(names.SEND)),
        _lane(_("Uploads to be read"), UploadedList.objects.filter(read_at__isnull=True), F("made_at"), timed=False),
        _lane_of(names.PREVIEW.label, readings.get(names.PREVIEW)),
        _lane_of(names.MIRROR.label, readings.get(names.MIRROR)),
        _lane(_("Syncs of leads"), MirrorSync.objects.filter(account=account, state="running"), F("begun_at")),
        _lane(_("Mails"), notices.unsent(), F("made_at")),
    ]


def age(account: Account | None) -> float:
    """Seconds that what could be done now has waited, the oldest of it in any lane."""
    oldest = [lane.oldest for lane in lanes(account) if lane.oldest]
    return max(0.0, (db_now() - min(oldest)).total_seconds()) if oldest else 0.0


def _counted(since: F, *, timed: bool = True) -> dict[str, Any]:
    ready = Q(not_before__isnull=True) | Q(not_before__lte=db_now()) if timed else Q()
    later = {"later": Count("pk", filter=~ready), "next_at": Min("not_before", filter=~ready)} if timed else {}
    return {"ready": Count("pk", filter=ready), "oldest": Min(since, filter=ready), **later}


def _lane(name: str, rows: QuerySet[Any], since: F, *, timed: bool = True) -> Lane:
    return _lane_of(name, rows.aggregate(**_counted(since, timed=timed)))


def _lane_of(name: str, row: dict[str, Any] | None) -> Lane:
    row = row or {}
    shown = name[:1].upper() + name[1:]
    return Lane(shown, row.get("ready", 0), row.get("oldest"), row.get("later", 0), row.get("next_at"))


def rings() -> int | None:
    """Rings that wait in the queue; they only wake workers. None where the queue can't be asked."""
    return queue.length()


@dataclass(frozen=True, slots=True)
class Waiting:
    request: DeletionRequest
    since: datetime
    next: str


def what_waits(account: Account | None) -> tuple[list[Waiting], int]:
    """(the open requests that stand longest in their state, with what comes next and when; how many there are)."""
    rows = DeletionRequest.objects.filter(account=account, state__in=DeletionRequest.open_states())
    rows = rows.exclude(state="draft")
    first = list(rows.select_related("account").prefetch_related("versions").order_by("state_at")[:SHOWN])
    votes = valid_votes_of(one for one in first if one.state in story.VOTED_ON)
    windows = run_windows.of(account) if account else None
    said = [Waiting(one, one.state_at, story.next_step(one, votes.get(one.pk), windows)) for one in first]
    return said, rows.count()


@dataclass(frozen=True, slots=True)
class Closed:
    """No call is sent until then, and why."""

    until: datetime
    why: str


def closed(account: Account | None) -> Closed | None:
    """What the run windows of the account say just now; None where calls may be sent."""
    if account is None:
        return None
    windows, now = run_windows.of(account), db_now()
    until = windows.closed_until(now)
    return Closed(until, windows.why(now)) if until else None


# --- The budget ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gauge:
    """Calls. `limit` is the account's in `seconds`, `size` what is ours of it now; `cap` is None without a daily
    limit."""

    in_window: int
    size: int
    limit: int
    seconds: float
    learnt: int | None
    today: int
    cap: int | None
    held_until: datetime | None


def gauge(account: Account) -> Gauge:
    now = db_now()
    held = account.hold_until > now.timestamp()
    learnt = account.learnt_calls if account.learnt_calls and account.learnt_calls < account.rate_calls else None
    return Gauge(
        budget.in_window(account),
        budget.size_of(account),
        account.rate_calls,
        account.rate_seconds,
        learnt,
        budget.used_today(account),
        budget.daily_cap(),
        datetime.fromtimestamp(account.hold_until, tz=now.tzinfo) if held else None,
    )


# --- What went wrong lately ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Failure:
    what: str
    count: int
    newest: datetime
    says: str
    do: str


def failures(account: Account | None) -> list[Failure]:
    """Of the last day, by cause, the most frequent first: sends without success, and readings that were not whole."""
    since = db_now() - LATELY
    found = [*_sends(account, since), *_readings(account, since), *_syncs(account, since)]
    return sorted(found, key=lambda one: -one.count)[:CAUSES_SHOWN]


def _sends(account: Account | None, since: datetime) -> Iterator[Failure]:
    labels = dict(Attempt.State.choices)
    rows = Attempt.objects.filter(account=account, intent_at__gte=since).exclude(state__in=("intent", "accepted"))
    for row in rows.values("state", "cause").annotate(n=Count("pk"), newest=Max("intent_at")).order_by():
        says, do = causes.of_send(row["cause"])
        yield Failure(_("Calls, {labels}").format(labels=labels[row["state"]]), row["n"], row["newest"], says, do)


def _readings(account: Account | None, since: datetime) -> Iterator[Failure]:
    rows = ActivitySnapshot.objects.filter(account=account, read_at__gte=since, complete=False).exclude(why="")
    counted = rows.values("why").annotate(n=Count("pk"), newest=Max("read_at")).order_by("-n")
    for row in counted[:CAUSES_SHOWN]:
        do = _("Nothing is concluded from it. What needs it is read again.")
        yield Failure(_("Readings, not whole"), row["n"], row["newest"], row["why"], do)


def _syncs(account: Account | None, since: datetime) -> Iterator[Failure]:
    rows = MirrorSync.objects.filter(account=account, begun_at__gte=since).exclude(why="")
    for row in rows.values("why").annotate(n=Count("pk"), newest=Max("begun_at")).order_by("-n")[:CAUSES_SHOWN]:
        yield Failure(
            _("Syncs of leads, stopped or put off"),
            row["n"],
            row["newest"],
            row["why"],
            _("Nothing: the next run goes on."),
        )


# --- Alarms -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is wrong, what follows if nobody does anything, and the way out: a button (`press`, on the page of `about`,
    or its dialog `action`), or where there is none to press, `do`."""

    name: str
    says: str
    if_nothing: str
    press: str = ""
    about: Model | None = None
    action: str = ""
    do: str = ""
    lost: str = NOTHING_LOST


def alarms(account: Account | None) -> list[Alarm]:
    return [alarm for find in ALARMS for alarm in find(account)]


def _worker(account: Account | None) -> Iterator[Alarm]:
    lit = lamp()
    if not lit.works:
        newest = lit.worker_at
        seen = (
            _("The last one was seen {age} ago.").format(age=span((db_now() - newest).total_seconds()))
            if newest
            else _("None was seen.")
        )
        yield Alarm(
            _("No worker is at work"),
            seen,
            _(
                "nothing is sent, read or mailed. Where the portal itself runs, its watchdog starts"
                " the worker again within"
                " a minute."
            ),
            do=_("Start one: ./dev up, or manage.py worker."),
        )
        return
    for part in parts():
        if not part.alive:
            yield Alarm(
                _("{name}{name2} is silent").format(name=part.name[:1].upper(), name2=part.name[1:]),
                _("Last seen {age} ago.").format(age=span((db_now() - part.at).total_seconds())),
                _("the others do its work. If that machine was taken away, this goes away within a day."),
                do=_("Look at that machine."),
            )


def _pauses(account: Account | None) -> Iterator[Alarm]:
    if account is None:
        return
    if account.is_paused:
        tested = account.tested_at is not None or account.sandbox
        yield Alarm(
            _("The account is paused"),
            _("By {paused_by}, {age} ago: {pause_reason}").format(
                paused_by=account.paused_by,
                age=span((db_now() - account.paused_at).total_seconds()),  # type: ignore[operator]
                pause_reason=account.pause_reason,
            ),
            _("what is approved waits; a pause doesn't count against its time."),
            press=_("Resume") if tested else _("Test connection"),
            about=account,
            action="resume" if tested else "test",
        )
    for kind, why in account.paused_kinds.items():
        yield Alarm(
            _("Deletions of the kind “{title}” are paused").format(title=kinds.get(kind).title),
            why,
            _("its calls wait; other kinds go on."),
            press=_("Resume a kind"),
            about=account,
            action="resume_kind",
        )


def _attention(account: Account | None) -> Iterator[Alarm]:
    troubled = DeletionRequest.objects.filter(account=account, state="needs_attention").order_by("state_at")
    for request in troubled[:SHOWN]:
        yield Alarm(
            _("{request} needs attention").format(request=request),
            request.attention,
            _("it stays as it is: nothing more of it is sent, and nothing is sent twice."),
            press=_("Open {request}").format(request=request),
            about=request,
        )
    for decision in waiting.open_decisions().filter(request__account=account)[:SHOWN]:
        yield Alarm(
            _("A decision on {request} waits for a second operator").format(request=decision.request),
            _("Proposed by {get_username}.").format(get_username=decision.proposed_by.get_username()),
            _("nothing is done about it."),
            press=_("Open {request}").format(request=decision.request),
            about=decision.request,
        )


# Told where it is read: who only counts the alarms asks for none of it.
said_of_lapsed = functional.lazy(story.lapsed, str)


def _lapsed(account: Account | None) -> Iterator[Alarm]:
    for request in waiting.lapsed():
        if request.account == account:
            yield Alarm(
                _("{request} waits: an approval lapsed").format(request=request),
                said_of_lapsed(request),
                _("what was not yet sent waits."),
                press=_("Open {request}").format(request=request),
                about=request,
            )


def _restored(account: Account | None) -> Iterator[Alarm]:
    for request in waiting.restored().filter(account=account)[:SHOWN]:
        yield Alarm(
            _("{request} came out of a backup").format(request=request),
            story.after_restore(request),
            _("nothing more of it is sent. What was sent before is read back."),
            press=_("Confirm after the restore"),
            about=request,
            action="confirm_restored",
            lost="",
        )


def _budget(account: Account | None) -> Iterator[Alarm]:
    cap = budget.daily_cap()
    if account and cap is not None and budget.used_today(account) >= cap:
        yield Alarm(
            _("The calls of today are used up"),
            _("{cap:,} calls a day are ours.").format(cap=cap),
            _("it goes on by itself after midnight UTC."),
            do=_("If the account may make more, raise LSQ_DAILY_LIMIT."),
        )


def _syncs_stuck(account: Account | None) -> Iterator[Alarm]:
    run = MirrorSync.objects.filter(account=account, state__in=MirrorSync.open_states()).first()
    if run and run.state == MirrorSync.State.ASKING:
        yield Alarm(
            _("A sync of leads asks"),
            run.question,
            _("no lead is marked as gone, and after a day the next run asks again."),
            press=_("Answer"),
            about=run,
        )
    elif run and run.tries >= STUCK_AFTER:
        yield Alarm(
            _("A sync of leads does not get on"),
            run.why,
            _("it tries again by itself; until then the mirror's leads grow older, and say so."),
            press=_("Open the sync"),
            about=run,
        )


def _mails(account: Account | None) -> Iterator[Alarm]:
    given_up = notices.given_up().filter(made_at__gte=db_now() - 7 * LATELY)
    if count := given_up.count():
        yield Alarm(
            ngettext("{count:,} mail could not be sent", "{count:,} mails could not be sent", count).format(
                count=count
            ),
            _("The mail server refused, or whom they are for has no address."),
            _("what was to be told stands on the pages, but nobody was told of it."),
            press=_("Mails"),
            about=given_up.first(),
            action="changelist",
        )


def _looked_at(account: Account | None) -> Iterator[Alarm]:
    """What the doctor finds with a quick look, where it is more than untidy."""
    for name in ("trail", "anchors", "erasures", "disk"):
        for finding in doctor.examine(name):
            if finding.state in (doctor.WRONG, doctor.UNKNOWN):
                yield Alarm(
                    _("{name}: not as it should be").format(name=finding.name.capitalize()),
                    finding.says,
                    _("it stays so."),
                    do=finding.do,
                    lost="",
                )


ALARMS: tuple[Callable[[Account | None], Iterable[Alarm]], ...] = (
    _worker,
    _pauses,
    _attention,
    _lapsed,
    _restored,
    _looked_at,
    _budget,
    _syncs_stuck,
    _mails,
)
