"""What every attempt begins with: people with and without a right to vote, and requests in every state that an attack
could start from. It is built once, by the services; each attempt is rolled back to it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from django.contrib.auth.models import Group, User
from django.test import Client

from lsq_ops.leadsquared.errors import Answer
from lsq_ops.models import (
    Account,
    ApproverGrant,
    Attempt,
    Beat,
    DeletionCall,
    DeletionRequest,
    Notice,
    Team,
    Vote,
    db_now,
)
from lsq_ops.models.timing import SANDBOX
from lsq_ops.services import accounts, agenda, approval, drafting, notices, people, running
from tests.chaos import answers
from tests.world import SITE_VISIT, SmallWorld, make_world, skip_wait

FAR = timedelta(days=3650)
INVOLVED = ("rita", "ed", "ann")  # who made, who edited and who asked for every request; each has a grant in force
RIGHTLESS = (
    "finn",
    "rex",
    "dan",
    "vera",
    "root",
)  # a grant from tomorrow on, a revoked one, locked out, none, superuser
HONEST = ("arun", "dana")  # Business, Data control


@dataclass
class Wire:
    """LeadSquared's end: it writes down what it is told to delete, and shows nothing."""

    deletes: list[tuple[str, bytes]] = field(default_factory=list)
    fault: str = ""

    def transport(self, host: str, access_key: str, secret_key: str, **options: Any) -> "Wire":
        return self

    def send(self, operation: str, method: str, path: str, *, body: bytes | None = None, **more: Any) -> Answer:
        if not more.get("fresh"):
            return answers.faulty("timeout", operation, write=False)
        self.deletes.append((path, body or b""))
        if self.fault:
            return answers.faulty(self.fault, operation, write=True)
        return answers.good(operation, {"Status": "Success", "Message": {"Message": "queued"}}, write=True)


@dataclass
class Stage:
    world: SmallWorld
    people: dict[str, User] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)  # what an attack starts from -> its request
    doors: dict[str, Client] = field(default_factory=dict)
    wire: Wire = field(default_factory=Wire)
    at_the_door: Callable[[], object] | None = None

    @classmethod
    def build(cls, sandbox: Any) -> "Stage":
        stage = cls(make_world(sandbox))
        stage._make_people()
        with patch.object(running, "_send", _not_now):
            stage._make_requests()
        stage._make_real()
        with stage.set():
            stage._send_unclear(stage.requests["unknown"])
        for name in (*INVOLVED, *RIGHTLESS, *HONEST, "omar"):
            stage.doors[name] = Client(raise_request_exception=False)
            stage.doors[name].force_login(stage.people[name])
        return stage

    # --- People ----------------------------------------------------------------------------------------------

    def _make_people(self) -> None:
        business = Team.objects.get(name="Business")
        roles = {"Requester", "Approver"}
        people.set_roles(self.world.pia, self.world.rita, roles)
        for name in ("ed", "ann", "finn", "rex", "dan"):
            people.make_user(self.world.pia, username=name, password="a-long-one-for-nobody", roles=roles)
        root = User.objects.create_superuser("root", password="a-long-one-for-nobody")
        root.groups.set(Group.objects.filter(name="Approver"))
        self.people = {user.username: user for user in User.objects.all()}
        for name in ("rita", "ed", "ann", "rex", "dan"):
            people.give_grant(self.world.pia, self.people[name], business)
        ApproverGrant.objects.create(
            user=self.people["finn"], team=business, counts_from=db_now() + timedelta(days=1), given_by="pia",
            given_at=db_now(),
        )  # fmt: skip
        people.revoke_grant(self.world.pia, self.people["rex"].grants.get())
        people.set_active(self.world.pia, self.people["dan"], False)

    # --- Requests --------------------------------------------------------------------------------------------

    def _make_requests(self) -> None:
        arun, dana = self.people["arun"], self.people["dana"]
        self._keep("draft", self._draft("asha"))
        self._keep("pending", self._pending("bruno"))
        self._keep("one vote of two", self._voted(self._pending("bruno"), arun))
        self._keep("one team of two", self._voted(self._pending("asha", kind="stage_history"), arun))
        self._keep("voted on before", self._back(self._voted(self._pending("asha"), arun)))
        self._keep("cancelled", self._cancelled(self._voted(self._pending("asha"), arun)))
        self._keep("running", self._running(self._voted(self._pending("asha"), arun)))
        self._keep("running on two", self._running(self._voted(self._pending("bruno"), arun, dana)))
        self._keep("running tasks", self._running(self._voted(self._submitted(self._tasks()), arun, dana)))
        self._keep("unknown", self._running(self._voted(self._pending("chen"), arun, dana)))
        self.world.work()

    def _keep(self, name: str, request: DeletionRequest) -> None:
        self.requests[name] = request.pk

    def _draft(self, lead: str, kind: str = "activities") -> DeletionRequest:
        """Made by Rita, asked for by Ann, edited by Ed."""
        mirrored = self.world.mirror_leads(lead)
        chosen = drafting.select(self.people["rita"], "lead", [one.prospect_id for one in mirrored])
        window = self.world.window(10 if kind == "activities" else 90)
        codes = {"codes": [SITE_VISIT]} if kind == "activities" else {}
        return self._edited(chosen, kind, window | codes)

    def _tasks(self) -> DeletionRequest:
        chosen = drafting.select(self.people["rita"], "task", self.world.mirror_tasks(3))
        return self._edited(chosen, "tasks", {})

    def _edited(self, chosen: Any, kind: str, parameters: dict[str, Any]) -> DeletionRequest:
        why = {"category": "duplicate", "reason": "entered twice", "asked_by": self.people["ann"]}
        request = drafting.draft(self.people["rita"], kind=kind, selection=chosen, parameters=parameters, **why)
        self.world.work()
        return self._read_again(request)

    def _read_again(self, request: DeletionRequest) -> DeletionRequest:
        drafting.reread(self.people["ed"], DeletionRequest.objects.get(pk=request.pk))
        self.world.work()
        return DeletionRequest.objects.get(pk=request.pk)

    def _submitted(self, request: DeletionRequest) -> DeletionRequest:
        approval.submit(self.people["rita"], request)
        return DeletionRequest.objects.get(pk=request.pk)

    def _pending(self, lead: str, kind: str = "activities") -> DeletionRequest:
        return self._submitted(self._draft(lead, kind))

    def _voted(self, request: DeletionRequest, *voters: User) -> DeletionRequest:
        for voter in voters:
            request = DeletionRequest.objects.get(pk=request.pk)
            if request.state == "pending":
                vote(voter, request)
        return DeletionRequest.objects.get(pk=request.pk)

    def _back(self, request: DeletionRequest) -> DeletionRequest:
        """Approved in its second version, and then changed: the third one waits without a vote."""
        assert request.state == "approved"
        drafting.back_to_draft(request, "changed meanwhile")
        self.world.work()
        return self._submitted(DeletionRequest.objects.get(pk=request.pk))

    def _cancelled(self, request: DeletionRequest) -> DeletionRequest:
        approval.cancel(self.people["rita"], request)
        return request

    def _running(self, request: DeletionRequest) -> DeletionRequest:
        assert request.state == "approved"
        skip_wait(request)
        agenda.tend()
        return request

    def _make_real(self) -> None:
        """As on a real account: what is given counts a day later. (The digests were made of the word "sandbox".)"""
        Account.objects.update(sandbox=False, host="sandbox", pause_reason="")
        DeletionCall.objects.filter(state="planned").update(not_before=db_now() + FAR, claimed_until=None)
        Notice.objects.update(sent_at=db_now())
        Beat.objects.update_or_create(name="sweep", defaults={"at": db_now() + FAR})

    def _send_unclear(self, pk: int) -> None:
        """Sent, and no clear answer came."""
        self.wire.fault = "timeout"
        self.make_due(pk)
        assert agenda.do_one() and Attempt.objects.filter(request=pk, state="unknown").count() == 1
        DeletionCall.objects.filter(request=pk).exclude(state="planned").update(not_before=db_now() + FAR)
        self.wire.fault = ""
        self.wire.deletes.clear()

    # --- For each attempt ------------------------------------------------------------------------------------

    def make_due(self, pk: int) -> None:
        DeletionCall.objects.filter(request=pk).update(not_before=None, claimed_until=None)
        DeletionRequest.objects.filter(pk=pk, state="approved").update(starts_at=db_now())

    @contextmanager
    def set(self) -> Iterator[None]:
        """The wire in LeadSquared's place; readings that stay fresh; no waiting for what is due later."""
        self.wire.deletes.clear()
        lasting = replace(SANDBOX, before_send_age=10**8, before_send_list_age=10**8)
        with ExitStack() as stack:
            stack.enter_context(patch.object(accounts, "Transport", self.wire.transport))
            stack.enter_context(patch.object(running, "timing", lambda: lasting))
            stack.enter_context(patch.object(agenda, "_linger", lambda until: False))
            stack.enter_context(patch.object(notices, "send_due", lambda: False))
            yield


def vote(voter: User, request: DeletionRequest) -> None:
    version = request.version
    approval.vote(voter, request, "approve", digest=version.digest, count=version.items_count)


def honest_votes(pk: int) -> set[int]:
    return set(Vote.objects.filter(request=pk).values_list("pk", flat=True))


def _not_now(call: DeletionCall) -> None:
    raise running.Wait("not now", FAR.total_seconds())
