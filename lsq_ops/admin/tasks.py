"""Tasks of the mirrored leads and owners: the list that deletions of tasks start from, and a file of ids."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.text import format_lazy
from django.utils.translation import gettext as _

from lsq_ops.admin import drafting, face, holds
from lsq_ops.admin.activities import lead_link
from lsq_ops.admin.dialogs import dialog
from lsq_ops.admin.holds import OnHold
from lsq_ops.admin.paging import LongListAdmin
from lsq_ops.admin.revealing import RevealingAdmin
from lsq_ops.admin.upload_forms import TEMPLATE, TasksForm, received
from lsq_ops.models import Lead, Task
from lsq_ops.services import finding, leads
from lsq_ops.services.may import Barred
from lsq_ops.services.uploads import SAMPLE_ID, normal_id
from lsq_ops.wording import lazy


class OpenOrDone(admin.SimpleListFilter):
    """Without a choice the list shows what is there; what is gone would only be ticked by mistake."""

    title = lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", _("Open")), ("completed", _("Completed")), ("gone", _("Gone from LeadSquared"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        there = queryset.filter(gone_at__isnull=True)
        chosen = {
            "open": there.filter(completed=False),
            "completed": there.filter(completed=True),
            "gone": queryset.filter(gone_at__isnull=False),
        }
        # Who searches for an id wants to know what became of it.
        return chosen.get(self.value() or "", queryset if normal_id(request.GET.get("q", "")) else there)

    def choices(self, changelist: Any) -> Iterator[Any]:
        for number, choice in enumerate(super().choices(changelist)):
            yield {**choice, "display": _("All that are there")} if number == 0 else choice


class OwnerForm(forms.Form):
    owner = forms.CharField(
        label=lazy("Owner id"),
        max_length=80,
        help_text=format_lazy(lazy("A LeadSquared user's id, like {sample_id}."), sample_id=SAMPLE_ID),
    )

    def clean_owner(self) -> str:
        one = normal_id(self.cleaned_data["owner"])
        if one is None:
            raise forms.ValidationError(
                _("This is not a user's id; expected something like {sample_id}.").format(sample_id=SAMPLE_ID)
            )
        return one


def read_owner(user: Any, owner_id: str) -> str:
    leads.refresh_owner(user, owner_id)
    return _("The owner's tasks are being read; a long list takes minutes. Reload the list to see them.")


@admin.register(Task)
class TaskAdmin(OnHold, LongListAdmin, RevealingAdmin):
    change_list_template = "lsq_ops/mirror_list.html"
    list_display = ("task_name", "state", "due_at", "owner", "lead_name", "task_id", "read")
    list_filter = (OpenOrDone,)
    empty_says = lazy("No task yet. Add a lead, or read the tasks of a LeadSquared user.")
    ordering = ("-id",)
    search_fields = ("task_id",)  # shows the search box; get_search_results does the search
    search_help_text = lazy("Id of a task, a lead or an owner; how its name begins; the owner's name")
    actions = drafting.list_actions("task", "task_id")
    actions_list = ("upload", "refresh_owner")
    actions_detail = ("refresh_this_owner", "hold", "reveal")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, term: str) -> tuple[QuerySet, bool]:
        return self.searched(request, queryset, term, finding.tasks)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Brings the shown tasks' leads in one query: a task names its lead by id only."""
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        leads = Lead.objects.filter(prospect_id__in={row.lead_id for row in rows if row.lead_id})
        known = {(lead.account_id, lead.prospect_id): lead for lead in leads}
        for row in rows:
            row.its_lead = known.get((row.account_id, row.lead_id))
        changelist.result_list = rows
        return changelist

    @admin.display(description=lazy("Name"))
    def task_name(self, obj: Task) -> str:
        return format_html("<bdi>{}</bdi>", face.short(obj.name, 80) or _("(no name)"))

    @admin.display(description=lazy("State"))
    def state(self, obj: Task) -> str:
        if obj.gone_at:
            return _("gone")
        return {True: _("completed"), False: _("open"), None: _("unknown")}[obj.completed]

    @admin.display(description=lazy("Due"))
    def due_at(self, obj: Task) -> str:
        return face.when(obj.due)

    @admin.display(description=lazy("Owner"))
    def owner(self, obj: Task) -> str:
        return format_html("<bdi>{}</bdi>", face.short(obj.owner_name, 60) or "–")

    @admin.display(description=lazy("Lead"))
    def lead_name(self, obj: Task) -> str:
        return lead_link(obj.its_lead, otherwise=obj.lead_id or "–")  # type: ignore[attr-defined]

    @admin.display(description=lazy("Read"))
    def read(self, obj: Task) -> str:
        return face.ago(obj.read_at)

    # --- A task ---

    def headline(self, obj: Task) -> str:
        return _("Task {task_id}").format(task_id=obj.task_id)

    def facts(self, request: HttpRequest, obj: Task) -> list[tuple[str, Any]]:
        lead = Lead.objects.filter(account=obj.account, prospect_id=obj.lead_id).first()
        return [
            (_("Name"), face.plain(obj.name) or "–"),
            (_("State"), self.state(obj)),
            (_("Due"), face.both(obj.due)),
            (_("Owner"), f"{face.plain(obj.owner_name) or '–'} ({obj.owner_id or 'id unknown'})"),
            (_("Lead"), lead_link(lead, otherwise=obj.lead_id or "–")),
            (_("Read"), face.both(obj.read_at)),
            (_("On hold"), face.plain(hold.reason) if (hold := holds.on_task(obj)) else _("no")),
            (_("Gone"), face.both(obj.gone_at) if obj.gone_at else _("no, it was there at the last reading")),
        ]

    # --- Dialogs ---

    @dialog(
        verb="draft",
        label=lazy("Upload task ids"),
        icon="upload_file",
        form=TasksForm,
        template=TEMPLATE,
        question=lazy("A CSV or XLSX file with a column of task ids. Nothing is changed by uploading it."),
        button=lazy("Read the file"),
    )
    def upload(self, request: HttpRequest, obj: None, form: TasksForm) -> HttpResponse:
        return received(request, form)

    @dialog(
        verb="refresh_mirror",
        label=lazy("Refresh an owner"),
        icon="refresh",
        form=OwnerForm,
        question=lazy("All tasks of one LeadSquared user are read, open and completed."),
        button=lazy("Read the tasks"),
    )
    def refresh_owner(self, request: HttpRequest, obj: None, form: OwnerForm) -> str:
        return read_owner(request.user, form.cleaned_data["owner"])

    @dialog(
        verb="refresh_mirror",
        label=lazy("Refresh this owner's tasks"),
        icon="refresh",
        question=lambda request, obj: _("All tasks of {owner_name} are read again.").format(
            owner_name=face.plain(obj.owner_name) or "this owner"
        ),
        button=lazy("Read the tasks"),
    )
    def refresh_this_owner(self, request: HttpRequest, obj: Task, form: None) -> str:
        if not obj.owner_id:
            raise Barred(_("LeadSquared named no owner for this task; refresh its lead."))
        return read_owner(request.user, obj.owner_id)
