"""Blackouts: nothing is sent in one, all else goes on, and it goes on by itself. Each is set around the moment of the
test, so that none depends on the hour or the day on which it runs."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import DatabaseError, transaction

from lsq_ops.models import AuditEvent, Blackout, DeletionRequest, Notice, RequestVersion, db_now
from lsq_ops.services import agenda, approval, cost, preview, reminders, run_windows, running, story
from lsq_ops.services.may import Barred
from tests.world import skip_wait

from .steps import attempts, drain, go_on, one_call, sends, timed, to_the_end

WHY = "The call centre works."


def closed(world, *, since=timedelta(hours=1), lasts=timedelta(days=2), **facts):
    """A blackout that began so long ago (or is still to begin)."""
    begins = db_now() - since
    usual = {"account": world.account, "begins_at": begins, "ends_at": begins + lasts, "set_at": begins}
    return Blackout.objects.create(reason=WHY, set_by="omar", **{**usual, **facts})


def hours_around_now(world):
    """(from, to): an hour ago and two hours ahead, by the account's clock; midnight may lie between them."""
    local = db_now().astimezone(ZoneInfo(world.account.time_zone))
    return [(local + timedelta(hours=hours)).time().replace(second=0, microsecond=0) for hours in (-1, 2)]


# --- Waiting ---------------------------------------------------------------------------------------------------------


def test_nothing_is_sent_until_it_is_lifted_and_all_else_goes_on(world):
    request, call = one_call(world)
    blackout = closed(world)
    other = world.draft("stage_history", "bruno", days=90)
    assert other.version.reading == "complete"
    drain()
    call.refresh_from_db()
    assert (call.state, call.claimed_until, attempts(request), sends(world)) == ("planned", None, [], 0)
    run_windows.lift(world.olga, blackout)
    assert to_the_end(world, request).state == "completed"


def test_hours_of_the_week_close_too(world):
    request, _ = one_call(world)
    run_windows.close_hours(world.omar, range(7), *hours_around_now(world), WHY)
    drain()
    assert (attempts(request), sends(world)) == ([], 0)
    assert running.next_call() is None


def test_what_is_approved_does_not_start_and_can_be_undone(world):
    request = world.approved(world.pending())
    closed(world)
    skip_wait(request)
    drain()
    running.start(request)
    request.refresh_from_db()
    assert request.state == "approved"
    assert "Until it starts it can be undone." in story.next_step(request)
    approval.cancel(world.rita, request)


def test_what_was_sent_is_read_back_in_a_blackout(world):
    request, _ = one_call(world)
    drain()
    assert sends(world) == 1
    closed(world)
    assert to_the_end(world, request).state == "completed"


def test_one_that_is_set_after_the_last_look_holds_the_call_back(world, monkeypatch):
    request, call = one_call(world)
    drifted = running._drifted
    hours = hours_around_now(world)

    def meanwhile(*given):
        run_windows.close_hours(world.omar, range(7), *hours, WHY)
        return drifted(*given)

    monkeypatch.setattr(running, "_drifted", meanwhile)
    drain()
    call.refresh_from_db()
    assert (call.state, attempts(request), sends(world)) == ("planned", [], 0)
    assert call.note.startswith("Waits for the run window, goes on at ")


def test_a_call_has_a_minute_to_leave_so_the_last_one_before_a_blackout_is_closed(world):
    one_call(world)
    blackout = closed(world, since=-timedelta(seconds=50))
    assert running.next_call() is None
    assert run_windows.of(world.account).closed_until(db_now()) == blackout.ends_at
    blackout.lifted_at = db_now()
    blackout.save(update_fields=["lifted_at"])
    closed(world, since=-timedelta(seconds=600))
    assert running.next_call() is not None


def test_the_database_refuses_a_send_in_a_period_that_the_service_forgot(world, monkeypatch):
    request, call = one_call(world)
    closed(world)
    monkeypatch.setattr(run_windows.Windows, "closed_until", lambda self, at: None)
    go_on(world, request)
    call.refresh_from_db()
    assert (attempts(request), sends(world)) == ([], 0)
    assert "no deletion call is sent in a blackout" in call.note


def test_one_that_is_over_or_of_another_account_closes_nothing(world):
    request, _ = one_call(world)
    closed(world, since=timedelta(days=3))
    other = type(world.account).objects.create(host="https://other", current=False, created_at=db_now())
    closed(world, account=other)
    assert to_the_end(world, request).state == "completed"


def test_a_rule_is_never_changed_or_removed(world):
    blackout = closed(world)
    for deed in (
        lambda: Blackout.objects.update(ends_at=db_now()),
        lambda: Blackout.objects.update(weekdays="0"),
        blackout.delete,
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            deed()


def test_the_worker_sleeps_through_it(world):
    """Else it would look again and again at what may not start."""
    skip_wait(world.approved(world.pending()))
    blackout = closed(world)
    assert agenda._next_due() == blackout.ends_at
    assert agenda.work(60) is False


# --- Time that it takes ----------------------------------------------------------------------------------------------


def aged(request, **ago):
    """Approved so long ago; the time to start was over a day later."""
    at = db_now() - timedelta(**ago)
    times = {"state_at": at, "starts_at": at, "expires_at": at + timedelta(days=1)}
    DeletionRequest.objects.filter(pk=request.pk).update(**times)
    request.refresh_from_db()
    return request


def test_an_approval_does_not_expire_in_a_blackout_and_starts_behind_it(world):
    request = aged(world.approved(world.pending()), days=2)
    blackout = closed(world, since=timedelta(days=2), lasts=timedelta(days=4))
    drain()
    agenda.catch_up()
    request.refresh_from_db()
    assert request.state == "approved"
    assert not Notice.objects.filter(request=request, subject__contains="not started").exists()
    run_windows.lift(world.omar, blackout)
    assert to_the_end(world, request).state == "completed"


def test_only_the_time_that_was_closed_is_given_back(world):
    request = aged(world.approved(world.pending()), days=2)
    closed(world, since=timedelta(days=2), lasts=timedelta(hours=23))
    assert reminders._passed(request, db_now()) == 0  # it is over
    drain()
    request.refresh_from_db()
    assert request.state == "expired"


# --- What is said ----------------------------------------------------------------------------------------------------


def test_it_says_until_when_in_local_time_and_utc_and_why(world):
    request, _ = one_call(world)
    blackout = closed(world)
    zone = ZoneInfo(world.account.time_zone)
    said = story.next_step(request)
    local, utc = blackout.ends_at.astimezone(zone), blackout.ends_at
    assert f"goes on at {local:%a %d %b %H:%M} IST ({utc:%a %H:%M} UTC). Closed: {WHY}" in said


def test_what_people_must_do_is_said_first(world):
    request, _ = one_call(world)
    closed(world)
    running.accounts.pause(world.omar, "a look")
    request.refresh_from_db()
    assert story.next_step(request).startswith("Waits: the account is paused.")


def test_it_is_said_before_it_is_asked_for_when_the_calls_would_begin_and_end(world, monkeypatch):
    timed(monkeypatch, items_per_day=20_000, items_per_hour=100_000)
    request = world.draft()
    blackout = closed(world)
    zone = ZoneInfo(world.account.time_zone)

    def said():
        request.refresh_from_db()
        return next((text for text in preview.facts(request).warnings if "Approved now" in text), "")

    begins = run_windows.clock_of(blackout.ends_at, zone)
    assert f"it would begin {begins} and end about" in said()
    assert "daily caps" not in said()
    RequestVersion.objects.filter(pk=request.version.pk).update(items_count=20_001)
    rest = cost.cost_of(request).seconds[1] / 2
    ends = run_windows.clock_of(blackout.ends_at + timedelta(days=1, seconds=rest), zone)
    assert said() == f"Approved now, it would begin {begins} and end about {ends}, 2 days by the daily caps."


def test_where_nothing_makes_it_wait_nothing_is_said_of_it(world):
    request = world.draft()
    closed(world, since=-timedelta(days=9))
    assert cost.cost_of(request).when == ""


# --- Setting and lifting ---------------------------------------------------------------------------------------------


def test_who_sets_and_lifts_stands_in_the_trail_and_the_operators_hear_of_it(world):
    made = run_windows.close_hours(world.omar, [4, 0], time(22), time(6), WHY)
    run_windows.lift(world.olga, made)
    rows = AuditEvent.objects.filter(object_type="blackout").order_by("seq")
    assert [(row.actor, row.action) for row in rows] == [("omar", "blackout.set"), ("olga", "blackout.lifted")]
    assert rows[0].facts() == {"when": "days 04 22:00 to 06:00", "cause": WHY}
    told = Notice.objects.filter(subject__contains="run windows changed")
    assert sorted(told.values_list("user__username", flat=True)) == ["olga", "olga", "omar", "omar"]
    with pytest.raises(Barred, match="was lifted"):
        run_windows.lift(world.omar, made)


@pytest.mark.parametrize("name", ["rita", "arun", "aida", "pia", "vera"])
def test_nobody_else_does(world, name):
    made = closed(world)
    for deed in (
        lambda user: run_windows.close_hours(user, [0], time(1), time(2), WHY),
        lambda user: run_windows.close_period(user, date(2090, 1, 1), date(2090, 1, 1), WHY),
        lambda user: run_windows.lift(user, made),
    ):
        with pytest.raises(Barred, match="Only an operator"):
            deed(getattr(world, name))
    assert Blackout.objects.filter(lifted_at=None).count() == 1


def test_one_that_leaves_less_than_an_hour_a_week_is_refused(world):
    run_windows.close_hours(world.omar, range(6), time(), time(), WHY)
    run_windows.close_hours(world.omar, [6], time(1), time(), WHY)
    with pytest.raises(Barred, match="less than an hour a week"):
        run_windows.close_hours(world.omar, [6], time(0, 30), time(0, 45), WHY)
    assert Blackout.objects.count() == 2


def test_a_day_is_that_of_the_account_s_clock(world):
    day = (db_now() + timedelta(days=7)).date()
    made = run_windows.close_period(world.omar, day, day, WHY)
    start = datetime.combine(day, time(), ZoneInfo(world.account.time_zone))
    assert (made.begins_at, made.ends_at) == (start, start + timedelta(days=1))
    made = run_windows.close_period(world.omar, day, day + timedelta(days=1), WHY, time(18), time(6))
    assert (made.begins_at, made.ends_at) == (start + timedelta(hours=18), start + timedelta(hours=30))


BAD = {
    "Say why": (0, 0, " "),
    "ends before it begins": (5, 4, WHY),
    "over already": (-9, -8, WHY),
    "longer than 92 days": (0, 120, WHY),
    "Choose days from 1970": (0, 300_000, WHY),
}


@pytest.mark.parametrize("says", BAD)
def test_a_period_that_can_t_be_meant_is_a_sentence(world, says):
    first, last, why = BAD[says]
    week_ahead = (db_now() + timedelta(days=7)).date()
    first, last = (date.fromordinal(min(week_ahead.toordinal() + days, date.max.toordinal())) for days in (first, last))
    if says == "over already":
        first, last = first - timedelta(days=7), last - timedelta(days=7)
    with pytest.raises(Barred, match=says):
        run_windows.close_period(world.omar, first, last, why)
    assert not Blackout.objects.exists()


def test_there_is_an_end_to_their_number(world, monkeypatch):
    monkeypatch.setattr(run_windows, "MOST", 1)
    run_windows.close_hours(world.omar, [0], time(1), time(2), WHY)
    with pytest.raises(Barred, match="blackouts already"):
        run_windows.close_hours(world.omar, [1], time(1), time(2), WHY)
