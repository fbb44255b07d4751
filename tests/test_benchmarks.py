"""What the benchmarks compute from their clocks."""

import pytest

from benchmarks import budget


def burst(at: float) -> list[float]:
    return [at + number * 0.01 for number in range(budget.CALLS)]


@pytest.mark.parametrize("since", [0.0, 0.1, 3.0, 4.9])
def test_the_pace_of_bursts_does_not_depend_on_when_the_clock_begins(since: float) -> None:
    ends = [end for turn in range(10) for end in burst(turn * 5.3)]
    assert budget.pace(ends, since, 22) == pytest.approx(25 / 5.3)


def test_a_pace_of_less_than_a_burst_is_counted_by_the_clock() -> None:
    assert budget.pace([0.0, 1.0, 2.0, 3.0, 99.0], 0.0, 4.0) == 1.0
    assert budget.pace([], 0.0, 4.0) == 0.0
