"""System checks: settings that would start, and go wrong later. Each has an id; `manage.py doctor` runs them all."""

import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

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
SQLITE = "django.db.backends.sqlite3"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
NETWORKED = re.compile(r"^(nfs\d?|cifs|smb\w*|9p|afs|glusterfs|ceph|lustre|fuse\.(sshfs|s3fs|rclone|gcsfuse))$")
ACCESS_KEY = re.compile(r"u\$r[0-9a-zA-Z]{20,}")  # leadsquared: page "authentication"
SHORTEST_SECRET = 32
SHORTEST_TOKEN = 16
MOUNTS = Path("/proc/mounts")


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
    if database["ENGINE"] != SQLITE or mode == "IMMEDIATE":
        return []
    return [
        Error(
            f"DATABASES['default']['OPTIONS']['transaction_mode'] is {mode!r}; expected 'IMMEDIATE'.",
            hint="Take transaction_mode out of DATABASE_URL.",
            id="lsq_ops.E002",
        )
    ]


@register(Tags.compatibility)
def sqlite_place(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.E003: a network disk's locks don't hold, and a SQLite file on it is lost one day."""
    database = settings.DATABASES["default"]
    if database["ENGINE"] != SQLITE:
        return []
    kind = file_system(Path(str(database["NAME"])))
    if not NETWORKED.match(kind):
        return []
    return [
        Error(
            f"The SQLite database lies on a network disk ({kind}).",
            hint="Set DATA_DIR to a folder on a disk of this machine, or DATABASE_URL to a PostgreSQL server.",
            id="lsq_ops.E003",
        )
    ]


def file_system(path: Path) -> str:
    """The type of the file system that holds the path, as the kernel calls it; "" where that can't be known."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    place = path.resolve()
    best, kind = -1, ""
    for line in lines:
        _, where, found, *_ = line.split(" ")
        where = where.replace("\\040", " ")
        if place.is_relative_to(where) and len(where) > best:
            best, kind = len(where), found
    return kind


@register(Tags.security)
def real_account(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.E004 and E005: what must not be where the keys of a real account are."""
    return [] if settings.SANDBOX_MODE else list(_dangers())


def _dangers() -> Iterator[CheckMessage]:
    if settings.DEBUG:
        yield Error(
            "DEBUG is on, with the keys of a real account: an error page would show them.",
            hint="Take DEBUG out of the environment and out of .env.",
            id="lsq_ops.E004",
        )
    parts = urlsplit(settings.PUBLIC_URL)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        yield Error(
            f"PUBLIC_URL is plain http ({parts.hostname}): passwords, sessions and webhook tokens would be read on the"
            " way.",
            hint="Put a reverse proxy with HTTPS in front, and set PUBLIC_URL to its https:// address.",
            id="lsq_ops.E005",
        )


@register(Tags.security)
def keys_as_given(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.E006 and W007: a `$` in a key is a letter like any other. django-environ, shells and compose files take
    it for a reference, and what is left of the key is refused by LeadSquared, or worse, is somebody else's."""
    return [] if settings.SANDBOX_MODE else list(_misread())


def _misread() -> Iterator[CheckMessage]:
    for name in ("LSQ_ACCESS_KEY", "LSQ_SECRET_KEY", "SECRET_KEY", "AUDIT_KEY"):
        given = os.environ.get(name, "")
        if given and f"{name}_FILE" not in os.environ and given != getattr(settings, name):
            yield Error(
                f"{name} in the environment is not the key that the portal uses.",
                hint="Read secrets with environment.secret(): other readers take a `$` for a reference.",
                id="lsq_ops.E006",
            )
    if not ACCESS_KEY.fullmatch(settings.LSQ_ACCESS_KEY):
        yield Warning(
            "LSQ_ACCESS_KEY does not look like one of LeadSquared's, which begin with u$r.",
            hint="A shell or a compose file has perhaps taken `$r…` for a variable: write the key in single quotes in a"
            " shell, with $$ in a compose file, or use LSQ_ACCESS_KEY_FILE.",
            id="lsq_ops.W007",
        )


@register(Tags.security, deploy=True)
def own_secrets(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.W008: whoever guesses them signs sessions, or anchors of the trail."""
    weak = [name for name in ("SECRET_KEY", "AUDIT_KEY") if len(getattr(settings, name)) < SHORTEST_SECRET]
    same = [] if settings.SECRET_KEY != settings.AUDIT_KEY else ["SECRET_KEY and AUDIT_KEY are the same."]
    said = [f"{name} is shorter than {SHORTEST_SECRET} signs." for name in weak] + same
    hint = "Leave it blank in .env and run ./dev up once, which writes one; keep the old AUDIT_KEY for older anchors."
    return [Warning(sentence, hint=hint, id="lsq_ops.W008") for sentence in said]


@register(Tags.security)
def watching(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.E034 to W036: what tells others how the portal is."""
    return list(_untold())


def _untold() -> Iterator[CheckMessage]:
    if settings.HEARTBEAT_URL and (wrong := _heartbeat()):
        yield Error(
            f"HEARTBEAT_URL {wrong}.", hint="Take the https:// address as your watcher gives it.", id="lsq_ops.E034"
        )
    if settings.SENTRY_DSN and importlib.util.find_spec("sentry_sdk") is None:
        yield Error(
            "SENTRY_DSN is set, but sentry-sdk is not installed: no error is reported.",
            hint="Install sentry-sdk beside the portal (pip install 'sentry-sdk>=2.20'), or take SENTRY_DSN out.",
            id="lsq_ops.E035",
        )
    if settings.METRICS_TOKEN and len(settings.METRICS_TOKEN) < SHORTEST_TOKEN:
        yield Warning(
            f"METRICS_TOKEN is shorter than {SHORTEST_TOKEN} signs: it could be guessed.",
            hint="Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
            id="lsq_ops.W036",
        )


def _heartbeat() -> str:
    """What is wrong with the address, without the address: its path is a password."""
    try:
        parts = urlsplit(settings.HEARTBEAT_URL)
        _ = parts.port
    except ValueError:
        return "is no address"
    if not parts.hostname or not settings.HEARTBEAT_URL.isascii() or re.search(r"\s", settings.HEARTBEAT_URL):
        return "is no address"
    if parts.username or parts.password:
        return "holds a user name or password, which is not sent"
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return ""
    return "must begin with https://; plain http is taken on this machine only"


@register(Tags.database)
def guards_in_place(app_configs: Any, databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.W009: asked by `migrate` too, which puts them back; so it warns and does not refuse."""
    from lsq_ops.health import migrations_wait
    from lsq_ops.models import guards

    if "default" not in (databases or ()) or migrations_wait():
        return []
    return [
        Warning(
            f"The database's own rules: {trouble}.",
            hint="Run manage.py migrate to put them back, and ask who took them away.",
            id="lsq_ops.W009",
        )
        for trouble in guards.compare(connections["default"])
    ]
