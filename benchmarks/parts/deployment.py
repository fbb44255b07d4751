"""What every benchmark needs: an empty portal on either database, processes that end with it, and the kept table."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from lsq_ops import reaper
from lsq_ops.supervisor import Child
from tests import servers

ROOT = Path(__file__).resolve().parent.parent.parent
KEPT = ROOT / "docs" / "benchmarks"
DATABASES = ("sqlite", "postgresql")


@contextmanager
def database(name: str, **settings: str) -> Iterator[dict[str, str]]:
    """A migrated database of this engine with an account; the environment that points at it."""
    with tempfile.TemporaryDirectory(prefix="lsq-ops-bench-") as folder, address(name, Path(folder)) as url:
        environment = environment_of(url, folder, **settings)
        for command in ("migrate", "setup_roles"):
            run(environment, "manage.py", command)
        yield environment


def environment_of(url: str, folder: str, **settings: str) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "ENV_FILE": os.devnull,
        "DATA_DIR": folder,
        "SECRET_KEY": "bench",
        "AUDIT_KEY": "bench",
        "EMAIL_URL": "dummymail://",
        **settings,
        "DATABASE_URL": url,
    }


@contextmanager
def address(name: str, folder: Path, kept: Path | None = None) -> Iterator[str]:
    """A database's URL; of one whose data are in `kept`, or are put there at the end."""
    if name == "sqlite":
        file = folder / "bench.sqlite3"
        if kept and kept.exists():
            shutil.copyfile(kept, file)
        yield f"sqlite:///{file}"
        if kept and not kept.exists():
            half = kept.with_name(kept.name + ".half")
            shutil.copyfile(file, half)
            half.rename(kept)
    else:
        # As PostgreSQL ships: the tests' server doesn't wait for the disk, and a figure without that is no figure.
        with mock.patch.object(servers, "FAST", ["max_connections=200"]), servers.postgres(kept) as url:
            yield url


def run(environment: dict[str, str], *arguments: str) -> str:
    """What a Python process says that runs to its end; CalledProcessError where it fails."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def start(environment: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
    """A Python process that is spoken with line by line."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def tell(process: "subprocess.Popen[str]", *words: object) -> None:
    """One line of JSON."""
    assert process.stdin
    process.stdin.write(json.dumps(words) + "\n")
    process.stdin.flush()


def hear(process: "subprocess.Popen[str]") -> Any:
    """The next line, read as JSON; RuntimeError where the process has ended without one."""
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended with {process.wait()} and said nothing.")
    return json.loads(line)


@contextmanager
def background(name: str, environment: dict[str, str], *arguments: str) -> Iterator[Child]:
    """A Python process and its group, until the block ends or this process does; its log is in DATA_DIR."""
    log = Path(environment["DATA_DIR"]) / f"{name}.log"
    child = Child(name, [sys.executable, *arguments], log, environment, ROOT)
    undertaker = reaper.start()
    assert undertaker.stdin
    child.start()
    assert child.process
    undertaker.stdin.write(f"+{child.process.pid}\n")
    undertaker.stdin.flush()
    try:
        yield child
        if not child.alive():
            raise RuntimeError(f"{name} ended too early: " + "\n".join(child.news()[-15:]))
    finally:
        child.ask_to_end()
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(10)
        child.kill()
        undertaker.stdin.close()
        undertaker.wait()


def verdict(held: bool) -> str:
    return "ok" if held else "MISSED"


def keep(benchmark: str, figures: Iterable[dict[str, Any]], summary: list[str]) -> None:
    """Today's table of the benchmark. A run on one database leaves the other's figures of the day as they are."""
    when = datetime.now(UTC)
    path = KEPT / f"{benchmark}-{when:%Y-%m-%d}.json"
    rows = list(figures)
    measured = {row["database"] for row in rows}
    old = json.loads(path.read_text()) if path.exists() else {"figures": [], "summary": []}
    kept = {
        "benchmark": benchmark,
        "at": when.isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load": [round(load, 2) for load in os.getloadavg()],
        "summary": [said for said in old.get("summary", []) if said.split(":")[0] not in measured] + summary,
        "figures": [row for row in old["figures"] if row["database"] not in measured] + rows,
    }
    KEPT.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1) + "\n")
