"""Times in which no deletion call is sent: hours of the week by the account's local clock, and single periods."""

from datetime import datetime

from django.db import models
from django.db.models import Q

from .accounts import Account
from .clock import db_now

_WEEKLY = Q(begins_at__isnull=True, ends_at__isnull=True, from_time__isnull=False, to_time__isnull=False)
_ONCE = Q(begins_at__isnull=False, ends_at__isnull=False, from_time__isnull=True, to_time__isnull=True)
_FORWARD = Q(ends_at__gt=models.F("begins_at"))


class Blackouts(models.QuerySet["Blackout"]):
    def in_force(self, now: datetime | None = None) -> "Blackouts":
        """Neither lifted nor over; whether it is closed just now is another question."""
        return self.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=now or db_now()), lifted_at__isnull=True)


class Blackout(models.Model):
    """One rule: on these days of the week from this to that hour (an end that isn't after the start lies on the next
    day), or once, from one moment to another. Never changed: another one is set, and this one lifted."""

    account = models.ForeignKey(Account, models.PROTECT)
    weekdays = models.CharField(max_length=7, blank=True, help_text="0 is Monday; blank: a single period")
    from_time = models.TimeField(null=True)
    to_time = models.TimeField(null=True)
    begins_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=300)
    set_by = models.CharField(max_length=150)
    set_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=150, blank=True)

    objects = Blackouts.as_manager()

    class Meta:
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=(Q(weekdays="") & _ONCE & _FORWARD) | (~Q(weekdays="") & _WEEKLY),
                name="blackout_weekly_or_once",
            ),
        )

    def __str__(self) -> str:
        return f"blackout {self.pk}"
