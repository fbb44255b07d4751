"""`./dev bench budget [--seconds N] [--quick]`: is the account's rate used fully, and never overrun?

Each run has its own sandbox with a limit of 25 calls in 5 seconds (fixed or sliding window) and answers after 20 or
300 ms. 1 to 8 processes call as fast as the budget lets them, on SQLite and on PostgreSQL. The figure is a ratio: calls
per second over what the ring can reach, min(25 / (5 + mean latency), processes / mean latency). A plain loop and one
with `sleep(0.2)` run beside it at 300 ms. The figures of one run are printed and kept under docs/benchmarks/.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lsq_ops.sandbox.server import RunningSandbox
from tests import servers

ROOT = Path(__file__).resolve().parent.parent
CALLS, WINDOW = 25, 5.0

CALLER = """
import json, sys, time
import django; django.setup()
from django.conf import settings
from lsq_ops.leadsquared.errors import LeadSquaredError
from lsq_ops.services import accounts
url, start, counted, end, way = sys.argv[1], *map(float, sys.argv[2:5]), sys.argv[5]
settings.LSQ_HOST = url
account = accounts.current_account()
client = accounts.client(account)
if way != "ring":
    from lsq_ops.leadsquared.client import OpenGate
    client._gate = OpenGate()
time.sleep(max(0, start - time.time()))
good, calls, seconds = 0, 0, 0.0
while time.time() < end:
    begun = time.time()
    try:
        if way == "ring":
            ticket = client._gate.enter()
            begun, answer = time.time(), None
            try:
                answer = client._transport.send("bench", "GET", "Authentication.svc/UserByAccessKey.Get")
            finally:
                client._gate.leave(ticket, answer)
            ok = answer.outcome == "accepted"
            seconds, calls = seconds + answer.seconds, calls + 1
        else:
            client.connection_test()
            ok, seconds, calls = True, seconds + time.time() - begun, calls + 1
    except LeadSquaredError:
        ok = False
        if way == "plain":
            time.sleep(5)  # what a script does after a 429: it waits the window
    good += ok and counted <= time.time() <= end
    if way == "sleep":
        time.sleep(0.2)
print(json.dumps([good, calls, seconds]))
"""


@dataclass(frozen=True)
class Figure:
    database: str
    way: str
    window: str
    latency_ms: int
    processes: int
    calls_per_second: float
    ratio: float
    rate_answers: int

    def line(self) -> str:
        return (
            f"{self.database:10} {self.way:6} {self.window:8} {self.latency_ms:4} ms  {self.processes} processes"
            f"  {self.calls_per_second:6.3f} calls/s  ratio {self.ratio:5.3f}  rate answers {self.rate_answers}"
        )


@contextmanager
def database(name: str) -> Iterator[dict[str, str]]:
    """A migrated database of this engine with an account; the environment that points at it."""
    with tempfile.TemporaryDirectory(prefix="lsq-ops-bench-") as folder:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "ENV_FILE": os.devnull,
            "DATA_DIR": folder,
            "SECRET_KEY": "bench",
            "AUDIT_KEY": "bench",
            "LSQ_RESERVE": "0",
            "LSQ_RATE_LIMIT": f"{CALLS}/{WINDOW:g}",
        }
        if name == "sqlite":
            yield prepared(environment | {"DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3"})
        else:
            with servers.postgres() as url:
                yield prepared(environment | {"DATABASE_URL": url})


def prepared(environment: dict[str, str]) -> dict[str, str]:
    for command in ("migrate", "setup_roles"):
        subprocess.run(
            [sys.executable, "manage.py", command], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
        )
    return environment


def measure(
    environment: dict[str, str], name: str, way: str, window: str, latency: int, processes: int, seconds: float
) -> Figure:
    """One run of `processes` callers."""
    sandbox = RunningSandbox(rate_limit=f"{CALLS}/{WINDOW:g}", rate_window=window, latency=latency)
    with sandbox:
        # Slots of an earlier run are free again at the start; what is counted begins two windows later.
        start = time.time() + 2.5 + WINDOW
        counted = start + 2 * WINDOW
        arguments = [sandbox.url, str(start), str(counted), str(counted + seconds), way]
        callers = [
            subprocess.Popen(
                [sys.executable, "-c", CALLER, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE
            )
            for _ in range(processes)
        ]
        said = [json.loads(caller.communicate(timeout=seconds + 150)[0]) for caller in callers]
        limited = sandbox.stats["rate_limited"]
    mean = sum(spent for *_, spent in said) / max(1, sum(calls for _, calls, _ in said))
    pace = sum(good for good, *_ in said) / seconds
    reach = min(CALLS / (WINDOW + mean), processes / mean)
    return Figure(name, way, window, latency, processes, round(pace, 3), round(pace / reach, 3), limited)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--quick", action="store_true", help="two processes, one window")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    options = parser.parse_args()
    figures: list[Figure] = []
    for name in options.database or ["sqlite", "postgresql"]:
        with database(name) as environment:
            for figure in runs(environment, name, options.seconds, options.quick):
                figures.append(figure)
                print(figure.line(), flush=True)
    for line in summary(figures):
        print(line)
    keep(figures)


def runs(environment: dict[str, str], name: str, seconds: float, quick: bool) -> Iterator[Figure]:
    for window in ("sliding",) if quick else ("fixed", "sliding"):
        for latency in (300,) if quick else (20, 300):
            for processes in (2,) if quick else (1, 2, 8):
                yield measure(environment, name, "ring", window, latency, processes, seconds)
    for way in ("plain", "sleep"):
        yield measure(environment, name, way, "sliding", 300, 2, seconds)


def summary(figures: list[Figure]) -> Iterator[str]:
    for name in dict.fromkeys(figure.database for figure in figures):
        ring = [f for f in figures if f.database == name and f.way == "ring"]
        beside = [f for f in ring if f.latency_ms == 300 and f.processes == 2 and f.window == "sliding"]
        worst, refused = min(f.ratio for f in ring), sum(f.rate_answers for f in ring)
        yield f"{name}: ring, worst ratio {worst}, rate answers {refused}"
        for way in ("plain", "sleep"):
            other = next(f for f in figures if f.database == name and f.way == way)
            times = beside[0].calls_per_second / max(0.001, other.calls_per_second)
            yield f"{name}: {times:.2f} times a {way} loop (which met {other.rate_answers} rate answers)"


def keep(figures: list[Figure]) -> None:
    when = datetime.now(UTC)
    kept = {
        "benchmark": "budget",
        "at": when.isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "figures": [figure.__dict__ for figure in figures],
    }
    folder = ROOT / "docs" / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"budget-{when:%Y-%m-%d}.json").write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
