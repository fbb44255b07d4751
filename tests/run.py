"""`./dev test`: the suite on SQLite, then what asks for a database on PostgreSQL + Redis, then lint. The last line
counts everything.

--only sqlite|postgres|lint runs one part; other arguments go to pytest (then lint is left out).
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import chromium, servers, vulnerable

BIN = Path(sys.executable).parent
LINT = [
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "."],
    ["mypy"],
    ["lint-imports"],
    ["python", "manage.py", "makemigrations", "--check", "--dry-run", "--settings", "tests.settings"],
]
NO_TESTS_FOUND = 5


@dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    excused: int = 0  # of those that were skipped; what nobody here can change

    def add(self, other: "Count") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.excused += other.excused

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./dev test", description=__doc__)
    parser.add_argument("--only", choices=["sqlite", "postgres", "lint"])
    options, arguments = parser.parse_known_args(argv)
    parts = [options.only] if options.only else ["sqlite", "postgres"] + ([] if arguments else ["lint"])
    total = Count()
    for part in parts:
        print(f"\n=== {part} ===", flush=True)
        total.add(lint() if part == "lint" else suite(part, arguments))
    in_ci = bool(os.environ.get("CI"))
    if in_ci and total.skipped > total.excused:
        print("A skipped test is a failure where CI is set.")
    print(total, flush=True)
    return 1 if total.failed or (in_ci and total.skipped > total.excused) else 0


def suite(part: str, arguments: list[str]) -> Count:
    """pytest in a process of its own, with its databases."""
    with on_sqlite() if part == "sqlite" else on_postgres() as (environment, selection):
        return run_pytest([*selection, *arguments], environment)


@contextlib.contextmanager
def on_sqlite() -> Iterator[tuple[dict[str, str], list[str]]]:
    browser = chromium.provide()
    if browser is None:
        print("No Chromium was found or could be fetched: browser tests are skipped.")
    yield ({"CHROMIUM": str(browser)} if browser else {}), []


@contextlib.contextmanager
def on_postgres() -> Iterator[tuple[dict[str, str], list[str]]]:
    """Without the browser: what it shows does not depend on the database."""
    with servers.postgres(place=servers.quick_folder()) as database, servers.redis() as redis:
        yield {"TEST_DATABASE_URL": database, "TEST_REDIS_URL": redis}, ["-m", "not browser"]


def run_pytest(arguments: list[str], environment: dict[str, str]) -> Count:
    place = servers.quick_folder()
    with tempfile.TemporaryDirectory(prefix="lsq-ops-run-", dir=place, ignore_cleanup_errors=True) as folder:
        report = Path(folder) / "report.xml"
        # Three: many tests wait for a process or for LeadSquared's rate limit most of their time.
        command = [sys.executable, "-m", "pytest", "-n", "3", "--dist", "worksteal", f"--junitxml={report}", *arguments]
        # Dozens of processes are started, and each would compile all that it imports. What tests write is there too.
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "TMPDIR": folder, **environment}
        code = subprocess.call(command, env=environment)
        count = read_report(report)
    if code not in (0, NO_TESTS_FOUND) and not count.failed:
        count.failed = 1  # pytest itself broke, or was interrupted
    return count


def read_report(report: Path) -> Count:
    """Counts test cases; one that failed and broke at its end too is one failure."""
    if not report.exists():
        return Count()
    count = Count()
    for case in ElementTree.parse(report).iter("testcase"):
        verdicts = {child.tag for child in case}
        if verdicts & {"failure", "error"}:
            count.failed += 1
        elif "skipped" in verdicts:
            count.skipped += 1
        else:
            count.passed += 1
    return count


def lint() -> Count:
    """Each step counts as one."""
    count = Count()
    for command in LINT:
        print(f"--- {' '.join(command)}", flush=True)
        good = subprocess.call([str(BIN / command[0]), *command[1:]]) == 0
        count.add(Count(passed=1) if good else Count(failed=1))
    for name, look in (("bandit", vulnerable.code), ("pip-audit", vulnerable.packages)):
        print(f"--- {name}", flush=True)
        count.add(judged(name, *look()))
    return count


def judged(name: str, verdict: str, says: str) -> Count:
    """Without a network nobody knows whether a package is vulnerable: that is no pass, and no fault of the code."""
    if verdict == vulnerable.NOT_LOOKED_UP:
        print(f"{name}: not looked up: {says}. This counts as skipped, and breaks nothing.", flush=True)
        return Count(skipped=1, excused=1)
    print(says or "Nothing was found.", flush=True)
    return Count(passed=1) if verdict == vulnerable.PASSED else Count(failed=1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
