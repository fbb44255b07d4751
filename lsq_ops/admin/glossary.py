"""The words of the portal, each with what it means here."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from lsq_ops import kinds
from lsq_ops.admin.pages import framed
from lsq_ops.models import Attempt, DeletionCall, DeletionItem, DeletionRequest
from lsq_ops.services.may import APPROVER, AUDITOR, OPERATOR, POLICY_ADMIN, REQUESTER
from lsq_ops.wording import lazy

WORDS = {
    lazy("Account"): lazy(
        "One LeadSquared tenant. Its host and keys come from the environment; the portal keeps what it learnt."
    ),
    lazy("Lead, activity, task, owner change"): lazy("LeadSquared's own words for what it keeps about a person."),
    lazy("Mirror"): lazy(
        "The portal's copy of leads, activities and tasks. Each row says when it was read; a deletion is never"
        " decided from it, but from a fresh reading."
    ),
    lazy("Deletion request"): lazy("What people see and decide on: a choice of records of one kind, with a reason."),
    lazy("Version"): lazy("A request as it was submitted. Any change makes a new one, without votes."),
    lazy("Digest"): lazy("A hash over everything that was approved, to the byte. What is sent must fit it."),
    lazy("Item"): lazy("One record that should go."),
    lazy("Kept neighbour"): lazy(
        "A record of the same leads that must stay. If one vanishes, the portal stops and asks."
    ),
    lazy("Blackout"): lazy(
        "Hours of the week, or a period, in which no deletion call is sent. Reading goes on, and what waits"
        " goes on by itself when it is over. The time between blackouts is the run window."
    ),
    lazy("Window"): lazy(
        "From one second to another on one lead: LeadSquared deletes by type and window, never by id. The portal"
        " finds the windows that hold every chosen item and nothing else."
    ),
    lazy("Call"): lazy(
        "One deletion that LeadSquared is asked for. A request has as many as its leads and windows need."
    ),
    lazy("Attempt"): lazy("One send of a call, written down before the first byte leaves. Each is sent at most once."),
    lazy("Reading, snapshot"): lazy(
        "What LeadSquared showed at one time, with a hash and whether it was complete. Only complete readings decide."
    ),
    lazy("Receipt"): lazy("What LeadSquared's webhook reported. It is kept, and believed only after a reading."),
    lazy("Hold"): lazy("A lead or a task that must not be touched, whoever asks."),
    lazy("Tier"): lazy("Low, medium or high: how many approvals a request needs, from how many teams."),
    lazy("Grant"): lazy("What lets an approver vote: a team, and a date from which it counts."),
    lazy("Undo time"): lazy("After the last approval, before the first call: whoever may cancel still can."),
    lazy("Audit trail"): lazy(
        "A chain of events in which each holds the hash of the one before. Anchors outside the database show"
        " if it was cut off or written anew."
    ),
    lazy("Sandbox"): lazy("A stand-in for LeadSquared, for trying things out. Nothing there is real."),
}
ROLES = {
    REQUESTER: lazy("Picks leads and tasks, drafts and submits requests."),
    APPROVER: lazy("Votes on requests of others, with a grant. Never on one that they made, edited or asked for."),
    OPERATOR: lazy(
        "Sees to the account: tests the connection, pauses, resumes, and decides with a second operator what is"
        " unclear."
    ),
    AUDITOR: lazy("Checks the trail, and sees what is masked, with a reason. Changes nothing."),
    POLICY_ADMIN: lazy("People, grants, policies, holds, erasures. Never an approver."),
}
REQUEST = DeletionRequest.State
OF_REQUESTS = {
    REQUEST.DRAFT: lazy("It can still be changed. Its leads are read, to show exactly what would go."),
    REQUEST.PENDING: lazy("Submitted and frozen. It waits for votes, and expires after three working days."),
    REQUEST.APPROVED: lazy("It has its approvals, and starts by itself when the undo time is over."),
    REQUEST.RUNNING: lazy("Calls are sent and read back."),
    REQUEST.NEEDS_ATTENTION: lazy("Something is unclear. Nothing more of it is sent until people decide."),
    REQUEST.COMPLETED: lazy("All of it is gone from what LeadSquared's API shows. Nobody can say “destroyed”."),
    REQUEST.PARTIAL: lazy("Some of it is gone, some is still there or was not sent. The rest can be asked for anew."),
    REQUEST.FAILED: lazy("None of it is gone."),
    REQUEST.STOPPED: lazy("Somebody stopped it. What LeadSquared had taken can't be called back."),
    REQUEST.CLOSED: lazy("Two operators ended it as it was."),
    REQUEST.REJECTED: lazy("An approver said no, with a reason."),
    REQUEST.WITHDRAWN: lazy("Its requester took it back, or nobody touched the draft for thirty days."),
    REQUEST.CANCELLED: lazy("It was called off before anything was sent."),
    REQUEST.EXPIRED: lazy("Nobody decided, or it did not start, in time. Clone it to ask again."),
}
CALL = DeletionCall.State
OF_CALLS = {
    CALL.PLANNED: lazy("Not sent yet."),
    CALL.SENT: lazy("On its way; the answer is not there yet."),
    CALL.VERIFYING: lazy("Sent. Fresh readings show what really went."),
    CALL.GONE: lazy("A complete reading shows none of its items."),
    CALL.PARTIAL: lazy("Some of its items are still there."),
    CALL.STILL_PRESENT: lazy("All of its items are still there."),
    CALL.UNVERIFIABLE: lazy("The lead can't be read any more, so nobody can say."),
    CALL.OVER_DELETED: lazy("More went than was approved. The account pauses, and people are told."),
    CALL.SKIPPED: lazy("Not sent, with a reason: it changed, was gone already, or is on hold."),
}
SEND = Attempt.State
OF_ATTEMPTS = {
    SEND.INTENT: lazy("Written down, and about to leave."),
    SEND.ACCEPTED: lazy("LeadSquared took it. That is no proof that anything went."),
    SEND.REFUSED: lazy("A final no of LeadSquared's. It is read once, and not sent again by itself."),
    SEND.TURNED_AWAY: lazy("Rate limit or keys: nothing was done, it goes again."),
    SEND.NOT_SENT: lazy("No byte left, it goes again."),
    SEND.UNKNOWN: lazy("Sent, no clear answer yet. We read to find out; nothing is sent twice."),
}
ITEM = DeletionItem.Outcome
OF_ITEMS = {
    ITEM.GONE: lazy("It was there before the send, and a complete reading after it doesn't show it."),
    ITEM.ALREADY_GONE: lazy("It was gone before anything was sent."),
    ITEM.STILL_PRESENT: lazy("It is still there."),
    ITEM.SKIPPED: lazy("It was not sent, with a reason."),
    ITEM.UNVERIFIABLE: lazy("It can't be read any more."),
}


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    words: list[tuple[str, str]]


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    groups = [
        Group(_("Words"), list(WORDS.items())),
        Group(_("Roles"), [(_(role), says) for role, says in ROLES.items()]),
        Group(_("Kinds of deletion"), [(kind.title, kind.says) for kind in kinds.every()]),
        Group(_("States of a request"), [(state.label, says) for state, says in OF_REQUESTS.items()]),
        Group(_("States of a call"), [(state.label, says) for state, says in OF_CALLS.items()]),
        Group(_("What became of a send"), [(state.label, says) for state, says in OF_ATTEMPTS.items()]),
        Group(_("What became of an item"), [(outcome.label, says) for outcome, says in OF_ITEMS.items()]),
    ]
    return TemplateResponse(request, "lsq_ops/glossary.html", framed(request, _("Words"), groups=groups))
