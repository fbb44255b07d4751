"""The arithmetic of blackouts: which spans of time they close, by an account's local clock, whatever that clock does.

Clocks that go forward skip readings, and clocks that go back show some twice. A span begins with the first moment at
which the clock shows its start or more, and ends with the last one at which it shows its end: what is asked to be
closed is closed.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from lsq_ops.models import Blackout

DAY = timedelta(days=1)
LONGEST = timedelta(days=366)  # nobody looks further ahead
MIDNIGHT = time()


class Span(NamedTuple):
    start: datetime
    end: datetime


def moment(day: date, at: time, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """When the local clock shows it: the first time, or the last; where it never does, when the clock jumps over it."""
    naive = datetime.combine(day, at)
    early, late = (naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if early.astimezone(zone).replace(tzinfo=None) != naive:
        return _jump(late, early, zone)
    return late if last else early


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The moment between these two at which the zone's clock goes forward."""
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


def spans(rules: Iterable[Blackout], zone: ZoneInfo, start: datetime, end: datetime) -> list[Span]:
    """What is closed between `start` and `end`, in order; those that meet are one, and none is cut."""
    found: list[Span] = []
    for span in sorted(span for rule in rules for span in _of(rule, zone, start, end)):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found


def _of(rule: Blackout, zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[Span]:
    for span in _weekly(rule, zone, start, end) if rule.weekdays else [Span(rule.begins_at, rule.ends_at)]:  # type: ignore[arg-type]
        if span.start <= end and span.end >= start:
            yield span


def _weekly(rule: Blackout, zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[Span]:
    assert rule.from_time is not None and rule.to_time is not None
    day, last = start.astimezone(zone).date() - 2 * DAY, end.astimezone(zone).date() + DAY
    while day <= last:
        if str(day.weekday()) in rule.weekdays:
            ends = day if rule.to_time > rule.from_time else day + DAY
            yield Span(moment(day, rule.from_time, zone), moment(ends, rule.to_time, zone, last=True))
        day += DAY


def opens_at(rules: Sequence[Blackout], zone: ZoneInfo, at: datetime, margin: timedelta = timedelta()) -> datetime:
    """The first moment from `at` on that is open, and stays open for the margin."""
    opens = at
    while opens - at < LONGEST:
        closed = [s for s in spans(rules, zone, opens, opens + margin) if s.end > opens and s.start <= opens + margin]
        if not closed:
            break
        opens = closed[-1].end
    return opens


def closed_time(rules: Iterable[Blackout], zone: ZoneInfo, start: datetime, end: datetime) -> timedelta:
    """How long it was closed between the two: by each rule while it was in force."""
    found: list[Span] = []
    for rule in rules:
        begins, ends = max(start, rule.set_at), min(end, rule.lifted_at or end)
        found += (Span(max(begins, s.start), min(ends, s.end)) for s in _of(rule, zone, begins, ends))
    return _total(span for span in sorted(found) if span.end > span.start)


def _total(spans: Iterable[Span]) -> timedelta:
    """Of spans in order of their starts; what several share counts once."""
    total, reached = timedelta(), datetime.min.replace(tzinfo=UTC)
    for span in spans:
        total += max(span.end - max(span.start, reached), timedelta())
        reached = max(reached, span.end)
    return total


def done_at(rules: Sequence[Blackout], zone: ZoneInfo, start: datetime, needed: timedelta) -> datetime | None:
    """When so much open time has passed since `start`; None where a year is not enough."""
    at = opens_at(rules, zone, start)
    while at - start < LONGEST:
        ahead = at + 8 * DAY
        closes = next((span.start for span in spans(rules, zone, at, ahead) if span.start > at), ahead)
        if closes - at >= needed:
            return at + needed
        needed -= closes - at
        at = opens_at(rules, zone, closes)
    return None


def longest_open(rules: Sequence[Blackout]) -> timedelta:
    """The longest time in one piece that rules of the week leave open in any week whose clocks don't change."""
    start = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday
    closed = spans(rules, ZoneInfo("UTC"), start, start + 15 * DAY)
    pieces = [after.start - before.end for before, after in pairwise(closed)]
    return max(pieces, default=7 * DAY if not closed else timedelta())
