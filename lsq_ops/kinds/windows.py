"""From chosen items to the fewest closed windows that hold every one of them and no kept record of their code.

The API deletes by type and window on one lead, never by id, and prints whole seconds. So the unit is the second, a
window goes from the first item's second to the last one's plus one, and a kept record within one second of a bound
is too near.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from lsq_ops.wording import marked

from .base import Record

NEAR = timedelta(seconds=1)
TOO_NEAR = marked("it can't be parted from a record that stays: LeadSquared deletes by the second")

Window = tuple[datetime, datetime]


def second(record: Record) -> datetime:
    assert record.at is not None
    return record.at.replace(microsecond=0)


def part(chosen: Iterable[Record], kept: Iterable[Record]) -> tuple[list[Record], list[Record]]:
    """(what can be parted, what can't) for one lead and code. What can't be parted stays, and may bind others in
    turn."""
    can, stays = list(chosen), [second(record) for record in kept if record.at]
    bound: list[Record] = []
    while True:
        near = {s + offset * NEAR for s in stays for offset in (-2, -1, 0, 1)}
        stuck = [record for record in can if second(record) in near]
        if not stuck:
            return can, bound
        bound += stuck
        stays += [second(record) for record in stuck]
        can = [record for record in can if second(record) not in near]


def windows(chosen: Iterable[Record], kept: Iterable[Record]) -> list[tuple[Window, list[Record]]]:
    """The windows for one lead and code, oldest first; `chosen` must have been parted from `kept`."""
    stays = sorted({second(record) for record in kept if record.at})
    made: list[tuple[Window, list[Record]]] = []
    for record in sorted(chosen, key=second):
        at = second(record)
        if made:
            (first, last), held = made[-1]
            if not any(last - NEAR <= s <= at for s in stays):
                made[-1] = ((first, at + NEAR), [*held, record])
                continue
        made.append(((at, at + NEAR), [record]))
    return made


def by_lead_and_code(records: Iterable[Record]) -> dict[tuple[str, int], list[Record]]:
    groups: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for record in records:
        if record.code is not None:
            groups[record.lead_id, record.code].append(record)
    return groups
