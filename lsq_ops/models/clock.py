"""The one clock. Machines disagree about the time; they share a database."""

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
