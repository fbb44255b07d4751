"""`./dev readings`: readings by the thousand of lists that change meanwhile, and one line that says what came of it. It
ends with 1 where one called itself complete and was wrong, or was not whole for no reason.

--runs N   so many (1,000 if nothing is said)
--seed S   the same ones again
--first N  beginning with this one
"""

import argparse
import json
import platform
import random
import sys
import time
from datetime import UTC, datetime
from os import cpu_count
from pathlib import Path

from tests.own_database import DATABASES, django_on

FOLDER = Path("docs/benchmarks")
WORTH_KEEPING = 10_000  # readings; smaller runs are looks


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./dev readings", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(1000, 10_000))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    options = parser.parse_args(argv)
    begun = time.monotonic()
    with django_on(options.database):
        from .run import run, stored

        sums = run(options.runs, options.seed, options.first)
    for trouble in sums.troubles[:50]:
        print(trouble, file=sys.stderr)
    if sums.runs >= WORTH_KEEPING:
        now = datetime.now(UTC)
        machine = f"{platform.machine()}, {cpu_count()} cores, Python {platform.python_version()}"
        about = {"at": now.isoformat(timespec="seconds"), "machine": machine, "database": options.database}
        path = FOLDER / f"readings-{now:%Y-%m-%d}.json"
        kept = json.loads(path.read_text()) if path.exists() else []
        kept.append({**about, "seconds": round(time.monotonic() - begun), "line": sums.line(), "sums": stored(sums)})
        path.write_text(json.dumps(kept, indent=1) + "\n")
    print(sums.line(), flush=True)
    return 0 if sums.clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
