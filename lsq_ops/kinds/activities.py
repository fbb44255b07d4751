"""Custom activities of leads: `ProspectActivity.svc/DeleteActivities`, one lead × event codes × closed window."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext as _

from lsq_ops.leadsquared.bodies import new_activity
from lsq_ops.leadsquared.client import DeleteCall, delete_activities
from lsq_ops.leadsquared.records import ActivityRecord
from lsq_ops.models import Account, ActivitySnapshot, ActivityType, DeletionCall, Selection
from lsq_ops.wording import lazy, marked

from .base import Again, Kind, Limits, Plan, Planned, Reading, Readings, Record, Subject, Target
from .local_time import WindowForm, in_words
from .windows import NEAR, TOO_NEAR, Window, by_lead_and_code, part, windows

CUSTOM = 2  # of ActivityType; the others are the system's own
CUSTOM_CODES = range(100, 3000)
STRUCK_OUT = marked("an approver proposed to leave it out")


class ActivitiesForm(WindowForm):
    codes = forms.MultipleChoiceField(
        label=lazy("Activity types"),
        widget=forms.CheckboxSelectMultiple,
        help_text=lazy("Custom types only; others can't be deleted."),
    )
    field_order = ("codes", "window", "from_time", "to_time")

    def __init__(self, *args: Any, choices: list[tuple[int, str]], picked: bool, zone: str, **kwargs: Any) -> None:
        super().__init__(*args, zone=zone, need_window=not picked, **kwargs)
        if picked:
            del self.fields["codes"]
        else:
            self.fields["codes"].choices = choices  # type: ignore[attr-defined]


class LeadKind(Kind):
    """What the kinds that delete on one lead by window have in common: they read the lead's activities."""

    def subjects(self, targets: Iterable[Target], readings: Readings) -> list[Subject]:
        return sorted({(ActivitySnapshot.Subject.LEAD_ACTIVITIES.value, target.lead_id) for target in targets})

    def call_subjects(self, call: DeletionCall, leads: Iterable[str]) -> list[Subject]:
        return [(ActivitySnapshot.Subject.LEAD_ACTIVITIES.value, call.lead_id)]

    def find(self, readings: Readings) -> dict[str, Record]:
        return {r.id: r for (__, lead), reading in readings.items() for r in _records(lead, reading)}

    def plan(self, targets: Iterable[Target], parameters: dict[str, Any], readings: Readings, limits: Limits) -> Plan:
        targets, struck_out = list(targets), frozenset(parameters.get("without", ()))
        found = self.find(readings)
        chosen, plan = [], Plan()
        for record in found.values():
            if not self.wants(record, targets, parameters):
                continue
            why = STRUCK_OUT if record.id in struck_out else self.bar(record, limits)
            if why:
                plan.left_out.append((record, why))
            else:
                chosen.append(record)
        self._windows(plan, chosen, found)
        going = {record.id for record in plan.items}
        left = {record.id for record, __ in plan.left_out}
        plan.kept = [r for r in found.values() if r.id not in going and r.id not in left]
        return plan

    def _windows(self, plan: Plan, chosen: list[Record], found: Mapping[str, Record]) -> None:
        ids = {record.id for record in chosen}
        everything = by_lead_and_code(found.values())
        calls: dict[tuple[str, Window], list[tuple[int, list[Record]]]] = defaultdict(list)
        for (lead, code), records in sorted(by_lead_and_code(chosen).items()):
            kept = [record for record in everything[lead, code] if record.id not in ids]
            can, bound = part(records, kept)
            plan.left_out += [(record, TOO_NEAR) for record in bound]
            for window, held in windows(can, [*kept, *bound]):
                calls[lead, window].append((code, held))
        for (lead, window), parts in sorted(calls.items()):
            codes = tuple(code for code, __ in parts)
            items = [record for __, held in parts for record in held]
            plan.calls.append(
                Planned(self.delete(lead, codes, window), items, lead_id=lead, window=window, codes=codes)
            )

    def wants(self, record: Record, targets: list[Target], parameters: dict[str, Any]) -> bool:
        """Did the person choose this record?"""
        raise NotImplementedError

    def bar(self, record: Record, limits: Limits) -> str:
        """Why a chosen record can't go; empty when it can."""
        if record.at is None:
            return _("it has no date, so that no window can hold it")
        if record.lead_id in limits.held:
            return _("its lead is on hold")
        if limits.now - record.at < timedelta(seconds=limits.settled_seconds + 1):
            return _("it is less than an hour old")
        return ""

    def delete(self, lead: str, codes: tuple[int, ...], window: Window) -> DeleteCall:
        raise NotImplementedError

    def intruders(self, call: DeletionCall, found: Mapping[str, Record], items: set[str]) -> list[str]:
        return [
            record.id
            for record in found.values()
            if record.id not in items
            and record.lead_id == call.lead_id
            and record.code in call.codes
            and _inside(record.at, call, NEAR)
        ]

    def suspects(self, call: DeletionCall, record: Record) -> bool:
        return record.lead_id == call.lead_id and (record.code in call.codes or _inside(record.at, call))


class Activities(LeadKind):
    name: ClassVar[str] = "activities"
    title: ClassVar[str] = lazy("Delete activities")
    says: ClassVar[str] = lazy(
        "One lead, some types of activities, one window. Types of LeadSquared's own are never touched."
    )
    action: ClassVar[str] = lazy("Request deletion of activities…")
    lost: ClassVar[tuple[str, ...]] = (
        lazy("Each activity gets a new id; whatever refers to the old one finds nothing."),
        lazy("Who made it and when it was last changed: LeadSquared writes the key's user and the time of the call."),
        lazy("Attached files: only their names are known. The history of its changes, and where it was tracked."),
        lazy("What an activity sets off happens again: scores, automations, notifications, webhooks."),
    )

    def form(
        self,
        selection: Selection,
        account: Account,
        data: Mapping[str, Any] | None = None,
        initial: dict[str, Any] | None = None,
    ) -> forms.Form:
        old = initial or {}
        return ActivitiesForm(
            data,
            initial={"codes": old.get("codes", []), "from_time": old.get("from"), "to_time": old.get("to")},
            choices=types_of(account),
            picked=selection.record_type == "activity",
            zone=account.time_zone,
        )

    def parameters(self, form: forms.Form) -> dict[str, Any]:
        assert isinstance(form, ActivitiesForm)
        if "codes" not in form.fields:
            return {"picked": True}
        return {"codes": sorted(int(code) for code in form.cleaned_data["codes"]), **form.window()}

    def describe(self, parameters: dict[str, Any], account: Account) -> str:
        if parameters.get("picked"):
            return _("Activities that were ticked one by one.")
        codes = parameters["codes"]
        names = dict(ActivityType.objects.filter(account=account, code__in=codes).values_list("code", "name"))
        listed = ", ".join(
            f"{names[code]} ({code})" if code in names else _("type {code}").format(code=code) for code in codes
        )
        return _("Activities of {listed}, {in_words}.").format(
            listed=listed, in_words=in_words(parameters, account.time_zone)
        )

    def wants(self, record: Record, targets: list[Target], parameters: dict[str, Any]) -> bool:
        if parameters.get("picked"):
            return any(target.record_id == record.id for target in targets)
        return record.code in parameters["codes"] and in_window(record, parameters)

    def bar(self, record: Record, limits: Limits) -> str:
        if not record.custom or record.code not in CUSTOM_CODES:
            return _("it is a system activity; LeadSquared deletes custom ones only")
        return super().bar(record, limits)

    def again(self, raw: dict[str, Any], lead_id: str) -> Again | None:
        return Again("ProspectActivity.svc/Create", new_activity(ActivityRecord.model_validate(raw), lead_id))

    def delete(self, lead: str, codes: tuple[int, ...], window: Window) -> DeleteCall:
        return delete_activities(lead, list(codes), *window)


def in_window(record: Record, parameters: dict[str, Any]) -> bool:
    if record.at is None:
        return False
    return datetime.fromisoformat(parameters["from"]) <= record.at <= datetime.fromisoformat(parameters["to"])


def _inside(at: datetime | None, call: DeletionCall, near: timedelta = timedelta()) -> bool:
    """In the call's window, or as near to it as `near`."""
    if not at or not call.window_from or not call.window_to:
        return False
    return call.window_from - near <= at <= call.window_to + near


def _records(lead: str, reading: Reading) -> Iterable[Record]:
    for row in reading.rows:
        a = ActivityRecord.model_validate(row)
        yield Record(
            id=a.id,
            lead_id=lead,
            owner_id="",
            code=a.event_code,
            at=a.created_on,
            label=a.event_name,
            by=a.created_by,
            custom=a.activity_type == CUSTOM,
            raw=row,
        )


def types_of(account: Account) -> list[tuple[int, str]]:
    """Custom types that LeadSquared lists, and those that the mirror has seen on a lead."""
    types = ActivityType.objects.filter(account=account, code__gte=CUSTOM_CODES.start, code__lt=CUSTOM_CODES.stop)
    return [(one.code, f"{one.name} ({one.code})") for one in types.order_by("code")]
