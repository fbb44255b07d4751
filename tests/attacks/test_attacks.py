"""A small share of `./dev attack` for every day, and the proof that it notices a door that stands open."""

import json

import pytest
from django.db import connection, transaction

from lsq_ops.models import guards

from .attempts import run
from .stage import Stage

ATTEMPTS = 120


@pytest.fixture
def stage(db, sandbox):
    return Stage.build(sandbox)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_nothing_is_sent_that_nobody_approved_and_what_was_approved_is(stage):
    sums = run(stage, ATTEMPTS, seed=11)
    assert sums.clean, sums.troubles
    assert sums.attempts == ATTEMPTS
    assert sums.refused > ATTEMPTS * 0.9
    assert len(sums.by_kind) == 8, "a family of tricks was never played"
    kept = json.loads(json.dumps(sums.stored()))
    assert sum(kept["by_kind"].values()) == kept["attempts"] == ATTEMPTS

    with transaction.atomic():
        guards.drop(connection)
        open_door = run(stage, ATTEMPTS // 3, seed=11)
        transaction.set_rollback(True)
    assert open_door.attempt_rows, "with the guards gone raw rows get in, and this must show"
    assert not open_door.clean
