"""An uploaded file that names records, a line each; kept as it came, with what became of every line."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _

from lsq_ops.wording import lazy

from .accounts import Account
from .requests import Selection


class UploadedList(models.Model):
    """Its owner's own. It is unpacked into rows, then these are judged, a part at a time: `read_parts` is where whoever
    goes on begins, and `read_at` is empty until the end. The file and its lines may be thrown away; what is left says
    what was uploaded."""

    class Names(models.TextChoices):
        LEAD = "lead", lazy("leads")
        ACTIVITY = "activity", lazy("activities")
        DAY = "day", lazy("a lead and a day")
        TASK = "task", lazy("tasks")

    account = models.ForeignKey(Account, models.CASCADE, db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.CharField(max_length=80)
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField(help_text="bytes")
    made_at = models.DateTimeField()

    names = models.CharField(max_length=10, choices=Names, help_text="what a line names")
    how = models.JSONField(default=dict, help_text="which sheet and columns, and how they are to be read")
    total = models.PositiveIntegerField(default=0, help_text="lines, as far as can be told before they are read")
    unpacked = models.BooleanField(default=False, help_text="its parts hold rows")
    read_parts = models.PositiveIntegerField(default=0)
    last_line = models.PositiveIntegerField(default=0)
    lines = models.PositiveIntegerField(default=0, help_text="that held something, the heading left out")
    counts = models.JSONField(default=dict, help_text="verdict -> lines")
    notes = models.JSONField(default=list, help_text="sentences about the file")
    why = models.CharField(max_length=300, blank=True, help_text="why it could not be read to its end")
    read_at = models.DateTimeField(null=True)
    selection = models.ForeignKey(Selection, models.SET_NULL, null=True, related_name="+")
    thrown_at = models.DateTimeField(null=True, help_text="the file and its lines are not kept any more")

    tries = models.PositiveIntegerField(default=0)
    claimed_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name = lazy("upload")
        verbose_name_plural = lazy("uploads")
        ordering = ("-id",)
        indexes = (models.Index(fields=["id"], name="uploads_to_read", condition=Q(read_at__isnull=True)),)

    def __str__(self) -> str:
        return _("upload {number}").format(number=self.pk)  # a file's name may name people

    @property
    def record_type(self) -> str:
        """Of what a selection is made from it."""
        return "activity" if self.names == self.Names.DAY else self.names

    def source(self) -> dict[str, Any]:
        """What a selection keeps of it."""
        taken = self.counts.get("taken", 0)
        refused = {verdict: count for verdict, count in self.counts.items() if verdict != "taken"}
        facts = {"upload": self.pk, "name": self.name, "sha256": self.sha256, "lines": self.lines}
        return {**facts, "taken": taken, "refused": refused}


class UploadedPart(models.Model):
    """A megabyte of the file as it came; once it is unpacked, some of its rows: zlib of JSON, [[line, [[text, kind],
    …]], …]."""

    upload = models.ForeignKey(UploadedList, models.CASCADE, related_name="parts", db_index=False)
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        ordering = ("number",)
        constraints = (models.UniqueConstraint(fields=["upload", "number"], name="uploaded_part_once"),)

    def __str__(self) -> str:
        return _("part {number} of upload {upload_id}").format(number=self.number, upload_id=self.upload_id)


class UploadedLine(models.Model):
    """`ids`: the records that it takes; where a lead must be read first, that lead."""

    upload = models.ForeignKey(UploadedList, models.CASCADE, related_name="judged", db_index=False)
    line = models.PositiveIntegerField()
    verdict = models.CharField(max_length=30)
    text = models.CharField(max_length=80, blank=True)
    why = models.CharField(max_length=300, blank=True)
    ids = models.JSONField(default=list)

    class Meta:
        ordering = ("line",)
        constraints = (models.UniqueConstraint(fields=["upload", "line"], name="uploaded_line_once"),)
        indexes = (models.Index(fields=["upload", "verdict", "line"], name="uploaded_lines_by_verdict"),)

    def __str__(self) -> str:
        return _("line {line} of upload {upload_id}").format(line=self.line, upload_id=self.upload_id)
