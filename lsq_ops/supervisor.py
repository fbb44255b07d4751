"""Keeps a few processes alive: starts them, starts them again, ends them all.

Each child leads a process group of its own, because ending only a cluster's main process leaves its workers
behind. The supervisor itself stays in the terminal's group, so Ctrl-C reaches it and nothing else.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from lsq_ops import reaper

ALARMING = (" ERROR ", " CRITICAL ", '"level": "ERROR"', '"level": "CRITICAL"')  # LOG_FORMAT is text, or json
QUICK_DEATH = 10.0  # seconds; a child that lives shorter is started again after a pause that grows
LONGEST_PAUSE = 15.0


@dataclass
class Child:
    """One process with its group and its log file; without one, it writes where the supervisor writes."""

    name: str
    command: list[str]
    log: Path | None
    environment: dict[str, str]
    folder: Path
    patience: float = 5.0  # seconds between asking it to end and killing its group
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    pause: float = 0.0
    _seen: int = field(default=0, repr=False)

    def start(self) -> None:
        with open(self.log, "ab") if self.log else contextlib.nullcontext() as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.folder,
                start_new_session=True,
            )
        self.started = time.monotonic()

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ask_to_end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def kill(self) -> None:
        """The whole group, and the main process is waited for."""
        if self.process is not None:
            reaper.kill_group(self.process.pid)
            self.process.wait()

    def rotate_log(self) -> None:
        """One older log is kept; a running portal never loses what it is writing."""
        if self.log and self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))

    def news(self) -> list[str]:
        """Lines of the log since last asked."""
        if self.log is None:
            return []  # they were shown already
        with contextlib.suppress(OSError), open(self.log, "rb") as file:
            file.seek(self._seen)
            lines = file.read()
            self._seen = file.tell()
            return lines.decode("utf-8", "replace").splitlines()
        return []


class Supervisor:
    """The children, the reaper, and a loop."""

    def __init__(self, out: TextIO) -> None:
        self.children: list[Child] = []
        self.out = out
        self.reaper = reaper.start()

    def say(self, text: str) -> None:
        # The terminal may be gone (a closed ssh session); the portal's work is not worth losing for that.
        with contextlib.suppress(OSError, ValueError):
            self.out.write(f"{text}\n")
            self.out.flush()

    def start(self, child: Child) -> None:
        if child not in self.children:
            self.children.append(child)
            child.rotate_log()
        child.start()
        self._note("+", child)

    def restart(self, child: Child, why: str) -> None:
        """Kill what is left of it and begin anew, later and later while it keeps dying at once."""
        self.say(f"{child.name} {why}; it is started again.")
        child.kill()
        self._note("-", child)
        short_lived = time.monotonic() - child.started < QUICK_DEATH
        child.pause = min(LONGEST_PAUSE, child.pause * 2 + 1) if short_lived else 0.0
        time.sleep(child.pause)
        self.start(child)

    def look(self) -> None:
        """One round: show alarming log lines, start again what has ended."""
        for child in self.children:
            news = child.news()
            for line in news:
                if any(mark in line for mark in ALARMING):
                    self.say(f"[{child.name}] {line}")
            if not child.alive():
                for line in news[-15:]:
                    self.say(f"[{child.name}] {line}")
                self.restart(child, "ended")
        if self.reaper.poll() is not None:
            self.reaper = reaper.start()
            for child in self.children:
                self._note("+", child)

    def run(self, each_second: Callable[[], None]) -> None:
        """Until a signal raises KeyboardInterrupt."""
        while True:
            self.look()
            each_second()
            time.sleep(1)

    def stop(self) -> None:
        """Ask all, wait as long as each is worth, kill the groups. A second Ctrl-C skips the waiting."""
        with contextlib.suppress(KeyboardInterrupt):
            for child in self.children:
                child.ask_to_end()
            begun = time.monotonic()
            while any(c.alive() and time.monotonic() - begun < c.patience for c in self.children):
                time.sleep(0.05)
        for child in self.children:
            child.kill()
        with contextlib.suppress(OSError):
            if self.reaper.stdin:
                self.reaper.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.reaper.wait(5)

    def _note(self, sign: str, child: Child) -> None:
        if child.process and self.reaper.stdin:
            with contextlib.suppress(OSError):
                self.reaper.stdin.write(f"{sign}{child.process.pid}\n")
                self.reaper.stdin.flush()


def ends_by_signal() -> None:
    """TERM and a closed terminal end the supervisor in the same orderly way as Ctrl-C."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def environment_with(**values: str) -> dict[str, str]:
    """This process's environment and more; output isn't held back, so that logs are up to date."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", **values}
