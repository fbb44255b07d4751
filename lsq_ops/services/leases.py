"""Leases: one worker at a time works on a row, and may die over it. `claimed_until` says until when the row is theirs;
whoever writes asks by `held` whether it still is."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from lsq_ops.models import timing


def free(now: datetime) -> Q:
    """Rows that nobody works on."""
    return Q(claimed_until=None) | Q(claimed_until__lt=now)


def end(now: datetime) -> datetime:
    """Of a lease that begins now."""
    return now + timedelta(seconds=timing().claim_lease)


def held(rows: QuerySet[Any], row: Any) -> QuerySet[Any]:
    """The row among `rows`, while nobody has taken it since we saw it."""
    return rows.filter(pk=row.pk, claimed_until=row.claimed_until)
