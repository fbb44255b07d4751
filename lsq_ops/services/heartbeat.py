"""Tells a watcher outside, once a minute, that the portal works, or that it does not. Silence is an alarm there: so
whatever is at work tells it, the workers and the watchdog, and whoever is first in a minute does.

Beside the work, never in its way: in a thread of its own, within a deadline, and nothing that goes wrong is raised.
"""

import logging
import threading
import time
from datetime import timedelta

from django.conf import settings
from django.db import connection

from lsq_ops import outside
from lsq_ops.models import Beat, db_now

from . import doctor

log = logging.getLogger(__name__)
EVERY = timedelta(minutes=1)
TOLD, FAILING = "heartbeat", "heartbeat failing"  # rows that only remember a time
_alone = -EVERY.total_seconds()  # when this process last told that the database is away


def keep() -> None:
    """Tell, if nobody has done so within a minute. Cheap where nothing is due."""
    if settings.HEARTBEAT_URL and _is_due():
        threading.Thread(target=tell, name="heartbeat", daemon=True).start()


def keep_without_database() -> None:
    """The same where the tables can't be asked who has told: this process alone counts its minutes."""
    global _alone
    if settings.HEARTBEAT_URL and time.monotonic() - _alone >= EVERY.total_seconds():
        _alone = time.monotonic()
        threading.Thread(target=_ping, args=[False], name="heartbeat", daemon=True).start()


def tell() -> None:
    """Look, ping, and log a failure when it begins and when it is over, not each minute."""
    try:
        _remember(_ping(not doctor.red()))
    except Exception as trouble:  # the database went away meanwhile; the next minute says so
        log.warning("HEARTBEAT_URL was not told: %s", type(trouble).__name__)
    finally:
        connection.close()


def _ping(well: bool) -> str:
    return outside.ping(settings.HEARTBEAT_URL if well else outside.failing(settings.HEARTBEAT_URL))


def _is_due() -> bool:
    now = db_now()
    told, made = Beat.objects.get_or_create(name=TOLD, defaults={"at": now})
    return made or bool(Beat.objects.filter(name=TOLD, at=told.at, at__lte=now - EVERY).update(at=now))


def _remember(trouble: str) -> None:
    """In a row, so that of several processes one says it."""
    if not trouble:
        if Beat.objects.filter(name=FAILING).delete()[0]:
            log.info("HEARTBEAT_URL answers again.")
    elif Beat.objects.get_or_create(name=FAILING, defaults={"at": db_now()})[1]:
        log.warning("HEARTBEAT_URL could not be told: %s. It is tried again each minute.", trouble)
