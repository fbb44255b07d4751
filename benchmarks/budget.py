"""`./dev bench budget [--quick] [--database NAME] [--seconds N]`: is the account's rate used fully, and never overrun?

Each run has its own sandbox with a limit of 25 calls in 5 seconds (fixed or sliding window) and answers after 20 or
300 ms. 1 to 8 processes call as fast as the budget lets them (`LSQ_RESERVE=0`). The figure is a ratio: calls per
second over what the ring can reach, min(25 / (5 + mean latency), processes / mean latency).

Beside ours, at 300 ms and a sliding window, what people write instead: a plain loop, one with `sleep(0.2)`, and one
whose client backs off after a refusal. A script is one process, and that is what the figures of docs/design.md
compare two processes of ours with; two scripts at once, which know nothing of each other, are shown too.

The full table takes about 20 minutes and is kept under docs/benchmarks/; `--quick` is for a look and keeps nothing.
Exits with 1 where a figure is missed.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from benchmarks.parts import deployment
from benchmarks.parts.deployment import verdict
from lsq_ops.sandbox.server import RunningSandbox
from lsq_ops.sandbox.world import World

CALLS, WINDOW = 25, 5.0
WARM_UP = WINDOW + 1  # seconds until the first slots come round again
RING, TIMES = 0.95, {"plain": 1.3, "sleep": 2.1}  # at least, by docs/design.md


@dataclass(frozen=True)
class Run:
    database: str
    way: str
    window: str
    latency_ms: int
    processes: int


@dataclass(frozen=True)
class Figure(Run):
    calls_per_second: float
    ratio: float
    calls: int
    rate_answers: int

    def line(self) -> str:
        plural = "  " if self.processes == 1 else "es"
        return (
            f"{self.database:10} {self.way:7} {self.window:7} {self.latency_ms:3} ms  {self.processes} process{plural}"
            f"  {self.calls_per_second:6.3f} calls/s  ratio {self.ratio:5.3f}"
            f"  {self.rate_answers} of {self.calls} refused"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="counted in each run (22; with --quick 12)")
    parser.add_argument("--quick", action="store_true", help="two processes at 300 ms, a sliding window")
    parser.add_argument("--database", choices=deployment.DATABASES, action="append")
    options = parser.parse_args()
    seconds = options.seconds or (12.0 if options.quick else 22.0)
    figures, world = [], World()
    for name in options.database or deployment.DATABASES:
        settings = {"LSQ_RESERVE": "0", "LSQ_RATE_LIMIT": f"{CALLS}/{WINDOW:g}"}
        with deployment.database(name, **settings) as environment:
            for run in runs(name, options.quick):
                figures.append(measure(run, environment, world, seconds))
                print(figures[-1].line(), flush=True)
    lines = list(summary(figures))
    print("\n".join(lines))
    if not options.quick:
        deployment.keep("budget", map(asdict, figures), lines)
    sys.exit(any("MISSED" in line for line in lines))


def runs(database: str, quick: bool) -> Iterator[Run]:
    for window in ("sliding",) if quick else ("fixed", "sliding"):
        for latency in (300,) if quick else (20, 300):
            for processes in (2,) if quick else (1, 2, 4, 8):
                yield Run(database, "ring", window, latency, processes)
    for way in ("plain", "sleep", "backoff"):
        for processes in (1, 2) if not quick else (2,) if way == "backoff" else (1,):
            yield Run(database, way, "sliding", 300, processes)


def measure(run: Run, environment: dict[str, str], world: World, seconds: float) -> Figure:
    """One run: `seconds` are counted after the warm-up."""
    limit = f"{CALLS}/{WINDOW:g}"
    with RunningSandbox(World(like=world), rate_limit=limit, rate_window=run.window, latency=run.latency_ms) as sandbox:
        command = ["-m", "benchmarks.parts.caller", run.way, sandbox.url]
        callers = [deployment.start(environment, *command) for _ in range(run.processes)]
        for caller in callers:
            deployment.hear(caller)
        begin = time.time() + 0.2
        for caller in callers:
            deployment.tell(caller, begin, begin + WARM_UP + seconds)
        said = [deployment.hear(caller) for caller in callers]
        for caller in callers:
            caller.communicate()
        time.sleep(run.latency_ms / 1000 + 0.1)  # until the calls that were cut short are answered too
        arrived, refused = sandbox.stats["calls"], sandbox.stats["rate_limited"]
    calls = pace([end for ends, *_ in said for end in ends], begin + WARM_UP, seconds)
    mean = sum(spent for *_, spent in said) / max(1, sum(made for _, made, _ in said))
    if run.way == "backoff":
        mean = run.latency_ms / 1000  # its waits are inside its calls
    reach = min(CALLS / (WINDOW + mean), run.processes / mean)
    return Figure(
        **asdict(run),
        calls_per_second=round(calls, 3),
        ratio=round(calls / reach, 3),
        calls=arrived,
        rate_answers=refused,
    )


def pace(ends: list[float], since: float, seconds: float) -> float:
    """Calls per second in the `seconds` after `since`. They come in bursts of 25, so that whole bursts are counted:
    else the figure would depend on where in a burst the clock begins and ends."""
    late = sorted(end for end in ends if since <= end <= since + seconds)
    bursts = (len(late) - 1) // CALLS
    return bursts * CALLS / (late[bursts * CALLS] - late[0]) if bursts > 0 else len(late) / seconds


def summary(figures: list[Figure]) -> Iterator[str]:
    for name in dict.fromkeys(figure.database for figure in figures):
        ring = [f for f in figures if f.database == name and f.way == "ring"]
        worst, refused = min(ring, key=lambda f: f.ratio), sum(f.rate_answers for f in ring)
        said = f"{name}: ring, worst ratio {worst.ratio:.3f} ({worst.window}, {worst.latency_ms} ms, {worst.processes})"
        yield f"{said}, at least {RING} {verdict(worst.ratio >= RING)}"
        yield f"{name}: ring, rate answers {refused}, none allowed {verdict(not refused)}"
        beside = next(f for f in ring if (f.window, f.latency_ms, f.processes) == ("sliding", 300, 2))
        yield from (compared(beside, f) for f in figures if f.database == name and f.way != "ring")


def compared(ours: Figure, other: Figure) -> str:
    times = ours.calls_per_second / max(0.001, other.calls_per_second)
    least = TIMES.get(other.way) if other.processes == 1 else None
    loops = f"a {other.way} loop" if other.processes == 1 else f"two {other.way} loops"
    said = f"{ours.database}: {times:.2f} times {loops} ({other.rate_answers} of {other.calls} calls refused)"
    return f"{said}, at least {least} {verdict(times >= least)}" if least else said


if __name__ == "__main__":
    main()
