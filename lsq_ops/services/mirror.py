"""The mirror: the only writer of its rows. Leads are added by people; their records come with every reading."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Q

from lsq_ops.leadsquared.errors import LeadSquaredError
from lsq_ops.leadsquared.records import ActivityRecord, LeadRecord, TaskRecord
from lsq_ops.models import (
    Account,
    Activity,
    ActivitySnapshot,
    ActivityType,
    Hold,
    Lead,
    Task,
    audited,
    db_now,
    record,
)

from . import accounts
from .budget import BudgetSpent
from .may import Barred, Person, need

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
AT_ONCE = 200
BATCH = 500
LEAD_FIELDS = (
    "number first_name last_name email phone mobile stage owner_id owner_name created_on modified_on raw read_at"
    " gone_at"
).split()

ACTIVITY_FIELDS = (
    "lead event_code event_name activity_type created_on modified_on created_by raw read_at gone_at".split()
)


@dataclass(frozen=True, slots=True)
class Found:
    """A lead that LeadSquared found; not yet in the mirror unless it says so."""

    prospect_id: str
    number: str
    name: str
    email: str
    phone: str
    in_mirror: bool


@dataclass(slots=True)
class Added:
    taken: list[Lead] = field(default_factory=list)
    verdicts: list[tuple[str, str]] = field(default_factory=list)


def search(user: Person, query: str) -> list[Found]:
    """Leads in LeadSquared by prospect id, e-mail, phone or name. Barred, with the cause, when it can't be asked."""
    need(user, "refresh_mirror")
    query = query.strip()
    if len(query) < 3:
        raise Barred("Type at least three characters: a prospect id, an e-mail, a phone number or a name.")
    account = accounts.current_account()
    try:
        leads = _look_up(accounts.client(account), query)
    except LeadSquaredError as error:
        raise Barred(accounts.in_words(error)) from None
    except BudgetSpent as spent:
        raise Barred(str(spent)) from None
    unique = {lead.prospect_id: lead for lead in leads}
    known = Lead.objects.filter(account=account, prospect_id__in=unique).values_list("prospect_id", flat=True)
    return [_found(lead, lead.prospect_id in set(known)) for lead in unique.values()]


def add_leads(user: Person, prospect_ids: list[str]) -> Added:
    """Read these leads' facts now, at most 200 at once; their activities and tasks are read by the worker."""
    need(user, "refresh_mirror")
    added, wanted = Added(), list(dict.fromkeys(text.strip().strip("{}").lower() for text in prospect_ids))
    for text in [text for text in wanted if not GUID.fullmatch(text)]:
        added.verdicts.append(
            (text, "is not a prospect id; expected something like 3aee22bd-8419-422a-8242-c510df9af021")
        )
    ids = [text for text in wanted if GUID.fullmatch(text)]
    if len(ids) > AT_ONCE:
        raise Barred(f"{len(ids)} leads at once are too many; add at most {AT_ONCE}, the rest after them.")
    account = accounts.current_account()
    found = {lead.prospect_id: lead for lead in _fetch(account, ids)}
    added.verdicts += [
        (text, "LeadSquared knows no such lead: deleted, merged or mistyped") for text in ids if text not in found
    ]
    _mark_gone(account, [text for text in ids if text not in found])
    with audited():
        added.taken = write_leads(account, found.values())
        for lead in added.taken:
            record("lead.added", lead, actor=str(user), prospect_id=lead.prospect_id)
    if added.taken and not ActivityType.objects.filter(account=account).exists():
        read_types(account)
    order_records(account, added.taken)
    return added


def refresh(user: Person, leads: Iterable[Lead]) -> int:
    """Order a fresh reading of these leads' facts, activities and tasks; the number of leads."""
    leads = list(leads)
    added = add_leads(user, [lead.prospect_id for lead in leads[:AT_ONCE]])
    return len(added.taken)


def order_records(account: Account, leads: Iterable[Lead]) -> None:
    from . import reading  # a reading writes the mirror, and the mirror orders readings

    subjects = [
        (subject, lead.prospect_id)
        for lead in leads
        for subject in (
            ActivitySnapshot.Subject.LEAD_ACTIVITIES.value,
            ActivitySnapshot.Subject.LEAD_TASKS.value,
        )
    ]
    reading.order(account, subjects, reading.Lane.MIRROR, since=db_now())


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


def read_types(account: Account) -> None:
    """The account's activity types; without them the forms offer what the mirror has seen."""
    try:
        types = accounts.client(account).activity_types()
    except (LeadSquaredError, BudgetSpent):
        return
    now = db_now()
    ActivityType.objects.bulk_create(
        [
            ActivityType(
                account=account,
                code=kind.code,
                name=(kind.display_name or kind.name)[:200],
                event_type=kind.event_type[:50],
                read_at=now,
            )
            for kind in types
        ],
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
        _mark_gone(snapshot.account, [snapshot.subject_id])


def holds(account: Account, ids: Iterable[str]) -> set[str]:
    """Those of the ids (leads or tasks) that are on hold."""
    ids, held = list(ids), set()
    for start in range(0, len(ids), BATCH):
        rows = Hold.objects.filter(account=account, record_id__in=ids[start : start + BATCH], lifted_at__isnull=True)
        held |= set(rows.values_list("record_id", flat=True))
    return held


def _look_up(client: Any, query: str) -> list[LeadRecord]:
    if GUID.fullmatch(query.strip("{}").lower()):
        lead = client.lead(query.strip("{}").lower())
        return [lead] if lead else []
    if "@" in query:
        return client.leads_by_email(query)
    digits = re.sub(r"[^\d]", "", query)
    if len(digits) >= 6 and re.fullmatch(r"[+\d\s()./-]+", query):
        return client.leads_by_phone(query) or client.quick_search(query) or client.quick_search(digits)
    return client.quick_search(query)


def _found(lead: LeadRecord, in_mirror: bool) -> Found:
    name = f"{lead.first_name} {lead.last_name}".strip()
    return Found(lead.prospect_id, lead.number, name, lead.email, lead.phone or lead.mobile, in_mirror)


def _fetch(account: Account, ids: list[str]) -> list[LeadRecord]:
    client = accounts.client(account)
    try:
        if len(ids) == 1:
            lead = client.lead(ids[0])
            return [lead] if lead else []
        return client.leads(ids) if ids else []
    except LeadSquaredError as error:
        raise Barred(accounts.in_words(error)) from None
    except BudgetSpent as spent:
        raise Barred(str(spent)) from None


def _mark_gone(account: Account, ids: list[str]) -> None:
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
