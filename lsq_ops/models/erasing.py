"""What a run that erases keeps: how far it came, and what it erased."""

from django.db import models
from django.utils.translation import gettext as _

from lsq_ops.wording import lazy

from .accounts import Account


class ErasingRun(models.Model):
    """`rule` and `after` are where it stands: whoever goes on begins there."""

    by = models.CharField(verbose_name=lazy("by"), max_length=150)
    begun_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    rule = models.PositiveIntegerField(default=0)
    after = models.BigIntegerField(default=0)
    counts = models.JSONField(default=dict, help_text="rule -> how many it erased")
    kept_back = models.JSONField(default=dict, help_text="rule -> how many a hold kept back")
    claimed_until = models.DateTimeField(null=True)

    class Meta:
        abstract = True
        ordering = ("-id",)


class RetentionRun(ErasingRun):
    """One run of retention: what it erased, and what a hold kept back."""

    until = models.DateTimeField(help_text="what ended before that is erased")

    class Meta:
        verbose_name = lazy("retention run")
        verbose_name_plural = lazy("retention runs")

    def __str__(self) -> str:
        return _("retention run {number}").format(number=self.pk)


class Erasure(ErasingRun):
    """One person taken out of what the portal keeps, or the refusal of that. `person` says who while it goes on, and is
    emptied at its end: then only keyed hashes tell whether somebody is meant."""

    account = models.ForeignKey(Account, models.PROTECT, db_index=False)
    mark = models.CharField(max_length=64, db_index=True, help_text="keyed hash of the prospect id")
    key_mark = models.CharField(max_length=16, help_text="tells another AUDIT_KEY, not which")
    reason = models.CharField(max_length=300)
    ticket = models.CharField(max_length=100, blank=True)
    refused = models.CharField(max_length=300, blank=True, help_text="why nothing was erased")
    person = models.JSONField(default=dict, help_text="prospect_id, tasks, ids, emails, phones")
    lifted_at = models.DateTimeField(null=True, help_text="LeadSquared's data of the person may come in again")
    lifted_by = models.CharField(max_length=150, blank=True)
    filed_at = models.DateTimeField(null=True, help_text="told outside of the database, for a restored one")
    lift_filed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = lazy("erasure")
        verbose_name_plural = lazy("erasures")

    def __str__(self) -> str:
        return _("erasure {number}").format(number=self.pk)


class ErasedId(models.Model):
    """A lead or a task that must not come in again, as a keyed hash."""

    erasure = models.ForeignKey(Erasure, models.CASCADE, related_name="ids")
    mark = models.CharField(max_length=64, db_index=True)

    def __str__(self) -> str:
        return _("id {number} of {erasure_id}").format(number=self.pk, erasure_id=self.erasure_id)
