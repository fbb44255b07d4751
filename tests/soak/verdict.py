"""Which figures of a soak must not grow, how far each may wander, and what is said at the end."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from .slope import Point, Tolerance, Trend, trend

if TYPE_CHECKING:
    from .gauges import Sample

WARM_UP = 1 / 4  # of the time: caches fill, lists reach the length of a page
MINUTE = 60.0
# Rows that come and go; of all others only as many may come as there is work.
PASSING = ("django_q_ormq", "lsq_ops_beat", "lsq_ops_budgetslot", "django_session")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line through all samples."""

    name: str
    unit: str
    tolerance: Tolerance
    of: Callable[["Sample"], float | None]


def figures() -> list[Figure]:
    memory, files = Tolerance(0.10, 12), Tolerance(0.10, 6)
    return [
        Figure("memory of the web server", "MB", memory, lambda s: _sum(one.rss_mb for one in s.of("web"))),
        Figure("memory of the workers", "MB", Tolerance(0.10, 40), lambda s: _sum(o.rss_mb for o in s.of("worker"))),
        Figure("memory of the largest worker", "MB", memory, lambda s: _max(one.rss_mb for one in s.of("worker"))),
        Figure("memory of the supervisor", "MB", memory, lambda s: _sum(one.rss_mb for one in s.of("supervisor"))),
        Figure("open files of the web server", "", files, lambda s: _sum(one.files for one in s.of("web"))),
        Figure("open files of the largest worker", "", files, lambda s: _max(one.files for one in s.of("worker"))),
        Figure("open files of the supervisor", "", files, lambda s: _sum(one.files for one in s.of("supervisor"))),
        Figure("processes", "", Tolerance(0.0, 2), lambda s: float(len(s.processes))),
        Figure("a page", "ms", Tolerance(0.25, 60), lambda s: median(s.pages_ms.values())),
        Figure("a call", "ms", Tolerance(0.25, 60), lambda s: s.call_ms),
        Figure("age of the queue", "s", Tolerance(0.25, 20), lambda s: s.queue_age),
        Figure("rings that wait", "", Tolerance(0.25, 8), lambda s: float(s.rings)),
        Figure("open requests", "", Tolerance(0.25, 8), lambda s: float(s.open_requests)),
        *(_passing(table) for table in PASSING),
    ]


def _passing(table: str) -> Figure:
    return Figure(f"rows of {table}", "", Tolerance(0.25, 20), lambda s: s.tables.get(table))


def _sum(values: Iterable[float]) -> float | None:
    return sum(found) if (found := list(values)) else None


def _max(values: Iterable[float]) -> float | None:
    return max(values, default=None)


@dataclass(frozen=True, slots=True)
class Judged:
    points: list[Point]
    trend: Trend


def judge(samples: Sequence["Sample"]) -> list[Judged]:
    """Each figure with its slope after the warm-up."""
    since = samples[-1].at * WARM_UP if samples else 0.0
    lines = [(f.name, f.unit, f.tolerance, _points(samples, f.of)) for f in figures()]
    lines += [(name, "", Tolerance(0.35, least), points) for name, least, points in _per_call(samples)]
    return [
        Judged(points, trend(name, unit, points, since, tolerance))
        for name, unit, tolerance, points in lines
        if points or not samples
    ]


def _points(samples: Sequence["Sample"], of: Callable[["Sample"], float | None]) -> list[Point]:
    return [(sample.at, value) for sample in samples if (value := of(sample)) is not None]


def _per_call(samples: Sequence["Sample"]) -> Iterator[tuple[str, float, list[Point]]]:
    """What is kept grows with the work: but each call must leave no more behind than the ones before it."""
    kept = lambda s: sum(n for table, n in s.tables.items() if table not in PASSING)  # noqa: E731
    yield "rows kept for each call", 1.0, _rate(samples, kept)
    yield "kB of the database for each call", 4.0, _rate(samples, lambda s: s.database_mb * 1024)
    yield "kB of the logs for each call", 1.0, _rate(samples, lambda s: s.log_mb * 1024)


def _rate(samples: Sequence["Sample"], of: Callable[["Sample"], float]) -> list[Point]:
    """By the minute, or by ten samples where those are less: a single sample holds too few calls."""
    minutes = list(_steps(samples))
    return [
        (late.at, (of(late) - of(early)) / (late.calls - early.calls))
        for early, late in pairwise(minutes)
        if late.calls > early.calls
    ]


def _steps(samples: Sequence["Sample"]) -> Iterator["Sample"]:
    step = min(MINUTE, samples[-1].at / 16) if samples else MINUTE
    next_at = 0.0
    for sample in samples:
        if sample.at >= next_at:
            yield sample
            next_at = sample.at + step


def sentence(judged: Sequence[Judged], calls: int, seconds: float, troubles: Sequence[str]) -> tuple[str, bool]:
    """(what came of it, whether that is good). Where nothing could be measured nothing is said to be well."""
    growing = [one.trend.name for one in judged if one.trend.growing]
    told = [one for one in judged if one.trend.growing is not None]
    of = f"{calls:,} calls in {seconds:,.0f} s"
    wrong = f"; {len(troubles)} things went wrong, the first: {troubles[0]}" if troubles else ""
    if not told or not calls:
        return f"too short to say anything: {of}{wrong}", False
    if growing:
        return f"growing: {', '.join(growing)} ({of}){wrong}", False
    return f"nothing growing: {len(told)} figures, {of}{wrong}", not troubles
