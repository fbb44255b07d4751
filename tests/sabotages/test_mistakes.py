"""The mistakes can still be made, and the tests that must notice them still exist."""

from pathlib import Path

import pytest

from .mistakes import MISTAKES, Mistake

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.name for mistake in MISTAKES])
def test_a_mistake_can_still_be_made(mistake: Mistake):
    assert mistake.stale((ROOT / mistake.path).read_text(encoding="utf-8")) == ""
    assert mistake.old != mistake.new
    for test in mistake.tests:
        path, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / path).read_text(encoding="utf-8")


def test_no_two_have_one_name():
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES)
