"""How tests drive the engine: everything that is due now, and time that passes because rows are aged."""

import sys
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

from lsq_ops.leadsquared.transport import Transport
from lsq_ops.models import ActivitySnapshot, DeletionCall, DeletionRequest, db_now, timing
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import agenda, approval
from tests.world import skip_wait

DELETES = "DeleteActivities"


def drain() -> None:
    """Be the worker until nothing is due, without waiting for anything."""
    for _ in range(200):
        agenda.tend()
        if not agenda.do_one():
            return
        for _ in range(2000):
            if not agenda.do_one():
                break
    raise AssertionError("the worker is never done")


def let_land(world: Any) -> None:
    """LeadSquared has worked off its queue."""
    until = time.monotonic() + 10
    while world.sandbox.stats["busy"] and time.monotonic() < until:
        time.sleep(0.005)


def hurry(request: DeletionRequest) -> None:
    """What waits for its time need not wait any longer."""
    past = db_now() - timedelta(seconds=1)
    DeletionCall.objects.filter(request=request, not_before__isnull=False).update(not_before=past)
    ActivitySnapshot.objects.filter(read_at__isnull=True, not_before__isnull=False).update(not_before=past)


def go_on(world: Any, request: DeletionRequest, rounds: int = 1) -> DeletionRequest:
    """So many times: whatever is due now, and then what would be due later."""
    for _ in range(rounds):
        drain()
        let_land(world)
        hurry(request)
    drain()
    request.refresh_from_db()
    return request


def to_the_end(world: Any, request: DeletionRequest, rounds: int = 25) -> DeletionRequest:
    """Until it is over or needs people."""
    for _ in range(rounds):
        go_on(world, request)
        if request.is_over or request.state == "needs_attention":
            return request
    raise AssertionError(f"still {request.state}: {[(c.number, c.state, c.note) for c in request.calls.all()]}")


def timed(monkeypatch: Any, **seconds: Any) -> None:
    """Other durations than the sandbox's."""
    monkeypatch.setattr(sys.modules["lsq_ops.models.timing"], "SANDBOX", replace(timing(), **seconds))


def read_when_told(monkeypatch: Any) -> None:
    """However slow the machine: nothing is read back before the test lets time pass."""
    timed(monkeypatch, read_schedule=(600,), read_then_every=600)


def unplugged(monkeypatch: Any) -> None:
    """Deletes find no LeadSquared at the other end; readings do."""
    nobody = Transport("http://127.0.0.1:9", "access", "secret")
    monkeypatch.setattr(
        "lsq_ops.leadsquared.client.Client.send_delete",
        lambda self, path, body: nobody.send("Delete", "POST", path, body=body, fresh=True),
    )


def running_tasks(world: Any, count: int, *, of: int = 40) -> DeletionRequest:
    """So many tasks of the inactive owner, who is left with `of` of his 12,000: his list is read again and again."""
    world.sandbox.world.remove_tasks(world.sandbox.world.bulk_task_ids()[of:])
    request = world.draft_tasks(count)
    approval.submit(world.rita, request)
    world.approved(request)
    skip_wait(request)
    agenda.tend()
    request.refresh_from_db()
    return request


def one_call(world: Any, name: str = "asha") -> tuple[DeletionRequest, DeletionCall]:
    """A running request of a single call, not sent yet."""
    request = world.running("activities", name)
    call = request.calls.get()
    return request, call


def sends(world: Any) -> int:
    """Deletes that reached LeadSquared."""
    return len(world.sandbox.stats["deletes"])


def outcomes(request: DeletionRequest) -> dict[str, int]:
    """Outcome -> items; every item has exactly one at every end, and they add up."""
    found: dict[str, int] = {}
    for outcome in request.version.items.values_list("outcome", flat=True):
        found[outcome or "open"] = found.get(outcome or "open", 0) + 1
    assert sum(found.values()) == request.version.items_count
    return found


def attempts(request: DeletionRequest) -> list[str]:
    return list(request.attempts.order_by("id").values_list("state", flat=True))


def site_visits(world: Any, name: str = "asha") -> int:
    return world.sandbox.world.counts(WELL_KNOWN[name])["by_code"].get(201, 0)
