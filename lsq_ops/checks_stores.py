"""System checks of where things are kept: databases, Redis, files, and the clock that they are written by.
docs/checks.md has all ids."""

import os
import re
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.utils.translation import gettext as _

from .checks import SQLITE
from .checks_web import is_here

# journal_mode and foreign_keys, and what they must be: readers that don't wait for writers, and no row without its own.
PRAGMAS = {"journal_mode": "wal", "foreign_keys": "on"}
WORKERS_ON_SQLITE = 16
ENCRYPTED = ("require", "verify-ca", "verify-full")
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@register(Tags.database)
def workers_on_sqlite(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.W017: SQLite has one writer at a time; the others wait, until one waits too long."""
    workers = int(settings.Q_CLUSTER["workers"])  # type: ignore[call-overload]
    if settings.DATABASES["default"]["ENGINE"] != SQLITE or workers <= WORKERS_ON_SQLITE:
        return []
    return [
        Warning(
            _("Q_WORKERS is {workers}, but SQLite lets one write at a time.").format(workers=workers),
            hint=_("Set Q_WORKERS to at most {most}, or DATABASE_URL to a PostgreSQL server.").format(
                most=WORKERS_ON_SQLITE
            ),
            id="lsq_ops.W017",
        )
    ]


@register(Tags.database)
def one_machine(app_configs: Any, databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.W018: two machines don't see each other's locks on a SQLite file, whatever disk it lies on. Asked only
    where the database is asked (`migrate`, `check --database`, `doctor`)."""
    from lsq_ops.health import migrations_wait
    from lsq_ops.models import Beat, db_now, timing

    if settings.DATABASES["default"]["ENGINE"] != SQLITE or "default" not in (databases or ()) or migrations_wait():
        return []
    lately = Beat.parts().filter(at__gt=db_now() - timedelta(seconds=timing().beat_stale))
    hosts = sorted({beat.name.partition(" on ")[2] for beat in lately})
    if len(hosts) < 2:
        return []
    return [
        Warning(
            _("Several machines use one SQLite file: {hosts}.").format(hosts=", ".join(hosts)),
            hint=_("Stop all but one at once: the file breaks. For several machines set DATABASE_URL to PostgreSQL."),
            id="lsq_ops.W018",
        )
    ]


@register(Tags.database)
def sqlite_journal(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.E019: what every connection to SQLite is told first."""
    database = settings.DATABASES["default"]
    if database["ENGINE"] != SQLITE:
        return []
    told = database.get("OPTIONS", {}).get("init_command") or ""
    said = {name: value.lower() for name, value in re.findall(r"PRAGMA (\w+)\s*=\s*(\w+)", told, re.IGNORECASE)}
    return [
        Error(
            _("SQLite is opened without {name}={value}.").format(name=name, value=value),
            hint=_("Take init_command out of DATABASE_URL: portal/settings.py says what SQLite needs."),
            id="lsq_ops.E019",
        )
        for name, value in PRAGMAS.items()
        if said.get(name) != value
    ]


@register(Tags.security)
def way_to_postgresql(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.W020: the database holds what LeadSquared says about people, and its password goes the same way."""
    database = settings.DATABASES["default"]
    if database["ENGINE"] == SQLITE or settings.SANDBOX_MODE or is_here(database.get("HOST")):
        return []
    if database.get("OPTIONS", {}).get("sslmode") in ENCRYPTED:
        return []
    return [
        Warning(
            _("The way to PostgreSQL on {host} is perhaps not encrypted.").format(host=database["HOST"]),
            hint=_("Add ?sslmode=verify-full (or at least ?sslmode=require) to DATABASE_URL."),
            id="lsq_ops.W020",
        )
    ]


@register(Tags.security)
def way_to_redis(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.W021: whoever writes into the queue has the worker do things. The tables still decide what is sent."""
    if not settings.REDIS_URL or settings.SANDBOX_MODE:
        return []
    parts = urlsplit(settings.REDIS_URL)
    if parts.scheme == "unix" or is_here(parts.hostname):
        return []
    lacks = [] if parts.password or parse_qs(parts.query).get("password") else [_("a password")]
    lacks += [] if parts.scheme == "rediss" else [_("TLS")]
    return [
        Warning(
            _("Redis on {host} is used without {what}.").format(host=parts.hostname, what=what),
            hint=_("Set REDIS_URL like rediss://:password@host:6380/0, or run Redis on this machine."),
            id="lsq_ops.W021",
        )
        for what in lacks
    ]


@register(Tags.security)
def folder(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.E025, W026 and W027: files hold what LeadSquared says about people, and `.env` holds the keys."""
    return list(_folder(Path(settings.DATA_DIR)))


def _folder(place: Path) -> Iterator[CheckMessage]:
    # A folder that is missing is made by `up`, inside the nearest one that is there.
    nearest = next((one for one in (place, *place.absolute().parents) if one.exists()), Path("/"))
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        yield Error(
            _("DATA_DIR is {place}, where this user can't write.").format(place=place),
            hint=_("Give {nearest} to the user that runs the portal, or set another DATA_DIR.").format(nearest=nearest),
            id="lsq_ops.E025",
        )
    if place.is_dir() and place.stat().st_mode & OTHERS:
        yield Warning(
            _("DATA_DIR ({place}) is open to other users of this machine.").format(place=place),
            hint=_("chmod 700 {place}; ./dev up does that too.").format(place=place),
            id="lsq_ops.W026",
        )
    if settings.ENV_FILE.is_file() and settings.ENV_FILE.stat().st_mode & OTHERS:
        yield Warning(
            _("{file} holds the keys, and other users of this machine may read or write it.").format(
                file=settings.ENV_FILE
            ),
            hint=_("chmod 600 {file}").format(file=settings.ENV_FILE),
            id="lsq_ops.W027",
        )


@register(Tags.compatibility)
def clock(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.E028: windows are sent in UTC, and waits are reckoned in it."""
    if settings.USE_TZ and settings.TIME_ZONE == "UTC":
        return []
    return [
        Error(
            _("TIME_ZONE is {zone} and USE_TZ {use}; only 'UTC' and True are known to work.").format(
                zone=repr(settings.TIME_ZONE), use=settings.USE_TZ
            ),
            hint=_("Leave both as portal/settings.py ships them. The account's own zone is LSQ_TIME_ZONE."),
            id="lsq_ops.E028",
        )
    ]
