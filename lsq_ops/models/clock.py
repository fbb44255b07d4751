"""The one clock, and what must outlive a power cut. Machines disagree about the time; they share a database."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import connection, transaction

# In SQL, for a question that asks for more than the time; what it answers is read by `from_db`.
NOW = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now')",
    "postgresql": "clock_timestamp()",
}


def db_now() -> datetime:
    """The database's own time, aware, in UTC; PostgreSQL's moves on inside a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {NOW[connection.vendor]}")
        return from_db(cursor.fetchone()[0])


def from_db(now: datetime | str) -> datetime:
    if isinstance(now, datetime):
        return now.astimezone(UTC)
    return datetime.fromisoformat(now).replace(tzinfo=UTC)


# How a database is asked whether a commit waits for the disk, which answers mean "not always", and how it is told to.
WAITS = {
    "sqlite": ("PRAGMA synchronous", ("0", "1"), "PRAGMA synchronous = 2"),
    "postgresql": ("SHOW synchronous_commit", ("off",), "SET synchronous_commit = 'on'"),
}


@contextmanager
def durable() -> Iterator[None]:
    """The transaction inside is on the disk when it is committed. SQLite's WAL otherwise leaves that to the next
    checkpoint, and PostgreSQL may have been told to: a killed process loses nothing then, but a power cut may."""
    ask, hasty, tell = WAITS[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(ask)
        usual = str(cursor.fetchone()[0])
        if connection.in_atomic_block or usual not in hasty:
            yield
            return
        cursor.execute(tell)
        try:
            yield
        finally:
            cursor.execute(f"{tell.partition('=')[0]}= {usual}")


@contextmanager
def one_moment() -> Iterator[None]:
    """Whatever is read inside is read as at one moment, and nobody who writes is held up by it."""
    if connection.in_atomic_block:
        yield
        return
    usual = getattr(connection, "transaction_mode", None)
    try:
        if connection.vendor == "sqlite":
            connection.transaction_mode = "DEFERRED"  # type: ignore[attr-defined]  # ours are IMMEDIATE: they lock
        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
    finally:
        if connection.vendor == "sqlite":
            connection.transaction_mode = usual  # type: ignore[attr-defined]
