"""From chosen items to windows, held against brute force."""

from datetime import UTC, datetime, timedelta
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from lsq_ops.kinds.base import Record
from lsq_ops.kinds.windows import part, windows

START = datetime(2026, 11, 14, 9, 0, tzinfo=UTC)


def record(second: float, name: str) -> Record:
    at = START + timedelta(seconds=second)
    return Record(id=name, lead_id="l", owner_id="", code=201, at=at, label="", by="", custom=True, raw={})


def made(chosen: list[float], kept: list[float]):
    items = [record(s, f"c{n}") for n, s in enumerate(chosen)]
    stays = [record(s, f"k{n}") for n, s in enumerate(kept)]
    can, bound = part(items, stays)
    return items, stays, can, bound, windows(can, [*stays, *bound])


def test_items_with_nothing_between_them_share_a_window():
    *_, spans = made([0, 100, 5000], [])
    assert [(w, len(held)) for w, held in spans] == [((START, START + timedelta(seconds=5001)), 3)]


def test_a_kept_record_between_them_parts_the_window():
    *_, spans = made([0, 100], [50])
    assert len(spans) == 2


def test_an_item_in_the_same_second_as_a_kept_one_is_left_out():
    _, _, can, bound, _ = made([0.2, 100], [0.9])
    assert [r.id for r in bound] == ["c0"]
    assert [r.id for r in can] == ["c1"]


def test_what_is_left_out_binds_its_neighbours_in_turn():
    _, _, can, bound, _ = made([0, 1, 2, 3, 60], [-1])
    assert [r.id for r in can] == ["c4"]
    assert len(bound) == 4


def test_twins_in_one_second_go_together():
    *_, spans = made([10, 10.5], [])
    assert len(spans) == 1
    assert len(spans[0][1]) == 2


seconds = st.lists(st.integers(0, 40), max_size=7)


@settings(max_examples=400, deadline=None)
@given(seconds, seconds)
def test_the_windows_hold_every_parted_item_and_no_other(chosen, kept):
    items, stays, can, bound, spans = made(chosen, kept)
    held = [r.id for _, part_ in spans for r in part_]
    assert sorted(held) == sorted(r.id for r in can)
    assert sorted(r.id for r in can + bound) == sorted(r.id for r in items)
    for (start, end), inside in spans:
        second = timedelta(seconds=1)
        assert {r.id for r in can if start <= r.at <= end} >= {r.id for r in inside}
        assert not [r for r in [*stays, *bound] if start - second <= r.at.replace(microsecond=0) <= end + second]
    assert sum(len({r.id for r in can if s <= r.at <= e}) for (s, e), _ in spans) == len(can)


@settings(max_examples=150, deadline=None)
@given(seconds, seconds)
def test_there_are_no_fewer_windows_and_no_item_left_out_for_nothing(chosen, kept):
    items, stays, can, bound, spans = made(chosen, kept)
    assert len(spans) == fewest(can, [*stays, *bound])
    # The largest set that can go: anything larger has an item too near to a record that then stays.
    for size in range(len(items), len(can), -1):
        for attempt in combinations(items, size):
            rest = [r for r in items if r not in attempt]
            assert any(too_near(i, k) for i in attempt for k in [*stays, *rest])


def too_near(item: Record, kept: Record) -> bool:
    apart = (kept.at.replace(microsecond=0) - item.at.replace(microsecond=0)).total_seconds()
    return -1 <= apart <= 2


def fewest(can: list[Record], stays: list[Record]) -> int:
    """Counted another way: a new window wherever a record that stays lies between two neighbours."""
    times = sorted({r.at for r in can})
    return sum(1 for n, at in enumerate(times) if n == 0 or any(times[n - 1] <= k.at <= at for k in stays))
