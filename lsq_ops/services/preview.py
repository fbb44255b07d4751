"""The preview: from readings to items, kept neighbours and calls; the digest over all of it; what the page says of
it."""

import hashlib
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Max, Min
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lsq_ops import kinds
from lsq_ops.chain import canonical
from lsq_ops.kinds.base import Limits, Plan, Record, Subject, Target
from lsq_ops.kinds.tasks import OPEN_TASK
from lsq_ops.models import (
    CallBody,
    DeletionCall,
    DeletionItem,
    DeletionRequest,
    ItemContent,
    KeptNeighbour,
    RequestVersion,
    audited,
    db_now,
    timing,
)
from lsq_ops.wording import counted, marked

from . import holds, policy, reading
from .cost import Cost, cost_of

BATCH = 500
NEAR = timedelta(hours=1)
BY_ANOTHER, ON_SUNDAY = marked("made by somebody else than most"), marked("on a Sunday")
Reading = RequestVersion.Reading


def begin(request: DeletionRequest) -> None:
    """Order the readings of a new version."""
    subjects = kinds.get(request.kind).subjects(targets_of(request.version), {})
    reading.order(request.account, subjects, reading.Lane.PREVIEW, since=request.version.reading_from, request=request)


def targets_of(version: RequestVersion) -> list[Target]:
    rows = version.targets.values_list("record_type", "record_id", "lead_id", "owner_id")
    return [Target(*row) for row in rows]


def subjects_and_readings(
    request: DeletionRequest, since: datetime
) -> tuple[list[Subject], dict[Subject, reading.Snapshot]]:
    """All that the preview wants read, also what the readings so far name; and what is read."""
    kind, targets = kinds.get(request.kind), targets_of(request.version)
    done = reading.finished(request, since)
    subjects = kind.subjects(targets, {})
    if all(subject in done for subject in subjects):
        subjects = kind.subjects(targets, reading.contents(done.values()))
    return subjects, {subject: done[subject] for subject in subjects if subject in done}


def progress(request: DeletionRequest) -> tuple[int, int]:
    """(readings done, readings wanted) of the preview under way; cheap enough for a page that asks every two
    seconds."""
    version = request.version
    since = version.recheck_from or version.reading_from
    rows = request.snapshots.filter(lane=reading.Lane.PREVIEW, ordered_at__gte=since)
    return rows.filter(read_at__isnull=False).count(), rows.count()


def advance(request: DeletionRequest) -> None:
    """A reading came in: order what it names, or, when all are there, make the plan. Safe to call at any time."""
    version = request.version
    if request.state != "draft" or version.reading != Reading.READING:
        return
    subjects, done = subjects_and_readings(request, version.reading_from)
    if len(done) < len(subjects):
        reading.order(request.account, subjects, reading.Lane.PREVIEW, since=version.reading_from, request=request)
        return
    whole = all(snapshot.complete for snapshot in done.values())
    plan = make_plan(request, done) if whole else None
    with audited():
        locked = DeletionRequest.locked(request.pk)
        fresh = RequestVersion.objects.filter(pk=version.pk, reading=Reading.READING, submitted_at__isnull=True)
        if locked.version_number != version.number or not fresh.exists():
            return
        if plan is None:
            why = next(snapshot.why for snapshot in done.values() if not snapshot.complete)
            fresh.update(
                reading=Reading.INCOMPLETE, reading_note=_("A reading is not complete: {why}").format(why=why)[:500]
            )
        else:
            _store(request, version, plan, done)
    request.refresh_from_db()


def make_plan(request: DeletionRequest, snapshots: dict[Subject, reading.Snapshot]) -> Plan:
    kind, version = kinds.get(request.kind), request.version
    readings = reading.contents(snapshots.values())
    targets = targets_of(version)
    ids = {i for t in targets for i in (t.record_id, t.lead_id) if i} | {s[1] for s in snapshots}
    limits = Limits(
        now=db_now(),
        settled_seconds=timing().window_settled,
        tasks_per_call=settings.LSQ_TASKS_PER_CALL,
        held=frozenset(holds.reasons(request.account, ids)),
    )
    return kind.plan(targets, version.parameters, readings, limits)


def digest_of(version: RequestVersion) -> str:
    """SHA-256 over the canonical JSON of all that is approved, computed from the rows and the very bytes of the
    calls."""
    request = version.request
    items = version.items.order_by("record_id").values_list("record_id", "content_hash")
    bodies = CallBody.objects.filter(call__version=version).order_by("call__number").values_list("text", flat=True)
    return _sha(
        canonical(
            {
                "account": [request.account.org_id, request.account_id],
                "host": request.account.host if not request.account.sandbox else "sandbox",
                "kind": request.kind,
                "parameters": version.parameters,
                "items": [list(item) for item in items],
                "kept": version.kept_hash,
                "calls": [_sha(text) for text in bodies],
            }
        )
    )


def content_hash(salt: str, raw: dict[str, Any]) -> str:
    """The salt keeps a short content from being guessed from its hash once the content is erased."""
    return _sha(salt + canonical(raw))


def kept_hash(ids: Iterable[str]) -> str:
    return _sha("\n".join(sorted(ids)))


def body_text(body: dict[str, Any]) -> str:
    return canonical(body)


def _store(
    request: DeletionRequest, version: RequestVersion, plan: Plan, done: dict[Subject, reading.Snapshot]
) -> None:
    calls = _store_calls(request, version, plan)
    odd = _odd(plan.items, ZoneInfo(request.account.time_zone))
    items = [
        DeletionItem(
            version=version,
            call=call,
            record_id=r.id,
            lead_id=r.lead_id,
            owner_id=r.owner_id,
            event_code=r.code,
            label=r.label[:300],
            at=r.at,
            content_hash="",
            odd=odd.get(r.id, ""),
        )
        for call, planned in zip(calls, plan.calls, strict=True)
        for r in planned.items
    ]
    salts = [secrets.token_hex(16) for __ in items]
    for item, salt, record in zip(items, salts, plan.items, strict=True):
        item.content_hash = content_hash(salt, record.raw)
    DeletionItem.objects.bulk_create(items, batch_size=BATCH)
    ItemContent.objects.bulk_create(
        (ItemContent(item=i, salt=s, raw=r.raw) for i, s, r in zip(items, salts, plan.items, strict=True)),
        batch_size=BATCH,
    )
    KeptNeighbour.objects.bulk_create(_kept_rows(version, plan), batch_size=BATCH)
    RequestVersion.objects.filter(pk=version.pk).update(
        reading=Reading.COMPLETE,
        reading_note=_note(plan, done),
        read_at=db_now(),
        items_count=len(items),
        leads_count=len({i.lead_id for i in items if i.lead_id}),
        kept_count=len(plan.kept),
        left_out_count=len(plan.left_out),
        calls_count=len(calls),
        kept_hash=kept_hash([r.id for r in plan.kept] + [r.id for r, __ in plan.left_out]),
        shares=_shares(plan, done),
    )


def _store_calls(request: DeletionRequest, version: RequestVersion, plan: Plan) -> list[DeletionCall]:
    texts = [body_text(planned.call.body) for planned in plan.calls]
    calls = DeletionCall.objects.bulk_create(
        [
            DeletionCall(
                request=request,
                version=version,
                number=number,
                path=planned.call.path,
                lead_id=planned.lead_id,
                owner_id=planned.owner_id,
                size=len(planned.items),
                window_from=planned.window[0] if planned.window else None,
                window_to=planned.window[1] if planned.window else None,
                codes=list(planned.codes),
                body_hash=_sha(text),
            )
            for number, (planned, text) in enumerate(zip(plan.calls, texts, strict=True), 1)
        ],
        batch_size=BATCH,
    )
    CallBody.objects.bulk_create(
        (CallBody(call=call, text=text) for call, text in zip(calls, texts, strict=True)), batch_size=BATCH
    )
    return calls


def _kept_rows(version: RequestVersion, plan: Plan) -> Iterator[KeptNeighbour]:
    near = _near(plan)
    for record, why in [(r, "") for r in plan.kept] + plan.left_out:
        yield KeptNeighbour(
            version=version,
            record_id=record.id,
            lead_id=record.lead_id,
            event_code=record.code,
            label=record.label[:300],
            at=record.at,
            why=why,
            near=record.id in near,
        )


def _near(plan: Plan) -> set[str]:
    """Ids of what stays though it is of a window's type and lead, and within an hour of it."""
    windows: dict[tuple[str, int], list[tuple[datetime, datetime]]] = {}
    for call in plan.calls:
        for code in call.codes if call.window else ():
            assert call.window
            windows.setdefault((call.lead_id, code), []).append((call.window[0] - NEAR, call.window[1] + NEAR))
    stays = chain(plan.kept, (record for record, __ in plan.left_out))
    return {
        record.id
        for record in stays
        if record.at and record.code is not None
        if any(start <= record.at <= end for start, end in windows.get((record.lead_id, record.code), ()))
    }


def _note(plan: Plan, done: dict[Subject, reading.Snapshot]) -> str:
    gone = sum(1 for snapshot in done.values() if snapshot.lead_gone)
    if gone:
        return _("{gone} of the leads no longer exist in LeadSquared: deleted or merged.").format(gone=gone)
    return "" if plan.calls else _("Nothing matches: no record of these leads would go.")


def _shares(plan: Plan, done: dict[Subject, reading.Snapshot]) -> dict[str, list[int]]:
    """Lead -> [items, all its activities in the reading]; only where the activities were read."""
    goes: dict[str, int] = {}
    for record in plan.items:
        goes[record.lead_id] = goes.get(record.lead_id, 0) + 1
    return {
        lead: [goes.get(lead, 0), snapshot.records]
        for (subject, lead), snapshot in done.items()
        if subject == "lead_activities" and goes.get(lead)
    }


def _odd(items: list[Record], zone: ZoneInfo) -> dict[str, str]:
    """The odd ones out: made by somebody who made few of them, or on a Sunday."""
    if len(items) < 10:
        return {}
    by: dict[str, int] = {}
    for record in items:
        by[record.by] = by.get(record.by, 0) + 1
    odd = {}
    for record in items:
        if by[record.by] * 10 <= len(items):
            odd[record.id] = BY_ANOTHER
        elif record.code is not None and record.at and record.at.astimezone(zone).weekday() == 6:
            odd[record.id] = ON_SUNDAY  # a task's date is its due date: on any day
    return odd if len(odd) * 2 <= len(items) else {}


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(slots=True)
class Facts:
    """What a request's page says of what would go."""

    description: str
    items: int = 0
    leads: int = 0
    owners: int = 0
    types: int = 0
    kept: int = 0
    left_out: int = 0
    near_misses: int = 0
    calls: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    shares_over_60: int = 0
    odd: dict[str, int] = field(default_factory=dict)  # why -> how many
    still_open: int = 0
    same_leads_elsewhere: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    progress: tuple[int, int] = (0, 0)
    cost: Cost | None = None


def facts(request: DeletionRequest) -> Facts:
    """Counted from the stored version, so that page, mail and report say the same."""
    version, kind = request.version, kinds.get(request.kind)
    made = Facts(kind.describe(version.parameters, request.account), progress=progress(request))
    if version.reading != Reading.COMPLETE:
        made.warnings = [version.reading_note] if version.reading_note else []
        return made
    made.items, made.leads, made.kept = version.items_count, version.leads_count, version.kept_count
    made.left_out, made.calls = version.left_out_count, version.calls_count
    counted = version.items.aggregate(
        oldest=Min("at"),
        newest=Max("at"),
        owners=Count("owner_id", distinct=True),
        types=Count("event_code", distinct=True),
    )
    made.oldest, made.newest = counted["oldest"], counted["newest"]
    made.owners, made.types = counted["owners"], counted["types"]
    made.odd = dict(version.items.exclude(odd="").values_list("odd").annotate(n=Count("pk")).order_by("-n", "odd"))
    made.near_misses = version.kept.filter(near=True).count()
    made.still_open = version.items.filter(label=OPEN_TASK).count() if request.kind == "tasks" else 0
    made.shares_over_60 = sum(1 for goes, all_of in version.shares.values() if all_of >= 10 and goes * 10 >= all_of * 6)
    made.same_leads_elsewhere = _elsewhere(request, version)
    made.cost = cost_of(request)
    made.warnings = list(_warnings(made, request, kind.warnings))
    return made


def _elsewhere(request: DeletionRequest, version: RequestVersion) -> list[int]:
    """Open requests that have a lead in common with this one."""
    if version.leads_count > BATCH:
        return []
    leads = list(version.items.exclude(lead_id="").values_list("lead_id", flat=True).distinct().order_by())
    others = DeletionRequest.objects.filter(
        state__in=DeletionRequest.open_states(), versions__calls__items__lead_id__in=leads
    )
    return sorted(set(others.exclude(pk=request.pk).values_list("pk", flat=True)))


def _lines_left(source: dict[str, Any]) -> Iterator[str]:
    """Of a file, what is not in the request: whoever sent 40 lines takes "completed" for all of them."""
    if left := sum(count for verdict, count in source.get("refused", {}).items() if verdict != "twice"):
        yield ngettext(
            "{count:,} of the {lines:,} lines of its file is not in this request.",
            "{count:,} of the {lines:,} lines of its file are not in this request.",
            left,
        ).format(count=left, lines=source.get("lines", 0))


def _incomplete(why: str) -> str:
    return _("A reading is not complete: {why}").format(why=why)[:500]


def _warnings(made: Facts, request: DeletionRequest, of_kind: tuple[str, ...]) -> Iterator[str]:
    yield from map(str, of_kind)
    if request.state == "draft" and (unproven := policy.unproven(request)):
        yield unproven
    if not request.is_over and (held := holds.on_version(request.version)):
        yield _("{in_words} on hold: nothing of it is sent.").format(in_words=holds.in_words(held))
    if request.version.reading_note:
        yield request.version.reading_note
    yield from _lines_left(request.version.source)
    if made.odd:
        odd = ", ".join(f"{many:,} {_(why)}" for why, many in made.odd.items())
        yield _("Of {items:,} items some are odd ones out: {counted}.").format(items=made.items, counted=odd)
    if made.still_open:
        yield _("{still_open:,} of {items:,} tasks are still open.").format(
            still_open=made.still_open, items=made.items
        )
    if made.shares_over_60:
        leads = counted(made.shares_over_60, "lead")
        yield _("{leads} would lose 60 % or more of the history.").format(leads=leads)
    if made.near_misses:
        yield ngettext(
            "{count:,} record that stays is within an hour of a window.",
            "{count:,} records that stay are within an hour of a window.",
            made.near_misses,
        ).format(count=made.near_misses)
    if made.left_out:
        yield _("{left_out} chosen records are left out; What stays says why for each.").format(left_out=made.left_out)
    if made.same_leads_elsewhere and not request.is_over:
        listed = ", ".join(f"DR-{pk}" for pk in made.same_leads_elsewhere[:5])
        yield _("Some of these leads are in other open requests too: {listed}.").format(listed=listed)
    if made.cost and made.cost.needs():
        yield made.cost.needs()
