"""verify.html, opened from the disk in a real browser: the verdicts of verify.py, word for word, and no network."""

import re
from random import Random

import pytest
from django.conf import settings

from lsq_ops import verifier
from lsq_ops.services import report
from lsq_ops.services.report import Subject
from tests.evidence.harms import HARMS
from tests.evidence.packets import exported, parts_of, verify, zipped
from tests.evidence.test_verifier import segment_of
from tests.test_chain import HARMS as TRAIL_HARMS
from tests.test_chain import anchor_at, check, head_of, make_trail

TAMPERED, CLEAN = 450, 50  # verify.py is held against all three thousand
pytestmark = [pytest.mark.browser, pytest.mark.once]
WALK = """trails => trails.map(([segment, rows, anchors]) => {
  const fault = walk_trail(segment, rows, anchors)[1];
  return fault && [fault.seq, fault.kind, fault.sentence];
})"""


@pytest.fixture
def page(browser, tmp_path):
    """The page as it lies beside a report, and every address that it asks for."""
    (tmp_path / "verify.html").write_text(verifier.page(), encoding="utf-8")
    opened, asked, errors = browser.new_page(), [], []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto((tmp_path / "verify.html").as_uri())
    yield opened
    opened.close()
    assert [url for url in asked if not url.startswith("file:")] == []
    assert errors == []


def verdict(page, path=None):
    """(its tone, its sentences) for a zip; or for what was given last, with another key or other anchors."""
    if path:
        page.set_input_files("#zip", path)
    page.wait_for_selector("#verdict.good, #verdict.bad")
    lines = page.eval_on_selector_all("#findings li", "all => all.map(one => one.innerText)")
    return page.get_attribute("#verdict", "class"), sorted(" ".join(line.split()) for line in lines)


def told(said):
    """The sentences of verify.py."""
    lines = (line for line in said.splitlines() if re.match("ok |note |WRONG ", line))
    return sorted(" ".join(line.split()) for line in lines)


def test_a_good_report_is_good_with_and_without_the_key(page, over, tmp_path):
    path = exported(Subject((over,)), tmp_path / "r.zip", contents=True)
    assert verdict(page, path) == ("good", told(verify(path)[1]))
    assert f"Deletion evidence report on {over}" in page.inner_text("#about")
    (tmp_path / "key").write_text(settings.AUDIT_KEY)
    page.click("summary")
    page.fill("#key", settings.AUDIT_KEY)
    page.press("#key", "Tab")
    page.get_by_text("is sealed with this key").wait_for()
    assert verdict(page) == ("good", told(verify(path, "--key-file", "key")[1]))
    page.fill("#key", "another key")
    page.press("#key", "Tab")
    page.get_by_text("is not sealed with this key").wait_for()
    assert verdict(page)[0] == "bad"


def test_it_can_be_dropped_on_the_page(page, over, tmp_path):
    data = list(exported(Subject((over,)), tmp_path / "r.zip").read_bytes())
    drop = """data => {
      const files = new DataTransfer();
      files.items.add(new File([new Uint8Array(data)], "r.zip"));
      document.dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(drop, data)
    assert verdict(page)[0] == "good"


def test_what_was_done_to_a_report_it_says_as_verify_py_does(page, over, tmp_path):
    parts = parts_of(exported(Subject((over,)), tmp_path / "r.zip", contents=True))
    for number, (name, (harm, _)) in enumerate(HARMS.items()):
        path = zipped(tmp_path / f"{number}.zip", harm(parts))
        assert verdict(page, path) == ("bad", told(verify(path)[1])), name
    changed = zipped(tmp_path / "changed.zip", parts | {"READ ME FIRST.txt": "All is well."}, manifest=False)
    assert verdict(page, changed) == ("bad", told(verify(changed)[1]))


def test_a_report_on_a_lead(page, over, world, tmp_path):
    (lead,) = world.mirror_leads("bruno")
    path = exported(report.about_lead(lead), tmp_path / "r.zip")
    assert verdict(page, path) == ("good", told(verify(path)[1]))


def test_what_is_no_report_can_not_be_checked(page, tmp_path):
    (tmp_path / "text.zip").write_text("no zip")
    zipped(tmp_path / "odd.zip", {"report.json": '{"format": "another"}'})
    for name, words in (("text", "It is no zip"), ("odd", "a format that this verifier doesn't know")):
        assert verdict(page, tmp_path / f"{name}.zip") == ("bad", [])
        assert words in page.inner_text("#verdict")


def trails():
    """(what the page is given, what lsq_ops.chain says): the tampered ones, then the clean ones."""
    random = Random(800)
    for number in range(TAMPERED + CLEAN):
        rows = make_trail(random, random.randint(3, 40))
        harmed, head, anchor = rows, head_of(rows), anchor_at(rows, len(rows))
        if number < TAMPERED:
            harmed, head, _, _ = TRAIL_HARMS[number % len(TRAIL_HARMS)](random, rows)
        fault, _ = check(harmed, head, [anchor])
        assert bool(fault) == (number < TAMPERED)
        given = [segment_of(harmed, head, 1), harmed, [vars(anchor)]]
        yield given, fault and [fault.seq, fault.kind, fault.sentence]


def test_on_five_hundred_trails_it_says_what_the_portal_says(page):
    every = list(trails())
    for start in range(0, len(every), 100):
        some = every[start : start + 100]
        assert page.evaluate(WALK, [given for given, _ in some]) == [said for _, said in some]
