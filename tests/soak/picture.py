"""A picture of a soak: one small chart for each figure, with the line that its slope gives. SVG, written by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .slope import Point, Trend

WIDE, HIGH, GAP = 460, 150, 24  # of a chart
COLUMNS, LEFT, TOP = 2, 58, 76
GOOD, BAD, QUIET, INK = "#15803d", "#b91c1c", "#94a3b8", "#0f172a"


@dataclass(frozen=True, slots=True)
class Chart:
    points: Sequence[Point]
    trend: Trend


def draw(title: str, verdict: str, charts: Sequence[Chart]) -> str:
    rows = -(-len(charts) // COLUMNS)
    wide = COLUMNS * (WIDE + LEFT + GAP) + GAP
    high = TOP + rows * (HIGH + 64) + GAP
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}"'
        f' font-family="system-ui, sans-serif" role="img" aria-label="{escape(title)}: {escape(verdict)}">',
        f'<rect width="{wide}" height="{high}" fill="#ffffff"/>',
        _text(GAP, 32, title, size=20),
        _text(GAP, 56, verdict, fill=BAD if "growing:" in verdict else INK, size=14),
    ]
    for number, chart in enumerate(charts):
        x = GAP + LEFT + number % COLUMNS * (WIDE + LEFT + GAP)
        body += _chart(chart, x, TOP + number // COLUMNS * (HIGH + 64) + 22)
    return "\n".join([*body, "</svg>", ""])


def _chart(chart: Chart, x: float, y: float) -> list[str]:
    trend, points = chart.trend, chart.points
    colour = {True: BAD, False: GOOD, None: QUIET}[trend.growing]
    name = trend.name if trend.growing is None else f"{trend.name}: {trend.rise:+,.3g} {trend.unit}"
    lines = [
        _text(x, y - 8, name, fill=INK if trend.growing is False else colour, size=13),
        f'<rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" fill="#f8fafc" stroke="#e2e8f0"/>',
    ]
    if not points:
        return [*lines, _text(x + 8, y + 20, "nothing was measured", fill=QUIET)]
    end = max(at for at, _ in points) or 1.0
    low, top = 0.0, (max(value for _, value in points) or 1.0) * 1.08

    def place(at: float, value: float) -> str:
        return f"{x + at / end * WIDE:.1f},{y + HIGH - (value - low) / (top - low) * HIGH:.1f}"

    if trend.growing is not None:
        warm = trend.since / end * WIDE
        lines.append(f'<rect x="{x}" y="{y}" width="{warm:.1f}" height="{HIGH}" fill="#e2e8f0" opacity="0.6"/>')
    marks = " ".join(place(at, value) for at, value in points)
    lines.append(f'<polyline points="{marks}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    if trend.growing is not None:
        fit = f"{place(trend.since, trend.start)} {place(trend.until, trend.start + trend.rise)}"
        lines.append(f'<polyline points="{fit}" fill="none" stroke="{INK}" stroke-dasharray="5 4"/>')
    return [
        *lines,
        _text(x - 6, y + 10, f"{top:,.3g}", anchor="end", fill=QUIET),
        _text(x - 6, y + HIGH, f"0 {trend.unit}", anchor="end", fill=QUIET),
        _text(x, y + HIGH + 16, "0 s", fill=QUIET),
        _text(x + WIDE, y + HIGH + 16, f"{end:,.0f} s", anchor="end", fill=QUIET),
    ]


def _text(x: float, y: float, words: str, *, size: int = 12, fill: str = INK, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{fill}" text-anchor="{anchor}">{escape(words)}</text>'
