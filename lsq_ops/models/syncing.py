"""One run of bringing the mirror's leads in step with LeadSquared."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _

from lsq_ops.wording import lazy

from .accounts import Account
from .machine import StateMachine


class MirrorSync(StateMachine):
    """`leg`, `page` and `after` are where it stands: whoever goes on begins there. A later run takes over what a
    stopped one left."""

    class State(models.TextChoices):
        RUNNING = "running", lazy("running")
        ASKING = "asking", lazy("waits for an answer")
        DONE = "done", lazy("done")
        STOPPED = "stopped", lazy("stopped")

    class Leg(models.TextChoices):
        USERS = "users", lazy("users and activity types")
        CHANGED = "changed", lazy("leads that changed")
        THERE = "there", lazy("leads that may be gone")

    NOUN = "sync"
    MOVES = {"running": ("asking", "done", "stopped"), "asking": ("running", "stopped"), "done": (), "stopped": ()}

    account = models.ForeignKey(Account, models.CASCADE, db_index=False)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    by = models.CharField(max_length=150)
    begun_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    since = models.DateTimeField(null=True, help_text="leads that changed since then; empty: all leads")
    covers_to = models.DateTimeField(help_text="once done, what changed until then is in the mirror")
    whole = models.BooleanField(default=False, help_text="every lead of the mirror is looked for in LeadSquared")

    leg = models.CharField(max_length=10, choices=Leg, default=Leg.USERS)
    page = models.PositiveIntegerField(default=1, help_text="the page of changed leads that is read next")
    after = models.BigIntegerField(default=0, help_text="the row of the last lead that was looked for")
    total = models.PositiveIntegerField(null=True, help_text="changed leads, as LeadSquared counts them")
    to_look = models.PositiveIntegerField(default=0, help_text="leads to be looked for")
    taken = models.PositiveIntegerField(default=0)
    looked = models.PositiveIntegerField(default=0)
    carried = models.PositiveIntegerField(default=0, help_text="taken and looked for by the stopped run before it")
    gone = models.PositiveIntegerField(default=0)

    question = models.CharField(max_length=500, blank=True)
    allowed_by = models.CharField(max_length=150, blank=True, help_text="who said that the missing leads are gone")
    tries = models.PositiveIntegerField(default=0)
    why = models.CharField(max_length=300, blank=True)
    not_before = models.DateTimeField(null=True)
    claimed_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name = lazy("sync of leads")
        verbose_name_plural = lazy("syncs of leads")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=["account"], condition=Q(state__in=["running", "asking"]), name="one_open_sync"
            ),
        )

    def __str__(self) -> str:
        return _("sync {number}").format(number=self.pk)
