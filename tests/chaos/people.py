"""The people of the scenarios: what they want done, what they do meanwhile, and what the pages ask of them."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction

from lsq_ops.models import Account, Decision, DeletionCall, DeletionRequest, Vote, db_now
from lsq_ops.services import accounts, approval, deciding, drafting, holds, people, verifying
from lsq_ops.services.may import Barred, grant_in_force, valid_votes

if TYPE_CHECKING:
    from .ledger import Ledger
    from .scene import Scene

APPROVERS = {"arun": "Business", "bela": "Business", "dana": "Data control", "dev": "Data control"}
OPERATORS = ("omar", "olga")


class People:
    def __init__(self, scene: "Scene", ledger: "Ledger") -> None:
        self.scene, self.ledger = scene, ledger

    def do(self, what: Callable[[], object]) -> object:
        """A person's act: what came of it, or why not."""
        return self.scene.act("person", what)[1]

    def surely(self, what: Callable[[], object]) -> Any:
        """A person who tries again when the page breaks, and reads what it says when it says no."""
        for _ in range(6):
            result = self.do(what)
            if not isinstance(result, BaseException) or isinstance(result, Barred):
                return result
        raise AssertionError(f"a person never gets through: {result!r}")

    def __call__(self, name: str) -> User:
        with self.scene.harness():
            return User.objects.get(username=name)

    def see(self, request: DeletionRequest) -> DeletionRequest:
        with self.scene.harness():
            return DeletionRequest.objects.select_related("account").get(pk=request.pk)

    # --- From the draft to the approval ----------------------------------------------------------------------

    def submit(self, request: DeletionRequest) -> object:
        with self.scene.harness():
            fresh = DeletionRequest.objects.get(pk=request.pk)
            version = fresh.version
            self.ledger.needs[version.pk] = self._needs(fresh)
            self.ledger.involved[fresh.pk] = {"rita"}
        return self.surely(lambda: approval.submit(self("rita"), self.see(request)))

    def _needs(self, request: DeletionRequest) -> tuple[int, int]:
        """Votes and teams by the policy as shipped, reckoned from what LeadSquared has."""
        if request.kind in ("owner_history", "stage_history"):
            return 2, 2
        goes: dict[str, int] = {}
        for lead in request.version.items.values_list("lead_id", flat=True):
            goes[lead] = goes.get(lead, 0) + 1
        crm, items = self.scene.crm, sum(goes.values())
        shares = [count * 100 / n for lead, count in goes.items() if (n := len(crm.of_lead(lead))) >= 10]
        if request.kind == "tasks":
            shares = []
        heavy = sum(share >= 60 for share in shares)
        if heavy and (heavy * 20 > len(goes) or len(goes) == 1):
            return 2, 2
        return (1, 1) if items <= 50 and len(goes) <= 5 and not any(s >= 20 for s in shares) else (2, 1)

    def vote(self, name: str, request: DeletionRequest) -> object:
        """Look at the page, and approve what it shows."""
        with self.scene.harness():
            version = DeletionRequest.objects.get(pk=request.pk).version
            bodies = list(version.calls.values_list("body__text", flat=True))
            digest, count = version.digest, version.items_count

        def approve() -> None:
            said = {"count": count, "factor_at": db_now()}  # the second factor is typed with the vote
            approval.vote(self(name), self.see(request), "approve", digest=digest, **said)

        self.ledger.voted(name, version.pk, digest, bodies)
        return self.surely(approve)

    def confirm(self, name: str, request: DeletionRequest) -> object:
        """Stand in for one whose approval lapsed."""
        with self.scene.harness():
            version = DeletionRequest.objects.get(pk=request.pk).version
            bodies, digest = list(version.calls.values_list("body__text", flat=True)), version.digest
        self.ledger.voted(name, version.pk, digest, bodies)

        def stand_in() -> None:
            approval.confirm_vote(self(name), self.see(request), digest, factor_at=db_now())

        return self.surely(stand_in)

    # --- What the pages ask -----------------------------------------------------------------------------------

    def answer_pages(self, requests: list[DeletionRequest]) -> None:
        """Everybody looks at what waits for people, and does it."""
        self._resume()
        for request in requests:
            fresh = self.see(request)
            if fresh.state == "pending":
                self._vote_on(fresh)
                self._go_on_without(fresh)
            elif fresh.state == "draft":
                self.do(partial(approval.withdraw, self("rita"), fresh))
            elif fresh.state in ("approved", "running", "needs_attention"):
                self._mend_votes(fresh)
                self._decide(fresh)

    def _resume(self) -> None:
        with self.scene.harness():
            account = Account.objects.get(current=True)
        if account.is_paused:
            self.do(lambda: accounts.test_connection(self("omar")))
            self.ledger.resumed_now()
            self.do(lambda: accounts.resume(self("omar")))
        for kind in list(account.paused_kinds):
            self.do(partial(accounts.resume, self("omar"), kind))

    def _vote_on(self, request: DeletionRequest) -> None:
        for name in APPROVERS:
            if self.see(request).state == "pending" and self._may_vote(name, request):
                self.vote(name, request)

    def _go_on_without(self, request: DeletionRequest) -> None:
        """Nobody can approve what is on hold: it goes on without, or ends where nothing would be left."""
        with self.scene.harness():
            fresh = DeletionRequest.objects.get(pk=request.pk)
            held = fresh.state == "pending" and holds.on_version(fresh.version)
        if held and isinstance(self.do(lambda: drafting.go_on_without(self("rita"), fresh)), Barred):
            self.do(lambda: approval.withdraw(self("rita"), fresh))

    def _may_vote(self, name: str, request: DeletionRequest) -> bool:
        with self.scene.harness():
            user = self(name)
            voted = Vote.objects.filter(version=request.version, voter=user).exists()
            return user.is_active and grant_in_force(user) is not None and not voted

    def _mend_votes(self, request: DeletionRequest) -> None:
        """Others stand in for those who left; where nobody is left who could, the request is stopped."""
        for name in APPROVERS if self._is_short(request) else ():
            if self._may_vote(name, request):
                self.confirm(name, request)
        if self._is_short(request) and request.state != "approved":
            self._stop(request)

    def _is_short(self, request: DeletionRequest) -> bool:
        with self.scene.harness():
            version, votes = request.version, valid_votes(request)
            teams = {vote.team_id for vote in votes}
            return len(votes) < version.approvals_needed or len(teams) < version.teams_needed

    def _decide(self, request: DeletionRequest) -> None:
        """Two operators decide on every open question; where there is none and it still needs people, they close it."""
        with self.scene.harness():
            calls = list(request.calls.filter(state="verifying"))
            questions = [call for call in calls if deciding.is_open_question(call)]
        for call in questions:
            resend = not request.stop_asked_at and self.scene.random.random() < 0.5
            self.decide(request, call, "resend" if resend else "end")
        if request.state == "needs_attention" and not questions:
            age = self.scene.clock.now - request.state_at.timestamp()
            if age > 1800:
                self.decide(request, None, "close")

    def decide(self, request: DeletionRequest, call: DeletionCall | None, choice: str) -> None:
        def propose() -> Decision:
            return deciding.propose(self("omar"), self.see(request), call, choice, "it was looked at")

        made = self.do(propose)
        with self.scene.harness():
            found = Decision.objects.filter(request=request, call=call, confirmed_at__isnull=True).first()
        if not isinstance(made, Decision) and found is None:
            return
        decision = made if isinstance(made, Decision) else found
        assert decision is not None
        if choice == "resend" and decision.choice == "resend" and call is not None:
            self.ledger.resends.append((call.pk, self.scene.clock.now))
        name = "olga" if decision.proposed_by_id != self("olga").pk else "omar"
        self.do(lambda: deciding.confirm(self(name), decision))

    # --- What they do meanwhile --------------------------------------------------------------------------------

    def meanwhile(self, name: str, request: DeletionRequest) -> bool:
        """One of plan.PEOPLE; False where there is no occasion for it now."""
        return bool(getattr(self, "_" + name.replace(" ", "_"))(request))

    def _stop(self, request: DeletionRequest) -> bool:
        name = self.scene.random.choice(("rita", "arun", "omar"))
        done = self.do(lambda: approval.stop(self(name), self.see(request)))
        if isinstance(done, tuple):
            self.ledger.stopped[request.pk] = self.scene.clock.now
        return not isinstance(done, Barred)

    def _pause(self, request: DeletionRequest) -> bool:
        done = self.do(lambda: accounts.pause(self("omar"), "let us look first"))
        if done is None:
            self.ledger.paused_now()
            self.scene.later(self.scene.random.uniform(20, 4000), self._resume)
        return not isinstance(done, Barred)

    def _cancel(self, request: DeletionRequest) -> bool:
        return not isinstance(self.do(lambda: approval.cancel(self("arun"), self.see(request))), Barred)

    def _hold(self, request: DeletionRequest) -> bool:
        with self.scene.harness():
            item = request.version.items.order_by("id").first()
        if item is None:
            return False
        kind, record = ("task", item.record_id) if request.kind == "tasks" else ("lead", item.lead_id)

        self.do(lambda: holds.set_holds(self("pia"), kind, [record], "a dispute"))
        return True

    def _a_voter(self, request: DeletionRequest) -> str:
        names = [v.user for v in self.ledger.votes if v.version == request.version.pk]
        return self.scene.random.choice(names) if names else ""

    def _voter_locked_out(self, request: DeletionRequest) -> bool:
        name = self._a_voter(self.see(request))
        if not name:
            return False
        if self.do(lambda: people.set_active(self("pia"), self(name), False)) is None:
            self.ledger.people[name].out_since = self.scene.clock.now
        return True

    def _grant_revoked(self, request: DeletionRequest) -> bool:
        name = self._a_voter(self.see(request))
        if not name:
            return False

        def revoke() -> bool:
            grant = grant_in_force(self(name))
            if grant is not None:
                people.revoke_grant(self("pia"), grant)
            return grant is not None

        if self.do(revoke) is True:
            self.ledger.people[name].out_since = self.scene.clock.now
        return True

    def _double_click(self, request: DeletionRequest) -> bool:
        """The same button twice: of submit, resume, stop and decide the second one comes to nothing."""
        for _ in range(2):
            self.do(lambda: approval.submit(self("rita"), self.see(request)))
            self._resume()
        return True

    def _both_vote_at_once(self, request: DeletionRequest) -> bool:
        if self.see(request).state != "pending":
            return False
        for name in APPROVERS:
            if self._may_vote(name, request):
                self.vote(name, request)
        return True

    def _reverify(self, request: DeletionRequest) -> bool:
        return not isinstance(self.do(lambda: verifying.reverify(self("omar"), self.see(request))), Barred)

    def _request_the_rest(self, request: DeletionRequest) -> bool:
        made = self.do(lambda: drafting.request_remaining(self("rita"), self.see(request)))
        return not isinstance(made, Barred)

    def _impatient_decision(self, request: DeletionRequest) -> bool:
        """Before the grace is over, by one who made it, by one alone: all refused."""
        with self.scene.harness():
            call = request.calls.filter(state="verifying").first()
        for name, choice in (("omar", "resend"), ("rita", "end"), ("omar", "close")):
            self.do(partial(deciding.propose, self(name), self.see(request), call, choice, "quick"))
        return True

    # --- By hand, past the pages -------------------------------------------------------------------------------

    def _by_hand(self, sql: str, what: str) -> bool:
        """Raw SQL that the database must refuse."""
        with self.scene.harness():
            try:
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute(sql)
                    count = cursor.rowcount
            except DatabaseError:
                return True
        if count > 0:
            self.ledger.trouble("unapproved", f"raw SQL could {what}")
        return count > 0

    def _status_by_hand(self, request: DeletionRequest) -> bool:
        to = self.scene.random.choice(("approved", "completed", "draft"))
        state = self.see(request).state
        if to in DeletionRequest.MOVES[state] and not (to == "approved" and state == "pending"):
            return False  # a way that exists: the database can't tell who goes it
        if to == state or (to == "approved" and self._has_votes(request)):
            return False
        return self._by_hand(
            f"UPDATE lsq_ops_deletionrequest SET state = '{to}' WHERE id = {request.pk}", f"set {state} to {to}"
        )

    def _has_votes(self, request: DeletionRequest) -> bool:
        with self.scene.harness():
            return bool(valid_votes(self.see(request)))

    def _frozen_row_by_hand(self, request: DeletionRequest) -> bool:
        version = self.see(request).version.pk
        choices = [
            f"UPDATE lsq_ops_deletionitem SET record_id = 'x' WHERE version_id = {version}",
            f"UPDATE lsq_ops_requestversion SET approvals_needed = 0 WHERE id = {version} AND submitted_at IS NOT NULL",
            f"UPDATE lsq_ops_deletioncall SET path = 'x' WHERE version_id = {version}",
            "UPDATE lsq_ops_auditevent SET actor = 'x' WHERE seq = 1",
            "DELETE FROM lsq_ops_vote",
            "UPDATE lsq_ops_attempt SET digest = 'x'",
        ]
        return self._by_hand(self.scene.random.choice(choices), "change what is frozen")
