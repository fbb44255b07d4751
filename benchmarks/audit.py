"""`./dev bench audit [--quick] [--database NAME]`: how long a check of the trail takes, and what the chain costs.

    verify   `manage.py verify_audit` on a million events, as an auditor calls it: the whole process, from its start to
             its exit; beside it the bare hashing of as many links, which nobody can do without
    append   four processes that write one event a transaction, all of them for the same head of the chain; beside it
             the same four with a row of the same size in a table of no chain

The chain is checked once more at the end: as many events more as the writers counted, and every link whole. PostgreSQL
runs as it ships, with fsync. Kept under docs/benchmarks/, except with `--quick`, which takes a tenth of the events.
Exits with 1 where a figure is missed.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.parts import deployment
from benchmarks.parts.deployment import verdict

EVENTS, SECONDS_A_MILLION = 1_000_000, 10.0  # at most, by docs/design.md
WRITERS, APPENDS = 4, 500  # at least so many a second
VERIFIED = re.compile(r"^([\d,]+) events, every link whole\.")


@dataclass(frozen=True)
class Figure:
    database: str
    what: str
    events: int
    seconds: float
    beside: float
    unit: str

    @property
    def per_second(self) -> float:
        return self.events / self.seconds

    @property
    def ratio(self) -> float:
        return self.per_second / self.beside

    def line(self) -> str:
        said = f"{self.database:10} {self.what:6} {self.events:9,} events in {self.seconds:6.2f} s"
        return f"{said}  {self.per_second:9,.0f} a second  {self.ratio:5.3f} of {self.beside:,.0f} {self.unit}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the events; nothing is kept")
    parser.add_argument("--database", choices=deployment.DATABASES, action="append")
    options = parser.parse_args()
    figures = []
    for name in options.database or deployment.DATABASES:
        with deployment.database(name) as environment:
            for figure in measured(name, environment, EVENTS // (10 if options.quick else 1), options.quick):
                figures.append(figure)
                print(figure.line(), flush=True)
    lines = list(summary(figures))
    print("\n".join(lines))
    if not options.quick:
        deployment.keep("audit", map(asdict, figures), lines)
    sys.exit(any("MISSED" in line for line in lines))


def measured(name: str, environment: dict[str, str], events: int, quick: bool) -> Iterator[Figure]:
    ask(environment, "fill", str(events))
    bare = ask(environment, "hashes", str(events))
    begun = time.perf_counter()
    there = verified(environment)
    yield Figure(name, "verify", there, round(time.perf_counter() - begun, 2), events / bare, "bare links a second")

    seconds = 5.0 if quick else 20.0
    ask(environment, "bare_table")
    rows, _ = together(environment, "rows", seconds)
    count, seconds = together(environment, "write", seconds)
    yield Figure(name, "append", count, seconds, rows / seconds, "rows a second outside the chain")
    if (after := verified(environment)) != there + count + WRITERS:  # each wrote one before it was ready
        raise RuntimeError(f"{there} events and {count} more should be {there + count + WRITERS}, and not {after}.")


def ask(environment: dict[str, str], *question: str) -> Any:
    return json.loads(deployment.run(environment, "-m", "benchmarks.parts.trail", *question))


def verified(environment: dict[str, str]) -> int:
    """How many events `manage.py verify_audit` found whole; RuntimeError where it found a fault."""
    command = [sys.executable, "manage.py", "verify_audit"]
    done = subprocess.run(command, cwd=deployment.ROOT, env=environment, capture_output=True, text=True)
    found = VERIFIED.match(done.stdout)
    if done.returncode or not found:
        raise RuntimeError(f"verify_audit ended with {done.returncode}: {done.stdout}{done.stderr}")
    return int(found[1].replace(",", ""))


def together(environment: dict[str, str], what: str, seconds: float) -> tuple[int, float]:
    """(what all writers have written, in how many seconds)."""
    writers = [deployment.start(environment, "-m", "benchmarks.parts.trail", what) for _ in range(WRITERS)]
    for writer in writers:
        deployment.hear(writer)
    begin = time.time() + 0.2
    for writer in writers:
        deployment.tell(writer, begin, begin + seconds)
    counts = [deployment.hear(writer) for writer in writers]
    took = time.time() - begin  # the last transaction of each is counted, and so is its time
    for writer in writers:
        writer.communicate()
    return sum(counts), round(took, 2)


def summary(figures: list[Figure]) -> Iterator[str]:
    for figure in figures:
        if figure.what == "verify":
            took = figure.seconds * EVENTS / figure.events
            held = took <= SECONDS_A_MILLION
            said = f"a million events verified in {took:.1f} s, at most {SECONDS_A_MILLION:g}"
        else:
            held = figure.per_second >= APPENDS
            said = f"{figure.per_second:.0f} appends a second by {WRITERS} writers, at least {APPENDS}"
        yield f"{figure.database}: {said} ({figure.ratio:.3f} of {figure.unit}) {verdict(held)}"


if __name__ == "__main__":
    main()
