"""`./dev bench upload [--quick] [--database NAME]`: an uploaded list of 100,000 lines, with every fault among them.

    id, email, phone   leads, named so in a CSV
    day                a lead's e-mail and a day in each line of a CSV
    sheet              the same as email, as a workbook

Each by one process, as a worker reads it: from the kept file to the last line's verdict and the selection. Every
verdict is compared with what the generator knows of the line. Exits with 1 where one is wrong, or a figure is missed.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass

from benchmarks.parts import deployment
from benchmarks.parts.deployment import verdict

LINES, QUICK = 100_000, 10_000
SECONDS, MEGABYTES = 60, 200
WAYS = ("id", "email", "phone", "day", "sheet")


@dataclass(frozen=True)
class Figure:
    database: str
    way: str
    lines: int
    taken: int
    verdicts: int
    wrong: int
    seconds: float
    megabytes: float

    def line(self) -> str:
        held = self.seconds <= SECONDS and self.megabytes <= MEGABYTES and not self.wrong
        said = f"{self.database}: {self.way:6} {self.lines:7,} lines, {self.taken:7,} taken, {self.verdicts} verdicts,"
        return f"{said} {self.wrong} wrong; {self.seconds:5.1f} s, {self.megabytes:4.0f} MB  {verdict(held)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the lines; nothing is kept")
    parser.add_argument("--database", choices=deployment.DATABASES, action="append")
    options = parser.parse_args()
    lines, figures = QUICK if options.quick else LINES, []
    for name in options.database or deployment.DATABASES:
        with deployment.database(name) as environment:
            deployment.run(environment, "-m", "benchmarks.parts.uploader", "fill", str(lines))
            for way in WAYS:
                deployment.run(environment, "-m", "benchmarks.parts.uploader", "keep", str(lines), way)
                told = deployment.run(environment, "-m", "benchmarks.parts.uploader", "read")
                wrong = deployment.run(environment, "-m", "benchmarks.parts.uploader", "wrong", str(lines), way)
                figures.append(Figure(name, way, lines, **json.loads(told), **json.loads(wrong)))
                print(figures[-1].line(), flush=True)
    said = [figure.line() for figure in figures]
    if not options.quick:
        deployment.keep("upload", map(asdict, figures), said)
    sys.exit(any("MISSED" in line for line in said))


if __name__ == "__main__":
    main()
