"""A tiny process that outlives the supervisor by a moment, to end what the supervisor started.

It reads process group numbers from a pipe whose other end only the supervisor holds: `+123` notes a group,
`-123` strikes it out. When the supervisor is gone, even by kill -9, the pipe ends, and every group still
noted is killed. This holds whatever those processes are doing; a thread inside each of them would not.
Standard library only, so that it starts at once.
"""

import contextlib
import os
import signal
import subprocess
import sys
from typing import IO


def start() -> "subprocess.Popen[str]":
    """The reaper, out of reach of the terminal's Ctrl-C; write the group numbers to its stdin."""
    return subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, text=True, start_new_session=True)


def reap(lines: IO[str]) -> None:
    """Follow the pipe to its end, then kill what is left."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        groups.add(group) if line[0] == "+" else groups.discard(group)
    for group in groups:
        kill_group(group)


def kill_group(group: int) -> None:
    """kill -9 for a whole process group; nothing happens where it is gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    reap(sys.stdin)
