"""A small share of `./dev readings` for every day, and the proof that it notices a reader that believes too much."""

import pytest

from lsq_ops.leadsquared.paging import _Reading

from .run import run

RUNS = 150


@pytest.fixture
def no_rings(monkeypatch):
    monkeypatch.setattr("lsq_ops.services.reading.ring", lambda *a, **k: None)


@pytest.mark.timeout(600)
def test_no_reading_calls_itself_complete_and_is_wrong(db, no_rings):
    sums = run(RUNS, seed=7)
    assert sums.clean, sums.troubles
    assert sums.runs == RUNS and len(sums.by_meaning) == 4
    # Else nothing would have been shown.
    assert sums.complete > RUNS / 3 and sums.changed > RUNS / 4 and sums.cut_short > RUNS / 20


@pytest.mark.once
@pytest.mark.timeout(600)
@pytest.mark.parametrize("broken", ["same_again", "new_page"])
def test_a_reader_that_believes_too_much_is_noticed(db, no_rings, monkeypatch, broken):
    """Pages are not read again; or what overlaps, or comes twice, is not looked at."""
    if broken == "same_again":
        monkeypatch.setattr(_Reading, "same_again", lambda self, pages: None)
    else:
        monkeypatch.setattr(_Reading, "new_page", lambda self, offset, overlap=0: self.page(offset))
        monkeypatch.setattr(_Reading, "walk_rows", blindly)
    assert run(RUNS, seed=7).wrong


def blindly(self, position, last):
    while keys := self.page(position):
        position += len(keys)
