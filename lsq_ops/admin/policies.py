"""The approval policy: what needs how many approvals, who could give them, and the change that waits for its day."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from lsq_ops import kinds
from lsq_ops.admin import face
from lsq_ops.admin.base import BaseAdmin
from lsq_ops.admin.dialogs import dialog
from lsq_ops.models import Policy, db_now
from lsq_ops.services import policies
from lsq_ops.wording import lazy

LIMITS = {
    "max_items": (lazy("of at most so many items"), lazy("Empty: any number.")),
    "max_leads": (
        lazy("on at most so many leads"),
        lazy("Empty: any number. Tasks of one owner pass whatever their leads."),
    ),
    "max_share": (
        lazy("under so many % of each lead's history"),
        lazy("Empty: any. Leads with fewer than ten are left out."),
    ),
}
DECIDED = {
    "approvals": (lazy("and needs so many approvals"), lazy("At least one; nobody's own.")),
    "teams": (lazy("from so many teams"), lazy("2: people of two teams must agree.")),
}


class PolicyForm(forms.Form):
    """One form for the whole policy: a tier's limits, and what it asks for."""

    def __init__(self, *args: Any, tiers: policies.Tiers, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for tier in tiers:
            asked = DECIDED if tier["name"] == policies.NAMES[-1] else LIMITS | DECIDED
            for part, (label, hint) in asked.items():
                self.fields[f"{tier['name']}_{part}"] = forms.IntegerField(
                    label=f"{tier['name'].capitalize()}: {label}",
                    help_text=hint,
                    required=part in DECIDED,
                    min_value=1,
                    max_value=100 if part == "max_share" else 10_000_000,
                    initial=tier[part],
                )
        self.fields["name"] = forms.CharField(
            label=_("What to call it"), max_length=100, help_text=_("Approvers read it in the announcement.")
        )

    names = policies.NAMES

    def rows(self) -> list[tuple[str, str, list[forms.BoundField | None]]]:
        """(label, hint, one field for each tier): a table shows at a glance what the tiers have in common."""

        def field(tier: str, part: str) -> forms.BoundField | None:
            return self[f"{tier}_{part}"] if f"{tier}_{part}" in self.fields else None

        parts = (LIMITS | DECIDED).items()
        return [(label, hint, [field(tier, part) for tier in self.names]) for part, (label, hint) in parts]

    def tiers(self) -> policies.Tiers:
        given = self.cleaned_data
        return [
            {"name": name, **{part: given.get(f"{name}_{part}") for part in (*LIMITS, *DECIDED)}}
            for name in policies.NAMES
        ]


@admin.register(Policy)
class PolicyAdmin(BaseAdmin):
    page_template = "lsq_ops/policy.html"
    list_display = ("name", "set_by", "counts_from", "retired_at")
    actions_detail = ("announce", "take_back")

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        """The page of the policy that counts is the list; it names the others."""
        policy = policies.in_force().last()
        return redirect(self.address(policy)) if policy else super().changelist_view(request, extra_context)

    def headline(self, obj: Policy) -> str:
        return _("Approval policy: {name}").format(name=face.plain(obj.name))

    def facts(self, request: HttpRequest, obj: Policy) -> list[tuple[str, Any]]:
        return [
            (_("State"), _state(obj)),
            (_("Set by"), face.plain(obj.set_by)),
            (_("Counts from"), face.both(obj.counts_from)),
            (_("Until"), face.both(obj.retired_at) if obj.retired_at else _("another one is set")),
        ]

    def page_context(self, request: HttpRequest, obj: Policy) -> dict[str, Any]:
        covered = policies.coverage(obj.tiers)
        rows = [
            {
                "name": one.tier["name"],
                "when": policies.limits_in_words(one.tier),
                "needs": policies.approvals_in_words(one.tier),
                "covered": one,
            }
            for one in covered
        ]
        return {
            "tiers": rows,
            "always_high": [(kind.title, kind.always_high) for kind in kinds.every() if kind.always_high],
            "coming": policies.coming(),
            "others": [(one, _state(one)) for one in Policy.objects.exclude(pk=obj.pk).order_by("-id")[:20]],
        }

    @dialog(
        verb="manage_policy",
        label=lazy("Change the policy"),
        icon="edit",
        primary=True,
        form=lambda request, obj: partial(PolicyForm, tiers=obj.tiers),
        offered=lambda request, obj: obj.counts_from <= db_now() and policies.coming() is None,
        question=lazy(
            "It counts a day from now (at once before the account is first resumed), and every approver"
            " gets it by mail. Requests that are waiting keep the numbers that they were submitted with."
        ),
        button=lazy("Announce this policy"),
        template="lsq_ops/policy_form.html",
    )
    def announce(self, request: HttpRequest, obj: Policy, form: PolicyForm) -> HttpResponse:
        policy = policies.set_policy(request.user, form.tiers(), form.cleaned_data["name"])
        self.message_user(
            request, _("Announced. It counts from {when}.").format(when=face.both(policy.counts_from)), "SUCCESS"
        )
        return redirect(self.address(policy))

    @dialog(
        verb="manage_policy",
        label=lazy("Take back"),
        icon="undo",
        danger=True,
        offered=lambda request, obj: obj == policies.coming(),
        question=lazy("The change never counts, and the policy that is in force stays. Every approver hears of it."),
    )
    def take_back(self, request: HttpRequest, obj: Policy, form: None) -> str:
        policies.take_back(request.user, obj)
        return _("Taken back; the policy that is in force stays.")


def _state(policy: Policy) -> str:
    now = db_now()
    if policy.retired_at and policy.retired_at <= policy.counts_from:
        return _("taken back before it counted")
    if policy.counts_from > now:
        return _("announced; doesn't count yet")
    return _("over") if policy.retired_at and policy.retired_at <= now else _("in force")
