"""Tampered with: by somebody who makes the manifest anew, so that only what the report says can tell."""

import json
import re

import pytest

from lsq_ops.chain import link_hash
from lsq_ops.services.report import Subject
from lsq_ops.verifier.bundle import seal
from tests.evidence.harms import HARMS, change
from tests.evidence.packets import exported, named, of, parts_of, rows_of, verify, with_rows, zipped

pytestmark = pytest.mark.once  # harm is done to a file; that the file is right on both is test_report.py's


@pytest.fixture
def tampered(over, tmp_path):
    """(what was done, the zip, what must be said): with a manifest that the forger made anew."""
    parts = parts_of(exported(Subject((over,)), tmp_path / "r.zip", contents=True))
    return [
        (name, zipped(tmp_path / f"{number}.zip", harm(parts)), words)
        for number, (name, (harm, words)) in enumerate(HARMS.items())
    ]


def test_what_was_done_to_a_report_is_said_in_words_with_number_and_kind(tampered, key_file):
    for name, path, words in tampered:
        code, said = verify(path)
        assert code == 1, (name, said)
        assert re.search(words, said), (name, said)
        assert "each as the manifest says" in said, name  # so it is not the manifest that tells


def test_the_key_finds_what_agrees_with_itself(over, tmp_path, key_file):
    """A label, which nothing else holds, and a manifest made anew: only who has the key can seal it."""
    parts = parts_of(exported(Subject((over,)), tmp_path / "r.zip"))
    harm = change("items.jsonl", 0, type="Something harmless")
    path = zipped(tmp_path / "x.zip", harm(parts))
    assert verify(path)[0] == 0
    code, said = verify(path, "--key-file", key_file)
    assert (code, "[manifest.json: not sealed]" in said) == (1, True)
    resealed = zipped(tmp_path / "y.zip", harm(parts))
    listed = parts_of(resealed)
    listed["signature.txt"] = seal("another key", of(listed["manifest.json"])["sha256"])
    assert verify(zipped(tmp_path / "z.zip", listed, manifest=False), "--key-file", key_file)[0] == 1


def test_files_that_are_not_as_the_manifest_says(over, tmp_path):
    parts = parts_of(exported(Subject((over,)), tmp_path / "r.zip"))
    changed = parts | {"READ ME FIRST.txt": "All is well."}
    added = parts | {"more.jsonl": "{}"}
    missing = {name: text for name, text in parts.items() if name != named(parts, "items.csv")}
    for number, (harmed, words) in enumerate(
        [(changed, "READ ME FIRST.txt: changed"), (added, "more.jsonl: added"), (missing, "items.csv: missing")]
    ):
        code, said = verify(zipped(tmp_path / f"{number}.zip", harmed, manifest=False))
        assert (code, words in said) == (1, True), said


def test_a_trail_written_anew_is_found_by_an_anchor_that_was_kept_elsewhere(over, tmp_path, key_file):
    parts = parts_of(exported(Subject((over,)), tmp_path / "r.zip"))
    (tmp_path / "kept.txt").write_text(parts["audit/anchors.txt"])
    rows, prev = rows_of(parts, "audit/events.jsonl"), None
    for row in rows:
        row["at"], row["prev_hash"] = f"19{row['at'][2:]}", prev or row["prev_hash"]
        prev = row["hash"] = link_hash(row["prev_hash"], row)
    about = json.loads(parts["report.json"])
    about["segment"]["last_hash"] = prev
    forged = with_rows(parts, "audit/events.jsonl", rows) | {"report.json": json.dumps(about), "audit/anchors.txt": ""}
    path = zipped(tmp_path / "x.zip", forged)
    said = verify(path)[1]
    assert "No anchor stands in this part of the trail" in said
    code, said = verify(path, "--anchors", "kept.txt")
    assert (code, bool(re.search(r"\[event \d+: re-chained\]", said))) == (1, True), said


def test_what_can_not_be_checked(tmp_path):
    (tmp_path / "text.zip").write_text("no zip")
    zipped(tmp_path / "empty.zip", {}, manifest=False)
    zipped(tmp_path / "odd.zip", {"report.json": '{"format": "another"}'})
    for name, words in (("text", "can't be opened"), ("empty", "no deletion evidence"), ("odd", "a format")):
        code, said = verify(tmp_path / f"{name}.zip")
        assert (code, words in said) == (2, True), said
    assert verify(tmp_path / "no such.zip")[0] == 2
    assert verify(tmp_path / "odd.zip", "--key-file", "no such file")[0] == 2
