"""The few questions that a request's dialogs ask.

Digests travel as hidden fields: a stale page can't decide on a new version.
"""

from typing import Any

from django import forms
from django.http import HttpRequest

from lsq_ops.models import Decision, DeletionCall, DeletionRequest
from lsq_ops.services.deciding import is_open_question
from lsq_ops.services.may import unresolved

_LONG = forms.Textarea(attrs={"rows": 3})


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label="Reason",
        max_length=1000,
        widget=_LONG,
        help_text="Everybody who looks at the request reads it.",
    )


class DigestForm(forms.Form):
    digest = forms.CharField(widget=forms.HiddenInput)


class VoteForm(DigestForm, ReasonForm):
    field_order = ("reason", "digest")


class CountForm(DigestForm):
    """Typed, not clicked: whoever approves many deletions has read how many."""

    count = forms.IntegerField(
        label="Number of items", min_value=0, widget=forms.TextInput(attrs={"inputmode": "numeric"})
    )
    field_order = ("count", "digest")

    def __init__(self, *args: Any, items: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["count"].help_text = f"Type {items} to say that you know how many records will go."


class ProposeForm(ReasonForm):
    call = forms.ModelChoiceField(label="Call", queryset=DeletionCall.objects.none(), empty_label=None)
    choice = forms.ChoiceField(
        label="What shall happen",
        choices=[
            (
                Decision.Choice.END,
                "End it as it is: nothing is sent again, the last reading decides the items",
            ),
            (Decision.Choice.RESEND, "Send it a second time: another operator must confirm"),
        ],
        widget=forms.RadioSelect,
    )
    field_order = ("call", "choice", "reason")

    def __init__(self, *args: Any, calls: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["call"].queryset = calls  # type: ignore[attr-defined]


class DecisionForm(forms.Form):
    decision = forms.ModelChoiceField(queryset=Decision.objects.none(), widget=forms.HiddenInput)

    def __init__(self, *args: Any, decisions: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["decision"].queryset = decisions  # type: ignore[attr-defined]


def undecided_calls(obj: DeletionRequest) -> Any:
    """Calls that wait for the decision of two operators."""
    calls = {attempt.call for attempt in unresolved(obj)}
    return obj.calls.filter(pk__in=[call.pk for call in calls if is_open_question(call)])


def number_in(request: HttpRequest, name: str) -> int | None:
    """A number of the address; None where there is none or it is garbage."""
    value = request.GET.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 18 else None
