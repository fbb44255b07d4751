"""What the benchmarks compute from their clocks, and the table of all of them."""

from dataclasses import replace

import pytest

from benchmarks import all as bench_all
from benchmarks import audit, budget, lists, mirror, upload, webhook


def burst(at: float) -> list[float]:
    return [at + number * 0.01 for number in range(budget.CALLS)]


@pytest.mark.parametrize("since", [0.0, 0.1, 3.0, 4.9])
def test_the_pace_of_bursts_does_not_depend_on_when_the_clock_begins(since: float) -> None:
    ends = [end for turn in range(10) for end in burst(turn * 5.3)]
    assert budget.pace(ends, since, 22) == pytest.approx(25 / 5.3)


def test_a_pace_of_less_than_a_burst_is_counted_by_the_clock() -> None:
    assert budget.pace([0.0, 1.0, 2.0, 3.0, 99.0], 0.0, 4.0) == 1.0
    assert budget.pace([], 0.0, 4.0) == 0.0


# --- All of them in one table -------------------------------------------------------------------------------

SAID = {
    ("budget", "sqlite"): [
        "sqlite: ring, worst ratio 0.972 (sliding, 300 ms, 1), at least 0.95 ok",
        "sqlite: ring, rate answers 0, none allowed ok",
        "sqlite: 1.11 times a plain loop (0 of 93 calls refused), at least 1.3 MISSED",
    ],
    ("audit", "sqlite"): None,
}


def test_a_row_says_what_was_wanted_what_was_measured_and_where_it_falls_short() -> None:
    rows = {row.what: row for row in bench_all.table(SAID) if row.database == "sqlite"}
    share, plain = rows["rate budget: share of what can be reached"], rows["rate budget: beside a plain loop"]
    assert (share.wanted, share.measured, share.verdict) == ("at least 0.95", "0.972", "met")
    assert (plain.measured, plain.verdict) == ("1.11", "SHORT") and "at least 1.3" in plain.note


def test_what_was_not_run_or_broke_is_not_met() -> None:
    rows = list(bench_all.table(SAID))
    verdicts = {(row.what, row.database): row.verdict for row in rows}
    assert verdicts["audit: appends, four writers", "sqlite"] == "BROKE"
    assert verdicts["rate budget: beside a sleep loop", "sqlite"] == "BROKE"  # it ran, and said nothing of it
    assert verdicts["rate budget: beside a plain loop", "postgresql"] == "not run"
    assert sum(row.verdict == "met" for row in rows) == 2


def test_the_benchmarks_say_what_the_table_listens_for() -> None:
    """A sentence that is put otherwise would leave a row empty."""
    ring = budget.Figure("sqlite", "ring", "sliding", 300, 2, 4.5, 0.97, 100, 0)
    loops = [budget.Figure("sqlite", way, "sliding", 300, 1, 2.0, 0.5, 100, 0) for way in ("plain", "sleep")]
    page = lists.Figure("sqlite", "page: Home", 1000, 1.0, 100.0, 9, 90)
    listed = lists.Figure("sqlite", "lead", 1000, 1.0, 100.0, 9, 90)
    post = webhook.Figure("sqlite", "receiver", 1000, 0, 1000, 0, 300.0)
    trail = [audit.Figure("sqlite", what, 10**6, 8.0, 10**5, "links") for what in ("verify", "append")]
    said = {
        "budget": list(budget.summary([ring, *loops])),
        "lists": list(lists.summary([page, listed])),
        "webhook": list(webhook.summary([post, replace(post, what="bare")])),
        "audit": list(audit.summary(trail)),
        "mirror": [mirror.summary(mirror.Figure("sqlite", what, 10**5, 5.0)) for what in ("first", "again")],
        "upload": [upload.Figure("sqlite", "id", 100_000, 70_000, 6, 0, 29.2, 138).line()],
        "faults": ["sqlite: 9,500 faults ok"],
        "processes": ["sqlite: 500 faults ok", "sqlite: work went on within 12.3 s of the worst kill (kill web) ok"],
    }
    rows = [row for row in bench_all.table({(part, "sqlite"): lines for part, lines in said.items()})]
    assert {row.verdict for row in rows if row.database == "sqlite"} <= {"met", "SHORT"}
