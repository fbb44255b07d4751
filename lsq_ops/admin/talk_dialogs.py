"""What people say to one another about a request: questions and answers, and what an approver proposes to leave out."""

from functools import partial
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from lsq_ops.admin import face, request_page
from lsq_ops.admin.dialogs import dialog
from lsq_ops.admin.request_forms import AskForm, ChangesForm, LeaveOutForm, number_in, vote_form
from lsq_ops.models import DeletionItem, DeletionRequest, Message, Vote
from lsq_ops.services import striking, talk, waiting
from lsq_ops.wording import lazy

TICKS = 100  # boxes on one page


def recorded(request: HttpRequest, obj: DeletionRequest, said: str) -> SafeString | str:
    """`said`, and where to go from here: the next request that waits for this person."""
    other = next((one for one in waiting.waiting_for(request.user) if one.pk != obj.pk), None)
    if other is None:
        return said
    address = reverse("admin:lsq_ops_deletionrequest_change", args=[other.pk])
    return format_html(
        _('{} Next for you: <a href="{}" style="text-decoration:underline">{}</a>.'), said, address, other
    )


def changes_form(request: HttpRequest, obj: DeletionRequest) -> Any:
    items = request_page.chosen_items(request, obj)[:TICKS]
    choices = [(item.record_id, _in_a_line(item)) for item in items]
    return vote_form(ChangesForm, version=obj.version, choices=choices)(request, obj)


def _in_a_line(item: DeletionItem) -> str:
    odd = f" ({_(item.odd)})" if item.odd else ""
    lead = _(", lead {lead_id}…").format(lead_id=item.lead_id[:8]) if item.lead_id else ""
    return f"{face.plain(item.label)}, {face.minute(item.at)}{lead}{odd}"


def question_of(request: HttpRequest, obj: DeletionRequest) -> Message | None:
    """The question that the address names."""
    return talk.questions(obj).filter(pk=number_in(request, "to") or 0).first()


def ask_form(request: HttpRequest, obj: DeletionRequest) -> Any:
    asked = question_of(request, obj)
    return partial(AskForm, questions=talk.questions(obj), initial={"answers": asked.pk if asked else None})


def ask_text(request: HttpRequest, obj: DeletionRequest) -> str:
    asked = question_of(request, obj)
    if asked:
        return _("{author_name} wrote: “{text}”").format(author_name=asked.author_name, text=face.plain(asked.text))
    return _("Everybody who looks at the request reads it; those concerned get a mail. No vote is touched by it.")


def leave_out_form(request: HttpRequest, obj: DeletionRequest) -> Any:
    return partial(LeaveOutForm, votes=obj.votes.filter(decision="changes"), initial={"vote": striking.proposal(obj)})


def leave_out_text(request: HttpRequest, obj: DeletionRequest) -> str:
    vote = striking.proposal(obj)
    return _numbers(vote) if vote else _("Nothing is proposed any more.")


def _numbers(vote: Vote) -> str:
    strikes, version = striking.strikes_of(vote), vote.version
    out = len(striking.covered(version, strikes))
    return _(
        "{voter_name} proposes to leave out {in_words}: {out:,} of the {items_count:,} items of version "
        "{number}; {items_count2:,} would be left. A new version is made without them, its leads are "
        "read again, and you can submit it; {voter_name} may vote on it."
    ).format(
        voter_name=vote.voter_name,
        in_words=striking.in_words(vote),
        out=out,
        items_count=version.items_count,
        number=version.number,
        items_count2=version.items_count - out,
    )


class TalkDialogs:
    """Mixed into the request's dialogs."""

    @dialog(
        verb="ask",
        label=lambda request, obj: _("Answer") if request.GET.get("to") else _("Ask"),
        form=ask_form,
        question=ask_text,
        button=lambda request, obj: _("Answer") if request.GET.get("to") else _("Ask"),
    )
    def ask(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        given = form.cleaned_data
        talk.write(request.user, obj, given["text"], answers=given["answers"])
        return _("Your answer is on the page.") if given["answers"] else _("Your question is on the page.")

    @dialog(
        verb="leave_out",
        label=lazy("Leave these out"),
        primary=True,
        offered=lambda request, obj: striking.proposal(obj) is not None,
        form=leave_out_form,
        question=leave_out_text,
    )
    def leave_out(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        version = striking.leave_out(request.user, obj, form.cleaned_data["vote"])
        return _("Version {number} of {obj} is made without them; its leads are being read.").format(
            number=version.number, obj=obj
        )
