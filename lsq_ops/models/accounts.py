"""The LeadSquared tenant and what was learnt about it. Host and keys come from the environment only."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils.translation import gettext as _

from lsq_ops.wording import lazy, marked

from .clock import db_now

# An account that says this was never resumed: nothing could have been sent. The database's rules ask for it too.
FIRST_PAUSE = marked("Not resumed yet: test the connection, make people and grants, then resume.")


class Account(models.Model):
    """One tenant. Another host or OrgId is another row; the old one becomes read-only (`current` is False)."""

    host = models.CharField(max_length=200)
    org_id = models.CharField(max_length=100, blank=True)
    org_name = models.CharField(max_length=200, blank=True)
    sandbox = models.BooleanField(default=False)
    current = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    time_zone = models.CharField(max_length=64, default="UTC", help_text="IANA name of the account's local time")
    offset_meaning = models.CharField(max_length=10, default="unknown")
    probed_at = models.DateTimeField(null=True)
    key_user = models.CharField(max_length=200, blank=True)
    key_role = models.CharField(max_length=100, blank=True)
    tested_at = models.DateTimeField(null=True)
    keys_mark = models.CharField(max_length=64, blank=True, help_text="tells other keys or another host, not which")

    rate_calls = models.PositiveIntegerField(default=25)
    rate_seconds = models.FloatField(default=5)
    learnt_calls = models.PositiveIntegerField(null=True, help_text="a lower limit, read from a rate answer")
    learnt_at = models.DateTimeField(null=True)
    hold_until = models.FloatField(default=0, help_text="nobody calls before this second (epoch)")

    paused_at = models.DateTimeField(null=True)
    paused_by = models.CharField(max_length=200, blank=True)
    pause_reason = models.CharField(max_length=300, blank=True)
    paused_kinds = models.JSONField(default=dict, help_text="kind -> why it is paused")
    not_sent_in_a_row = models.PositiveIntegerField(default=0)

    sync_on = models.BooleanField(default=False, help_text="leads are kept in step with LeadSquared by themselves")

    class Meta:
        verbose_name = lazy("account")
        verbose_name_plural = lazy("accounts")
        constraints = (
            models.UniqueConstraint(fields=["host", "org_id"], name="account_once_per_host_and_org"),
            models.UniqueConstraint(fields=["current"], condition=models.Q(current=True), name="one_current_account"),
        )

    def __str__(self) -> str:
        return self.org_name or self.host

    @classmethod
    def locked(cls, pk: int) -> "Account":
        """The account as it is now, under its row's lock (taken after a request's, before the audit head's). Other rows
        may point at it meanwhile: their foreign keys must not wait for it."""
        return cls.objects.select_for_update(no_key=True).get(pk=pk)

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None


class BudgetSlot(models.Model):
    """One of the N calls that may be under way or fresh in a window; free again at `free_at` (epoch seconds)."""

    account = models.ForeignKey(Account, models.PROTECT)
    number = models.PositiveIntegerField()
    free_at = models.FloatField(default=0)
    ticket = models.CharField(max_length=32, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["account", "number"], name="slot_number_once"),)

    def __str__(self) -> str:
        return _("slot {number}").format(number=self.number)


class BudgetDay(models.Model):
    """Calls made on one UTC day: what the daily cap counts."""

    account = models.ForeignKey(Account, models.PROTECT)
    day = models.DateField()
    calls = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["account", "day"], name="budget_day_once"),)

    def __str__(self) -> str:
        return f"{self.day}: {self.calls}"


class Beat(models.Model):
    """When a part of the portal was last seen alive; the watchdog and the lamp read it. `worker on HOST` and `watchdog
    on HOST` are parts that run; other names only remember a time."""

    name = models.CharField(max_length=50, primary_key=True)
    at = models.DateTimeField()

    FORGOTTEN_AFTER = timedelta(days=1)  # a machine that was taken away

    def __str__(self) -> str:
        return self.name

    @classmethod
    def show(cls, part: str) -> None:
        """The worker or watchdog of this machine is alive now."""
        cls.objects.update_or_create(name=cls.here(part), defaults={"at": db_now()})

    @classmethod
    def here(cls, part: str) -> str:
        """The name of the row of this machine's worker or watchdog."""
        return f"{part} on {settings.MACHINE}"[:50]

    @classmethod
    def seen_here(cls, part: str) -> datetime | None:
        return cls.objects.filter(name=cls.here(part)).values_list("at", flat=True).first()

    @classmethod
    def newest(cls, part: str = "worker") -> datetime | None:
        """When any machine's was seen last; None where none ever was."""
        return cls.objects.filter(name__startswith=f"{part} on ").aggregate(at=models.Max("at"))["at"]

    @classmethod
    def parts(cls) -> models.QuerySet["Beat"]:
        """Every part of every machine that was seen lately."""
        lately = cls.objects.filter(at__gt=db_now() - cls.FORGOTTEN_AFTER, name__contains=" on ")
        return lately.order_by("name")

    @classmethod
    def forget(cls) -> None:
        """Containers change their names with each start."""
        cls.objects.filter(at__lte=db_now() - cls.FORGOTTEN_AFTER, name__contains=" on ").delete()
