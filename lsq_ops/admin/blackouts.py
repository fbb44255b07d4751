"""Blackouts on the account's page: what is closed and when, and the dialogs that set and lift them."""

from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from lsq_ops.admin import face
from lsq_ops.admin.dialogs import dialog
from lsq_ops.models import Account, Blackout
from lsq_ops.services import run_windows
from lsq_ops.wording import lazy

WEEK = [
    (0, lazy("Monday")),
    (1, lazy("Tuesday")),
    (2, lazy("Wednesday")),
    (3, lazy("Thursday")),
    (4, lazy("Friday")),
    (5, lazy("Saturday")),
    (6, lazy("Sunday")),
]


def _clock(**kwargs: Any) -> forms.TimeField:
    return forms.TimeField(widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"), **kwargs)


def _day(**kwargs: Any) -> forms.DateField:
    return forms.DateField(widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), **kwargs)


class WhyForm(forms.Form):
    reason = forms.CharField(
        label=lazy("Why"), max_length=300, help_text=lazy("Requests that wait say it, to everybody who reads them.")
    )


class HoursForm(WhyForm):
    """By the account's local clock, each week."""

    days = forms.TypedMultipleChoiceField(
        label=lazy("Days"), coerce=int, choices=WEEK, widget=forms.CheckboxSelectMultiple
    )
    from_time = _clock(label=lazy("From"))
    to_time = _clock(label=lazy("To"))
    field_order = ("days", "from_time", "to_time", "reason")

    def __init__(self, *args: Any, zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["from_time"].help_text = _("Local time of the account, {zone}.").format(zone=zone)
        self.fields["to_time"].help_text = _("Not after From: on the day after. 00:00 in both closes the whole day.")


class PeriodForm(WhyForm):
    """Whole days, or from an hour of the first to an hour of the last."""

    first_day = _day(label=lazy("First day"))
    last_day = _day(label=lazy("Last day"), required=False, help_text=lazy("Empty: the first day alone."))
    from_time = _clock(label=lazy("From"), required=False, help_text=lazy("Of the first day. Empty: from its begin."))
    to_time = _clock(label=lazy("To"), required=False, help_text=lazy("Of the last day. Empty: to its end."))
    field_order = ("first_day", "from_time", "last_day", "to_time", "reason")

    def __init__(self, *args: Any, zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["first_day"].help_text = _("By the account's local time, {zone}.").format(zone=zone)


class LiftForm(forms.Form):
    blackout = forms.TypedChoiceField(label=lazy("Blackout"), coerce=int, widget=forms.RadioSelect)

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["blackout"].choices = [  # type: ignore[attr-defined]
            (one.pk, f"{words}: {face.plain(one.reason)}") for one, words in in_force(account)
        ]


def in_force(account: Account) -> list[tuple[Blackout, str]]:
    """Each with its words."""
    windows = run_windows.of(account)
    return [(one, run_windows.in_words(one, windows.zone)) for one in windows.blackouts]


def facts(account: Account) -> list[tuple[str, Any]]:
    """Rows of the account's page."""
    windows, now = run_windows.of(account), face.now()
    until = windows.closed_until(now)
    state = _("closed until {until}: {why}") if until else _("open; calls may be sent")
    listed = format_html_join(
        SafeString("<br>"),
        "{}: {} ({})",
        ((words, face.plain(one.reason), face.plain(one.set_by)) for one, words in in_force(account)),
    )
    return [
        (_("Run window"), format_html(state, until=face.both(until), why=face.plain(windows.why(now)))),
        (_("Blackouts"), listed or _("none")),
    ]


class Blackouts:
    """Mixed into the account's admin."""

    @dialog(
        verb="blackout",
        label=lazy("Close hours of the week"),
        icon="event_busy",
        form=lambda request, obj: partial(HoursForm, zone=obj.time_zone),
        offered=lambda request, obj: obj.current,
        question=lazy(
            "In these hours no deletion call is sent. Reading goes on, what is approved waits and goes on by itself;"
            " the wait doesn't count against its time. What LeadSquared has taken can't be called back."
        ),
        button=lazy("Close these hours"),
    )
    def close_hours(self, request: HttpRequest, obj: Account, form: HoursForm) -> str:
        given = form.cleaned_data
        made = run_windows.close_hours(
            request.user, given["days"], given["from_time"], given["to_time"], given["reason"]
        )
        return _said(obj, made)

    @dialog(
        verb="blackout",
        label=lazy("Close a period"),
        icon="event_busy",
        form=lambda request, obj: partial(PeriodForm, zone=obj.time_zone),
        offered=lambda request, obj: obj.current,
        question=lazy(
            "In this time no deletion call is sent. Reading goes on, what is approved waits and goes on by itself; the"
            " wait doesn't count against its time. What LeadSquared has taken can't be called back."
        ),
        button=lazy("Close this period"),
    )
    def close_period(self, request: HttpRequest, obj: Account, form: PeriodForm) -> str:
        given = form.cleaned_data
        last_day, hours = given["last_day"] or given["first_day"], (given["from_time"], given["to_time"])
        return _said(obj, run_windows.close_period(request.user, given["first_day"], last_day, given["reason"], *hours))

    @dialog(
        verb="blackout",
        label=lazy("Lift a blackout"),
        icon="event_available",
        form=lambda request, obj: partial(LiftForm, account=obj),
        offered=lambda request, obj: obj.current and bool(run_windows.of(obj).blackouts),
        question=lazy("It ends now. What waits is sent, unless something else closes."),
        button=lazy("Lift it"),
    )
    def lift_blackout(self, request: HttpRequest, obj: Account, form: LiftForm) -> str:
        run_windows.lift(request.user, Blackout.objects.get(pk=form.cleaned_data["blackout"]))
        return _("Lifted. What is approved is sent, unless something else closes.")


def _said(account: Account, made: Blackout) -> str:
    return _("Closed: {when}. Nothing is lost; what is approved waits.").format(
        when=run_windows.in_words(made, ZoneInfo(account.time_zone))
    )
