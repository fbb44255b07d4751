"""Owner-change history: `LeadManagement.svc/DeleteUserAssignmentChangeHistory`, one lead × closed window."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms

from lsq_ops.leadsquared.client import DeleteCall, delete_owner_history
from lsq_ops.models import Account, Selection
from lsq_ops.wording import lazy

from .activities import LeadKind, in_window
from .base import Record, Target
from .local_time import WindowForm, in_words
from .windows import Window


class HistoryKind(LeadKind):
    """A lead's history that LeadSquared keeps as system activities of one code."""

    code: ClassVar[int]
    what: ClassVar[str]

    def form(
        self,
        selection: Selection,
        account: Account,
        data: Mapping[str, Any] | None = None,
        initial: dict[str, Any] | None = None,
    ) -> forms.Form:
        old = initial or {}
        return WindowForm(
            data, initial={"from_time": old.get("from"), "to_time": old.get("to")}, zone=account.time_zone
        )

    def parameters(self, form: forms.Form) -> dict[str, Any]:
        assert isinstance(form, WindowForm)
        return dict(form.window())

    def describe(self, parameters: dict[str, Any], account: Account) -> str:
        return f"{self.what} {in_words(parameters, account.time_zone)}."

    def wants(self, record: Record, targets: list[Target], parameters: dict[str, Any]) -> bool:
        return record.code == self.code and in_window(record, parameters)


class OwnerHistory(HistoryKind):
    name: ClassVar[str] = "owner_history"
    title: ClassVar[str] = lazy("Delete owner-change history")
    says: ClassVar[str] = lazy("One lead, one window: the record of who owned it goes; its owner stays.")
    action: ClassVar[str] = lazy("Request deletion of owner-change history…")
    always_high: ClassVar[str] = lazy("it removes owner-change history")
    warnings: ClassVar[tuple[str, ...]] = (
        lazy("This removes the evidence of who held the lead and when."),
        lazy("The lead's owner stays as it is; correcting the owner afterwards writes a new entry."),
    )
    code: ClassVar[int] = 3001
    what: ClassVar[str] = lazy("Owner changes")

    def delete(self, lead: str, codes: tuple[int, ...], window: Window) -> DeleteCall:
        return delete_owner_history(lead, *window)
