"""Erasures: one person out of what the portal keeps, from the question to the page that says what went, what stays and
why."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from lsq_ops.admin import face
from lsq_ops.admin.base import BaseAdmin
from lsq_ops.admin.dialogs import dialog
from lsq_ops.admin.paging import LongListAdmin
from lsq_ops.models import Erasure, Lead
from lsq_ops.services import accounts, batches, erased_ids, erasure, uploads
from lsq_ops.wording import lazy

QUESTION = lazy(
    "It can't be brought back. Nothing in LeadSquared is changed: erase the person there too. What was asked, decided"
    " and done stays, with ids, dates and hashes. If the lead is on hold, or in an open request, the refusal is kept."
)


class WhyForm(forms.Form):
    reason = forms.CharField(
        max_length=300, help_text=lazy("Auditors read it. Leave out names, e-mails and phone numbers: it stays.")
    )
    ticket = forms.CharField(max_length=100, required=False)


class PersonForm(WhyForm):
    prospect_id = forms.CharField(
        label=lazy("Prospect id"),
        max_length=60,
        widget=forms.TextInput(attrs={"class": "mono"}),
        help_text=lazy("Of the lead."),
    )
    field_order = ("prospect_id", "reason", "ticket")

    def clean_prospect_id(self) -> str:
        if one := uploads.normal_id(self.cleaned_data["prospect_id"]):
            return one
        raise forms.ValidationError(
            _("This is no prospect id; expected something like {sample_id}.").format(sample_id=uploads.SAMPLE_ID)
        )


def what_is_known(request: HttpRequest, obj: Lead) -> str:
    known = erasure.known(obj.prospect_id)
    named = {"activities": "activities", "tasks": "tasks", "contents": _("items of requests, what they held")}
    told = ", ".join(f"{count:,} {named[name]}" for name, count in known.items() if count)
    with_it = _(", with {told}").format(told=told) if told else ""
    return _(
        "The lead is erased from the mirror{with_it}, and wherever else it is named:"
        " readings, uploads, what was sent and received about it. {question}"
    ).format(with_it=with_it, question=QUESTION)


def _begin(request: HttpRequest, prospect_id: str, form: WhyForm) -> HttpResponse:
    given = form.cleaned_data
    begun = erasure.begin(request.user, prospect_id, given["reason"], given["ticket"])
    return redirect(reverse("admin:lsq_ops_erasure_change", args=[begun.pk]))


@admin.register(Erasure)
class ErasureAdmin(LongListAdmin, BaseAdmin):
    page_template = "lsq_ops/erasures/page.html"
    polls = True  # while it goes on
    change_list_template = "lsq_ops/erasures/list.html"
    list_display = ("begun", "by", "why", "state", "erased")
    search_fields = ("mark",)  # shows the search box; get_search_results does the search
    search_help_text = lazy("Prospect id: was this person erased?")
    actions_list = ("erase_person",)
    actions_detail = ("let_in",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("account").defer("person")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, term: str) -> tuple[QuerySet, bool]:
        one = uploads.normal_id(term)
        mark = erased_ids.mark(accounts.current_account(), one) if one else ""
        return (queryset.filter(mark=mark) if term.strip() else queryset), False

    @admin.display(description=lazy("Asked"))
    def begun(self, obj: Erasure) -> str:
        return face.when(obj.begun_at)

    @admin.display(description=lazy("Why"))
    def why(self, obj: Erasure) -> str:
        return face.short(obj.reason, 80)

    @admin.display(description=lazy("State"))
    def state(self, obj: Erasure) -> str:
        if obj.refused:
            return _("refused")
        if not obj.ended_at:
            return _("being erased")
        return _("erased, let in again") if obj.lifted_at else _("erased")

    @admin.display(description=lazy("What went"))
    def erased(self, obj: Erasure) -> str:
        return face.short(obj.refused, 80) if obj.refused else batches.in_words(obj.counts, erasure.ALL)

    # --- An erasure ---

    def headline(self, obj: Erasure) -> str:
        return _("Erasure of {when}").format(when=face.minute(obj.begun_at))

    def facts(self, request: HttpRequest, obj: Erasure) -> list[tuple[str, Any]]:
        facts = [
            (_("Asked"), face.both(obj.begun_at)),
            (_("By"), obj.by),
            (_("Why"), face.plain(obj.reason)),
            (_("Ticket"), face.plain(obj.ticket) or "–"),
            (_("Keyed hash of the prospect id"), obj.mark),
        ]
        if obj.ended_at and not obj.refused:
            facts.append((_("Ended"), face.both(obj.ended_at)))
        if obj.lifted_at:
            facts.append(
                (
                    _("Let in again"),
                    _("{when} by {lifted_by}").format(when=face.both(obj.lifted_at), lifted_by=obj.lifted_by),
                )
            )
        return facts

    def page_context(self, request: HttpRequest, obj: Erasure) -> dict[str, Any]:
        rows = [(rule, obj.counts.get(rule.name, 0), obj.kept_back.get(rule.name, 0)) for rule in erasure.ALL]
        return {"rows": rows, "stays": erasure.STAYS, "done": obj.rule, "of": len(erasure.RULES)}

    # --- Dialogs ---

    @dialog(
        verb="erase",
        label=lazy("Erase a person"),
        icon="person_remove",
        form=PersonForm,
        danger=True,
        question=QUESTION,
        button=lazy("Erase this person"),
    )
    def erase_person(self, request: HttpRequest, obj: None, form: PersonForm) -> HttpResponse:
        return _begin(request, form.cleaned_data["prospect_id"], form)

    @dialog(
        verb="erase",
        label=lazy("Let in again"),
        icon="undo",
        offered=lambda request, obj: bool(obj.ended_at and not obj.refused and not obj.lifted_at),
        question=lazy(
            "The next sync, reading or upload may bring in what LeadSquared has of this person. What was erased"
            " stays erased."
        ),
        button=lazy("Let in again"),
    )
    def let_in(self, request: HttpRequest, obj: Erasure, form: None) -> str:
        erasure.lift(request.user, obj)
        return _("What LeadSquared has of this person may come in again.")


class Erasable:
    """Mixed into the admin of leads: the dialog that erases this one."""

    @dialog(
        verb="erase",
        label=lazy("Erase this person"),
        icon="person_remove",
        form=WhyForm,
        danger=True,
        question=what_is_known,
        button=lazy("Erase this person"),
    )
    def erase_person(self, request: HttpRequest, obj: Lead, form: WhyForm) -> HttpResponse:
        return _begin(request, obj.prospect_id, form)
