"""Calls of a request, their attempts, and what came back: the part that must never lie."""

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, models, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from lsq_ops.wording import lazy

from .accounts import Account
from .machine import StateMachine
from .requests import DeletionRequest, RequestVersion


class DeletionCall(StateMachine):
    class State(models.TextChoices):
        PLANNED = "planned", lazy("planned")
        SENT = "sent", lazy("being sent")
        VERIFYING = "verifying", lazy("being read back")
        GONE = "gone", lazy("gone")
        PARTIAL = "partial", lazy("partly gone")
        STILL_PRESENT = "still_present", lazy("still there")
        UNVERIFIABLE = "unverifiable", lazy("can't be read")
        OVER_DELETED = "over_deleted", lazy("more went than was approved")
        SKIPPED = "skipped", lazy("not sent")

    NOUN = "call"
    ENDS = ("gone", "partial", "still_present", "unverifiable", "over_deleted")
    MOVES = {
        "planned": ("sent", "skipped"),
        "sent": ("verifying", "planned"),
        "verifying": ("planned", *ENDS),
        **{end: () for end in (*ENDS, "skipped")},
    }

    request = models.ForeignKey(DeletionRequest, models.PROTECT, related_name="calls")
    version = models.ForeignKey(RequestVersion, models.CASCADE, related_name="calls")
    number = models.PositiveIntegerField()
    path = models.CharField(max_length=200)
    lead_id = models.CharField(max_length=36, blank=True)
    owner_id = models.CharField(max_length=36, blank=True)
    size = models.PositiveIntegerField(help_text="items")
    window_from = models.DateTimeField(null=True)
    window_to = models.DateTimeField(null=True)
    codes = models.JSONField(default=list)
    body_hash = models.CharField(max_length=64)
    state = models.CharField(max_length=14, choices=State, default=State.PLANNED)
    not_before = models.DateTimeField(null=True)
    claimed_until = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0, help_text="sends that came to nothing in a row")
    sent_at = models.DateTimeField(null=True)
    read_from = models.DateTimeField(null=True, help_text="only readings begun since then decide")
    reads = models.PositiveIntegerField(default=0)
    ended_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=500, blank=True)
    contradiction = models.CharField(max_length=300, blank=True)
    strange = models.BooleanField(default=False, help_text="a kept record vanished that this call can't have taken")

    class Meta:
        ordering = ("number",)
        constraints = (models.UniqueConstraint(fields=["version", "number"], name="call_number_once"),)
        indexes = (
            models.Index(fields=["state", "not_before"]),
            models.Index(fields=["request", "state"]),
            models.Index(fields=["ended_at"]),
        )

    def __str__(self) -> str:
        return _("call {number} of {request}").format(number=self.number, request=self.request)


class CallBody(models.Model):
    """The JSON of a call without its webhook address; emptied once by retention."""

    call = models.OneToOneField(DeletionCall, models.CASCADE, primary_key=True, related_name="body")
    text = models.TextField()

    def __str__(self) -> str:
        return _("body of {call_id}").format(call_id=self.call_id)


class Attempt(StateMachine):
    """One send of a call. Committed before its first byte leaves; sent at most once."""

    class State(models.TextChoices):
        INTENT = "intent", lazy("about to be sent")
        ACCEPTED = "accepted", lazy("taken by LeadSquared")
        REFUSED = "refused", lazy("refused by LeadSquared")
        TURNED_AWAY = "turned_away", lazy("turned away, nothing done")
        NOT_SENT = "not_sent", lazy("not sent")
        UNKNOWN = "unknown", lazy("sent, no clear answer yet")

    NOUN = "attempt"
    MAY_HAVE_ACTED = ("intent", "accepted", "refused", "unknown")  # LeadSquared may have carried it out
    MOVES = {
        "intent": ("accepted", "refused", "turned_away", "not_sent", "unknown"),
        "unknown": ("accepted",),
        **{end: () for end in ("accepted", "refused", "turned_away", "not_sent")},
    }

    account = models.ForeignKey(Account, models.PROTECT)
    request = models.ForeignKey(DeletionRequest, models.PROTECT, related_name="attempts")
    version = models.ForeignKey(RequestVersion, models.PROTECT, related_name="+")
    call = models.ForeignKey(DeletionCall, models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField()
    lead_id = models.CharField(max_length=36, blank=True)
    digest = models.CharField(max_length=64)
    body_hash = models.CharField(max_length=64)
    token_hash = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=12, choices=State, default=State.INTENT)
    intent_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    http_status = models.PositiveIntegerField(null=True)
    cause = models.CharField(max_length=20, blank=True)
    message = models.CharField(max_length=500, blank=True, help_text="LeadSquared's own words")
    seconds = models.FloatField(null=True)
    late_answer = models.CharField(max_length=200, blank=True, help_text="an answer after the lease; moves nothing")
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=["call", "number"], name="attempt_number_once"),
            models.UniqueConstraint(
                fields=["call"],
                condition=models.Q(resolved_at__isnull=True),
                name="one_unresolved_attempt_per_call",
            ),
            models.UniqueConstraint(
                fields=["account", "lead_id"],
                condition=models.Q(resolved_at__isnull=True) & ~models.Q(lead_id=""),
                name="one_unresolved_attempt_per_lead",
            ),
        )

        indexes = (
            models.Index(fields=["account", "intent_at"]),
            models.Index(
                fields=["state", "intent_at"], name="attempt_open", condition=models.Q(resolved_at__isnull=True)
            ),
        )

    @classmethod
    def of_token(cls, token_hash: str) -> tuple[int, int] | None:
        """(attempt, request) of a webhook token's SHA-256. Not by the ORM: composing the query costs more than it."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, request_id FROM lsq_ops_attempt WHERE token_hash = %s", [token_hash])
            found = cursor.fetchone()
        return (int(found[0]), int(found[1])) if found else None

    def __str__(self) -> str:
        return _("attempt {number} of call {call_id}").format(number=self.number, call_id=self.call_id)


class TaskClaim(models.Model):
    """A task id that an unresolved attempt is deleting; gone when the attempt is resolved."""

    account = models.ForeignKey(Account, models.PROTECT)
    task_id = models.CharField(max_length=36)
    attempt = models.ForeignKey(Attempt, models.CASCADE, related_name="claims")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["account", "task_id"], name="task_claimed_once"),)

    def __str__(self) -> str:
        return self.task_id


class WebhookReceipt(models.Model):
    """One distinct body that came to an attempt's address, raw, with first and last arrival and a count."""

    attempt = models.ForeignKey(Attempt, models.PROTECT, related_name="receipts")
    body_hash = models.CharField(max_length=64)
    body = models.BinaryField()
    content_type = models.CharField(max_length=200, blank=True)
    says = models.CharField(max_length=300, blank=True, help_text="its Status and counts, as we read them")
    says_success = models.BooleanField(null=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)
    taken_at = models.DateTimeField(null=True, help_text="when the worker drew its conclusions")

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["attempt", "body_hash"], name="receipt_once_per_body"),)
        indexes = (models.Index(fields=["id"], name="receipt_untaken", condition=models.Q(taken_at__isnull=True)),)

    def __str__(self) -> str:
        return _("receipt {number}").format(number=self.pk)

    @classmethod
    def newest_at(cls) -> datetime | None:
        """When the last new report came."""
        return cls.objects.order_by("-id").values_list("last_at", flat=True).first()

    @classmethod
    def keep(cls, attempt_id: int, body_hash: str, body: bytes, content_type: str, now: datetime, most: int) -> bool:
        """One arrival. True where the body is new for the attempt and was kept: at most about `most` are."""
        receipt = cls(
            attempt_id=attempt_id,
            body_hash=body_hash,
            body=body,
            content_type=content_type,
            first_at=now,
            last_at=now,
        )
        # One statement is a transaction of its own; inside of another one a refusal must not spoil that.
        alone: AbstractContextManager[Any] = transaction.atomic() if connection.in_atomic_block else nullcontext()
        try:
            with alone:
                if receipt._insert_if_new(most):
                    return True
        except IntegrityError:
            pass  # the same body came twice at once; the other one's row stands
        cls.objects.filter(attempt_id=attempt_id, body_hash=body_hash).update(last_at=now, count=F("count") + 1)
        return False

    def _insert_if_new(self, most: int) -> bool:
        """Is it new, and is there room: asked and written in one statement, so that a burst costs one each."""
        fields = [field for field in self._meta.concrete_fields if not field.primary_key]
        values = [field.get_db_prep_save(getattr(self, field.attname), connection) for field in fields]
        table, names = self._meta.db_table, ", ".join(connection.ops.quote_name(str(f.column)) for f in fields)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} ({names}) SELECT {', '.join(['%s'] * len(values))}"  # noqa: S608 (our own names)
                f" WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE attempt_id = %s AND body_hash = %s)"
                f" AND (SELECT COUNT(*) FROM {table} WHERE attempt_id = %s) < %s",  # nosec B608 # the model's own columns
                [*values, self.attempt_id, self.body_hash, self.attempt_id, most],
            )
            return bool(cursor.rowcount)
