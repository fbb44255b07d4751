"""LeadSquared's users: who owns tasks, who is inactive, and the way to a request for what an owner left behind."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lsq_ops import kinds
from lsq_ops.admin import drafting, face, masking, syncs
from lsq_ops.admin.base import BaseAdmin
from lsq_ops.admin.dialogs import dialog
from lsq_ops.admin.paging import LongListAdmin
from lsq_ops.models import CrmUser
from lsq_ops.services import leads, owners
from lsq_ops.services.may import Barred
from lsq_ops.services.owners import GROUPS, Tasks
from lsq_ops.wording import lazy

READ_AT_ONCE = 50


class Activity(admin.SimpleListFilter):
    title = lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("inactive", _("Inactive")), ("active", _("Active"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(active=self.value() == "active") if self.value() in ("active", "inactive") else queryset


class GroupsForm(forms.Form):
    """Which of an owner's tasks, each with its number."""

    groups = forms.MultipleChoiceField(label=lazy("Tasks"), widget=forms.CheckboxSelectMultiple)

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
    empty_says = lazy("No user of LeadSquared is known yet: they are read with the leads.")
    search_fields = ("name",)
    search_help_text = lazy("Id, e-mail or name of a LeadSquared user")
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

    @admin.display(description=lazy("Name"))
    def name_(self, obj: CrmUser) -> str:
        return format_html("<bdi>{}</bdi>", face.short(obj.name, 80) or _("(no name)"))

    @admin.display(description=lazy("Role"))
    def role_(self, obj: CrmUser) -> str:
        return format_html("<bdi>{}</bdi>", face.short(obj.role, 40) or "–")

    @admin.display(description=lazy("State"))
    def state(self, obj: CrmUser) -> str:
        return _("active") if obj.active else face.badge("partial", _("inactive"))

    @admin.display(description=lazy("Tasks due by now"))
    def open_(self, obj: Any) -> str:
        return f"{obj.tasks.open:,}"

    @admin.display(description=lazy("Due later"))
    def later_(self, obj: Any) -> str:
        return f"{obj.tasks.later:,}"

    @admin.display(description=lazy("Completed"))
    def completed_(self, obj: Any) -> str:
        return f"{obj.tasks.completed:,}"

    @admin.display(description=lazy("Tasks read"))
    def read(self, obj: Any) -> str:
        return face.ago(obj.tasks.read_at)

    # --- A user ---

    def headline(self, obj: CrmUser) -> str:
        return _("LeadSquared user {name}").format(name=face.plain(obj.name) or obj.user_id)

    def facts(self, request: HttpRequest, obj: CrmUser) -> list[tuple[str, Any]]:
        tasks = tasks_of(obj)
        return [
            (_("Id"), obj.user_id),
            (_("E-mail"), masking.email(obj.email)),
            (_("Role"), face.plain(obj.role) or "–"),
            (_("State"), "active" if obj.active else _("inactive: LeadSquared keeps the user, and all that is theirs")),
            *((_("Tasks, {words}").format(words=words), f"{tasks.of(group):,}") for group, words in GROUPS.items()),
            (_("Tasks read"), face.both(tasks.read_at) if tasks.read_at else _("never; press Read the tasks")),
            (_("User read"), face.both(obj.read_at)),
        ]

    # --- Actions ---

    @admin.action(description=lazy("Read their tasks from LeadSquared"), permissions=["refresh_mirror"])
    def read_ticked(self, request: HttpRequest, queryset: QuerySet) -> None:
        ids = list(queryset.filter(account__current=True).values_list("user_id", flat=True)[: READ_AT_ONCE + 1])
        if len(ids) > READ_AT_ONCE:
            messages.error(
                request, _("Read the tasks of at most {read_at_once} users at once.").format(read_at_once=READ_AT_ONCE)
            )
            return
        leads.refresh_owner(request.user, *ids)
        messages.success(
            request,
            ngettext(
                "The tasks of {count} user are being read.", "The tasks of {count} users are being read.", len(ids)
            ).format(count=len(ids)),
        )

    @dialog(
        verb="refresh_mirror",
        label=lazy("Read the tasks"),
        icon="refresh",
        question=lazy("All tasks of this user are read, open and completed. A long list takes minutes."),
    )
    def read_tasks(self, request: HttpRequest, obj: CrmUser, form: None) -> str:
        leads.refresh_owner(request.user, obj.user_id)
        return _("The tasks are being read; reload the page to see them.")

    @dialog(
        verb="draft",
        label=lazy("Request deletion of tasks"),
        icon="delete_sweep",
        primary=True,
        offered=lambda request, obj: any(map(tasks_of(obj).of, GROUPS)),
        form=lambda request, obj: lambda *given: GroupsForm(*given, tasks=tasks_of(obj)),
        question=lazy("Which of this user's tasks? What the mirror has now is frozen; nothing is deleted yet."),
        button=lazy("Go on"),
    )
    def request_tasks(self, request: HttpRequest, obj: CrmUser, form: GroupsForm) -> HttpResponse:
        if not obj.account.current:
            raise Barred(_("This user belongs to another LeadSquared account; it is read-only."))
        selection = owners.select(request.user, obj, form.cleaned_data["groups"])
        return redirect(drafting.draft_url(selection, kinds.get("tasks")))
