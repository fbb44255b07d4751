"""Hosts by hand: compose's services as processes, each host in a folder of its own, restarted as compose would."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from lsq_ops.supervisor import Child, Supervisor
from tests.servers import free_port

from . import compose

BIN = str(Path(sys.executable).parent)
SYSTEM = ("LANG", "LC_ALL", "TZ")  # of this machine's own environment nothing else


class Host:
    """A copy of the image, a data folder, and the processes of some services."""

    def __init__(self, name: str, folder: Path, secrets: dict[str, dict[str, str]], own: dict[str, str]) -> None:
        self.name, self.image, self.data = name, folder / name / "image", folder / name / "data"
        self.secrets, self.services = secrets, compose.services()
        self.port = free_port()
        self.own = {**own, "DATA_DIR": str(self.data), "MACHINE": name, "PORT": str(self.port), "LISTEN": "127.0.0.1"}
        self.data.mkdir(parents=True)
        compose.unpack(self.image)
        self.children: dict[str, Child] = {}

    def environment(self, service: str) -> dict[str, str]:
        """As compose puts it together, but for what this place decides: addresses, ports and folders."""
        one = self.services[service]
        made = {name: value for name in SYSTEM if (value := os.environ.get(name))} | compose.image_environment()
        for file in one.env_files:
            made |= self.secrets[file]
        made |= one.environment
        own = {name: value for name, value in self.own.items() if name in made or name == "MACHINE"}
        return {**made, **own, "PATH": f"{BIN}:{os.environ['PATH']}", "DEPLOYED": f"{self.name} {service}"}

    def run(
        self, service: str, command: list[str] | None = None, timeout: float = 500
    ) -> "subprocess.CompletedProcess[str]":
        """A command of the service, to its end: its own, its health check or another one of the image."""
        command = command or self.services[service].command
        return subprocess.run(
            command, cwd=self.image, env=self.environment(service), capture_output=True, text=True, timeout=timeout
        )

    def healthy(self, service: str) -> bool:
        return self.run(service, self.services[service].test).returncode == 0

    def child(self, service: str) -> Child:
        one, log = self.services[service], self.data.parent / f"{service}.log"
        made = Child(f"{service} of {self.name}", one.command, log, self.environment(service), self.image, one.grace)
        self.children[service] = made
        return made

    def kill(self, service: str) -> int:
        """As a container goes down: every process of it at once, with -9; how many."""
        found = self.processes(service)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(found)

    def processes(self, service: str) -> list[int]:
        """Known by what stands in their environment."""
        mark, found = f"DEPLOYED={self.name} {service}\0".encode(), []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in path.read_bytes():
                    found.append(int(path.parent.name))
        return found

    def files(self) -> set[str]:
        return {str(path.relative_to(self.image)) for path in self.image.rglob("*")}


class Fleet:
    """Keeps the hosts' services running, as `restart: unless-stopped` does."""

    def __init__(self, hosts: list[Host], out: TextIO) -> None:
        self.hosts, self.supervisor = hosts, Supervisor(out)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._keep, daemon=True)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        try:
            for service in ("web", "worker"):
                for host in self.hosts:
                    assert host.services[service].plain["restart"] == "unless-stopped"
                    self.supervisor.start(host.child(service))
            self.thread.start()
            yield
        finally:
            self.over.set()
            if self.thread.ident:
                self.thread.join(30)
            self.supervisor.stop()
            for host in self.hosts:
                for service in ("web", "worker"):
                    host.kill(service)

    def _keep(self) -> None:
        while not self.over.wait(0.5):
            self.supervisor.look()


def wait_until(what: str, is_so: Callable[[], bool], seconds: float, every: float = 0.3) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            raise AssertionError(f"After {seconds:.0f} s it is not so that {what}.")
        time.sleep(every)
