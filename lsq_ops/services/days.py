"""Days and times as spreadsheets write them: 2026-11-20, 20/11/2026 14:30, Nov 20, 2026 2:30 PM."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from lsq_ops.wording import marked

DAY_FIRST, MONTH_FIRST = marked("day first"), marked("month first")
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_ISO = re.compile(r"(?P<year>\d{4})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})")
_NUMBERS = re.compile(r"(?P<one>\d{1,2})([-/.])(?P<two>\d{1,2})\2(?P<year>\d{4})")
_NAMED = re.compile(r"(?P<day>\d{1,2})[ -](?P<name>[A-Za-z]{3,9})\.?,?[ -](?P<year>\d{4})")
_NAMED_FIRST = re.compile(r"(?P<name>[A-Za-z]{3,9})\.? (?P<day>\d{1,2}),? (?P<year>\d{4})")
_TIME = re.compile(
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(:(?P<second>\d\d)(\.\d{1,6})?)?\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<zone>[Zz]|[+-]\d\d:?\d\d)?"
)
Span = tuple[datetime, datetime]  # from, and the first moment after it


def order_of(texts: Iterable[str]) -> str | None:
    """Which of two numbers is the day, as far as one of the texts shows it; None where each can be read both ways."""
    for text in texts:
        if found := _NUMBERS.match(text.strip()):
            if int(found["one"]) > 12:
                return DAY_FIRST
            if int(found["two"]) > 12:
                return MONTH_FIRST
    return None


def is_ambiguous(text: str) -> bool:
    """03/04/2026; 03/03/2026 isn't."""
    found = _NUMBERS.match(text.strip())
    one, two = (int(found["one"]), int(found["two"])) if found else (0, 0)
    return max(one, two) <= 12 and one != two


def looks_like_one(text: str) -> bool:
    return any(span(text, UTC, order) for order in (DAY_FIRST, MONTH_FIRST))


def span(text: str, zone: tzinfo, order: str) -> Span | None:
    """The moments that a text means, in UTC: a day of `zone`, or with a time that minute or second. None where it is no
    day."""
    text = " ".join(text.split())
    for pattern in (_ISO, _NUMBERS, _NAMED, _NAMED_FIRST):
        if found := pattern.match(text):
            day, rest = _day(found.groupdict(), order), text[found.end() :].lstrip(" T,")
            return _moments(day, rest, zone) if day else None
    return None


def _day(parts: dict[str, str], order: str) -> date | None:
    if "one" in parts:
        first, second = int(parts["one"]), int(parts["two"])
        day, month = (first, second) if order == DAY_FIRST else (second, first)
    else:
        day = int(parts["day"])
        month = int(parts["month"]) if "month" in parts else _month(parts["name"])
    try:
        return date(int(parts["year"]), month, day) if 1970 <= int(parts["year"]) < 2100 else None
    except ValueError:
        return None


def _month(name: str) -> int:
    """1 to 12; 0 for no month's name."""
    begun = name[:3].lower()
    return _MONTHS.index(begun) + 1 if begun in _MONTHS else 0


def _moments(day: date, rest: str, zone: tzinfo) -> Span | None:
    if not rest:
        return _utc(datetime.combine(day, time()), zone), _utc(datetime.combine(day + timedelta(1), time()), zone)
    found = _TIME.fullmatch(rest)
    clock = found and _clock(found)
    if not found or clock is None:
        return None
    at = _utc(datetime.combine(day, clock), _zone(found["zone"]) or zone)
    return at, at + timedelta(seconds=1 if found["second"] else 60)


def _clock(found: re.Match[str]) -> time | None:
    hour, half = int(found["hour"]), (found["half"] or "").lower()[:1]
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    try:
        return time(hour, int(found["minute"]), int(found["second"] or 0))
    except ValueError:
        return None


def _zone(text: str | None) -> tzinfo | None:
    if not text:
        return None
    if text in "Zz":
        return UTC
    return datetime.strptime(text.replace(":", ""), "%z").tzinfo


def _utc(local: datetime, zone: tzinfo) -> datetime:
    return local.replace(tzinfo=zone).astimezone(UTC)
