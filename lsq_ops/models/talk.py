"""What people say to one another about a request besides their votes: proposals to strike out, questions, answers."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext as _


class StrikeOut(models.Model):
    """One lead or record that an approver proposes to leave out; part of the vote that asked for changes."""

    vote = models.ForeignKey("Vote", models.PROTECT, related_name="strike_outs")
    record_type = models.CharField(max_length=10, help_text="lead, activity or task")
    record_id = models.CharField(max_length=36)

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["vote", "record_type", "record_id"], name="strike_out_once"),)

    def __str__(self) -> str:
        return f"{self.record_type} {self.record_id}"


class Message(models.Model):
    """A question about a request, or an answer to one. Never changed; it moves no state and voids no vote."""

    request = models.ForeignKey("DeletionRequest", models.PROTECT, related_name="messages")
    version = models.ForeignKey("RequestVersion", models.PROTECT, related_name="+")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    author_name = models.CharField(max_length=150)
    text = models.CharField(max_length=1000)
    salt = models.CharField(max_length=32, help_text="of the text's hash in the audit trail")
    at = models.DateTimeField()
    answers = models.ForeignKey("self", models.PROTECT, null=True, related_name="replies")

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return _("message {number}").format(number=self.pk)
