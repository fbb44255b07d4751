"""LeadSquared's users: who owns tasks, who is inactive, and the way to a request for what an owner left behind."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html

from lsq_ops import kinds
from lsq_ops.admin import drafting, face, masking, syncs
from lsq_ops.admin.base import BaseAdmin
from lsq_ops.admin.dialogs import dialog
from lsq_ops.admin.paging import LongListAdmin
from lsq_ops.models import CrmUser
from lsq_ops.services import leads, owners
from lsq_ops.services.may import Barred
from lsq_ops.services.owners import GROUPS, Tasks

READ_AT_ONCE = 50


class Activity(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("inactive", "Inactive"), ("active", "Active")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(active=self.value() == "active") if self.value() in ("active", "inactive") else queryset


class GroupsForm(forms.Form):
    """Which of an owner's tasks, each with its number."""

    groups = forms.MultipleChoiceField(label="Tasks", widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, tasks: Tasks, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(group, f"{tasks.of(group):,} {words}") for group, words in GROUPS.items() if tasks.of(group)]
        self.fields["groups"].choices = choices  # type: ignore[attr-defined]


def tasks_of(obj: CrmUser) -> Tasks:
    return owners.tasks_of(obj.account, [obj.user_id])[obj.user_id]


@admin.register(CrmUser)
class CrmUserAdmin(LongListAdmin, BaseAdmin):
    change_list_template = "lsq_ops/syncs/list.html"
    list_display = ("name_", "role_", "state", "open_", "later_", "completed_", "read")
    list_select_related = ("account",)
    list_filter = (Activity,)
    empty_says = "No user of LeadSquared is known yet: they are read with the leads."
    search_fields = ("name",)
    search_help_text = "Id, e-mail or name of a LeadSquared user"
    actions = ("read_ticked",)
    actions_detail = ("read_tasks", "request_tasks")

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        return super().changelist_view(request, syncs.strip(request))

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, term: str) -> tuple[QuerySet, bool]:
        for word in term.split()[:5]:
            found = queryset.filter(name__icontains=word) | queryset.filter(email__iexact=word)
            queryset = found | queryset.filter(user_id=word.strip("{}").lower())
        return queryset, False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Brings the shown users' tasks in two queries."""
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        known = owners.tasks_of(rows[0].account, [row.user_id for row in rows]) if rows else {}
        for row in rows:
            row.tasks = known[row.user_id]
        changelist.result_list = rows
        return changelist

    @admin.display(description="Name")
    def name_(self, obj: CrmUser) -> str:
        return format_html("<bdi>{}</bdi>", face.short(obj.name, 80) or "(no name)")

    @admin.display(description="Role")
    def role_(self, obj: CrmUser) -> str:
        return format_html("<bdi>{}</bdi>", face.short(obj.role, 40) or "–")

    @admin.display(description="State")
    def state(self, obj: CrmUser) -> str:
        return "active" if obj.active else face.badge("partial", "inactive")

    @admin.display(description="Tasks due by now")
    def open_(self, obj: Any) -> str:
        return f"{obj.tasks.open:,}"

    @admin.display(description="Due later")
    def later_(self, obj: Any) -> str:
        return f"{obj.tasks.later:,}"

    @admin.display(description="Completed")
    def completed_(self, obj: Any) -> str:
        return f"{obj.tasks.completed:,}"

    @admin.display(description="Tasks read")
    def read(self, obj: Any) -> str:
        return face.ago(obj.tasks.read_at)

    # --- A user ---

    def headline(self, obj: CrmUser) -> str:
        return f"LeadSquared user {face.plain(obj.name) or obj.user_id}"

    def facts(self, request: HttpRequest, obj: CrmUser) -> list[tuple[str, Any]]:
        tasks = tasks_of(obj)
        return [
            ("Id", obj.user_id),
            ("E-mail", masking.email(obj.email)),
            ("Role", face.plain(obj.role) or "–"),
            ("State", "active" if obj.active else "inactive: LeadSquared keeps the user, and all that is theirs"),
            *((f"Tasks, {words}", f"{tasks.of(group):,}") for group, words in GROUPS.items()),
            ("Tasks read", face.both(tasks.read_at) if tasks.read_at else "never; press Read the tasks"),
            ("User read", face.both(obj.read_at)),
        ]

    # --- Actions ---

    @admin.action(description="Read their tasks from LeadSquared", permissions=["refresh_mirror"])
    def read_ticked(self, request: HttpRequest, queryset: QuerySet) -> None:
        ids = list(queryset.filter(account__current=True).values_list("user_id", flat=True)[: READ_AT_ONCE + 1])
        if len(ids) > READ_AT_ONCE:
            messages.error(request, f"Read the tasks of at most {READ_AT_ONCE} users at once.")
            return
        leads.refresh_owner(request.user, *ids)
        messages.success(request, f"The tasks of {len(ids)} user{'' if len(ids) == 1 else 's'} are being read.")

    @dialog(
        verb="refresh_mirror",
        label="Read the tasks",
        icon="refresh",
        question="All tasks of this user are read, open and completed. A long list takes minutes.",
    )
    def read_tasks(self, request: HttpRequest, obj: CrmUser, form: None) -> str:
        leads.refresh_owner(request.user, obj.user_id)
        return "The tasks are being read; reload the page to see them."

    @dialog(
        verb="draft",
        label="Request deletion of tasks",
        icon="delete_sweep",
        primary=True,
        offered=lambda request, obj: any(map(tasks_of(obj).of, GROUPS)),
        form=lambda request, obj: lambda *given: GroupsForm(*given, tasks=tasks_of(obj)),
        question="Which of this user's tasks? What the mirror has now is frozen; nothing is deleted yet.",
        button="Go on",
    )
    def request_tasks(self, request: HttpRequest, obj: CrmUser, form: GroupsForm) -> HttpResponse:
        if not obj.account.current:
            raise Barred("This user belongs to another LeadSquared account; it is read-only.")
        selection = owners.select(request.user, obj, form.cleaned_data["groups"])
        return redirect(drafting.draft_url(selection, kinds.get("tasks")))
