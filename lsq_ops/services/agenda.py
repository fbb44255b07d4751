"""What is due, and in which order: reading back, sending, previews, the mirror. The tables say it; a ring only wakes
us."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db.models import Min, Model
from django.utils.translation import gettext as _

from lsq_ops.models import ActivitySnapshot, Beat, DeletionCall, DeletionRequest, db_now, timing
from lsq_ops.queue import is_stopping

from . import (
    accounts,
    afterwards,
    anchors,
    answering,
    approval,
    erasure,
    erasures_outside,
    heartbeat,
    notices,
    preview,
    reading,
    receiving,
    reminders,
    retention,
    run_windows,
    running,
    settling,
    syncing,
    trail,
    uploaded,
    verifying,
)

Lane = ActivitySnapshot.Lane
log = logging.getLogger(__name__)
SWEEP = 10  # seconds
TURN = 15  # seconds over a job's own that a reading may go on; the queue kills a job after a minute
LINGER = 3  # seconds: for what is due so soon, it isn't worth going to sleep
MAILS = 5  # seconds that mails are sent for in a round


def work(seconds: float | None = None) -> bool:
    """Do what is due until nothing is, or the time is over; True where something is left to do now."""
    until = time.monotonic() + (timing().job if seconds is None else seconds)
    last = until + TURN if seconds is None else None
    while time.monotonic() < until and not is_stopping():
        sweep(last)
        tend()
        if do_one(last):
            beat()
        elif not _linger(until):
            return False
    return True


def beat() -> None:
    Beat.show("worker")


# What only waits for its time: which rows, and what is done with each.
TENDED: tuple[tuple[Callable[[datetime], Iterable[Any]], Callable[[Any], object]], ...] = (
    (running.to_start, running.start),
    (approval.to_expire, approval.expire),
    (answering.past_lease, answering.expire_lease),
    (receiving.untaken, receiving.take),
    (verifying.due, verifying.order),
    (settling.to_show, settling.show),
    (afterwards.due, afterwards.step),
)


def tend() -> None:
    """Move on what only waited for its time. Cheap where nothing is due; a lost ring is found here too."""
    now = db_now()
    for rows, act in TENDED:
        moved = False
        for row in rows(now):
            moved = True
            with contained(row):
                act(row)
        if moved:
            now = db_now()  # what was just moved may be due for the next ones of the table


@contextmanager
def contained(
    what: Model | Callable[..., object], put_off: Callable[[Any, str], object] | None = None
) -> Iterator[None]:
    """An error of ours in one row, or one kind of work, must not stop the others: it is logged, and met again (later,
    where it can be put off). Where the database itself is away, all wait."""
    try:
        yield
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        name = f"{what._meta.verbose_name} {what.pk}" if isinstance(what, Model) else what.__module__
        log.exception("%s could not be worked on; the others go on.", name)
        if put_off:
            put_off(what, _("The portal failed on it ({error}); its log says more.").format(error=type(error).__name__))


def do_one(until: float | None = None) -> bool:
    """One piece of work, by lane; False where none is to be had. `until`: when (monotonic) the worker must be done."""
    if _read([Lane.VERIFY, Lane.SEND], until) or _send():
        return True
    if _take_upload(until):  # somebody waits for it, and it asks nothing of LeadSquared
        return True
    return _read([Lane.PREVIEW, Lane.MIRROR], until) or _sync(until) or any(map(_behind, _last()))


def _read(lanes: list[ActivitySnapshot.Lane], until: float | None) -> bool:
    snapshot = reading.claim(lanes)
    if snapshot is None:
        return False
    with contained(snapshot, reading.put_off):
        reading.perform(snapshot, until)
        after(snapshot)
    return True


def _send() -> bool:
    call = running.next_call()
    if call is None:
        return False
    with contained(call, running.put_off):
        running.send(call)
    return True


def _take_upload(until: float | None) -> bool:
    upload = uploaded.claim()
    if upload is None:
        return False
    with contained(upload):
        uploaded.step(upload, until)
    return True


def _sync(until: float | None) -> bool:
    run = syncing.claim()
    if run is None:
        return False
    with contained(run, syncing.put_off):
        syncing.step(run, until)
    return True


def _last() -> tuple[Callable[[], bool], ...]:
    """Behind all that somebody waits for."""
    return erasure.step, notices.send_due, trail.check_due, retention.step


def _behind(step: Callable[[], bool]) -> bool:
    with contained(step):
        return step()
    return False


def take_turns(until: float | None = None) -> None:
    """A piece of each kind of work that stands behind another one, the short ones first. By the order alone what never
    ends, like the refreshing of very many leads, would keep a mail back for days."""
    mails_until = time.monotonic() + MAILS
    while _behind(notices.send_due) and time.monotonic() < mails_until:
        pass
    for step in _last():
        if step is not notices.send_due:
            _behind(step)
    _sync(until)
    _read([Lane.PREVIEW, Lane.MIRROR], until)
    _take_upload(until)


def after(snapshot: ActivitySnapshot) -> None:
    """Hand a finished reading on to whom it was read for."""
    snapshot.refresh_from_db()
    if snapshot.read_at is None or snapshot.request is None:
        return
    hand_on(snapshot.request)
    if snapshot.lane == Lane.SEND:
        # A call that waited for this reading need not wait its second out.
        DeletionCall.objects.filter(request=snapshot.request, state="planned", not_before__gt=db_now()).filter(
            note=f"{running.LOOKING}."
        ).update(not_before=None)


def hand_on(request: DeletionRequest) -> None:
    """Whatever the finished readings of a request allow next."""
    request.refresh_from_db()
    preview.advance(request)
    approval.recheck(request)
    verifying.judge_ready(request)


def sweep(until: float | None = None) -> None:
    """Catch up, and give each kind of work its turn, if nobody has done so lately: under load the ring for it would
    wait behind many others, and some work behind other work."""
    now = db_now()
    swept, made = Beat.objects.get_or_create(name="sweep", defaults={"at": now})
    late = Beat.objects.filter(name="sweep", at=swept.at, at__lte=now - timedelta(seconds=SWEEP))
    if made or late.update(at=now):
        catch_up()
        take_turns(until)


def catch_up() -> None:
    """A worker that died between a reading and what follows from it: found here, by the tables alone."""
    Beat.forget()
    accounts.learn_by_itself()
    approval.withdraw_idle()
    anchors.keep()
    heartbeat.keep()
    erasures_outside.keep()
    syncing.begin_due()
    retention.begin_due()
    for request in reminders.due():
        with contained(request):
            reminders.remind(request)
    drafts = DeletionRequest.objects.filter(state="draft", versions__reading="reading")
    waiting = drafts | DeletionRequest.objects.filter(state="pending", versions__recheck_from__isnull=False)
    calls = DeletionCall.objects.filter(state="verifying", not_before__isnull=True)
    for request in (waiting | DeletionRequest.objects.filter(calls__in=calls)).distinct():
        if not request.snapshots.filter(read_at__isnull=True).exists():
            with contained(request):
                _order_lost(request)
                hand_on(request)


def _order_lost(request: DeletionRequest) -> None:
    """Readings that were never ordered because the process died right after the draft's commit."""
    if request.state == "draft" and not request.snapshots.filter(ordered_at__gte=request.version.reading_from).exists():
        preview.begin(request)


def _linger(until: float) -> bool:
    """Sleep until what is due within seconds; False where nothing is."""
    due = _next_due()
    if due is None:
        return False
    wait = (due - db_now()).total_seconds()
    if wait > LINGER or time.monotonic() + max(wait, 0) > until:
        return False
    time.sleep(min(max(wait, 0.2), 1))
    return True


def _next_due() -> datetime | None:
    """The earliest time that something waits for; None where nothing does."""
    times = [
        *_next_sends(),
        DeletionCall.objects.filter(state="verifying").aggregate(t=Min("not_before"))["t"],
        ActivitySnapshot.objects.filter(read_at__isnull=True, not_before__gt=db_now()).aggregate(t=Min("not_before"))[
            "t"
        ],
    ]
    return min((t for t in times if t), default=None)


def _next_sends() -> list[datetime | None]:
    """When a request begins, or a call is looked at; in a blackout, its end."""
    now = db_now()
    if opens := run_windows.of_current().closed_until(now):
        return [opens]
    open_account = {"account__paused_at__isnull": True, "account__current": True}
    return [
        DeletionRequest.objects.filter(~DeletionRequest.unconfirmed(), state="approved", **open_account).aggregate(
            t=Min("starts_at")
        )["t"],
        DeletionCall.objects.filter(
            state="planned",
            request__state="running",
            request__account__paused_at__isnull=True,
            not_before__gt=now,
        ).aggregate(t=Min("not_before"))["t"],
    ]
