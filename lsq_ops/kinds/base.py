"""What a kind of deletion is made of: a form, its checks, a call plan and a reader. One class in one file.

Adding a kind touches nothing else: `lsq_ops.kinds` finds every `Kind` with a `name` in this folder.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from django import forms

from lsq_ops.leadsquared.client import DeleteCall
from lsq_ops.models import Account, DeletionCall, Selection

Subject = tuple[str, str]  # (ActivitySnapshot.Subject, prospect id or owner id)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a reading, as far as a deletion is concerned. `raw` is what LeadSquared gave."""

    id: str
    lead_id: str
    owner_id: str
    code: int | None
    at: datetime | None
    label: str
    by: str
    custom: bool
    raw: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    record_type: str
    record_id: str
    lead_id: str
    owner_id: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A finished snapshot's content. Not complete means: nothing may be concluded from what is absent."""

    rows: list[dict[str, Any]]
    complete: bool
    lead_gone: bool


Readings = Mapping[Subject, Reading]


@dataclass(frozen=True, slots=True)
class Planned:
    """One call to come. `body` has no StatusWebhookURL: that one is new with each attempt."""

    call: DeleteCall
    items: list[Record]
    lead_id: str = ""
    owner_id: str = ""
    window: tuple[datetime, datetime] | None = None
    codes: tuple[int, ...] = ()


@dataclass(slots=True)
class Plan:
    calls: list[Planned] = field(default_factory=list)
    kept: list[Record] = field(default_factory=list)
    left_out: list[tuple[Record, str]] = field(default_factory=list)

    @property
    def items(self) -> list[Record]:
        return [record for call in self.calls for record in call.items]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the plan may not do, decided by the caller."""

    now: datetime
    settled_seconds: int
    tasks_per_call: int
    held: frozenset[str]


@dataclass(frozen=True, slots=True)
class Again:
    """A call that would create a record like a deleted one: path below `/v2/`, JSON body. `missing`: what LeadSquared
    asks for there and the record didn't tell."""

    path: str
    body: dict[str, Any]
    missing: str = ""


class Kind:
    name: ClassVar[str] = ""
    title: ClassVar[str]
    says: ClassVar[str]  # what one call of it does, for the glossary
    action: ClassVar[str]
    picks: ClassVar[str] = "lead"
    always_high: ClassVar[str] = ""  # why every request of this kind is high; empty: it is not
    warnings: ClassVar[tuple[str, ...]] = ()
    lost: ClassVar[tuple[str, ...]] = ("There is no call that creates such a record: none of it can come back.",)

    def form(
        self,
        selection: Selection,
        account: Account,
        data: Mapping[str, Any] | None = None,
        initial: dict[str, Any] | None = None,
    ) -> forms.Form:
        """The kind's own questions; unbound without `data`. `initial` is `parameters` of an earlier version."""
        raise NotImplementedError

    def parameters(self, form: forms.Form) -> dict[str, Any]:
        """A valid form's answers, JSON-able; times as UTC ISO text."""
        raise NotImplementedError

    def describe(self, parameters: dict[str, Any], account: Account) -> str:
        """One sentence: what was asked for."""
        raise NotImplementedError

    def subjects(self, targets: Iterable[Target], readings: Readings) -> list[Subject]:
        """What must be read for a preview. Asked again with what was read: a reading may name more to read."""
        raise NotImplementedError

    def plan(self, targets: Iterable[Target], parameters: dict[str, Any], readings: Readings, limits: Limits) -> Plan:
        """Items, kept neighbours and calls from complete readings."""
        raise NotImplementedError

    def call_subjects(self, call: DeletionCall, leads: Iterable[str]) -> list[Subject]:
        """What must be read again for one call, whose items are on `leads`."""
        raise NotImplementedError

    def find(self, readings: Readings) -> dict[str, Record]:
        """Record id -> record, over all rows of the readings."""
        raise NotImplementedError

    def intruders(self, call: DeletionCall, found: Mapping[str, Record], items: set[str]) -> list[str]:
        """Ids that this call would delete and nobody approved: the set grew."""
        return []

    def again(self, raw: dict[str, Any], lead_id: str) -> Again | None:
        """How to create a record like this one again; None where LeadSquared has no call for it."""
        return None

    def suspects(self, call: DeletionCall, record: Record) -> bool:
        """Could this call be what took this record away, which nobody asked to delete?"""
        raise NotImplementedError
