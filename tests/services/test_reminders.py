"""Reminders: whom, when, and each once. Rows are aged, the clock is not moved."""

from datetime import timedelta

import pytest

from lsq_ops.models import DeletionRequest, Notice, RequestVersion, db_now
from lsq_ops.services import accounts, agenda, approval, drafting

from .steps import drain


def aged(request, share):
    """As if this share of its time were over."""
    whole, now = request.expires_at - request.state_at, db_now()
    times = {"state_at": now - whole * share, "expires_at": now + whole * (1 - share)}
    DeletionRequest.objects.filter(pk=request.pk).update(**times)
    request.refresh_from_db()
    return request


def look(request):
    """The worker's sweep, many times."""
    for _ in range(3):
        agenda.catch_up()
    request.refresh_from_db()


def told(request, part):
    rows = Notice.objects.filter(request=request, subject__contains=part)
    return sorted(rows.values_list("user__username", flat=True))


@pytest.fixture
def pending(world):
    return world.pending("activities", "bruno")


VOTE, SOON = "still waits for your decision", "expires soon"


def test_nobody_is_reminded_in_the_first_half(world, pending):
    look(aged(pending, 0.49))
    assert told(pending, VOTE) == []


def test_voters_are_reminded_once_at_half_of_the_time(world, pending):
    look(aged(pending, 0.51))
    assert told(pending, VOTE) == ["arun", "dana"]
    assert told(pending, SOON) == []


def test_and_once_more_with_the_requester_when_little_is_left(world, pending):
    look(aged(pending, 0.51))
    look(aged(pending, 0.84))
    look(aged(pending, 0.99))
    assert told(pending, VOTE) == ["arun", "arun", "dana", "dana"]
    assert told(pending, SOON) == ["rita"]
    assert "It expires" in Notice.objects.get(subject__contains=SOON).text


def test_a_worker_that_was_away_writes_one_reminder_and_not_two(world, pending):
    look(aged(pending, 0.9))
    assert told(pending, VOTE) == ["arun", "dana"]
    assert told(pending, SOON) == ["rita"]


def test_who_has_voted_is_left_alone(world, pending):
    version = pending.version
    approval.vote(world.arun, pending, "approve", digest=version.digest, count=version.items_count)
    pending.refresh_from_db()
    look(aged(pending, 0.6))
    assert told(pending, VOTE) == ["dana"]


def test_a_new_version_is_reminded_of_anew(world, pending):
    look(aged(pending, 0.9))
    approval.vote(world.arun, pending, "changes", digest=pending.version.digest, reason="less")
    drain()
    pending.refresh_from_db()
    approval.submit(world.rita, pending)
    pending.refresh_from_db()
    look(pending)
    assert told(pending, VOTE) == ["arun", "dana"]
    look(aged(pending, 0.6))
    assert told(pending, VOTE) == ["arun", "arun", "dana", "dana"]


def test_what_is_over_or_expired_reminds_nobody(world, pending):
    aged(pending, 0.9)
    DeletionRequest.objects.filter(pk=pending.pk).update(expires_at=db_now() - timedelta(seconds=1))
    look(pending)
    other = world.pending("activities", "asha")
    approval.withdraw(world.rita, aged(other, 0.9))
    look(other)
    assert not Notice.objects.filter(subject__contains=VOTE).exists()


def test_an_approved_request_that_does_not_start_is_told_once(world, pending):
    request = world.approved(pending)
    accounts.pause(world.omar, "a look at the data")
    look(aged(request, 0.8))
    assert told(request, "not started") == []
    look(aged(request, 0.9))
    look(aged(request, 0.95))
    assert told(request, "not started") == ["olga", "omar", "rita"]
    assert "A pause doesn't count" in Notice.objects.filter(subject__contains="not started").first().text


def test_two_workers_remind_once(world, pending, monkeypatch):
    from lsq_ops.services import reminders

    aged(pending, 0.6)
    for stale in [*reminders.due(), *reminders.due()]:
        reminders.remind(stale)
    assert told(pending, VOTE) == ["arun", "dana"]
    assert RequestVersion.objects.get(request=pending).reminded == 1


def test_a_draft_has_no_reminder(world):
    request = world.draft("activities", "asha")
    drafting.reread(world.rita, request)
    look(request)
    assert not Notice.objects.filter(request=request).exists()
