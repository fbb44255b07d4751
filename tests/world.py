"""The small world that every test knows: one person for each role, two approvers in two teams, and Vera, who may
only look."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from lsq_ops import kinds
from lsq_ops.models import Account, DeletionRequest, Lead, Task
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import accounts, agenda, approval, drafting, leads, people

SITE_VISIT = 201


@dataclass
class SmallWorld:
    account: Account
    sandbox: Any = None
    rita: User = field(init=False)  # requester
    arun: User = field(init=False)  # approver, Business
    dana: User = field(init=False)  # approver, Data control
    omar: User = field(init=False)  # operator
    olga: User = field(init=False)  # operator
    aida: User = field(init=False)  # auditor
    pia: User = field(init=False)  # policy admin
    vera: User = field(init=False)  # no role

    def __post_init__(self) -> None:
        for user in User.objects.all():
            setattr(self, user.username, user)

    # --- LeadSquared ---------------------------------------------------------------------------------------

    def mirror_leads(self, *names: str) -> list[Lead]:
        """Asha, Bruno or Chen, read into the mirror with all that is theirs."""
        added = leads.add_leads(self.rita, [WELL_KNOWN[name] for name in names])
        self.work()
        return added.taken

    def mirror_tasks(self, count: int) -> list[str]:
        """That many of the inactive owner's tasks, on as few leads as can be, and read by them."""
        rows = sorted(self.task_rows(self.sandbox.world.bulk_task_ids()), key=lambda row: (row["lead"], row["id"]))
        ids = [row["id"] for row in rows[:count]]
        leads.add_leads(self.rita, sorted({row["lead"] for row in rows[:count]}))
        self.work()
        return list(Task.objects.filter(task_id__in=ids).values_list("task_id", flat=True))

    def task_rows(self, ids: Iterable[str]) -> list[dict[str, str]]:
        wanted = set(ids)
        rows = self.sandbox.world._rows("SELECT id, lead, owner FROM tasks")
        return [{"id": row[0], "lead": row[1], "owner": row[2]} for row in rows if row[0] in wanted]

    # --- Requests ------------------------------------------------------------------------------------------

    def draft(self, kind: str = "activities", *names: str, days: int = 10) -> DeletionRequest:
        """Rita's draft, its leads read; activities are last week's site visits."""
        mirrored = self.mirror_leads(*(names or ("asha",)))
        selection = drafting.select(self.rita, "lead", [lead.prospect_id for lead in mirrored])
        return self.drafted(
            kind, selection, self.window(days) | ({"codes": [SITE_VISIT]} if kind == "activities" else {})
        )

    def draft_tasks(self, count: int) -> DeletionRequest:
        return self.drafted("tasks", drafting.select(self.rita, "task", self.mirror_tasks(count)), {})

    def drafted(self, kind: str, selection: Any, parameters: dict[str, Any]) -> DeletionRequest:
        request = drafting.draft(
            self.rita,
            kind=kinds.get(kind).name,
            selection=selection,
            parameters=parameters,
            category="duplicate",
            reason="entered twice",
            ticket="OPS-1",
        )
        self.work()
        request.refresh_from_db()
        return request

    def pending(self, kind: str = "activities", *names: str, days: int = 10) -> DeletionRequest:
        request = self.draft(kind, *names, days=days)
        approval.submit(self.rita, request)
        request.refresh_from_db()
        return request

    def approved(self, request: DeletionRequest) -> DeletionRequest:
        """With as many votes as it needs."""
        for voter in (self.arun, self.dana):
            request.refresh_from_db()
            if request.state == "pending":
                version = request.version
                approval.vote(voter, request, "approve", digest=version.digest, count=version.items_count)
        request.refresh_from_db()
        return request

    def running(self, kind: str = "activities", *names: str, days: int = 10) -> DeletionRequest:
        """Approved, and its undo time over."""
        request = self.approved(self.pending(kind, *names, days=days))
        skip_wait(request)
        agenda.tend()
        request.refresh_from_db()
        return request

    def window(self, days: int) -> dict[str, str]:
        now = timezone.now()
        return {"from": (now - timedelta(days=days)).isoformat(), "to": (now - timedelta(hours=2)).isoformat()}

    # --- Work ----------------------------------------------------------------------------------------------

    def work(self, seconds: float = 60) -> None:
        """Be the worker until nothing is due."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and agenda.work(seconds):
            pass

    def work_out(self, request: DeletionRequest, seconds: float = 120) -> DeletionRequest:
        """Be the worker until the request is over, or needs people."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            agenda.work(5)
            request.refresh_from_db()
            if request.is_over or request.state == "needs_attention":
                return request
            time.sleep(0.1)
        raise AssertionError(f"{request} is still {request.state} after {seconds} s")


def skip_wait(request: DeletionRequest) -> None:
    """Tests age rows, not clocks."""
    DeletionRequest.objects.filter(pk=request.pk).update(starts_at=timezone.now() - timedelta(seconds=1))


def make_world(sandbox: Any = None) -> SmallWorld:
    """The people and the account; with a sandbox it is tested, and has no limit on calls: what isn't about the rate
    shouldn't wait for it."""
    people.setup_roles()
    accounts.ensure_account()
    people.make_demo_people()
    world = SmallWorld(accounts.current_account(), sandbox)
    if sandbox is not None:
        sandbox.faults.set("rate_limit", "off")
        # A row for each slot is made, so few that are free again soon.
        Account.objects.filter(pk=world.account.pk).update(rate_calls=20, rate_seconds=0.01)
        world.account = accounts.test_connection(world.omar)
    return world
