"""The rate budget: shared by all processes, stamped at the answer, shut where it isn't sure."""

import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest
from django.db import connections

from lsq_ops.leadsquared.errors import Answer, Cause, Outcome, Rate, RateLimited
from lsq_ops.models import Account, BudgetDay, BudgetSlot, db_now
from lsq_ops.models.timing import SANDBOX
from lsq_ops.services import accounts, budget, reading
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


def rate_answer(calls: int, seconds: int) -> Answer:
    return Answer("read", Outcome.TURNED_AWAY, Cause.RATE, status=429, rate=Rate(calls, seconds))


def test_one_burst_of_refusals_is_one_lesson(people):
    gate = budget.Budget(people.account.pk)
    for _ in range(3):
        gate.leave(budget.Ticket(0, ""), rate_answer(25, 5))
    assert accounts.current_account().learnt_calls == 19  # the 20 that are ours, less one
    Account.objects.update(learnt_at=ago(0.01))
    gate.leave(budget.Ticket(0, ""), rate_answer(25, 5))
    assert accounts.current_account().learnt_calls == 18


def test_a_shorter_wait_does_not_end_a_longer_one(people):
    gate = budget.Budget(people.account.pk)
    gate.leave(budget.Ticket(0, ""), rate_answer(25, 60))
    gate.leave(budget.Ticket(0, ""), rate_answer(25, 5))
    assert accounts.current_account().hold_until > db_now().timestamp() + 50


def test_nobody_calls_while_leadsquared_wants_us_to_wait(people):
    gate = budget.Budget(people.account.pk)
    gate.leave(gate.enter(), None)
    Account.objects.update(hold_until=db_now().timestamp() + 30)
    assert 29 < gate._take()[1] <= 30


def test_an_answer_after_its_slot_was_taken_over_frees_nothing(one_slot):
    late = one_slot.enter()
    BudgetSlot.objects.update(free_at=db_now().timestamp() - 1)  # its crash fallback is over
    one_slot.enter()
    one_slot.leave(late, Answer("read", Outcome.ACCEPTED, Cause.NONE))
    slot = BudgetSlot.objects.get()
    assert slot.ticket not in ("", late.key)
    assert slot.free_at > db_now().timestamp() + 30
    assert budget.in_window(accounts.current_account()) == 1


def test_who_was_stopped_while_waiting_for_a_slot_takes_another_one(one_slot, monkeypatch):
    """Somebody else may have had it meanwhile, and his call is still in the window."""
    taken, really = [], one_slot._take

    def take():
        ticket, wait = really()
        taken.append(ticket)
        return (replace(ticket, at=ticket.at - 60) if len(taken) == 1 else ticket), wait  # a minute goes by

    monkeypatch.setattr(one_slot, "_take", take)
    assert one_slot.enter() == taken[1] != taken[0]
    assert BudgetSlot.objects.get().ticket == taken[1].key


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
    assert 45 < slot.free_at - db_now().timestamp() <= 51
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


def test_the_first_calls_of_a_day_may_come_from_many_at_once(committed_db):
    """Who loses the race for the day's row counts in the winner's."""
    account = make_world().account
    start, spent = Barrier(6), []

    def call() -> None:
        try:
            gate = budget.Budget(account.pk)
            start.wait()
            gate.leave(gate.enter(), None)
        except budget.BudgetSpent as error:
            spent.append(error)
        finally:
            connections.close_all()

    for _ in range(3):
        BudgetDay.objects.all().delete()
        threads = [Thread(target=call) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert BudgetDay.objects.get().calls == 6
    assert spent == []


def ago(hours: float):
    return db_now() - timedelta(hours=hours)


def test_a_list_too_long_for_a_whole_turn_is_not_read_for_ever(world, monkeypatch):
    lead = world.mirror_leads("asha")[0]
    reading.order(world.account, [("lead_tasks", lead.prospect_id)], reading.Lane.PREVIEW, since=db_now())
    snapshot = reading.claim([reading.Lane.PREVIEW])
    reading.perform(snapshot, time.monotonic() - 1)  # the turn was over: the next one begins with it
    snapshot = reading.claim([reading.Lane.PREVIEW])
    assert (snapshot.tries, snapshot.why) == (0, "")

    monkeypatch.setattr(reading, "timing", lambda: replace(SANDBOX, job=-9))
    for _ in range(5):
        reading.perform(snapshot, time.monotonic() - 1)
        snapshot.refresh_from_db()
        if snapshot.read_at is None:
            type(snapshot).objects.filter(pk=snapshot.pk).update(not_before=None)
            snapshot = reading.claim([reading.Lane.PREVIEW])
    assert snapshot.read_at is not None
    assert not snapshot.complete
    assert snapshot.why == reading.TOO_LONG


@pytest.fixture
def one_slot(people):
    Account.objects.filter(pk=people.account.pk).update(rate_calls=1)
    gate = budget.Budget(people.account.pk)
    gate.leave(gate.enter(), None)
    return gate


def test_nobody_queues_behind_a_call_under_way(one_slot):
    ticket = one_slot.enter()
    assert one_slot._take() is None  # its crash fallback is half a minute away; the answer may be there in no time
    one_slot.leave(ticket, Answer("read", Outcome.ACCEPTED, Cause.NONE))
    assert 4 < one_slot._take()[1] <= 5


def test_who_is_called_off_while_waiting_gives_the_slot_back(one_slot, monkeypatch):
    one_slot.leave(one_slot.enter(), Answer("read", Outcome.ACCEPTED, Cause.NONE))
    before = BudgetSlot.objects.get().free_at
    monkeypatch.setattr(budget.time, "sleep", called_off)
    with pytest.raises(KeyboardInterrupt):
        one_slot.enter()
    slot = BudgetSlot.objects.get()
    assert slot.ticket == ""
    assert slot.free_at == pytest.approx(before, abs=0.5)


def called_off(seconds: float) -> None:
    raise KeyboardInterrupt


def test_who_finds_every_slot_held_looks_again_until_one_is_free(world, monkeypatch):
    Account.objects.filter(pk=world.account.pk).update(rate_calls=2, rate_seconds=0.1)
    gate = budget.Budget(world.account.pk)
    held = [gate.enter() for _ in range(budget.size_of(accounts.current_account()))]
    naps = []

    def nap(seconds):
        naps.append(seconds)
        if seconds == budget.ALL_TAKEN:
            gate.leave(held.pop(), None)

    monkeypatch.setattr(budget.time, "sleep", nap)
    assert gate.enter().slot_id in set(BudgetSlot.objects.values_list("pk", flat=True))
    assert naps[0] == budget.ALL_TAKEN
