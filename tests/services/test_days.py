"""Days and times as people and spreadsheets write them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from lsq_ops.services import days

KOLKATA, NEW_YORK = ZoneInfo("Asia/Kolkata"), ZoneInfo("America/New_York")


def utc(*numbers):
    return datetime(*numbers, tzinfo=UTC)


DAY = (utc(2026, 11, 19, 18, 30), utc(2026, 11, 20, 18, 30))


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20", "2026/11/20", "2026.11.20", "20/11/2026", "20.11.2026", "20-11-2026", "20 Nov 2026",
        "20-Nov-2026", "20 November 2026", "Nov 20, 2026", "November 20 2026", " 2026-11-20 ",
    ],
)  # fmt: skip
def test_a_day_is_the_accounts_whole_local_day(text):
    assert days.span(text, KOLKATA, days.DAY_FIRST) == DAY


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-11-20 14:30", utc(2026, 11, 20, 9), utc(2026, 11, 20, 9, 1)),
        ("2026-11-20T14:30:05", utc(2026, 11, 20, 9, 0, 5), utc(2026, 11, 20, 9, 0, 6)),
        ("20/11/2026 02:30 PM", utc(2026, 11, 20, 9), utc(2026, 11, 20, 9, 1)),
        ("20/11/2026 12:00 am", DAY[0], utc(2026, 11, 19, 18, 31)),
        ("2026-11-20 09:00:00.000Z", utc(2026, 11, 20, 9), utc(2026, 11, 20, 9, 0, 1)),
        ("2026-11-20T09:00+02:00", utc(2026, 11, 20, 7), utc(2026, 11, 20, 7, 1)),
    ],
)
def test_with_a_time_it_is_that_minute_or_second(text, start, end):
    assert days.span(text, KOLKATA, days.DAY_FIRST) == (start, end)


def test_a_day_of_a_change_of_clocks_has_its_true_length():
    start, end = days.span("2026-11-01", NEW_YORK, days.DAY_FIRST)
    assert (end - start).total_seconds() == 25 * 3600


def test_two_numbers_are_read_in_the_order_that_is_asked_for():
    assert days.span("03/04/2026", UTC, days.DAY_FIRST)[0] == utc(2026, 4, 3)
    assert days.span("03/04/2026", UTC, days.MONTH_FIRST)[0] == utc(2026, 3, 4)
    assert days.span("20/11/2026", UTC, days.MONTH_FIRST) is None


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "45981", "2026-13-01", "2026-02-30", "20 Foo 2026", "2026-11-20 25:00", "2026-11-20 13:00 pm",
     "2026-11-20 noon", "20/11/26", "٢٠٢٦-١١-٢٠x", "1899-12-30", "20/11-2026", "9" * 400],
)  # fmt: skip
def test_what_is_no_day_is_none(text):
    assert days.span(text, KOLKATA, days.DAY_FIRST) is None


def test_the_order_is_what_some_line_shows():
    assert days.order_of(["03/04/2026", "20/11/2026"]) == days.DAY_FIRST
    assert days.order_of(["03/04/2026", "11/20/2026 10:00"]) == days.MONTH_FIRST
    assert days.order_of(["03/04/2026", "2026-11-20"]) is None
    assert [days.is_ambiguous(text) for text in ("03/04/2026", "03/03/2026", "20/11/2026", "x")] == [
        True, False, False, False,
    ]  # fmt: skip
