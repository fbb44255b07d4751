"""What a lead's page shows: its facts, and its records in sections, a page of rows at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _

from lsq_ops import kinds
from lsq_ops.admin import face, holds, masking
from lsq_ops.admin.request_forms import number_in
from lsq_ops.models import ActivitySnapshot, DeletionRequest, Lead, Task
from lsq_ops.services import sight

ROWS = 100
OWNER_CHANGE, STAGE_CHANGE = 3001, 3002


def facts(lead: Lead) -> list[tuple[str, Any]]:
    return [
        (_("Name"), masking.name(lead.first_name, lead.last_name)),
        (_("E-mail"), masking.email(lead.email)),
        (_("Phone"), masking.phone(lead.phone or lead.mobile)),
        (_("Owner"), face.plain(lead.owner_name) or "–"),
        (_("Stage"), face.plain(lead.stage) or "–"),
        (_("Made"), face.when(lead.created_on)),
        (_("Last change"), face.when(lead.modified_on)),
        (_("Prospect id"), lead.prospect_id),
    ]


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    title: str
    count: int | None
    rows: QuerySet


def panel(request: HttpRequest, lead: Lead) -> dict[str, Any]:
    """The open section and the names of the others."""
    with_gone = request.GET.get("gone") == "1"
    every = _sections(lead, with_gone)
    section = next((one for one in every if one.name == request.GET.get("tab")), every[0])
    extra = EXTRAS.get(section.name, lambda *__: {})(request, lead)
    rows = extra.pop("only", lambda rows: rows)(section.rows)
    page = _page(request, rows)
    if section.name == "snapshots":
        _bar(request, page)
    return {
        "tabs": every,
        "tab": section.name,
        "tab_template": f"lsq_ops/leads/tab_{section.name}.html",
        "page": page,
        "gone": lead.activity_set.filter(gone_at__isnull=False).count() if section.name in ACTIVITY_TABS else 0,
        "with_gone": with_gone,
        "query": _query(request),
        "hold": holds.on_lead(lead),
        "pending": not (lead.records_read_at and lead.tasks_read_at) and not lead.gone_at,
        **extra,
    }


def _sections(lead: Lead, with_gone: bool) -> list[Section]:
    activities, tasks = lead.activity_set.all(), Task.objects.filter(account=lead.account, lead_id=lead.prospect_id)
    if not with_gone:
        activities, tasks = activities.filter(gone_at__isnull=True), tasks.filter(gone_at__isnull=True)
    activities = activities.defer("raw").order_by("-created_on", "-id")
    changes = activities.filter(event_code__in=(OWNER_CHANGE, STAGE_CHANGE))
    others = activities.exclude(event_code__in=(OWNER_CHANGE, STAGE_CHANGE))
    return [
        Section("activities", _("Activities"), others.count(), others),
        Section("changes", _("Owner and stage changes"), changes.count(), changes),
        Section("tasks", _("Tasks"), tasks.count(), tasks.defer("raw").order_by("-due", "-id")),
        Section("requests", _("Requests"), None, _requests(lead)),
        Section("snapshots", _("Snapshots"), None, _snapshots(lead)),
    ]


def _requests(lead: Lead) -> QuerySet:
    mine = DeletionRequest.objects.filter(account=lead.account, versions__targets__lead_id=lead.prospect_id)
    return mine.distinct().order_by("-id").select_related("requester", "account")


def _snapshots(lead: Lead) -> QuerySet:
    of_lead = (ActivitySnapshot.Subject.LEAD_ACTIVITIES, ActivitySnapshot.Subject.LEAD_TASKS)
    rows = ActivitySnapshot.objects.filter(account=lead.account, subject__in=of_lead, subject_id=lead.prospect_id)
    return rows.select_related("request").order_by("-id")


def _bar(request: HttpRequest, page: Page) -> None:
    """Each reading with the reason why this person may not take it away; asked once for each request."""
    why: dict[int | None, str] = {}
    for one in page:
        if one.request_id not in why:
            why[one.request_id] = sight.may_take(request.user, one).why
        one.barred = why[one.request_id]


def snapshot_of(lead: Lead, pk: int) -> ActivitySnapshot:
    snapshot = _snapshots(lead).filter(pk=pk).first()
    if snapshot is None:
        raise Http404(_("This lead has no such snapshot."))
    return snapshot


def _activity_extras(request: HttpRequest, lead: Lead) -> dict[str, Any]:
    code = number_in(request, "code")
    types = lead.activity_set.filter(gone_at__isnull=True).exclude(event_code__in=(OWNER_CHANGE, STAGE_CHANGE))
    listed = types.order_by("event_code").values_list("event_code", "event_name").distinct()[:100]
    return {
        "code": code,
        "codes": list(dict(listed).items()),
        "only": (lambda rows: rows.filter(event_code=code)) if code is not None else (lambda rows: rows),
    }


def _request_extras(request: HttpRequest, lead: Lead) -> dict[str, Any]:
    return {"titles": {kind.name: kind.title for kind in kinds.every()}}


ACTIVITY_TABS = ("activities", "changes")
EXTRAS: dict[str, Callable[[HttpRequest, Lead], dict[str, Any]]] = {
    "activities": _activity_extras,
    "requests": _request_extras,
}


def _page(request: HttpRequest, rows: QuerySet) -> Page:
    return Paginator(rows, ROWS).get_page(request.GET.get("page"))


def _query(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("page", None)
    return query.urlencode()
