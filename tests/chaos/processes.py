"""Faults among real processes: batches of them, each with a deployment of its own (`process_batch`).

`run` prepares the database servers and an empty migrated database, and starts one process for each batch; how fast a
batch lives, its rate limit and the number of its clusters are drawn from the seed.
"""

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import servers

from .sums import Sums

ROOT = Path(__file__).resolve().parent.parent.parent
KEPT = ROOT / ".bench"
BATCH = 100  # faults
Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Store:
    """An empty migrated database, and how a batch gets a copy of it."""

    url: str
    redis: str = ""

    def copy(self, folder: Path, name: str) -> str:
        if self.url.startswith("sqlite"):
            shutil.copy(self.url.removeprefix("sqlite:///"), folder / "portal.sqlite3")
            return f"sqlite:///{folder}/portal.sqlite3"
        with self._server() as server:
            server.execute(f'CREATE DATABASE "{name}" TEMPLATE chaos'.encode())
        return f"{self.url.rpartition('/')[0]}/{name}"

    def drop(self, name: str) -> None:
        if not self.url.startswith("sqlite"):
            with self._server() as server:
                server.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())

    def _server(self) -> Any:
        import psycopg

        return psycopg.connect(f"{self.url.rpartition('/')[0]}/postgres", autocommit=True)


def run(
    database: str,
    faults: int,
    seed: int,
    *,
    batch: int = BATCH,
    done: int = 0,
    seconds: float = 300,
    only: tuple[str, ...] = (),
    want: int = 0,
    keep: Callable[[int, Sums, Report], None] = lambda number, sums, report: None,
) -> Sums:
    """So many faults. `done` batches are left out (they were kept by an earlier run); `keep` gets each new one;
    `seconds` is the longest that a batch makes faults; `only`: these faults (names of methods) and no others."""
    total, number = Sums(seed), done
    with temporary_folder() as name, store(database, Path(name)) as source:
        own = {"seconds": seconds, "only": only} | ({"want": want} if want else {})
        while total.faults < faults and number * batch <= faults + done * batch:
            wanted = min(batch, faults - total.faults)
            sums, report = one_batch(source, Path(name), drawn(seed, number, wanted) | own)
            keep(number, sums, report)
            total.add(sums)
            number += 1
    return total


def temporary_folder() -> Any:
    return tempfile.TemporaryDirectory(prefix="lsq-ops-chaos-", dir="/tmp", ignore_cleanup_errors=True)


@contextlib.contextmanager
def store(database: str, folder: Path) -> Iterator[Store]:
    if database == "sqlite":
        source = Store(f"sqlite:///{folder}/empty.sqlite3")
        migrate(source.url, folder)
        yield source
        return
    with servers.postgres(place=servers.quick_folder()) as server, servers.redis() as redis:
        source = Store(f"{server.rpartition('/')[0]}/chaos", redis)
        with source._server() as admin:
            admin.execute(b"CREATE DATABASE chaos")
        migrate(source.url, folder)
        yield source


def migrate(url: str, folder: Path) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    subprocess.run(command, cwd=ROOT, env=environment(folder, url), check=True)


def drawn(seed: int, number: int, faults: int) -> dict[str, Any]:
    """What kind of deployment the batch has."""
    rng = random.Random(f"{seed}-{number}")
    shipped = number % 5 == 4  # every fifth batch lives as sandbox mode ships it, at LeadSquared's own rate limit
    return {
        "seed": seed,
        "batch_seed": f"{seed}-{number}",
        "world": rng.randrange(10**6),
        "faults": faults,
        "pace": "sandbox" if shipped else "brisk",
        "rate": "25/5" if shipped else rng.choice(("20/2", "30/2", "25/5")),
        "want": 14 if shipped else 30,
        "pause": (0.5, 2.0) if shipped else (0.2, 0.8),
        "clusters": rng.choice((1, 1, 2)),
        "public": rng.random() < 0.85,
    }


def one_batch(source: Store, folder: Path, plan: dict[str, Any]) -> tuple[Sums, Report]:
    """In a process of its own; its folder is kept where something was wrong."""
    name = f"batch-{plan['batch_seed']}"
    own = folder / name
    own.mkdir()
    url = source.copy(own, name)
    try:
        result = batch_process(own, url, source.redis, plan)
    finally:
        source.drop(name)
    sums = Sums.restored(result["sums"])
    if not sums.clean:
        keep_folder(own, plan)
    shutil.rmtree(own, ignore_errors=True)
    return sums, result


def batch_process(own: Path, url: str, redis: str, plan: dict[str, Any]) -> Report:
    port = servers.free_port()
    values = {
        "CHAOS_PLAN": json.dumps({**plan, "folder": str(own)}),
        "LSQ_RATE_LIMIT": plan["rate"],
        "PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}" if plan["public"] else "",
        "REDIS_URL": f"{redis}/0" if redis else "",
    }
    command = [sys.executable, "-m", "tests.chaos.process_batch"]
    with open(own / "batch.log", "wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(own, url) | values,
                                   stdout=subprocess.PIPE, stderr=log)  # fmt: skip
    try:
        output, _ = process.communicate()
    except BaseException:
        process.kill()
        process.wait()
        raise
    lines = output.decode().splitlines()
    if process.returncode or not lines:
        raise RuntimeError(f"Batch {plan['batch_seed']} broke:\n{(own / 'batch.log').read_text()[-4000:]}")
    found: Report = json.loads(lines[-1])
    return found


def environment(folder: Path, url: str) -> dict[str, str]:
    """The settings of the tests, and nothing of the developer's own."""
    left_out = ("TEST_DATABASE_URL", "TEST_REDIS_URL", "LSQ_HOST", "LSQ_ACCESS_KEY", "LSQ_SECRET_KEY", "REDIS_URL")
    return {name: value for name, value in os.environ.items() if name not in left_out} | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "LSQ_OPS_TESTS": "1",
        "ENV_FILE": os.devnull,
        "DATA_DIR": str(folder),
        "SECRET_KEY": "secret-of-the-tests",
        "AUDIT_KEY": "audit-key-of-the-tests",
        "DATABASE_URL": url,
        "LSQ_HOST": "http://127.0.0.1:9",
    }


def keep_folder(own: Path, plan: dict[str, Any]) -> None:
    KEPT.mkdir(exist_ok=True)
    shutil.copytree(own, KEPT / f"chaos-processes-{plan['batch_seed']}", dirs_exist_ok=True)
