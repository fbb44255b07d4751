"""`python -m tests.sabotages [NAME …]`: make each mistake of mistakes.py in a copy of the code, run the tests that
should notice it, and say which did. A name may be the beginning of several.

Exits with 1 where fewer than 95 % turned a test red, and with 2 where a mistake can't be made any more: its text does
not stand in its file exactly once, or its tests are not green without it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from queue import SimpleQueue

from tests import servers

from .mistakes import MISTAKES, Mistake

ROOT = Path(__file__).resolve().parents[2]
ENOUGH = 0.95
AT_A_TIME = 2
SECONDS = 300  # that the tests of one mistake may take; one that makes them hang is noticed too
GREEN, RED = 0, 1  # what pytest exits with


@dataclass(frozen=True, slots=True)
class Result:
    mistake: Mistake
    verdict: str  # "red", "green", or why it could not be tried
    seconds: float

    def __str__(self) -> str:
        return f"{self.verdict:<6} {self.seconds:5.1f} s  {self.mistake.name:<40} {self.mistake.path}"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sabotages", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these, or those that begin so")
    names = parser.parse_args(argv).names
    chosen = [mistake for mistake in MISTAKES if not names or mistake.name.startswith(tuple(names))]
    if not chosen:
        parser.error("no sabotage has such a name")
    started, results = time.monotonic(), []
    with laboratories(chosen) as free:
        if trouble := not_green_without(chosen, free):
            print(f"{trouble}\nThese tests are not green without any sabotage.")
            return 2
        for result in try_all(chosen, free):
            print(result, flush=True)
            results.append(result)
    return sum_up(results, time.monotonic() - started)


def sum_up(results: list[Result], seconds: float) -> int:
    red = sum(1 for result in results if result.verdict == "red")
    print(f"{red} of {len(results)} turned a test red, in {seconds:.0f} s.")
    if any(result.verdict not in ("red", "green") for result in results):
        return 2
    return 0 if red >= ENOUGH * len(results) else 1


# --- Copies of the code ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Laboratory:
    """A copy of the code that may be spoilt, and the databases to run its tests on."""

    folder: Path
    postgres: str


Free = SimpleQueue[Laboratory]


@contextmanager
def laboratories(chosen: Iterable[Mistake]) -> Iterator[Free]:
    """As many as are used at a time; with a PostgreSQL each where one of the mistakes shows only there."""
    free: Free = SimpleQueue()
    with ExitStack() as stack:
        for _ in range(AT_A_TIME):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lsq-ops-sabotages-")))
            copy_code(folder / "code")
            url = stack.enter_context(servers.postgres()) if any(m.postgres for m in chosen) else ""
            free.put(Laboratory(folder, url))
        yield free


def copy_code(folder: Path) -> None:
    """What git knows, or would take in, as it is now."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).split("\0"):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


# --- Running tests -----------------------------------------------------------------------------------------


def not_green_without(chosen: list[Mistake], free: Free) -> str:
    """What pytest says where the tests are not green even before anybody has spoilt anything; empty where they are."""
    shares: list[tuple[list[str], bool]] = []
    for on_postgres in (False, True):
        tests = sorted({test for mistake in chosen if mistake.postgres == on_postgres for test in mistake.tests})
        shares += [(tests[number::AT_A_TIME], on_postgres) for number in range(AT_A_TIME)]

    def trouble(share: tuple[list[str], bool]) -> str:
        tests, on_postgres = share
        with borrowed(free) as laboratory:
            code, output = run(laboratory, tests, on_postgres, SECONDS * 10) if tests else (GREEN, "")
        return "" if code == GREEN else output

    with ThreadPoolExecutor(AT_A_TIME) as workers:
        return next(filter(None, workers.map(trouble, shares)), "")


def try_all(chosen: list[Mistake], free: Free) -> Iterator[Result]:
    def one(mistake: Mistake) -> Result:
        started = time.monotonic()
        with borrowed(free) as laboratory:
            verdict = try_one(mistake, laboratory)
        return Result(mistake, verdict, time.monotonic() - started)

    with ThreadPoolExecutor(AT_A_TIME) as workers:
        yield from workers.map(one, chosen)


def try_one(mistake: Mistake, laboratory: Laboratory) -> str:
    """Spoil a copy, run the tests, mend the copy; the verdict."""
    path = laboratory.folder / "code" / mistake.path
    text = path.read_text(encoding="utf-8")
    if why := mistake.stale(text):
        return why
    try:
        write(path, text.replace(mistake.old, mistake.new))
        code, output = run(laboratory, mistake.tests, mistake.postgres, SECONDS)
    finally:
        write(path, text)
    if code == GREEN:
        return "green"
    # One that keeps the tests from beginning at all is no mistake that anybody would commit.
    return "red" if code == RED and " failed" in output[-200:] else f"broken ({code}): {output[-2000:]}"


def write(path: Path, text: str) -> None:
    """Without what Python had compiled: two texts of one length in one second look the same to it."""
    path.write_text(text, encoding="utf-8")
    Path(cache_from_source(str(path))).unlink(missing_ok=True)


@contextmanager
def borrowed(free: Free) -> Iterator[Laboratory]:
    laboratory = free.get()
    try:
        yield laboratory
    finally:
        free.put(laboratory)


def run(laboratory: Laboratory, tests: Iterable[str], on_postgres: bool, seconds: float) -> tuple[int, str]:
    """(pytest's exit code, what it printed); tests that hang count as red."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TEST_", "LSQ_OPS_"))}
    if on_postgres:
        environment["TEST_DATABASE_URL"] = laboratory.postgres
    else:
        environment["KEPT_DATABASE"] = str(laboratory.folder / "kept.sqlite3")
    plugins = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "tests.sabotages.keep_database"]
    command = [sys.executable, "-m", "pytest", "-x", "-q", *plugins, *tests]
    folder = laboratory.folder / "code"
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return RED, "hung: 1 failed"
    return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
