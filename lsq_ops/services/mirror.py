"""The mirror: the only writer of its rows. People bring leads in; what is on them comes with every reading."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Count, Q

from lsq_ops.leadsquared.records import ActivityRecord, ActivityTypeRecord, LeadRecord, TaskRecord
from lsq_ops.models import (
    Account,
    Activity,
    ActivitySnapshot,
    ActivityType,
    Lead,
    Task,
    db_now,
)

BATCH = 500
LEAD_FIELDS = (
    "number first_name last_name email phone mobile stage owner_id owner_name created_on modified_on raw read_at"
    " gone_at"
).split()
ACTIVITY_FIELDS = (
    "lead event_code event_name activity_type created_on modified_on created_by raw read_at gone_at".split()
)


def write_leads(account: Account, records: Iterable[LeadRecord]) -> list[Lead]:
    now = db_now()
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
            raw=lead.raw,
            read_at=now,
        )
        for lead in records
    ]
    Lead.objects.bulk_create(
        rows,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["account", "prospect_id"],
        update_fields=LEAD_FIELDS,
    )
    return list(Lead.objects.filter(account=account, prospect_id__in=[row.prospect_id for row in rows]))


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


def take_over(snapshot: ActivitySnapshot, rows: list[dict[str, Any]]) -> None:
    """Write a reading into the mirror. Only a complete one says that something is gone."""
    now = db_now()
    if snapshot.subject == ActivitySnapshot.Subject.LEAD_ACTIVITIES:
        lead = Lead.objects.filter(account=snapshot.account, prospect_id=snapshot.subject_id).first()
        if lead is None:
            return
        _write_activities(lead, rows, now)
        stale: Any = Activity.objects.filter(lead=lead)
    else:
        _write_tasks(snapshot, rows, now)
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


def _write_activities(lead: Lead, rows: list[dict[str, Any]], now: datetime) -> None:
    records = [ActivityRecord.model_validate(row) for row in rows]
    Activity.objects.bulk_create(
        [
            Activity(
                account_id=lead.account_id,
                lead=lead,
                activity_id=a.id[:36],
                event_code=a.event_code,
                event_name=a.event_name[:300],
                activity_type=a.activity_type,
                created_on=a.created_on,
                modified_on=a.modified_on,
                created_by=a.created_by[:300],
                raw=a.raw,
                read_at=now,
            )
            for a in records
        ],
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["account", "activity_id"],
        update_fields=ACTIVITY_FIELDS,
    )


def _write_tasks(snapshot: ActivitySnapshot, rows: list[dict[str, Any]], now: datetime) -> None:
    of_lead = snapshot.subject == ActivitySnapshot.Subject.LEAD_TASKS
    known = {"lead_id" if of_lead else "owner_id": snapshot.subject_id}
    records = [TaskRecord.model_validate(row).filled(**known) for row in rows]
    update = "owner_name name due completed raw read_at gone_at".split()
    # An owner's list may not name the lead; it must not wipe what the lead's list said.
    for named, fields in ((True, [*update, "owner_id", "lead_id"]), (False, [*update, "owner_id"])):
        Task.objects.bulk_create(
            [_task(snapshot.account_id, task, now) for task in records if bool(task.lead_id) == named],
            batch_size=BATCH,
            update_conflicts=True,
            unique_fields=["account", "task_id"],
            update_fields=fields,
        )


def _task(account_id: int, task: TaskRecord, now: datetime) -> Task:
    return Task(
        account_id=account_id,
        task_id=task.id[:36],
        lead_id=(task.lead_id or "")[:36],
        owner_id=task.owner_id[:36],
        owner_name=task.owner_name[:300],
        name=task.name[:500],
        due=task.due,
        completed=task.completed,
        raw=task.raw,
        read_at=now,
    )


def _count(snapshot: ActivitySnapshot, now: datetime) -> None:
    leads = Lead.objects.filter(account=snapshot.account, prospect_id=snapshot.subject_id)
    if snapshot.subject == ActivitySnapshot.Subject.LEAD_TASKS:
        count = Task.objects.filter(account=snapshot.account, lead_id=snapshot.subject_id, gone_at__isnull=True).count()
        leads.update(task_count=count, tasks_read_at=now if snapshot.complete else None)
        return
    counted = leads.annotate(n=Count("activity", filter=Q(activity__gone_at__isnull=True))).values_list("n", flat=True)
    leads.update(activity_count=counted.first() or 0, records_read_at=now if snapshot.complete else None)
