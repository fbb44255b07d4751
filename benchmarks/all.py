"""`./dev bench all [--quick] [--database NAME] [--only NAME]`: every figure that is wanted, and what is measured.

Each benchmark runs by itself, one after the other, and keeps its raw figures under docs/benchmarks/; both sides of a
ratio come out of the same run. At the end one table: wanted, measured, met or short of it. What was not run, or broke,
says so, and is not met. In full it takes most of a day, because of the faults; `--quick` takes minutes, keeps nothing,
and its figures are of small sizes. Ctrl-C ends it with what there is. Exits with 0 only where every row is met.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from benchmarks.parts import deployment

SPOKEN = re.compile(r"^(sqlite|postgresql): (.*) (ok|MISSED)$")
MET, SHORT, NOT_RUN, BROKE = "met", "SHORT", "not run", "BROKE"


@dataclass(frozen=True)
class Part:
    """One command, for one database: `full` or `quick` are its arguments."""

    name: str
    module: str
    full: tuple[str, ...] = ()
    quick: tuple[str, ...] = ("--quick",)


PARTS = (
    Part("budget", "benchmarks.budget"),
    Part("webhook", "benchmarks.webhook"),
    Part("mirror", "benchmarks.mirror"),
    Part("lists", "benchmarks.lists"),
    Part("audit", "benchmarks.audit"),
    Part("upload", "benchmarks.upload"),
    Part("faults", "tests.chaos", ("--faults", "9500"), ("--faults", "40")),
    Part("processes", "tests.chaos", ("--processes", "500"), ("--processes", "12")),
)


@dataclass(frozen=True)
class Wanted:
    """A row of the table: what is wanted, and the words by which a benchmark tells it; the group is the figure."""

    what: str
    wanted: dict[str, str]  # by database; "" for both
    part: str
    words: str

    def of(self, database: str) -> str:
        return self.wanted.get(database) or self.wanted[""]


def both(words: str) -> dict[str, str]:
    return {"": words}


ROWS = (
    Wanted("rate budget: share of what can be reached", both("at least 0.95"), "budget", r"ring, worst ratio ([\d.]+)"),
    Wanted("rate budget: refused for the rate", both("none"), "budget", r"ring, rate answers (\d+)"),
    Wanted("rate budget: beside a plain loop", both("at least 1.3 times"), "budget", r"([\d.]+) times a plain loop"),
    Wanted("rate budget: beside a sleep loop", both("at least 2.1 times"), "budget", r"([\d.]+) times a sleep loop"),
    Wanted("webhooks: lost, bursts of 1,000", both("none"), "webhook", r"posts, lost (\d+)"),
    Wanted(
        "webhooks: share of a bare view's rate",
        {"sqlite": "at least 0.4", "postgresql": "at least 0.25"},
        "webhook",
        r"requests per second, ratio ([\d.]+)",
    ),
    *(
        Wanted(
            f"mirror: {which} reading, beside the API",
            {"sqlite": "at least 3 times", "postgresql": "at least 1.1 times"},
            "mirror",
            rf"{which} reading ([\d.]+) times",
        )
        for which in ("first", "again")
    ),
    Wanted("lists: at a million leads", both("all within 150 ms"), "lists", r"(\d+ of \d+) lists within 150 ms"),
    Wanted("lists: beside ten thousand leads", both("all within 1.5 times"), "lists", r"(\d+ of \d+) lists within 1.5"),
    Wanted("other pages", both("all within 300 ms, 500 kB"), "lists", r"(\d+ of \d+) other pages"),
    Wanted("audit: a million events verified", both("within 10 s"), "audit", r"events verified in ([\d.]+) s"),
    Wanted("audit: appends, four writers", both("at least 500 a second"), "audit", r"(\d+) appends a second"),
    Wanted(
        "upload: 100,000 lines",
        both("within 60 s, 200 MB, 0 wrong"),
        "upload",
        r"(\w+) +[\d,]+ lines.*wrong; +([\d.]+ s)",
    ),
    Wanted("faults in one process", both("nothing wrong"), "faults", r"([\d,]+) faults"),
    Wanted("faults among real processes", both("nothing wrong"), "processes", r"([\d,]+) faults"),
    Wanted("work goes on after kill -9", both("within 60 s"), "processes", r"work went on within ([\d.]+) s"),
)


@dataclass(frozen=True)
class Row:
    what: str
    database: str
    wanted: str
    measured: str
    verdict: str
    note: str = ""

    def line(self) -> str:
        said = f"{self.what:42} {self.database:10} {self.wanted:28} {self.measured:>12}  {self.verdict}"
        return f"{said}: {self.note}" if self.note else said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes; nothing is kept")
    parser.add_argument("--database", choices=deployment.DATABASES, action="append")
    parser.add_argument("--only", choices=[part.name for part in PARTS], action="append", help="the rest is not run")
    options = parser.parse_args()
    heard: dict[tuple[str, str], list[str] | None] = {}
    try:
        for part in PARTS:
            for name in options.database or deployment.DATABASES:
                if part.name in (options.only or [part.name]):
                    heard[part.name, name] = listened(part, name, options.quick)
    except KeyboardInterrupt:
        print("Ended by hand; what comes behind was not run.", flush=True)
    rows = list(table(heard))
    print("\n".join(["", *(row.line() for row in rows), "", summary(rows, options.quick)]), flush=True)
    if not options.quick:
        keep(rows)
    sys.exit(any(row.verdict != MET for row in rows))


def listened(part: Part, database: str, quick: bool) -> list[str] | None:
    """What the benchmark says at its end, a sentence for each figure; None where it broke."""
    print(f"=== {part.name}, {database} ===", flush=True)
    command = [sys.executable, "-m", part.module, "--database", database, *(part.quick if quick else part.full)]
    said = []
    with subprocess.Popen(command, cwd=deployment.ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            print(line, end="", flush=True)
            said.append(line.rstrip())
    spoken = [line for line in said if SPOKEN.match(line)]
    return spoken if spoken and process.returncode in (0, 1) else None


def table(heard: dict[tuple[str, str], list[str] | None]) -> Iterator[Row]:
    for wanted in ROWS:
        for database in deployment.DATABASES:
            yield from _rows(wanted, database, heard)


def _rows(wanted: Wanted, database: str, heard: dict[tuple[str, str], list[str] | None]) -> Iterator[Row]:
    about = (wanted.what, database, wanted.of(database))
    if (wanted.part, database) not in heard:
        yield Row(*about, "–", NOT_RUN)
        return
    found = [one for line in heard[wanted.part, database] or [] if (one := _told(wanted, line))]
    if not found:
        yield Row(*about, "–", BROKE, f"{wanted.part} said nothing of it")
    for figure, verdict, sentence in found:
        short = verdict == "MISSED"
        yield Row(*about, figure, SHORT if short else MET, sentence if short else "")


def _told(wanted: Wanted, line: str) -> tuple[str, str, str] | None:
    """(figure, verdict, sentence) of a line that tells of this row. What is only shown beside has no verdict."""
    spoken = SPOKEN.match(line)
    found = spoken and re.search(wanted.words, spoken[2])
    return (" ".join(found.groups()), spoken[3], spoken[2]) if spoken and found else None


def summary(rows: list[Row], quick: bool) -> str:
    count = {verdict: sum(row.verdict == verdict for row in rows) for verdict in (MET, SHORT, BROKE, NOT_RUN)}
    said = ", ".join(f"{number} {verdict}" for verdict, number in count.items() if number)
    return f"{len(rows)} rows: {said}{' (small sizes: a look, no proof)' if quick else ''}"


def keep(rows: list[Row]) -> None:
    now = datetime.now(UTC)
    kept = {
        "benchmark": "all",
        "at": now.isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load": [round(load, 2) for load in os.getloadavg()],
        "summary": summary(rows, quick=False),
        "rows": [asdict(row) for row in rows],
    }
    path = deployment.KEPT / f"all-{now:%Y-%m-%d}.json"
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
