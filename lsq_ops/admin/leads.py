"""Leads: the list that deletions start from, the ways to bring one in, and a lead's page."""

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from unfold.decorators import action

from lsq_ops import kinds
from lsq_ops.admin import downloads, drafting, face, lead_page, masking, syncs
from lsq_ops.admin.base import BaseAdmin, by_post
from lsq_ops.admin.dialogs import dialog
from lsq_ops.admin.erasures import Erasable
from lsq_ops.admin.holds import OnHold
from lsq_ops.admin.paging import LongListAdmin
from lsq_ops.admin.upload_forms import TEMPLATE, LeadsForm, received
from lsq_ops.models import Lead
from lsq_ops.services import finding, leads, reading, report, sight, uploads
from lsq_ops.services.may import Barred, may
from lsq_ops.wording import counted, lazy


class PasteForm(forms.Form):
    ids = forms.CharField(
        label=lazy("Prospect ids"),
        widget=forms.Textarea(attrs={"rows": 6, "class": "mono", "placeholder": uploads.SAMPLE_ID}),
        help_text=lazy("One per line."),
    )


def search_in_leadsquared(request: HttpRequest, obj: None) -> dict[str, Any]:
    """What the search box of "Add leads" found; asked only when somebody typed something."""
    query = request.GET.get("q", "").strip()
    if not query or request.method == "POST":
        return {"query": query}
    try:
        found = leads.search(request.user, query)
    except Barred as no:
        return {"query": query, "trouble": str(no)}
    shown = [
        {
            "prospect_id": lead.prospect_id,
            "number": lead.number,
            "name": masking.name(lead.name),
            "email": masking.email(lead.email),
            "phone": masking.phone(lead.phone),
            "in_mirror": lead.in_mirror,
        }
        for lead in found
    ]
    return {"query": query, "found": shown}


@admin.register(Lead)
class LeadAdmin(OnHold, Erasable, LongListAdmin, BaseAdmin):
    page_template = "lsq_ops/leads/page.html"
    polls = True  # while the lead is being read
    change_list_template = "lsq_ops/leads/list.html"
    list_display = ("name", "number", "owner", "stage", "activities", "tasks", "last_change", "read")
    list_select_related = ("account",)
    search_fields = ("prospect_id",)  # shows the search box; get_search_results does the search
    search_help_text = lazy("Id of a lead, an activity or a task; number, e-mail, phone in any notation, or name")
    actions = ("refresh_ticked", *drafting.list_actions("lead", "prospect_id"))
    actions_list = ("add_leads", "upload")
    actions_detail = ("refresh", "hold", "evidence", "erase_person")

    # --- The list ---

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        context = {"may_add": may(request.user, "refresh_mirror"), **syncs.strip(request)}
        return super().changelist_view(request, context)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Brings which of the shown leads wait for a reading."""
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        waiting = reading.awaited(row.prospect_id for row in rows)
        for row in rows:
            row.awaited = waiting.get(row.prospect_id, set())
        changelist.result_list = rows
        return changelist

    @admin.display(description=lazy("Name"))
    def name(self, obj: Lead) -> str:
        return format_html("<bdi>{}</bdi>", masking.name(obj.first_name, obj.last_name))

    @admin.display(description=lazy("Owner"))
    def owner(self, obj: Lead) -> str:
        return format_html("<bdi>{}</bdi>", face.plain(obj.owner_name) or "–")

    @admin.display(description=lazy("Activities"))
    def activities(self, obj: Any) -> str:
        if obj.records_read_at:
            return f"{obj.activity_count:,}"
        return _("being read") if "lead_activities" in obj.awaited else _("not read")

    @admin.display(description=lazy("Tasks"))
    def tasks(self, obj: Any) -> str:
        if obj.tasks_read_at:
            return f"{obj.task_count:,}"
        return _("being read") if "lead_tasks" in obj.awaited else _("not read")

    @admin.display(description=lazy("Last change"))
    def last_change(self, obj: Lead) -> str:
        return face.when(obj.modified_on)

    @admin.display(description=lazy("Read"))
    def read(self, obj: Lead) -> str:
        if obj.gone_at:
            return _("gone from LeadSquared")
        read = face.ago(obj.records_read_at or obj.read_at)
        stale = obj.touched_on and obj.records_read_at and obj.touched_on > obj.records_read_at
        return _("{read} · changed since").format(read=read) if stale else read

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, term: str) -> tuple[QuerySet, bool]:
        return self.searched(request, queryset, term, finding.leads)

    @action(description=lazy("Refresh from LeadSquared…"), permissions=["refresh_mirror"])
    def refresh_ticked(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        def page(selection: Any) -> str:
            return reverse("admin:lsq_ops_selection_read_leads", args=[selection.pk])

        return drafting.frozen(request, queryset, "lead", "prospect_id", page)

    # --- Bringing leads in ---

    @dialog(
        verb="refresh_mirror",
        label=lazy("Add leads"),
        icon="person_add",
        form=PasteForm,
        about=search_in_leadsquared,
        template="lsq_ops/leads/add.html",
    )
    def add_leads(self, request: HttpRequest, obj: None, form: PasteForm) -> HttpResponse:
        upload = uploads.read_text(form.cleaned_data["ids"], record_type="lead")
        added = leads.add_leads(request.user, upload.ids) if upload.ids else leads.Added()
        refused = [(_("line {line}").format(line=line), text, sentence) for line, text, sentence in upload.refused]
        refused += [("", one, sentence) for one, sentence in added.verdicts]
        if refused:
            return self._added_page(request, added, refused)
        count = len(added.taken)
        messages.success(
            request, _("{leads} added; the activities and tasks are read now.").format(leads=counted(count, "lead"))
        )
        back = request.GET.urlencode()
        return redirect(f"{request.path}?{back}" if back else self.address(added.taken[0] if count == 1 else None))

    def _added_page(self, request: HttpRequest, added: leads.Added, refused: list[tuple]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Add leads"),
            "added": added.taken,
            "refused": refused,
        }
        return TemplateResponse(request, "lsq_ops/leads/added.html", context)

    @dialog(
        verb="draft",
        label=lazy("Upload leads"),
        icon="upload_file",
        form=LeadsForm,
        template=TEMPLATE,
        question=lazy("A CSV or XLSX file that names leads, one in a line. Nothing is changed by uploading it."),
        button=lazy("Read the file"),
    )
    def upload(self, request: HttpRequest, obj: None, form: LeadsForm) -> HttpResponse:
        return received(request, form)

    # --- A lead ---

    def headline(self, obj: Lead) -> str:
        return _("Lead {number}").format(number=obj.number or obj.prospect_id)

    @dialog(
        verb="refresh_mirror",
        label=lazy("Refresh"),
        icon="refresh",
        question=lazy("The lead's facts are read now, its activities and tasks right after it."),
    )
    def refresh(self, request: HttpRequest, obj: Lead, form: None) -> str:
        if not leads.refresh(request.user, [obj.prospect_id]).taken:
            raise Barred(
                _("LeadSquared knows this lead no more: it was deleted or merged. The mirror keeps what it had.")
            )
        return _("The lead's facts were read; its activities and tasks are read now.")

    @dialog(
        verb="export_lead",
        label=lazy("Evidence report"),
        icon="verified",
        question=downloads.QUESTION_OF_LEAD,
        button=lazy("Download the report"),
    )
    def evidence(self, request: HttpRequest, obj: Lead, form: None) -> FileResponse:
        name = f"lead-{obj.prospect_id}"
        return downloads.zipped(f"{name}-evidence", lambda file: report.export_lead(request.user, obj, file))

    def page_context(self, request: HttpRequest, obj: Lead) -> dict[str, Any]:
        ticking = may(request.user, "draft") and obj.account.current and not obj.gone_at
        return {
            "facts": lead_page.facts(obj),
            "link": web_address(obj),
            "may_tick": bool(ticking),
            "ticked_action": kinds.get("activities").action,
            **lead_page.panel(request, obj),
        }

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/tick/", view(by_post(self.tick)), name="lsq_ops_lead_tick"),
            path("<int:pk>/snapshots/<int:snapshot>/", view(by_post(self.download)), name="lsq_ops_lead_download"),
            *super().get_urls(),
        ]

    def tick(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Single activities of this lead, by the tick boxes of one page of its list."""
        lead = self.found(request, str(pk))
        if not (verdict := may(request.user, "draft", lead)):
            raise PermissionDenied(verdict.why)
        ticked = request.POST.getlist("tick")[: lead_page.ROWS]
        # PostgreSQL takes no NUL, not even to look for it.
        ticked = [one for one in ticked if "\0" not in one]
        ids = lead.activity_set.filter(activity_id__in=ticked, gone_at__isnull=True)
        try:
            url = drafting.start(
                request.user, kinds.get("activities"), "activity", list(ids.values_list("activity_id", flat=True))
            )
        except Barred as no:
            messages.error(request, str(no))
            return redirect(self.address(lead))
        return redirect(url)

    def download(self, request: HttpRequest, pk: int, snapshot: int) -> HttpResponse:
        """A reading as a file. By POST: who took it stands in the audit trail."""
        lead = self.found(request, str(pk))
        try:
            name, content = sight.snapshot_file(request.user, lead_page.snapshot_of(lead, snapshot))
        except Barred as no:
            messages.error(request, str(no))
            return redirect(self.address(lead))
        headers = {
            "Content-Disposition": _('attachment; filename="{name}"').format(name=name),
            "Cache-Control": "no-store",
        }
        return HttpResponse(content, content_type="application/json", headers=headers)


def web_address(lead: Lead) -> str:
    """The lead in LeadSquared's own web application (authentication: API host without `api-`); "" where unknown."""
    host = urlsplit(lead.account.host).hostname or ""
    if not host.startswith("api-"):
        return ""
    return f"https://{host.removeprefix('api-')}/LeadManagement/LeadDetails?LeadID={lead.prospect_id}"
