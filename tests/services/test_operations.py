"""How the portal works right now: each alarm is there when its cause is, and gone with it."""

from datetime import timedelta

import pytest

from lsq_ops.leadsquared.errors import Cause
from lsq_ops.models import Account, ActivitySnapshot, Beat, BudgetDay, MirrorSync, Notice, db_now
from lsq_ops.services import accounts, causes, deciding, doctor, notices, operations, people
from lsq_ops.services.may import Barred

from .steps import DELETES, one_call, timed, to_the_end


@pytest.fixture
def at_work(world):
    Beat.show("worker")
    return world


def alarms(world):
    return operations.alarms(Account.objects.get(current=True))


def names(world):
    return [alarm.name for alarm in alarms(world)]


def test_where_all_is_well_there_is_no_alarm(at_work):
    assert names(at_work) == []


def test_each_alarm_says_what_happens_if_nothing_is_done_and_the_way_out(at_work):
    Beat.objects.update(at=db_now() - timedelta(minutes=5))
    accounts.pause(at_work.omar, "looking at it")
    Account.objects.update(paused_kinds={"tasks": "The key's user may not do this."})
    found = alarms(at_work)
    assert len(found) == 3
    for alarm in found:
        assert alarm.says and alarm.if_nothing
        assert (alarm.press and alarm.about) or alarm.do


def test_no_worker_at_all_and_one_of_two_that_is_silent(world):
    assert names(world) == ["No worker is at work"]
    Beat.objects.create(name="worker on one", at=db_now())
    assert names(world) == []
    Beat.objects.create(name="worker on two", at=db_now() - timedelta(minutes=5))
    assert names(world) == ["Worker on two is silent"]
    Beat.objects.filter(name="worker on two").update(at=db_now() - timedelta(days=2))
    assert names(world) == []
    Beat.forget()
    assert list(Beat.objects.values_list("name", flat=True)) == ["worker on one"]


def test_a_pause_asks_for_the_test_of_the_connection_first(at_work):
    accounts.pause(at_work.omar, "looking at it")
    assert [alarm.action for alarm in alarms(at_work)] == ["resume"]
    Account.objects.update(sandbox=False, tested_at=None)
    assert [alarm.action for alarm in alarms(at_work)] == ["test"]


def test_a_request_that_needs_people_and_a_decision_that_needs_a_second_one(at_work, monkeypatch):
    """Sent, no clear answer, and nothing went: after the grace two operators decide."""
    at_work.sandbox.faults.set("answer", "502", match=DELETES)
    at_work.sandbox.faults.set("takes_effect", "no", match=DELETES)
    timed(monkeypatch, grace=0, read_schedule=(600,), read_then_every=600)
    request, call = one_call(at_work)
    request = to_the_end(at_work, request)
    assert names(at_work) == [f"{request} needs attention"]
    call.refresh_from_db()
    deciding.propose(at_work.omar, request, call, "end", "seen")
    assert names(at_work)[1:] == [f"A decision on {request} waits for a second operator"]
    assert alarms(at_work)[1].says == "Proposed by omar."


def test_a_lapsed_approval(at_work):
    request = at_work.running()
    people.set_active(at_work.pia, at_work.dana, False)
    people.set_active(at_work.pia, at_work.arun, False)
    found = [alarm for alarm in alarms(at_work) if alarm.about == request]
    assert [alarm.name for alarm in found] == [f"{request} waits: an approval lapsed"]


def test_the_days_calls_are_used_up(at_work, settings):
    settings.LSQ_DAILY_LIMIT, settings.LSQ_RESERVE = 10, 0.2
    BudgetDay.objects.update(calls=7)
    assert names(at_work) == []
    BudgetDay.objects.update(calls=8)
    assert names(at_work) == ["The calls of today are used up"]


def test_a_sync_that_asks_and_one_that_does_not_get_on(at_work):
    now = db_now()
    run = MirrorSync.objects.create(account=at_work.account, by="rita", begun_at=now, covers_to=now, tries=2, why="x")
    assert names(at_work) == []
    MirrorSync.objects.update(tries=3)
    assert names(at_work) == ["A sync of leads does not get on"]
    MirrorSync.objects.filter(pk=run.pk).update(state="asking", question="Are 500 leads gone?")
    assert [(alarm.name, alarm.says) for alarm in alarms(at_work)] == [("A sync of leads asks", "Are 500 leads gone?")]


def test_mails_that_could_not_be_sent_and_one_that_is_tried_once_more(at_work):
    Notice.objects.update(sent_at=db_now())
    notice = Notice.objects.create(user=at_work.rita, subject="s", text="t", made_at=db_now(), tries=7)
    assert names(at_work) == []
    with pytest.raises(Barred, match="on its way"):
        notices.send_again(at_work.omar, notice)
    Notice.objects.update(tries=notices.GIVE_UP_AFTER)
    assert names(at_work) == ["1 mail could not be sent"]
    with pytest.raises(Barred):
        notices.send_again(at_work.rita, notice)
    notices.send_again(at_work.omar, notice)
    assert names(at_work) == []
    assert list(notices.unsent()) == [notice]


def test_a_trail_whose_head_is_wrong_is_no_case_of_nothing_is_lost(at_work, monkeypatch):
    wrong = doctor.Finding("trail", doctor.WRONG, "The head is wrong.", "Keep a copy.")
    monkeypatch.setitem(doctor.CHECKS, "trail", lambda: iter([wrong]))
    assert [(alarm.says, alarm.lost, alarm.do) for alarm in alarms(at_work)] == [
        ("The head is wrong.", "", "Keep a copy.")
    ]


def lane(world, name):
    return next(one for one in operations.lanes(world.account) if one.name == name)


def test_lanes_tell_what_can_be_done_now_from_what_waits_for_its_time(at_work):
    now = db_now()
    for minutes in (-3, -1, 5):
        ActivitySnapshot.objects.create(
            account=at_work.account,
            subject="lead_activities",
            subject_id=str(minutes),
            lane=ActivitySnapshot.Lane.MIRROR,
            ordered_at=now - timedelta(minutes=10 - minutes),
            not_before=now + timedelta(minutes=minutes),
        )
    found = lane(at_work, "Refreshing the mirror")
    assert (found.now, found.later) == (2, 1)
    assert found.oldest == now - timedelta(minutes=13)
    assert found.next_at == now + timedelta(minutes=5)


def test_calls_stand_in_their_lanes(at_work):
    request = at_work.running()
    assert lane(at_work, "Calls to be sent").now == request.calls.count() > 0
    to_the_end(at_work, request)
    assert not any(one.now or one.later for one in operations.lanes(at_work.account) if one.name != "Mails")


def test_what_waits_says_what_comes_next(at_work):
    request = at_work.pending()
    at_work.draft("activities", "bruno")
    waits, count = operations.what_waits(at_work.account)
    assert count == 1
    assert [one.request for one in waits] == [request]
    assert "0 of" in waits[0].next


def test_failures_are_counted_by_cause_with_what_to_do(at_work):
    request = at_work.running()
    at_work.sandbox.faults.set("answer", "429", match=DELETES, times=2)
    to_the_end(at_work, request)
    for number, hours in enumerate((1, 2, 30)):
        at = db_now() - timedelta(hours=hours)
        facts = {"subject": "lead_activities", "subject_id": str(number), "lane": 3, "ordered_at": at, "started_at": at}
        why = "It changed while it was read."
        ActivitySnapshot.objects.create(account=at_work.account, read_at=at, complete=False, why=why, **facts)
    found = operations.failures(at_work.account)
    assert {(one.what, one.count) for one in found} == {
        ("Calls, turned away, nothing done", 2),
        ("Readings, not whole", 2),
    }
    assert all(one.says and one.do for one in found)


def test_every_cause_of_a_send_has_words(at_work):
    said = {cause: causes.of_send(cause) for cause in [*Cause, "lease"] if cause != Cause.NONE}
    assert all(says.endswith(".") and do.endswith((".", "?")) for says, do in said.values())
    assert len({says for says, _ in said.values()}) >= len(said) - 1


def test_the_gauge_shows_what_was_learnt(at_work):
    assert operations.gauge(at_work.account).learnt is None
    Account.objects.update(learnt_calls=10, learnt_at=db_now())
    gauge = operations.gauge(Account.objects.get())
    assert (gauge.learnt, gauge.limit, gauge.cap) == (10, at_work.account.rate_calls, None)
    assert gauge.size == 10
