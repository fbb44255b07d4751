"""The one clock, and what must outlive a power cut. Machines disagree about the time; they share a database."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import connection


def db_now() -> datetime:
    """The database's own time, aware, in UTC; PostgreSQL's moves on inside a transaction."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT clock_timestamp()")
            return cursor.fetchone()[0].astimezone(UTC)
        cursor.execute("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")
        return datetime.fromisoformat(cursor.fetchone()[0]).replace(tzinfo=UTC)


@contextmanager
def durable() -> Iterator[None]:
    """The transaction inside is on the disk when it is committed. SQLite's WAL otherwise leaves that to the next
    checkpoint: a killed process loses nothing then, but a power cut may; PostgreSQL does it anyway."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous")
        usual = cursor.fetchone()[0]
        cursor.execute("PRAGMA synchronous = FULL")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA synchronous = {int(usual)}")
