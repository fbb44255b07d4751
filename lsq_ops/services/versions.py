"""The versions of a request, each against the one before it: what was asked anew, and what goes now that did not go, or
no longer goes."""

from dataclasses import dataclass, field
from itertools import pairwise

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from lsq_ops import kinds
from lsq_ops.models import DeletionItem, DeletionRequest, RequestVersion

SHOWN = 20  # items of each sort


@dataclass(frozen=True, slots=True)
class Reworded:
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Moved:
    """Items that came to the choice, or left it: how many, and the first of them."""

    count: int = 0
    first: list[DeletionItem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Step:
    """A version; of the first one everything else is empty. `read` is False where one of the two has no items to
    compare, because its leads were not read to the end."""

    version: RequestVersion
    reworded: list[Reworded] = field(default_factory=list)
    came: Moved = Moved()
    went: Moved = Moved()
    read: bool = True

    @property
    def nothing(self) -> bool:
        return not (self.reworded or self.came.count or self.went.count)


def steps(request: DeletionRequest) -> list[Step]:
    """The newest first."""
    every = list(request.versions.select_related("editor", "asked_by", "submitted_by").order_by("number"))
    found = [Step(version) for version in every[:1]]
    found += [_between(request, before, after) for before, after in pairwise(every)]
    return found[::-1]


def _between(request: DeletionRequest, before: RequestVersion, after: RequestVersion) -> Step:
    kind = kinds.get(request.kind)
    said = (
        (_("Asked for"), *(kind.describe(one.parameters, request.account) for one in (before, after))),
        ("Why", before.get_category_display(), after.get_category_display()),
        ("Reason", before.reason, after.reason),
        ("Ticket", before.ticket, after.ticket),
        (_("Asked by"), before.asked_by.get_username(), after.asked_by.get_username()),
    )
    whole = RequestVersion.Reading.COMPLETE
    return Step(
        after,
        [Reworded(*row) for row in said if row[1] != row[2]],
        _moved(after.items.exclude(record_id__in=before.items.values("record_id"))),
        _moved(before.items.exclude(record_id__in=after.items.values("record_id"))),
        before.reading == after.reading == whole,
    )


def _moved(rows: QuerySet[DeletionItem]) -> Moved:
    return Moved(rows.count(), list(rows.order_by("lead_id", "at", "id")[:SHOWN]))
