"""A tiny soak, and what it judges by: a leak is told from a wandering figure, a stop by Ctrl-C keeps what there is."""

import json
import random
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.soak import picture
from tests.soak.slope import Tolerance, trend
from tests.soak.verdict import Judged, sentence

ROOT = Path(__file__).resolve().parent.parent.parent
MEMORY = Tolerance(0.10, 12)


def series(per_sample: float, noise: float = 3.0, count: int = 60) -> list[tuple[float, float]]:
    rng = random.Random(7)
    return [(10.0 * n, 200 + per_sample * n + rng.uniform(-noise, noise)) for n in range(count)]


@pytest.mark.parametrize(
    ("what", "points", "growing"),
    [
        ("a leak of a megabyte a sample", series(1.0), True),
        ("a leak in noise", series(1.0, noise=30.0), True),
        ("noise alone", series(0.0, noise=30.0), False),
        ("a rise within what it may wander", series(0.2), False),
        ("what shrinks", series(-1.0), False),
        ("one jump in the warm-up", [(at, v if at < 100 else v + 100) for at, v in series(0.0)], False),
        ("one slow moment at the end", [*series(0.0)[:-1], (590.0, 9_000.0)], False),
        ("a worker that begins anew, and grows each time", [(10.0 * n, 200 + n % 10 * 5.0) for n in range(60)], False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_leak_is_told_from_what_wanders(what: str, points: list[tuple[float, float]], growing: bool) -> None:
    assert trend(what, "MB", points, 150.0, MEMORY).growing is growing


def test_a_few_samples_say_nothing_and_are_no_good_verdict() -> None:
    few = Judged(series(1.0)[:6], trend("memory", "MB", series(1.0)[:6], 0.0, MEMORY))
    assert few.trend.growing is None
    assert sentence([few], 100, 60.0, []) == ("too short to say anything: 100 calls in 60 s", False)


def test_a_verdict_names_what_grows_and_what_went_wrong() -> None:
    leak, flat = (Judged(points, trend("memory", "MB", points, 150, MEMORY)) for points in (series(1.0), series(0.0)))
    assert sentence([flat, leak], 100, 60.0, []) == ("growing: memory (100 calls in 60 s)", False)
    assert sentence([flat], 100, 60.0, []) == ("nothing growing: 1 figures, 100 calls in 60 s", True)
    assert sentence([flat], 100, 60.0, ["3 times ERROR"])[1] is False


def test_a_picture_is_one_chart_for_each_figure_and_holds_no_markup_of_a_name() -> None:
    points = series(1.0)
    charts = [picture.Chart(points, trend("a < b & c", "MB", points, 150.0, MEMORY)), picture.Chart([], trend(
        "nothing", "", [], 0.0, MEMORY))]  # fmt: skip
    drawn = ElementTree.fromstring(picture.draw("Soak", "growing: a < b", charts))
    texts = [one.text or "" for one in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert any(text.startswith("a < b & c: +") for text in texts) and "nothing was measured" in texts
    lines = [one.get("points", "") for one in drawn.iter("{http://www.w3.org/2000/svg}polyline")]
    assert len(lines) == 2 and len(lines[0].split()) == len(points)


def test_a_tiny_soak_that_is_ended_by_hand_keeps_its_figures_and_its_picture(tmp_path: Path) -> None:
    """Over real sockets, with workers of its own."""
    command = [sys.executable, "-m", "tests.soak", "--every", "1", "--open", "6", "--into", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        for line in process.stdout:
            if (found := re.match(r" *\d+ s +([\d,]+) calls", line)) and int(found[1].replace(",", "")) >= 24:
                process.send_signal(signal.SIGINT)
                break
        rest, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert "Ended by hand" in rest and "calls in" in rest.splitlines()[-1]
    (kept,), (drawn,) = tmp_path.glob("soak-*.json"), tmp_path.glob("soak-*.svg")
    told = json.loads(kept.read_text())
    assert told["samples"][-1]["calls"] >= 24 and told["work"]["requests"] and told["troubles"] == []
    roles = {one["role"] for one in told["samples"][-1]["processes"]}
    assert {"web", "worker", "sandbox", "supervisor"} <= roles
    assert told["samples"][-1]["tables"]["lsq_ops_auditevent"] > 20
    assert ElementTree.parse(drawn).getroot().tag.endswith("svg")
