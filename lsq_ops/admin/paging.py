"""Pages of long lists: counting stops where nobody pages any more."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from unfold.views import ChangeList

from lsq_ops.services.finding import Found

COUNTED = 10_000


class CappedPaginator(Paginator):
    """A million rows are counted no further than `COUNTED`: counting them all costs more than showing the page. What
    is done to all rows of a list is done to all that there are, and counted first."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return rows.order_by()[:COUNTED].count()


class AtLeast(int):
    """A count that stopped; it reads like one."""

    def __str__(self) -> str:
        return _("{int:,} or more").format(int=int(self))


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of what a list shows, which an index answers by itself, newest first. `few`: so few rows that they are
    read without an order; databases would rather walk the whole list backwards to find the newest of them."""

    where: Q
    few: bool = False


class ByNumber(Paginator):
    """Pages of rows whose numbers are found first, the newest on top."""

    def page(self, number: int | str) -> Page:
        number = self.validate_number(number)
        return Page(self.newest(number * self.per_page, (number - 1) * self.per_page), number, self)

    def newest(self, top: int, bottom: int = 0) -> QuerySet:
        """The rows from `bottom` to `top`."""
        raise NotImplementedError


class MergedPaginator(ByNumber):
    """The newest rows of several branches that share none: each is read from its index, and they are merged here. In
    one statement a database sorts all that it finds."""

    def __init__(self, rows: QuerySet, per_page: int, *, branches: list[Branch]) -> None:
        super().__init__(rows, per_page)
        self._rows = rows.model._default_manager.all()
        self._ordered = [one.where for one in branches if not one.few]
        self._few = [one.where for one in branches if one.few]

    @cached_property
    def _known(self) -> list[int]:
        """The numbers of the rows of the branches that have few."""
        return [pk for where in self._few for pk in self._newest(where)[:COUNTED]]

    @cached_property
    def count(self) -> int:
        found = len(self._known)
        for where in self._ordered:
            found += self._rows.filter(where).order_by()[: COUNTED - min(found, COUNTED)].count()
        return min(found, COUNTED)

    def newest(self, top: int, bottom: int = 0) -> QuerySet:
        top = min(top, self.count)
        found = [*self._known]
        for where in self._ordered:
            found += self._newest(where).order_by("-pk")[:top]
        shown = sorted(found, reverse=True)[bottom:top]
        return self._rows.filter(pk__in=shown).order_by("-pk")

    def _newest(self, where: Q) -> QuerySet:
        return self._rows.filter(where).order_by().values_list("pk", flat=True)


class KnownPaginator(ByNumber):
    """Through numbers that are known, the newest first."""

    def __init__(self, pks: list[int], per_page: int, *, among: QuerySet) -> None:
        super().__init__(pks, per_page)
        self.pks, self.among = pks, among

    def newest(self, top: int, bottom: int = 0) -> QuerySet:
        return self.among.filter(pk__in=self.pks[bottom:top]).order_by("-pk")


class LongList(ChangeList):
    """A changelist that never counts the whole table, and so has no "n results (Show all)" to say."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        found: int = self.paginator.count
        self.result_count = AtLeast(found) if found >= COUNTED else found
        self.full_result_count = self.result_count
        if isinstance(self.paginator, ByNumber) and (self.show_all or not self.multi_page):
            # Django would take the whole query here, as it is no longer than a page.
            self.result_list = self.paginator.newest(self.result_count)


class LongListAdmin:
    """Mixed into the admin of a table that grows without an end."""

    paginator = CappedPaginator
    sortable_by = ()

    def searched(
        self, request: HttpRequest, among: QuerySet, term: str, find: Callable[[QuerySet, str], Found]
    ) -> tuple[QuerySet, bool]:
        """For get_search_results: the list says so where a search found more than it shows, and pages through what is
        known already."""
        if not term.strip():
            return among, False
        found = find(among, term)
        request.lsq_cut, request.lsq_known = found.more, found.pks  # type: ignore[attr-defined]
        request.lsq_among = among  # type: ignore[attr-defined]
        return found.rows, False

    def get_paginator(self, request: HttpRequest, queryset: QuerySet, per_page: int, *args: Any, **kwargs: Any) -> Any:
        if getattr(request, "lsq_known", None) is not None:
            return KnownPaginator(request.lsq_known, per_page, among=request.lsq_among)  # type: ignore[attr-defined]
        return super().get_paginator(request, queryset, per_page, *args, **kwargs)  # type: ignore[misc]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LongList
