"""What every list has besides its rows: its filters as chips, and the rows that it shows as a file."""

import html
from collections.abc import Iterable, Iterator
from copy import copy
from typing import Any, BinaryIO, NamedTuple

from django.contrib.admin.utils import label_for_field, lookup_field
from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from lsq_ops.admin import downloads, face
from lsq_ops.services import sight, spreadsheet
from lsq_ops.services.may import may
from lsq_ops.wording import lazy

MOST = 10_000  # rows of a file; as many as a long list counts
A_TIME = 500
FORMATS = {
    "csv": (lazy("text/csv; charset=utf-8"), spreadsheet.csv_file),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", spreadsheet.xlsx_file),
}


class Chip(NamedTuple):
    """One thing that narrows the list; `without` is the list's address without it."""

    text: str
    without: str


def chips(changelist: Any, request: HttpRequest) -> list[Chip]:
    found = []
    if changelist.query:
        found.append(
            Chip(
                _("Search: {query}").format(query=face.short(changelist.query, 60)), _without(changelist, [SEARCH_VAR])
            )
        )
    for spec in changelist.filter_specs:
        names = [name for name in spec.expected_parameters() if name in request.GET]
        if names:
            chosen = [str(choice["display"]) for choice in spec.choices(changelist) if choice.get("selected")]
            text = f"{str(spec.title).capitalize()}: {' '.join(chosen) or request.GET[names[0]]}"
            found.append(Chip(face.short(text, 80), _without(changelist, names)))
    return found


def _without(changelist: Any, names: Iterable[str]) -> str:
    return str(changelist.get_query_string(remove=[*names, PAGE_VAR]))


# --- As a file ----------------------------------------------------------------------------------------------


def file_of(admin: Any, request: HttpRequest) -> HttpResponseBase:
    """The list that the address names, as it is shown to this person, masked as it is there."""
    verdict = may(request.user, admin.file_verb)
    if not verdict:
        raise PermissionDenied(verdict.why)
    asked = request.POST.get("format", "")
    kind = asked if asked in FORMATS else "csv"
    content_type, write = FORMATS[kind]
    name = str(admin.opts.verbose_name_plural)
    filtered = _(", as filtered") if request.GET else ""
    about = _("LSQ Ops, {name}{filtered}, at most {most:,}").format(name=name, filtered=filtered, most=MOST)

    def export(file: BinaryIO) -> None:
        rows = write(
            file, _header(admin, request), _rows(admin, request), about=about, by=str(request.user), at=face.now()
        )
        sight.take_list(request.user, admin.model, rows)

    return downloads.made(f"{name.replace(' ', '-')}-{face.now():%Y%m%d-%H%M}.{kind}", content_type, export)


def _columns(admin: Any, request: HttpRequest) -> list[str]:
    return [name for name in admin.get_list_display(request) if name != "action_checkbox"]


def _header(admin: Any, request: HttpRequest) -> list[str]:
    labels = (str(label_for_field(name, admin.model, admin)) for name in _columns(admin, request))
    return [f"{label[:1].upper()}{label[1:]}" for label in labels]


def _rows(admin: Any, request: HttpRequest) -> Iterator[list[str]]:
    """Page by page, through the list's own machinery: what a page looks up at once is looked up at once here."""
    wide, columns, shown = copy(admin), _columns(admin, request), 0
    wide.list_per_page = wide.list_max_show_all = A_TIME
    for page in range(1, MOST // A_TIME + 1):
        asked = request.GET.copy()
        asked[PAGE_VAR] = str(page)
        request.GET = asked  # type: ignore[assignment]
        changelist = wide.get_changelist_instance(request)
        rows = list(changelist.result_list)
        for row in rows:
            yield [_cell(admin, name, row) for name in columns]
        shown += len(rows)
        if len(rows) < A_TIME or shown >= changelist.result_count:
            return


def _cell(admin: Any, name: str, row: Any) -> str:
    field, __, value = lookup_field(name, row, admin)
    if field is not None and getattr(field, "flatchoices", None):
        value = dict(field.flatchoices).get(value, value)
    if isinstance(value, SafeString):
        return html.unescape(strip_tags(value)).strip()
    return "" if value is None else str(value)
