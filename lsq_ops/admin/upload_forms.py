"""What is asked about a file that names records, on the list that it is uploaded to."""

from functools import partial
from typing import Any, BinaryIO, cast

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from lsq_ops.kinds import activities
from lsq_ops.services import accounts, days, lookups, uploaded
from lsq_ops.wording import lazy

TEMPLATE = "lsq_ops/upload_form.html"
BY = [("id", lazy("Prospect id")), *((name, key.title) for name, key in lookups.KEYS.items())]


def named(label: str, help_text: str) -> forms.CharField:
    return forms.CharField(label=label, required=False, max_length=200, help_text=help_text)


def named_by(help_text: str) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=lazy("A lead is named by"),
        choices=BY,
        widget=forms.RadioSelect,
        initial="id",
        required=False,
        help_text=help_text,
    )


class UploadForm(forms.Form):
    names = ""
    file = forms.FileField(
        label=lazy("File"),
        allow_empty_file=True,  # the reader says what an empty file is, and what was expected
        help_text=lazy("CSV or XLSX, one line for each record; other columns are left alone. At most 200 MB."),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,.xlsx"}),
    )
    column = named(lazy("Column"), lazy("Its letter or heading. Empty: it is found by what it holds."))
    sheet = named(lazy("Sheet"), lazy("Of a workbook: its name or number. Empty: the first that is not hidden."))

    def what(self) -> tuple[str, dict[str, Any]]:
        """What a line names, and how it is to be read, as services/uploaded.py takes them."""
        given = self.cleaned_data
        return self.names, {name: given[name] for name in ("by", "column", "sheet") if given.get(name)}


class TasksForm(UploadForm):
    names = "task"


class LeadsForm(UploadForm):
    names = "lead"
    by = named_by(
        lazy(
            "Numbers, e-mails and phones are looked for in the mirror; a phone in any notation, by its last ten digits."
        )
    )
    field_order = ("file", "by", "column", "sheet")


class ActivitiesForm(UploadForm):
    """Single activities by their ids; or a lead and a day in each line, and the types that are meant."""

    what_for = forms.ChoiceField(
        label=lazy("A line names"),
        choices=[("activity", lazy("An activity, by its id")), ("day", lazy("A lead and a day, or a window"))],
        widget=forms.RadioSelect,
        initial="activity",
    )
    codes = forms.MultipleChoiceField(
        label=lazy("Activity types"),
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=lazy(
            "For a lead and a day: these types, on that day of the account's local time. Custom types only."
        ),
    )
    by = named_by(lazy("For a lead and a day."))
    column = named(
        lazy("Column of the id"), lazy("Of the activity, or of the lead. Empty: it is found by what it holds.")
    )
    day = named(
        lazy("Column of the day"), lazy("Its letter or heading; a time in it means that minute. Empty: it is found.")
    )
    until = named(lazy("Column of the last day"), lazy("Where a line holds a window. Empty: each line means one day."))
    order = forms.ChoiceField(
        label=lazy("Days like 03/04/2026"),
        choices=[
            ("", lazy("as the file shows")),
            (days.DAY_FIRST, lazy("day first: 3 April")),
            (days.MONTH_FIRST, lazy("month first: 4 March")),
        ],
        required=False,
    )
    field_order = ("file", "what_for", "codes", "by", "column", "day", "until", "order", "sheet")

    def __init__(self, *args: Any, types: list[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["codes"].choices = types  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("what_for") == "day" and "codes" not in self.errors and not given.get("codes"):
            self.add_error("codes", _("Choose at least one: which activities of that day are meant?"))
        return given

    def what(self) -> tuple[str, dict[str, Any]]:
        __, how = super().what()
        given = self.cleaned_data
        if given["what_for"] == "activity":
            return "activity", {name: value for name, value in how.items() if name != "by"}
        more = {name: given[name] for name in ("day", "until", "order") if given.get(name)}
        return "day", {**how, **more, "codes": sorted(map(int, given["codes"]))}


def activities_form(request: HttpRequest, obj: None) -> Any:
    return partial(ActivitiesForm, types=activities.types_of(accounts.current_account()))


def received(request: HttpRequest, form: UploadForm) -> HttpResponse:
    """Keeps the file and goes to its page. Raises Barred where it is no list at all."""
    names, how = form.what()
    file = form.cleaned_data["file"]
    upload = uploaded.receive(request.user, cast(BinaryIO, file), file.name or "file", names=names, how=how)
    return redirect("admin:lsq_ops_uploadedlist_change", upload.pk)
