"""Checking the audit chain: every link computed again, in order, against the head and against the anchors that left the
database. What it proves reaches to the last anchor, and the report says so."""

import multiprocessing
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from itertools import pairwise
from operator import or_
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.db.models import CharField, Max, Q
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from lsq_ops.chain import FIELDS, GENESIS, Anchor, Check, Fault
from lsq_ops.models import (
    Attempt,
    AuditEvent,
    AuditHead,
    Decision,
    DeletionCall,
    DeletionRequest,
    TrailCheck,
    Vote,
    audited,
    db_now,
    record,
    timing,
)
from lsq_ops.queue import ring

from . import anchors, notices
from .may import AUDITOR, POLICY_ADMIN, Barred, Person, need

CHUNK = 5000
SLICE = 20_000  # events that are checked in one go, by the worker or while a page waits; half a second
PARTS = (("vote", Vote), ("decision", Decision), ("deletioncall", DeletionCall), ("attempt", Attempt))


@dataclass(frozen=True, slots=True)
class Report:
    """`ok` is None where the chain could not be checked; `anchored` is the last event that an anchor speaks for."""

    ok: bool | None
    events: int
    bad_seq: int | None
    kind: str
    sentence: str
    anchored: int = 0


def verify(files: Iterable[str] = ()) -> Report:
    """Stream the chain; the first bad link decides. `files`: anchors that were kept elsewhere (OSError where one can't
    be read)."""
    known, unsigned = anchors.known(files)  # before the head: an anchor that is made meanwhile is beyond it
    head = AuditHead.objects.filter(pk=1).first()
    if head is None:
        return Report(None, 0, None, _("no head"), _("The chain's head is missing: the trail can't be checked."))
    check = Check((head.seq, head.hash), known)
    fault = None if _whole_in_parts(check) else check.walk(_rows(check))
    return _report(check, fault or check.end() or _behind_the_head(), unsigned)


def by_itself() -> Report:
    """Every link against the head, and no anchor asked: those that were made behind a backup know of events that a
    database made of it can't have."""
    head = AuditHead.objects.get(pk=1)
    check = Check((head.seq, head.hash), {})
    fault = check.walk(_rows(check))
    return _report(check, fault or check.end() or _behind_the_head(), 0)


def _whole_in_parts(check: Check) -> bool:
    """A long chain on all processors: if each part is whole, and begins with the hash that the one before it ends with,
    `check` stands at the end. Which event is bad, and how, only one walk from the beginning tells: False asks for it.
    """
    last, count = check.head[0] if check.head else 0, len(os.sched_getaffinity(0))
    if last <= SLICE or count < 2 or connection.in_atomic_block:
        return False
    edges = [last * number // count for number in range(count + 1)]
    connections.close_all()  # nobody shares one with a process of its own
    with multiprocessing.get_context("fork").Pool(count) as pool:
        parts = pool.starmap(_part, [(check.anchors, low, high) for low, high in pairwise(edges)])
    ends = [part for part in parts if part]
    if len(ends) < count:
        return False
    check.last, check.prev = last, ends[-1][0]
    check.anchored = max(anchored for __, anchored in ends)
    return True


def _part(known: dict[int, Anchor], low: int, high: int) -> tuple[str, int] | None:
    """The hash of event `high` and the last anchor that speaks for one, if all links behind `low` hold; else None."""
    prev = AuditEvent.objects.filter(seq=low).values_list("hash", flat=True).first() if low else GENESIS
    if prev is None:
        return None
    check = Check((high, ""), known, last=low, prev=prev)
    holds = check.walk(_rows(check)) is None and check.last == high
    return (check.prev, check.anchored) if holds else None


def verify_now(user: Person) -> Report | None:
    """Verify, and write into the trail that somebody did and what they found. None where the trail is too long to
    wait for: the worker has been asked, and writes it."""
    need(user, "verify_trail")
    head = AuditHead.objects.filter(pk=1).first()
    if head and head.seq > SLICE:
        _ask_worker(str(user))
        return None
    report = verify()
    _note(report, str(user))
    return report


def under_way() -> TrailCheck | None:
    """The check that the worker is at."""
    return TrailCheck.objects.filter(done_at__isnull=True).last()


def _ask_worker(user: str) -> None:
    with transaction.atomic():
        head = AuditHead.objects.select_for_update().get(pk=1)  # two who press at once ask for one check
        if check := under_way():
            raise Barred(
                _(
                    "A check is under way, asked for by {by}: it has come to event {last:,} of {head_seq:,}. What it "
                    "finds will stand on this page."
                ).format(by=check.by, last=check.last, head_seq=check.head_seq)
            )
        _begin(head, user)
        ring("work")


def _begin(head: AuditHead, by: str = "system") -> None:
    TrailCheck.objects.create(begun_at=db_now(), by=by, head_seq=head.seq, head_hash=head.hash, prev=GENESIS)


def about_request(pk: int) -> Q:
    """A request's own events, and those of its votes, decisions, calls and attempts."""
    return reduce(or_, parts_of_request(pk))


def parts_of_request(pk: int) -> Iterator[Q]:
    """The same, one after the other; no event is in two of them, and an index answers each."""
    yield Q(object_type=DeletionRequest._meta.model_name, object_id=str(pk))
    for noun, model in PARTS:
        ids = model._default_manager.filter(request_id=pk).annotate(text=Cast("pk", CharField())).values("text")
        yield Q(object_type=noun, object_id__in=ids)


# --- By itself, once a day -----------------------------------------------------------------------------------------


def check_due() -> bool:
    """Begin the day's check, or go on with it a little; False where there is nothing to do. Behind all other work."""
    if check := under_way():
        return _go_on(check)
    check = TrailCheck.objects.first()
    first = None if check else AuditEvent.objects.filter(seq=1).first()
    last = check.begun_at if check else datetime.fromisoformat(first.at) if first else None
    head, now = AuditHead.objects.filter(pk=1).first(), db_now()
    if head is None or last is None or now - last < timedelta(seconds=timing().trail_check_every):
        return False
    _begin(head)
    return True


def _go_on(row: TrailCheck) -> bool:
    known, unsigned = anchors.known()
    head = AuditHead.objects.get(pk=1)
    # Anchors of events that were written since the check began are left to the next one; an anchor of an event that
    # not even the head knows is what a cut-off tail leaves.
    known = {seq: anchor for seq, anchor in known.items() if seq <= row.head_seq or seq > head.seq}
    check = Check((row.head_seq, row.head_hash), known, row.last, row.prev, row.anchored)
    fault = check.walk(_rows(check), SLICE)
    over = fault is not None or check.last >= row.head_seq or check.last == row.last
    ours = TrailCheck.objects.filter(pk=row.pk, last=row.last, done_at__isnull=True)
    facts = {"last": check.last, "prev": check.prev, "anchored": check.anchored}
    if not over:
        ours.update(**facts)
        return True
    report = _report(check, fault or check.end() or _behind_the_head(), unsigned)
    with audited():
        if ours.update(**facts, done_at=db_now()):
            _note(report, row.by)
            if not report.ok:
                notices.tell(_watchers(), None, _("the audit trail does not hold"), report.sentence)
    return True


def _watchers() -> list[User]:
    watch = User.objects.filter(is_active=True, groups__name__in=(AUDITOR, POLICY_ADMIN))
    return list(watch.distinct())


# --- What both need ------------------------------------------------------------------------------------------------


def _rows(check: Check) -> Iterator[dict[str, Any]]:
    """The events behind `check.last`, up to the head that it was given: later ones may still be written."""
    until = check.head[0] if check.head else 0
    rows = AuditEvent.objects.filter(seq__gt=check.last, seq__lte=until).order_by("seq")
    return rows.values(*FIELDS).iterator(chunk_size=CHUNK)


def _behind_the_head() -> Fault | None:
    """Events that the head knows nothing of. The newest is asked for first: whoever writes moves the head with it."""
    newest = AuditEvent.objects.aggregate(n=Max("seq"))["n"] or 0
    seq = AuditHead.objects.get(pk=1).seq
    return (
        Fault(seq + 1, "edited", _("Event {seq} is edited: the head knows nothing of it.").format(seq=seq + 1))
        if newest > seq
        else None
    )


def _report(check: Check, fault: Fault | None, unsigned: int) -> Report:
    doubt = (
        _(" {unsigned} anchors are not signed with this AUDIT_KEY and say nothing.").format(unsigned=unsigned)
        if unsigned
        else ""
    )
    if fault:
        return Report(False, check.last, fault.seq, fault.kind, fault.sentence + doubt, check.anchored)
    anchor = check.anchors.get(check.anchored)
    if anchor is None:
        proven = _("No anchor exists yet, so this proves no more than that the database agrees with itself.")
    else:
        proven = _("What is proven reaches to event {seq:,}, anchored at {at}.").format(seq=anchor.seq, at=anchor.at)
    return Report(
        True,
        check.last,
        None,
        "",
        _("{last:,} events, every link whole. {proven}{doubt}").format(last=check.last, proven=proven, doubt=doubt),
        check.anchored,
    )


def _note(report: Report, actor: str) -> None:
    facts = {"ok": report.ok, "events": report.events, "bad_seq": report.bad_seq, "sentence": report.sentence}
    with audited():
        record("trail.verified", ("trail", report.events), actor=actor, **facts, anchored=report.anchored)
