"""The audit trail: a hash chain, written by one function, under the lock of the chain's head.

A transaction collects its events and writes them after all other rows, so that the head is locked last and briefly.
No personal data goes in: ids, states, digests, counts, categories.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import connection, models, transaction

from lsq_ops.chain import FIELDS, HASHED, canonical, link_hash, pieces
from lsq_ops.wording import lazy

from .clock import NOW, from_db

# A closed list: an event that isn't on it is a bug, and a reader can know them all.
ACTIONS = frozenset(
    f"{noun}.{verb}"
    for noun, verbs in {
        "request": "draft pending approved running needs_attention completed partial failed stopped closed rejected "
        "withdrawn cancelled expired version stop_asked resumed changed_since_submit looked_again left_out asked "
        "answered evidence_exported went_on_without items_exported restore_help_taken "
        "contents_erased restored restore_confirmed",
        "call": "planned sent verifying gone partial still_present unverifiable over_deleted skipped",
        "attempt": "intent accepted refused turned_away not_sent unknown resolved late_answer",
        "vote": "approve reject changes withdrawn confirm",
        "decision": "proposed confirmed",
        "receipt": "arrived contradicts",
        "account": "created tested paused resumed kind_paused kind_resumed learnt sync_on sync_off",
        "blackout": "set lifted",
        "sync": "running asking done stopped",
        "people": "user_made locked unlocked password_reset password_changed roles_changed grant_given grant_revoked "
        "team_made second_factor_added second_factor_removed second_factor_reset recovery_codes_made votes_suspended "
        "sign_in_blocked",
        "policy": "set taken_back",
        "hold": "set lifted",
        "lead": "added refreshed gone revealed evidence_exported",
        "snapshot": "downloaded",
        "upload": "read outcome_taken thrown_away",
        "record": "revealed",
        "list": "taken",
        "retention": "begun done",
        "erasure": "begun done refused lifted",
        "backup": "taken restored",
        "trail": "verified exported",
        "set_up": "keys_tried webhook_tried mail_tried",
    }.items()
    for verb in verbs.split()
)


class AuditEvent(models.Model):
    """One link. `details` is the exact text that is hashed; `at` is text for the same reason."""

    seq = models.BigIntegerField(primary_key=True)
    at = models.TextField()
    actor = models.TextField(verbose_name=lazy("actor"))
    action = models.TextField()
    object_type = models.TextField()
    object_id = models.TextField()
    details = models.TextField()
    prev_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        verbose_name = lazy("audit event")
        verbose_name_plural = lazy("audit events")
        ordering = ("-seq",)
        # Each ends in the number: the newest of a kind are read from the index's end, and nothing is sorted.
        indexes = (
            models.Index(fields=["object_type", "object_id", "seq"]),
            models.Index(fields=["actor", "seq"]),
            models.Index(fields=["action", "seq"]),
        )

    def __str__(self) -> str:
        return f"#{self.seq} {self.action} {self.object_type} {self.object_id}"

    def facts(self) -> dict[str, Any]:
        """What `details` says."""
        return dict(json.loads(self.details))

    @classmethod
    def newest_at(cls, action: str) -> datetime | None:
        """When it was written last."""
        at = cls.objects.filter(action=action).order_by("-seq").values_list("at", flat=True).first()
        return datetime.fromisoformat(at) if at else None


class AuditHead(models.Model):
    """The chain's end; the only row that every writer locks. Row 1 is made with the guards."""

    seq = models.BigIntegerField()
    hash = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"head at {self.seq}"


class AuditAnchor(models.Model):
    """What was taken out of the database, so that nobody who can write it can write the trail anew: number and hash of
    an event, signed with AUDIT_KEY. This row only remembers that; who doubts the database reads the file, the log or
    the mails."""

    seq = models.BigIntegerField(primary_key=True)
    hash = models.CharField(max_length=64)
    at = models.TextField()
    mac = models.CharField(max_length=64)
    made_at = models.DateTimeField()
    filed_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-seq",)

    def __str__(self) -> str:
        return f"anchor at {self.seq}"


class TrailCheck(models.Model):
    """One check of the whole trail, as far as it has come: whoever goes on begins behind `last`."""

    begun_at = models.DateTimeField(db_index=True)
    by = models.TextField(default="system")
    head_seq = models.BigIntegerField()
    head_hash = models.CharField(max_length=64)
    last = models.BigIntegerField(default=0)
    prev = models.CharField(max_length=64)
    anchored = models.BigIntegerField(default=0)
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"check of the trail at {self.last} of {self.head_seq}"


class OutsideAudited(RuntimeError):
    """An event was recorded outside `audited()`: it would not stand or fall with its change."""


_local = threading.local()


def _events() -> list[dict[str, str]] | None:
    return getattr(_local, "events", None)


@contextmanager
def audited() -> Iterator[None]:
    """A transaction whose audit events are written at its end, after all other rows. Nests."""
    outermost = _events() is None
    if outermost:
        _local.events = []
    mark = len(_local.events)
    try:
        with transaction.atomic():
            yield
            if outermost:
                _append(_local.events)
    except BaseException:
        # What an inner transaction rolled back must not be told as done by the outer one.
        if not outermost:
            del _local.events[mark:]
        raise
    finally:
        if outermost:
            _local.events = None


def record(action: str, obj: models.Model | tuple[str, Any], *, actor: str, **details: Any) -> None:
    """Collect one event about `obj` (a row, or a (type, id) pair) for the running `audited()` transaction."""
    events = _events()
    if events is None:
        raise OutsideAudited(action)
    if action not in ACTIONS:
        raise ValueError(f"{action} is not on the list of audit actions")
    object_type, object_id = obj if isinstance(obj, tuple) else (obj._meta.model_name, obj.pk)
    events.append(
        {
            "actor": actor,
            "action": action,
            "object_type": str(object_type),
            "object_id": str(object_id),
            "details": canonical(details),
        }
    )


_LINK = f"INSERT INTO lsq_ops_auditevent ({', '.join(FIELDS)}) VALUES ({', '.join(['%s'] * len(FIELDS))})"  # nosec B608 # this file's own columns
_MOVE = "UPDATE lsq_ops_audithead SET seq = %s, hash = %s WHERE id = 1"


def _append(events: list[dict[str, str]]) -> None:
    if events:
        with connection.cursor() as cursor:
            _APPEND[connection.vendor](cursor, events)


def _on_sqlite(cursor: Any, events: list[dict[str, str]]) -> None:
    cursor.execute(f"SELECT seq, hash, {NOW['sqlite']} FROM lsq_ops_audithead WHERE id = 1")  # nosec B608 # this file's own columns
    last, prev, now = cursor.fetchone()
    at = from_db(now).isoformat(timespec="microseconds")
    rows = []
    for seq, event in enumerate(events, last + 1):
        link: dict[str, Any] = {"seq": seq, "at": at, **event, "prev_hash": prev}
        link["hash"] = prev = link_hash(prev, link)
        rows.append([link[name] for name in FIELDS])
    cursor.executemany(_LINK, rows)
    cursor.execute(_MOVE, [last + len(rows), prev])


# On PostgreSQL everybody waits for whoever holds the head, so each way to the server and back is everybody's time: all
# is sent together, and the server makes the link. Number and time are known only behind the lock; what else is hashed
# comes from `pieces`, and every check of the trail holds the outcome against `link_hash`.
_LOCK = (
    # Django's foreign keys are checked at COMMIT, which would be behind the head's lock: whoever holds a row that one
    # of them points at, and waits for the head, would wait for ever. So they are checked first.
    "SET CONSTRAINTS ALL IMMEDIATE; SELECT 1 FROM lsq_ops_audithead WHERE id = 1 FOR UPDATE"
)
_UTC = """to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""
_NEXT = (
    f"INSERT INTO lsq_ops_auditevent ({', '.join(FIELDS)})"
    " SELECT seq + 1, at, %s, %s, %s, %s, %s, hash,"
    """ encode(sha256(convert_to(concat(hash, %s, '"', at, '"', %s, seq + 1, '}'), 'UTF8')), 'hex')"""
    f" FROM (SELECT seq, hash, {_UTC} AS at FROM lsq_ops_audithead WHERE id = 1) AS head;"
    " UPDATE lsq_ops_audithead AS head SET seq = made.seq, hash = made.hash FROM lsq_ops_auditevent AS made"
    " WHERE head.id = 1 AND made.seq = head.seq + 1"  # nosec B608 # this file's own columns
)
_TOGETHER = 100  # links


def _on_postgresql(cursor: Any, events: list[dict[str, str]]) -> None:
    for start in range(0, len(events), _TOGETHER):
        some = events[start : start + _TOGETHER]
        values = [value for event in some for value in (*map(event.get, HASHED[2:]), *pieces(event))]
        cursor.execute("; ".join([_LOCK] + [_NEXT] * len(some)), values)


_APPEND = {"sqlite": _on_sqlite, "postgresql": _on_postgresql}
