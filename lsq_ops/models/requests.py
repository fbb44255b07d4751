"""The deletion request: what people see and decide on, its versions, items and kept neighbours."""

from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.utils.translation import gettext as _

from lsq_ops.wording import lazy

from .accounts import Account
from .machine import StateMachine


class DeletionRequest(StateMachine):
    class State(models.TextChoices):
        DRAFT = "draft", lazy("draft")
        PENDING = "pending", lazy("waiting for approval")
        APPROVED = "approved", lazy("approved, not yet started")
        RUNNING = "running", lazy("running")
        NEEDS_ATTENTION = "needs_attention", lazy("needs attention")
        COMPLETED = "completed", lazy("completed")
        PARTIAL = "partial", lazy("partly done")
        FAILED = "failed", lazy("failed")
        STOPPED = "stopped", lazy("stopped")
        CLOSED = "closed", lazy("closed by two people")
        REJECTED = "rejected", lazy("rejected")
        WITHDRAWN = "withdrawn", lazy("withdrawn")
        CANCELLED = "cancelled", lazy("cancelled")
        EXPIRED = "expired", lazy("expired")

    _version: "RequestVersion"
    NOUN = "request"
    ENDS = ("completed", "partial", "failed", "stopped")
    MOVES = {
        "draft": ("pending", "withdrawn"),
        "pending": ("approved", "draft", "rejected", "withdrawn", "expired", "cancelled"),
        "approved": ("running", "cancelled", "expired", "draft"),
        "running": ("needs_attention", *ENDS),
        "needs_attention": ("running", "closed", *ENDS),
        **{end: () for end in (*ENDS, "closed", "rejected", "withdrawn", "cancelled", "expired")},
    }

    account = models.ForeignKey(Account, models.PROTECT)
    kind = models.CharField(max_length=40)
    state = models.CharField(max_length=20, choices=State, default=State.DRAFT, db_index=True)
    state_at = models.DateTimeField()
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    version_number = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    starts_at = models.DateTimeField(null=True, help_text="approved: when the undo time is over")
    expires_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    stop_asked_at = models.DateTimeField(null=True)
    stop_asked_by = models.CharField(max_length=150, blank=True)
    cloned_from = models.ForeignKey("self", models.PROTECT, null=True, related_name="clones")
    look_again_at = models.DateTimeField(null=True, help_text="over, and read once more then")
    later = models.CharField(max_length=500, blank=True, help_text="what that reading showed")
    contents_erased_at = models.DateTimeField(null=True, help_text="by retention; ids, dates, outcomes and hashes stay")
    attention = models.CharField(max_length=500, blank=True, help_text="why it needs attention, or waits")
    restored_at = models.DateTimeField(null=True, help_text="came out of a backup; calls may have been sent since it")
    restore_confirmed_at = models.DateTimeField(null=True)
    restore_confirmed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name = lazy("deletion request")
        verbose_name_plural = lazy("deletion requests")
        ordering = ("-id",)
        indexes = (
            models.Index(fields=["account", "kind", "state"]),
            models.Index(
                fields=["look_again_at"], name="request_look_again", condition=models.Q(look_again_at__isnull=False)
            ),
            models.Index(
                fields=["id"], name="request_with_contents", condition=models.Q(contents_erased_at__isnull=True)
            ),
            models.Index(
                fields=["id"],
                name="request_restored",
                condition=models.Q(restored_at__isnull=False, restore_confirmed_at__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return f"DR-{self.pk}"

    @classmethod
    def locked(cls, pk: int) -> "DeletionRequest":
        """The request as it is now, under its row's lock. Locks are taken in the order request, call, attempt, slot,
        audit head."""
        if not transaction.get_connection().in_atomic_block:
            raise RuntimeError("a lock outside a transaction holds nothing")
        return cls.objects.select_for_update(of=("self",), no_key=True).select_related("account").get(pk=pk)

    @classmethod
    def unconfirmed(cls) -> models.Q:
        """Those that came out of a backup, and that nobody has confirmed since."""
        return models.Q(restored_at__isnull=False, restore_confirmed_at__isnull=True)

    @property
    def waits_after_restore(self) -> bool:
        """It came out of a backup, and nobody has confirmed yet that it may go on."""
        return self.restored_at is not None and self.restore_confirmed_at is None

    @property
    def version(self) -> "RequestVersion":
        if not hasattr(self, "_version") or self._version.number != self.version_number:
            known = getattr(self, "_prefetched_objects_cache", {}).get("versions", ())
            found = next((one for one in known if one.number == self.version_number), None)
            self._version = found or self.versions.get(number=self.version_number)
        return self._version

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        self.__dict__.pop("_version", None)
        super().refresh_from_db(*args, **kwargs)


class RequestVersion(models.Model):
    """What was asked, once. Frozen by the database when it is submitted; an edit makes the next one."""

    class Reading(models.TextChoices):
        READING = "reading", lazy("reading the leads")
        COMPLETE = "complete", lazy("read completely")
        INCOMPLETE = "incomplete", lazy("could not be read completely")

    CATEGORIES = (
        ("wrong_entry", lazy("Wrong entry")),
        ("duplicate", lazy("Entered twice")),
        ("test_data", lazy("Test data")),
        ("privacy", lazy("Privacy request")),
        ("retention", lazy("Retention rule")),
        ("migration", lazy("Migration clean-up")),
        ("other", lazy("Something else")),
    )

    request = models.ForeignKey(DeletionRequest, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    editor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    parameters = models.JSONField(help_text="what the kind's form gave, JSON")
    category = models.CharField(max_length=20, choices=CATEGORIES)
    reason = models.CharField(max_length=1000)
    ticket = models.CharField(max_length=100, blank=True)
    source = models.JSONField(default=dict, blank=True, help_text="an uploaded file's name, SHA-256 and line counts")

    reading = models.CharField(max_length=12, choices=Reading, default=Reading.READING)
    reading_from = models.DateTimeField(help_text="only readings ordered since then count")
    reading_note = models.CharField(max_length=500, blank=True)
    read_at = models.DateTimeField(null=True)
    recheck_from = models.DateTimeField(null=True, help_text="a repeat of the reading is under way since")
    rechecked_at = models.DateTimeField(null=True, help_text="an unchanged repeat of the reading")
    items_count = models.PositiveIntegerField(default=0)
    leads_count = models.PositiveIntegerField(default=0)
    kept_count = models.PositiveIntegerField(default=0)
    left_out_count = models.PositiveIntegerField(default=0)
    calls_count = models.PositiveIntegerField(default=0)
    kept_hash = models.CharField(max_length=64, blank=True)
    shares = models.JSONField(default=dict, help_text="lead -> [items, all of its activities] of the reading")

    digest = models.CharField(max_length=64, blank=True)
    submitted_at = models.DateTimeField(null=True)
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    tier = models.CharField(max_length=20, blank=True)
    tier_reason = models.CharField(max_length=300, blank=True)
    approvals_needed = models.PositiveIntegerField(default=0)
    teams_needed = models.PositiveIntegerField(default=0)
    wait_seconds = models.PositiveIntegerField(default=0)
    reminded = models.PositiveSmallIntegerField(default=0, help_text="how many of its reminders were written")

    class Meta:
        ordering = ("number",)
        constraints = (models.UniqueConstraint(fields=["request", "number"], name="version_number_once"),)

    def __str__(self) -> str:
        return _("{request} version {number}").format(request=self.request, number=self.number)


class RequestTarget(models.Model):
    """What a person picked: leads, or single activities or tasks (with the lead or owner that they are read by)."""

    version = models.ForeignKey(RequestVersion, models.CASCADE, related_name="targets")
    record_type = models.CharField(max_length=10)
    record_id = models.CharField(max_length=36)
    lead_id = models.CharField(max_length=36, blank=True)
    owner_id = models.CharField(max_length=36, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["version", "record_type", "record_id"], name="target_once"),)

    def __str__(self) -> str:
        return f"{self.record_type} {self.record_id}"


class Selection(models.Model):
    """What somebody ticked, pasted or uploaded, frozen at that moment; a draft is made from it. Ids are never form
    fields."""

    account = models.ForeignKey(Account, models.CASCADE)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    record_type = models.CharField(max_length=10, help_text="lead, activity or task")
    ids = models.JSONField()
    source = models.JSONField(default=dict)
    made_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = lazy("selection")
        verbose_name_plural = lazy("selections")

    def __str__(self) -> str:
        return _("selection {number}").format(number=self.pk)


class DeletionItem(models.Model):
    """One record that should go. Its facts never change; its outcome is written once, by reading."""

    class Outcome(models.TextChoices):
        GONE = "gone", lazy("gone")
        ALREADY_GONE = "already_gone", lazy("was already gone")
        STILL_PRESENT = "still_present", lazy("still there")
        SKIPPED = "skipped", lazy("not sent")
        UNVERIFIABLE = "unverifiable", lazy("can't be read")

    version = models.ForeignKey(RequestVersion, models.CASCADE, related_name="items")
    call = models.ForeignKey("DeletionCall", models.PROTECT, related_name="items")
    record_id = models.CharField(max_length=36)
    lead_id = models.CharField(max_length=36, blank=True)
    owner_id = models.CharField(max_length=36, blank=True)
    event_code = models.IntegerField(null=True)
    label = models.CharField(max_length=300, blank=True, help_text="the type's name; nothing personal")
    at = models.DateTimeField(null=True)
    content_hash = models.CharField(max_length=64)
    odd = models.CharField(max_length=200, blank=True)
    outcome = models.CharField(max_length=14, choices=Outcome, blank=True)
    outcome_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["version", "record_id"], name="item_once"),)
        indexes = (models.Index(fields=["version", "lead_id"]), models.Index(fields=["record_id"]))

    def __str__(self) -> str:
        return self.record_id


class ItemContent(models.Model):
    """What the item held, and the salt of its hash. The one part of an item that retention may empty."""

    item = models.OneToOneField(DeletionItem, models.CASCADE, primary_key=True, related_name="content")
    salt = models.CharField(max_length=32, blank=True)
    raw = models.JSONField(null=True)

    def __str__(self) -> str:
        return _("content of {item_id}").format(item_id=self.item_id)


class KeptNeighbour(models.Model):
    """A record of the same leads that must stay; with `why` it was chosen but can't be parted from a kept one."""

    version = models.ForeignKey(RequestVersion, models.CASCADE, related_name="kept")
    record_id = models.CharField(max_length=36)
    lead_id = models.CharField(max_length=36, blank=True)
    event_code = models.IntegerField(null=True)
    label = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(null=True)
    why = models.CharField(max_length=300, blank=True)
    near = models.BooleanField(default=False, help_text="of the same type, and within an hour of a window")

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["version", "record_id"], name="kept_once"),)
        indexes = (models.Index(fields=["version", "lead_id"]),)

    def __str__(self) -> str:
        return self.record_id
