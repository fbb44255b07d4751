"""`./dev deployed`: compose.yaml's services on two hosts by hand, the whole job over HTTP, a worker and a web server
killed under it, and one line for each round.

--rounds N      so many (3 if nothing is said)
--requests N    deletions in each (12)
--stand-in      the small proxy of the tests, even where there is nginx
--keep FOLDER   the hosts' folders and logs of the last round
"""

import argparse
import random
import shutil
import sys
from pathlib import Path

from . import proxies, rounds


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./dev deployed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=12)
    parser.add_argument("--seed", type=int, default=random.randrange(1000, 10_000))
    parser.add_argument("--stand-in", action="store_true")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args(argv)
    nginx, bad = proxies.has_nginx() and not options.stand_in, 0
    for number in range(options.rounds):
        if options.keep:
            shutil.rmtree(options.keep, ignore_errors=True)
            options.keep.mkdir(parents=True)
        outcome = rounds.one(options.seed + number, requests=options.requests, nginx=nginx, kept=options.keep)
        print(f"{options.seed + number}: {outcome}", flush=True)
        for trouble in outcome.troubles:
            print(f"  {trouble}", flush=True)
        bad += bool(outcome.troubles)
    print(f"{options.rounds} rounds, {bad} with troubles.")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
