"""One answer to "may this person do that, and if not, why not": for pages, services and tests alike.

A superuser flag gives no exception. The database guards say the same again for votes and attempts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from lsq_ops.models import (
    Account,
    ApproverGrant,
    Attempt,
    DeletionRequest,
    RequestVersion,
    Vote,
    VotingSuspension,
    db_now,
)
from lsq_ops.wording import marked

REQUESTER, APPROVER, OPERATOR = "Requester", "Approver", "Operator"
AUDITOR, POLICY_ADMIN = "Auditor", "Policy admin"
AS_ONE = {
    REQUESTER: marked("a requester"),
    APPROVER: marked("an approver"),
    OPERATOR: marked("an operator"),
    AUDITOR: marked("an auditor"),
    POLICY_ADMIN: marked("a policy admin"),
}
ROLES = (REQUESTER, APPROVER, OPERATOR, AUDITOR, POLICY_ADMIN)

ROLE_OF: dict[str, tuple[str, ...]] = {
    "refresh_mirror": (REQUESTER,),
    "sync": (REQUESTER, OPERATOR),
    "answer_sync": (OPERATOR,),
    "draft": (REQUESTER,),
    "edit": (REQUESTER,),
    "leave_out": (REQUESTER,),
    "go_on_without": (REQUESTER,),
    "submit": (REQUESTER,),
    "ask": (REQUESTER, APPROVER, OPERATOR),
    "withdraw": (REQUESTER,),
    "clone": (REQUESTER,),
    "cancel": (REQUESTER, APPROVER),
    "stop": (REQUESTER, APPROVER, OPERATOR),
    "vote": (APPROVER,),
    "take_back": (APPROVER,),
    "confirm_vote": (APPROVER,),
    "test_connection": (OPERATOR,),
    "pause": (OPERATOR,),
    "resume": (OPERATOR,),
    "blackout": (OPERATOR,),
    "set_up": (OPERATOR, POLICY_ADMIN),
    "send_again": (OPERATOR,),
    "reverify": (OPERATOR,),
    "propose": (OPERATOR,),
    "confirm_decision": (OPERATOR,),
    "close": (OPERATOR,),
    "confirm_restored": (OPERATOR,),
    "see": (REQUESTER, APPROVER, OPERATOR, AUDITOR),
    "reveal": (AUDITOR,),
    "export_evidence": (AUDITOR, REQUESTER, APPROVER, OPERATOR),
    "export_lead": (AUDITOR,),
    "verify_trail": (AUDITOR,),
    "export_trail": (AUDITOR,),
    "manage_people": (POLICY_ADMIN,),
    "manage_holds": (POLICY_ADMIN,),
    "manage_policy": (POLICY_ADMIN,),
    "erase": (POLICY_ADMIN,),
}
STATES_OF: dict[str, tuple[str, ...]] = {
    "edit": ("draft",),
    "leave_out": ("draft",),
    "go_on_without": ("draft", "pending"),
    "submit": ("draft",),
    "ask": ("pending", "approved", "running", "needs_attention"),
    "withdraw": ("draft", "pending"),
    "cancel": ("pending", "approved"),
    "stop": ("running", "needs_attention"),
    "vote": ("pending",),
    "take_back": ("pending",),
    "confirm_vote": ("approved", "running", "needs_attention"),
    "reverify": ("running", "needs_attention"),
    "propose": ("running", "needs_attention"),
    "confirm_decision": ("running", "needs_attention"),
    "close": ("needs_attention",),
    "confirm_restored": ("pending", "approved", "running", "needs_attention"),
}
# What changes nothing about it can be done to what belongs to another account too.
READ_ONLY = ("clone", "see", "reveal", "export_evidence", "export_lead")
_ELSEWHERE = "This belongs to another LeadSquared account; it is read-only."


class Barred(Exception):
    """No, and why: a clear sentence for the person who asked. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    why: str = ""

    def __bool__(self) -> bool:
        return not self.why


# Whoever a request of the web carries; `need` refuses all but a signed-in user with the role.
Person = Any


def roles_of(user: Person) -> set[str]:
    """The roles of an active user, by group; empty for anybody else."""
    if not user.is_authenticated or not user.is_active:
        return set()
    if not hasattr(user, "_lsq_roles"):
        user._lsq_roles = set(user.groups.filter(name__in=ROLES).values_list("name", flat=True))
    return set(user._lsq_roles)


def may(user: Person, verb: str, obj: Any = None) -> Verdict:
    """May `user` do `verb` (to `obj`, a DeletionRequest where the verb is about one)? Falsy with `.why` if not."""
    if verb == "look":
        return Verdict() if user.is_authenticated and user.is_active and user.is_staff else Verdict(_("Sign in first."))
    if not roles_of(user) & set(ROLE_OF[verb]):
        return Verdict(
            _("Only {either} may do this; ask a policy admin for the role.").format(either=_either(ROLE_OF[verb]))
        )
    if not isinstance(obj, DeletionRequest):
        account = obj if isinstance(obj, Account) else getattr(obj, "account", None)
        return Verdict("" if account is None or account.current or verb in READ_ONLY else _ELSEWHERE)
    barred = _state(verb, obj)
    return _person(user, verb, obj) if barred is None else barred


def need(user: Person, verb: str, obj: Any = None) -> None:
    """Barred with the reason unless `may`."""
    verdict = may(user, verb, obj)
    if not verdict:
        raise Barred(verdict.why)


def _either(roles: tuple[str, ...]) -> str:
    return _(" or ").join(_(AS_ONE[role]) for role in roles)


def _state(verb: str, request: DeletionRequest) -> Verdict | None:
    """None where the state allows it: the next question follows."""
    if not request.account.current and verb not in READ_ONLY:
        return Verdict(_("This request belongs to another LeadSquared account; it is read-only."))
    states = STATES_OF.get(verb)
    if states and request.state not in states:
        return Verdict(
            _("{request} is {state}; this is possible only while it is {listed}.").format(
                request=request, state=request.get_state_display(), listed=_listed(states)
            )
        )
    return None


def _listed(states: tuple[str, ...]) -> str:
    return _(" or ").join(str(DeletionRequest.State(state).label) for state in states)


def _person(user: Person, verb: str, request: DeletionRequest) -> Verdict:
    if verb in ("vote", "confirm_vote"):
        return _voter(user, request)
    if verb == "submit":
        return Verdict(unread(request.version))
    if verb in ("leave_out", "go_on_without") and request.votes.filter(voter=user).exists():
        return Verdict(
            _("You voted on this request; its requester decides what is left out, so that you may vote again.")
        )
    if verb == "ask" and not roles_of(user) & {APPROVER, OPERATOR} and not involved(user, request):
        return Verdict(_("Here ask and answer whoever made or asked for the request, approvers and operators."))
    if verb == "see" and not roles_of(user) & {APPROVER, OPERATOR, AUDITOR} and not took_part(user, request):
        return Verdict(
            _(
                "What its records hold is shown to those who made, edited or asked for this request, and to approvers,"
                " operators and auditors."
            )
        )
    if verb == "export_evidence" and AUDITOR not in roles_of(user) and not took_part(user, request):
        return Verdict(_("Auditors, and those who took part in this request, may take its evidence report away."))
    if verb == "take_back":
        return Verdict(_nothing_to_take_back(user, request))
    if verb in ("propose", "confirm_decision", "close", "confirm_restored") and involved(user, request):
        return Verdict(_("You made, edited or asked for this request; an operator who didn't decides on it."))
    if verb == "confirm_decision" and _proposed_all(user, request):
        return Verdict(_("You proposed this; another operator confirms it."))
    return Verdict()


def _proposed_all(user: Person, request: DeletionRequest) -> bool:
    proposers = set(request.decisions.filter(confirmed_at__isnull=True).values_list("proposed_by_id", flat=True))
    return proposers == {user.pk}


def unread(version: RequestVersion) -> str:
    """Why there is nothing to submit yet; empty where a complete reading found something."""
    if version.reading == RequestVersion.Reading.READING:
        return _("The leads are still being read; submit when the reading is complete.")
    if version.reading == RequestVersion.Reading.INCOMPLETE:
        return _("{reading_note} An incomplete reading can't be submitted; read again.").format(
            reading_note=version.reading_note
        )
    return "" if version.items_count else _("Nothing would go; change what is chosen.")


def _voter(user: Person, request: DeletionRequest) -> Verdict:
    part = involved(user, request)
    trouble = "" if part else _no_vote(user)
    voted = not (part or trouble) and Vote.objects.filter(version=request.version, voter=user).exists()
    return _of_voter(part, trouble, voted)


def _of_voter(part: str, trouble: str, voted: bool) -> Verdict:
    """`part`: what they did about the request; `trouble`: why they may vote on none now."""
    if part:
        return Verdict(_("You {part} this request; somebody else decides on it.").format(part=part))
    return Verdict(trouble or (_("You have voted on this version already.") if voted else ""))


def _no_vote(user: Person) -> str:
    """Why this person may vote on nothing now; empty where they may."""
    if grant_in_force(user) is None:
        return _grant_trouble(user)
    if suspended := suspension(user):
        return _(
            "Your {why} on {at:%d %b %Y %H:%M} UTC; your votes count again from {until:%d %b %Y %H:%M} UTC."
        ).format(why=suspended.get_why_display(), at=suspended.at, until=suspended.until)
    return ""


def may_vote(user: Person, requests: QuerySet[DeletionRequest]) -> list[tuple[DeletionRequest, Verdict]]:
    """`may(user, "vote", …)` of many pending ones, by the same rules, in as many queries as for one."""
    if not (by_role := may(user, "vote")):
        return [(request, by_role) for request in requests]
    found = list(requests.prefetch_related("versions"))
    trouble = _no_vote(user)
    voted = set(Vote.objects.filter(voter=user, version__request__in=found).values_list("version_id", flat=True))
    return [
        (one, barred if barred is not None else _of_voter(involved(user, one), trouble, one.version.pk in voted))
        for one, barred in ((one, _state("vote", one)) for one in found)
    ]


def _nothing_to_take_back(user: Person, request: DeletionRequest) -> str:
    vote = standing_vote(user, request)
    if vote is None:
        return _("You have no vote on this version.")
    return _("Your grant was revoked; your vote doesn't count any more.") if vote.grant.revoked_at else ""


def involved(user: Person, request: DeletionRequest) -> str:
    """ "made", "edited" or "asked for", over all versions; empty for somebody who did none of it."""
    if request.requester_id == user.pk:
        return _("made")
    if user.pk is None:
        return ""
    versions = request.versions.all()
    if any(user.pk in (version.editor_id, version.submitted_by_id) for version in versions):
        return _("edited")
    return _("asked for") if any(version.asked_by_id == user.pk for version in versions) else ""


def took_part(user: Person, request: DeletionRequest) -> bool:
    decided = request.decisions.filter(Q(proposed_by=user) | Q(confirmed_by=user))
    return bool(involved(user, request)) or request.votes.filter(voter=user).exists() or decided.exists()


def grant_in_force(user: Person) -> ApproverGrant | None:
    return ApproverGrant.objects.filter(user=user, revoked_at__isnull=True, counts_from__lte=db_now()).first()


def suspension(user: Person) -> VotingSuspension | None:
    """Why new votes of this person are not taken now: their password or second factor changed a short while ago."""
    last = VotingSuspension.objects.filter(user=user).order_by("-until").first()
    return last if last and last.until > db_now() else None


def _grant_trouble(user: Person) -> str:
    coming = ApproverGrant.objects.filter(user=user, revoked_at__isnull=True).first()
    if coming:
        return _("Your grant as approver counts from {counts_from:%d %b %Y %H:%M} UTC.").format(
            counts_from=coming.counts_from
        )
    return _("You have no grant as approver; a policy admin gives one, with a team.")


def standing_vote(user: Person, request: DeletionRequest) -> Vote | None:
    """The user's vote on the current version that was not taken back."""
    votes = Vote.objects.filter(version=request.version, voter=user, takes_back__isnull=True)
    return votes.filter(taken_back_by__isnull=True).first()


def valid_votes(request: DeletionRequest) -> list[Vote]:
    """Approvals that count now: on the current digest, not taken back, voter active and granted."""
    return valid_votes_of([request])[request.pk]


def valid_votes_of(requests: Iterable[DeletionRequest]) -> dict[int, list[Vote]]:
    """The same of many, in one query: request -> its votes."""
    digests = {request.version.pk: (request.pk, request.version.digest) for request in requests}
    votes = Vote.objects.filter(
        version__in=digests,
        decision__in=("approve", "confirm"),
        taken_back_by__isnull=True,
        voter__is_active=True,
        grant__revoked_at__isnull=True,
        grant__counts_from__lte=db_now(),
    )
    found: dict[int, list[Vote]] = {request: [] for request, __ in digests.values()}
    for vote in votes.select_related("voter", "team").order_by("id"):
        request, digest = digests[vote.version_id]
        if vote.digest == digest:
            found[request].append(vote)
    return found


def lapsed_votes(request: DeletionRequest) -> list[Vote]:
    """Approvals that were given on the current digest, not taken back, and don't count now."""
    counted = {vote.pk for vote in valid_votes(request)}
    given = request.version.votes.filter(decision__in=("approve", "confirm"), taken_back_by__isnull=True)
    return [vote for vote in given.select_related("voter", "team", "grant") if vote.pk not in counted]


def enough(request: DeletionRequest, votes: list[Vote]) -> bool:
    version = request.version
    teams = {vote.team_id for vote in votes}
    return len(votes) >= max(1, version.approvals_needed) and len(teams) >= version.teams_needed


def unresolved(request: DeletionRequest) -> list[Attempt]:
    return list(request.attempts.filter(resolved_at__isnull=True))
