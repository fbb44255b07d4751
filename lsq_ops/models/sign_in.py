"""What signing in leaves behind: whose new votes are suspended, and what all web processes must know at once."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext as _

from lsq_ops.wording import lazy


class VotingSuspension(models.Model):
    """A password or a second factor changed: whoever did it may not be who they say they are, so new votes of this
    person wait, and sessions that began before are over. A row for each change, never altered or removed; where
    nothing is to wait, `until` is `at`."""

    class Why(models.TextChoices):
        PASSWORD_RESET = "password_reset", lazy("password was reset")
        PASSWORD_CHANGED = "password_changed", lazy("password changed")
        FACTOR_ADDED = "second_factor_added", lazy("second factor was set up")
        FACTOR_REMOVED = "second_factor_removed", lazy("second factor was removed")
        FACTOR_RESET = "second_factor_reset", lazy("second factor was reset")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="suspensions")
    until = models.DateTimeField()
    why = models.CharField(max_length=25, choices=Why)
    at = models.DateTimeField()
    by = models.CharField(max_length=150)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return _("suspension {number}").format(number=self.pk)


class CacheEntry(models.Model):
    """The table of Django's database cache: a code that was used, and wrong codes, are known to every web process."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "lsq_ops_cache"

    def __str__(self) -> str:
        return _("cache entry")
