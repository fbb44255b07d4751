"""Activities of the mirrored leads: to look at. They are deleted from a lead's page, from the list of leads, or by a
file that names them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from lsq_ops.admin import face, masking
from lsq_ops.admin.dialogs import dialog
from lsq_ops.admin.paging import LongListAdmin
from lsq_ops.admin.revealing import RevealingAdmin
from lsq_ops.admin.upload_forms import TEMPLATE, ActivitiesForm, activities_form, received
from lsq_ops.models import Activity, Lead
from lsq_ops.services.uploads import normal_id
from lsq_ops.wording import lazy


def lead_link(lead: Lead | None, otherwise: str = "–") -> str:
    """A lead as other records' pages name it: masked, linked."""
    if lead is None:
        return otherwise
    url = reverse("admin:lsq_ops_lead_change", args=[lead.pk])
    return format_html('<a href="{}"><bdi>{}</bdi></a>', url, masking.name(lead.first_name, lead.last_name))


@admin.register(Activity)
class ActivityAdmin(LongListAdmin, RevealingAdmin):
    change_list_template = "lsq_ops/mirror_list.html"
    list_display = ("event", "made", "lead_name", "by", "activity_id", "read")
    list_select_related = ("lead",)
    ordering = ("-id",)
    search_fields = ("activity_id",)  # shows the search box; get_search_results does the search
    search_help_text = lazy("Id of an activity or of a lead")
    empty_says = lazy("No activity yet. Add a lead, and what is on it is read.")
    actions_list = ("upload",)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, term: str) -> tuple[QuerySet, bool]:
        if not term.strip():
            return queryset, False
        one = normal_id(term) or ""
        # One index each: an OR over two tables would walk the whole list.
        leads = Lead.objects.filter(prospect_id=one).values_list("pk", flat=True)
        return (queryset.filter(lead__in=list(leads)) if leads else queryset.filter(activity_id=one)), False

    @admin.display(description=lazy("Type"))
    def event(self, obj: Activity) -> str:
        return format_html("<bdi>{}</bdi> ({})", face.short(obj.event_name, 60), obj.event_code)

    @admin.display(description=lazy("Lead"))
    def lead_name(self, obj: Activity) -> str:
        return lead_link(obj.lead)

    @admin.display(description=lazy("Made"))
    def made(self, obj: Activity) -> str:
        return face.when(obj.created_on)

    @admin.display(description=lazy("By"))
    def by(self, obj: Activity) -> str:
        return format_html("<bdi>{}</bdi>", face.short(obj.created_by, 60) or "–")

    @admin.display(description=lazy("Read"))
    def read(self, obj: Activity) -> str:
        return _("gone from LeadSquared") if obj.gone_at else face.ago(obj.read_at)

    def headline(self, obj: Activity) -> str:
        return _("Activity {activity_id}").format(activity_id=obj.activity_id)

    def facts(self, request: HttpRequest, obj: Activity) -> list[tuple[str, Any]]:
        return [
            (_("Type"), f"{face.plain(obj.event_name)} ({obj.event_code})"),
            (
                _("Can be deleted"),
                _("yes") if obj.activity_type == 2 else _("no, LeadSquared deletes custom activities only"),
            ),
            (_("Lead"), lead_link(obj.lead)),
            (_("Made"), face.both(obj.created_on)),
            (_("Changed"), face.both(obj.modified_on)),
            (_("By"), face.plain(obj.created_by) or "–"),
            (_("Read"), face.both(obj.read_at)),
            (_("Gone"), face.both(obj.gone_at) if obj.gone_at else _("no, it was there at the last reading")),
        ]

    @dialog(
        verb="draft",
        label=lazy("Upload activities"),
        icon="upload_file",
        form=activities_form,
        template=TEMPLATE,
        question=lazy(
            "A CSV or XLSX file that names activities, by their ids or by a lead and a day in each line. Nothing"
            " is changed by uploading it."
        ),
        button=lazy("Read the file"),
    )
    def upload(self, request: HttpRequest, obj: None, form: ActivitiesForm) -> HttpResponse:
        return received(request, form)
