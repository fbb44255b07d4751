"""What people do with their pages, each act told to the model too: what it expects to be refused must be refused."""

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User

from lsq_ops.models import Account, ApproverGrant, Decision, DeletionCall, DeletionRequest, Team, db_now
from lsq_ops.services import accounts, approval, deciding, drafting, holds, people, verifying

from .book import APPROVER, OPERATOR, POLICY_ADMIN, REQUESTER, Person, Spell, Version, Wish, needs

if TYPE_CHECKING:
    from .stage import Stage

DAY = 86400.0
OVER = DeletionRequest.terminal_states()
TEAMS = ("Business", "Data control")
PASSWORD = "a-long-one-for-nobody"
CAST: dict[str, tuple[set[str], str]] = {
    "rita": ({REQUESTER}, ""),
    "bela": ({REQUESTER, APPROVER}, "Business"),
    "arun": ({APPROVER}, "Business"),
    "dana": ({APPROVER}, "Data control"),
    "dev": ({APPROVER}, "Data control"),
    "omar": ({OPERATOR}, ""),
    "olga": ({OPERATOR}, ""),
    "odin": ({OPERATOR}, ""),
    "pia": ({POLICY_ADMIN}, ""),
}
REQUESTERS = ("rita", "bela")
VOTERS = tuple(name for name, (_, team) in CAST.items() if team)
OPERATORS = tuple(name for name, (roles, _) in CAST.items() if OPERATOR in roles)


def set_up() -> None:
    """People, grants that count at once, and an account that is tested and resumed."""
    people.setup_roles()
    accounts.ensure_account()
    people.make_first_admin()
    admin = User.objects.get(username="admin")
    for name, (roles, team) in CAST.items():
        user = people.make_user(admin, username=name, password=PASSWORD, roles=set(roles))
        if team:
            people.give_grant(admin, user, Team.objects.get(name=team))
    accounts.test_connection(admin)
    accounts.resume(admin)


def believed(at: float) -> dict[str, Person]:
    return {
        name: Person(name, frozenset(roles), team, [Spell(at)] if team else []) for name, (roles, team) in CAST.items()
    }


class People:
    def __init__(self, stage: "Stage") -> None:
        self.stage, self.book = stage, stage.book

    @property
    def now(self) -> float:
        return self.stage.clock.now

    def see(self, wish: Wish) -> DeletionRequest:
        with self.stage.looking():
            return self.stage.see(wish.pk)

    def did(self, name: str, what: Any, *, may: bool = True) -> bool:
        """True where it was done. What the model says nobody may do must be refused."""
        result = self.stage.person(name, what)
        assert may or isinstance(result, Exception), f"{name} did what nobody may"
        return not isinstance(result, Exception)

    # --- Requests --------------------------------------------------------------------------------------------

    def draft(self, name: str, kind: str, picked: tuple[str, list[str]], parameters: Any, asked_by: str) -> Wish | None:
        made: list[DeletionRequest] = []

        def ask(user: User) -> None:
            chosen = drafting.select(user, *picked)
            asker = User.objects.get(username=asked_by)
            words = {"category": "duplicate", "reason": "entered twice"}
            made.append(
                drafting.draft(user, kind=kind, selection=chosen, parameters=parameters, asked_by=asker, **words)
            )

        self.did(name, ask, may=self.book.may(name, REQUESTER, self.now))
        return self._note(made[0], kind, {name, asked_by}) if made else None

    def _note(self, request: DeletionRequest, kind: str, involved: set[str]) -> Wish:
        wish = self.book.wishes[request.pk] = Wish(request.pk, kind, involved)
        return wish

    def edit(self, name: str, wish: Wish) -> None:
        may = self.book.may(name, REQUESTER, self.now) and self.see(wish).state == "draft"
        if self.did(name, lambda user: drafting.reread(user, self.stage.see(wish.pk)), may=may):
            wish.involved.add(name)

    def again(self, name: str, wish: Wish, *, rest: bool) -> Wish | None:
        """Clone it, or request what remained."""
        made: list[DeletionRequest] = []
        act = drafting.request_remaining if rest else drafting.clone
        self.did(name, lambda user: made.append(act(user, self.stage.see(wish.pk))), may=REQUESTER in self._roles(name))
        if not made:
            return None
        with self.stage.looking():
            asked_by = made[0].version.asked_by.username
        return self._note(made[0], wish.kind, {name, asked_by})

    def _roles(self, name: str) -> frozenset[str]:
        return self.book.people[name].roles

    def submit(self, name: str, wish: Wish) -> bool:
        may = self.book.may(name, REQUESTER, self.now) and self.see(wish).state == "draft"
        if not self.did(name, lambda user: approval.submit(user, self.stage.see(wish.pk)), may=may):
            return False
        wish.involved.add(name)
        with self.stage.looking():
            self._shown(wish, self.stage.see(wish.pk))
        return True

    def _shown(self, wish: Wish, request: DeletionRequest) -> None:
        """What the page shows of a submitted version; how many votes it needs is reckoned here."""
        version = request.version
        items = list(version.items.values_list("record_id", "lead_id", "call"))
        history = {lead: len(self.stage.crm.of_lead(lead)) for lead in self.stage.crm.leads}
        least = needs(wish.kind, Counter(lead for _, lead, _ in items), history)
        assert version.read_at is not None
        read_at = version.read_at.timestamp()
        bodies = dict(version.calls.values_list("pk", "body__text"))
        for call in version.calls.all():
            named = set(self.stage.crm.chosen_by(call.path, json.loads(bodies[call.pk])))
            mine = {record for record, _, its in items if its == call.pk}
            lately = {r for r, at in self.book.changed.items() if at > read_at}
            assert named - mine <= lately, f"call {call.pk} names more than its items: {named - mine}"
        found = (version.approvals_needed, version.teams_needed)
        assert found == least or self._changed(items), f"it needs {found}, by the policy {least}"
        made = Version(version.pk, version.digest, read_at, *found, {r: call for r, _, call in items}, bodies)
        wish.versions[version.number] = made

    def _changed(self, items: list[Any]) -> bool:
        """Since the reading, so that shares differ."""
        leads = {lead for _, lead, _ in items}
        return bool(self.book.changed) or not leads <= self.stage.crm.leads.keys()

    def withdraw(self, name: str, wish: Wish) -> bool:
        may = REQUESTER in self._roles(name) and self.see(wish).state in ("draft", "pending")
        return self.did(name, lambda user: approval.withdraw(user, self.stage.see(wish.pk)), may=may)

    def cancel(self, name: str, wish: Wish) -> bool:
        may = bool({REQUESTER, APPROVER} & self._roles(name)) and self.see(wish).state in ("pending", "approved")
        return self.did(name, lambda user: approval.cancel(user, self.stage.see(wish.pk)), may=may)

    def stop(self, name: str, wish: Wish) -> bool:
        may = self.see(wish).state in ("running", "needs_attention") and self._roles(name) != {POLICY_ADMIN}
        done = self.did(name, lambda user: approval.stop(user, self.stage.see(wish.pk)), may=may)
        wish.stopped = min(wish.stopped, self.now) if done else wish.stopped
        return done

    # --- Votes -----------------------------------------------------------------------------------------------

    def vote(self, name: str, wish: Wish, decision: str) -> bool:
        request = self.see(wish)
        version = wish.versions.get(request.version_number)
        may = request.state == "pending" and version is not None and self.book.may_vote(name, wish, version, self.now)
        at, digest = self.now, version.digest if version else "0" * 64
        with self.stage.looking():
            count = request.version.items_count

        def cast(user: User) -> None:
            said = {"reason": "so it is", "count": count, "factor_at": db_now()}
            approval.vote(user, self.stage.see(wish.pk), decision, digest=digest, **said)

        done = self.did(name, cast, may=may)
        if done and version:
            self.book.voted(name, version, decision, at)
        if may and not done:
            barred = self._is_late(request) or (decision == "approve" and self.on_hold(request))
            assert barred, f"{name}'s vote was refused: {wish}"
        return done

    def _is_late(self, request: DeletionRequest) -> bool:
        """Expired, or its reading is old: then a vote waits, or comes too late."""
        version = request.version
        read_at = version.rechecked_at or version.read_at
        assert read_at and request.expires_at
        return self.now - read_at.timestamp() > 4 * 3600 - 1 or self.now > request.expires_at.timestamp() - 1

    def on_hold(self, request: DeletionRequest) -> bool:
        with self.stage.looking():
            return bool(holds.on_version(request.version))

    def take_back(self, name: str, wish: Wish) -> bool:
        request = self.see(wish)
        version = wish.versions.get(request.version_number)
        mine = [b for b in version.ballots if b.who.name == name and b.taken_back > self.now] if version else []
        may = request.state == "pending" and bool(mine)
        done = self.did(name, lambda user: approval.take_back(user, self.stage.see(wish.pk)), may=may)
        for ballot in mine if done else ():
            ballot.taken_back = self.now
        return done

    def confirm_vote(self, name: str, wish: Wish) -> bool:
        request, at = self.see(wish), self.now
        version = wish.versions.get(request.version_number)
        on_the_way = request.state in ("approved", "running", "needs_attention")
        may = on_the_way and version is not None and self.book.may_vote(name, wish, version, at)
        digest = version.digest if version else ""

        def stand_in(user: User) -> None:
            approval.confirm_vote(user, self.stage.see(wish.pk), digest, factor_at=db_now())

        done = self.did(name, stand_in, may=may)
        if done and version:
            self.book.voted(name, version, "confirm", at)
        return done

    # --- Operators -------------------------------------------------------------------------------------------

    def pause(self, name: str) -> None:
        if self.did(name, lambda user: accounts.pause(user, "let us look"), may=OPERATOR in self._roles(name)):
            self.book.paused.append(Spell(self.now))

    def resume(self, name: str) -> None:
        at = self.now
        if self.did(name, accounts.resume, may=OPERATOR in self._roles(name)):
            self.book.resumed(at)

    def resume_all(self) -> None:
        """Test the connection, and resume whatever is paused."""
        with self.stage.looking():
            account = Account.objects.get(current=True)
        for kind in list(account.paused_kinds):
            self.did("omar", lambda user, kind=kind: accounts.resume(user, kind))
        if account.is_paused:
            self.did("omar", accounts.test_connection)
            self.resume("omar")

    def reverify(self, name: str, wish: Wish) -> None:
        self.did(
            name, lambda user: verifying.reverify(user, self.stage.see(wish.pk)), may=OPERATOR in self._roles(name)
        )

    def propose(self, name: str, wish: Wish, call: DeletionCall | None, choice: str) -> bool:
        may = self.book.may_decide(name, wish, self.now)
        may &= choice != "resend" or wish.stopped > self.now
        return self.did(
            name, lambda user: deciding.propose(user, self.stage.see(wish.pk), call, choice, "we looked"), may=may
        )

    def confirm(self, name: str, wish: Wish, decision: Decision) -> bool:
        at = self.now
        with self.stage.looking():
            first = decision.proposed_by.username
        may = self.book.may_decide(name, wish, at) and name != first
        done = self.did(name, lambda user: deciding.confirm(user, decision), may=may)
        if done:
            self.book.decisions[decision.pk] = (first, name)
            if decision.choice == "resend" and decision.call_id:
                self.book.resends.append((decision.call_id, at))
        return done

    # --- The policy admin --------------------------------------------------------------------------------------

    def lock(self, name: str, *, out: bool) -> None:
        person = self.book.people[name]
        if not self.did("pia", lambda user: people.set_active(user, User.objects.get(username=name), not out)):
            return
        if out and person.active(self.now):
            person.locked.append(Spell(self.now))
        for spell in () if out else person.locked:
            spell.end = min(spell.end, self.now)

    def revoke(self, name: str) -> None:
        with self.stage.looking():
            grant = ApproverGrant.objects.filter(user__username=name, revoked_at__isnull=True).first()
        if grant and self.did("pia", lambda user: people.revoke_grant(user, grant)):
            for spell in self.book.people[name].grants:
                spell.end = min(spell.end, self.now)

    def grant(self, name: str) -> None:
        person = self.book.people[name]

        def give(user: User) -> None:
            people.give_grant(user, User.objects.get(username=name), Team.objects.get(name=person.team))

        if self.did("pia", give):
            person.grants.append(Spell(self.now + DAY))

    def hold(self, record_type: str, record_id: str) -> None:
        self.did("pia", lambda user: holds.set_holds(user, record_type, [record_id], "a dispute"))
