"""`./dev bench lists [--quick] [--database NAME] [--pages TEXT]`: every list, filter and search, and the other pages.

At a million leads, five million activities and five million audit events, each list beside itself at ten thousand
leads. The other pages are Home, Operations, Set-up, requests and a lead.

The data come from a seeded generator and are cached in `.bench`, by what would make them other ones. `--pages` takes
only the pages whose name holds a text, and keeps nothing. Exits with 1 where a list takes more than 150 ms at the
median, or more than 1.5 times what it takes at ten thousand, or another page more than 300 ms or 500 kB.
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
PAGE, PAGE_MS, PAGE_KB = "page: ", 300, 500  # of pages that are no list
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
    cpu_ms: float = 0.0  # of ours alone: what a busy machine took besides is the difference to `ms`

    @property
    def times(self) -> float:
        return self.ms / self.small_ms

    @property
    def is_list(self) -> bool:
        return not self.page.startswith(PAGE)

    @property
    def held(self) -> bool:
        if self.is_list:
            return self.ms <= MS and self.times <= TIMES_THE_SMALL
        return self.ms <= PAGE_MS and self.kb <= PAGE_KB

    def line(self) -> str:
        said = f"{self.database:10} {self.page:44.44} {self.small_ms:7.1f} ms  {self.ms:8.1f} ms  {self.times:6.2f}"
        return f"{said}  {self.cpu_ms:6.0f} cpu  {self.queries:3} queries  {self.kb:4} kB  {verdict(self.held)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} leads; nothing is kept")
    parser.add_argument("--database", choices=deployment.DATABASES, action="append")
    parser.add_argument("--pages", default="", metavar="TEXT", help="only pages whose name holds it; nothing is kept")
    parser.add_argument("--leads", type=int, help="another size; kept, and said so")
    options = parser.parse_args()
    leads, looks = (QUICK, QUICK_LOOKS) if options.quick else (options.leads or LARGE, LOOKS)
    figures = []
    for name in options.database or deployment.DATABASES:
        for figure in measured(name, leads, looks, options.pages):
            figures.append(figure)
            print(figure.line(), flush=True)
    lines = list(summary(figures))
    print("\n".join(lines) or f"No page's name holds “{options.pages}”.")
    if not (options.quick or options.pages):
        deployment.keep("lists", map(asdict, figures), lines)
    sys.exit(not lines or any("MISSED" in line for line in lines))


def measured(name: str, leads: int, looks: int, text: str = "") -> Iterator[Figure]:
    """Each page of the small and of the large one in turn: the machine is as fast for the one as for the other."""
    with filled(name, SMALL) as of_small, filled(name, leads) as of_large:
        sizes = ((of_small, SMALL), (of_large, leads))
        lookers = [deployment.start(of, "-m", "benchmarks.parts.looker", str(size), text) for of, size in sizes]
        _, pages = [deployment.hear(looker) for looker in lookers]
        for page, queries in pages.items():
            seen = [[look(looker, page) for looker in lookers] for _ in range(looks)]
            small, large = (median(pair[at]["ms"] for pair in seen) for at in (0, 1))
            cpu = round(median(pair[1]["cpu_ms"] for pair in seen), 1)
            yield Figure(name, page, leads, round(small, 1), round(large, 1), queries, seen[0][1]["kb"], cpu)
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


def summary(figures: list[Figure]) -> Iterator[str]:
    for name in dict.fromkeys(figure.database for figure in figures):
        here = [one for one in figures if one.database == name]
        yield from (f"{name}: {said}" for said in (*_of_lists(here), *_of_pages(here)))


def _of_lists(figures: list[Figure]) -> Iterator[str]:
    if not (lists := [one for one in figures if one.is_list]):
        return
    slowest, steepest = max(lists, key=lambda one: one.ms), max(lists, key=lambda one: one.times)
    fast, flat = sum(one.ms <= MS for one in lists), sum(one.times <= TIMES_THE_SMALL for one in lists)
    size, every = f"at {slowest.leads:,} leads", len(lists)
    said = f"{fast} of {every} lists within {MS} ms {size}; slowest {slowest.page} {slowest.ms:.0f} ms"
    yield f"{said} {verdict(fast == every)}"
    said = f"{flat} of {every} lists within {TIMES_THE_SMALL} times the small one's {size}; steepest {steepest.page}"
    yield f"{said} {steepest.times:.2f} times {verdict(flat == every)}"


def _of_pages(figures: list[Figure]) -> Iterator[str]:
    if not (pages := [one for one in figures if not one.is_list]):
        return
    slowest, heaviest = max(pages, key=lambda one: one.ms), max(one.kb for one in pages)
    held = sum(one.held for one in pages)
    said = (
        f"{held} of {len(pages)} other pages within {PAGE_MS} ms and {PAGE_KB} kB at {slowest.leads:,} leads; slowest"
    )
    name = slowest.page.removeprefix(PAGE)
    yield f"{said} {name} {slowest.ms:.0f} ms, heaviest {heaviest} kB {verdict(held == len(pages))}"


if __name__ == "__main__":
    main()
