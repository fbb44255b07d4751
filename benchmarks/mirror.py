"""`./dev bench mirror [--quick] [--database NAME]`: how fast readings become rows of the mirror.

    first    the first reading of leads that nobody has read, by pages of 1,000 activities: parsed, judged, packed,
             hashed, written as a snapshot and as rows of the mirror
    again    the second one, that finds each of these rows and writes it anew

by a worker for each processor, on a LeadSquared that answers at once; beside it what the API can deliver at its limit,
which is five pages a second whatever the workers. Exits with 1 where a figure is missed.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from benchmarks.parts import deployment
from benchmarks.parts.deployment import verdict

PAGES_A_SECOND, PAGE = 5, 1000  # 25 calls in 5 seconds
AT_LEAST = {"sqlite": 3.0, "postgresql": 1.1}  # times what the API delivers
LEADS, ACTIVITIES, QUICK = 20, 10_000, 4
WORKERS = os.cpu_count() or 1


@dataclass(frozen=True)
class Figure:
    database: str
    what: str
    rows: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.rows / self.seconds

    @property
    def times(self) -> float:
        return self.per_second / (PAGES_A_SECOND * PAGE)

    def line(self) -> str:
        said = f"{self.database:10} {self.what:5} {self.rows:9,} activities in {self.seconds:6.2f} s"
        return f"{said}  {self.per_second:7,.0f} a second  {self.times:5.2f} times what the API delivers"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the leads; nothing is kept")
    parser.add_argument("--database", choices=deployment.DATABASES, action="append")
    options = parser.parse_args()
    leads = QUICK if options.quick else LEADS
    figures = []
    for name in options.database or deployment.DATABASES:
        with deployment.database(name) as environment:
            for figure in measured(name, environment, leads):
                figures.append(figure)
                print(figure.line(), flush=True)
    lines = [summary(figure) for figure in figures]
    print("\n".join(lines))
    if not options.quick:
        deployment.keep("mirror", map(asdict, figures), lines)
    sys.exit(any("MISSED" in line for line in lines))


def measured(name: str, environment: dict[str, str], leads: int) -> Iterator[Figure]:
    asked = ("-m", "benchmarks.parts.reader")
    workers = [deployment.start(environment, *asked, "read", str(leads), str(ACTIVITIES)) for _ in range(WORKERS)]
    for worker in workers:
        deployment.hear(worker)
    for what in ("first", "again"):
        deployment.run(environment, *asked, "order", str(leads))
        begin = time.time() + 0.2
        for worker in workers:
            deployment.tell(worker, begin)
        seconds = max(deployment.hear(worker) for worker in workers) - begin
        rows = int(deployment.run(environment, *asked, "count"))
        if rows != leads * ACTIVITIES:
            raise RuntimeError(f"{leads * ACTIVITIES} activities should be in the mirror, and not {rows}.")
        yield Figure(name, what, rows, round(seconds, 2))
    for worker in workers:
        worker.communicate()


def summary(figure: Figure) -> str:
    least = AT_LEAST[figure.database]
    said = f"{figure.times:.2f} times what the API delivers, at least {least:g}"
    return f"{figure.database}: {figure.what} reading {said} {verdict(figure.times >= least)}"


if __name__ == "__main__":
    main()
