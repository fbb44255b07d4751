"""Readings: what LeadSquared showed of one lead or owner at one time, whole or marked as not whole."""

import gzip
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from django.db import models
from django.utils.translation import gettext as _

from lsq_ops.wording import lazy

from .accounts import Account
from .requests import DeletionRequest


class ActivitySnapshot(models.Model):
    """One reading of one subject. It is ordered as a row, claimed by a worker by lane, filled once.

    `subject` is what is read: a lead's activities, a lead's tasks, or an owner's tasks in both status codes.
    """

    class Subject(models.TextChoices):
        LEAD_ACTIVITIES = "lead_activities", lazy("activities of a lead")
        LEAD_TASKS = "lead_tasks", lazy("tasks of a lead")
        OWNER_TASKS = "owner_tasks", lazy("tasks of an owner")

    class Lane(models.IntegerChoices):
        VERIFY = 0, lazy("reading back")
        SEND = 1, lazy("reading just before a send")
        PREVIEW = 2, lazy("reading for a preview")
        MIRROR = 3, lazy("refreshing the mirror")

    account = models.ForeignKey(Account, models.PROTECT)
    request = models.ForeignKey(DeletionRequest, models.PROTECT, null=True, related_name="snapshots")
    subject = models.CharField(max_length=20, choices=Subject)
    subject_id = models.CharField(max_length=36)
    lane = models.PositiveSmallIntegerField(choices=Lane)
    ordered_at = models.DateTimeField()
    not_before = models.DateTimeField(null=True)
    claimed_until = models.DateTimeField(null=True, help_text="the lease; its value tells whose it is")
    tries = models.PositiveIntegerField(default=0, help_text="tries that failed")
    started_at = models.DateTimeField(null=True, help_text="when the reading began, its earlier turns counted")
    read_at = models.DateTimeField(null=True)
    complete = models.BooleanField(default=False)
    lead_gone = models.BooleanField(default=False, help_text="LeadSquared knows no such lead")
    why = models.CharField(max_length=300, blank=True, help_text="why it is not complete")
    records = models.PositiveIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    contents_erased_at = models.DateTimeField(null=True, help_text="by retention; count and hash stay")

    class Meta:
        ordering = ("id",)
        indexes = (
            models.Index(
                fields=["id"],
                name="snapshot_of_the_mirror",
                condition=models.Q(request__isnull=True, contents_erased_at__isnull=True),
            ),
            models.Index(
                fields=["read_at"], name="snapshot_not_whole", condition=models.Q(complete=False, read_at__isnull=False)
            ),
            models.Index(fields=["lane", "id"], name="snapshot_agenda", condition=models.Q(read_at__isnull=True)),
            models.Index(fields=["request", "subject", "subject_id", "ordered_at"]),
        )

    def __str__(self) -> str:
        return _("snapshot {number}").format(number=self.pk)

    def rows(self) -> list[dict[str, Any]]:
        """The records as LeadSquared gave them; empty where retention emptied them."""
        return unpack(bytes(self.content.packed)) if hasattr(self, "content") else []


class SnapshotPage(models.Model):
    """One answer of a reading under way: a reading that is cut short goes on behind it. Gone when it is finished."""

    snapshot = models.ForeignKey(ActivitySnapshot, models.CASCADE, related_name="pages")
    number = models.PositiveIntegerField()
    asked = models.CharField(max_length=64, help_text="SHA-256 of what was asked; other questions get no old answers")
    packed = models.BinaryField()

    class Meta:
        ordering = ("number",)
        constraints = (models.UniqueConstraint(fields=["snapshot", "number"], name="page_once"),)

    def __str__(self) -> str:
        return _("page {number} of snapshot {snapshot_id}").format(number=self.number, snapshot_id=self.snapshot_id)


class SnapshotContent(models.Model):
    """The records themselves, gzipped canonical JSON; emptied once by retention."""

    snapshot = models.OneToOneField(ActivitySnapshot, models.CASCADE, primary_key=True, related_name="content")
    packed = models.BinaryField()

    def __str__(self) -> str:
        return _("content of snapshot {snapshot_id}").format(snapshot_id=self.snapshot_id)


def pack(texts: Iterable[str]) -> tuple[bytes, str]:
    """(gzipped canonical JSON of the list of records, its SHA-256 before gzip), from each one's canonical JSON."""
    text = f"[{','.join(texts)}]".encode()
    return gzip.compress(text, 6, mtime=0), hashlib.sha256(text).hexdigest()


def unpack(packed: bytes) -> list[dict[str, Any]]:
    return json.loads(gzip.decompress(packed)) if packed else []
