"""The LeadSquared account: what was learnt about it, the connection test, pause and resume."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from lsq_ops import kinds
from lsq_ops.admin import face
from lsq_ops.admin.base import BaseAdmin
from lsq_ops.admin.dialogs import dialog
from lsq_ops.models import Account
from lsq_ops.services import accounts, budget

OFFSETS = {
    "rows": "the number of rows to skip",
    "pages0": "the number of a page, counted from 0",
    "pages1": "the number of a page, counted from 1",
    "unknown": "not known yet; found out while reading",
}


class PauseForm(forms.Form):
    reason = forms.CharField(
        label="Why", max_length=300, help_text="It stands on every page until somebody resumes the account."
    )


class KindForm(forms.Form):
    kind = forms.ChoiceField(label="Kind", widget=forms.RadioSelect)

    def __init__(self, *args: Any, paused: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        titles = {kind.name: kind.title for kind in kinds.every()}
        self.fields["kind"].choices = [  # type: ignore[attr-defined]
            (name, f"{titles.get(name, name)}: {why}") for name, why in paused.items()
        ]


@admin.register(Account)
class AccountAdmin(BaseAdmin):
    list_display = ("__str__", "host", "state")
    sortable_by = ()
    actions_detail = ("test", "pause", "resume", "resume_kind")

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        """There is one account per deployment: its page is the list, until there is an old one too."""
        every = list(Account.objects.all()[:2])
        if len(every) == 1:
            return redirect(self.address(every[0]))
        return super().changelist_view(request, extra_context)

    @admin.display(description="State")
    def state(self, obj: Account) -> str:
        if not obj.current:
            return "read-only: another account is configured"
        return "paused" if obj.is_paused else "at work"

    def headline(self, obj: Account) -> str:
        return f"LeadSquared account {face.plain(str(obj))}"

    def facts(self, request: HttpRequest, obj: Account) -> list[tuple[str, Any]]:
        tested = face.both(obj.tested_at) if obj.tested_at else "never; press Test connection"
        return [
            ("State", _state(obj)),
            ("Host", obj.host),
            ("Account", f"{face.plain(obj.org_name) or 'not known yet'} {face.plain(obj.org_id)}".strip()),
            ("Key's user", face.plain(obj.key_user) or "not known yet"),
            ("Key's role", face.plain(obj.key_role) or "not known yet"),
            ("Time zone", obj.time_zone),
            ("Connection tested", tested),
            ("Rate limit", _limit(obj)),
            ("Used", _used(obj)),
            ("Offset means", OFFSETS.get(obj.offset_meaning, obj.offset_meaning)),
            ("Kinds that wait", "; ".join(f"{kind}: {why}" for kind, why in obj.paused_kinds.items()) or "none"),
        ]

    @dialog(
        verb="test_connection",
        label="Test connection",
        primary=True,
        icon="network_check",
        offered=lambda request, obj: obj.current,
        question="LeadSquared is asked once whose keys these are. Nothing is changed there.",
        button="Test now",
    )
    def test(self, request: HttpRequest, obj: Account, form: None) -> str:
        known = accounts.test_connection(request.user)
        return (
            f"Connected: the keys belong to {face.plain(known.key_user)}, {face.plain(known.key_role)};"
            f" local time is {known.time_zone}."
        )

    @dialog(
        verb="pause",
        label="Pause",
        danger=True,
        icon="pause",
        form=PauseForm,
        offered=lambda request, obj: obj.current and not obj.is_paused,
        question="Nothing more is sent until somebody resumes. What LeadSquared has taken can't be called back.",
    )
    def pause(self, request: HttpRequest, obj: Account, form: PauseForm) -> str:
        accounts.pause(request.user, form.cleaned_data["reason"])
        return "Paused. Nothing is lost; what is approved waits."

    @dialog(
        verb="resume",
        label="Resume",
        icon="play_arrow",
        offered=lambda request, obj: obj.current and obj.is_paused,
        question=lambda request, obj: f"Paused by {obj.paused_by}: {obj.pause_reason} What waits is sent from now on.",
    )
    def resume(self, request: HttpRequest, obj: Account, form: None) -> str:
        accounts.resume(request.user)
        return "Resumed. What is approved is sent."

    @dialog(
        verb="resume",
        label="Resume a kind",
        icon="play_arrow",
        form=lambda request, obj: partial(KindForm, paused=obj.paused_kinds),
        offered=lambda request, obj: obj.current and bool(obj.paused_kinds),
        question="Has the key's user got the right in LeadSquared? Otherwise the kind pauses again at its next call.",
        button="Resume",
    )
    def resume_kind(self, request: HttpRequest, obj: Account, form: KindForm) -> str:
        accounts.resume(request.user, form.cleaned_data["kind"])
        return "Resumed. Its calls are sent."


def _state(account: Account) -> str:
    if not account.current:
        return "read-only: another account is configured now"
    if account.is_paused:
        return f"paused by {account.paused_by}: {face.plain(account.pause_reason)}"
    return "at work"


def _limit(account: Account) -> str:
    shipped = f"{account.rate_calls} calls in {account.rate_seconds:g} s"
    if account.learnt_calls and account.learnt_calls < account.rate_calls:
        return f"{account.learnt_calls} calls in {account.rate_seconds:g} s, learnt from LeadSquared (set: {shipped})"
    return shipped


def _used(account: Account) -> str:
    cap = budget.daily_cap()
    window = f"{budget.in_window(account)} of {budget.size_of(account)} in this window"
    return f"{window}, {budget.used_today(account):,}{f' of {cap:,}' if cap else ''} today"
