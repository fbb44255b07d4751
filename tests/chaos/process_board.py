"""How the harness reaches into worker processes: files in one folder.

The harness arms a step with an order ("kill", "stop", "full"); the first process that comes to that step takes the
order by renaming its file, so that each order is carried out once, and what was carried out can be read afterwards.
"""

import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STEPS = {
    "claimed": "a call is claimed",
    "reading_claimed": "a reading is claimed",
    "slot": "a place in the budget is taken",
    "committed": "the attempt is committed, no byte has left",
    "bytes_left": "the delete has left, its answer has not come",
    "answered": "the answer has come and is not stored",
    "read": "a reading has come and is not stored",
    "judging": "a call is about to be judged",
    "ring": "committed, and about to ring",
    "commit": "about to commit",
    "committed_any": "just committed",
    "statement": "some statements later",
}


@dataclass(frozen=True, slots=True)
class Hit:
    """An order that was carried out."""

    step: str
    do: str
    pid: int
    seconds: float


class Board:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("armed", "hits", "roles", "busy"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    # --- The harness's side --------------------------------------------------------------------------------

    def arm(self, step: str, do: str, *, seconds: float = 0, skip: int = 0) -> None:
        """The next process that comes to `step` does `do`; `skip`: so many statements later."""
        made = self.folder / f"{step}-{uuid.uuid4().hex}"
        made.write_text(json.dumps({"step": step, "do": do, "seconds": seconds, "skip": skip}))
        made.replace(self.folder / "armed" / step)

    def armed(self, step: str) -> bool:
        return (self.folder / "armed" / step).exists()

    def disarm(self) -> None:
        for path in (self.folder / "armed").iterdir():
            path.unlink(missing_ok=True)

    def hits(self) -> list[Hit]:
        """What was carried out since last asked."""
        found = []
        for path in list((self.folder / "hits").iterdir()):
            order = json.loads(path.read_text())
            path.unlink()
            found.append(Hit(order["step"], order["do"], int(path.name), order["seconds"]))
        return found

    def having(self, role: str) -> list[int]:
        """Living processes of that role ("worker", "monitor", "pusher", "sentinel")."""
        named = [path for path in (self.folder / "roles").iterdir() if path.read_text() == role]
        return sorted(int(path.name) for path in named if _lives(int(path.name)))

    def busy(self, pid: int) -> bool:
        return (self.folder / "busy" / str(pid)).exists()

    # --- The worker's side ---------------------------------------------------------------------------------

    def take(self, step: str) -> dict[str, Any] | None:
        """The order for this step, if there is one and nobody was quicker."""
        armed = self.folder / "armed" / step
        if not armed.exists():
            return None
        mine = self.folder / f"taken-{uuid.uuid4().hex}"
        try:
            armed.rename(mine)
        except FileNotFoundError:
            return None
        order: dict[str, Any] = json.loads(mine.read_text())
        order["file"] = str(mine)
        return order

    def done(self, order: dict[str, Any]) -> None:
        """Said before it is done: a killed process says nothing afterwards."""
        os.replace(order["file"], self.folder / "hits" / str(os.getpid()))

    def enrol(self, role: str) -> None:
        (self.folder / "roles" / str(os.getpid())).write_text(role)

    def work(self, begins: bool) -> None:
        mine = self.folder / "busy" / str(os.getpid())
        if begins:
            mine.touch()
        else:
            mine.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    """A zombie is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
