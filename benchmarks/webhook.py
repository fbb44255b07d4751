"""`./dev bench webhook [--quick] [--database NAME]`: is a webhook ever lost, and what does keeping one cost?

The web server runs in a process of its own, started with the arguments that `./dev up` starts it with. Bodies come
over HTTP from two more processes, to the addresses of attempts that were really sent (on the sandbox).

    worker    1,000 posts on open connections while the worker runs, which takes them all
    burst     1,000 posts, each on a connection of its own, all at once
    receiver  1,000 posts on eight open connections: requests per second, the median of the rounds
    bare      the same posts to a bare view: same server, same middleware, same answer, no database; the rounds of
              both alternate
    unknown   1,000 posts to unknown tokens, which leave no row
    again     one body 1,000 times, which leaves one row

All bodies but those of `again` are distinct, 20 to an address. None lost: the rows in the database are as many as the
bodies that were posted. PostgreSQL runs as it ships, with fsync. Kept under docs/benchmarks/, except with `--quick`.
Exits with 1 where a figure is missed.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import count, islice
from statistics import median
from typing import Any
from urllib.request import urlopen

from benchmarks.parts import deployment
from benchmarks.parts.deployment import verdict
from tests import servers

BURST = 1_000
PER_ATTEMPT = 20
PATIENCE = 300  # seconds until the worker is not waited for any more
PROCESSES, CONNECTIONS = 2, 4  # eight connections: as many as the server has threads
RATIO = {"sqlite": 0.4, "postgresql": 0.25}  # at least, by docs/design.md
RECEIVER, BARE = "/webhooks/leadsquared/{}/", "/bare/leadsquared/{}/"

Post = tuple[str, str]  # path, body


@dataclass(frozen=True)
class Figure:
    database: str
    what: str
    posts: int
    wrong_answers: int
    new_rows: int
    lost: int
    per_second: float
    note: str = ""

    def line(self) -> str:
        return (
            f"{self.database:10} {self.what:8} {self.posts:5} posts  {self.per_second:6.0f} a second"
            f"  {self.new_rows:5} new rows  lost {self.lost}  wrong answers {self.wrong_answers}  {self.note}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two rounds instead of seven; nothing is kept")
    parser.add_argument("--database", choices=deployment.DATABASES, action="append")
    options = parser.parse_args()
    figures, lines = [], []
    for name in options.database or deployment.DATABASES:
        with deployment.database(name) as environment:
            for figure in Bench(name, environment, 2 if options.quick else 7).run():
                figures.append(figure)
                print(figure.line(), flush=True)
    lines = list(summary(figures))
    print("\n".join(lines))
    if not options.quick:
        deployment.keep("webhook", map(asdict, figures), lines)
    sys.exit(any("MISSED" in line for line in lines))


class Bench:
    """One database with its server, and the addresses that still take new bodies."""

    def __init__(self, database: str, environment: dict[str, str], rounds: int) -> None:
        self.database, self.rounds = database, rounds
        self.port, sandbox = servers.free_port(), servers.free_port()
        self.environment = environment | {"PORT": str(self.port), "LSQ_HOST": f"http://127.0.0.1:{sandbox}"}
        self.world = f"{environment['DATA_DIR']}/world.sqlite3"
        self.sandbox = ["manage.py", "sandbox", "--port", str(sandbox), "--world", self.world, "--rate", "off"]
        self.numbers = count()
        self.tokens: Iterator[str] = iter(())

    def run(self) -> Iterator[Figure]:
        needed = (self.rounds + 2) * BURST // PER_ATTEMPT + 1
        self.tokens = iter(self.portal("attempts", str(needed), self.world))
        with deployment.background("web", self.environment, "-m", "benchmarks.parts.web"):
            self.wait_until_ready()
            yield self.with_worker()
            yield self.measure("burst", self.distinct(), connections=0)
            for turn in range(self.rounds):
                yield from self.round(bare_first=bool(turn % 2))
            yield self.measure(
                "unknown", [(RECEIVER.format(f"nobody-knows-{n}"), body(n)) for n in range(BURST)], rows=0
            )
            yield self.measure("again", [(RECEIVER.format(next(self.tokens)), body(0))] * BURST, rows=1)

    def with_worker(self) -> Figure:
        """The worker is at work before the first post, and is waited for until no receipt waits for it."""
        with (
            deployment.background("sandbox", self.environment, *self.sandbox),
            deployment.background("worker", self.environment, "manage.py", "worker"),
        ):
            time.sleep(5)
            figure, begun = self.measure("worker", self.distinct()), time.monotonic()
            while (waiting := self.portal("receipts")["waiting"]) and time.monotonic() < begun + PATIENCE:
                time.sleep(3)
        took = f"{BURST - waiting} taken by the worker {time.monotonic() - begun:.0f} s after the last post"
        return replace(figure, note=took)

    def round(self, bare_first: bool) -> Iterator[Figure]:
        posts = self.distinct()
        for bare in (True, False) if bare_first else (False, True):
            if bare:
                there = [(path.replace("/webhooks/", "/bare/"), text) for path, text in posts]
                yield self.measure("bare", there, rows=0)
            else:
                yield self.measure("receiver", posts)

    def measure(self, what: str, posts: list[Post], connections: int = CONNECTIONS, rows: int = BURST) -> Figure:
        """Post them all; `rows`: how many receipts there must be more."""
        before = self.portal("receipts")
        seconds, wrong = self.post(posts, connections)
        after = self.portal("receipts")
        new, arrived = after["rows"] - before["rows"], after["arrivals"] - before["arrivals"]
        lost = abs(rows - new) + abs((len(posts) if rows else 0) - arrived)
        return Figure(self.database, what, len(posts), wrong, new, lost, round(len(posts) / seconds, 1))

    def post(self, posts: list[Post], connections: int) -> tuple[float, int]:
        """From the first byte to the last answer, in seconds; how many answers were wrong."""
        arguments = ["-m", "benchmarks.parts.poster", str(self.port), str(connections)]
        posters = [deployment.start(self.environment, *arguments) for _ in range(PROCESSES)]
        for number, poster in enumerate(posters):
            deployment.tell(poster, *posts[number::PROCESSES])
            deployment.hear(poster)
        for poster in posters:
            deployment.tell(poster, "go")
        said = [deployment.hear(poster) for poster in posters]
        for poster in posters:
            poster.communicate()
        return max(end for _, end, _ in said) - min(begun for begun, *_ in said), sum(wrong for *_, wrong in said)

    def distinct(self) -> list[Post]:
        """A burst of bodies that nobody has posted, in an order that meets every address now and then."""
        paths = [RECEIVER.format(token) for token in islice(self.tokens, BURST // PER_ATTEMPT)]
        return [(path, body(next(self.numbers))) for _ in range(PER_ATTEMPT) for path in paths]

    def portal(self, *arguments: str) -> Any:
        return json.loads(deployment.run(self.environment, "-m", "benchmarks.parts.portal", *arguments))

    def wait_until_ready(self) -> None:
        until = time.monotonic() + 60
        while True:
            try:
                urlopen(f"http://127.0.0.1:{self.port}/health/live", timeout=5).close()
                return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)


def body(number: int) -> str:
    """What LeadSquared says of a deletion of tasks, as far as its pages show it."""
    return json.dumps(
        {"Status": "Success", "TasksCount": 1, "DeletedTasksCount": 1, "FailureReason": "", "Number": number}
    )


def summary(figures: list[Figure]) -> Iterator[str]:
    for name in dict.fromkeys(figure.database for figure in figures):
        here = [figure for figure in figures if figure.database == name]
        posts, lost, wrong = (sum(getattr(f, field) for f in here) for field in ("posts", "lost", "wrong_answers"))
        yield f"{name}: {posts:,} posts, lost {lost}, answers other than 200 {wrong} {verdict(not lost + wrong)}"
        ours, bare = (median(f.per_second for f in here if f.what == what) for what in ("receiver", "bare"))
        said = f"{name}: {ours:.0f} of a bare view's {bare:.0f} requests per second, ratio {ours / bare:.3f}"
        yield f"{said}, at least {RATIO[name]} {verdict(ours / bare >= RATIO[name])}"


if __name__ == "__main__":
    main()
