"""System checks: settings that would start, and go wrong later."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

# Measured with django-q2 1.11: with other values jobs run twice, are lost, or the queue's own tables grow.
QUEUE = {
    "queue_limit": 1,
    "bulk": 1,
    "timeout": 60,
    "retry": 600,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "scheduler": False,
    "save_limit": -1,
}


@register(Tags.compatibility)
def queue_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.E001: the queue only rings, and only these settings were proven to do that."""
    return [
        Error(
            f"Q_CLUSTER[{name!r}] is {settings.Q_CLUSTER.get(name)!r}; only {value!r} is known to work.",
            hint="The tables decide, the queue rings; see portal/settings.py.",
            id="lsq_ops.E001",
        )
        for name, value in QUEUE.items()
        if settings.Q_CLUSTER.get(name) != value
    ]


@register(Tags.database)
def sqlite_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.E002: on SQLite two processes write at once only with IMMEDIATE transactions."""
    database = settings.DATABASES["default"]
    mode = database.get("OPTIONS", {}).get("transaction_mode")
    if database["ENGINE"] != "django.db.backends.sqlite3" or mode == "IMMEDIATE":
        return []
    return [
        Error(
            f"DATABASES['default']['OPTIONS']['transaction_mode'] is {mode!r}; expected 'IMMEDIATE'.",
            hint="Take transaction_mode out of DATABASE_URL.",
            id="lsq_ops.E002",
        )
    ]
