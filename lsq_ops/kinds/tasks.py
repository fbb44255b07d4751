"""Tasks: `Task.svc/DeleteTasks`, ids packed by owner.

A task is gone only if it is absent from complete readings of its owner's list in both status codes and of its lead's.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext as _

from lsq_ops.leadsquared.bodies import new_task
from lsq_ops.leadsquared.client import delete_tasks
from lsq_ops.leadsquared.records import TaskRecord
from lsq_ops.models import Account, ActivitySnapshot, DeletionCall, Selection
from lsq_ops.wording import lazy, marked

from .base import Again, Kind, Limits, Plan, Planned, Readings, Record, Subject, Target

OPEN_TASK, COMPLETED_TASK = marked("open task"), marked("completed task")
LEAD, OWNER = ActivitySnapshot.Subject.LEAD_TASKS.value, ActivitySnapshot.Subject.OWNER_TASKS.value


class Tasks(Kind):
    name: ClassVar[str] = "tasks"
    title: ClassVar[str] = lazy("Delete tasks")
    says: ClassVar[str] = lazy("Tasks by their ids, those of one owner together. A completed task is not gone.")
    action: ClassVar[str] = lazy("Request deletion of tasks…")
    picks: ClassVar[str] = "task"
    lost: ClassVar[tuple[str, ...]] = (
        lazy("Each task gets a new id; whatever refers to the old one finds nothing."),
        lazy(
            "A completed task comes back as an open one, which Task.svc/MarkComplete then completes,"
            " at that later time."
        ),
        lazy("Who made it and when: LeadSquared writes the key's user and the time of the call. Reminders start anew."),
        lazy("What a task sets off happens again: mails to its owner, automations, webhooks."),
    )

    def form(
        self,
        selection: Selection,
        account: Account,
        data: Mapping[str, Any] | None = None,
        initial: dict[str, Any] | None = None,
    ) -> forms.Form:
        return forms.Form(data)

    def parameters(self, form: forms.Form) -> dict[str, Any]:
        return {}

    def describe(self, parameters: dict[str, Any], account: Account) -> str:
        return _("Tasks that were chosen one by one or from a file.")

    def subjects(self, targets: Iterable[Target], readings: Readings) -> list[Subject]:
        wanted = {t.record_id: t for t in targets}
        subjects = {(OWNER, t.owner_id) for t in wanted.values()} | {
            (LEAD, t.lead_id) for t in wanted.values() if t.lead_id
        }
        # A task that was handed over since the mirror read it names its new owner and lead.
        for record in self.find(readings).values():
            if record.id in wanted:
                subjects |= {(OWNER, record.owner_id)} | ({(LEAD, record.lead_id)} if record.lead_id else set())
        return sorted(subject for subject in subjects if subject[1])

    def plan(self, targets: Iterable[Target], parameters: dict[str, Any], readings: Readings, limits: Limits) -> Plan:
        found, plan = self.find(readings), Plan()
        by_owner: dict[str, list[Record]] = defaultdict(list)
        wanted = {target.record_id for target in targets}
        for record in found.values():
            if record.id not in wanted:
                plan.kept.append(record)
            elif limits.held & {record.id, record.lead_id}:
                plan.left_out.append((record, _("it or its lead is on hold")))
            else:
                by_owner[record.owner_id].append(record)
        for owner, records in sorted(by_owner.items()):
            records.sort(key=lambda record: record.id)
            for start in range(0, len(records), limits.tasks_per_call):
                items = records[start : start + limits.tasks_per_call]
                plan.calls.append(Planned(delete_tasks([r.id for r in items]), items, owner_id=owner))
        return plan

    def call_subjects(self, call: DeletionCall, leads: Iterable[str]) -> list[Subject]:
        return [(OWNER, call.owner_id), *((LEAD, lead) for lead in sorted(set(leads)) if lead)]

    def find(self, readings: Readings) -> dict[str, Record]:
        found: dict[str, Record] = {}
        # The owner's list first: where both name a task, its row is the fuller one, and always the same one.
        for (subject, subject_id), reading in sorted(readings.items(), reverse=True):
            lead = subject_id if subject == LEAD else ""
            for row in reading.rows:
                record = _record(row, subject, subject_id)
                known = found.get(record.id)
                if known is None:
                    found[record.id] = record
                elif lead and not known.lead_id:
                    found[record.id] = Record(**{**_fields(known), "lead_id": lead})
        return found

    def again(self, raw: dict[str, Any], lead_id: str) -> Again | None:
        task = TaskRecord.model_validate(raw)
        missing = "" if task.task_type else _("its type, which the list that it was read from doesn't tell")
        return Again("Task.svc/Create", new_task(task, lead_id), missing)

    def suspects(self, call: DeletionCall, record: Record) -> bool:
        return False  # ids were named one by one; another task's end is somebody else's doing


def _record(row: dict[str, Any], subject: str, subject_id: str) -> Record:
    # What was asked for says what a row may leave out.
    task = TaskRecord.model_validate(row).filled(**{"lead_id" if subject == LEAD else "owner_id": subject_id})
    return Record(
        id=task.id,
        lead_id=task.lead_id or "",
        owner_id=task.owner_id,
        code=None,
        at=task.due or task.created_on,
        label=COMPLETED_TASK if task.completed else OPEN_TASK,
        by=task.owner_name,
        custom=True,
        raw=row,
    )


def _fields(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in Record.__slots__}
