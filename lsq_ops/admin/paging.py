"""Pages of long lists: counting stops where nobody pages any more."""

from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest
from unfold.views import ChangeList

COUNTED = 100_000


class CappedPaginator(Paginator):
    """A million rows are counted no further than `COUNTED`: counting them all costs more than showing the page."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return rows.order_by()[:COUNTED].count()


class LongList(ChangeList):
    """A changelist that never counts the whole table, and so has no "n results (Show all)" to say."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count


class LongListAdmin:
    """Mixed into the admin of a table that grows without an end."""

    paginator = CappedPaginator
    sortable_by = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LongList
