"""Deletion requests: the list, and the one page of a request's life with the parts that change by themselves."""

import hashlib
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from unfold.views import ChangeList

from lsq_ops import kinds
from lsq_ops.admin import difference_page, face, request_page
from lsq_ops.admin.base import BaseAdmin, PlainList, by_post
from lsq_ops.admin.request_dialogs import RequestDialogs
from lsq_ops.models import DeletionRequest, RequestVersion
from lsq_ops.services import items, run_windows, sight, story
from lsq_ops.services.may import Barred, valid_votes_of
from lsq_ops.wording import lazy


class Whose(admin.SimpleListFilter):
    title = lazy("view")
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("waiting", _("Waiting for me")),
            ("mine", _("Mine")),
            ("attention", _("Needs attention")),
            ("open", _("All open")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        chosen = {
            "waiting": lambda: queryset.filter(pk__in=[one.pk for one in face.waiting_for(request)]),
            "mine": lambda: queryset.filter(requester=request.user),
            "attention": lambda: queryset.filter(state=DeletionRequest.State.NEEDS_ATTENTION),
            "open": lambda: queryset.filter(state__in=DeletionRequest.open_states()),
        }
        return chosen.get(self.value() or "", lambda: queryset)()


class OfKind(admin.SimpleListFilter):
    title = lazy("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.name, kind.title) for kind in kinds.every()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class RequestList(PlainList):
    """Brings the shown requests' current versions, and the votes that count, in one query each."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[DeletionRequest] = list(self.result_list)  # type: ignore[has-type]
        wanted = RequestVersion.objects.filter(request__in=rows).select_related("asked_by")
        versions = {(version.request_id, version.number): version for version in wanted}
        for row in rows:
            row._version = versions[row.pk, row.version_number]
        votes = valid_votes_of(row for row in rows if row.state in story.VOTED_ON)
        windows = run_windows.of_all(row.account for row in rows)
        for row in rows:
            row.next = story.next_step(row, votes.get(row.pk), windows[row.account_id])  # type: ignore[attr-defined]
        self.result_list = rows


@admin.register(DeletionRequest)
class RequestAdmin(RequestDialogs, BaseAdmin):
    page_template = "lsq_ops/request/page.html"
    list_display = ("number", "sentence", "kind_title", "state_badge", "who_is_next", "items", "age")
    list_filter = (Whose, "state", OfKind)
    list_select_related = ("account", "requester")
    empty_says = lazy("No request yet. Choose leads, activities or tasks in the mirror, then “Request deletion of…”.")
    search_fields = ("versions__ticket",)  # shown as the search box; get_search_results does the search
    search_help_text = lazy("Number (DR-118), ticket, or words of the reason")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RequestList

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        number = term.upper().removeprefix("DR-")
        if number.isascii() and number.isdigit() and len(number) < 18:
            return queryset.filter(Q(pk=int(number)) | Q(versions__ticket=term)), True
        if not term:
            return queryset, False
        return queryset.filter(Q(versions__ticket__icontains=term) | Q(versions__reason__icontains=term)), True

    # --- The list ---

    @admin.display(description=lazy("Request"), ordering="id")
    def number(self, obj: DeletionRequest) -> str:
        return str(obj)

    @admin.display(description=lazy("Why"))
    def sentence(self, obj: DeletionRequest) -> str:
        return face.short(f"{obj.version.get_category_display()}: {obj.version.reason}")

    @admin.display(description=lazy("What"), ordering="kind")
    def kind_title(self, obj: DeletionRequest) -> str:
        return kinds.get(obj.kind).title

    @admin.display(description=lazy("State"), ordering="state")
    def state_badge(self, obj: DeletionRequest) -> str:
        return face.badge(obj.state, obj.get_state_display())

    @admin.display(description=lazy("Next"))
    def who_is_next(self, obj: DeletionRequest) -> str:
        return obj.next  # type: ignore[attr-defined]

    @admin.display(description=lazy("Items"))
    def items(self, obj: DeletionRequest) -> str:
        return f"{obj.version.items_count:,}"

    @admin.display(description=lazy("Made"), ordering="created_at")
    def age(self, obj: DeletionRequest) -> str:
        return _("{created_at} by {requester}").format(
            created_at=face.ago(obj.created_at), requester=face.person(obj.requester)
        )

    # --- The page and its parts ---

    def headline(self, obj: DeletionRequest) -> str:
        return f"{obj} · {kinds.get(obj.kind).title}"

    def page_context(self, request: HttpRequest, obj: DeletionRequest) -> dict[str, Any]:
        shown = {name: self._part(request, obj, name, make()) for name, make in self._parts(request, obj).items()}
        query = request_page.query_of(request, "seen")
        return {"parts": shown, "seen": _text(_hashes(obj, shown)), "query": query, "open": not obj.is_over}

    def _parts(self, request: HttpRequest, obj: DeletionRequest) -> dict[str, Any]:
        return request_page.parts(self, request, obj)

    def _part(self, request: HttpRequest, obj: DeletionRequest, name: str, context: dict[str, Any]) -> str:
        basis = {"original": obj, "version": obj.version, "opts": self.opts}
        return render_to_string(f"lsq_ops/request/{name}.html", {**basis, **context}, request=request)

    def live(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The parts that changed since `seen`; 204 when none did. Reads only."""
        obj = self._seen_by(request, pk)
        face.frame(request)
        told = dict(pair.split(":") for pair in request.GET.get("seen", "").split(",") if pair.count(":") == 1)
        same_stage = told.get("stage") == request_page.stage(obj)
        names = [name for name in self._parts(request, obj) if not (same_stage and name in ("what", "panel"))]
        shown = {name: self._part(request, obj, name, self._parts(request, obj)[name]()) for name in names}
        seen = {**told, **_hashes(obj, shown)}
        if seen == told:
            return HttpResponse(status=204, headers={"X-Live": "1"})
        context = {
            "original": obj,
            "next": shown.pop("next"),
            "parts": {name: html for name, html in shown.items() if seen[name] != told.get(name)},
            "seen": _text(seen),
            "query": request_page.query_of(request, "seen"),
            "open": not obj.is_over,
            "announce": "" if same_stage else _("{obj} is now {state}.").format(obj=obj, state=obj.get_state_display()),
        }
        html = render_to_string("lsq_ops/request/live.html", context, request=request)
        return HttpResponse(html, headers={"X-Live": "1", "Cache-Control": "no-store"})

    def content(self, request: HttpRequest, pk: int, item_id: int) -> HttpResponse:
        """What one item held, as LeadSquared gave it."""
        obj = self._seen_by(request, pk)
        item = _one(obj.version.items.select_related("content"), item_id)
        try:
            raw = sight.item_content(request.user, obj, item)
        except Barred as no:
            return HttpResponse(escape(str(no)))
        return HttpResponse(face.pretty(raw) if raw is not None else "Erased.")

    def body(self, request: HttpRequest, pk: int, call_id: int) -> HttpResponse:
        """The JSON that one call sends; the webhook's address is not in it."""
        obj = self._seen_by(request, pk)
        call = _one(obj.calls.select_related("body"), call_id)
        return HttpResponse(face.pretty_text(call.body.text) if call.body.text else "Erased.")

    def download(self, request: HttpRequest, pk: int, snapshot_id: int) -> HttpResponse:
        """A snapshot as a file. By POST: who took it is written into the audit trail."""
        obj = self._seen_by(request, pk)
        try:
            name, data = sight.snapshot_file(request.user, _one(obj.snapshots.all(), snapshot_id))
        except Barred as no:
            self.message_user(request, str(no), "ERROR")
            return redirect(self.address(obj))
        return HttpResponse(
            data,
            content_type="application/json",
            headers={
                "Content-Disposition": _('attachment; filename="{name}"').format(name=name),
                "Cache-Control": "no-store",
            },
        )

    def items_file(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The items that the address asks for, with what they hold. By POST: who took them stands in the trail."""
        obj = self._seen_by(request, pk)
        try:
            name, lines = items.file(request.user, obj, request_page.wanted_items(request, obj))
        except Barred as no:
            self.message_user(request, str(no), "ERROR")
            return redirect(self.address(obj))
        return StreamingHttpResponse(
            lines,
            content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": _('attachment; filename="{name}"').format(name=name),
                "Cache-Control": "no-store",
            },
        )

    def difference(self, request: HttpRequest, pk: int, before: int, after: int) -> HttpResponse:
        """Two readings of the same lead or owner, compared."""
        obj = self._seen_by(request, pk)
        pair = [_one(obj.snapshots.select_related("request", "content"), one) for one in (before, after)]
        try:
            found = difference_page.context(request, obj, *pair)
        except Barred as no:
            self.message_user(request, str(no), "ERROR")
            return redirect(self.address(obj))
        context = {**self.admin_site.each_context(request), "opts": self.opts, "original": obj, **found}
        context["back"] = f"{self.address(obj)}?tab=snapshots#part-panel"
        return TemplateResponse(request, "lsq_ops/request/difference.html", context)

    def _seen_by(self, request: HttpRequest, pk: int) -> DeletionRequest:
        obj = self.found(request, str(pk))
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        return obj

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Any, name: str, method: Any = require_safe) -> URLPattern:
            wrapped = self.admin_site.admin_view(method(view))
            return path(route, wrapped, name=f"lsq_ops_deletionrequest_{name}")

        return [
            page("<int:pk>/live/", self.live, "live"),
            page("<int:pk>/items/<int:item_id>/", self.content, "content"),
            page("<int:pk>/items.csv", self.items_file, "items_file", by_post),
            page("<int:pk>/calls/<int:call_id>/", self.body, "body"),
            page("<int:pk>/snapshots/<int:before>/against/<int:after>/", self.difference, "difference"),
            page("<int:pk>/snapshots/<int:snapshot_id>/", self.download, "download", by_post),
            *super().get_urls(),
        ]


def _one(rows: QuerySet, pk: int) -> Any:
    row = rows.filter(pk=pk).first()
    if row is None:
        raise Http404(_("This request has no such row."))
    return row


def _hashes(obj: DeletionRequest, shown: dict[str, str]) -> dict[str, str]:
    hashed = {name: hashlib.sha256(html.encode()).hexdigest()[:12] for name, html in shown.items()}
    return {**hashed, "stage": request_page.stage(obj)}


def _text(seen: dict[str, str]) -> str:
    return ",".join(f"{name}:{value}" for name, value in seen.items())
