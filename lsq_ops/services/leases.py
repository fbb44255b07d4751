"""Leases: one worker at a time works on a row, and may die over it. `claimed_until` says until when the row is theirs;
whoever writes asks by `held` whether it still is."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from lsq_ops.models import db_now, timing


def free(now: datetime) -> Q:
    """Rows that nobody works on."""
    return Q(claimed_until=None) | Q(claimed_until__lt=now)


def end(now: datetime) -> datetime:
    """Of a lease that begins now."""
    return now + timedelta(seconds=timing().claim_lease)


def take(due: QuerySet[Any], among: QuerySet[Any], **facts: Any) -> Any:
    """The first that is due and nobody works on, ours for the time of a lease; None where there is none, or somebody
    was quicker. `among`: in which state it can be ours, asked again as it is taken; without joins, so that the
    database looks at the row as it is then. `facts` are written with the lease."""
    now = db_now()
    row = due.filter(free(now)).first()
    if row is None:
        return None
    lease = end(now)
    if not held(among, row).update(claimed_until=lease, **facts):
        return None
    row.claimed_until = lease
    return row


def held(rows: QuerySet[Any], row: Any) -> QuerySet[Any]:
    """The row among `rows`, while nobody has taken it since we saw it."""
    return rows.filter(pk=row.pk, claimed_until=row.claimed_until)
