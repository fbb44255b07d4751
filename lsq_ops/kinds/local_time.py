"""Times as people type them: the account's local time, shown with its zone, kept in UTC."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

YEARS = range(1970, 2100)


class LocalTimeField(forms.DateTimeField):
    """A local time of the account; cleans to an aware UTC time. A time that the clocks skip or repeat is refused."""

    def __init__(self, *, zone: str, **kwargs: Any) -> None:
        self.zone = ZoneInfo(zone)
        kwargs.setdefault(
            "widget",
            forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"),
        )
        kwargs.setdefault("help_text", _("Local time of the account, {zone}.").format(zone=zone))
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> datetime | None:
        if isinstance(value, str) and _names_a_zone(value):
            raise forms.ValidationError(_("Enter the local time of {key}, without a zone.").format(key=self.zone.key))
        naive = super().to_python(value)
        if naive is None:
            return None
        if naive.year not in YEARS:
            raise forms.ValidationError(
                _("Enter a date from {years} to {years2}.").format(years=YEARS[0], years2=YEARS[-1])
            )
        return local_to_utc(naive.replace(tzinfo=None), self.zone)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str) and value.endswith("+00:00"):
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime) and value.tzinfo:
            return value.astimezone(self.zone).replace(tzinfo=None)
        return value


def _names_a_zone(text: str) -> bool:
    try:
        when = parse_datetime(text.strip())
    except ValueError:
        return False
    return when is not None and when.tzinfo is not None


def local_to_utc(naive: datetime, zone: ZoneInfo) -> datetime:
    early, late = naive.replace(tzinfo=zone, fold=0), naive.replace(tzinfo=zone, fold=1)
    utc = early.astimezone(UTC)
    if utc.astimezone(zone).replace(tzinfo=None) != naive:
        raise forms.ValidationError(
            _(
                "{naive:%d %b %Y %H:%M} does not exist in {key}: the clocks skip it. Choose a time before or after."
            ).format(naive=naive, key=zone.key)
        )
    if early.utcoffset() != late.utcoffset():
        raise forms.ValidationError(
            _(
                "{naive:%d %b %Y %H:%M} happens twice in {key}: the clocks go back. Choose a time before or after."
            ).format(naive=naive, key=zone.key)
        )
    return utc


def presets(today: date) -> dict[str, tuple[str, date, date]]:
    """name -> (title, first day, last day) of the windows that people ask for most. Weeks begin on Monday."""
    day, monday = timedelta(days=1), today - timedelta(days=today.weekday())
    first = today.replace(day=1)
    last_of_month_before = first - day
    return {
        "yesterday": (_("Yesterday"), today - day, today - day),
        "last_week": (_("Last week"), monday - 7 * day, monday - day),
        "seven_days": (_("The last seven days"), today - 7 * day, today - day),
        "last_month": (_("Last month"), last_of_month_before.replace(day=1), last_of_month_before),
    }


class WindowForm(forms.Form):
    """A closed window that chooses items, typed or one of the presets; the windows that are sent are computed from the
    items."""

    def __init__(self, *args: Any, zone: str, need_window: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not need_window:
            return
        self.zone = ZoneInfo(zone)
        self.presets = presets(datetime.now(self.zone).date())
        days = [(name, _named(*preset)) for name, preset in self.presets.items()]
        self.fields["window"] = forms.ChoiceField(
            label=_("Window"),
            choices=[("", _("From and To as typed below")), *days],
            widget=forms.RadioSelect,
            required=False,
            initial="",
            help_text=_("Whole days of the account's local time, {zone}.").format(zone=zone),
        )
        self.fields["from_time"] = LocalTimeField(zone=zone, label=_("From"), required=False)
        self.fields["to_time"] = LocalTimeField(zone=zone, label=_("To"), required=False)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "window" not in self.fields or "window" in self.errors:
            return data
        if chosen := self.presets.get(data.get("window", "")):
            for name in ("from_time", "to_time"):
                self.errors.pop(name, None)  # what was typed there doesn't count
            return {**data, **self._whole_days(*chosen[1:])}
        for name in ("from_time", "to_time"):
            if name not in self.errors and not data.get(name):
                self.add_error(name, self.fields[name].error_messages["required"])
        start, end = data.get("from_time"), data.get("to_time")
        if start and end and start > end:
            self.add_error("to_time", _("The window ends before it begins: put the earlier time under From."))
        return data

    def _whole_days(self, first: date, last: date) -> dict[str, datetime]:
        """Days have no clock that a change could skip: a midnight that doesn't exist is the first moment after it."""
        begins, ends = (datetime.combine(day, time(), self.zone) for day in (first, last + timedelta(days=1)))
        return {"from_time": begins.astimezone(UTC), "to_time": ends.astimezone(UTC) - timedelta(microseconds=1)}

    def window(self) -> dict[str, str]:
        """{"from": ISO, "to": ISO} in UTC; empty where no window was asked."""
        if "from_time" not in self.fields:
            return {}
        return {
            "from": self.cleaned_data["from_time"].isoformat(),
            "to": self.cleaned_data["to_time"].isoformat(),
        }


def _named(title: str, first: date, last: date) -> str:
    if first == last:
        return f"{title}, {first:%a %d %b}"
    return _("{title}, {first:%a %d %b} to {last:%a %d %b}").format(title=title, first=first, last=last)


def in_words(parameters: dict[str, Any], zone: str) -> str:
    """ "from 14 Nov 2026 00:00 to 20 Nov 2026 23:59 IST (…UTC)"; empty without a window."""
    if "from" not in parameters:
        return ""
    tz = ZoneInfo(zone)
    start, end = (datetime.fromisoformat(parameters[key]) for key in ("from", "to"))
    local = _("{astimezone:%d %b %Y %H:%M:%S} to {astimezone2:%d %b %Y %H:%M:%S %Z}").format(
        astimezone=start.astimezone(tz), astimezone2=end.astimezone(tz)
    )
    return _("from {local} ({start:%d %b %H:%M:%S} to {end:%d %b %H:%M:%S} UTC)").format(
        local=local, start=start, end=end
    )
