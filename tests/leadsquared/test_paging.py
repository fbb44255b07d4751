"""The pager against every meaning of Offset, every row cap, and lists that move: never complete in error."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsq_ops.leadsquared.paging import MOVED, REPEATED, OffsetMeaning, Page, probe, read_all

Rows = list[int]
Serving = Callable[[Rows, int, int], Rows]


def rows(all_rows: Rows, offset: int, size: int) -> Rows:
    return all_rows[offset : offset + size]


def pages0(all_rows: Rows, offset: int, size: int) -> Rows:
    return all_rows[offset * size : (offset + 1) * size]


def pages1(all_rows: Rows, offset: int, size: int) -> Rows:
    return pages0(all_rows, max(offset - 1, 0), size)


def pages1_strict(all_rows: Rows, offset: int, size: int) -> Rows:
    return pages0(all_rows, offset - 1, size) if offset else []


def ignored(all_rows: Rows, offset: int, size: int) -> Rows:
    return all_rows[:size]


def clamped(all_rows: Rows, offset: int, size: int) -> Rows:
    """Pages from 0, but the last page again for every page after it."""
    return pages0(all_rows, min(offset, max(len(all_rows) - 1, 0) // size), size)


MEANINGS: dict[Serving, OffsetMeaning] = {
    rows: OffsetMeaning.ROWS,
    pages0: OffsetMeaning.PAGES_FROM_0,
    pages1: OffsetMeaning.PAGES_FROM_1,
    pages1_strict: OffsetMeaning.PAGES_FROM_1,
}
TELLING = sorted(MEANINGS, key=lambda serving: serving.__name__)


@dataclass
class Server:
    """A list and a way to serve it. `moves[n]` changes the list before the n-th call."""

    serving: Serving
    rows: Rows
    cap: int = 1000
    counts: bool = False
    moves: dict[int, Callable[[Rows], object]] = field(default_factory=dict)
    offsets: Rows = field(default_factory=list)

    def __call__(self, offset: int, row_count: int) -> Page[int]:
        if move := self.moves.get(len(self.offsets)):
            move(self.rows)
        self.offsets.append(offset)
        got = self.serving(self.rows, offset, min(row_count, self.cap))
        return Page(list(got), len(self.rows) if self.counts else None)


def same(row: int) -> int:
    return row


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("serving", TELLING)
@pytest.mark.parametrize("counts", [False, True])
def test_every_list_is_read_to_its_end(serving: Serving, known: bool, counts: bool) -> None:
    meaning = MEANINGS[serving] if known else OffsetMeaning.UNKNOWN
    for size in range(24):
        for cap in range(1, 12):
            server = Server(serving, list(range(size)), cap, counts)
            listing = read_all(server, same, meaning, row_count=10)
            assert (listing.records, listing.complete, listing.why) == (list(range(size)), True, "")
            assert listing.pages == len(server.offsets)


@pytest.mark.parametrize("believed", list(OffsetMeaning))
@pytest.mark.parametrize("serving", [*TELLING, ignored, clamped])
def test_a_wrong_belief_never_makes_an_incomplete_list_complete(serving: Serving, believed: OffsetMeaning) -> None:
    for size in range(24):
        for cap in range(1, 12):
            listing = read_all(Server(serving, list(range(size)), cap), same, believed, row_count=10)
            assert not listing.complete or listing.records == list(range(size))
            assert listing.complete == (not listing.why)


@given(
    serving=st.sampled_from([*TELLING, ignored, clamped]),
    believed=st.sampled_from(OffsetMeaning),
    size=st.integers(0, 200),
    cap=st.integers(1, 60),
    row_count=st.integers(1, 60),
    counts=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_at_any_size(
    serving: Serving, believed: OffsetMeaning, size: int, cap: int, row_count: int, counts: bool
) -> None:
    server = Server(serving, list(range(size)), cap, counts)
    listing = read_all(server, same, believed, row_count, page_cap=250)
    assert not listing.complete or listing.records == list(range(size))
    assert len(listing.records) == len(set(listing.records))
    if serving in MEANINGS and believed in (OffsetMeaning.UNKNOWN, MEANINGS[serving]):
        assert listing.complete


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("serving", [rows, pages0, pages1])
def test_few_calls_are_needed(serving: Serving, counts: bool) -> None:
    """Every call counts against the account's limit."""
    short, none = Server(serving, list(range(10)), counts=counts), Server(serving, [], counts=counts)
    read_all(short, same, MEANINGS[serving])
    read_all(none, same, MEANINGS[serving])
    assert len(short.offsets) == {rows: 2, pages0: 2 if counts else 3, pages1: 4}[serving]
    assert len(none.offsets) == 2


@pytest.mark.parametrize("size", [10, 25, 60])
@pytest.mark.parametrize("believed", list(OffsetMeaning))
def test_an_ignored_offset_is_never_complete(size: int, believed: OffsetMeaning) -> None:
    listing = read_all(Server(ignored, list(range(size)), cap=25), same, believed)
    assert not listing.complete and listing.why in (MOVED, REPEATED)


# --- Lists that move -------------------------------------------------------------------------------------


def lost(before: Rows, read: Sequence[int], after: Rows) -> set[int]:
    """Rows that stood in the list all the time, and were not read."""
    return set(before) & set(after) - set(read)


@given(
    serving=st.sampled_from([rows, pages0, pages1]),
    known=st.booleans(),
    counts=st.booleans(),
    size=st.integers(0, 40),
    cap=st.integers(1, 9),
    moves=st.dictionaries(
        st.integers(1, 12),
        st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.integers(1, 9)), min_size=1, max_size=3),
        min_size=1,
        max_size=4,
    ),
)
@settings(max_examples=1500, deadline=None)
def test_a_row_lost_to_a_shift_shows(
    serving: Serving, known: bool, counts: bool, size: int, cap: int, moves: dict[int, list[tuple[bool, int, int]]]
) -> None:
    """By the overlap where Offset means rows; by reading again where it means pages. A count is not needed for it."""
    new = itertools.count(1000)

    def move(*changes: tuple[bool, int, int]) -> Callable[[Rows], None]:
        def change(now: Rows) -> None:
            for insert, at, how_many in changes:
                now[at : at if insert else at + how_many] = itertools.islice(new, how_many) if insert else []

        return change

    before = list(range(size))
    server = Server(serving, list(before), cap, counts, moves={n: move(*m) for n, m in moves.items()})
    listing = read_all(server, same, MEANINGS[serving] if known else OffsetMeaning.UNKNOWN, row_count=10)
    if listing.complete:
        assert not lost(before, listing.records, server.rows)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("call", range(1, 6))
@pytest.mark.parametrize("gone", range(1, 4))
def test_rows_need_no_count_to_notice_a_deletion(known: bool, call: int, gone: int) -> None:
    before = list(range(20))

    def delete(now: Rows) -> None:
        del now[:gone]

    server = Server(rows, list(before), cap=5, moves={call: delete})
    meaning = OffsetMeaning.ROWS if known else OffsetMeaning.UNKNOWN
    listing = read_all(server, same, meaning)
    if call < len(server.offsets):
        assert not listing.complete
    assert not (listing.complete and lost(before, listing.records, server.rows))


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("serving", [rows, pages0, pages1])
def test_a_row_inserted_in_front_is_noticed(serving: Serving, call: int) -> None:
    server = Server(serving, list(range(20)), cap=5, moves={call: lambda now: now.insert(0, 99)})
    assert read_all(server, same, MEANINGS[serving]).why == MOVED


@pytest.mark.parametrize("counts", [False, True])
def test_pages_notice_a_deletion_by_reading_again(counts: bool) -> None:
    server = Server(pages0, list(range(20)), cap=5, counts=counts, moves={2: lambda now: now.pop(0)})
    listing = read_all(server, same, OffsetMeaning.PAGES_FROM_0)
    assert (listing.complete, listing.why) == (False, MOVED)


def test_a_count_does_not_notice_what_comes_while_something_leaves() -> None:
    """Row 5 moves up across the end of the first page; one behind it comes instead."""

    def swap(now: Rows) -> None:
        now.pop(0)
        now.insert(9, 99)

    server = Server(pages0, list(range(20)), cap=5, counts=True, moves={1: swap})
    assert not read_all(server, same, OffsetMeaning.PAGES_FROM_0).complete


@pytest.mark.parametrize("counts_its_page", [False, True])
def test_a_full_page_that_was_emptied_from_the_front_is_not_all(counts_its_page: bool) -> None:
    """What stood behind it stands on it when the next page is asked for."""
    server = Server(pages0, list(range(7)), cap=5, moves={1: lambda now: now.__delitem__(slice(0, 2))})

    def fetch(offset: int, row_count: int) -> Page[int]:
        page = server(offset, row_count)
        return Page(page.records, len(page.records) if counts_its_page else None)

    assert not read_all(fetch, same, OffsetMeaning.PAGES_FROM_0).complete


def test_pages_may_count_their_own_rows_only() -> None:
    pages = [Page([1, 2], 2), Page([3], 1), Page([], 0)]
    assert read_all(lambda n, _: pages[n], same, OffsetMeaning.PAGES_FROM_0).complete


# --- The rest --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("serving", [rows, pages0, pages1])
def test_the_cap_says_truncated(serving: Serving) -> None:
    listing = read_all(Server(serving, list(range(100)), cap=10), same, MEANINGS[serving], page_cap=4)
    assert not listing.complete and listing.pages == 4
    assert listing.why == "Truncated: the list goes on after 4 pages."


def test_a_larger_count_is_believed_and_a_smaller_one_is_not() -> None:
    for count, complete in ((4, False), (3, True), (2, True), (0, True), (None, True)):
        pages = [Page([1, 2], count), Page([2, 3], count), Page([3], count)]
        listing = read_all(lambda n, _, pages=pages: pages[n], same, OffsetMeaning.ROWS)  # type: ignore[misc]
        assert (listing.complete, listing.record_count) == (complete, count)


def test_a_count_of_zero_past_the_end_changes_nothing() -> None:
    pages = {0: Page([1, 2], 2), 1: Page([], 0)}
    listing = read_all(lambda n, _: pages[n], same, OffsetMeaning.PAGES_FROM_0)
    assert listing.complete and listing.record_count == 2


def test_an_empty_first_page_with_a_count_is_not_believed() -> None:
    assert not read_all(lambda n, _: Page([], 12), same, OffsetMeaning.PAGES_FROM_0).complete


def test_an_unreadable_row_makes_the_list_incomplete() -> None:
    listing = read_all(lambda n, _: Page([1, 2] if n == 0 else [], None, 1 - n), same, OffsetMeaning.PAGES_FROM_0)
    assert listing.records == [1, 2]
    assert (listing.complete, listing.why) == (False, "1 of the rows could not be understood.")


def test_the_same_row_twice_on_a_page_is_one_row() -> None:
    listing = read_all(lambda n, _: Page([[1, 2, 2, 3], []][n]), same, OffsetMeaning.PAGES_FROM_0)
    assert listing.records == [1, 2, 3] and listing.complete


@pytest.mark.parametrize("cap", range(1, 6))
@pytest.mark.parametrize("serving", [*TELLING, ignored, clamped])
def test_the_probe(serving: Serving, cap: int) -> None:
    for size in range(20):
        found = probe(Server(serving, list(range(size)), cap), key=same)
        assert found in (OffsetMeaning.UNKNOWN, MEANINGS.get(pages0 if serving is clamped else serving))
        if size > 6 and cap > 1 and serving in (rows, pages0, pages1):
            assert found is MEANINGS[serving]


def test_the_probe_doubts_pages_that_it_cannot_read() -> None:
    assert probe(lambda n, _: Page([1, 2, 3], None, 1), key=same) is OffsetMeaning.UNKNOWN
