"""What a restore leaves in the database that it made: that it happened, of which backup, and by whom."""

from django.db import models


class Restoration(models.Model):
    """One restore. What happened behind `taken_at` this database knows nothing of, but for what `facts` tell."""

    at = models.DateTimeField()
    by = models.CharField(max_length=150)
    taken_at = models.DateTimeField(help_text="when the backup was taken")
    sha256 = models.CharField(max_length=64, help_text="of the database in the backup")
    head_seq = models.BigIntegerField(help_text="the audit trail's last event in the backup")
    facts = models.JSONField(default=dict, help_text="what was done at once: counts")

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"restore {self.pk}"
