"""Who decides what: teams, grants, the policy, and the votes themselves."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext as _

from lsq_ops.wording import lazy


class Team(models.Model):
    name = models.CharField(max_length=100, unique=True)

    def __str__(self) -> str:
        return self.name


class ApproverGrant(models.Model):
    """The right to vote, as a member of a team, from a moment on. Revoked, never deleted."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="grants")
    team = models.ForeignKey(Team, models.PROTECT)
    counts_from = models.DateTimeField()
    given_by = models.CharField(max_length=150)
    given_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(revoked_at__isnull=True), name="one_open_grant_per_user"
            ),
        )

    def __str__(self) -> str:
        return _("{user} for {team}").format(user=self.user, team=self.team)


class Policy(models.Model):
    """The tiers, from the mildest up. `tiers` is a list of
    {name, max_items|null, max_leads|null, max_share|null, approvals, teams}; what fits none is the last one."""

    name = models.CharField(max_length=100)
    tiers = models.JSONField()
    counts_from = models.DateTimeField()
    set_by = models.CharField(max_length=150)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = lazy("policy")
        verbose_name_plural = lazy("policies")

    def __str__(self) -> str:
        return self.name


class Vote(models.Model):
    """One person's word on one version. Never changed; taking it back is a row of its own."""

    class Decision(models.TextChoices):
        APPROVE = "approve", lazy("approved")
        REJECT = "reject", lazy("rejected")
        CHANGES = "changes", lazy("asked for changes")
        WITHDRAWN = "withdrawn", lazy("took the vote back")
        CONFIRM = "confirm", lazy("confirmed in place of a lapsed approval")

    request = models.ForeignKey("DeletionRequest", models.PROTECT, related_name="votes")
    version = models.ForeignKey("RequestVersion", models.PROTECT, related_name="votes")
    voter = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    voter_name = models.CharField(max_length=150)
    grant = models.ForeignKey(ApproverGrant, models.PROTECT, related_name="+")
    team = models.ForeignKey(Team, models.PROTECT, related_name="+")
    decision = models.CharField(max_length=10, choices=Decision)
    digest = models.CharField(max_length=64)
    reason = models.CharField(max_length=1000, blank=True)
    at = models.DateTimeField()
    takes_back = models.OneToOneField("self", models.PROTECT, null=True, related_name="taken_back_by")

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=["version", "voter"],
                condition=models.Q(takes_back__isnull=True),
                name="one_vote_per_person_and_version",
            ),
            models.CheckConstraint(
                condition=models.Q(decision="withdrawn", takes_back__isnull=False)
                | (~models.Q(decision="withdrawn") & models.Q(takes_back__isnull=True)),
                name="withdrawal_names_its_vote",
            ),
        )

    def __str__(self) -> str:
        return _("vote {number}").format(number=self.pk)


class Decision(models.Model):
    """What two operators decide on an unknown outcome, or on closing a request by hand."""

    class Choice(models.TextChoices):
        RESEND = "resend", lazy("send it a second time")
        END = "end", lazy("end it as it is")
        CLOSE = "close", lazy("close the request by hand")

    request = models.ForeignKey("DeletionRequest", models.PROTECT, related_name="decisions")
    call = models.ForeignKey("DeletionCall", models.PROTECT, null=True, related_name="decisions")
    choice = models.CharField(max_length=10, choices=Choice)
    reason = models.CharField(max_length=1000)
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    confirmed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(confirmed_by__isnull=True) | ~models.Q(confirmed_by=models.F("proposed_by")),
                name="two_people_decide",
            ),
            models.UniqueConstraint(
                fields=["call"],
                condition=models.Q(confirmed_at__isnull=True, call__isnull=False),
                name="one_open_decision_per_call",
            ),
            models.UniqueConstraint(
                fields=["request"],
                condition=models.Q(confirmed_at__isnull=True, call__isnull=True),
                name="one_open_close_per_request",
            ),
        )

    def __str__(self) -> str:
        return _("decision {number}").format(number=self.pk)


class OneTimePassword(models.Model):
    """A password that somebody else knows: nothing works until it is changed. Over when the hash is another one."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    password = models.CharField(max_length=128)

    def __str__(self) -> str:
        return _("one-time password of {user_id}").format(user_id=self.user_id)


class Topic(models.TextChoices):
    """What a mail is about; people choose for each when it comes."""

    TROUBLE = "trouble", lazy("What needs attention")
    VOTE = "vote", lazy("Requests that wait for my decision")
    TALK = "talk", lazy("Questions and answers")
    MINE = "mine", lazy("What becomes of my requests")
    RULES = "rules", lazy("Who may vote, and the approval policy")
    SIGN_IN = "sign_in", lazy("My own password and second factor")


class NoticeChoice(models.Model):
    """When one person's mails of a topic come, where that isn't at once."""

    class When(models.TextChoices):
        AT_ONCE = "at_once", lazy("at once")
        HOURLY = "hourly", lazy("together, once an hour")
        DAILY = "daily", lazy("together, at eight in the morning")
        NEVER = "never", lazy("not by mail")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    topic = models.CharField(max_length=10, choices=Topic)
    when = models.CharField(max_length=10, choices=When)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "topic"], name="notice_choice_once"),)

    def __str__(self) -> str:
        return f"{self.topic}: {self.when}"


class Notice(models.Model):
    """A mail that somebody must get: written with the change, sent by the worker. No personal data of a lead."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    request = models.ForeignKey("DeletionRequest", models.CASCADE, null=True)
    topic = models.CharField(max_length=10, choices=Topic, default=Topic.TROUBLE)
    subject = models.CharField(verbose_name=lazy("subject"), max_length=200)
    text = models.TextField()
    made_at = models.DateTimeField()
    together = models.BooleanField(default=False, help_text="goes with the person's others that are due with it")
    sent_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True)

    class Meta:
        verbose_name = lazy("mail")
        verbose_name_plural = lazy("mails")
        ordering = ("-id",)
        indexes = (models.Index(fields=["id"], name="mails_to_send", condition=models.Q(sent_at__isnull=True)),)

    def __str__(self) -> str:
        return _("notice {number}").format(number=self.pk)
