"""What a run that erases keeps: how far it came, and what it erased."""

from django.db import models


class ErasingRun(models.Model):
    """`rule` and `after` are where it stands: whoever goes on begins there."""

    by = models.CharField(max_length=150)
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

    def __str__(self) -> str:
        return f"retention run {self.pk}"
