"""A small share of the faults among real processes; `./dev chaos --processes N` makes as many as one likes."""

import os

import pytest

from tests.chaos import processes

QUICK = (
    "kill_at_a_step", "kill_worker", "kill_pusher", "stop_at_a_step", "lose_rings", "reverse_rings", "database_locked",
    "database_cut", "redis_flushed", "answer_to_reading", "webhook", "malformed",
)  # fmt: skip


@pytest.mark.long
@pytest.mark.servers
def test_a_dozen_faults_among_real_processes_leave_nothing_wrong() -> None:
    database = "postgresql" if os.environ.get("TEST_DATABASE_URL") else "sqlite"
    total = processes.run(database, 12, seed=12, want=8, seconds=25, only=QUICK)
    assert total.clean, total.troubles
    assert total.faults >= 10
