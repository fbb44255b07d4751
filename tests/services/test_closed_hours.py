"""Blackouts by the account's clock: midnight, clocks that go forward and back, and what is left open."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsq_ops.models import Blackout
from lsq_ops.services import closed_hours

KOLKATA, BERLIN = ZoneInfo("Asia/Kolkata"), ZoneInfo("Europe/Berlin")
EVERY = "0123456"
BEFORE = datetime(2000, 1, 1, tzinfo=UTC)


def weekly(days, start, end):
    return Blackout(weekdays=days, from_time=time.fromisoformat(start), to_time=time.fromisoformat(end), set_at=BEFORE)


def once(begins, ends):
    return Blackout(begins_at=utc(begins), ends_at=utc(ends), set_at=BEFORE)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# 2026: 1 December is a Tuesday. Berlin's clocks go forward on Sunday 29 March, 02:00 to 03:00, and back on Sunday 25
# October, 03:00 to 02:00.
FEAST = once("2026-12-01 12:00", "2026-12-02 04:00")
NIGHTS, OFFICE = weekly(EVERY, "22:00", "06:00"), weekly("01234", "09:00", "18:00")
OPENS = {
    "open in the morning": (KOLKATA, [OFFICE], "2026-12-01 03:29", "2026-12-01 03:29"),
    "closed from the minute": (KOLKATA, [OFFICE], "2026-12-01 03:30", "2026-12-01 12:30"),
    "open at the end's minute": (KOLKATA, [OFFICE], "2026-12-01 12:30", "2026-12-01 12:30"),
    "the local day counts": (KOLKATA, [weekly("1", "00:00", "00:00")], "2026-11-30 18:30", "2026-12-01 18:30"),
    "over midnight, before it": (KOLKATA, [weekly("4", "22:00", "06:00")], "2026-12-04 17:00", "2026-12-05 00:30"),
    "over midnight, behind it": (KOLKATA, [weekly("4", "22:00", "06:00")], "2026-12-05 00:29", "2026-12-05 00:30"),
    "not the night before": (KOLKATA, [weekly("4", "22:00", "06:00")], "2026-12-04 00:00", "2026-12-04 00:00"),
    "two that meet are one": (KOLKATA, [NIGHTS, weekly("2", "06:00", "12:00")], "2026-12-01 20:00", "2026-12-02 06:30"),
    "a period over hours": (KOLKATA, [OFFICE, FEAST], "2026-12-01 11:00", "2026-12-02 12:30"),
    "summer": (BERLIN, [OFFICE], "2026-07-01 07:00", "2026-07-01 16:00"),
    "winter": (BERLIN, [OFFICE], "2026-12-01 08:00", "2026-12-01 17:00"),
    "the short night": (BERLIN, [NIGHTS], "2026-03-28 21:00", "2026-03-29 04:00"),
    "the long night": (BERLIN, [NIGHTS], "2026-10-24 20:00", "2026-10-25 05:00"),
    "a start that the clock skips": (BERLIN, [weekly("6", "02:30", "04:00")], "2026-03-29 01:00", "2026-03-29 02:00"),
    "and not before it": (BERLIN, [weekly("6", "02:30", "04:00")], "2026-03-29 00:59", "2026-03-29 00:59"),
    "an end that the clock skips": (BERLIN, [weekly("6", "01:00", "02:30")], "2026-03-29 00:30", "2026-03-29 01:00"),
    "an hour that comes twice": (BERLIN, [weekly("6", "02:00", "03:00")], "2026-10-25 00:00", "2026-10-25 02:00"),
    "the second of the two": (BERLIN, [weekly("6", "02:00", "02:30")], "2026-10-25 01:15", "2026-10-25 01:30"),
}  # fmt: skip


@pytest.mark.parametrize("name", OPENS)
def test_when_it_opens(name):
    zone, rules, at, opens = OPENS[name]
    assert closed_hours.opens_at(rules, zone, utc(at)) == utc(opens)


def shown(rule, local):
    """By the reading of a clock on the wall: does the rule close it?"""
    day, reading, start, end = local.weekday(), local.time(), rule.from_time, rule.to_time
    if end > start:
        return str(day) in rule.weekdays and start <= reading < end
    return (str(day) in rule.weekdays and reading >= start) or (str((day - 1) % 7) in rule.weekdays and reading < end)


CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
WEEKLY = st.builds(
    lambda days, start, end: Blackout(weekdays="".join(sorted(days)), from_time=start, to_time=end, set_at=BEFORE),
    st.sets(st.sampled_from(EVERY), min_size=1, max_size=5),
    CLOCKS,
    CLOCKS,
)
# What can be set: an hour a week stays open.
SEVERAL = st.lists(WEEKLY, max_size=3).filter(lambda rules: closed_hours.longest_open(rules) >= timedelta(hours=1))
TURNS = [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)]
MOMENTS = st.builds(
    lambda turn, minutes: turn + timedelta(minutes=minutes), st.sampled_from(TURNS), st.integers(-4000, 4000)
)


@settings(max_examples=60, deadline=None)
@given(WEEKLY, MOMENTS, st.sampled_from([KOLKATA, BERLIN]))
def test_it_is_closed_when_a_clock_on_the_wall_says_so(rule, at, zone):
    """The hour that comes twice is closed whole where a part of it would be."""
    closed = closed_hours.opens_at([rule], zone, at) > at
    says = shown(rule, at.astimezone(zone))
    twice = zone is BERLIN and datetime(2026, 10, 25, 0, tzinfo=UTC) <= at < datetime(2026, 10, 25, 2, tzinfo=UTC)
    assert closed or not says
    assert says or not closed or twice


@settings(max_examples=60, deadline=None)
@given(SEVERAL, MOMENTS, st.sampled_from([KOLKATA, BERLIN]))
def test_what_it_opens_at_is_open_and_nothing_before_is(rules, at, zone):
    margin = timedelta(minutes=1)
    opens = closed_hours.opens_at(rules, zone, at, margin)
    for open_one in (opens, opens + margin):
        assert not any(shown(rule, open_one.astimezone(zone)) for rule in rules)
    assert at == opens or closed_hours.opens_at(rules, zone, opens - timedelta(minutes=1), margin) == opens


@settings(max_examples=60, deadline=None)
@given(SEVERAL, MOMENTS, st.integers(1, 6000))
def test_closed_and_open_time_add_up(rules, at, minutes):
    needed = timedelta(minutes=minutes)
    done = closed_hours.done_at(rules, BERLIN, at, needed)
    assert done is None or done - at == needed + closed_hours.closed_time(rules, BERLIN, at, done)


def test_a_rule_counts_while_it_was_in_force():
    rule = once("2026-12-01 00:00", "2026-12-02 00:00")
    rule.set_at, rule.lifted_at = utc("2026-12-01 06:00"), utc("2026-12-01 16:00")
    whole = utc("2026-11-30 00:00"), utc("2026-12-05 00:00")
    assert closed_hours.closed_time([rule], KOLKATA, *whole) == timedelta(hours=10)
    other = once("2026-12-01 10:00", "2026-12-01 20:00")
    assert closed_hours.closed_time([rule, other], KOLKATA, *whole) == timedelta(hours=14)


@pytest.mark.parametrize(
    ("rules", "hours"),
    [
        ([], 168),
        ([OFFICE], 63),
        ([NIGHTS], 16),
        ([weekly(EVERY, "00:00", "00:00")], 0),
        ([weekly("012345", "00:00", "00:00"), weekly("6", "01:30", "00:00")], 1.5),
        ([weekly("0", "12:00", "12:00")], 144),
        ([weekly(EVERY, "06:30", "06:00")], 0.5),
    ],
)  # fmt: skip
def test_what_is_left_open_in_one_piece(rules, hours):
    assert closed_hours.longest_open(rules) == timedelta(hours=hours)


def test_when_so_much_open_time_has_passed():
    start = utc("2026-12-01 02:30")  # an hour before the office opens in Kolkata
    assert closed_hours.done_at([OFFICE], KOLKATA, start, timedelta(minutes=59)) == utc("2026-12-01 03:29")
    assert closed_hours.done_at([OFFICE], KOLKATA, start, timedelta(hours=2)) == utc("2026-12-01 13:30")
    # Fifteen hours a night: Tuesday's first one, then two nights whole, and an hour of Thursday's.
    assert closed_hours.done_at([OFFICE], KOLKATA, start, timedelta(hours=32)) == utc("2026-12-03 13:30")
    assert closed_hours.done_at([weekly(EVERY, "00:00", "00:00")], KOLKATA, start, timedelta(hours=1)) is None
    assert closed_hours.done_at([], KOLKATA, start, timedelta(hours=1)) == start + timedelta(hours=1)


def test_a_midnight_that_a_clock_skips():
    santiago = ZoneInfo("America/Santiago")  # on Sunday 6 September 2026 its day begins at 01:00
    day = date(2026, 9, 6)
    assert closed_hours.moment(day, time(), santiago) == utc("2026-09-06 04:00")
    assert closed_hours.moment(day, time(), santiago, last=True) == utc("2026-09-06 04:00")
