"""Ways to get a call sent that nobody has approved. Each is one function of the attack, given by its family and by the
requests from which it makes sense; how it writes is the hand's matter."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.db import models

from lsq_ops.models import (
    Account,
    ApproverGrant,
    Attempt,
    CallBody,
    Decision,
    DeletionCall,
    DeletionItem,
    DeletionRequest,
    ItemContent,
    KeptNeighbour,
    Policy,
    RequestTarget,
    RequestVersion,
    TaskClaim,
    Team,
    Vote,
    db_now,
)
from lsq_ops.services import approval, deciding, people, running

from .hand import Hand, first
from .stage import HONEST, INVOLVED, RIGHTLESS, Stage, vote

WAITING = ("pending", "one vote of two", "one team of two", "voted on before")
ON_ITS_WAY = ("running", "running on two", "running tasks")
ANY = ("draft", *WAITING, "cancelled", *ON_ITS_WAY, "unknown")
PAST = timedelta(days=400)


@dataclass
class Attack:
    stage: Stage
    hand: Hand
    random: Random
    start: str  # the name of the request that it is about

    @property
    def request(self) -> DeletionRequest:
        return DeletionRequest.objects.get(pk=self.stage.requests[self.start])

    @property
    def version(self) -> RequestVersion:
        return self.request.version

    def other(self) -> DeletionRequest:
        name = self.random.choice([name for name in self.stage.requests if name != self.start])
        return DeletionRequest.objects.get(pk=self.stage.requests[name])

    def person(self, *names: str) -> User:
        return User.objects.get(username=self.random.choice(names))

    def one(self, rows: models.QuerySet[Any]) -> Any:
        return first(rows.order_by("?")) if rows else None

    def ballot(self, voter: User, **other: Any) -> dict[str, Any]:
        """A vote as it would have to look; with the voter's own grant, or failing that somebody else's."""
        grant = ApproverGrant.objects.filter(user=voter).last() or self.person(*HONEST).grants.get()
        facts = {"request_id": self.request.pk, "version_id": self.version.pk, "digest": self.version.digest}
        facts |= {"voter_id": voter.pk, "voter_name": voter.username, "grant_id": grant.pk, "team_id": grant.team_id}
        return {**facts, "decision": "approve", "reason": "", "at": db_now(), **other}


Trick = Callable[[Attack], None]
TRICKS: dict[str, tuple[str, tuple[str, ...], Trick]] = {}


def trick(family: str, *starts: str) -> Callable[[Trick], Trick]:
    def keep(act: Trick) -> Trick:
        TRICKS[act.__name__] = (family, starts or ANY, act)
        return act

    return keep


# --- Votes that don't count ------------------------------------------------------------------------------


@trick("vote", *WAITING)
def a_vote_of_somebody_involved(a: Attack) -> None:
    _cast(a, a.person(*INVOLVED))


@trick("vote", *WAITING)
def a_vote_without_the_right(a: Attack) -> None:
    _cast(a, a.person(*RIGHTLESS))


def _cast(a: Attack, voter: User) -> None:
    if a.random.random() < 0.3:
        a.hand.does(lambda: vote(voter, a.request))
    else:
        a.hand.insert(Vote, **a.ballot(voter))


@trick("vote", *WAITING)
def a_vote_under_a_foreign_grant(a: Attack) -> None:
    voter, lender = a.person(*RIGHTLESS, *INVOLVED), a.person(*HONEST)
    grant = lender.grants.get()
    a.hand.insert(Vote, **a.ballot(voter, grant_id=grant.pk, team_id=grant.team_id))


@trick("vote", *WAITING)
def a_vote_for_another_team(a: Attack) -> None:
    voter = a.person(*HONEST)
    a.hand.insert(Vote, **a.ballot(voter, team_id=Team.objects.exclude(pk=voter.grants.get().team_id).first().pk))


@trick("vote", *WAITING)
def a_vote_on_something_else(a: Attack) -> None:
    """On another digest, an older version, or a version of another request."""
    older = first(a.request.versions.exclude(pk=a.version.pk).order_by("?")) or a.other().version
    elsewhere = a.other().version
    wrong = a.random.choice(
        [
            {"digest": "0" * 64},
            {"digest": ""},
            {"version_id": older.pk},
            {"version_id": older.pk, "digest": older.digest},
            {"version_id": elsewhere.pk, "digest": elsewhere.digest},
            {"request_id": a.other().pk},
        ]
    )
    a.hand.insert(Vote, **a.ballot(a.person(*HONEST), **wrong))


@trick("vote", "one vote of two", "one team of two")
def the_same_vote_twice(a: Attack) -> None:
    there = a.one(a.version.votes.all())
    if a.random.random() < 0.5:
        a.hand.insert(Vote, **a.ballot(there.voter))
    else:
        a.hand.again(there, voter_id=a.person("dana", *INVOLVED, *RIGHTLESS).pk)


@trick("vote", "one vote of two", "one team of two", "running on two")
def a_vote_made_somebody_elses(a: Attack) -> None:
    there = a.one(a.version.votes.all())
    other = a.person("dana", *INVOLVED, *RIGHTLESS)
    wrong = a.random.choice(
        [
            {"voter_id": other.pk},
            {"version_id": a.other().version.pk},
            {"team_id": there.team_id + 1},
            {"decision": "confirm"},
            {"grant_id": there.grant_id + 1},
        ]
    )
    a.hand.change(there, **wrong)


@trick("vote", "cancelled", "draft", *ON_ITS_WAY)
def a_vote_when_nobody_asks(a: Attack) -> None:
    voter = a.person(*HONEST, *INVOLVED, *RIGHTLESS)
    a.hand.insert(Vote, **a.ballot(voter, decision=a.random.choice(["approve", "reject"])))


@trick("vote", *WAITING)
def a_confirmation_before_anything_was_approved(a: Attack) -> None:
    a.hand.insert(Vote, **a.ballot(a.person(*INVOLVED, *RIGHTLESS), decision="confirm"))


@trick("vote", "one vote of two", "one team of two")
def a_vote_taken_back_and_given_again(a: Attack) -> None:
    there = a.one(a.version.votes.all())
    a.hand.does(lambda: approval.take_back(there.voter, a.request))
    a.hand.insert(Vote, **a.ballot(there.voter))
    back = first(Vote.objects.filter(takes_back=there))
    a.hand.random.choice([lambda: a.hand.remove(back), lambda: a.hand.change(back, takes_back_id=None)])()


@trick("vote", *WAITING)
def votes_after_it_has_expired(a: Attack) -> None:
    DeletionRequest.objects.filter(pk=a.request.pk).update(expires_at=db_now() - timedelta(seconds=1))
    for name in HONEST:
        voter = User.objects.get(username=name)
        if a.random.random() < 0.5:
            a.hand.does(lambda voter=voter: vote(voter, a.request))
        a.hand.insert(Vote, **a.ballot(voter))


# --- Rights ----------------------------------------------------------------------------------------------


@trick("grant", *WAITING)
def a_grant_made_by_hand(a: Attack) -> None:
    """From long ago, from now, or given by a policy admin this minute; and then the vote."""
    holder, now = a.person("vera", "root", "rex"), db_now()
    when = a.random.choice([now, now - PAST, now + timedelta(hours=22), now - timedelta(minutes=9)])
    team = a.random.choice(list(Team.objects.all()))
    if a.random.random() < 0.2:
        a.hand.does(lambda: people.give_grant(a.person("pia"), holder, team))
    else:
        a.hand.insert(
            ApproverGrant, user_id=holder.pk, team_id=team.pk, counts_from=when, given_at=when, given_by="pia"
        )
    _cast(a, holder)


@trick("grant", *WAITING)
def a_grant_bent(a: Attack) -> None:
    """Handed to another, dated back, un-revoked, moved to the other team."""
    names = (*INVOLVED, *RIGHTLESS, *HONEST)
    grant = a.one(ApproverGrant.objects.filter(user__username__in=names))
    voter = a.person(*INVOLVED, *RIGHTLESS)
    wrong: dict[str, Any] = a.random.choice(
        [
            {"user_id": voter.pk},
            {"counts_from": db_now() - PAST},
            {"team_id": 3 - grant.team_id},
            {"revoked_at": None, "revoked_by": ""},
            {"given_at": db_now() - PAST},
        ]
    )
    if wrong == {"revoked_at": None, "revoked_by": ""}:
        grant = ApproverGrant.objects.get(user__username="rex")
        voter = grant.user
    a.hand.again(grant, **wrong) if a.random.random() < 0.3 else a.hand.change(grant, **wrong)
    _cast(a, voter)


@trick("grant", *ON_ITS_WAY)
def a_right_lost_between_vote_and_send(a: Attack) -> None:
    if vote := a.one(a.version.votes.all()):  # where the guards are down, an earlier attack may have removed it
        _lose(a, vote.voter)


@trick("grant", *ON_ITS_WAY)
def a_right_lost_at_the_last_moment(a: Attack) -> None:
    """When the checks are done, and the attempt's row is not yet there."""
    voter = a.one(a.version.votes.all()).voter
    a.stage.at_the_door = lambda: _lose(a, voter)


def _lose(a: Attack, voter: User) -> None:
    grant = voter.grants.get()
    a.random.choice(
        [
            lambda: a.hand.does(lambda: people.revoke_grant(a.person("pia"), grant)),
            lambda: a.hand.change(grant, revoked_at=db_now(), revoked_by="pia"),
            lambda: a.hand.does(lambda: people.set_active(a.person("pia"), voter, False)),
            lambda: a.hand.change(voter, is_active=False),
            lambda: a.hand.does(lambda: people.set_roles(a.person("pia"), voter, set())),
        ]
    )()


@trick("grant", *ON_ITS_WAY)
def a_lapsed_approval_confirmed_by_the_wrong_one(a: Attack) -> None:
    _lose(a, a.one(a.version.votes.all()).voter)
    wrong = a.person(*INVOLVED, *RIGHTLESS)
    if a.random.random() < 0.3:
        a.hand.does(lambda: approval.confirm_vote(wrong, a.request, a.version.digest))
    else:
        a.hand.insert(Vote, **a.ballot(wrong, decision="confirm"))


@trick("grant", *ON_ITS_WAY)
def a_lapsed_approval_waved_through(a: Attack) -> None:
    """The vote's own row, the grant or the numbers bent so that what is left would do."""
    voter = a.one(a.version.votes.all()).voter
    _lose(a, voter)
    grant = voter.grants.get()
    a.random.choice(
        [
            lambda: a.hand.change(grant, revoked_at=None, revoked_by=""),
            lambda: a.hand.again(grant, revoked_at=None),
            lambda: a.hand.change(a.version, approvals_needed=1, teams_needed=1),
            lambda: a.hand.insert(Vote, **a.ballot(voter, decision="confirm")),
            lambda: a.hand.change(a.version.votes.first(), grant_id=a.person("rita").grants.get().pk),
            lambda: a.hand.remove(grant),
        ]
    )()


# --- States and numbers ----------------------------------------------------------------------------------


@trick("state", "draft", *WAITING, "cancelled")
def a_state_set_by_hand(a: Attack) -> None:
    now = db_now()
    for state in a.random.choice(
        [["approved", "running"], ["running"], ["draft", "pending", "approved"], ["approved"]]
    ):
        a.hand.change(a.request, state=state, state_at=now, starts_at=now, started_at=now)


@trick("state", "voted on before")
def back_to_the_version_that_was_approved(a: Attack) -> None:
    old = a.random.choice([1, 2])
    if a.random.random() < 0.5:
        a.hand.change(a.request, version_number=old, state="approved", starts_at=db_now())
    else:
        a.hand.change(a.request, version_number=old)
    a.hand.change(a.request, state="approved", starts_at=db_now())


@trick("state", *WAITING)
def a_quorum_lowered(a: Attack) -> None:
    wrong: dict[str, Any] = a.random.choice(
        [{"approvals_needed": 0}, {"approvals_needed": 1}, {"teams_needed": 1}, {"tier": "low"}, {"submitted_at": None}]
    )
    a.hand.again(a.version, **wrong) if a.random.random() < 0.3 else a.hand.change(a.version, **wrong)
    a.hand.change(a.request, state="approved", starts_at=db_now())


@trick("state", *WAITING)
def a_version_made_by_hand(a: Attack) -> None:
    """Submitted from the start, with a quorum of its own choice; and the request moved on to it."""
    old, now = a.version, db_now()
    facts = {f.attname: getattr(old, f.attname) for f in RequestVersion._meta.concrete_fields if not f.primary_key}
    facts |= {"number": old.number + 1, "approvals_needed": a.random.choice([0, 1]), "teams_needed": 0, "made_at": now}
    facts |= a.random.choice([{}, {"submitted_at": None}, {"editor_id": a.person("vera").pk}])
    made = a.hand.insert(RequestVersion, **facts)
    a.hand.change(a.request, version_number=old.number + 1)
    if made is not None:
        call = a.version.calls.first()
        a.hand.change(call, version_id=RequestVersion.objects.last().pk)
    a.hand.change(a.request, state="approved", starts_at=now)


@trick("state", *WAITING, "draft")
def a_policy_bent(a: Attack) -> None:
    policy = Policy.objects.first()
    mild = [{**tier, "approvals": 1, "teams": 1} for tier in policy.tiers]
    a.random.choice(
        [
            lambda: a.hand.change(policy, tiers=mild),
            lambda: a.hand.again(policy, tiers=mild),
            lambda: a.hand.insert(Policy, name="mild", tiers=mild, counts_from=db_now(), set_by="pia"),
            lambda: a.hand.insert(Policy, name="mild", tiers=mild, counts_from=db_now() - PAST, set_by="pia"),
            lambda: a.hand.change(policy, counts_from=db_now() + PAST),
            lambda: a.hand.remove(policy),
        ]
    )()


@trick("state", *ANY)
def an_account_bent(a: Attack) -> None:
    account = a.request.account
    wrong = a.random.choice([{"sandbox": True}, {"host": "https://api.example.invalid"}, {"org_id": "another"}])
    a.random.choice([lambda: a.hand.change(account, **wrong), lambda: a.hand.again(account, **wrong)])()
    if a.random.random() < 0.5:
        other = a.hand.insert(Account, host="h", org_id=uuid4().hex, current=False, created_at=db_now())
        pk = first(Account.objects.exclude(pk=account.pk).values_list("pk", flat=True)) if other else 999
        a.hand.change(a.request, account_id=pk or 999)


@trick("key", *ANY)
def a_key_changed(a: Attack) -> None:
    """A row that takes another one's number, or gives its own away."""
    rows: list[models.Model | None] = [
        a.one(Vote.objects.all()),
        a.one(ApproverGrant.objects.all()),
        a.request,
        a.version,
        a.one(a.version.calls.all()),
        a.one(a.version.items.all()),
        a.one(Attempt.objects.all()),
        a.one(Team.objects.all()),
        a.other(),
    ]
    row = a.random.choice([row for row in rows if row is not None])
    other = first(type(row)._base_manager.exclude(pk=row.pk).order_by("?").values_list("pk", flat=True))
    a.hand.change(row, id=a.random.choice([other or 7, 10**6]))


@trick("key", *ANY)
def a_table_emptied(a: Attack) -> None:
    tables = [Vote, Attempt, RequestVersion, ApproverGrant, DeletionItem, CallBody, Decision, TaskClaim, Policy]
    rows = [row for row in (first(model._base_manager.all()) for model in tables) if row is not None]
    a.hand.remove(a.random.choice(rows))


# --- What was approved -----------------------------------------------------------------------------------


@trick("content", *ON_ITS_WAY)
def an_item_flipped(a: Attack) -> None:
    item = a.one(a.version.items.all())
    wrong = a.random.choice(
        [{"record_id": str(uuid4())}, {"lead_id": str(uuid4())}, {"content_hash": "0" * 64}, {"event_code": 202}]
    )
    a.hand.again(item, **wrong) if a.random.random() < 0.3 else a.hand.change(item, **wrong)


@trick("content", *ON_ITS_WAY)
def an_item_slipped_in(a: Attack) -> None:
    item = a.one(a.version.items.all())
    facts = {f.attname: getattr(item, f.attname) for f in DeletionItem._meta.concrete_fields if not f.primary_key}
    a.hand.insert(DeletionItem, **facts | {"record_id": str(uuid4())})
    stranger = first(DeletionItem.objects.exclude(version=a.version).order_by("?"))
    a.hand.change(stranger, version_id=a.version.pk, call_id=item.call_id)


@trick("content", *ON_ITS_WAY)
def something_taken_away(a: Attack) -> None:
    rows = [
        a.one(a.version.items.all()),
        a.one(KeptNeighbour.objects.filter(version=a.version)),
        a.one(RequestTarget.objects.filter(version=a.version)),
        a.one(ItemContent.objects.filter(item__version=a.version)),
        a.one(CallBody.objects.filter(call__version=a.version)),
        a.one(a.version.calls.all()),
    ]
    a.hand.remove(a.random.choice([row for row in rows if row is not None]))


@trick("content", *ON_ITS_WAY)
def a_body_swapped(a: Attack) -> None:
    call = a.one(a.version.calls.all())
    other = first(CallBody.objects.exclude(call=call).order_by("?"))
    text = a.random.choice([other.text, json.dumps({"ProspectId": str(uuid4()), "EventCodes": [201]}), ""])
    a.hand.change(call.body, text=text)
    a.hand.change(call, body_hash=running.token_hash(text))
    a.hand.change(a.version, digest="0" * 64)


@trick("content", *ON_ITS_WAY)
def a_call_bent(a: Attack) -> None:
    call = a.one(a.version.calls.all())
    other = first(DeletionCall.objects.exclude(version=a.version).order_by("?"))
    wrong: dict[str, Any] = a.random.choice(
        [
            {"lead_id": str(uuid4())},
            {"path": "Task.svc/DeleteTasks"},
            {"window_to": db_now()},
            {"size": 0},
            {"codes": [202]},
            {"request_id": other.request_id},
            {"version_id": other.version_id},
        ]
    )
    a.hand.again(call, **wrong) if a.random.random() < 0.3 else a.hand.change(call, **wrong)
    a.hand.change(other, version_id=a.version.pk, request_id=a.request.pk)


@trick("content", *ON_ITS_WAY)
def the_question_changed(a: Attack) -> None:
    wrong = a.random.choice([{"parameters": {"codes": [1]}}, {"kept_hash": ""}, {"reason": "x"}, {"items_count": 1}])
    a.hand.again(a.version, **wrong) if a.random.random() < 0.3 else a.hand.change(a.version, **wrong)


# --- Attempts and second sends ---------------------------------------------------------------------------


@trick("attempt", "draft", *WAITING, "cancelled")
def an_attempt_by_hand(a: Attack) -> None:
    """Everything in it is as it would be, but nobody has approved it."""
    a.hand.insert(Attempt, **row_of(a))


@trick("attempt", *ON_ITS_WAY)
def an_attempt_with_one_thing_wrong(a: Attack) -> None:
    other = a.other()
    elsewhere = first(other.version.calls.all()) or first(DeletionCall.objects.exclude(request=a.request))
    wrong = a.random.choice(
        [
            {"digest": "0" * 64},
            {"body_hash": "0" * 64},
            {"lead_id": str(uuid4())},
            {"call_id": elsewhere.pk},
            {"version_id": other.version.pk},
            {"request_id": other.pk},
            {"account_id": 999},
            {"state": a.random.choice(["accepted", "unknown", "not_sent"])},
            {"call_id": elsewhere.pk, "lead_id": elsewhere.lead_id, "body_hash": elsewhere.body_hash},
        ]
    )
    if "state" in wrong:
        wrong |= {"resolved_at": db_now(), "answered_at": db_now()}
    a.hand.insert(Attempt, **row_of(a, **wrong))


def row_of(a: Attack, **other: Any) -> dict[str, Any]:
    request, version = a.request, a.version
    call = a.one(DeletionCall.objects.filter(version=version)) or DeletionCall.objects.first()
    facts = {"account_id": request.account_id, "request_id": request.pk, "version_id": version.pk, "call_id": call.pk}
    facts |= {"lead_id": call.lead_id, "digest": version.digest, "body_hash": call.body_hash, "number": 1}
    facts |= {"token_hash": uuid4().hex, "state": "intent", "intent_at": db_now(), "lease_until": db_now()}
    return {**facts, **other}


@trick("second send", "unknown")
def sent_again_by_hand(a: Attack) -> None:
    """The call made ready again, and the attempt out of the way."""
    attempt = a.request.attempts.get()
    a.random.choice(
        [
            lambda: a.hand.change(attempt, state=a.random.choice(["not_sent", "turned_away"]), resolved_at=db_now()),
            lambda: a.hand.change(attempt, resolved_at=db_now()),
            lambda: a.hand.remove(attempt),
            lambda: a.hand.change(attempt, call_id=a.other().version.calls.first().pk),
            lambda: a.hand.again(attempt, state="not_sent", resolved_at=db_now()),
        ]
    )()
    _plan_again(a)


@trick("second send", "unknown")
def a_decision_of_the_wrong_people(a: Attack) -> None:
    call, now = a.request.attempts.get().call, db_now()
    wrong = a.person("rita", "ed", "vera", "arun", "dan")
    if a.random.random() < 0.2:
        made = a.hand.does(lambda: deciding.propose(wrong, a.request, call, "resend", "again"))
    else:
        of = a.random.choice([a.request.pk, a.other().pk])
        facts = {"request_id": of, "call_id": call.pk, "choice": "resend", "reason": "again", "proposed_at": now}
        facts |= a.random.choice(
            [
                {"proposed_by_id": wrong.pk},
                {"proposed_by_id": a.person("omar").pk, "request_id": a.other().pk},
                {"proposed_by_id": a.person("omar").pk},
                {"proposed_by_id": a.person("omar").pk, "confirmed_by_id": a.person("olga").pk, "confirmed_at": now},
            ]
        )
        made = a.hand.insert(Decision, **facts)
    if made is not None and (decision := Decision.objects.last()):
        a.hand.change(decision, confirmed_by_id=a.person("omar", "rita", "vera", "arun").pk, confirmed_at=db_now())
    a.hand.change(a.request.attempts.get(), resolved_at=db_now())
    _plan_again(a)


def _plan_again(a: Attack) -> None:
    for call in DeletionCall.objects.filter(request=a.request, state__in=("sent", "verifying")):
        a.hand.change(call, state="planned")
