"""Past the pages and the services: raw SQL that the database must refuse. Each act names rows that are there, so that
an accepted one would change something."""

from typing import TYPE_CHECKING

from django.db import IntegrityError, connection, transaction

from lsq_ops.models import DeletionRequest, Vote

from .people import CAST

if TYPE_CHECKING:
    from .stage import Stage

Act = tuple[str, tuple[str, ...]]
FAR = "2000-01-01 00:00:00"
WHOLE = (
    "UPDATE lsq_ops_auditevent SET actor = 'nobody' WHERE seq = 3",
    "DELETE FROM lsq_ops_auditevent WHERE seq = 3",
    "DELETE FROM lsq_ops_audithead",
    "UPDATE lsq_ops_audithead SET seq = seq - 1",
    "DELETE FROM lsq_ops_approvergrant",
    "UPDATE lsq_ops_approvergrant SET team_id = team_id + 1",
    f"UPDATE lsq_ops_approvergrant SET counts_from = '{FAR}'",
    "UPDATE lsq_ops_approvergrant SET revoked_at = NULL WHERE revoked_at IS NOT NULL",
)
# Of one request: {r} the request, {v} its current version, {n} the number of it.
OF_A_REQUEST = (
    "DELETE FROM lsq_ops_deletionrequest WHERE id = {r}",
    "UPDATE lsq_ops_deletionrequest SET requester_id = requester_id + 1 WHERE id = {r}",
    "DELETE FROM lsq_ops_vote WHERE request_id = {r}",
    "UPDATE lsq_ops_vote SET decision = 'approve', at = '2027-01-01 00:00:00' WHERE request_id = {r}",
    "DELETE FROM lsq_ops_attempt WHERE request_id = {r}",
    "UPDATE lsq_ops_attempt SET digest = 'x' WHERE request_id = {r}",
    "UPDATE lsq_ops_attempt SET state = 'intent' WHERE request_id = {r} AND state <> 'intent'",
    "UPDATE lsq_ops_attempt SET resolved_at = NULL WHERE request_id = {r} AND resolved_at IS NOT NULL",
    "DELETE FROM lsq_ops_decision WHERE request_id = {r}",
    "UPDATE lsq_ops_decision SET confirmed_by_id = proposed_by_id, confirmed_at = '2027-01-01 00:00:00'"
    " WHERE request_id = {r} AND confirmed_by_id IS NULL",
    "DELETE FROM lsq_ops_activitysnapshot WHERE request_id = {r}",
    "UPDATE lsq_ops_activitysnapshot SET complete = NOT complete WHERE request_id = {r} AND read_at IS NOT NULL",
    "UPDATE lsq_ops_deletionitem SET outcome = 'gone' WHERE outcome NOT IN ('', 'gone') AND version_id = {v}",
)
OF_A_SUBMITTED_ONE = (
    "UPDATE lsq_ops_requestversion SET approvals_needed = 0 WHERE id = {v}",
    "UPDATE lsq_ops_requestversion SET digest = 'x' WHERE id = {v}",
    "DELETE FROM lsq_ops_requestversion WHERE id = {v}",
    "UPDATE lsq_ops_deletionitem SET record_id = 'x' WHERE version_id = {v}",
    "DELETE FROM lsq_ops_deletionitem WHERE version_id = {v}",
    "UPDATE lsq_ops_deletioncall SET path = 'x' WHERE version_id = {v}",
    "DELETE FROM lsq_ops_keptneighbour WHERE version_id = {v}",
    "UPDATE lsq_ops_callbody SET text = 'x' WHERE call_id IN"
    " (SELECT id FROM lsq_ops_deletioncall WHERE version_id = {v})",
    "DELETE FROM lsq_ops_requesttarget WHERE version_id = {v}",
)
STATE = "UPDATE lsq_ops_deletionrequest SET state = '{s}' WHERE id = {r}"
VOTE = (
    "INSERT INTO lsq_ops_vote (request_id, version_id, voter_id, voter_name, grant_id, team_id, decision, digest,"
    " reason, at) SELECT {r}, {v}, u.id, 'x', g.id, g.team_id, 'approve', %s, '', '2027-01-01 00:00:00'"
    " FROM auth_user u, lsq_ops_approvergrant g WHERE u.username = %s AND g.id ="
    " COALESCE((SELECT MAX(o.id) FROM lsq_ops_approvergrant o WHERE o.user_id = u.id), 1)"
)
ATTEMPT = (
    "INSERT INTO lsq_ops_attempt (account_id, request_id, version_id, call_id, number, lead_id, digest, body_hash,"
    " token_hash, state, intent_at, lease_until, cause, message, late_answer) SELECT r.account_id, r.id, {v}, c.id, 90,"
    " c.lead_id, v.digest, c.body_hash, 'x', 'intent', '2027-01-01 00:00:00', '2027-01-01 00:00:00', '', '', ''"
    " FROM lsq_ops_deletionrequest r JOIN lsq_ops_requestversion v ON v.id = {v}"
    " JOIN lsq_ops_deletioncall c ON c.version_id = v.id WHERE r.id = {r}"
)


def by_hand(stage: "Stage", request: DeletionRequest, number: int) -> None:
    """One of the acts, the number says which."""
    with stage.looking():
        choices = _choices(stage, request)
        sql, parameters = choices[number % len(choices)]
        assert not _accepted(sql, parameters), f"the database took {sql} {parameters} of {request}, {request.state}"


def _choices(stage: "Stage", request: DeletionRequest) -> list[Act]:
    version = request.version
    ids = {"r": request.pk, "v": version.pk}
    texts = [*WHOLE, *OF_A_REQUEST, *(OF_A_SUBMITTED_ONE if version.submitted_at else ())]
    texts += [STATE.replace("{s}", state) for state in _forbidden(stage, request)]
    texts += [ATTEMPT] if _gate_is_shut(stage, request) else []
    acts: list[Act] = [(text.format(**ids), ()) for text in texts]
    acts += [(VOTE.format(**ids), (version.digest, name)) for name in _no_voters(stage, request)]
    return [*acts, (VOTE.format(**ids), ("0" * 64, "dana"))]


def _accepted(sql: str, parameters: tuple[str, ...]) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.rowcount > 0
    except IntegrityError:  # by a rule; a wrong statement is another error
        return False


def _forbidden(stage: "Stage", request: DeletionRequest) -> list[str]:
    """States to which there is no way from here, and `approved` without its votes."""
    ways = set(DeletionRequest.MOVES[request.state])
    version = stage.book.wishes[request.pk].versions.get(request.version_number)
    if version is None or not version.enough(stage.clock.now):
        ways.discard("approved")
    return [state for state in DeletionRequest.MOVES if state not in ways and state != request.state]


def _no_voters(stage: "Stage", request: DeletionRequest) -> list[str]:
    """Whose vote must not be taken now, even by hand. (A group is no matter of the database, a grant is.)"""
    wish, now = stage.book.wishes[request.pk], stage.clock.now
    version = wish.versions.get(request.version_number)
    open_now = request.state == "pending" and version is not None
    voted = set(Vote.objects.filter(version=request.version).values_list("voter__username", flat=True))
    return [
        name
        for name, person in ((name, stage.book.people[name]) for name in CAST)
        if not open_now or name in wish.involved | voted or not person.active(now) or person.grant(now) is None
    ]


def _gate_is_shut(stage: "Stage", request: DeletionRequest) -> bool:
    """Not running, not enough votes, or no call that is to be sent."""
    version = stage.book.wishes[request.pk].versions.get(request.version_number)
    if version is None or request.state != "running" or not version.enough(stage.clock.now):
        return True
    return not request.version.calls.filter(state="planned").exists()
