"""docs/threats.md: each threat has a control that is there, and a test that is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and "](../" in line]
WHO = (
    "Somebody outside,Who forges or floods webhooks,A requester,An approver,An operator,A policy admin,"
    "Who reads the database; or a stolen backup,Who writes the database,Who has stolen a key,"
    "LeadSquared; and what its records hold"
).split(",")


def test_everybody_who_could_do_harm_has_a_table() -> None:
    titles = re.findall(r"^## (.*)$", TEXT, re.M)
    assert titles == [
        "What is worth protecting",
        *(title.replace(";", ",") for title in WHO),
        "What nothing here stands against",
    ]
    for title in titles[1:-1]:
        section = TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]
        assert len([row for row in ROWS if row in section]) >= 3, title


@pytest.mark.parametrize("row", ROWS, ids=[row.split("|")[1].strip()[:40] for row in ROWS])
def test_what_stands_against_it_and_its_test_are_there(row: str) -> None:
    _, threat, control, proof, _ = (cell.strip() for cell in row.split("|"))
    modules = re.findall(r"\[([\w.]+)\]\(\.\./((?:lsq_ops|portal)/[\w/.]+\.py)\)", control)
    tests = re.findall(r"\[(test_\w+)\]\(\.\./(tests/[\w/.]+\.py)\)", proof)
    assert threat and modules and tests
    assert all((ROOT / path).name == name and (ROOT / path).is_file() for name, path in modules)
    missing = [name for name, path in tests if not re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.M)]
    assert missing == []
