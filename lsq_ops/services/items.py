"""The items of a request's version, as people look through them: filtered, sampled, and as a file."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Case, Q, QuerySet, When
from django.utils.translation import gettext as _

from lsq_ops.chain import canonical
from lsq_ops.models import DeletionItem, DeletionRequest, RequestVersion, audited, db_now, record
from lsq_ops.wording import lazy

from . import spreadsheet
from .may import Person, need

FEW = 5
HEADER = (
    "call",
    lazy("lead id"),
    lazy("owner id"),
    lazy("record id"),
    "type",
    "code",
    lazy("date (UTC)"),
    "odd",
    "outcome",
    lazy("outcome at (UTC)"),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which items are asked for. `since` and `until` are days in the account's time zone, both included; `text` is
    looked for in what a record holds."""

    lead: str = ""
    owner: str = ""
    call: int | None = None
    code: int | None = None
    outcome: str = ""
    odd: bool = False
    since: date | None = None
    until: date | None = None
    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.given())

    def given(self) -> dict[str, Any]:
        """What is asked for, by name."""
        every = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in every.items() if value not in ("", None, False)}


def chosen(user: Person, version: RequestVersion, wanted: Wanted) -> QuerySet[DeletionItem]:
    """The odd ones first, then in the order of the calls. Barred: to look into records is as good as seeing them."""
    if wanted.text:
        need(user, "see", version.request)
    columns = {"lead_id": wanted.lead, "owner_id": wanted.owner, "event_code": wanted.code, "outcome": wanted.outcome}
    columns |= {"call__number": wanted.call}
    found = Q(**{name: value for name, value in columns.items() if value not in ("", None)})
    zone = ZoneInfo(version.request.account.time_zone)
    if wanted.odd:
        found &= ~Q(odd="")
    if wanted.since:
        found &= Q(at__gte=_midnight(wanted.since, zone))
    if wanted.until:
        found &= Q(at__lt=_midnight(wanted.until, zone, days=1))
    if wanted.text:
        found &= Q(content__raw__icontains=_as_stored(wanted.text))
    return version.items.filter(found).order_by(Case(When(odd="", then=1), default=0), "id")


def _midnight(day: date, zone: ZoneInfo, days: int = 0) -> datetime:
    """The day's first moment, or that of a day so many later; at the calendar's ends, as near as there is one."""
    try:
        return datetime.combine(day + timedelta(days=days), time(), zone)
    except OverflowError:
        return datetime.max.replace(tzinfo=zone) - timedelta(days=1)


def _as_stored(text: str) -> str:
    """JSON escapes quotes; SQLite holds it as it was written, which is ASCII, PostgreSQL as the characters meant."""
    return json.dumps(text, ensure_ascii=connection.vendor == "sqlite")[1:-1]


def first_looks(viewer: int | None, version: RequestVersion) -> dict[str, list[DeletionItem]]:
    """Five odd ones and five at random. Another person gets others, but one person always the same ones: a page that
    is asked for again must not look changed."""
    ids = list(version.items.values_list("pk", "odd"))
    seed = f"{version.pk} {viewer} {version.kept_hash}"
    drawn = sorted(ids, key=lambda one: hashlib.sha256(f"{seed} {one[0]}".encode()).digest())
    odd = [pk for pk, why in drawn if why][:FEW]
    at_random = [pk for pk, __ in drawn if pk not in odd][:FEW]
    rows = {item.pk: item for item in version.items.filter(pk__in=odd + at_random).select_related("call")}
    return {"odd": [rows[pk] for pk in odd], "random": [rows[pk] for pk in at_random]}


def file(user: Person, request: DeletionRequest, wanted: Wanted) -> tuple[str, Iterator[bytes]]:
    """(name, CSV) of the items with what they hold; who took it stands in the trail."""
    need(user, "see", request)
    version, at = request.version, db_now()
    rows = chosen(user, version, wanted).select_related("call", "content")
    with audited():
        filtered = {name: str(value) for name, value in wanted.given().items() if name != "text"}
        record(
            "request.items_exported",
            request,
            actor=str(user),
            version=version.number,
            items=rows.count(),
            filtered=sorted([*filtered, *(["text"] if wanted.text else [])]),
        )
    about = _("items of {request}, version {number}").format(request=request, number=version.number)
    header = (*HEADER, _("what it holds (JSON)"))
    name = f"{request}-version-{version.number}-items-{at:%Y%m%dT%H%M%SZ}.csv"
    return name, spreadsheet.lines(header, map(_row, rows.iterator(500)), about=about, by=str(user), at=at)


def _row(item: DeletionItem) -> list[Any]:
    raw = item.content.raw
    return [
        item.call.number,
        item.lead_id,
        item.owner_id,
        item.record_id,
        item.label,
        item.event_code,
        item.at,
        item.odd,
        item.get_outcome_display() if item.outcome else "",
        item.outcome_at,
        canonical(raw) if raw is not None else "erased",
    ]
