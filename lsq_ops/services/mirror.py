"""The mirror: the only writer of its rows. People bring leads in; what is on them comes with every reading."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import Count, Field, Model, Q

from lsq_ops import terms
from lsq_ops.chain import canonical
from lsq_ops.kinds.activities import CUSTOM
from lsq_ops.leadsquared.records import ActivityRecord, ActivityTypeRecord, LeadRecord, TaskRecord, UserRecord
from lsq_ops.models import (
    Account,
    Activity,
    ActivitySnapshot,
    ActivityType,
    CrmUser,
    Lead,
    SearchTerm,
    Task,
    db_now,
)

from . import erased_ids
from .parts import parts

BATCH = 500
LEAD_FIELDS = (
    "number first_name last_name email phone mobile stage owner_id owner_name created_on modified_on touched_on raw"
    " read_at gone_at"
).split()
ACTIVITY_KEY = ("account", "activity_id")
ACTIVITY_FIELDS = (
    "lead event_code event_name activity_type created_on modified_on created_by raw read_at gone_at".split()
)
TASK_KEY = ("account", "task_id")
TASK_FIELDS = "lead_id owner_id owner_name name name_term due completed raw read_at gone_at".split()
Row = tuple[Any, ...]


def write_leads(account: Account, records: Iterable[LeadRecord]) -> list[Lead]:
    """All but who was erased."""
    now = db_now()
    unique = {lead.prospect_id: lead for lead in records}
    for one in erased_ids.among(account, unique):
        del unique[one]
    rows = [
        Lead(
            account=account,
            prospect_id=lead.prospect_id,
            number=lead.number[:50],
            first_name=lead.first_name[:500],
            last_name=lead.last_name[:500],
            email=lead.email[:320],
            phone=lead.phone[:100],
            mobile=lead.mobile[:100],
            stage=lead.stage[:200],
            owner_id=lead.owner_id[:36],
            owner_name=lead.owner_name[:300],
            created_on=lead.created_on,
            modified_on=lead.modified_on,
            touched_on=lead.touched_on,
            raw=lead.raw,
            read_at=now,
        )
        for lead in sorted(unique.values(), key=_in_order)
    ]
    Lead.objects.bulk_create(
        rows,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["account", "prospect_id"],
        update_fields=LEAD_FIELDS,
    )
    written = list(Lead.objects.filter(account=account, prospect_id__in=[row.prospect_id for row in rows]))
    _write_terms(written)
    return written


def _in_order(lead: LeadRecord) -> tuple[int, str, str]:
    """One order for all, that of the leads' numbers: two who write the same ones would else wait for each other."""
    return len(lead.number), lead.number, lead.prospect_id


def _write_terms(leads: list[Lead]) -> None:
    """What these leads are found by, from now on and only that. Their rows are locked: they were just written."""
    wanted = {(lead.pk, term) for lead in leads for term in terms_of(lead)}
    had = {
        (lead, bytes(term)): pk
        for part in parts(lead.pk for lead in leads)
        for pk, lead, term in SearchTerm.objects.filter(lead__in=part).values_list("pk", "lead_id", "term")
    }
    for part in parts(pk for key, pk in had.items() if key not in wanted):
        SearchTerm.objects.filter(pk__in=part).delete()
    news = (SearchTerm(lead_id=lead, term=term) for lead, term in sorted(wanted - had.keys()))
    SearchTerm.objects.bulk_create(news, batch_size=BATCH, ignore_conflicts=True)


def terms_of(lead: Lead) -> set[bytes]:
    return terms.of_lead(
        number=lead.number,
        first_name=lead.first_name,
        last_name=lead.last_name,
        email=lead.email,
        phone=lead.phone,
        mobile=lead.mobile,
    )


def write_types(account: Account, types: Iterable[ActivityTypeRecord]) -> None:
    now = db_now()
    rows = [
        ActivityType(
            account=account,
            code=kind.code,
            name=(kind.display_name or kind.name)[:200],
            event_type=kind.event_type[:50],
            read_at=now,
        )
        for kind in types
    ]
    ActivityType.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["account", "code"],
        update_fields=["name", "event_type", "read_at"],
    )


def _add_types(account: Account, records: Sequence[ActivityRecord], now: datetime) -> None:
    """Custom types that LeadSquared's list leaves out: forms offer what was seen on a lead."""
    seen = {record.event_code: record.event_name for record in records if record.activity_type == CUSTOM}
    known = set(ActivityType.objects.filter(account=account, code__in=seen).values_list("code", flat=True))
    new = [
        ActivityType(account=account, code=code, name=name[:200], read_at=now)
        for code, name in sorted(seen.items())
        if code not in known
    ]
    ActivityType.objects.bulk_create(new, ignore_conflicts=True)


def write_users(account: Account, users: Iterable[UserRecord]) -> None:
    now = db_now()
    rows = [
        CrmUser(
            account=account,
            user_id=user.id[:36],
            name=user.name[:300],
            email=user.email[:320],
            role=user.role[:100],
            active=user.active,
            read_at=now,
        )
        for user in {user.id[:36]: user for user in users}.values()
    ]
    CrmUser.objects.bulk_create(
        rows,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["account", "user_id"],
        update_fields=["name", "email", "role", "active", "read_at"],
    )


def take_over(snapshot: ActivitySnapshot, records: Sequence[Any], texts: list[str]) -> None:
    """Write a reading, whose records are `texts` as JSON, into the mirror. Only a complete one says what is gone."""
    now = db_now()
    if snapshot.subject == ActivitySnapshot.Subject.LEAD_ACTIVITIES:
        lead = Lead.objects.filter(account=snapshot.account, prospect_id=snapshot.subject_id).first()
        if lead is None:
            return
        _write_activities(lead, records, texts, now)
        stale: Any = Activity.objects.filter(lead=lead)
    else:
        _write_tasks(snapshot, records, texts, now)
        by = "lead_id" if snapshot.subject == ActivitySnapshot.Subject.LEAD_TASKS else "owner_id"
        stale = Task.objects.filter(account=snapshot.account, **{by: snapshot.subject_id})
    if snapshot.complete:
        stale.filter(read_at__lt=now, gone_at__isnull=True).update(gone_at=now)
    if snapshot.subject != ActivitySnapshot.Subject.OWNER_TASKS:
        _count(snapshot, now)
    if snapshot.lead_gone:
        mark_gone(snapshot.account, [snapshot.subject_id])


def mark_gone(account: Account, ids: list[str]) -> None:
    Lead.objects.filter(account=account, prospect_id__in=ids, gone_at__isnull=True).update(gone_at=db_now())


def _write_activities(lead: Lead, records: Sequence[ActivityRecord], texts: list[str], now: datetime) -> None:
    rows = [
        (
            lead.account_id,
            a.id[:36],
            lead.pk,
            a.event_code,
            a.event_name[:300],
            a.activity_type,
            a.created_on,
            a.modified_on,
            a.created_by[:300],
            raw,
            now,
            None,
        )
        for a, raw in zip(records, texts, strict=True)
    ]
    _upsert(Activity, ACTIVITY_KEY, [*ACTIVITY_KEY, *ACTIVITY_FIELDS], rows)
    _add_types(lead.account, records, now)


def _write_tasks(snapshot: ActivitySnapshot, records: Sequence[TaskRecord], texts: list[str], now: datetime) -> None:
    of_lead = snapshot.subject == ActivitySnapshot.Subject.LEAD_TASKS
    known = {"lead_id" if of_lead else "owner_id": snapshot.subject_id}
    rows: dict[bool, list[Row]] = {True: [], False: []}
    for record, raw in zip(records, texts, strict=True):
        task = record.filled(**known)
        row = (
            snapshot.account_id,
            task.id[:36],
            (task.lead_id or "")[:36],
            task.owner_id[:36],
            task.owner_name[:300],
            task.name[:500],
            terms.of_name(task.name),
            task.due,
            task.completed,
            raw,
            now,
            None,
        )
        rows[bool(task.lead_id)].append(row)
    # An owner's list may not name the lead; it must not wipe what the lead's list said.
    _upsert(Task, TASK_KEY, [*TASK_KEY, *TASK_FIELDS], rows[True])
    _upsert(Task, TASK_KEY, [*TASK_KEY, *TASK_FIELDS], rows[False], keep=("lead_id",))


def _upsert(
    model: type[Model], key: tuple[str, ...], fields: list[str], rows: list[Row], keep: Collection[str] = ()
) -> None:
    """Insert the rows; where the key is there, overwrite all else but `keep`. Written out, without an object for each
    row and a place in the statement for each value: a page of a thousand takes a fifth of the time. `fields` begin with
    those of the key."""
    if not rows:
        return
    columns: list[Field[Any, Any]] = [model._meta.get_field(name) for name in fields]  # type: ignore[misc]
    names = [column.attname for column in columns]
    news = [f"{name} = excluded.{name}" for name in names[len(key) :] if name not in keep]
    insert = f"INSERT INTO {model._meta.db_table} ({', '.join(names)})"
    update = f"ON CONFLICT ({', '.join(names[: len(key)])}) DO UPDATE SET {', '.join(news)}"  # nosec B608 # the models' own columns
    rows = list({row[: len(key)]: row for row in rows}.values())  # PostgreSQL takes each once in a statement
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            said = lru_cache(maxsize=None)(connection.ops.adapt_datetimefield_value)  # most are one of few
            values = [tuple(said(value) if type(value) is datetime else value for value in row) for row in rows]
            cursor.executemany(f"{insert} VALUES ({', '.join(['%s'] * len(names))}) {update}", values)
        else:
            # One JSON document, in which `raw` stands as it is: arrays would have each quote in it escaped, slowly.
            types = [column.rel_db_type(connection) if column.is_relation else column.db_type(connection)
                     for column in columns]  # fmt: skip
            shape = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
            statement = f"{insert} SELECT * FROM jsonb_to_recordset(%s::jsonb) AS rows({shape}) {update}"  # noqa: S608  # nosec B608 # the models' own columns
            at = names.index("raw")
            plain = [*names[:at], *names[at + 1 :]]
            given = [
                canonical(dict(zip(plain, row[:at] + row[at + 1 :], strict=True)))[:-1] + f',"raw":{row[at]}}}'
                for row in rows
            ]
            for start in range(0, len(given), BATCH * 4):
                cursor.execute(statement, [f"[{','.join(given[start : start + BATCH * 4])}]"])


def _count(snapshot: ActivitySnapshot, now: datetime) -> None:
    leads = Lead.objects.filter(account=snapshot.account, prospect_id=snapshot.subject_id)
    if snapshot.subject == ActivitySnapshot.Subject.LEAD_TASKS:
        count = Task.objects.filter(account=snapshot.account, lead_id=snapshot.subject_id, gone_at__isnull=True).count()
        leads.update(task_count=count, tasks_read_at=now if snapshot.complete else None)
        return
    counted = leads.annotate(n=Count("activity", filter=Q(activity__gone_at__isnull=True))).values_list("n", flat=True)
    leads.update(activity_count=counted.first() or 0, records_read_at=now if snapshot.complete else None)
