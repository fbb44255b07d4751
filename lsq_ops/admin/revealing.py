"""Records of the mirror hold what may be personal: it is shown when an auditor asks for it, and says why."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse

from lsq_ops.admin.base import BaseAdmin
from lsq_ops.admin.dialogs import dialog
from lsq_ops.services import sight
from lsq_ops.wording import lazy


class RevealForm(forms.Form):
    reason = forms.CharField(
        max_length=sight.LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=lazy("It is kept in the audit trail, with your name; so no personal data here."),
    )


class RevealingAdmin(BaseAdmin):
    actions_detail: tuple[str, ...] = ("reveal",)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {"hidden": True}

    @dialog(
        verb="reveal",
        label=lazy("Show what it holds"),
        icon="visibility",
        form=RevealForm,
        question=lazy("What LeadSquared gave of this record is shown once, on the next page."),
        button=lazy("Show it"),
    )
    def reveal(self, request: HttpRequest, obj: Any, form: RevealForm) -> HttpResponse:
        return self.shown(request, obj, raw=sight.reveal(request.user, obj, form.cleaned_data["reason"]))
