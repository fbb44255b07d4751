"""Retention: what records held leaves some time after it served its purpose; that they were, and what became of them,
stays. A hold beats it. By itself once a day, a few rows in each transaction, behind all other work.

Never erased: requests, versions, items (ids, leads, codes, dates, outcomes, salted hashes), votes, attempts, the trail.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from lsq_ops.models import (
    Activity,
    ActivitySnapshot,
    CallBody,
    DeletionRequest,
    ItemContent,
    Lead,
    RetentionRun,
    Selection,
    Task,
    UploadedList,
    WebhookReceipt,
    audited,
    db_now,
    record,
    timing,
)
from lsq_ops.queue import ring
from lsq_ops.wording import lazy, marked

from . import batches, holds, reading, uploaded
from .batches import Erased, Rule
from .may import Barred, Person, need

# --- The rules ----------------------------------------------------------------------------------------------


def _requests(run: RetentionRun) -> QuerySet[DeletionRequest]:
    over = DeletionRequest.objects.filter(state__in=DeletionRequest.terminal_states(), state_at__lt=run.until)
    return over.filter(contents_erased_at__isnull=True, look_again_at__isnull=True)


def _erase_requests(run: RetentionRun, rows: list[DeletionRequest]) -> Erased:
    erased = 0
    for request in rows:
        locked = DeletionRequest.locked(request.pk)
        if locked.contents_erased_at or any(holds.on_version(version) for version in locked.versions.all()):
            continue
        items = ItemContent.objects.filter(item__version__request=locked.pk, raw__isnull=False)
        count = items.update(raw=None, salt="")
        CallBody.objects.filter(call__version__request=locked.pk).update(text="")
        reading.empty(locked.snapshots.order_by())
        WebhookReceipt.objects.filter(attempt__request=locked.pk).update(body=b"")
        DeletionRequest.objects.filter(pk=locked.pk).update(contents_erased_at=db_now())
        record("request.contents_erased", locked, actor="system", items=count)
        erased += 1
    return Erased(erased, len(rows) - erased)


def _readings(run: RetentionRun) -> QuerySet[ActivitySnapshot]:
    rows = ActivitySnapshot.objects.filter(request__isnull=True, contents_erased_at__isnull=True)
    return rows.filter(read_at__lt=run.until).select_related("account")


def _erase_readings(run: RetentionRun, rows: list[ActivitySnapshot]) -> Erased:
    held = _held_in(rows, lambda row: (row.subject_id,))
    pks = [row.pk for row in rows if row.pk not in held]
    reading.empty(ActivitySnapshot.objects.filter(pk__in=pks))
    return Erased(len(pks), len(rows) - len(pks))


def _gone(model: Any) -> Callable[[RetentionRun], QuerySet[Any]]:
    related = ("account", "lead") if model is Activity else ("account",)
    return lambda run: model._default_manager.filter(gone_at__lt=run.until).select_related(*related)


def _erase_gone(model: Any, ids: Callable[[Any], Iterable[str]]) -> Callable[[RetentionRun, list[Any]], Erased]:
    def erase(run: RetentionRun, rows: list[Any]) -> Erased:
        held = _held_in(rows, ids)
        free = [row.pk for row in rows if row.pk not in held]
        model._default_manager.filter(pk__in=free).delete()
        return Erased(len(free), len(rows) - len(free))

    return erase


def _held_in(rows: list[Any], ids: Callable[[Any], Iterable[str]]) -> set[int]:
    """The keys of those rows of which an id is on hold."""
    held: set[int] = set()
    for account in {row.account for row in rows}:
        of_account = {row.pk: {one for one in ids(row) if one} for row in rows if row.account == account}
        known = set(holds.reasons(account, sorted(set().union(*of_account.values()))))
        held |= {pk for pk, its in of_account.items() if its & known}
    return held


def _uploads(run: RetentionRun) -> QuerySet[UploadedList]:
    return UploadedList.objects.filter(thrown_at__isnull=True, made_at__lt=run.until)


def _erase_uploads(run: RetentionRun, rows: list[UploadedList]) -> Erased:
    return Erased(uploaded.empty(row.pk for row in rows))


def _selections(run: RetentionRun) -> QuerySet[Selection]:
    return Selection.objects.filter(made_at__lt=run.until).defer("ids")


def _erase_selections(run: RetentionRun, rows: list[Selection]) -> Erased:
    Selection.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return Erased(len(rows))


RULES: tuple[Rule[RetentionRun], ...] = (
    Rule(
        marked("requests"),
        lazy("what the records of requests that are over held: contents, readings, call bodies, webhook bodies"),
        lazy("ids, leads, codes, dates, outcomes, salted hashes, votes, reasons, the trail"),
        _requests,
        _erase_requests,
        batch=1,
    ),
    Rule(
        marked("readings"),
        lazy("readings of the mirror that belong to no request"),
        lazy("when they were read, how many records they had, and their hash"),
        _readings,
        _erase_readings,
        batch=20,
    ),
    Rule(
        marked("activities"),
        lazy("activities of the mirror that LeadSquared no longer shows"),
        lazy("what requests keep of them"),
        _gone(Activity),
        _erase_gone(Activity, lambda row: (row.lead.prospect_id,)),
    ),
    Rule(
        marked("tasks"),
        lazy("tasks of the mirror that LeadSquared no longer shows"),
        lazy("what requests keep of them"),
        _gone(Task),
        _erase_gone(Task, lambda row: (row.task_id, row.lead_id)),
    ),
    Rule(
        marked("leads"),
        lazy("leads of the mirror that LeadSquared no longer shows, with all that was on them"),
        lazy("what requests keep of them"),
        _gone(Lead),
        _erase_gone(Lead, lambda row: (row.prospect_id,)),
        batch=50,
    ),
    Rule(marked("uploads"), lazy("uploaded files and their lines"), lazy("the file's name, hash and"
    " counts"), _uploads, _erase_uploads, 5),
    Rule(marked("selections"), lazy("what was ticked or pasted"), lazy("the targets of the requests made from it"),
         _selections, _erase_selections),
)  # fmt: skip


# --- A run --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Due:
    rule: Rule[RetentionRun]
    count: int


def until() -> datetime | None:
    """What ended before that is erased; None where everything is kept."""
    days = settings.CONTENTS_KEPT_DAYS
    return db_now() - timedelta(days=days) if days else None


def due(most: int | None = None) -> list[Due]:
    """What a run would erase now, or a hold would keep back; counted to `most`."""
    if (before := until()) is None:
        return []
    run = RetentionRun(until=before)
    return [Due(rule, rule.due(run).order_by()[:most].count()) for rule in RULES]


def begin(user: Person) -> RetentionRun:
    """Erase what is due, now. Barred where a run is under way, or nothing is ever erased."""
    need(user, "erase")
    return start(actor=str(user))


def start(*, actor: str) -> RetentionRun:
    before = until()
    if before is None:
        raise Barred(_("CONTENTS_KEPT_DAYS is 0: everything is kept."))
    with audited():
        if RetentionRun.objects.filter(ended_at__isnull=True).exists():
            raise Barred(_("A run is under way."))
        run = RetentionRun.objects.create(by=actor, begun_at=db_now(), until=before)
        record("retention.begun", run, actor=actor, until=before)
        ring("work")
    return run


def begin_due() -> None:
    """Once a day, where something is due: a day on which nothing is erased leaves no row."""
    last = RetentionRun.objects.first()
    if last and (last.ended_at is None or db_now() - last.begun_at < timedelta(seconds=timing().retention_every)):
        return
    if any(one.count for one in due(most=1)):
        with suppress(Barred):  # another worker has just begun it
            start(actor="system")


def step() -> bool:
    """One batch of the run under way; False where nothing is to be done."""
    return batches.step(RetentionRun, RULES, _done)


def _done(run: RetentionRun) -> None:
    record("retention.done", run, actor="system", erased=run.counts, kept_back=run.kept_back)
