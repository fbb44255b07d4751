"""`./dev soak`: hours of mixed work on what `./dev up` starts, with four workers; does anything grow?

Web server, workers, watchdog and the sandbox run as `manage.py up` starts them, at a raised rate limit. People make,
approve and look after requests of every kind, upload files, have leads and owners read anew and ask questions; mails
leave over SMTP. Every ten seconds is measured: memory and open files of each process, how long pages and calls take,
how old the queue is, how many rows each table has. What rises after the warm-up, and not by chance, is growing.

--calls N       the work of so many calls to LeadSquared (100,000)
--seconds N     but not longer than so
--every N       seconds between two samples (10)
--database NAME sqlite or postgresql (with Redis)
--into FOLDER   where picture and figures are kept (docs/benchmarks)

Ctrl-C ends it, and what was measured so far is judged and kept. Exits with 1 where something grows or went wrong.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.parts import deployment
from lsq_ops.supervisor import ends_by_signal
from tests import servers

from . import picture
from .post import Sink
from .verdict import Judged, judge, sentence

if TYPE_CHECKING:
    from .gauges import Sample

ROOT = Path(__file__).resolve().parent.parent.parent
WORKERS = 4
READY_WITHIN = 180
LATENCY = "20-80"  # milliseconds of each call


def main(argv: list[str]) -> int:
    options = _parser().parse_args(argv)
    ends_by_signal()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lsq-ops-soak-", dir="/tmp")))
        mail = stack.enter_context(Sink())
        environment = stack.enter_context(_environment(options, folder, mail.url))
        up = stack.enter_context(deployment.background("up", environment, "manage.py", "up"))
        base = _wait_until_ready(folder, up)
        os.environ.clear()
        os.environ.update(environment)
        import django

        django.setup()
        soak = Soak(options, up.process.pid, base, folder, mail)  # type: ignore[union-attr]
        soak.run()
        soak.troubles += _log_troubles(folder)
    return soak.finish()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--every", type=float, default=10.0)
    parser.add_argument("--database", choices=deployment.DATABASES, default="sqlite")
    parser.add_argument("--rate", default="500/5", help="the rate limit: calls/seconds")
    parser.add_argument("--open", type=int, default=24, help="requests that are open at once")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--into", type=Path, default=deployment.KEPT)
    return parser


@contextlib.contextmanager
def _environment(options: argparse.Namespace, folder: Path, mail: str) -> Iterator[dict[str, str]]:
    """Nothing of the developer's own settings; a sandbox deployment in a folder of its own."""
    names = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M)
    for name in (*names, *(f"{name}_FILE" for name in names), "LSQ_OPS_TESTS", "TEST_DATABASE_URL", "TEST_REDIS_URL"):
        os.environ.pop(name, None)
    settings = {"EMAIL_URL": mail, "Q_WORKERS": str(WORKERS), "LSQ_RATE_LIMIT": options.rate}
    settings["PORT"] = str(servers.free_port())
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(deployment.address(options.database, folder))
        if options.database == "postgresql":
            settings["REDIS_URL"] = f"{stack.enter_context(servers.redis())}/0"
        yield deployment.environment_of(url, str(folder), **settings)


def _wait_until_ready(folder: Path, up: Any) -> str:
    """The portal's address."""
    until = time.monotonic() + READY_WITHIN
    while "Ctrl-C ends it." not in "\n".join(told := _said(folder)):
        if not up.alive() or time.monotonic() > until:
            raise RuntimeError("The portal did not start: " + "\n".join(told[-15:]))
        time.sleep(0.2)
    return (folder / "portal.url").read_text().strip()


def _said(folder: Path) -> list[str]:
    log = folder / "up.log"
    return log.read_text(errors="replace").splitlines() if log.exists() else []


def _log_troubles(folder: Path) -> list[str]:
    """What the portal itself calls an error."""
    lines = (
        line for path in sorted(folder.glob("log/*.log*")) for line in path.read_text(errors="replace").splitlines()
    )
    return [line[:300] for line in lines if re.search(r"\b(ERROR|CRITICAL)\b", line)]


class Soak:
    def __init__(self, options: argparse.Namespace, up: int, base: str, folder: Path, mail: Sink) -> None:
        from django.conf import settings

        from .crew import Crew, Sandbox
        from .gauges import Gauges

        self.options, self.folder, self.mail = options, folder, mail
        self.samples: list[Sample] = []
        self.troubles: list[str] = []
        self.over = threading.Event()
        sandbox = Sandbox(settings.LSQ_HOST)
        for name, value in {"rate_limit": options.rate, "latency": LATENCY}.items():
            sandbox.ask("faults", name=name, value=value)
        self.crew = Crew(sandbox, options.seed, want=options.open)
        self.gauges = Gauges(up, base, folder)
        self.begun = time.monotonic()

    def run(self) -> None:
        """Until there were enough calls, or the time is over, or somebody presses Ctrl-C."""
        try:
            self.crew.bring_in()
            self.crew.wait_until_read(READY_WITHIN)
            self.begun = self.gauges.begun = time.monotonic()  # a mirror that fills is no work that goes on for hours
            self.crew.start()
            while not self.samples or not self._enough(self.samples[-1]):
                due = time.monotonic() + self.options.every
                self._sample()
                time.sleep(max(0.0, min(due, self.begun + self.options.seconds) - time.monotonic()))
        except KeyboardInterrupt:
            print("Ended by hand; what was measured so far is judged.", flush=True)
        finally:
            self.crew.stop()
            self.troubles += [f"{count} times {what}" for what, count in self.crew.met.items() if "ERROR" in what]

    def _enough(self, sample: "Sample") -> bool:
        return sample.calls >= self.options.calls or time.monotonic() - self.begun >= self.options.seconds

    def _sample(self) -> None:
        from django.db import DatabaseError

        try:
            sample = self.gauges.sample()
        except (DatabaseError, OSError) as trouble:
            self.troubles.append(f"a sample failed: {type(trouble).__name__}: {str(trouble)[:100]}")
            if len(self.troubles) > 20:
                raise
            return
        self.samples.append(sample)
        memory, rows = sum(one.rss_mb for one in sample.processes), sum(sample.tables.values())
        print(
            f"{sample.at:6.0f} s  {sample.calls:7,} calls  {sample.open_requests:3} open  {memory:6.0f} MB  pages"
            f" {max(sample.pages_ms.values()):5.0f} ms  queue {sample.queue_age:4.0f} s  {rows:9,} rows",
            flush=True,
        )

    # --- The end ------------------------------------------------------------------------------------------

    def finish(self) -> int:
        judged = judge(self.samples)
        calls, seconds = (self.samples[-1].calls, self.samples[-1].at) if self.samples else (0, 0.0)
        said, good = sentence(judged, calls, seconds, self.troubles)
        for one in judged:
            print(one.trend.line())
        for trouble in self.troubles[:10]:
            print(trouble)
        self._keep(judged, said)
        print(f"{self.options.database}: {said}", flush=True)
        return 0 if good else 1

    def _keep(self, judged: Sequence[Judged], said: str) -> None:
        now = datetime.now(UTC)
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        title = f"{now:%d %b %Y}, {self.options.database}, {WORKERS} workers; {machine}"
        name = "soak" if self.options.database == "sqlite" else f"soak-{self.options.database}"
        self.options.into.mkdir(parents=True, exist_ok=True)
        path = self.options.into / f"{name}-{now:%Y-%m-%d}"
        charts = [picture.Chart(one.points, one.trend) for one in judged]
        path.with_suffix(".svg").write_text(picture.draw(f"Soak of {title}", said, charts), encoding="utf-8")
        about = {
            "benchmark": "soak",
            "at": now.isoformat(timespec="seconds"),
            "machine": machine,
            "load": [round(load, 2) for load in os.getloadavg()],
            "database": self.options.database,
            "options": {n: str(v) for n, v in vars(self.options).items() if n != "into"},
            "summary": [f"{self.options.database}: {said}"],
            "work": {**self.crew.done, "mails": self.mail.taken, "met": dict(self.crew.met)},
            "trends": [one.trend.line() for one in judged],
            "troubles": self.troubles[:50],
        }
        rows = ",\n".join(json.dumps(sample.as_json()) for sample in self.samples)
        path.with_suffix(".json").write_text(f'{json.dumps(about, indent=1)[:-2]},\n "samples": [\n{rows}\n]}}\n')


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
