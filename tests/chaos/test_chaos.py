"""A small share of `./dev chaos` for every day, and the proof that the harness notices an engine that is broken."""

import pytest

from tests.chaos import oneprocess
from tests.chaos.variants import VARIANTS

pytestmark = pytest.mark.long

FAULTS = 60
SCENARIOS = 20  # within so many a broken engine must be caught
# Tried first: where each was caught soon when this was written.
SOON = {"compare_and_set": 40, "gate": 23, "kept_neighbours": 18, "rate": 18, "re_read": 18, "sweeper": 22}


@pytest.mark.usefixtures("committed_db")
def test_sixty_faults_leave_nothing_wrong():
    total = oneprocess.run(7, FAULTS)
    assert total.clean, total.troubles
    assert total.faults >= FAULTS


@pytest.mark.once
@pytest.mark.usefixtures("committed_db")
@pytest.mark.parametrize("name", VARIANTS)
def test_a_broken_engine_is_caught(name):
    variant = VARIANTS[name]
    with variant.broken(), oneprocess.Harness() as harness:
        for seed in (SOON[name], *range(SCENARIOS)):
            sums = harness.scenario(seed, variant.provoke())
            if getattr(sums, variant.number):
                return
    pytest.fail(f"{name} was broken, and {variant.number} is 0 after {SCENARIOS} scenarios")
