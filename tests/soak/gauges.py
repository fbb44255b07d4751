"""What is measured of a portal at work, from outside: its processes in /proc, its pages over HTTP, its tables."""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from http.cookiejar import CookieJar
from pathlib import Path
from statistics import fmean
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models import Sum

from lsq_ops.models import Account, Attempt, BudgetDay, DeletionRequest, Notice, db_now
from lsq_ops.services import operations
from lsq_ops.services.people import DEMO_PASSWORD

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
ROLES = {"web": b"waitress", "sandbox": b"\0sandbox\0", "worker": b"\0worker\0", "reaper": b"reaper.py"}
PAGES = {"Home": "/admin/", "Requests": "/admin/lsq_ops/deletionrequest/", "Operations": "/admin/operations/"}


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    role: str
    rss_mb: float
    files: int


@dataclass(slots=True)
class Sample:
    at: float
    calls: int
    processes: list[Process]
    pages_ms: dict[str, float]
    call_ms: float | None
    queue_age: float
    rings: int
    open_requests: int
    mails_sent: int
    database_mb: float
    log_mb: float
    tables: dict[str, int] = field(default_factory=dict)

    def of(self, role: str) -> list[Process]:
        return [one for one in self.processes if one.role == role]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Gauges:
    """`up` is the process of `manage.py up`, whose family is looked at; `base` the portal's address."""

    def __init__(self, up: int, base: str, folder: Path) -> None:
        self.up, self.base, self.folder = up, base, folder
        self.begun = time.monotonic()
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()))
        self.last: datetime = db_now()
        self._sign_in("arun")

    def sample(self) -> Sample:
        account = Account.objects.get(current=True)
        return Sample(
            at=round(time.monotonic() - self.begun, 2),
            calls=BudgetDay.objects.aggregate(n=Sum("calls"))["n"] or 0,
            processes=list(family(self.up)),
            pages_ms={name: round(self._look(path), 1) for name, path in self._pages().items()},
            call_ms=self._call(),
            queue_age=round(operations.age(account), 1),
            rings=operations.rings() or 0,
            open_requests=DeletionRequest.objects.filter(state__in=DeletionRequest.open_states()).count(),
            mails_sent=Notice.objects.filter(sent_at__isnull=False).count(),
            database_mb=_database_mb(),
            log_mb=_megabytes(self.folder.glob("log/*")),
            tables=dict(_rows()),
        )

    # --- Pages -------------------------------------------------------------------------------------------

    def _sign_in(self, name: str) -> None:
        login = f"{self.base}/admin/login/"
        with self.opener.open(login, timeout=60) as answer:
            token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', answer.read().decode())
        assert token, "the sign-in has no form"
        form = {"username": name, "password": DEMO_PASSWORD, "csrfmiddlewaretoken": token[1], "next": "/admin/"}
        with self.opener.open(login, urlencode(form).encode(), timeout=60) as answer:
            if answer.url.startswith(login):
                raise RuntimeError(f"{name} could not sign in.")

    def _pages(self) -> dict[str, str]:
        newest = DeletionRequest.objects.order_by("-pk").values_list("pk", flat=True).first()
        return PAGES | ({"A request": f"/admin/lsq_ops/deletionrequest/{newest}/change/"} if newest else {})

    def _look(self, path: str) -> float:
        begun = time.perf_counter()
        with self.opener.open(self.base + path, timeout=60) as answer:
            answer.read()
        return (time.perf_counter() - begun) * 1000

    def _call(self) -> float | None:
        """Milliseconds of a delete, the mean since the last sample; None where none was answered."""
        now = db_now()
        answered = Attempt.objects.filter(answered_at__gt=self.last, answered_at__lte=now, seconds__isnull=False)
        self.last = now
        seconds = [took for took in answered.values_list("seconds", flat=True) if took is not None]
        return round(fmean(seconds) * 1000, 1) if seconds else None


# --- Processes ----------------------------------------------------------------------------------------------


def family(root: int) -> Iterator[Process]:
    """A process and all that came of it, each with what its nearest named ancestor is called."""
    parents = dict(_parents())
    roles = {pid: _role(pid) for pid in parents}
    for pid in parents:
        line = list(_ancestors(pid, parents))
        if root in line:
            role = next((roles[one] for one in line if roles.get(one)), "") or "supervisor"
            try:
                yield Process(pid, role, _rss_mb(pid), len(os.listdir(f"/proc/{pid}/fd")))
            except (OSError, IndexError, ValueError):
                continue  # it has ended meanwhile


def _parents() -> Iterator[tuple[int, int]]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            yield int(path.parent.name), int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue


def _ancestors(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while pid in parents:
        yield pid
        pid = parents[pid]


def _role(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return next((role for role, mark in ROLES.items() if mark in words), "")


def _rss_mb(pid: int) -> float:
    return round(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_SIZE / 1024**2, 2)


# --- Tables -------------------------------------------------------------------------------------------------


def _rows() -> Iterator[tuple[str, int]]:
    models = [model for model in apps.get_models() if model._meta.managed and not model._meta.proxy]
    with connection.cursor() as cursor:
        for table in sorted({model._meta.db_table for model in models}):
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")
            yield table, cursor.fetchone()[0]


def _database_mb() -> float:
    if connection.vendor == "sqlite":
        file = Path(str(settings.DATABASES["default"]["NAME"]))
        return _megabytes(file.parent.glob(file.name + "*"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return round(cursor.fetchone()[0] / 1024**2, 2)


def _megabytes(paths: Any) -> float:
    total = 0
    for path in paths:
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return round(total / 1024**2, 2)
