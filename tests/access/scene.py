"""A world in which everything is there: each role as a person, and a request in each stage of its life. Made once;
what is tried in it is rolled back."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.test import override_settings

from lsq_ops.models import ActivitySnapshot, DeletionRequest, Task, Team, db_now
from lsq_ops.sandbox.server import RunningSandbox
from lsq_ops.sandbox.world import WELL_KNOWN, World
from lsq_ops.services import approval, holds, people
from lsq_ops.services.people import DEMO_PASSWORD
from tests.services.steps import DELETES, go_on, timed, to_the_end
from tests.world import SmallWorld, make_world


@dataclass
class Scene:
    """The small world, who stands for which column of the table, and one request for each stage."""

    world: SmallWorld
    people: dict[str, User | None]
    draft: DeletionRequest
    pending: DeletionRequest  # needs two votes and has none; waits after a restore too
    approved: DeletionRequest  # with Dana's vote alone
    attention: DeletionRequest  # a call without a clear answer, its grace over
    stopped: DeletionRequest  # before anything was sent
    task: Task

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Rows that addresses name beside their object's."""
        version, read = self.pending.version, ActivitySnapshot.objects.filter(subject="lead_activities")
        return {
            "item_id": version.items.first().pk,
            "call_id": version.calls.first().pk,
            **dict.fromkeys(("snapshot_id", "before", "after"), self.pending.snapshots.first().pk),
            "snapshot": read.filter(subject_id=WELL_KNOWN["asha"]).first().pk,
        }

    def request_in(self, states: tuple[str, ...]) -> DeletionRequest:
        made = (self.pending, self.draft, self.attention, self.approved, self.stopped)
        return next((one for one in made if one.state in states), self.pending)


@contextmanager
def scene() -> Iterator[Scene]:
    """Needs a migrated database. Nothing of it is committed."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        # Unclear calls are open questions at once, and nothing else happens by itself.
        timed(patch, grace=0, read_schedule=(600,), read_then_every=600, reading_max_age=86400)
        sandbox = stack.enter_context(RunningSandbox(World()))
        stack.enter_context(override_settings(LSQ_HOST=sandbox.url))
        stack.enter_context(rolled_back())
        yield _made(make_world(sandbox))


@contextmanager
def rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _made(world: SmallWorld) -> Scene:
    attention = _attention(world)
    stopped = world.running("activities", "chen")
    approval.stop(world.rita, stopped)
    stopped.refresh_from_db()
    pending = world.pending("activities", "bruno")
    assert pending.version.approvals_needed == 2
    DeletionRequest.objects.filter(pk=pending.pk).update(restored_at=db_now())  # and it came out of a backup
    pending.refresh_from_db()
    approved = world.pending("activities", "asha")
    approval.vote(world.dana, approved, "approve", digest=approved.version.digest)
    approved.refresh_from_db()
    task = Task.objects.get(task_id=world.mirror_tasks(1)[0])
    draft = world.draft("activities", "chen")
    holds.set_holds(world.pia, "lead", ["11111111-1111-4111-8111-111111111111"], "court case")
    assert [one.state for one in (stopped, approved, draft)] == ["stopped", "approved", "draft"]
    return Scene(world, _people(world), draft, pending, approved, attention, stopped, task)


def _attention(world: SmallWorld) -> DeletionRequest:
    faults = world.sandbox.faults
    faults.set("delay", 0)
    faults.set("answer", "502", match=DELETES)
    faults.set("takes_effect", "no", match=DELETES)
    request = to_the_end(world, world.running("activities", "asha"))
    assert request.state == "needs_attention"
    faults.reset()
    faults.set("rate_limit", "off")
    faults.set("delay", 0)
    return go_on(world, request)


def _people(world: SmallWorld) -> dict[str, User | None]:
    """In the order of the table's columns."""
    nora = _person("nora", "Approver")
    dora = _person("dora")
    dora.user_permissions.set(Permission.objects.all())
    gone = _person("gone", "Requester", "Approver", "Operator")
    people._grant(gone, Team.objects.first(), by="test")
    gone.is_active = False
    gone.save()
    return {
        "nobody": None,
        "looks": world.vera,
        "requester": world.rita,
        "approver": world.arun,
        "no_grant": nora,
        "operator": world.olga,
        "auditor": world.aida,
        "policy": world.pia,
        "root": User.objects.create_superuser("root", password=DEMO_PASSWORD),
        "django": dora,
        "locked": gone,
    }


def _person(name: str, *roles: str) -> User:
    user = User.objects.create_user(name, password=DEMO_PASSWORD, is_staff=True)
    user.groups.set(Group.objects.filter(name__in=roles))
    return user
