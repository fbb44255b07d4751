"""`./dev bench lists [--quick] [--database NAME]`: every list, each of its filters and each kind of search, at a
million leads, five million activities and five million audit events, beside the same page at ten thousand leads.

The data come from a seeded generator and are cached in `.bench`, by what would make them other ones. Exits with 1 where
a page takes more than 150 ms at the median, or more than 1.5 times what it takes at ten thousand.
"""

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.parts import deployment
from benchmarks.parts.deployment import ROOT, verdict

SMALL, LARGE, QUICK = 10_000, 1_000_000, 50_000
MS, TIMES_THE_SMALL = 150, 1.5
LOOKS, QUICK_LOOKS = 7, 3
CACHE = ROOT / ".bench"


@dataclass(frozen=True)
class Figure:
    database: str
    page: str
    leads: int
    small_ms: float
    ms: float
    queries: int
    kb: int

    @property
    def times(self) -> float:
        return self.ms / self.small_ms

    @property
    def held(self) -> bool:
        return self.ms <= MS and self.times <= TIMES_THE_SMALL

    def line(self) -> str:
        said = f"{self.database:10} {self.page:44.44} {self.small_ms:7.1f} ms  {self.ms:8.1f} ms  {self.times:6.2f}"
        return f"{said}  {self.queries:3} queries  {self.kb:4} kB  {verdict(self.held)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} leads; nothing is kept")
    parser.add_argument("--database", choices=deployment.DATABASES, action="append")
    options = parser.parse_args()
    leads, looks = (QUICK, QUICK_LOOKS) if options.quick else (LARGE, LOOKS)
    figures = []
    for name in options.database or deployment.DATABASES:
        for figure in measured(name, leads, looks):
            figures.append(figure)
            print(figure.line(), flush=True)
    lines = [summary(name, [one for one in figures if one.database == name]) for name in {f.database for f in figures}]
    print("\n".join(lines))
    if not options.quick:
        deployment.keep("lists", map(asdict, figures), lines)
    sys.exit(any("MISSED" in line for line in lines))


def measured(name: str, leads: int, looks: int) -> Iterator[Figure]:
    """Each page of the small and of the large one in turn: the machine is as fast for the one as for the other."""
    with filled(name, SMALL) as of_small, filled(name, leads) as of_large:
        asked = ("-m", "benchmarks.parts.looker")
        lookers = [deployment.start(of_small, *asked, str(SMALL)), deployment.start(of_large, *asked, str(leads))]
        _, pages = [deployment.hear(looker) for looker in lookers]
        for page, queries in pages.items():
            seen = [[look(looker, page) for looker in lookers] for _ in range(looks)]
            small, large = (median(pair[at]["ms"] for pair in seen) for at in (0, 1))
            yield Figure(name, page, leads, round(small, 1), round(large, 1), queries, seen[0][1]["kb"])
        for looker in lookers:
            looker.communicate()


def look(looker: Any, page: str) -> dict[str, Any]:
    deployment.tell(looker, page)
    return deployment.hear(looker)


@contextmanager
def filled(name: str, leads: int) -> Iterator[dict[str, str]]:
    """A copy of the cached database of this size, which is made where there is none yet."""
    CACHE.mkdir(exist_ok=True)
    kept = CACHE / f"lists-{name}-{leads}-{_shape()}"
    if not kept.exists():
        print(f"{name}: a database of {leads:,} leads is filled.", flush=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder, deployment.address(name, Path(folder), kept) as url:
            environment = deployment.environment_of(url, folder)
            deployment.run(environment, "manage.py", "migrate")
            deployment.run(environment, "-m", "benchmarks.parts.filler", str(leads))
            if name == "sqlite":
                deployment.run(environment, "-c", _ONE_FILE)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder, deployment.address(name, Path(folder), kept) as url:
        environment = deployment.environment_of(url, folder)
        if name == "postgresql":
            deployment.run(environment, "-c", _VACUUM)
        yield environment


_ONE_FILE = (
    "import django; django.setup(); from django.db import connection;"
    " connection.cursor().execute('PRAGMA wal_checkpoint(TRUNCATE)')"
)


# As autovacuum does within a day: until then no index answers alone.
_VACUUM = "import django; django.setup(); from django.db import connection; connection.cursor().execute('VACUUM')"


def _shape() -> str:
    """Other migrations or another generator make other data."""
    sources = [*sorted((ROOT / "lsq_ops" / "migrations").glob("*.py")), ROOT / "benchmarks" / "parts" / "filler.py"]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]


def summary(name: str, figures: list[Figure]) -> str:
    missed = [one for one in figures if not one.held]
    slowest, steepest = max(figures, key=lambda one: one.ms), max(figures, key=lambda one: one.times)
    return (
        f"{name}: {len(figures) - len(missed)} of {len(figures)} pages within {MS} ms and {TIMES_THE_SMALL} times the"
        f" small one's; slowest {slowest.page} {slowest.ms:.0f} ms, steepest {steepest.page} {steepest.times:.2f} times"
        f" {verdict(not missed)}"
    )


if __name__ == "__main__":
    main()
