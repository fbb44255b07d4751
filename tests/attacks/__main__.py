"""`./dev attack`: attempts by the thousand to get a call sent without valid approval, and one line that says what came
of them. It ends with 1 where a row of an attempt is there that should not be, or where what was properly approved was
not sent.

--attempts N   so many (1,000 if nothing is said)
--seed S       the same ones again
"""

import argparse
import json
import logging
import platform
import random
import sys
import time
from datetime import UTC, datetime
from os import cpu_count
from pathlib import Path
from typing import TYPE_CHECKING

from tests.own_database import DATABASES, django_on

if TYPE_CHECKING:
    from .attempts import Sums

FOLDER = Path("docs/benchmarks")
WORTH_KEEPING = 10_000  # attempts; smaller runs are looks
SAY_EVERY = 500


def main(argv: list[str]) -> int:
    options = _parser().parse_args(argv)
    begun = time.monotonic()
    with django_on(options.database):
        sums = _made(options)
    for trouble in sums.troubles:
        print(trouble, file=sys.stderr)
    if sums.attempts >= WORTH_KEEPING:
        _keep(sums, options.database, time.monotonic() - begun)
    print(sums.line(), flush=True)
    return 0 if sums.clean else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev attack", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--attempts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(1000, 10_000))
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    return parser


def _made(options: argparse.Namespace) -> "Sums":
    from django.conf import settings

    from lsq_ops.sandbox.server import RunningSandbox
    from lsq_ops.sandbox.world import World

    from .attempts import run
    from .stage import Stage

    logging.disable(logging.CRITICAL)  # what the worker says of rows that it can't work on
    with RunningSandbox(World()) as running:
        settings.LSQ_HOST = running.url
        stage = Stage.build(running)
    begun = time.monotonic()

    def tell(sums: "Sums") -> None:
        if sums.attempts % SAY_EVERY == 0:
            speed = sums.attempts / (time.monotonic() - begun)
            print(f"{sums.attempts} attempts, {speed:.0f} a second, {sums.attempt_rows} rows", file=sys.stderr)

    return run(stage, options.attempts, options.seed, tell)


def _keep(sums: "Sums", database: str, seconds: float) -> None:
    now = datetime.now(UTC)
    path = FOLDER / f"attacks-{now:%Y-%m-%d}.json"
    runs = json.loads(path.read_text()) if path.exists() else []
    machine = f"{platform.machine()}, {cpu_count()} cores, Python {platform.python_version()}"
    about = {"at": now.isoformat(timespec="seconds"), "machine": machine, "database": database}
    runs.append({**about, "seconds": round(seconds), "line": sums.line(), "sums": sums.stored()})
    path.write_text(json.dumps(runs, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
