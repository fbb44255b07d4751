"""The few questions that a request's dialogs ask.

Digests travel as hidden fields: a stale page can't decide on a new version.
"""

from functools import partial
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _

from lsq_ops.admin.codes import CodeForm, checked_at
from lsq_ops.models import Decision, DeletionCall, DeletionRequest, Message, RequestVersion, Vote
from lsq_ops.services import second_factor, striking
from lsq_ops.services.deciding import is_open_question
from lsq_ops.services.may import unresolved
from lsq_ops.wording import lazy

TROUBLES = 10  # lines that a form names one by one
_LONG = forms.Textarea(attrs={"rows": 3})


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=lazy("Reason"),
        max_length=1000,
        widget=_LONG,
        help_text=lazy("Everybody who looks at the request reads it."),
    )


class DigestForm(CodeForm):
    digest = forms.CharField(widget=forms.HiddenInput)


class VoteForm(DigestForm, ReasonForm):
    field_order: tuple[str, ...] = ("reason", "digest")


class CountForm(DigestForm):
    """Typed, not clicked: whoever approves many deletions has read how many."""

    count = forms.IntegerField(
        label=lazy("Number of items"), min_value=0, widget=forms.TextInput(attrs={"inputmode": "numeric"})
    )
    field_order = ("count", "digest")

    def __init__(self, *args: Any, items: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["count"].help_text = _("Type {items} to say that you know how many records will go.").format(
            items=items
        )


class ChangesForm(VoteForm):
    """The reason, and what to leave out: ids in one field, and ticks for a page of items; never a field for each."""

    out = forms.CharField(
        label=lazy("Leave out"),
        required=False,
        max_length=400_000,
        strip=False,  # the first line is line 1, also where it is blank
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono", "spellcheck": "false"}),
        help_text=lazy(
            "Ids of leads, or of single items, one a line. The requester can leave them out with one click."
        ),
    )
    ticked = forms.MultipleChoiceField(label=lazy("Or tick them"), required=False, widget=forms.CheckboxSelectMultiple)
    field_order = ("reason", "out", "ticked", "digest")

    def __init__(self, *args: Any, version: RequestVersion, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.version = version
        ticked: Any = self.fields["ticked"]
        ticked.choices = choices
        if len(choices) < version.items_count:
            ticked.help_text = _("{count} of {items_count:,} items; paste the ids of others above.").format(
                count=len(choices), items_count=version.items_count
            )

    def clean_out(self) -> list[striking.Strike]:
        strikes, wrong = striking.read(self.version, self.cleaned_data["out"])
        if wrong:
            more = [_("and {count:,} more lines.").format(count=len(wrong) - TROUBLES)] if len(wrong) > TROUBLES else []
            raise forms.ValidationError([f"{one[0].upper()}{one[1:]}" for one in wrong[:TROUBLES] + more])
        return strikes

    def strikes(self) -> list[striking.Strike]:
        of_items = striking.record_type(self.version)
        given = self.cleaned_data
        return list(dict.fromkeys([*given["out"], *((of_items, one) for one in given["ticked"])]))


class AskForm(forms.Form):
    text = forms.CharField(
        label=lazy("Text"),
        max_length=1000,
        widget=_LONG,
        help_text=lazy(
            "It stays on the request's page and can't be changed. Leave out names, e-mails and phone numbers."
        ),
    )
    answers = forms.ModelChoiceField(queryset=Message.objects.none(), required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, questions: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["answers"].queryset = questions  # type: ignore[attr-defined]


class LeaveOutForm(forms.Form):
    """Which proposal was shown: the click means that one and no other."""

    vote = forms.ModelChoiceField(queryset=Vote.objects.none(), widget=forms.HiddenInput)

    def __init__(self, *args: Any, votes: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["vote"].queryset = votes  # type: ignore[attr-defined]


def vote_form(form: type, **rest: Any) -> Any:
    """With the digest that is shown, and a field for the second factor where it must be checked again."""

    def made(request: HttpRequest, obj: DeletionRequest) -> Any:
        wanted = second_factor.wanted_for(request.user, obj.version)
        ask = wanted and not second_factor.is_fresh(checked_at(request))
        return partial(form, initial={"digest": obj.version.digest}, code_for=request if ask else None, **rest)

    return made


class ProposeForm(ReasonForm):
    call = forms.ModelChoiceField(label=lazy("Call"), queryset=DeletionCall.objects.none(), empty_label=None)
    choice = forms.ChoiceField(
        label=lazy("What shall happen"),
        choices=[
            (
                Decision.Choice.END,
                lazy("End it as it is: nothing is sent again, the last reading decides the items"),
            ),
            (Decision.Choice.RESEND, lazy("Send it a second time: another operator must confirm")),
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
