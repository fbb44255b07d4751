"""What a run leaves behind: a log to go on from, and its sums beside the other benchmarks."""

import json
import platform
import sys
from datetime import UTC, datetime
from os import cpu_count
from pathlib import Path

from .sums import Sums

FOLDER = Path(".bench")
WORTH_KEEPING = 1000  # faults; smaller runs are looks


class Log:
    """Each scenario or batch as a line of .bench/chaos-….jsonl, the moment it is over."""

    def __init__(self, name: str, *, resume: bool) -> None:
        FOLDER.mkdir(exist_ok=True)
        self.path = FOLDER / f"chaos-{name}.jsonl"
        if not resume:
            self.path.unlink(missing_ok=True)
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        self.count, self.total = len(lines), Sums(0)
        for line in lines:
            self.total.add(Sums.restored(json.loads(line)))
        self.faults = self.total.faults

    def keep(self, number: int, sums: Sums, seconds: float) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(sums.stored()) + "\n")
        self.faults += sums.faults
        verdict = "ok" if sums.clean else " ".join(sums.troubles)
        print(f"{number}: {sums.faults} faults in {seconds:.1f} s, {self.faults} so far: {verdict}", file=sys.stderr)

    def with_earlier(self, total: Sums) -> Sums:
        total.add(self.total)
        return total


def keep_sums(folder: Path, total: Sums, *, database: str, mode: str, seconds: float) -> None:
    if total.faults < WORTH_KEEPING:
        return
    now = datetime.now(UTC)
    path = folder / f"chaos-{now:%Y-%m-%d}.json"
    runs = json.loads(path.read_text()) if path.exists() else []
    machine = f"{platform.machine()}, {cpu_count()} cores, Python {platform.python_version()}"
    about = {"at": now.isoformat(timespec="seconds"), "machine": machine, "database": database, "mode": mode}
    runs.append({**about, "seconds": round(seconds), "line": total.line(), "sums": total.stored()})
    path.write_text(json.dumps(runs, indent=1) + "\n")
