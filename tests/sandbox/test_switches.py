"""Switches are turned, limited, refused and documented."""

import re
from pathlib import Path

import pytest

from lsq_ops.sandbox.answers import CANNED
from lsq_ops.sandbox.faults import SWITCHES, Faults

DOCS = Path(__file__).parents[2] / "docs" / "sandbox.md"


@pytest.fixture
def faults():
    return Faults()


def test_defaults(faults):
    assert (faults.take("answer"), faults.number("delay")) == ("normal", 0.5)


def test_only_some_calls(faults):
    faults.set("answer", "502", match="DeleteTasks")
    assert faults.take("answer", "/v2/Task.svc/DeleteTasks") == "502"
    assert faults.take("answer", "/v2/Task.svc/Retrieve") == "normal"


def test_only_so_often(faults):
    faults.set("answer", "502", times=2)
    assert [faults.take("answer") for _ in range(3)] == ["502", "502", "normal"]


def test_the_youngest_that_fits_counts(faults):
    faults.set("answer", "401")
    faults.set("answer", "502", match="Delete")
    assert (faults.take("answer", "Delete"), faults.take("answer", "Read")) == ("502", "401")
    faults.set("answer", "404")
    assert (faults.take("answer", "Delete"), faults.take("answer", "Read")) == ("404", "404")


def test_reset(faults):
    faults.set("answer", "502")
    faults.reset()
    assert faults.take("answer") == "normal" and faults.active() == []


WRONG = [
    ("anser", "502"), ("answer", "599"), ("delay", "soon"), ("delay", -1), ("delay", "nan"), ("rate_limit", "25"),
    ("rate_limit", "0/5"), ("latency", "fast"), ("offset", 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_what_the_table_does_not_have_is_refused(faults, name, value):
    with pytest.raises(ValueError):
        faults.set(name, value)
    assert faults.active() == []


@pytest.mark.parametrize("table", [SWITCHES, CANNED])
def test_the_docs_have_every_switch_and_answer(table):
    named = set(re.findall(r"^\| `([^`]+)`", DOCS.read_text(encoding="utf-8"), re.M))
    assert [name for name in table if name not in named] == []


def test_the_docs_have_every_value():
    text = DOCS.read_text(encoding="utf-8")
    values = {value for name, switch in SWITCHES.items() if name != "answer" for value in switch.values}
    assert [value for value in values if f"`{value}`" not in text] == []
