"""The audit trail: a sentence for each event, looked for by request, person or action, and checked on demand."""

from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from unfold.views import ChangeList

from lsq_ops.admin import face
from lsq_ops.admin.base import BaseAdmin
from lsq_ops.admin.dialogs import dialog
from lsq_ops.admin.paging import Branch, LongList, LongListAdmin, MergedPaginator
from lsq_ops.admin.trail_words import ABOUT, names_for, sentence
from lsq_ops.models import AuditEvent
from lsq_ops.models.audit import ACTIONS
from lsq_ops.services import anchors, trail
from lsq_ops.services.may import Barred
from lsq_ops.wording import lazy, listed


class About(admin.SimpleListFilter):
    """By the first word of the action: the index on actions answers it."""

    title = lazy("what it is about")
    parameter_name = "about"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        nouns = sorted({action.split(".")[0] for action in ACTIONS})
        return [(noun, str(ABOUT[noun])) for noun in nouns]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(action__in=actions_about(self.value())) if self.value() else queryset


def actions_about(noun: str | None) -> list[str]:
    return sorted(action for action in ACTIONS if action.split(".")[0] == noun)


class NamedList(LongList):
    """Looks up what the shown events are about, all at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        events: list[Any] = list(self.result_list)
        names = names_for(events)
        for event in events:
            event.names = names
        self.result_list = events  # type: ignore[assignment]


@admin.register(AuditEvent)
class TrailAdmin(LongListAdmin, BaseAdmin):
    page_template = "lsq_ops/trail/event.html"
    change_list_template = "lsq_ops/trail/list.html"
    list_display = ("number", "time", "actor", "what")
    list_filter = (About,)
    ordering = ("-seq",)
    search_fields = ("actor",)  # shows the search box; get_search_results does the search
    search_help_text = lazy("DR-118, a user name, an action, or #number")
    actions_list = ("verify",)
    file_verb = "export_trail"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NamedList

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, term: str) -> tuple[QuerySet, bool]:
        term = term.strip()
        return (queryset.filter(reduce(or_, (one.where for one in _branches(term)))) if term else queryset), False

    def get_paginator(self, request: HttpRequest, queryset: QuerySet, per_page: int, *args: Any, **kwargs: Any) -> Any:
        term, about = request.GET.get(SEARCH_VAR, "").strip(), actions_about(request.GET.get(About.parameter_name))
        if term and not about:
            return MergedPaginator(queryset, per_page, branches=_branches(term))
        if about and not term:
            return MergedPaginator(queryset, per_page, branches=[Branch(Q(action=action)) for action in about])
        return super().get_paginator(request, queryset, per_page, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        last = AuditEvent.objects.filter(action="trail.verified").order_by("-seq").first()
        shown = {"at": _at(last), "by": last.actor, **last.facts()} if last else None
        about = {"verified": shown, "checking": trail.under_way(), **self._anchored()}
        return super().changelist_view(request, {**(extra_context or {}), **about})

    def _anchored(self) -> dict[str, Any]:
        """How far the trail is known outside the database, and where."""
        newest, kept = anchors.newest(), [_("the log")]
        if newest:
            kept += [_("the file")] if newest.filed_at else []
            kept += [_("a mail")] if newest.mailed_at else []
        return {"anchor": newest, "anchor_kept": listed(kept)}

    @admin.display(description=lazy("Number"))
    def number(self, obj: AuditEvent) -> str:
        return f"#{obj.seq:,}"

    @admin.display(description=lazy("Time"))
    def time(self, obj: AuditEvent) -> str:
        return face.both(_at(obj))

    @admin.display(description=lazy("What"))
    def what(self, obj: AuditEvent) -> str:
        # In one element: on a phone the cell is a flex box, and would part words and links.
        return format_html("<span>{}</span>", sentence(obj, obj.names))  # type: ignore[attr-defined]

    # --- One event ---

    def headline(self, obj: AuditEvent) -> str:
        return _("Audit event #{seq:,}").format(seq=obj.seq)

    def facts(self, request: HttpRequest, obj: AuditEvent) -> list[tuple[str, Any]]:
        return [
            (_("What"), sentence(obj, names_for([obj]))),
            (_("Who"), face.plain(obj.actor)),
            (_("When"), face.both(_at(obj))),
            (_("Action"), obj.action),
            (_("Object"), f"{obj.object_type} {obj.object_id}"),
            (_("Hash"), obj.hash),
            (_("Hash before it"), obj.prev_hash),
        ]

    def page_context(self, request: HttpRequest, obj: AuditEvent) -> dict[str, Any]:
        return {"details": obj.facts()}

    @dialog(
        verb="verify_trail",
        label=lazy("Verify now"),
        icon="verified",
        question=lazy("Every event is read and its hash computed again, from the first to the last."),
    )
    def verify(self, request: HttpRequest, obj: None, form: None) -> str:
        report = trail.verify_now(request.user)
        if report is None:
            return _("The worker reads the trail now, behind all other work. This page says how far it is.")
        if not report.ok:
            raise Barred(report.sentence)
        return _("{events:,} events were read.").format(events=report.events)


def _at(event: AuditEvent) -> datetime:
    return datetime.fromisoformat(event.at)


def _branches(term: str) -> list[Branch]:
    """What is searched for, in parts that no event shares; an index answers each."""
    number = term.removeprefix("#").replace(",", "")
    if number.isascii() and number.isdigit() and len(number) < 18:
        return [Branch(Q(seq=int(number)), few=True)]
    request = term.upper().removeprefix("DR-")
    if term.upper().startswith("DR-") and request.isascii() and request.isdigit() and len(request) < 18:
        return [Branch(part, few=True) for part in trail.parts_of_request(int(request))]
    if term.lower() in ACTIONS:
        return [Branch(Q(action=term.lower()))]
    about = Q(object_id=term, object_type__in=("lead", "user", "account", "approvergrant"))
    return [Branch(Q(actor=term)), Branch(about & ~Q(actor=term), few=True)]
