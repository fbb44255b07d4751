"""Locks are taken in one order, so that two transactions never wait for each other."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from django.db import connections

from lsq_ops.models import Account, Lead, audit, audited, db_now, record
from tests.world import make_world


def in_threads(*works):
    """Run them at the same time, each on a connection of its own; raises what one of them raised."""

    def alone(work):
        try:
            work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as threads:
        for done in [threads.submit(alone, work) for work in works]:
            done.result(timeout=60)


def test_who_writes_a_row_of_the_account_does_not_wait_for_who_holds_it(committed_db, monkeypatch):
    """PostgreSQL checks foreign keys at COMMIT, behind the audit head; who holds the account wants the head."""
    account = make_world().account
    account_held, head_held, append = Event(), Event(), audit._append

    def slowly(events):
        append(events)
        if events and events[0]["actor"] == "writer":
            head_held.set()
            time.sleep(0.5)  # the other one asks for the head meanwhile

    monkeypatch.setattr(audit, "_append", slowly)

    def write_a_lead():
        account_held.wait(5)
        with audited():
            Lead.objects.create(account=account, prospect_id="0" * 36, read_at=db_now())
            record("account.tested", ("account", 1), actor="writer")

    def hold_the_account():
        with audited():
            Account.locked(account.pk)
            account_held.set()
            head_held.wait(1)  # on SQLite there is one writer at a time, and this one was first
            record("account.tested", ("account", 1), actor="holder")

    in_threads(write_a_lead, hold_the_account)
    assert Lead.objects.count() == 1
