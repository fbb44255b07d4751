"""`./dev bench upgrade [--leads N] [--database NAME]`: how long the first version's database takes to be the newest.

A million leads, five million activities and audit events, half a million tasks, as `benchmarks/parts/first_version.py`
makes them; cached in `.bench`. Then `manage.py migrate`, each migration by itself, and what is asked afterwards: are
the guards back, and does the trail verify? Exits with 1 where they are not, or it doesn't.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.lists import _ONE_FILE, CACHE
from benchmarks.parts import deployment
from benchmarks.parts.deployment import ROOT, verdict

LEADS, KEPT_FROM = 1_000_000, 200_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--leads", type=int, default=LEADS, help=f"{LEADS:,} if nothing is said; below {KEPT_FROM:,} nothing is kept"
    )
    parser.add_argument("--database", choices=deployment.DATABASES, action="append")
    options = parser.parse_args()
    figures: list[dict[str, Any]] = []
    lines = []
    for name in options.database or deployment.DATABASES:
        steps = list(measured(name, options.leads))
        figures += steps
        lines.append(summary(name, options.leads, steps))
        print("\n".join(f"{one['step']:40} {one['seconds']:8.1f} s" for one in steps))
        print(lines[-1], flush=True)
    if options.leads >= KEPT_FROM:  # fewer are for a look
        deployment.keep("upgrade", figures, lines)
    sys.exit(any("MISSED" in line for line in lines))


def measured(name: str, leads: int) -> Iterator[dict[str, Any]]:
    CACHE.mkdir(exist_ok=True)
    kept = CACHE / f"first-version-{name}-{leads}-{_shape()}"
    with tempfile.TemporaryDirectory(dir=CACHE) as folder, deployment.address(name, Path(folder), kept) as url:
        if not kept.exists():
            print(f"{name}: a database of the first version with {leads:,} leads is filled.", flush=True)
            environment = deployment.environment_of(url, folder)
            deployment.run(environment, "-m", "benchmarks.parts.first_version", str(leads))
            if name == "sqlite":
                deployment.run(environment, "-c", _ONE_FILE)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder, deployment.address(name, Path(folder), kept) as url:
        environment = deployment.environment_of(url, folder)
        for step, seconds, ok in upgraded(environment):
            yield {"database": name, "leads": leads, "step": step, "seconds": round(seconds, 2), "ok": ok}


def upgraded(environment: dict[str, str]) -> Iterator[tuple[str, float, bool]]:
    begun = time.monotonic()
    said = deployment.run(environment, "manage.py", "migrate", "--verbosity=2")
    seconds = time.monotonic() - begun
    for migration, taken in re.findall(r"Applying lsq_ops\.(\w+)\.\.\.\s+OK \(([\d.]+)s\)", said):
        yield migration, float(taken), True
    yield "manage.py migrate", seconds, True
    for step, *command in (
        ("the guards are compared", "doctor", "--only=guards"),
        ("the trail verifies", "verify_audit"),
    ):
        begun = time.monotonic()
        ended = subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, capture_output=True)
        yield step, time.monotonic() - begun, ended.returncode == 0


def _shape() -> str:
    """Other first tables or another generator make other data; later migrations don't."""
    parts = ROOT / "benchmarks" / "parts"
    sources = [
        parts / "filler.py",
        parts / "first_version.py",
        ROOT / "lsq_ops" / "migrations" / "0001_first_tables.py",
    ]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]


def summary(name: str, leads: int, steps: list[dict[str, Any]]) -> str:
    taken = {one["step"]: one["seconds"] for one in steps}
    migrations = {step: seconds for step, seconds in taken.items() if step[:4].isdigit()}
    longest = max(migrations, key=lambda step: migrations[step])
    held = verdict(all(one["ok"] for one in steps))
    return (
        f"{name}: {leads:,} leads from the first version to the newest in {taken['manage.py migrate']:.0f} s; longest"
        f" {longest} {migrations[longest]:.0f} s; guards and trail {held}"
    )


if __name__ == "__main__":
    main()
