"""Does a series of samples grow? Told by ranks and medians, so that one slow moment of the machine is no slope.

Growing is what rises in most pairs of samples, more often than chance would have it (Mann-Kendall), and by more than
such a figure may wander (the median of all slopes, Theil-Sen, over the time that is judged).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from statistics import median

Point = tuple[float, float]  # seconds since the start, value

FEWEST = 8  # samples behind the warm-up; with fewer nothing is said
MOST = 400  # points that are compared pair by pair
SURE = 2.58  # standard deviations: one in two hundred rises so by chance


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a figure may rise over the time that is judged: a share of its median, and at least so much."""

    share: float
    least: float


@dataclass(frozen=True, slots=True)
class Trend:
    """`per_hour` is the slope, `rise` what it comes to over the time that was judged; `start` is the line's value where
    that begins."""

    name: str
    unit: str
    samples: int
    since: float
    until: float
    start: float
    typical: float
    per_hour: float
    rise: float
    most: float
    sure: float
    growing: bool | None  # None: too few samples to say

    def line(self) -> str:
        if self.growing is None:
            return f"{self.name}: {self.samples} samples are too few to say"
        said = f"{self.name}: {self.typical:,.6g} {self.unit}, {self.rise:+,.3g} in {self.until - self.since:,.0f} s"
        return f"{said} (at most {self.most:,.3g}) {'GROWING' if self.growing else 'ok'}"


def trend(name: str, unit: str, points: Sequence[Point], since: float, tolerance: Tolerance) -> Trend:
    """The slope of what was measured after `since`."""
    kept = [point for point in points if point[0] >= since]
    if len(kept) < FEWEST:
        return Trend(name, unit, len(kept), since, since, 0, 0, 0, 0, 0, 0, None)
    kept = _thinned(kept)
    begin, end = kept[0][0], kept[-1][0]
    slope = median((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(kept, 2) if b[0] > a[0])
    typical = median(value for _, value in kept)
    start = median(value - slope * (at - begin) for at, value in kept)
    rise, most, sure = slope * (end - begin), max(tolerance.share * abs(typical), tolerance.least), _sure(kept)
    growing = rise > most and sure > SURE
    return Trend(name, unit, len(kept), begin, end, start, typical, slope * 3600, rise, most, sure, growing)


def _thinned(points: list[Point]) -> list[Point]:
    step = -(-len(points) // MOST)
    return points[::step]


def _sure(points: list[Point]) -> float:
    """Mann-Kendall: how many standard deviations more pairs rise than fall; equal values count as neither."""
    n = len(points)
    score = sum((b[1] > a[1]) - (b[1] < a[1]) for a, b in combinations(points, 2))
    values = [value for _, value in points]
    ties = [values.count(value) for value in set(values)]
    spread = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    return 0.0 if spread <= 0 or not score else (score - (1 if score > 0 else -1)) / sqrt(spread)
