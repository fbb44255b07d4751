"""What came, went and changed between two readings that a request made of one lead or owner."""

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils.translation import gettext as _

from lsq_ops.admin import face
from lsq_ops.models import ActivitySnapshot, DeletionRequest
from lsq_ops.services import differences
from lsq_ops.services.differences import Field

ROWS = 50
FIELDS = 20  # of one record
LONGEST = 300  # characters of one value


@dataclass(frozen=True, slots=True)
class Row:
    how: str
    tone: str
    record: Any
    fields: list[Field]
    more: int


def context(
    request: HttpRequest, obj: DeletionRequest, before: ActivitySnapshot, after: ActivitySnapshot
) -> dict[str, Any]:
    """Of one page; Barred for who may not see what these readings hold."""
    found = differences.compare(request.user, before, after)
    rows = [_row("went", "still_present", record) for record in found.went]
    rows += [_row("came", "sent", record) for record in found.came]
    rows += [_row("changed", "", change.record, change.fields) for change in found.changed]
    page = Paginator(rows, ROWS).get_page(request.GET.get("page"))
    return {
        "title": _("{obj} · two readings compared").format(obj=obj),
        "before": before,
        "after": after,
        "found": found,
        "page": page,
        "reading_of": f"{after.get_subject_display()} {after.subject_id}",
    }


def _row(how: str, tone: str, record: Any, fields: list[Field] | None = None) -> Row:
    shown = [Field(one.name, _short(one.before), _short(one.after)) for one in (fields or [])[:FIELDS]]
    return Row(how, tone, record, shown, len(fields or []) - len(shown))


def _short(text: str | None) -> str | None:
    return None if text is None else face.short(text, LONGEST)


def earlier(obj: DeletionRequest, shown: list[ActivitySnapshot]) -> dict[int, int]:
    """Snapshot -> the finished one before it of the same lead or owner, for the rows of one page."""
    of_same = obj.snapshots.filter(read_at__isnull=False, subject_id__in={one.subject_id for one in shown})
    last: dict[tuple[str, str], int] = {}
    found: dict[int, int] = {}
    for pk, subject, subject_id in of_same.order_by("id").values_list("pk", "subject", "subject_id"):
        if (subject, subject_id) in last:
            found[pk] = last[subject, subject_id]
        last[subject, subject_id] = pk
    return found
