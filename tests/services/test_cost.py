"""What a request costs of the budget: said before it is asked for, and while it runs as a range."""

from datetime import timedelta

import pytest

from lsq_ops.models import Account, DeletionCall, RequestVersion, db_now
from lsq_ops.services import cost, preview, story

from .steps import drain, read_when_told, timed


@pytest.fixture
def draft(world):
    request = world.draft("activities", "asha", "bruno", "chen")
    Account.objects.update(rate_calls=25, rate_seconds=5)
    request.refresh_from_db()
    return request


def test_three_leads_need_a_delete_and_two_readings_each(draft, settings):
    settings.LSQ_RESERVE = 0.2
    made = preview.facts(draft).cost
    assert (made.calls, made.day_percent, made.days) == (3 + 3 * 4, None, 1)
    assert made.seconds == (15 // 4 + 1, 15 * 2 // 4 + 60)


def test_the_share_of_a_day_is_that_of_our_part_of_it(draft, settings):
    settings.LSQ_DAILY_LIMIT, settings.LSQ_RESERVE = 1000, 0.25
    assert cost.cost_of(draft).day_percent == 2.0
    settings.LSQ_DAILY_LIMIT = 8  # six of them are ours
    assert cost.cost_of(draft).days == 3


@pytest.mark.parametrize(("items", "days"), [(20_000, 1), (20_001, 2), (60_000, 3), (60_001, 4)])
def test_the_cap_of_a_day_is_said_before_it_is_asked_for_and_on_which_day_it_ends(draft, monkeypatch, items, days):
    timed(monkeypatch, items_per_day=20_000, items_per_hour=100_000)
    RequestVersion.objects.filter(pk=draft.version.pk).update(items_count=items)
    draft.refresh_from_db()
    assert cost.cost_of(draft).days == days
    said = [warning for warning in preview.facts(draft).warnings if "daily caps" in warning]
    ends = db_now() + timedelta(days=days - 1)
    assert said == (
        [f"The daily caps spread this over {days} days: it will end on {ends:%A, %d %b}."] if days > 1 else []
    )


def test_the_cap_of_an_hour_makes_it_longer(draft, monkeypatch):
    timed(monkeypatch, items_per_hour=5_000, items_per_day=100_000)
    RequestVersion.objects.filter(pk=draft.version.pk).update(items_count=12_000)
    draft.refresh_from_db()
    assert cost.cost_of(draft).seconds == (2 * 3600, 3 * 3600)


def test_while_it_runs_the_time_left_is_a_range_that_others_make_longer(world, monkeypatch):
    read_when_told(monkeypatch)
    request = world.running("activities", "asha", "bruno")
    Account.objects.update(rate_calls=25, rate_seconds=5)
    low, high = cost.time_left(request)
    assert (low, high) == (10 // 4 + 1, 10 * 2 // 4 + 60)
    DeletionCall.objects.filter(request=request).update(state="skipped")
    assert cost.time_left(request) is None


def test_a_reading_that_is_still_far_off_counts(world, monkeypatch):
    read_when_told(monkeypatch)
    request = world.running("activities", "asha")
    drain()
    request.refresh_from_db()
    low, high = cost.time_left(request)
    assert low < 10
    assert 600 < high <= 660
    assert "left, if nothing is in its way." in story.next_step(request)
