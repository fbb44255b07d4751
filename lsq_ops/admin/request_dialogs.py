"""What a person can do to a request: one dialog each, one call to a service each."""

from functools import partial
from typing import Any

from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from lsq_ops import kinds
from lsq_ops.admin import downloads, face, request_forms
from lsq_ops.admin.codes import checked_at
from lsq_ops.admin.dialogs import dialog
from lsq_ops.admin.drafting import DraftForm
from lsq_ops.admin.request_forms import (
    CountForm,
    DecisionForm,
    DigestForm,
    ProposeForm,
    ReasonForm,
    VoteForm,
    vote_form,
)
from lsq_ops.admin.talk_dialogs import TalkDialogs, changes_form, recorded
from lsq_ops.models import Decision, DeletionCall, DeletionItem, DeletionRequest
from lsq_ops.services import approval, deciding, drafting, holds, preview, report, restore, restored, verifying, waiting
from lsq_ops.services.may import enough, standing_vote, valid_votes
from lsq_ops.wording import counted, lazy

DECIDE = "lsq_ops/request/decide.html"


def items_of(obj: DeletionRequest) -> str:
    return counted(obj.version.items_count, "item")


def deletions_of(obj: DeletionRequest) -> str:
    return counted(obj.version.items_count, "deletion")


def seen_facts(request: HttpRequest, obj: DeletionRequest) -> dict[str, Any]:
    return {"facts": preview.facts(obj), "kind": kinds.get(obj.kind), "version": obj.version}


def approve_form(request: HttpRequest, obj: DeletionRequest) -> Any:
    if approval.asks_count(obj.version):
        return vote_form(CountForm, items=obj.version.items_count)(request, obj)
    return vote_form(DigestForm)(request, obj)


def edit_form(request: HttpRequest, obj: DeletionRequest) -> Any:
    version = obj.version
    return partial(
        DraftForm,
        kinds.get(obj.kind),
        drafting.selection_of(version),
        obj.account,
        request.user,
        initial={
            "parameters": version.parameters,
            "category": version.category,
            "reason": version.reason,
            "ticket": version.ticket,
            "asked_by": version.asked_by_id,
        },
        struck_out=len(version.parameters.get("without", ())),
    )


def propose_form(request: HttpRequest, obj: DeletionRequest) -> Any:
    calls = request_forms.undecided_calls(obj)
    return partial(ProposeForm, calls=calls, initial={"call": request_forms.number_in(request, "call")})


def open_decisions(obj: DeletionRequest) -> Any:
    return waiting.open_decisions().filter(request=obj)


def proposed(request: HttpRequest, obj: DeletionRequest) -> Decision | None:
    """The open decision that the address names, or the newest one."""
    rows = open_decisions(obj)
    return rows.filter(pk=request_forms.number_in(request, "decision")).first() or rows.first()


def decision_form(request: HttpRequest, obj: DeletionRequest) -> Any:
    one = proposed(request, obj)
    return partial(DecisionForm, decisions=open_decisions(obj), initial={"decision": one.pk if one else None})


def decision_question(request: HttpRequest, obj: DeletionRequest) -> str:
    one = proposed(request, obj)
    if one is None:
        return _("Nothing is proposed any more.")
    about = (
        _("call {number}, {size:,} items").format(number=one.call.number, size=one.call.size)
        if one.call
        else _("the whole request")
    )
    who, what = face.person(one.proposed_by), one.get_choice_display()
    return _("{who} proposes for {about}: {what}.\nReason: {reason}").format(
        who=who, about=about, what=what, reason=one.reason
    )


def stop_question(request: HttpRequest, obj: DeletionRequest) -> str:
    calls = obj.calls.filter(version=obj.version)
    sent = calls.filter(sent_at__isnull=False).count()
    planned = calls.filter(state=DeletionCall.State.PLANNED, sent_at__isnull=True).count()
    return _(
        "Already sent, and can't be called back: {calls}. Would not be sent: {calls2}. What was "
        "sent is still read back."
    ).format(calls=counted(sent, "call"), calls2=counted(planned, "call"))


def restored_question(request: HttpRequest, obj: DeletionRequest) -> str:
    return _(
        "This request stands as it stood in the backup. Since then it may have been stopped, cancelled or decided"
        " otherwise, votes may have been taken back, and calls of it may have been sent whose end is not known"
        " here.\n{past}\nConfirm only if it should go on as it stands here: ask those who made and approved it, and"
        " look in LeadSquared whether deletions of it are still under way. Each lead is read anew before anything is"
        " sent; what is gone already is not sent again. Otherwise have it cancelled or stopped."
    ).format(past=restored.past(obj))


def on_hold_text(request: HttpRequest, obj: DeletionRequest) -> str:
    version = obj.version
    out = holds.covered(version, holds.on_version(version))
    votes = _(" Votes that were given don't count for it.") if version.votes.exists() else ""
    return _(
        "{out:,} of the {items_count:,} items are on hold; {items_count2:,} would be left. A new version "
        "is made without them, its leads are read again, and you can submit it.{votes}"
    ).format(out=out, items_count=version.items_count, items_count2=version.items_count - out, votes=votes)


def has_remaining(obj: DeletionRequest) -> bool:
    done = (DeletionItem.Outcome.GONE, DeletionItem.Outcome.ALREADY_GONE)
    return obj.is_over and bool(obj.started_at) and obj.version.items.exclude(outcome__in=done).exists()


class RequestDialogs(TalkDialogs):
    """Mixed into the request's admin; `actions_detail` is also the order of the buttons."""

    actions_detail = (
        "leave_out",
        "go_on_without",
        "submit",
        "approve",
        "confirm_vote",
        "confirm_decision",
        "confirm_restored",
        "remaining",
        "ask",
        "changes",
        "reject",
        "edit",
        "reread",
        "take_back",
        "propose",
        "reverify",
        "clone",
        "evidence",
        "restore_help",
        "withdraw",
        "cancel",
        "stop",
        "close",
    )

    @dialog(
        verb="go_on_without",
        label=lambda request, obj: _("Go on without the {count:,} on hold").format(
            count=len(holds.on_version(obj.version))
        ),
        primary=True,
        offered=lambda request, obj: bool(holds.on_version(obj.version)),
        question=on_hold_text,
        button=lazy("Make a version without them"),
    )
    def go_on_without(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        version = drafting.go_on_without(request.user, obj)
        return _("Version {number} of {obj} is made without them; its leads are being read.").format(
            number=version.number, obj=obj
        )

    @dialog(
        verb="submit",
        label=lazy("Submit for approval"),
        primary=True,
        question=lambda request, obj: _(
            "{items_of} will be frozen exactly as they were read, and others decide on them."
        ).format(items_of=items_of(obj)),
        template=DECIDE,
        about=seen_facts,
    )
    def submit(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        approval.submit(request.user, obj)
        return _("{obj} is submitted. The approvers have been told.").format(obj=obj)

    @dialog(
        verb="vote",
        label=lambda request, obj: _("Approve {deletions_of}").format(deletions_of=deletions_of(obj)),
        primary=True,
        form=approve_form,
        question=lazy("What you approve is deleted in LeadSquared. It can't be brought back from there."),
        template=DECIDE,
        about=seen_facts,
    )
    def approve(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        given, factor_at = form.cleaned_data, checked_at(request)
        shown = {"digest": given["digest"], "count": given.get("count")}
        approval.vote(request.user, obj, "approve", **shown, factor_at=factor_at)
        return recorded(
            request,
            obj,
            _("Recorded: you approved {deletions_of} of {obj}.").format(deletions_of=deletions_of(obj), obj=obj),
        )

    @dialog(
        verb="confirm_vote",
        label=lambda request, obj: _("Confirm {deletions_of}").format(deletions_of=deletions_of(obj)),
        primary=True,
        offered=lambda request, obj: not enough(obj, valid_votes(obj)),
        form=vote_form(DigestForm),
        question=lazy("An approval lapsed on the way. You confirm the same content for what was not yet sent."),
        template=DECIDE,
        about=seen_facts,
    )
    def confirm_vote(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        approval.confirm_vote(request.user, obj, form.cleaned_data["digest"], factor_at=checked_at(request))
        return recorded(request, obj, _("Recorded: you confirmed {obj}.").format(obj=obj))

    @dialog(
        verb="confirm_decision",
        label=lazy("Confirm the proposal"),
        primary=True,
        offered=lambda request, obj: open_decisions(obj).exists(),
        form=decision_form,
        question=decision_question,
        button=lazy("Confirm"),
        danger=False,
    )
    def confirm_decision(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        deciding.confirm(request.user, form.cleaned_data["decision"])
        return _("Confirmed by two people.")

    @dialog(
        verb="confirm_restored",
        label=lambda request, obj: _("Confirm after the restore"),
        primary=True,
        offered=lambda request, obj: obj.waits_after_restore,
        question=restored_question,
        button=lambda request, obj: _("Confirm: it may go on"),
    )
    def confirm_restored(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        restored.confirm(request.user, obj)
        return _("Confirmed. What is left of {request} goes on by itself.").format(request=obj)

    @dialog(
        verb="clone",
        label=lazy("Request the remaining"),
        primary=True,
        offered=lambda request, obj: has_remaining(obj),
        question=lazy("A new draft is made of the items that are not gone. It is read and decided anew."),
    )
    def remaining(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> HttpResponse:
        return redirect(self.address(drafting.request_remaining(request.user, obj)))  # type: ignore[attr-defined]

    @dialog(
        verb="vote",
        label=lazy("Changes needed"),
        form=changes_form,
        question=(
            lazy(
                "The request goes back to its requester with your reason, and with what you would leave out."
                " You may approve the next version."
            )
        ),
        button=lazy("Ask for changes"),
    )
    def changes(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        given, factor_at = form.cleaned_data, checked_at(request)
        shown = {"digest": given["digest"], "reason": given["reason"]}
        approval.vote(request.user, obj, "changes", **shown, leave_out=form.strikes(), factor_at=factor_at)
        return recorded(request, obj, _("Recorded: {obj} is back with its requester.").format(obj=obj))

    @dialog(
        verb="vote",
        label=lazy("Reject"),
        danger=True,
        form=vote_form(VoteForm),
        question=lazy("The request ends here; nothing is deleted. Your reason is kept."),
    )
    def reject(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        given, factor_at = form.cleaned_data, checked_at(request)
        approval.vote(request.user, obj, "reject", digest=given["digest"], reason=given["reason"], factor_at=factor_at)
        return recorded(request, obj, _("Recorded: you rejected {obj}.").format(obj=obj))

    @dialog(
        verb="edit",
        label=lazy("Edit"),
        form=edit_form,
        question=lazy("An edit makes a new version: its leads are read again, and it has no votes."),
        button=lazy("Save as a new version"),
    )
    def edit(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        version = drafting.edit(request.user, obj, **form.given())
        return _("Version {number} of {obj} is made; its leads are being read.").format(number=version.number, obj=obj)

    @dialog(
        verb="edit",
        label=lazy("Read again"),
        question=lazy("All leads of this draft are read anew; the items may change."),
    )
    def reread(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        drafting.reread(request.user, obj)
        return _("The leads are being read again.")

    @dialog(
        verb="take_back",
        label=lazy("Take my vote back"),
        offered=lambda request, obj: standing_vote(request.user, obj) is not None,
        question=lazy("Your vote no longer counts. You can vote again only on a new version."),
    )
    def take_back(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        approval.take_back(request.user, obj)
        return _("Your vote on {obj} is taken back.").format(obj=obj)

    @dialog(
        verb="propose",
        label=lazy("Decide on an unclear call"),
        primary=True,
        offered=lambda request, obj: request_forms.undecided_calls(obj).exists(),
        form=propose_form,
        question=lazy("LeadSquared gave no clear answer to a call. You propose what to do; another operator confirms."),
        button=lazy("Propose"),
    )
    def propose(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        given = form.cleaned_data
        deciding.propose(request.user, obj, given["call"], given["choice"], given["reason"])
        return _("Proposed. Another operator, who did not ask for this request, confirms it.")

    @dialog(
        verb="reverify",
        label=lazy("Read back now"),
        offered=lambda request, obj: obj.version.calls.filter(state="verifying").exists(),
        question=lazy(
            "What was sent is read back now instead of on its schedule. Reading changes nothing in LeadSquared."
        ),
    )
    def reverify(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        return _("{calls} will be read back now.").format(calls=counted(verifying.reverify(request.user, obj), "call"))

    @dialog(
        verb="clone",
        label=lazy("Copy to a new draft"),
        question=lazy("A new draft with the same leads and questions is made and read."),
    )
    def clone(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> HttpResponse:
        return redirect(self.address(drafting.clone(request.user, obj)))  # type: ignore[attr-defined]

    @dialog(
        verb="export_evidence",
        label=lazy("Evidence report"),
        icon="verified",
        offered=lambda request, obj: obj.versions.filter(submitted_at__isnull=False).exists(),
        question=downloads.QUESTION,
        button=lazy("Download the report"),
    )
    def evidence(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> FileResponse:
        return downloads.zipped(f"{obj}-evidence", lambda file: report.export_request(request.user, obj, file))

    @dialog(
        verb="see",
        label=lazy("Restore help"),
        icon="settings_backup_restore",
        offered=lambda request, obj: obj.is_over and restore.gone(obj).exists(),
        question=lazy(
            "This is no undo: nothing is sent, and what was deleted stays deleted.\nA zip with the calls that"
            " would create records like the deleted ones, the same as tables, and a list of what"
            " can't come back. It holds"
            " what the records held; that you took it is written into the audit trail."
        ),
        button=lazy("Download the restore help"),
    )
    def restore_help(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> FileResponse:
        return downloads.zipped(f"{obj}-restore-help", lambda file: restore.export(request.user, obj, file))

    @dialog(
        verb="withdraw",
        label=lazy("Withdraw"),
        danger=True,
        question=lazy("The request ends here; nothing is deleted."),
    )
    def withdraw(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        approval.withdraw(request.user, obj)
        return _("{obj} is withdrawn.").format(obj=obj)

    @dialog(
        verb="cancel",
        label=lambda request, obj: _("Undo") if obj.starts_at else _("Cancel"),
        danger=True,
        question=lazy("The request ends before anything was sent. It can't be taken up again, only copied."),
        button=lazy("Cancel the request"),
    )
    def cancel(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        approval.cancel(request.user, obj)
        return _("{obj} is cancelled. Nothing was sent.").format(obj=obj)

    @dialog(verb="stop", label=lazy("Stop"), danger=True, question=stop_question, button=lazy("Stop sending"))
    def stop(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        taken, unsent = approval.stop(request.user, obj)
        return _("{obj} stops. Not sent: {calls}. Sent, and read back: {calls2}.").format(
            obj=obj, calls=counted(unsent, "call"), calls2=counted(taken, "call")
        )

    @dialog(
        verb="close",
        label=lazy("Close by hand"),
        danger=True,
        form=ReasonForm,
        question=lazy("You propose to close the request as it stands; another operator confirms it."),
        button=lazy("Propose to close"),
    )
    def close(self, request: HttpRequest, obj: DeletionRequest, form: Any) -> str:
        deciding.propose(request.user, obj, None, "close", form.cleaned_data["reason"])
        return _("Proposed. Another operator, who did not ask for this request, confirms it.")
