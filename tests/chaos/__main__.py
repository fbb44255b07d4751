"""`./dev chaos`: faults by the thousand, and one line that says what came of them.

--faults N      so many in one process, in virtual time (500 if nothing is said)
--processes N   so many with real worker processes
--replay SEED   one scenario again, by the seed that a trouble named
--broken NAME   with a part of the engine switched off: the line must not be clean then
"""

import argparse
import contextlib
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.own_database import DATABASES, django_on

from . import keeping, processes
from .sums import Sums


def main(argv: list[str]) -> int:
    options = _parser().parse_args(argv)
    _same_hashes()
    if options.processes:
        return finished(options, "processes", with_processes(options))
    with django_on(options.database):
        if options.replay is not None:
            return said(replayed(options))
        return finished(options, "one process", in_one_process(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faults", type=int, default=500)
    parser.add_argument("--processes", type=int, default=0)
    parser.add_argument("--seed", type=int, default=random.randrange(1000, 10_000))
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--resume", action="store_true", help="go on after the last scenario of this seed")
    parser.add_argument("--replay", type=int, metavar="SEED")
    parser.add_argument("--broken", metavar="NAME", default="")
    return parser


def _same_hashes() -> None:
    """A seed replays alike only where sets are walked alike."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.chaos", *sys.argv[1:]])


def in_one_process(options: argparse.Namespace) -> Sums:
    from . import oneprocess

    name = "-".join(filter(None, (options.database, str(options.seed), options.broken)))
    log = keeping.Log(name, resume=options.resume)
    wanted = options.faults - log.total.faults
    with broken(options.broken) as provoke:
        total = oneprocess.run(options.seed, wanted, skip=log.count, keep=log.keep, provoke=provoke)
    return log.with_earlier(total)


def with_processes(options: argparse.Namespace) -> Sums:
    log = keeping.Log(f"processes-{options.database}-{options.seed}", resume=options.resume)
    wanted = options.processes - log.total.faults

    def keep(number: int, sums: Sums, report: dict[str, Any]) -> None:
        log.keep(number, sums, report.get("seconds", 0))
        recoveries.append(report.get("recovery", {}))

    recoveries: list[dict[str, float]] = []
    total = processes.run(options.database, wanted, options.seed, done=log.count, keep=keep)
    tell_recovery(options.database, recoveries)
    return log.with_earlier(total)


def tell_recovery(database: str, recoveries: list[dict[str, float]]) -> None:
    """How long it took until work went on after the worst kill of this run, for `./dev bench all`."""
    killed = [(took, name) for worst in recoveries for name, took in worst.items() if name.startswith("kill ")]
    if killed:
        took, name = max(killed)
        held = "ok" if took <= GOES_ON_WITHIN else "MISSED"
        print(f"{database}: work went on within {took:g} s of the worst kill ({name}) {held}", flush=True)


def replayed(options: argparse.Namespace) -> Sums:
    from . import oneprocess

    with broken(options.broken) as provoke, oneprocess.Harness() as harness:
        return harness.scenario(options.replay, provoke())


@contextlib.contextmanager
def broken(name: str) -> Iterator[Any]:
    """The variant of that name, if one is named; what provokes it."""
    from .variants import VARIANTS

    with VARIANTS[name].broken() if name else contextlib.nullcontext():
        yield VARIANTS[name].provoke if name else list


def finished(options: argparse.Namespace, mode: str, total: Sums) -> int:
    seconds = time.monotonic() - STARTED
    if not options.broken:
        keeping.keep_sums(Path("docs/benchmarks"), total, database=options.database, mode=mode, seconds=seconds)
    return said(total, options.database)


def said(total: Sums, database: str = "") -> int:
    """The one line; before it what is behind each number."""
    for trouble in total.troubles:
        print(trouble, file=sys.stderr)
    if total.troubles and database:
        print(f"Again: ./dev chaos --database {database} --replay SEED", file=sys.stderr)
    if database:
        print(f"{database}: {total.faults:,} faults {'ok' if total.clean else 'MISSED'}")
    print(total.line(), flush=True)
    return 0 if total.clean else 1


GOES_ON_WITHIN = 60  # seconds, by docs/design.md
STARTED = time.monotonic()
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
