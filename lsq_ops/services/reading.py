"""Readings, from the order to the finished snapshot. Every look at LeadSquared's records goes through here.

Ordering a reading writes a row; a worker claims it by lane, reads, and fills it once. A reading that is not whole
says so, and nothing is concluded from what is absent in it.
"""

import gc
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any, cast

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from lsq_ops import kinds
from lsq_ops.chain import canonical
from lsq_ops.kinds.base import Reading, Readings, Record, Subject
from lsq_ops.leadsquared.client import Client
from lsq_ops.leadsquared.errors import KeysRefused, LeadNotFound, LeadSquaredError, RateLimited
from lsq_ops.leadsquared.paging import OffsetMeaning
from lsq_ops.leadsquared.records import ActivityRecord, TaskRecord
from lsq_ops.models import (
    Account,
    ActivitySnapshot,
    DeletionRequest,
    SnapshotContent,
    audited,
    db_now,
    timing,
)
from lsq_ops.models.evidence import pack
from lsq_ops.queue import is_stopping, ring
from lsq_ops.wording import lazy

from . import accounts, causes, erased_ids, leases, mirror
from .budget import BudgetSpent, OutOfTime
from .may import Barred
from .tape import KEPT, Tape

Snapshot = ActivitySnapshot
Found = Sequence[ActivityRecord] | Sequence[TaskRecord]
Lane = ActivitySnapshot.Lane
ERASED = lazy(
    "This person was erased from the portal, which keeps nothing of it until a policy admin lets it come in again."
)
TOO_LONG = lazy("The list is too long to be read within ten minutes at the account's rate limit.")


def order(
    account: Account,
    subjects: Iterable[Subject],
    lane: int,
    *,
    since: datetime,
    request: DeletionRequest | None = None,
    not_before: datetime | None = None,
) -> list[Subject]:
    """Order those of `subjects` for which no reading begun since then is there or to come; returns them."""
    wanted = list(dict.fromkeys(subjects))
    there = Snapshot.objects.filter(account=account, request=request)
    if len(wanted) <= 100:
        there = there.filter(subject_id__in=[subject_id for __, subject_id in wanted])
    # Not begun yet, or begun since then; a finished one only if it is whole.
    there = there.filter(
        Q(read_at__isnull=True, started_at__isnull=True)
        | (Q(started_at__gte=since) & (Q(read_at__isnull=True) | Q(complete=True)))
    )
    have = set(there.values_list("subject", "subject_id"))
    missing = [subject for subject in wanted if subject not in have]
    now = db_now()
    Snapshot.objects.bulk_create(
        Snapshot(
            account=account,
            request=request,
            subject=subject,
            subject_id=subject_id,
            lane=lane,
            ordered_at=now,
            not_before=not_before,
        )
        for subject, subject_id in missing
    )
    if missing:
        ring("work", request.pk if request else None)
    return missing


def finished(
    request: DeletionRequest,
    since: datetime,
    until: datetime | None = None,
    *,
    of: list[Subject] | None = None,
    whole: bool = False,
) -> dict[Subject, Snapshot]:
    """The newest finished reading of each subject (or of those in `of`) for a request, begun since (and finished
    until) then; with `whole` only complete ones."""
    snapshots = Snapshot.objects.filter(request=request, started_at__gte=since, read_at__isnull=False)
    if until:
        snapshots = snapshots.filter(read_at__lte=until)
    if whole:
        snapshots = snapshots.filter(complete=True)
    if of is not None and len(of) <= 100:
        snapshots = snapshots.filter(subject_id__in=[subject_id for __, subject_id in of])
    newest = {(s.subject, s.subject_id): s for s in snapshots.order_by("read_at", "id")}
    return newest if of is None else {subject: newest[subject] for subject in of if subject in newest}


def awaited(subject_ids: Iterable[str]) -> dict[str, set[str]]:
    """Id -> the subjects of it that are ordered and not read yet."""
    found: dict[str, set[str]] = {}
    waiting = Snapshot.objects.filter(read_at__isnull=True, lane__in=Lane.values, subject_id__in=list(subject_ids))
    for subject_id, subject in waiting.order_by().values_list("subject_id", "subject"):
        found.setdefault(subject_id, set()).add(subject)
    return found


def contents(snapshots: Iterable[Snapshot]) -> Readings:
    """What the snapshots hold, by subject."""
    return {
        (s.subject, s.subject_id): Reading(rows=s.rows(), complete=s.complete, lead_gone=s.lead_gone) for s in snapshots
    }


def found(kind: str, snapshots: Iterable[Snapshot]) -> dict[str, Record]:
    """Record id -> record over finished snapshots. One list reading serves many calls, so the last ones are remembered:
    a finished snapshot never changes."""
    return _found(kind, tuple(sorted((snapshot.pk, snapshot.sha256) for snapshot in snapshots)))


@lru_cache(maxsize=2)
def _found(kind: str, keys: tuple[tuple[int, str], ...]) -> dict[str, Record]:
    # By number and content: after a restored backup the same number may be another reading.
    pks = [pk for pk, __ in keys]
    return kinds.get(kind).find(contents(Snapshot.objects.filter(pk__in=pks).select_related("content")))


def claim(lanes: Iterable[int]) -> Snapshot | None:
    """The next reading to do in these lanes, ours for the time of a lease; None where there is none."""
    while True:
        now = db_now()
        waiting = Snapshot.objects.filter(read_at__isnull=True, lane__in=list(lanes), account__current=True)
        waiting = waiting.filter(Q(not_before__isnull=True) | Q(not_before__lte=now))
        snapshot = waiting.filter(leases.free(now)).select_related("account", "request").order_by("lane", "id").first()
        if snapshot is None:
            return None
        if _leased(snapshot).update(claimed_until=leases.end(now), **_begun(snapshot, now)):
            snapshot.refresh_from_db()
            return snapshot


def _begun(snapshot: Snapshot, now: datetime) -> dict[str, Any]:
    """A reading with pages goes on where it was cut short, unless they are too old to fit to what is there now."""
    if snapshot.started_at and snapshot.pages.exists():
        if now - snapshot.started_at < KEPT:
            return {}
        snapshot.pages.all().delete()
        return {"started_at": now, "tries": F("tries") + 1}
    return {"started_at": now}


def perform(snapshot: Snapshot, until: float | None = None) -> None:
    """Read the subject now and fill the snapshot, or put it off. Never raises for what LeadSquared does.

    `until`: the second (monotonic) at which the worker's time is over; a long list is then read on by the next job.
    """
    with _uncollected():
        _perform(snapshot, until)


@contextmanager
def _uncollected() -> Iterator[None]:
    """A long list is a million objects and none of them garbage before its end: looking for some among them again and
    again takes a third of the time. What is in no circle leaves all the same."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _perform(snapshot: Snapshot, until: float | None) -> None:
    if erased_ids.among(snapshot.account, [snapshot.subject_id]):
        fill(snapshot, [], complete=False, why=ERASED)
        return
    whole_turn = until is None or until - time.monotonic() >= timing().job
    tape = None
    try:
        client, tape = accounts.reader(snapshot, until=until)
        records, complete, why, gone = _read(client, snapshot)
    except Barred as no:
        accounts.pause_account(snapshot.account, by="system", reason=str(no))
        _put_off(snapshot, seconds=timing().read_retries[-1], why=str(no))
    except OutOfTime:
        if whole_turn and tape and not tape.new and not is_stopping():
            _try_again(snapshot, TOO_LONG)  # a whole turn, and not one page: it would go on so for ever
        else:
            _put_off(snapshot, seconds=0, tape=tape)
    except BudgetSpent as spent:
        _put_off(snapshot, seconds=600, why=str(spent), tape=tape)
    except RateLimited:
        _put_off(snapshot, seconds=snapshot.account.rate_seconds, tape=tape)
    except KeysRefused as error:
        accounts.pause_account(snapshot.account, by="system", reason=causes.in_words(error))
        _put_off(snapshot, seconds=timing().read_retries[-1])
    except LeadSquaredError as error:
        _try_again(snapshot, causes.in_words(error), tape=tape)
    else:
        if complete:
            fill(snapshot, records, complete=True, gone=gone)
        else:
            _try_again(snapshot, why, records)


def fill(snapshot: Snapshot, records: Found, *, complete: bool, why: str = "", gone: bool = False) -> None:
    """Write the reading, once: its content, its hash, whether it is whole; and the mirror with it."""
    texts = [canonical(found.raw) for found in records]
    packed, sha256 = pack(texts)
    with audited():
        ours = _leased(snapshot)
        if not ours.select_for_update(no_key=True).exists():
            return  # our lease ran out and somebody else reads, or has read: their content stands
        erased, bare = _erased(snapshot, records), set[str]()
        if snapshot.subject_id in erased:
            records, complete, why = [], False, ERASED
        if erased:
            bare = {found.id for found in records if not erased.isdisjoint(_ids_of(found))}
            records = cast(Found, [_bare(found) if found.id in bare else found for found in records])
            texts = [canonical(found.raw) for found in records]
            packed, sha256 = pack(texts)
        snapshot.pages.all().delete()
        SnapshotContent.objects.create(snapshot=snapshot, packed=packed)
        ours.update(
            read_at=db_now(),
            complete=complete,
            lead_gone=gone,
            why=why[:300],
            records=len(records),
            sha256=sha256,
        )
        snapshot.refresh_from_db()
        if bare:
            pairs = [pair for pair in zip(cast(list[Any], records), texts, strict=True) if pair[0].id not in bare]
            records, texts = [found for found, __ in pairs], [text for __, text in pairs]
        mirror.take_over(snapshot, records, texts)


def _erased(snapshot: Snapshot, records: Found) -> set[str]:
    """The ids in it of persons who were erased: its own, those of tasks and of the leads that these are on."""
    tasks = records if snapshot.subject != Snapshot.Subject.LEAD_ACTIVITIES else ()
    ids = chain.from_iterable(map(_ids_of, tasks))
    return erased_ids.among(snapshot.account, chain([snapshot.subject_id], ids))


def _ids_of(record: ActivityRecord | TaskRecord) -> list[str]:
    """Its own, and that of the lead that it says it is on."""
    return [one for one in (record.id, record.lead_id) if one]


def _bare(task: ActivityRecord | TaskRecord) -> TaskRecord:
    """That it is in the list of its owner, and nothing else: what vanishes from a list is asked about."""
    row = {"TaskID": task.id, "OwnerID": getattr(task, "owner_id", ""), "StatusCode": task.raw.get("StatusCode")}
    return TaskRecord.model_validate(row)


def _read(client: Client, snapshot: Snapshot) -> tuple[Found, bool, str, bool]:
    """(records, complete, why not, lead is gone)."""
    if snapshot.subject == Snapshot.Subject.OWNER_TASKS:
        return _owner_tasks(client, snapshot.subject_id)
    lead = snapshot.subject_id
    try:
        if snapshot.subject == Snapshot.Subject.LEAD_TASKS:
            listing: Any = client.tasks_by_lead(lead)
        else:
            listing = client.activities(lead, meaning=OffsetMeaning(snapshot.account.offset_meaning))
    except LeadNotFound:
        gone = client.lead(lead) is None
        return [], gone, "" if gone else _("LeadSquared shows the lead, but says that it knows no such lead."), gone
    # An empty answer may be a lead that was deleted or merged away: ask for the lead itself.
    gone = not listing.records and client.lead(lead) is None
    return listing.records, listing.complete, listing.why, gone


def _owner_tasks(client: Client, owner: str) -> tuple[Found, bool, str, bool]:
    """Open, completed, and open once more: a task that was reopened in between is in one of them."""
    found: dict[str, TaskRecord] = {}
    for status in (0, 1, 0):
        listing = client.tasks_by_owner(owner, status)
        for task in listing.records:
            found.setdefault(task.id, task.model_copy(update={"raw": {"StatusCode": status, **task.raw}}))
        if not listing.complete:
            return list(found.values()), False, listing.why, False
    return list(found.values()), True, "", False


def _try_again(snapshot: Snapshot, why: str, records: Found = (), *, tape: Tape | None = None) -> None:
    """A growing delay; after the last one the reading ends as not whole."""
    delays = timing().read_retries
    if snapshot.tries < len(delays):
        Snapshot.objects.filter(pk=snapshot.pk).update(tries=F("tries") + 1)
        _put_off(snapshot, seconds=delays[snapshot.tries], why=why, tape=tape)
    else:
        fill(snapshot, records, complete=False, why=why or _("it could not be read"))


def put_off(snapshot: Snapshot, why: str) -> None:
    """It could not be worked on, by no fault of LeadSquared's: tried again, and at last given up like any other."""
    if _leased(snapshot).exists():
        _try_again(snapshot, why)


def _put_off(snapshot: Snapshot, *, seconds: float, why: str = "", tape: Tape | None = None) -> None:
    """Give the lease back. With a tape the next turn goes on behind its answers, else it begins anew."""
    with transaction.atomic():
        ours = _leased(snapshot)
        if not ours.select_for_update(no_key=True).exists():
            return
        values: dict[str, Any] = {}
        if tape and tape.stored:
            tape.save()
        else:
            snapshot.pages.all().delete()
            values = {"started_at": None}
        until = db_now() + timedelta(seconds=seconds)
        ours.update(not_before=until, claimed_until=None, why=why[:300], **values)


def empty(snapshots: QuerySet[Snapshot]) -> int:
    """Without what they held from now on, in the running transaction; when they were read, count and hash stay."""
    SnapshotContent.objects.filter(snapshot__in=snapshots).update(packed=b"")
    return snapshots.update(contents_erased_at=db_now())


def _leased(snapshot: Snapshot) -> Any:
    """The row, if the lease is still the one that we were given and nobody has finished it."""
    return leases.held(Snapshot.objects.filter(read_at__isnull=True), snapshot)
