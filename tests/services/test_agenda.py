"""The worker's round: one row that it stumbles over stops no other."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django_q.brokers import get_broker

from lsq_ops.models import ActivitySnapshot, Beat, Notice, db_now
from lsq_ops.queue import ring
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import agenda, notices, reading, receiving, running

from .steps import attempts, drain, go_on, one_call, timed, to_the_end


def test_a_call_that_the_worker_stumbles_over_is_put_off_and_the_operators_hear_of_it(world, monkeypatch, caplog):
    request, call = one_call(world)
    with monkeypatch.context() as broken:
        broken.setattr(running, "_drifted", None)
        drain()
    call.refresh_from_db()
    assert (call.state, call.claimed_until, attempts(request)) == ("planned", None, [])
    assert call.note == "The portal failed on it (TypeError); its log says more."
    assert Notice.objects.filter(user=world.omar, text__contains="TypeError").count() == 1
    assert to_the_end(world, request).state == "completed"


def test_a_reading_that_the_worker_stumbles_over_is_given_up_after_its_tries(world, monkeypatch):
    timed(monkeypatch, read_retries=(5,))
    monkeypatch.setattr(reading.mirror, "take_over", None)
    reading.order(world.account, [("lead_activities", WELL_KNOWN["asha"])], reading.Lane.MIRROR, since=db_now())
    snapshot = ActivitySnapshot.objects.get()
    drain()
    snapshot.refresh_from_db()
    assert (snapshot.tries, snapshot.why) == (1, "The portal failed on it (TypeError); its log says more.")


def test_a_webhook_that_the_worker_stumbles_over_stops_nothing_else(world, monkeypatch, settings, caplog):
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    monkeypatch.setattr(running.tokens, "make", lambda: "token")
    request, _ = one_call(world)
    drain()
    receiving.receive("token", b'{"Status":"Success"}', "application/json")
    monkeypatch.setattr(receiving, "understand", None)
    assert go_on(world, request, 3).state == "completed"
    assert "could not be worked on; the others go on" in caplog.text


def test_an_erasure_that_the_worker_stumbles_over_stops_no_mail(world, monkeypatch, caplog):
    def stumbles():
        raise TypeError

    monkeypatch.setattr(agenda.erasure, "step", stumbles)
    agenda.notices.tell([world.rita], None, "about something", "Something.")
    assert agenda.do_one()
    assert Notice.objects.filter(sent_at__isnull=False).exists()
    assert "could not be worked on; the others go on" in caplog.text


def test_where_the_database_is_away_all_wait(world, monkeypatch):
    def away(*_):
        raise OperationalError("database is locked")

    one_call(world)
    monkeypatch.setattr(running, "_drifted", away)
    with pytest.raises(OperationalError):
        drain()
    monkeypatch.undo()
    assert agenda.do_one()


def test_what_a_dead_worker_left_is_found_while_there_is_always_other_work(world, monkeypatch):
    """The ring for the sweep may wait behind many others: whoever works sweeps when nobody has lately."""
    swept = []
    monkeypatch.setattr(agenda, "catch_up", lambda: swept.append(1))
    agenda.sweep()
    agenda.sweep()
    assert len(swept) <= 1
    Beat.objects.filter(name="sweep").update(at=db_now() - timedelta(seconds=11))
    swept.clear()
    agenda.work(0.1)
    agenda.work(0.1)
    assert len(swept) == 1


def test_mails_go_out_however_many_leads_there_are_to_refresh(world, monkeypatch):
    """What asks LeadSquared comes first, and never ends: each worker's whole turn goes to it."""
    read, snapshot = [], ActivitySnapshot(lane=reading.Lane.MIRROR)
    monkeypatch.setattr(agenda.reading, "claim", lambda lanes: snapshot if reading.Lane.MIRROR in lanes else None)
    monkeypatch.setattr(agenda.reading, "perform", lambda *about: read.append(1))
    monkeypatch.setattr(agenda, "after", lambda snapshot: None)
    for number in range(5):
        notices.tell([world.rita], None, f"mail {number}", "Something.")
    agenda.sweep()
    Beat.objects.filter(name="sweep").update(at=db_now() - timedelta(seconds=agenda.SWEEP + 1))
    assert agenda.work(0.1)
    assert read
    assert not Notice.objects.filter(subject__contains="mail", sent_at=None).exists()


def test_whatever_stands_behind_has_its_turn_in_each_sweep(world, monkeypatch):
    turns = []
    for module in (agenda.erasure, agenda.retention):
        monkeypatch.setattr(module, "step", lambda name=module.__name__: bool(turns.append(name)))
    for module in (agenda.syncing, agenda.uploaded):
        monkeypatch.setattr(module, "claim", lambda name=module.__name__: turns.append(name))
    monkeypatch.setattr(agenda, "do_one", lambda until: True)
    for _ in range(2):
        Beat.objects.filter(name="sweep").update(at=db_now() - timedelta(seconds=agenda.SWEEP + 1))
        agenda.work(0.05)
    assert [name.rpartition(".")[2] for name in turns] == 2 * ["erasure", "retention", "syncing", "uploaded"]


def test_rings_do_not_pile_up(committed_db):
    for _ in range(30):
        ring("work")
    assert get_broker().queue_size() == 8
    ring("beat")
    assert get_broker().queue_size() == 9
