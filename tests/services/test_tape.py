"""A reading that is cut short goes on where it was: no call is made twice, and nothing old is taken for an answer."""

from datetime import timedelta

import pytest

from lsq_ops.models import ActivitySnapshot, SnapshotPage, db_now
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import budget, reading

ASHA = WELL_KNOWN["asha"]


@pytest.fixture
def turns(monkeypatch):
    """Each turn's time is over after so many calls."""
    left = {"calls": 3}
    enter = budget.Budget.enter

    def limited(gate):
        if left["calls"] == 0:
            raise budget.OutOfTime
        left["calls"] -= 1
        return enter(gate)

    monkeypatch.setattr(budget.Budget, "enter", limited)
    return left


@pytest.fixture
def ordered(world):
    world.sandbox.faults.set("row_cap", 5)
    reading.order(world.account, [("lead_activities", ASHA)], reading.Lane.MIRROR, since=db_now())
    return world


def turn(turns, calls=3):
    """One job's worth of the reading; the snapshot as it is afterwards."""
    turns["calls"] = calls
    ActivitySnapshot.objects.filter(read_at__isnull=True).update(not_before=None)
    snapshot = reading.claim([reading.Lane.MIRROR])
    reading.perform(snapshot)
    snapshot.refresh_from_db()
    return snapshot


def asked(world):
    return world.sandbox.stats["calls"]


def read_to_the_end(turns):
    for number in range(1, 60):
        snapshot = turn(turns)
        if snapshot.read_at:
            return snapshot, number
    raise AssertionError("never finished")


def test_a_long_list_is_read_over_many_turns_and_no_page_twice(ordered, turns):
    before = asked(ordered)
    snapshot, needed = read_to_the_end(turns)
    calls = asked(ordered) - before
    assert (snapshot.complete, snapshot.tries) == (True, 0)
    assert snapshot.records == sum(ordered.sandbox.world.counts(ASHA)["by_code"].values())
    assert needed == -(-calls // 3) > 3  # three new calls in every turn: what was read before cost none
    assert not SnapshotPage.objects.exists()


def test_it_counts_from_its_first_turn(ordered, turns):
    first = turn(turns)
    snapshot, _ = read_to_the_end(turns)
    assert first.started_at is not None
    assert snapshot.started_at == first.started_at


def test_a_worker_killed_in_the_middle_loses_little(ordered, turns):
    turn(turns, calls=12)  # so many that they are kept one by one
    assert SnapshotPage.objects.count() == 12
    snapshot = reading.claim([reading.Lane.MIRROR])
    ActivitySnapshot.objects.filter(pk=snapshot.pk).update(claimed_until=db_now() - timedelta(seconds=1))  # killed
    before = asked(ordered)
    turn(turns, calls=1)
    assert asked(ordered) == before + 1
    assert SnapshotPage.objects.count() == 13


def test_pages_that_are_too_old_are_read_anew(ordered, turns):
    turn(turns)
    ActivitySnapshot.objects.update(started_at=db_now() - timedelta(minutes=11))
    snapshot = turn(turns)
    assert (snapshot.tries, snapshot.pages.count()) == (1, 3)
    assert db_now() - snapshot.started_at < timedelta(minutes=1)


def test_another_question_gets_no_old_answer(ordered, turns):
    turn(turns)
    SnapshotPage.objects.filter(number=1).update(asked="0" * 64)
    before = asked(ordered)
    turn(turns)
    assert asked(ordered) == before + 3
    assert list(SnapshotPage.objects.values_list("number", flat=True)) == [0, 1, 2, 3]
    assert read_to_the_end(turns)[0].complete


def test_a_list_that_moved_in_between_is_begun_anew(ordered, turns):
    turn(turns)
    ordered.sandbox.faults.set("reading", "grows", match=ASHA, times=1)
    snapshot = turn(turns)
    assert (snapshot.read_at, snapshot.tries, snapshot.pages.count()) == (None, 1, 0)
    assert "moved" in snapshot.why
    assert read_to_the_end(turns)[0].complete


def test_a_rate_answer_is_no_failed_try_and_loses_nothing(ordered, turns):
    turn(turns)
    ordered.sandbox.faults.set("answer", "429", match="Retrieve", times=1)
    snapshot = turn(turns)
    assert (snapshot.tries, snapshot.pages.count(), snapshot.why) == (0, 3, "")
    assert read_to_the_end(turns)[0].complete
