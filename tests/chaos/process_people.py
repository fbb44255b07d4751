"""The people of the small world at their desks: they ask, vote, stop, resume and decide as the pages tell them to."""

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Q
from django.utils import timezone

from lsq_ops.models import Account, Activity, CallBody, Decision, DeletionRequest, LostRace, Task, Team, db_now
from lsq_ops.services import accounts, approval, deciding, drafting, leads, people
from lsq_ops.services.may import APPROVER, Barred, enough, valid_votes

from .process_crm import RememberingWorld
from .process_ledger import Ledger, Span

APPROVERS = ("arun", "dana", "adam")
CODES = (201, 202, 205, 208)
KINDS = ("activities", "activities", "activities", "tasks", "tasks", "owner_history", "stage_history")
AWAY = (DatabaseError, InterfaceError, OSError)  # the database, or Redis (whose errors are no OSErrors; see `brave`)


class People:
    """`want` requests are kept open at once; `mischief` is how often somebody changes their mind."""

    def __init__(self, world: RememberingWorld, seed: str, *, want: int, desks: int = 3) -> None:
        self.world, self.seed, self.want, self.desks = world, seed, want, desks
        self.mischief = 0.03
        self.mirrored = False
        self.ledger = Ledger()
        self.leads = world.lead_ids()
        self.asked: deque[str] = deque(maxlen=25)  # leads, lately
        self.over = threading.Event()
        self.met: Counter[str] = Counter()  # what went wrong at a desk, by its type
        self.fault: Callable[[str], None] = lambda name: None
        self.threads = [threading.Thread(target=self.desk, args=[n], daemon=True) for n in range(desks)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self.over.set()
        for thread in self.threads:
            if thread.ident:
                thread.join(60)

    def who(self, name: str) -> User:
        """As the database knows them now: with the roles and the right to sign in that they have this moment."""
        return User.objects.get(username=name)

    def bring_in(self) -> None:
        """Rita reads the leads into the mirror before anything else."""
        while not self.mirrored:
            with self.brave():
                leads.add_leads(self.who("rita"), self.leads)
                self.mirrored = True
            self.over.wait(0.2)

    @contextmanager
    def brave(self) -> Iterator[None]:
        """A clear no is an answer; a database or queue that is away is tried again later. Others are findings."""
        try:
            yield
        except (Barred, LostRace):
            self.met["barred"] += 1
        except AWAY as trouble:
            self.met[
                f"away: {type(trouble).__name__}: {str(trouble).splitlines()[0][:80] if str(trouble) else ''}"
            ] += 1
            connection.close()
        except Exception as trouble:
            away = type(trouble).__module__.startswith("redis.")
            self.met[f"{'away' if away else 'ERROR'}: {type(trouble).__name__}: {str(trouble)[:120]}"] += 1
            connection.close()

    def desk(self, number: int) -> None:
        rng = random.Random(f"{self.seed} desk {number}")
        while not self.over.wait(0.15):
            with self.brave():
                self.round(number, rng)
        connection.close()

    def round(self, number: int, rng: random.Random) -> None:
        open_now = list(DeletionRequest.objects.filter(state__in=DeletionRequest.open_states()))
        if number == 0:
            with self.brave():
                self.let_go_on(rng)
            for _ in range(min(4, self.want - len(open_now))):
                with self.brave():
                    self.ask(rng)
        for request in open_now:
            if self.over.is_set():
                return
            # Now and then two desks serve the same request at the same time: a double click.
            if request.pk % self.desks == number or rng.random() < 0.05:
                with self.brave():
                    self.attend(request, rng)

    def attend(self, request: DeletionRequest, rng: random.Random) -> None:
        step: dict[str, Callable[[DeletionRequest, random.Random], None]] = {
            "draft": self.finish_draft,
            "pending": self.vote,
            "approved": self.reconsider,
            "running": self.look_after,
            "needs_attention": self.decide,
        }
        step[request.state](request, rng)

    # --- Rita ----------------------------------------------------------------------------------------------

    def ask(self, rng: random.Random) -> None:
        kind = rng.choice(KINDS)
        rita = self.who("rita")
        record_type, ids, parameters = self.chosen(kind, rng)
        if not ids:
            return
        request = drafting.draft(
            rita,
            kind=kind,
            selection=drafting.select(rita, record_type, ids),
            parameters=parameters,
            category="duplicate",
            reason="entered twice",
            ticket="OPS-1",
        )
        self.ledger.drafts.add(request.pk)

    def chosen(self, kind: str, rng: random.Random) -> tuple[str, list[str], dict[str, Any]]:
        leads = rng.sample(self.leads, rng.choice((1, 1, 1, 2, 3)))
        self.asked.extend(leads)
        if kind == "tasks":
            there = Task.objects.filter(lead_id__in=leads, gone_at__isnull=True).exclude(owner_id="")
            ids = sorted(there.values_list("task_id", flat=True))
            return "task", rng.sample(ids, min(len(ids), rng.randint(1, 6))), {}
        if kind == "activities" and rng.random() < 0.4:
            seen = Activity.objects.filter(lead__prospect_id__in=leads, event_code__in=CODES, gone_at__isnull=True)
            ids = sorted(seen.values_list("activity_id", flat=True))
            return "activity", rng.sample(ids, min(len(ids), rng.randint(1, 6))), {"picked": True}
        codes = {"codes": sorted(rng.sample(CODES, rng.randint(1, 2)))} if kind == "activities" else {}
        return "lead", leads, window(rng) | codes

    def finish_draft(self, request: DeletionRequest, rng: random.Random) -> None:
        version, rita = request.version, self.who("rita")
        if version.reading == "complete" and version.items_count:
            approval.submit(rita, request)
        elif version.reading == "complete" or version.number > 3:
            approval.withdraw(rita, request)
        elif version.reading == "incomplete":
            drafting.reread(rita, request)

    # --- Arun, Dana and Adam -------------------------------------------------------------------------------

    def vote(self, request: DeletionRequest, rng: random.Random) -> None:
        version = request.version
        key = (request.pk, version.number)
        if key not in self.ledger.shown:
            texts = CallBody.objects.filter(call__version=version).values_list("text", flat=True)
            self.ledger.shown[key] = frozenset(texts)
        for name in rng.sample(APPROVERS, len(APPROVERS)):
            if self.capricious(rng):
                choice = rng.choice(("reject", "changes"))
                said = {"reason": "on second thoughts", "factor_at": db_now()}
                approval.vote(self.who(name), request, choice, digest=version.digest, **said)
                return
            shown = {"digest": version.digest, "count": version.items_count}
            self.cast(name, key, approval.vote, request, "approve", factor_at=db_now(), **shown)
            if self.capricious(rng):
                self.take_back(name, key, request)
        if not self.mischief and len({wish.voter for wish in self.ledger.votes[key]}) == len(APPROVERS):
            approval.withdraw(self.who("rita"), request)  # some took their votes back, and nobody is left to vote

    def cast(self, name: str, key: tuple[int, int], act: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        wish = self.ledger.wish(key, name)
        try:
            act(self.who(name), *args, **kwargs)
        except (Barred, LostRace):
            self.ledger.strike(key, wish)

    def take_back(self, name: str, key: tuple[int, int], request: DeletionRequest) -> None:
        approval.take_back(self.who(name), request)
        for wish in self.ledger.votes[key]:
            if wish.voter == name:
                wish.until = time.time()

    def reconsider(self, request: DeletionRequest, rng: random.Random) -> None:
        if rng.random() < self.mischief / 10:
            approval.cancel(self.who("rita"), request)
            self.fault("people cancel")

    # --- Omar and Olga -------------------------------------------------------------------------------------

    def look_after(self, request: DeletionRequest, rng: random.Random) -> None:
        if rng.random() < self.mischief / 60:
            approval.stop(self.who("omar"), request)
            self.ledger.stops[request.pk] = time.time()
            self.fault("people stop")
        elif request.attention.startswith("An approval lapsed") and not enough(request, valid_votes(request)):
            version = request.version
            for name in rng.sample(APPROVERS, len(APPROVERS)):
                key = (request.pk, version.number)
                self.cast(name, key, approval.confirm_vote, request, version.digest, factor_at=db_now())

    def decide(self, request: DeletionRequest, rng: random.Random) -> None:
        self.look_after(request, rng)
        proposed = Decision.objects.filter(request=request, confirmed_at__isnull=True).order_by("-pk")
        waiting = proposed.filter(Q(call__isnull=True) | Q(call__state="verifying")).select_related("call").first()
        if waiting is not None:
            self.confirm(request, waiting)
            return
        calls = request.version.calls.filter(state="verifying")
        question = next((call for call in calls if deciding.is_open_question(call)), None)
        choice = rng.choice(("resend", "end")) if question and not request.stop_asked_at else "end"
        choice = choice if question else "close"
        deciding.propose(self.who("omar"), request, question, choice, "looked at it in LeadSquared")

    def confirm(self, request: DeletionRequest, decision: Decision) -> None:
        other = "olga" if decision.proposed_by_id == self.who("omar").pk else "omar"
        if decision.choice == "resend" and decision.call_id:
            self.ledger.resends[decision.call_id].append(time.time())
        try:
            deciding.confirm(self.who(other), decision)
        except Barred:
            # What was proposed is over meanwhile; the page offers to close the request instead.
            if decision.choice != "close" and request.state == "needs_attention":
                deciding.propose(self.who(other), request, None, "close", "the call has ended meanwhile")

    def let_go_on(self, rng: random.Random) -> None:
        """Whatever is paused is resumed a little later."""
        account = Account.objects.get(current=True)
        if account.is_paused and rng.random() < 0.1 + (self.mischief == 0):
            for span in self.ledger.pauses:
                span.end = min(span.end, time.time())
            accounts.resume(self.who("omar"))
        for kind in list(account.paused_kinds):
            if rng.random() < 0.1 + (self.mischief == 0):
                for span in self.ledger.kind_pauses[kind]:
                    span.end = min(span.end, time.time())
                accounts.resume(self.who("omar"), kind)

    def pause(self) -> None:
        accounts.pause(self.who("olga"), "a look at something strange")
        self.ledger.pauses.append(Span(time.time()))

    def pause_kind(self, kind: str) -> None:
        accounts.pause_kind(accounts.current_account(), kind, by="olga", reason="a look at something strange")
        self.ledger.kind_pauses[kind].append(Span(time.time()))

    def lock_out(self, name: str, seconds: float) -> None:
        """An approver leaves while requests are on their way, and comes back."""
        people.set_active(self.who("pia"), self.who(name), False)
        span = Span(time.time())
        self.ledger.locked_out[name].append(span)
        self.over.wait(seconds)
        self.let_in(name, span)

    def let_in(self, name: str, span: Span) -> None:
        while True:
            span.end = min(span.end, time.time())
            with self.brave():
                people.set_active(self.who("pia"), self.who(name), True)
                return
            time.sleep(0.5)

    def capricious(self, rng: random.Random) -> bool:
        return rng.random() < self.mischief


def window(rng: random.Random) -> dict[str, str]:
    now = timezone.now()
    start = now - timedelta(days=rng.randint(2, 12))
    return {"from": start.isoformat(), "to": (now - timedelta(hours=rng.choice((2, 30)))).isoformat()}


def settle_in() -> None:
    """The demo people, and a third approver who can stand in for one who leaves."""
    people.setup_roles()
    accounts.ensure_account()
    people.make_demo_people()
    if not User.objects.filter(username="adam").exists():
        adam = people._create("adam", "Adam", "Berg", "adam@example.com", "try-the-sandbox", {APPROVER}, by="system")
        people._grant(adam, Team.objects.get(name="Data control"), by="system")
