"""The local mirror of what LeadSquared showed. Written by services/mirror.py only; every row says when it was read."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _

from lsq_ops.wording import lazy

from .accounts import Account
from .clock import db_now


class ActivityType(models.Model):
    account = models.ForeignKey(Account, models.CASCADE)
    code = models.IntegerField()
    name = models.CharField(max_length=200)
    event_type = models.CharField(max_length=50, blank=True)
    read_at = models.DateTimeField()

    class Meta:
        ordering = ("code",)
        constraints = (models.UniqueConstraint(fields=["account", "code"], name="activity_type_once"),)

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class Lead(models.Model):
    account = models.ForeignKey(Account, models.CASCADE, db_index=False)  # of which there is one at a time
    prospect_id = models.CharField(max_length=36)
    number = models.CharField(verbose_name=lazy("number"), max_length=50, blank=True)
    first_name = models.CharField(max_length=500, blank=True)
    last_name = models.CharField(max_length=500, blank=True)
    email = models.CharField(max_length=320, blank=True)
    phone = models.CharField(max_length=100, blank=True)
    mobile = models.CharField(max_length=100, blank=True)
    stage = models.CharField(verbose_name=lazy("stage"), max_length=200, blank=True)
    owner_id = models.CharField(max_length=36, blank=True)
    owner_name = models.CharField(max_length=300, blank=True)
    created_on = models.DateTimeField(null=True)
    modified_on = models.DateTimeField(null=True)
    touched_on = models.DateTimeField(null=True, help_text="LeadLastModifiedOn: moves with every new activity too")
    raw = models.JSONField(default=dict)
    read_at = models.DateTimeField()
    records_read_at = models.DateTimeField(null=True, help_text="its activities, completely")
    tasks_read_at = models.DateTimeField(null=True, help_text="its tasks, completely")
    activity_count = models.PositiveIntegerField(default=0)
    task_count = models.PositiveIntegerField(default=0)
    gone_at = models.DateTimeField(null=True, help_text="LeadSquared no longer shows it")

    class Meta:
        verbose_name = lazy("lead")
        verbose_name_plural = lazy("leads")
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=["prospect_id", "account"], name="lead_once"),)
        indexes = (models.Index(fields=["id"], name="leads_gone", condition=Q(gone_at__isnull=False)),)

    def __str__(self) -> str:
        # Nothing else: Django's admin log, the queue and every message keep str(obj).
        return self.prospect_id


class CrmUser(models.Model):
    """One of the customer's people: an owner of leads and tasks. LeadSquared deactivates them and deletes none."""

    account = models.ForeignKey(Account, models.CASCADE, db_index=False)
    user_id = models.CharField(max_length=36)
    name = models.CharField(max_length=300, blank=True)
    email = models.CharField(max_length=320, blank=True)
    role = models.CharField(max_length=100, blank=True)
    active = models.BooleanField(default=True)
    read_at = models.DateTimeField()

    class Meta:
        verbose_name = lazy("LeadSquared user")
        verbose_name_plural = lazy("LeadSquared users")
        ordering = ("name", "id")
        constraints = (models.UniqueConstraint(fields=["user_id", "account"], name="crm_user_once"),)

    def __str__(self) -> str:
        return self.name or self.user_id


class SearchTerm(models.Model):
    """What a lead is found by (`lsq_ops/terms.py`). Bytes, which every database orders alike."""

    lead = models.ForeignKey(Lead, models.CASCADE, related_name="terms", db_index=False)
    term = models.BinaryField()

    class Meta:
        # One to find leads by a term, one to ask whether a lead that was found has another term too.
        constraints = (models.UniqueConstraint(fields=["term", "lead"], name="term_once"),)
        indexes = (models.Index(fields=["lead", "term"], name="terms_of_lead"),)

    def __str__(self) -> str:
        return _("term {number}").format(number=self.pk)  # the term itself is personal data


class Activity(models.Model):
    # Each index more is written with every row of every reading.
    account = models.ForeignKey(Account, models.CASCADE, db_index=False)
    lead = models.ForeignKey(Lead, models.CASCADE, db_index=False)
    activity_id = models.CharField(verbose_name=lazy("activity id"), max_length=36)
    event_code = models.IntegerField()
    event_name = models.CharField(max_length=300, blank=True)
    activity_type = models.IntegerField(null=True)
    created_on = models.DateTimeField(null=True)
    modified_on = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=300, blank=True)
    raw = models.JSONField(default=dict)
    read_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = lazy("activity")
        verbose_name_plural = lazy("activities")
        ordering = ("-created_on",)
        constraints = (models.UniqueConstraint(fields=["activity_id", "account"], name="activity_once"),)
        indexes = (
            models.Index(fields=["lead", "event_code", "created_on"]),
            models.Index(fields=["id"], name="activities_gone", condition=Q(gone_at__isnull=False)),
        )

    def __str__(self) -> str:
        return self.activity_id


class Task(models.Model):
    account = models.ForeignKey(Account, models.CASCADE, db_index=False)
    task_id = models.CharField(verbose_name=lazy("task id"), max_length=36)
    lead_id = models.CharField(max_length=36, blank=True, help_text="prospect id, where one is known")
    owner_id = models.CharField(max_length=36, blank=True)
    owner_name = models.CharField(max_length=300, blank=True)
    name = models.CharField(max_length=500, blank=True)
    name_term = models.BinaryField(null=True, db_index=True, help_text="what it is found by: how its name begins")
    due = models.DateTimeField(null=True)
    completed = models.BooleanField(null=True)
    raw = models.JSONField(default=dict)
    read_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = lazy("task")
        verbose_name_plural = lazy("tasks")
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=["task_id", "account"], name="task_once"),)
        indexes = (
            models.Index(fields=["lead_id"]),
            # An owner's tasks are counted in it alone: the rows themselves are long.
            models.Index(fields=["owner_id", "gone_at", "account", "completed", "due"], name="tasks_of_owner"),
            models.Index(fields=["id"], name="tasks_gone", condition=Q(gone_at__isnull=False)),
        )

    def __str__(self) -> str:
        return self.task_id


class Holds(models.QuerySet["Hold"]):
    def in_force(self, now: datetime | None = None) -> "Holds":
        """Those that neither ended nor were lifted."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=now or db_now()), lifted_at=None)


class Hold(models.Model):
    """A lead or a task that is not to be touched, whoever asks; until it ends by itself, or is lifted."""

    account = models.ForeignKey(Account, models.PROTECT)
    record_type = models.CharField(max_length=10, choices=[("lead", lazy("lead")), ("task", lazy("task"))])
    record_id = models.CharField(max_length=36)
    reason = models.CharField(max_length=300)
    set_by = models.CharField(max_length=150)
    set_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=150, default="")

    objects = Holds.as_manager()

    class Meta:
        verbose_name = lazy("hold")
        verbose_name_plural = lazy("holds")
        indexes = (models.Index(fields=["account", "record_id"]),)

    def __str__(self) -> str:
        return f"{self.get_record_type_display()} {self.record_id}"
