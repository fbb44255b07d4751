"""The rate budget: shared by all processes, stamped at the answer, shut where it isn't sure."""

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from lsq_ops.leadsquared.errors import RateLimited
from lsq_ops.models import Account, BudgetSlot, db_now
from lsq_ops.services import accounts, budget
from tests.world import make_world

CALLER = """
import sys, django; django.setup()
from django.conf import settings; settings.LSQ_HOST = sys.argv[1]
from lsq_ops.services import accounts
client = accounts.client(accounts.current_account())
for _ in range(int(sys.argv[2])):
    client.connection_test()
"""


@pytest.mark.parametrize("window", ["fixed", "sliding"])
def test_three_processes_meet_no_rate_limit(committed_db, sandbox, process_environment, window, settings):
    settings.LSQ_RESERVE = 0.0
    world = make_world(sandbox)
    sandbox.faults.set("rate_limit", "10/1")
    sandbox.faults.set("rate_window", window)
    Account.objects.filter(pk=world.account.pk).update(rate_calls=10, rate_seconds=1.0)
    environment = {**process_environment, "LSQ_RESERVE": "0"}
    started = time.monotonic()
    callers = [
        subprocess.Popen([sys.executable, "-c", CALLER, sandbox.url, "15"], env=environment, cwd=Path.cwd())
        for _ in range(3)
    ]
    assert [caller.wait(120) for caller in callers] == [0, 0, 0]
    assert sandbox.stats["rate_limited"] == 0
    assert time.monotonic() - started >= 3.0  # 45 calls at 10 a second can't be done sooner: somebody counted


def test_a_rate_answer_makes_everybody_wait_and_is_learnt_from(world):
    Account.objects.filter(pk=world.account.pk).update(rate_calls=25, rate_seconds=5)
    world.sandbox.faults.set("rate_limit", "10/5")
    client = accounts.client(world.account)
    with pytest.raises(RateLimited):
        for _ in range(20):
            client.connection_test()
    account = accounts.current_account()
    assert account.learnt_calls == 8  # 10 less the reserve of a fifth
    assert account.hold_until > db_now().timestamp() + 3
    assert budget.size_of(account) == 8


def test_what_was_learnt_is_recovered_slowly(people):
    account = people.account
    account.learnt_calls, account.learnt_at = 5, db_now()
    assert budget.size_of(account) == 5
    account.learnt_at = ago(3.1)
    assert budget.size_of(account) == 8
    account.learnt_at = ago(300)
    assert budget.size_of(account) == 20


def test_a_slot_whose_process_died_comes_back_by_itself(people):
    gate = budget.Budget(people.account.pk)
    gate.enter()  # and no leave: killed
    slot = BudgetSlot.objects.exclude(ticket="").get()
    assert 30 < slot.free_at - db_now().timestamp() <= 36
    gate.leave(gate.enter(), None)
    assert BudgetSlot.objects.exclude(ticket="").count() == 1


def test_the_day_is_over_when_its_calls_are_used(people, settings):
    settings.LSQ_DAILY_LIMIT = 5
    settings.LSQ_RESERVE = 0.2
    gate = budget.Budget(people.account.pk)
    for _ in range(4):
        gate.leave(gate.enter(), None)
    with pytest.raises(budget.BudgetSpent, match="The 4 calls of today"):
        gate.enter()


def ago(hours: float):
    return db_now() - timedelta(hours=hours)

