"""The LeadSquared account: what was learnt about it, the connection test, pause and resume."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from lsq_ops import kinds
from lsq_ops.admin import blackouts, face
from lsq_ops.admin.base import BaseAdmin
from lsq_ops.admin.dialogs import dialog
from lsq_ops.models import Account
from lsq_ops.services import accounts, budget
from lsq_ops.wording import lazy

OFFSETS = {
    "rows": lazy("the number of rows to skip"),
    "pages0": lazy("the number of a page, counted from 0"),
    "pages1": lazy("the number of a page, counted from 1"),
    "unknown": lazy("not known yet; found out while reading"),
}


class PauseForm(forms.Form):
    reason = forms.CharField(
        label=lazy("Why"), max_length=300, help_text=lazy("It stands on every page until somebody resumes the account.")
    )


class KindForm(forms.Form):
    kind = forms.ChoiceField(label=lazy("Kind"), widget=forms.RadioSelect)

    def __init__(self, *args: Any, paused: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        titles = {kind.name: kind.title for kind in kinds.every()}
        self.fields["kind"].choices = [  # type: ignore[attr-defined]
            (name, f"{titles.get(name, name)}: {why}") for name, why in paused.items()
        ]


@admin.register(Account)
class AccountAdmin(blackouts.Blackouts, BaseAdmin):
    list_display = ("__str__", "host", "state")
    sortable_by = ()
    actions_detail = ("test", "pause", "resume", "resume_kind", "close_hours", "close_period", "lift_blackout")

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        """There is one account per deployment: its page is the list, until there is an old one too."""
        every = list(Account.objects.all()[:2])
        if len(every) == 1:
            return redirect(self.address(every[0]))
        return super().changelist_view(request, extra_context)

    @admin.display(description=lazy("State"))
    def state(self, obj: Account) -> str:
        if not obj.current:
            return _("read-only: another account is configured")
        return _("paused") if obj.is_paused else _("at work")

    def headline(self, obj: Account) -> str:
        return _("LeadSquared account {obj}").format(obj=face.plain(str(obj)))

    def facts(self, request: HttpRequest, obj: Account) -> list[tuple[str, Any]]:
        tested = face.both(obj.tested_at) if obj.tested_at else _("never; press Test connection")
        return [
            (_("State"), _state(obj)),
            (_("Host"), obj.host),
            (_("Account"), f"{face.plain(obj.org_name) or 'not known yet'} {face.plain(obj.org_id)}".strip()),
            (_("Key's user"), face.plain(obj.key_user) or _("not known yet")),
            (_("Key's role"), face.plain(obj.key_role) or _("not known yet")),
            (_("Time zone"), obj.time_zone),
            (_("Connection tested"), tested),
            (_("Rate limit"), _limit(obj)),
            (_("Used"), _used(obj)),
            (_("Offset means"), OFFSETS.get(obj.offset_meaning, obj.offset_meaning)),
            (_("Kinds that wait"), "; ".join(f"{kind}: {why}" for kind, why in obj.paused_kinds.items()) or _("none")),
            *blackouts.facts(obj),
        ]

    @dialog(
        verb="test_connection",
        label=lazy("Test connection"),
        primary=True,
        icon="network_check",
        offered=lambda request, obj: obj.current,
        question=lazy("LeadSquared is asked once whose keys these are. Nothing is changed there."),
        button=lazy("Test now"),
    )
    def test(self, request: HttpRequest, obj: Account, form: None) -> str:
        known = accounts.test_connection(request.user)
        return _("Connected: the keys belong to {key_user}, {key_role}; local time is {time_zone}.").format(
            key_user=face.plain(known.key_user), key_role=face.plain(known.key_role), time_zone=known.time_zone
        )

    @dialog(
        verb="pause",
        label=lazy("Pause"),
        danger=True,
        icon="pause",
        form=PauseForm,
        offered=lambda request, obj: obj.current and not obj.is_paused,
        question=lazy("Nothing more is sent until somebody resumes. What LeadSquared has taken can't be called back."),
    )
    def pause(self, request: HttpRequest, obj: Account, form: PauseForm) -> str:
        accounts.pause(request.user, form.cleaned_data["reason"])
        return _("Paused. Nothing is lost; what is approved waits.")

    @dialog(
        verb="resume",
        label=lazy("Resume"),
        icon="play_arrow",
        offered=lambda request, obj: obj.current and obj.is_paused,
        question=lambda request, obj: _("Paused by {paused_by}: {pause_reason} What waits is sent from now on.").format(
            paused_by=obj.paused_by, pause_reason=obj.pause_reason
        ),
    )
    def resume(self, request: HttpRequest, obj: Account, form: None) -> str:
        accounts.resume(request.user)
        return _("Resumed. What is approved is sent.")

    @dialog(
        verb="resume",
        label=lazy("Resume a kind"),
        icon="play_arrow",
        form=lambda request, obj: partial(KindForm, paused=obj.paused_kinds),
        offered=lambda request, obj: obj.current and bool(obj.paused_kinds),
        question=lazy(
            "Has the key's user got the right in LeadSquared? Otherwise the kind pauses again at its next call."
        ),
        button=lazy("Resume"),
    )
    def resume_kind(self, request: HttpRequest, obj: Account, form: KindForm) -> str:
        accounts.resume(request.user, form.cleaned_data["kind"])
        return _("Resumed. Its calls are sent.")


def _state(account: Account) -> str:
    if not account.current:
        return _("read-only: another account is configured now")
    if account.is_paused:
        return _("paused by {paused_by}: {pause_reason}").format(
            paused_by=account.paused_by, pause_reason=face.plain(account.pause_reason)
        )
    return _("at work")


def _limit(account: Account) -> str:
    shipped = _("{rate_calls} calls in {rate_seconds:g} s").format(
        rate_calls=account.rate_calls, rate_seconds=account.rate_seconds
    )
    if account.learnt_calls and account.learnt_calls < account.rate_calls:
        return _("{learnt_calls} calls in {rate_seconds:g} s, learnt from LeadSquared (set: {shipped})").format(
            learnt_calls=account.learnt_calls, rate_seconds=account.rate_seconds, shipped=shipped
        )
    return shipped


def _used(account: Account) -> str:
    cap = budget.daily_cap()
    window = _("{in_window} of {size_of} in this window").format(
        in_window=budget.in_window(account), size_of=budget.size_of(account)
    )
    used = budget.used_today(account)
    if not cap:
        return _("{window}, {used:,} today").format(window=window, used=used)
    return _("{window}, {used:,} of {cap:,} today").format(window=window, used=used, cap=cap)
