"""What a benchmark asks of the portal itself, in a process of its own; the answer is one line of JSON.

python -m benchmarks.parts.portal attempts N WORLD   the tokens of N attempts on a new sandbox, kept at WORLD
python -m benchmarks.parts.portal receipts           how many rows, arrivals, and rows that wait for the worker
"""

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

import django
from django.conf import settings
from django.db.models import Count, Q, Sum

SPARE = 40  # tasks of the owner that stay: a request that takes all of a lead's history needs more votes


def attempts(number: str, world: str) -> list[str]:
    """One request for that many tasks, one task a call; approved, and every call sent."""
    from lsq_ops.models import Account
    from lsq_ops.sandbox.server import RunningSandbox
    from lsq_ops.sandbox.world import World
    from lsq_ops.services import approval
    from tests.world import make_world, skip_wait

    settings.LSQ_TASKS_PER_CALL = 1
    settings.PUBLIC_URL = "http://127.0.0.1:9"  # so that a body holds its token; the sandbox posts nothing
    with RunningSandbox(World(world), rate_limit="off", webhook="never", delay=0) as sandbox:
        sandbox.world.remove_tasks(sandbox.world.bulk_task_ids()[int(number) + 1 + SPARE :])
        settings.LSQ_HOST = sandbox.url
        people = make_world(sandbox)
        Account.objects.filter(pk=people.account.pk).update(rate_calls=200, rate_seconds=0.1)
        request = people.draft_tasks(int(number) + 1)
        approval.submit(people.rita, request)
        skip_wait(people.approved(request))
        first_call(request.pk)
        return send_rest()


def first_call(request_id: int) -> None:
    """The first call of a request goes alone until it is verified."""
    from lsq_ops.models import DeletionCall
    from lsq_ops.services import agenda

    gone = DeletionCall.objects.filter(request_id=request_id, state="gone")
    until = time.monotonic() + 120
    while not gone.exists():
        if time.monotonic() > until:
            raise RuntimeError("The first call was not verified as gone.")
        agenda.work(0.1)


def send_rest() -> list[str]:
    """As the worker does it, but the tokens are caught: nothing that is stored could give them back."""
    from lsq_ops.services import accounts, answering, running

    tokens = []
    while call := running.next_call():
        attempt, body = running.open_attempt(call)
        tokens.append(json.loads(body)["StatusWebhookURL"].rstrip("/").rpartition("/")[2])
        answering.keep_answer(attempt, accounts.client(attempt.account).send_delete(call.path, body))
    return tokens


def receipts() -> dict[str, int]:
    from lsq_ops.models import WebhookReceipt

    waiting = Count("id", filter=Q(taken_at__isnull=True))
    sums = WebhookReceipt.objects.aggregate(rows=Count("id"), arrivals=Sum("count"), waiting=waiting)
    return {name: number or 0 for name, number in sums.items()}


if __name__ == "__main__":
    django.setup()
    logging.disable()  # what is printed is the answer
    questions: dict[str, Callable[..., Any]] = {"attempts": attempts, "receipts": receipts}
    print(json.dumps(questions[sys.argv[1]](*sys.argv[2:])))
