"""may() and the database's rules are one answer: where may() says yes a raw row is taken, where it says no it isn't.

What the database is laxer about by design is put right before the two are compared, and only that:

role            A group is Django's; the database knows the grant. A grant goes with the role (services/people.py), and
                who can write raw rows into auth_user_groups can write them into the grants too.
confirmation    While a request is pending it is worth what a vote is worth: the same conditions, the same weight.
decisions       State, and an operator who is locked out: a decision alone sends nothing, the gate asks for state,
                digest and votes. Two different people who aren't involved are the database's business.
other account   An old account is read-only in the portal; only the current one has keys to send anything.
"""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lsq_ops.models import (
    Account,
    ApproverGrant,
    Attempt,
    Decision,
    DeletionRequest,
    RequestVersion,
    Team,
    Vote,
    VotingSuspension,
    db_now,
)
from lsq_ops.services.may import enough, may, valid_votes
from tests.models.test_guards import attempt, cast

from .scene import rolled_back

EXAMPLES = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), database=None)
ENDS = ("rejected", "withdrawn", "expired", "cancelled")
STATES = ("draft", "pending", "approved", "running", "needs_attention", "stopped", *ENDS)


def taken(write) -> bool:
    """Does the database take the row? It is gone again afterwards."""
    try:
        with transaction.atomic():
            write()
            transaction.set_rollback(True)
    except DatabaseError:
        return False
    return True


def request_in(scene, state) -> DeletionRequest:
    """A request in that state, brought there by raw SQL where the scene has none."""
    if state in ("draft", "pending", "approved", "stopped"):
        request = getattr(scene, state)
    elif state == "needs_attention":
        request = scene.attention
    else:
        request = scene.approved if state == "running" else scene.pending
    with connection.cursor() as cursor:
        if state == request.state:
            return DeletionRequest.objects.get(pk=request.pk)
        cursor.execute("UPDATE lsq_ops_deletionrequest SET state = %s WHERE id = %s", [state, request.pk])
    return DeletionRequest.objects.get(pk=request.pk)


def person_with(draw, scene, request) -> tuple[User, ApproverGrant]:
    """Somebody with any grant and share in the request, who may have voted already; and the grant to vote with."""
    user = User.objects.create_user("somebody", is_staff=True, is_superuser=draw(st.booleans()))
    grant = ApproverGrant.objects.create(user=user, team=Team.objects.first(), counts_from=db_now(), given_at=db_now())
    open_to_votes = request.state in ("pending", "approved", "running", "needs_attention")
    voted = draw(st.sampled_from(["", "voted", "taken back"])) if open_to_votes else ""
    if voted:
        vote = cast(request, user, grant, decision="reject" if request.state == "pending" else "confirm")
        if voted == "taken back" and request.state == "pending":
            cast(request, user, grant, decision="withdrawn", takes_back=vote)
    else:
        # Nobody who voted on the current version can have had a share in it: the guards refused the vote.
        share = draw(st.sampled_from(["", "", "editor", "asked_by", "submitted_by"]))
        if share:
            facts = {"request": request, "number": 99, "made_at": db_now(), "reading_from": db_now()}
            facts |= {"parameters": {}, "category": "other"}
            facts |= {"editor": scene.world.rita, "asked_by": scene.world.rita, share: user}
            RequestVersion.objects.create(**facts)
    return user, _grant_now(draw, user, grant)


def _grant_now(draw, user, grant) -> ApproverGrant:
    had = draw(st.sampled_from(["in force", "in force", "revoked", "future", "another"]))
    if had == "in force":
        return grant
    ApproverGrant.objects.filter(pk=grant.pk).update(revoked_at=db_now())
    if had == "revoked":
        return grant
    from_when = db_now().replace(year=2099) if had == "future" else db_now()
    return ApproverGrant.objects.create(user=user, team=grant.team, counts_from=from_when, given_at=db_now())


def verdicts(draw, scene, user, verb, request) -> tuple[bool, bool]:
    """(what may() says, what it would say with everything right that the database doesn't look at)."""
    if draw(st.integers(0, 4)) == 0:
        hours = timedelta(hours=draw(st.sampled_from([-1, 1])))
        facts = {"until": db_now() + hours, "at": db_now(), "why": "password_reset", "by": "pia"}
        VotingSuspension.objects.create(user=user, **facts)
    user.groups.set(Group.objects.filter(name__in=draw(st.sets(st.sampled_from(["Approver", "Operator", "Auditor"])))))
    User.objects.filter(pk=user.pk).update(is_active=draw(st.sampled_from([True, True, True, False])))
    Account.objects.update(current=draw(st.sampled_from([True, True, True, False])))
    said = bool(may(User.objects.get(pk=user.pk), verb, DeletionRequest.objects.get(pk=request.pk)))
    user.groups.set(Group.objects.filter(name__in=["Approver", "Operator"]))
    Account.objects.update(current=True)
    return said, bool(may(User.objects.get(pk=user.pk), verb, DeletionRequest.objects.get(pk=request.pk)))


@EXAMPLES
@given(data=st.data())
def test_a_raw_vote_counts_where_may_says_yes_and_only_there(there, data):
    with rolled_back():
        request = request_in(there, data.draw(st.sampled_from(STATES)))
        user, grant = person_with(data.draw, there, request)
        verb = data.draw(st.sampled_from(["vote", "confirm_vote", "take_back"]))
        assume(not (verb == "confirm_vote" and request.state == "pending"))
        said, would_say = verdicts(data.draw, there, user, verb, request)
        row = {"decision": data.draw(st.sampled_from(["approve", "reject", "changes"]))}
        if verb == "confirm_vote":
            row = {"decision": "confirm"}
        if verb == "take_back":
            old = Vote.objects.filter(voter=user, takes_back__isnull=True).first()
            row, grant = {"decision": "withdrawn", "takes_back": old}, old.grant if old else grant
        assert taken(lambda: cast(request, user, grant, **row)) == would_say, (verb, request.state)
        assert would_say or not said
        assert not taken(lambda: cast(request, user, grant, **row, digest="0" * 64)), "a stale digest"


@EXAMPLES
@given(data=st.data())
def test_a_raw_decision_stands_where_may_says_yes_and_only_there(there, data):
    with rolled_back():
        request = request_in(there, data.draw(st.sampled_from(["running", "needs_attention"])))
        user, _ = person_with(data.draw, there, request)
        said, _ = verdicts(data.draw, there, user, "propose", request)
        User.objects.filter(pk=user.pk).update(is_active=True)
        would_say = bool(may(User.objects.get(pk=user.pk), "propose", request))
        facts = {"request": request, "choice": "end", "reason": "seen", "proposed_at": db_now()}
        facts |= {"call": request.version.calls.first()}
        assert taken(lambda: Decision.objects.create(**facts, proposed_by=user)) == would_say
        assert would_say or not said
        own = would_say and data.draw(st.booleans())
        made = Decision.objects.create(**facts, proposed_by=user if own else there.world.omar)
        would_say = bool(may(User.objects.get(pk=user.pk), "confirm_decision", request))
        confirmed = {"confirmed_by": user, "confirmed_at": db_now()}
        assert taken(lambda: Decision.objects.filter(pk=made.pk).update(**confirmed)) == would_say


@EXAMPLES
@given(data=st.data())
def test_the_gate_opens_where_the_worker_says_yes_and_only_there(there, data):
    """running.py's own look at votes, state, digest and call, against the guard on the attempt's insert."""
    with rolled_back():
        request = request_in(there, data.draw(st.sampled_from(["approved", "running", "running", "pending", "draft"])))
        for _ in range(data.draw(st.integers(0, 1)) if request.state == "running" else 0):
            user, _ = person_with(data.draw, there, request)
            User.objects.filter(pk=user.pk).update(is_active=data.draw(st.booleans()))
        if data.draw(st.booleans()):
            lapsed = ApproverGrant.objects.filter(user=there.world.dana, revoked_at__isnull=True)
            lapsed.update(revoked_at=db_now())
        User.objects.filter(pk=there.world.dana.pk).update(is_active=data.draw(st.sampled_from([True, True, False])))
        version = request.version
        digest = data.draw(st.sampled_from([version.digest, version.digest, "0" * 64]))
        # The lead that waits for an answer has an unresolved attempt: that is another rule's business.
        Attempt.objects.update(resolved_at=db_now())
        opens = request.state == "running" and enough(request, valid_votes(request)) and digest == version.digest
        assert taken(lambda: attempt(request, digest=digest)) == (opens and bool(version.digest))


@pytest.mark.parametrize("decision", ["approve", "confirm"])
def test_a_superuser_gets_no_raw_vote_without_a_grant(there, decision):
    with rolled_back():
        root, grant = there.people["root"], there.world.arun.grants.get()
        assert not taken(lambda: cast(there.pending, root, grant, decision=decision))
