"""Blackouts on the account's page: the dialogs, what they say to bad input, and where it is told that it is closed."""

from datetime import timedelta

import pytest
from django.urls import reverse

from lsq_ops.models import Blackout, db_now

from .test_leads import client_of

WHY = "<b>The call centre works.</b>"


def post(user, world, action, data):
    return client_of(user).post(
        reverse(f"admin:lsq_ops_account_{action}", args=[world.account.pk]), {"reason": WHY, **data}, follow=True
    )


def page(user, name, *args):
    return client_of(user).get(reverse(name, args=args)).content.decode()


def closed_now(world):
    now = db_now()
    facts = {"begins_at": now - timedelta(hours=1), "ends_at": now + timedelta(days=1), "set_at": now}
    return Blackout.objects.create(account=world.account, reason=WHY, set_by="omar", **facts)


def test_hours_and_days_are_closed_shown_and_lifted(world):
    week_ahead = f"{(db_now() + timedelta(days=7)).date()}"
    said = post(world.omar, world, "close_hours", {"days": [4, 5], "from_time": "22:00", "to_time": "06:00"})
    assert "Closed: Fri, Sat 22:00 to 06:00 the next day." in said.content.decode()
    post(world.omar, world, "close_period", {"first_day": week_ahead})
    shown = page(world.vera, "admin:lsq_ops_account_change", world.account.pk)
    assert "Fri, Sat 22:00 to 06:00 the next day: &lt;b&gt;The call centre works.&lt;/b&gt; (omar)" in shown
    first, second = Blackout.objects.all()
    assert f"{week_ahead[:4]} 00:00 IST" in shown
    assert second.ends_at - second.begins_at == timedelta(days=1)
    post(world.olga, world, "lift_blackout", {"blackout": first.pk})
    assert list(Blackout.objects.in_force()) == [second]
    again = post(world.olga, world, "lift_blackout", {"blackout": first.pk})
    assert "not one of the available choices" in again.content.decode()


@pytest.mark.parametrize(
    ("action", "data", "says"),
    [
        ("close_hours", {"days": [7], "from_time": "01:00", "to_time": "02:00"}, "not one of the available choices"),
        ("close_hours", {"from_time": "25:00", "to_time": "02:00"}, "Enter a valid time."),
        ("close_hours", {"days": range(7), "from_time": "00:00", "to_time": "00:00"}, "less than an hour a week open"),
        ("close_period", {"first_day": "9999-12-31"}, "Choose days from 1970 to 2099."),
        ("close_period", {"first_day": "soon"}, "Enter a valid date."),
        ("close_period", {"first_day": "2001-01-01"}, "It is over already"),
        ("close_period", {"first_day": "2090-01-02", "last_day": "2090-01-01"}, "It ends before it begins"),
    ],
)
def test_what_can_t_be_meant_is_a_sentence_and_nothing_is_lost(world, action, data, says):
    shown = post(world.omar, world, action, data).content.decode()
    assert says in shown
    assert "The call centre works." in shown
    assert not Blackout.objects.exists()


def test_home_operations_and_the_request_say_until_when(world):
    request = world.running()
    blackout = closed_now(world)
    for name in ("admin:index", "operations"):
        shown = page(world.rita, name)
        assert "closed until" in shown and "&lt;b&gt;The call centre works." in shown
    told = client_of(world.vera).get(reverse("operations_json")).json()
    assert told["closed"]["until"].startswith(f"{blackout.ends_at:%Y-%m-%dT%H:%M}")
    for shown in (
        page(world.rita, "admin:lsq_ops_deletionrequest_change", request.pk),
        page(world.rita, "admin:lsq_ops_deletionrequest_changelist"),
        page(world.vera, "operations"),
    ):
        assert "Waits for the run window, goes on at" in shown
