"""Stage-change history: `LeadManagement.svc/DeleteStageChangeHistory`, one lead × closed window."""

from typing import ClassVar

from lsq_ops.leadsquared.client import DeleteCall, delete_stage_history
from lsq_ops.wording import lazy

from .owner_history import HistoryKind
from .windows import Window


class StageHistory(HistoryKind):
    name: ClassVar[str] = "stage_history"
    title: ClassVar[str] = lazy("Delete stage-change history")
    says: ClassVar[str] = lazy("One lead, one window: the record of its stages goes; its stage stays.")
    action: ClassVar[str] = lazy("Request deletion of stage-change history…")
    always_high: ClassVar[str] = lazy("it removes stage-change history")
    warnings: ClassVar[tuple[str, ...]] = (lazy("This removes the evidence of which stages the lead went through."),)
    code: ClassVar[int] = 3002
    what: ClassVar[str] = lazy("Stage changes")

    def delete(self, lead: str, codes: tuple[int, ...], window: Window) -> DeleteCall:
        return delete_stage_history(lead, *window)
