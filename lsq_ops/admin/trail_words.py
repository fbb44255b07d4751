"""Each audit event as a sentence. The trail holds ids only; names of requests and people are looked up to be shown."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from lsq_ops.admin import face
from lsq_ops.models import Attempt, AuditEvent, Decision, DeletionCall, DeletionRequest, Vote
from lsq_ops.wording import lazy

# What events are about: the first word of their actions, as the list's filter names it.
ABOUT = {
    "account": lazy("Account"),
    "attempt": lazy("Attempt"),
    "backup": lazy("Backup"),
    "blackout": lazy("Blackout"),
    "call": lazy("Call"),
    "decision": lazy("Decision"),
    "erasure": lazy("Erasure"),
    "hold": lazy("Hold"),
    "lead": lazy("Lead"),
    "list": lazy("List"),
    "people": lazy("People"),
    "policy": lazy("Policy"),
    "receipt": lazy("Receipt"),
    "record": lazy("Record"),
    "request": lazy("Request"),
    "retention": lazy("Retention"),
    "set_up": lazy("Set-up"),
    "snapshot": lazy("Snapshot"),
    "sync": lazy("Sync"),
    "trail": lazy("Trail"),
    "upload": lazy("Upload"),
    "vote": lazy("Vote"),
}
# {request}, {call} and {person} are links where there is a page; the others come from the event's details.
WORDS = {
    "request.draft": lazy("drafted {request}"),
    "request.version": lazy("made version {version} of {request}, {targets} picked"),
    "request.pending": lazy("submitted {request}, version {version}, {items} items"),
    "request.approved": lazy("{request} has its approvals"),
    "request.running": lazy("{request} began to run"),
    "request.needs_attention": lazy("{request} needs attention"),
    "request.stop_asked": lazy("asked to stop {request}"),
    "request.resumed": lazy("{request} went on"),
    "request.completed": lazy("{request} completed: {gone} of {items} gone"),
    "request.partial": lazy("{request} ended partly done: {gone} of {items} gone"),
    "request.failed": lazy("{request} ended without effect: {gone} of {items} gone"),
    "request.stopped": lazy("{request} stopped: {gone} of {items} gone"),
    "request.closed": lazy("{request} was closed by two people"),
    "request.looked_again": lazy("{request} was read once more after its end: {found}"),
    "request.left_out": lazy("left out of {request} what {by} proposed, in version {version}"),
    "request.went_on_without": lazy("left {on_hold} of {request} out that are on hold, in version {version}"),
    "request.asked": lazy("asked a question about {request}"),
    "request.answered": lazy("answered a question about {request}"),
    "request.evidence_exported": lazy("exported the evidence report on {request}"),
    "request.items_exported": lazy("downloaded {items} items of {request} with what they hold"),
    "request.restore_help_taken": lazy("downloaded the restore help of {request}, {items} records"),
    "request.restored": lazy("{request} came out of a backup of {taken_at}, and waits to be confirmed"),
    "request.restore_confirmed": lazy("confirmed {request} after the restore"),
    "request.rejected": lazy("rejected {request}"),
    "request.withdrawn": lazy("withdrew {request}"),
    "request.cancelled": lazy("cancelled {request}"),
    "request.expired": lazy("{request} expired"),
    "request.changed_since_submit": lazy("{request} no longer matches what LeadSquared shows"),
    "call.planned": lazy("{call} is planned again"),
    "call.sent": lazy("{call} is being sent"),
    "call.verifying": lazy("{call} is being read back"),
    "call.gone": lazy("{call}: all gone"),
    "call.partial": lazy("{call}: partly gone"),
    "call.still_present": lazy("{call}: still there"),
    "call.unverifiable": lazy("{call}: can't be read"),
    "call.over_deleted": lazy("{call}: more went than was approved"),
    "call.skipped": lazy("{call} was not sent: {why}"),
    "attempt.intent": lazy("is about to send {call}"),
    "attempt.accepted": lazy("LeadSquared took {call}"),
    "attempt.refused": lazy("LeadSquared refused {call}"),
    "attempt.turned_away": lazy("LeadSquared turned {call} away ({cause}); nothing was done"),
    "attempt.not_sent": lazy("{call} did not leave ({cause})"),
    "attempt.unknown": lazy("{call} was sent, no clear answer yet ({cause})"),
    "attempt.resolved": lazy("the send of {call} is settled"),
    "attempt.late_answer": lazy("a late answer to {call} is kept beside it ({outcome})"),
    "vote.approve": lazy("approved {request} for {team}"),
    "vote.reject": lazy("voted to reject {request} for {team}"),
    "vote.changes": lazy("asked for changes of {request}"),
    "vote.withdrawn": lazy("took the vote on {request} back"),
    "vote.confirm": lazy("confirmed {request} in place of a lapsed approval, for {team}"),
    "decision.proposed": lazy("proposed for {request}: {choice}"),
    "decision.confirmed": lazy("confirmed for {request}: {choice}"),
    "receipt.arrived": lazy("LeadSquared reported on {call}"),
    "receipt.contradicts": lazy("what LeadSquared reported on {call} contradicts what is read"),
    "account.created": lazy("the account's row was made"),
    "account.tested": lazy("tested the connection; the key's role is {role}"),
    "account.paused": lazy("paused the account: {cause}"),
    "account.resumed": lazy("resumed the account"),
    "account.kind_paused": lazy("paused the kind {kind}: {cause}"),
    "account.kind_resumed": lazy("resumed the kind {kind}"),
    "account.learnt": lazy("learnt the rate limit: {calls} calls in {seconds} s"),
    "blackout.set": lazy("set a blackout, {when}: {cause}"),
    "blackout.lifted": lazy("lifted the blackout {when}"),
    "account.sync_on": lazy("began to keep the leads in step with LeadSquared"),
    "account.sync_off": lazy("ended keeping the leads in step with LeadSquared"),
    "sync.running": lazy("a sync of leads goes on, from {leg}"),
    "sync.asking": lazy("a sync of leads asks whether leads are gone"),
    "sync.done": lazy("a sync of leads is done: {taken} read, {looked} looked for, {gone} gone"),
    "sync.stopped": lazy("a sync of leads was stopped"),
    "people.user_made": lazy("made the account of {person}, roles: {roles}"),
    "people.roles_changed": lazy("changed the roles of {person} from {before} to {after}"),
    "people.locked": lazy("locked {person} out"),
    "people.unlocked": lazy("let {person} in again"),
    "people.password_reset": lazy("made a one-time password for {person}"),
    "people.password_changed": lazy("chose a new password"),
    "people.second_factor_added": lazy("set up a second factor"),
    "people.second_factor_removed": lazy("removed the second factor"),
    "people.second_factor_reset": lazy("reset the second factor of {person}"),
    "people.recovery_codes_made": lazy("made new recovery codes"),
    "people.votes_suspended": lazy("new votes of {person} are suspended until {until}"),
    "people.sign_in_blocked": lazy("sign-in of {person} was blocked after wrong tries"),
    "people.grant_given": lazy("gave {user} a grant for {team}, counting from {counts_from}"),
    "people.grant_revoked": lazy("revoked the grant of {user}"),
    "people.team_made": lazy("made a team"),
    "policy.set": lazy("set the approval policy"),
    "policy.taken_back": lazy("took a change of the approval policy back before it counted"),
    "hold.set": lazy("put on hold: {count} {record_type}s"),
    "hold.lifted": lazy("lifted the hold of {count} {record_type}s"),
    "request.contents_erased": lazy("what the records of {request} held was erased, {items} of them"),
    "retention.begun": lazy("retention began to erase what ended before {until}"),
    "retention.done": lazy("retention erased what was due"),
    "erasure.begun": lazy("began to erase one person from what the portal keeps"),
    "erasure.done": lazy("one person was erased from what the portal keeps"),
    "erasure.refused": lazy("wanted to erase one person, which was refused"),
    "erasure.lifted": lazy("let an erased person come in again"),
    "upload.read": lazy("read an uploaded list of {lines} lines and took {taken}"),
    "upload.outcome_taken": lazy("took the uploaded list away, with what became of its lines"),
    "upload.thrown_away": lazy("threw an uploaded file and its lines away"),
    "lead.added": lazy("read lead {prospect_id} into the mirror"),
    "lead.refreshed": lazy("refreshed lead {prospect_id}"),
    "lead.gone": lazy("lead {prospect_id} is gone from LeadSquared"),
    "lead.revealed": lazy("revealed lead {prospect_id}"),
    "lead.evidence_exported": lazy("exported the evidence report on lead {prospect_id}"),
    "snapshot.downloaded": lazy("downloaded snapshot {id}"),
    "record.revealed": lazy("looked at what record {record} holds: {reason}"),
    "list.taken": lazy("took the list of {list} away, {rows} rows"),
    "trail.verified": lazy("verified the audit trail: {sentence}"),
    "trail.exported": lazy("exported from the audit trail"),
    "backup.taken": lazy("took a backup of the database, up to event {head}"),
    "backup.restored": lazy("restored the portal from a backup of {taken_at}, up to event {head}"),
    "set_up.keys_tried": lazy("asked LeadSquared about a pair of keys, which the portal did not keep"),
    "set_up.webhook_tried": lazy("tried whether a report reaches the portal"),
    "set_up.mail_tried": lazy("tried whether a mail leaves"),
}


@dataclass(slots=True)
class Names:
    """What the events of one page are about: a handful of queries, whatever the number of events."""

    call_of: dict[int, DeletionCall] = field(default_factory=dict)
    call_of_attempt: dict[int, DeletionCall] = field(default_factory=dict)
    request_of: dict[tuple[str, int], int] = field(default_factory=dict)
    users: dict[int, str] = field(default_factory=dict)
    requests: set[int] = field(default_factory=set)


def names_for(events: Iterable[AuditEvent]) -> Names:
    ids: dict[str, set[int]] = defaultdict(set)
    for event in events:
        if event.object_id.isdigit():
            ids[event.object_type].add(int(event.object_id))
    attempts = Attempt.objects.filter(pk__in=ids["attempt"]).select_related("call")
    about: dict[tuple[str, int], int] = {}
    for noun, model in (("vote", Vote), ("decision", Decision)):
        rows = model._default_manager.filter(pk__in=ids[noun]).values_list("pk", "request_id")
        about |= {(noun, pk): request for pk, request in rows}
    return Names(
        call_of=DeletionCall.objects.in_bulk(ids["deletioncall"]),
        call_of_attempt={attempt.pk: attempt.call for attempt in attempts},
        request_of=about,
        users=dict(User.objects.filter(pk__in=ids["user"]).values_list("pk", "username")),
        requests=set(DeletionRequest.objects.filter(pk__in=ids["deletionrequest"]).values_list("pk", flat=True)),
    )


def sentence(event: AuditEvent, names: Names) -> SafeString:
    """What happened, without who: escaped, with links."""
    details = event.facts()
    shown = {key: _value(key, value) for key, value in details.items() if not isinstance(value, dict)}
    pk = int(event.object_id) if event.object_id.isdigit() else 0
    call = names.call_of.get(pk) if event.object_type == "deletioncall" else names.call_of_attempt.get(pk)
    known = {
        **shown,
        "id": event.object_id,
        "call": _call(call) if call else _("a call"),
        "request": _request(_request_id(event, pk, names)),
        "person": names.users.get(pk, f"user {event.object_id}"),
    }
    return format_html(WORDS[event.action], **_Filled(known))


class _Filled(dict[str, Any]):
    """format_html unpacks its keywords; every word that any sentence asks for must be there."""

    def __init__(self, known: dict[str, Any]) -> None:
        asked = "version targets items gone why cause outcome team choice role kind calls seconds roles before after"
        asked += " user counts_from until when tiers prospect_id sentence found by on_hold count record_type leg"
        asked += " taken looked taken_at head"
        super().__init__({**dict.fromkeys(asked.split(), "?"), **known})


def _request_id(event: AuditEvent, pk: int, names: Names) -> int | None:
    if event.object_type == "deletionrequest":
        return pk
    return names.request_of.get((event.object_type, pk))


def _request(pk: int | None) -> SafeString | str:
    if pk is None:
        return _("a request")
    return format_html('<a href="{}">DR-{}</a>', reverse("admin:lsq_ops_deletionrequest_change", args=[pk]), pk)


def _call(call: DeletionCall) -> SafeString:
    return format_html(_("call {} of {}"), call.number, _request(call.request_id))


def _value(key: str, value: Any) -> str:
    if key in ("counts_from", "until", "taken_at"):
        return face.both(datetime.fromisoformat(value))
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or _("none")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return face.short(str(value), 200)
