"""Reading a whole list through `Offset` and `RowCount`, although nobody says what `Offset` counts.

The page get-activities-of-a-lead calls it the page's number, retrieve-tasks the rows to skip, and samples
begin with 0 and with 1. A wrong guess skips rows without a word; then preview and verification both lie. So
every reading starts at offset 0, every further page must fit to the rows before it, and where one doesn't,
the listing says that it is not complete. A short page is never taken for the end.

Where Offset means rows, each page begins with the last row of the one before: a row that left the list meanwhile
shows. Where it means pages, nothing overlaps, and what moved up across the end of a page that was read already is in
no page: a count shows it only as long as nothing is added at the same time. So the pages are read once more, and must
hold the same rows: a row that left is missing then.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from typing import Generic, TypeVar

T = TypeVar("T")
Keys = list[Hashable]

MOVED = "The list moved while it was read, or Offset means something else than we thought."
REPEATED = "LeadSquared gave the same rows again instead of an end, so there may be more of them."
PROBE_ROWS = 3


class OffsetMeaning(StrEnum):
    """Rows to skip, pages from 0, pages from 1 (0 gives the first one too, or nothing), or not found out
    yet."""

    ROWS = "rows"
    PAGES_FROM_0 = "pages0"
    PAGES_FROM_1 = "pages1"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One answer: its records, LeadSquared's own count if it gave one, and how many rows were no record at
    all."""

    records: list[T]
    record_count: int | None = None
    unreadable: int = 0


@dataclass(slots=True)
class Listing(Generic[T]):
    """What was found, each id once. Only where it is `complete` may a row's absence be believed; `why` is a
    sentence where it isn't. `pages` counts the calls; `record_count` is the largest that LeadSquared
    named."""

    records: list[T] = field(default_factory=list)
    complete: bool = False
    why: str = ""
    pages: int = 0
    record_count: int | None = None


class _Doubt(Exception):
    """The sentence that says why the end of the list was not seen."""


def read_all(
    fetch: Callable[[int, int], Page[T]],
    key: Callable[[T], Hashable],
    meaning: OffsetMeaning = OffsetMeaning.UNKNOWN,
    row_count: int = 1000,
    page_cap: int = 200,
) -> Listing[T]:
    """Read to the end by `fetch(offset, row_count)`; the server may give fewer rows than asked for."""
    reading = _Reading(fetch, key, row_count, page_cap)
    try:
        reading.walk(meaning)
        reading.count()
        why = ""
    except _Doubt as doubt:
        why = str(doubt)
    return Listing(list(reading.found.values()), not why, why, reading.pages, reading.record_count)


class _Reading(Generic[T]):
    def __init__(
        self,
        fetch: Callable[[int, int], Page[T]],
        key: Callable[[T], Hashable],
        row_count: int,
        page_cap: int,
    ) -> None:
        self.fetch, self.key, self.row_count, self.page_cap = fetch, key, row_count, page_cap
        self.found: dict[Hashable, T] = {}
        self.pages = 0
        self.record_count: int | None = None
        self.counts: list[tuple[int, int]] = []
        self.named: list[int | None] = []  # the count of each answer

    def page(self, offset: int, *, again: bool = False) -> Keys:
        """Take the rows at this offset, and give their keys. The cap is on the list, not on a second look."""
        if self.pages == self.page_cap and not again:
            raise _Doubt(f"Truncated: the list goes on after {self.page_cap} pages.")
        page = self.fetch(offset, self.row_count)
        self.pages += 1
        self.named.append(page.record_count)
        if page.record_count is not None:
            self.record_count = max(page.record_count, self.record_count or 0)
            self.counts += [(page.record_count, len(page.records))] if page.records else []
        keys = [self.key(record) for record in page.records]
        for key, record in zip(keys, page.records, strict=True):
            self.found.setdefault(key, record)
        if page.unreadable:
            raise _Doubt(f"{page.unreadable} of the rows could not be understood.")
        return keys

    def new_page(self, offset: int, overlap: int = 0) -> Keys:
        """A page that may know none of the rows before it but the first `overlap` of its own."""
        before = set(self.found)
        keys = self.page(offset)
        known = sum(key in before for key in keys[overlap:])
        if known:
            raise _Doubt(REPEATED if known == len(keys) else MOVED)
        return keys

    def walk(self, meaning: OffsetMeaning) -> None:
        """The page at offset 1 shows what Offset means; where rows are known to be meant, one call can be saved."""
        first = self.page(0)
        if meaning is OffsetMeaning.ROWS and len(first) > 1:
            return self.walk_rows(len(first), first[-1])
        second = self.page(1)  # after an empty page too: if pages counted from 1, that one proved nothing
        seen = meaning_of(first, second)
        if second and seen is OffsetMeaning.UNKNOWN:
            raise _Doubt(MOVED)
        if not second:
            # The end names a number other than zero: so it counts the list, and the first page had all of it.
            if first and self.named != [len(first)] * 2:
                self.same_again({0: first})
        elif seen is not OffsetMeaning.ROWS:
            self.walk_pages({1: second} if seen is OffsetMeaning.PAGES_FROM_1 else {0: first, 1: second})
        elif len(second) >= len(first):
            self.walk_rows(1 + len(second), second[-1])

    def walk_pages(self, pages: dict[int, Keys]) -> None:
        """`pages`: offset -> its rows, of those that are read."""
        while keys := self.new_page(offset := max(pages) + 1):
            pages[offset] = keys
        self.same_again(pages)

    def same_again(self, pages: dict[int, Keys]) -> None:
        for offset, keys in pages.items():
            if self.page(offset, again=True) != keys:
                raise _Doubt(MOVED)

    def walk_rows(self, position: int, last: Hashable) -> None:
        """Begin each page with the last row of the one before, so that a shift shows. The end is that row
        alone."""
        while True:
            keys = self.new_page(position - 1, overlap=1)
            if not keys or keys[0] != last:
                raise _Doubt(MOVED)
            if len(keys) == 1:
                return
            position, last = position - 1 + len(keys), keys[-1]

    def count(self) -> None:
        """A count that changes shows a moving list, unless it merely counts each page's own rows."""
        if len({count for count, _ in self.counts}) > 1 and any(count != rows for count, rows in self.counts):
            raise _Doubt(MOVED)
        if (self.record_count or 0) > len(self.found):
            raise _Doubt(f"LeadSquared counts {self.record_count} rows, but {len(self.found)} were found.")


def meaning_of(first: Keys, second: Keys) -> OffsetMeaning:
    """What Offset means, by the rows at offsets 0 and 1."""
    if not first or first == second:
        return OffsetMeaning.PAGES_FROM_1
    if len(first) > 1 and len(second) >= len(first) - 1 and second[: len(first) - 1] == first[1:]:
        return OffsetMeaning.ROWS
    if second and set(first).isdisjoint(second):
        return OffsetMeaning.PAGES_FROM_0
    return OffsetMeaning.UNKNOWN


def probe(fetch: Callable[[int, int], Page[T]], key: Callable[[T], Hashable] = attrgetter("id")) -> OffsetMeaning:
    """What Offset means, found out on a list of more than six rows; UNKNOWN where there are too few to
    tell."""

    def keys(offset: int) -> Keys:
        page = fetch(offset, PROBE_ROWS)
        return [] if page.unreadable else [key(record) for record in page.records]

    first, second = keys(0), keys(1)
    if len(first) < 2 or not second:
        return OffsetMeaning.UNKNOWN
    meaning = meaning_of(first, second)
    if meaning is OffsetMeaning.PAGES_FROM_1:
        third = keys(2)
        # The first page once more: Offset is ignored.
        return meaning if third and set(first).isdisjoint(third) else OffsetMeaning.UNKNOWN
    return meaning
