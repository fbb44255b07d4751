"""The verifier itself: one file made of ours, and of one mind with the portal."""

import ast
import json
import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from random import Random

import pytest

from lsq_ops import verifier
from lsq_ops.chain import GENESIS
from lsq_ops.services.report import Subject
from tests.evidence.packets import exported, parts_of
from tests.test_chain import CLEAN, HARMS, KEY, TAMPERED, anchor_at, check, head_of, make_trail


def names_in(tree):
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from (name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name))
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name


def test_it_is_one_file_of_python_3_8_made_of_ours():
    script = verifier.script()
    names = list(names_in(ast.parse(script, feature_version=(3, 8))))
    assert sorted(names) == sorted(set(names)), "two parts have a name in common"
    imported = set(re.findall(r"^(?:from|import) ([\w.]+)", script, re.M))
    assert imported <= set(sys.stdlib_module_names), imported
    assert "lsq_ops." not in "\n".join(line for line in script.splitlines() if "import" in line)
    newer = r"slots=|\.removeprefix|\.removesuffix|strict=|match |file_digest|zip_longest|is_relative_to|datetime\.UTC"
    assert not re.search(newer, script)


# --- Of one mind with the portal -------------------------------------------------------------------------------------


@pytest.fixture
def verify(over, tmp_path, monkeypatch):
    """The module that a report brings, as it was written."""
    (tmp_path / "theirs.py").write_text(parts_of(exported(Subject((over,)), tmp_path / "r.zip"))["verify.py"])
    spec = spec_from_file_location("theirs", tmp_path / "theirs.py")
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "theirs", module)
    spec.loader.exec_module(module)
    assert module.Check.__module__ == "theirs"
    return module


def segment_of(rows, head, first):
    """What the portal writes of the part that begins with event `first`."""
    prev = next((row["prev_hash"] for row in rows if row["seq"] == first), GENESIS)
    return {"first": first, "last": head[0], "prev_hash": prev, "last_hash": head[1]}


def theirs(verify, rows, head, anchors, first=1):
    """(what, kind, sentence) of the first fault that the report's verifier finds in the part from `first` on."""
    part = [row for row in rows if row["seq"] >= first]
    texts = {verify.EVENTS: map(json.dumps, part), verify.ANCHORS: map(str, anchors)}

    class Given(verify.Bundle):
        def __init__(self):
            pass

        def lines(self, name):
            yield from texts[name]

    about = {"lead": None, "segment": segment_of(rows, head, first)}
    findings = verify.check_trail(Given(), about, KEY, [])
    return next(((one.about, one.kind, one.sentence) for one in findings if one.ok is False), None)


@pytest.mark.once
def test_on_two_thousand_tampered_trails_it_says_what_the_portal_says(verify):
    random = Random(80)
    for number in range(TAMPERED):
        rows, harm = make_trail(random, random.randint(3, 40)), HARMS[number % len(HARMS)]
        anchor = anchor_at(rows, len(rows))
        harmed, head, seq, kind = harm(random, rows)
        fault, _ = check(harmed, head, [anchor])
        assert (fault.seq, fault.kind) == (seq, kind)
        said = theirs(verify, harmed, head, [anchor])
        assert said == (f"event {seq}", kind, fault.sentence), (number, harm.__name__)
        later = random.randint(1, max(1, seq - 1))  # a report begins where its request does
        assert theirs(verify, harmed, head, [anchor], later)[:2] == said[:2], (number, harm.__name__, later)


@pytest.mark.once
def test_on_a_thousand_clean_ones_it_is_as_silent(verify):
    random = Random(90)
    for number in range(CLEAN):
        rows = make_trail(random, random.randint(1, 40))
        at = sorted(random.sample(range(1, len(rows) + 1), random.randint(0, min(4, len(rows)))))
        anchors = [anchor_at(rows, seq) for seq in at]
        assert check(rows, head_of(rows), anchors)[0] is None
        for first in (1, random.randint(1, len(rows))):
            assert theirs(verify, rows, head_of(rows), anchors, first) is None, (number, first)
