"""Holds: the list of what nobody may touch, one form to set and one to lift them, for one lead or for a whole file."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lsq_ops.admin import face
from lsq_ops.admin.activities import lead_link
from lsq_ops.admin.base import BaseAdmin
from lsq_ops.admin.dialogs import dialog
from lsq_ops.admin.paging import LongListAdmin
from lsq_ops.kinds.local_time import LocalTimeField
from lsq_ops.models import Hold, Lead, Task
from lsq_ops.services import accounts, holds, uploads
from lsq_ops.services.may import Barred
from lsq_ops.wording import lazy

TYPES = [("lead", lazy("Leads, with all that is on them")), ("task", "Tasks")]


class WhyForm(forms.Form):
    """Why, and until when."""

    reason = forms.CharField(
        label=lazy("Reason"),
        max_length=300,
        help_text=lazy("Requesters and approvers read it. Leave out names, e-mails and phone numbers."),
    )

    def __init__(self, *args: Any, zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        hint = _("Local time of the account, {zone}. Empty: until somebody lifts it.").format(zone=zone)
        self.fields["ends_at"] = LocalTimeField(zone=zone, label=_("Until"), required=False, help_text=hint)


class ListForm(forms.Form):
    """Ids, pasted or in a file; `upload` is what was read."""

    upload: uploads.Upload
    record_type = forms.ChoiceField(label=lazy("What"), choices=TYPES, widget=forms.RadioSelect, initial="lead")
    ids = forms.CharField(
        label=lazy("Ids"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "class": "mono", "placeholder": uploads.SAMPLE_ID}),
        help_text=lazy("One per line."),
    )
    file = forms.FileField(
        label=lazy("Or a file"),
        required=False,
        allow_empty_file=True,  # the reader says what an empty file is
        help_text=lazy("CSV or XLSX with a column of ids."),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,.xlsx"}),
    )

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if "record_type" not in given:
            return given
        if bool(given.get("ids", "").strip()) == bool(given.get("file")):
            raise forms.ValidationError(_("Paste ids or choose a file: one of the two."))
        try:
            self.upload = self._read(given)
        except Barred as no:
            raise forms.ValidationError(str(no)) from None
        if refused := [one for one in self.upload.refused if not uploads.normal_id(one.text)]:
            lines = ", ".join(str(one.line) for one in refused[:5])
            raise forms.ValidationError(
                _("{count} lines hold no id (line {lines}); nothing was done.").format(
                    count=len(refused), lines=lines + ("…" if len(refused) > 5 else "")
                )
            )
        if not self.upload.ids:
            raise forms.ValidationError(_("There is no id in it."))
        return given

    def _read(self, given: dict[str, Any]) -> uploads.Upload:
        record_type = given["record_type"]
        if file := given.get("file"):
            return uploads.read_ids(cast(BinaryIO, file), file.name or "file", record_type=record_type)
        return uploads.read_text(given["ids"], record_type=record_type)


class SetForm(ListForm, WhyForm):
    field_order = ("record_type", "ids", "file", "reason", "ends_at")


def in_local_time(form: type[WhyForm]) -> Callable[[HttpRequest, Any], Any]:
    return lambda request, obj: partial(form, zone=accounts.current_account().time_zone)


def say_set(request: HttpRequest, made: holds.Made) -> None:
    """What came of it, and the open requests that are concerned."""
    number = len(made.holds)
    said = _("{number:,} put on hold.").format(number=number) if number else _("Nothing new was put on hold.")
    if made.already:
        said += ngettext(
            " {count:,} was on hold already.", " {count:,} were on hold already.", len(made.already)
        ).format(count=len(made.already))
    if not made.concerned:
        messages.success(request, said)
        return
    links = format_html_join(", ", '<a href="{}" style="text-decoration:underline">{}</a>', _links(made))
    sentence = _("{} These open requests would delete something of them, and send no such call from now on: {}.")
    messages.warning(request, format_html(sentence, said, links))


def _links(made: holds.Made) -> Iterator[tuple[str, str]]:
    for one in made.concerned[:20]:
        yield reverse("admin:lsq_ops_deletionrequest_change", args=[one.pk]), str(one)


class InForce(admin.SimpleListFilter):
    title = lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("over", _("Lifted or ended")), ("all", _("All"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        in_force = Hold.objects.in_force().values("pk")
        if self.value() == "all":
            return queryset
        return queryset.exclude(pk__in=in_force) if self.value() == "over" else queryset.filter(pk__in=in_force)

    def choices(self, changelist: Any) -> Iterator[Any]:
        for number, choice in enumerate(super().choices(changelist)):
            yield {**choice, "display": _("In force")} if number == 0 else choice


@admin.register(Hold)
class HoldAdmin(LongListAdmin, BaseAdmin):
    change_list_template = "lsq_ops/mirror_list.html"
    list_display = ("what", "lead", "why", "set", "until", "state")
    list_filter = (InForce,)
    empty_says = lazy("Nothing is on hold.")
    ordering = ("-id",)
    search_fields = ("record_id",)  # shows the search box; get_search_results does the search
    search_help_text = lazy("Id of a lead or a task, or words of the reason")
    actions_list = ("set_holds", "lift_holds")
    actions_detail = ("lift",)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, term: str) -> tuple[QuerySet, bool]:
        if one := uploads.normal_id(term):
            return queryset.filter(record_id=one), False
        for word in term.split()[:5]:
            queryset = queryset.filter(Q(reason__icontains=word) | Q(set_by=word))
        return queryset, False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Brings the leads of the shown rows in two queries: a hold names its record by id only."""
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        known = _leads_of(rows)
        for row in rows:
            row.its_lead = known.get(row.pk)
        changelist.result_list = rows
        return changelist

    @admin.display(description=lazy("On hold"))
    def what(self, obj: Hold) -> str:
        return str(obj)

    @admin.display(description=lazy("Lead"))
    def lead(self, obj: Hold) -> str:
        return lead_link(obj.its_lead, otherwise=_("not in the mirror"))  # type: ignore[attr-defined]

    @admin.display(description=lazy("Why"))
    def why(self, obj: Hold) -> str:
        return format_html("<bdi>{}</bdi>", face.short(obj.reason, 80))

    @admin.display(description=lazy("Set"))
    def set(self, obj: Hold) -> str:
        return format_html(_("{} by {}"), face.when(obj.set_at), face.plain(obj.set_by))

    @admin.display(description=lazy("Until"))
    def until(self, obj: Hold) -> str:
        return face.when(obj.ends_at) if obj.ends_at else _("it is lifted")

    @admin.display(description=lazy("State"))
    def state(self, obj: Hold) -> str:
        if obj.lifted_at:
            return _("lifted")
        return _("ended") if obj.ends_at and obj.ends_at <= face.now() else _("in force")

    # --- A hold ---

    def headline(self, obj: Hold) -> str:
        return _("Hold on {obj}").format(obj=obj)

    def facts(self, request: HttpRequest, obj: Hold) -> list[tuple[str, Any]]:
        lifted = format_html(_("{} by {}"), face.both(obj.lifted_at), face.plain(obj.lifted_by))
        return [
            (_("State"), self.state(obj)),
            (_("Why"), face.plain(obj.reason)),
            (_("Lead"), lead_link(_leads_of([obj]).get(obj.pk), otherwise=_("not in the mirror"))),
            (_("Set"), format_html(_("{} by {}"), face.both(obj.set_at), face.plain(obj.set_by))),
            (_("Until"), face.both(obj.ends_at) if obj.ends_at else _("it is lifted")),
            (_("Lifted"), lifted if obj.lifted_at else _("no")),
        ]

    # --- Dialogs ---

    @dialog(
        verb="manage_holds",
        label=lazy("Put on hold"),
        icon="back_hand",
        form=in_local_time(SetForm),
        template="lsq_ops/upload_form.html",
        question=lazy(
            "Nothing of what is on hold is deleted, whoever asks; also not by requests that are approved or run"
            " already. A call that has left can't be called back."
        ),
        button=lazy("Put on hold"),
    )
    def set_holds(self, request: HttpRequest, obj: None, form: SetForm) -> HttpResponse:
        given = form.cleaned_data
        made = holds.set_holds(request.user, given["record_type"], form.upload.ids, given["reason"], given["ends_at"])
        say_set(request, made)
        return redirect(self.address(None))

    @dialog(
        verb="manage_holds",
        label=lazy("Lift a list"),
        icon="lock_open",
        form=ListForm,
        template="lsq_ops/upload_form.html",
        question=lazy("What is lifted can be deleted again by requests that are approved for it."),
        button=lazy("Lift these"),
    )
    def lift_holds(self, request: HttpRequest, obj: None, form: ListForm) -> HttpResponse:
        lifted = holds.lift(request.user, form.upload.ids)
        messages.success(
            request,
            _("{count:,} of {count2:,} were on hold, and are lifted.").format(
                count=len(lifted), count2=len(form.upload.ids)
            ),
        )
        return redirect(self.address(None))

    @dialog(
        verb="manage_holds",
        label=lazy("Lift"),
        icon="lock_open",
        primary=True,
        offered=lambda request, obj: Hold.objects.in_force().filter(pk=obj.pk).exists(),
        question=lazy("It can be deleted again by requests that are approved for it."),
    )
    def lift(self, request: HttpRequest, obj: Hold, form: None) -> str:
        holds.lift(request.user, [obj.record_id])
        return _("The hold on {obj} is lifted.").format(obj=obj)


def _leads_of(rows: list[Hold]) -> dict[int, Lead]:
    """Hold -> its lead, or the lead of its task, where the mirror knows it."""
    tasks = Task.objects.filter(task_id__in=[row.record_id for row in rows if row.record_type == "task"])
    lead_of = {(task.account_id, task.task_id): task.lead_id for task in tasks}
    wanted = {row.pk: (row.account_id, lead_of.get((row.account_id, row.record_id), row.record_id)) for row in rows}
    leads = Lead.objects.filter(prospect_id__in={lead for __, lead in wanted.values()})
    known = {(lead.account_id, lead.prospect_id): lead for lead in leads}
    return {pk: known[key] for pk, key in wanted.items() if key in known}


def on_lead(lead: Lead) -> Hold | None:
    return Hold.objects.filter(account=lead.account, record_id=lead.prospect_id).in_force().first()


def on_task(task: Task) -> Hold | None:
    """The task's own hold, or its lead's."""
    ids = [one for one in (task.task_id, task.lead_id) if one]
    return Hold.objects.filter(account=task.account, record_id__in=ids).in_force().first()


class OnHold:
    """Mixed into the admin of leads and of tasks: the dialog that puts this one on hold."""

    @dialog(
        verb="manage_holds",
        label=lazy("Put on hold"),
        icon="back_hand",
        form=in_local_time(WhyForm),
        offered=lambda request, obj: not holds.reasons(obj.account, [_record(obj)[1]]),
        question=lazy("Nothing of it is deleted, whoever asks; also not by requests that are approved or run already."),
    )
    def hold(self, request: HttpRequest, obj: Lead | Task, form: WhyForm) -> HttpResponse:
        given, (record_type, one) = form.cleaned_data, _record(obj)
        say_set(request, holds.set_holds(request.user, record_type, [one], given["reason"], given["ends_at"]))
        return redirect(self.address(obj))  # type: ignore[attr-defined]


def _record(obj: Lead | Task) -> tuple[str, str]:
    return ("lead", obj.prospect_id) if isinstance(obj, Lead) else ("task", obj.task_id)
