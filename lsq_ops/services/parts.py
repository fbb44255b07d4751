"""Many ids, a few at a time: SQLite takes so many values in one statement, and PostgreSQL plans fewer faster."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
SIZE = 500


def parts(values: Iterable[T], size: int = SIZE) -> Iterator[list[T]]:
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part
