"""The one door: what `./dev` installs and writes, and that `up` keeps its processes and ends them all."""

import ast
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from django.conf import settings

from lsq_ops import watchdog
from lsq_ops.models import Beat, db_now
from lsq_ops.supervisor import Child, Supervisor, environment_with
from tests import run
from tests.conftest import long_ones_first
from tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def dev() -> Any:
    loader = SourceFileLoader("dev", str(ROOT / "dev"))
    spec = spec_from_loader("dev", loader)
    assert spec
    module = module_from_spec(spec)
    sys.dont_write_bytecode = True  # no `devc` beside `dev`
    loader.exec_module(module)
    return module


def wait_for(what: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing within {seconds} s")


# --- The script ------------------------------------------------------------------------------------------


def test_it_needs_nothing_but_python() -> None:
    tree = ast.parse((ROOT / "dev").read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_an_unknown_command_gets_the_list() -> None:
    answer = subprocess.run([ROOT / "dev", "fly"], capture_output=True, text=True)
    assert answer.returncode == 2 and "./dev up" in answer.stdout


def test_an_unknown_benchmark_gets_a_sentence() -> None:
    answer = subprocess.run([ROOT / "dev", "bench", "no-such-thing"], capture_output=True, text=True)
    assert answer.returncode == 1 and answer.stderr.startswith("./dev bench NAME")


def test_the_benchmarks_are_listed_with_a_line_each() -> None:
    answer = subprocess.run([ROOT / "dev", "bench"], capture_output=True, text=True)
    lines = answer.stdout.splitlines()[1:]
    assert answer.returncode == 0 and {line.split()[0] for line in lines} >= {"all", "audit", "lists", "webhook"}
    assert all(len(line.split(maxsplit=1)[1]) > 20 and len(line) < 120 for line in lines)


def test_an_old_python_gets_a_sentence(dev: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "version_of", lambda python: (3, 9))
    with pytest.raises(dev.CannotGoOn, match=r"Python 3\.11 or newer is needed"):
        dev.find_python()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-test.txt"])
def test_requirements_are_pinned_and_hold_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    packages = re.findall(r"^[a-z].*", text, re.M)
    assert packages and all("==" in line and line.endswith("\\") for line in packages)
    assert text.count("--hash=sha256:") >= len(packages)
    assert "://" not in text and "index" not in text


def test_the_test_requirements_hold_all_others() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[a-z][^ ;]*==[^ ;]*", (ROOT / name).read_text(), re.M))

    assert pins("requirements.txt") <= pins("requirements-test.txt")


# --- Secrets ---------------------------------------------------------------------------------------------


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SECRET_KEY", "AUDIT_KEY", "SECRET_KEY_FILE", "AUDIT_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / ".env"


def test_secrets_are_made_once_and_for_the_owner_only(dev: Any, env_file: Path) -> None:
    dev.provide_secrets(env_file)
    first = env_file.read_text()
    dev.provide_secrets(env_file)
    assert env_file.read_text() == first
    assert re.fullmatch(r"SECRET_KEY=\S{60,}\nAUDIT_KEY=\S{60,}\n", first)
    assert env_file.stat().st_mode & 0o777 == 0o600


def test_a_copied_example_gets_its_secrets(dev: Any, env_file: Path) -> None:
    env_file.write_text((ROOT / ".env.example").read_text())
    dev.provide_secrets(env_file)
    assert len(re.findall(r"^(?:SECRET|AUDIT)_KEY=\S{60,}$", env_file.read_text(), re.M)) == 2


def test_secrets_of_ones_own_are_kept(dev: Any, env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("SECRET_KEY_FILE=/run/secrets/key")
    monkeypatch.setenv("AUDIT_KEY", "mine")
    dev.provide_secrets(env_file)
    assert env_file.read_text() == "SECRET_KEY_FILE=/run/secrets/key"


# --- The order, and the count at the end ------------------------------------------------------------------


class Item:
    def __init__(self, path: str, long: bool = False) -> None:
        self.path, self.long = path, long

    def get_closest_marker(self, name: str) -> bool:
        return self.long and name == "long"


@pytest.mark.parametrize("workers", [1, 2, 3, 9])
def test_each_workers_share_begins_with_what_is_long_and_nothing_is_lost(workers: int) -> None:
    items: Any = [Item(f"short{n}") for n in range(20)]
    items += [Item(f"long{n // 2}", long=True) for n in range(6)] + [Item("last")]
    ordered: Any = long_ones_first(items, workers)
    assert sorted(map(id, ordered)) == sorted(map(id, items))
    assert [item for item in ordered if not item.long] == [item for item in items if not item.long]
    left, begins = len(items), []
    for number in range(workers if workers in (2, 3) else 0):  # dealt out as xdist does it
        begins.append(ordered[len(items) - left].path)
        left -= left // (workers - number)
    assert begins == ["long0", "long1", "long2"][: len(begins)]


def test_the_report_is_counted(tmp_path: Path) -> None:
    cases = ["", "<failure/>", "<error/>", "<failure/><error/>", "<skipped/>", ""]
    body = "".join(f"<testcase>{inner}</testcase>" for inner in cases)
    (tmp_path / "r.xml").write_text(f"<testsuites><testsuite>{body}</testsuite></testsuites>")
    assert str(run.read_report(tmp_path / "r.xml")) == "2 passed, 3 failed, 1 skipped"


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("1", 1)])
def test_where_ci_is_set_a_skip_is_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: Any, ci: str, code: int) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(run, "suite", lambda part, arguments: run.Count(passed=2, skipped=1))
    assert run.main(["-k", "x"]) == code
    assert capsys.readouterr().out.splitlines()[-1] == "4 passed, 0 failed, 2 skipped"


# --- Watchdog and supervisor -----------------------------------------------------------------------------


def test_the_watchdog_revives_a_worker_whose_row_stands_still() -> None:
    revived: list[str] = []
    dog = watchdog.Watchdog(revived.append)
    at, now = datetime.now(UTC), time.monotonic()
    dog.judge(at, now)
    dog.judge(at, now + 29)
    dog.judge(at + timedelta(seconds=20), now + 29.5)
    dog.judge(at + timedelta(seconds=20), now + 58)
    assert revived == []
    dog.judge(at + timedelta(seconds=20), now + 60)
    assert revived == ["was silent for 30 s"]


def test_a_worker_that_takes_long_to_start_is_given_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    revived: list[float] = []
    dog = watchdog.Watchdog(lambda why: revived.append(clock[0]))
    clock = [dog.moved]
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: clock[0])
    begun = dog.moved
    for _ in range(500):
        clock[0] += 1
        dog.judge(None, clock[0])
    assert [round(at - begun) for at in revived] == [31, 92, 213, 454]
    dog.judge(datetime.now(UTC), clock[0])
    assert dog.longer == 1


def test_the_watchdog_revives_a_worker_that_is_hidden_by_those_of_other_machines() -> None:
    revived: list[str] = []
    dog = watchdog.Watchdog(revived.append)
    at, now = datetime.now(UTC), time.monotonic()
    for seconds in range(0, 300, 10):
        dog.judge(at + timedelta(seconds=seconds), now + seconds)
        dog.judge_own(at, now + seconds)
    assert revived == []
    dog.judge_own(at, now + 301)
    assert revived == ["was silent for 301 s, while others worked"]


@pytest.mark.django_db
def test_a_machine_says_whether_its_own_parts_were_seen(settings: Any) -> None:
    settings.MACHINE = "berta"
    Beat.objects.create(name="worker on anna", at=db_now())
    Beat.objects.create(name="watchdog on berta", at=db_now())
    assert watchdog.silent_here() == "No worker of berta was ever seen."
    Beat.show("worker")
    assert watchdog.silent_here() == ""
    Beat.objects.filter(name="worker on berta").update(at=db_now() - timedelta(minutes=6))
    assert watchdog.silent_here() == "The worker of berta was last seen 6 min ago."


def child_of(tmp_path: Path, script: str) -> Child:
    return Child("child", ["/bin/sh", "-c", script], tmp_path / "child.log", environment_with(), tmp_path, patience=1)


def processes_of(marker: str) -> list[int]:
    """Processes whose command line holds the marker."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return [number for number in found if number != os.getpid()]


@pytest.fixture
def marker() -> str:
    return f"{time.time_ns()}.123"  # a number of seconds that nobody else sleeps


def test_stopping_ends_grandchildren_that_ignore_it(tmp_path: Path, capsys: Any, marker: str) -> None:
    supervisor = Supervisor(sys.stdout)
    supervisor.start(child_of(tmp_path, f"trap '' TERM; sleep {marker} & sleep {marker}"))
    wait_for(lambda: len(processes_of(f"sleep\0{marker}")) == 2)
    supervisor.stop()
    wait_for(lambda: not processes_of(marker))


def test_a_child_that_ends_is_started_again_and_its_last_words_are_shown(tmp_path: Path, capsys: Any) -> None:
    supervisor = Supervisor(sys.stdout)
    try:
        supervisor.start(child_of(tmp_path, "echo last words; exit 3"))
        wait_for(lambda: not supervisor.children[0].alive())
        first = supervisor.children[0].process
        supervisor.look()
        assert supervisor.children[0].process is not first
        assert "[child] last words" in capsys.readouterr().out
    finally:
        supervisor.stop()


ORPHANS = """
import sys, time
from pathlib import Path
from lsq_ops.supervisor import Child, Supervisor, environment_with
here = Path(sys.argv[1])
command = ["/bin/sh", "-c", f"sleep {sys.argv[2]} & sleep {sys.argv[2]}"]
Supervisor(sys.stdout).start(Child("c", command, here / "log", environment_with(), here))
time.sleep(60)
"""


def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path, marker: str) -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", ORPHANS, str(tmp_path), marker], cwd=ROOT)
    wait_for(lambda: len(processes_of(f"sleep\0{marker}")) == 2)
    supervisor.kill()
    supervisor.wait()
    wait_for(lambda: not processes_of(marker), 5)


# --- The whole of it -------------------------------------------------------------------------------------


class Up:
    """`manage.py up` in a folder of its own."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.environment = {**environment, "DATA_DIR": str(folder), "PORT": str(self.port)}
        self.environment.pop("LSQ_HOST", None)
        self.processes: list[subprocess.Popen[str]] = []

    def start(self) -> list[str]:
        """Starts it; what it has said when it is ready."""
        process = self.command(stdout=subprocess.PIPE)
        said: list[str] = []
        assert process.stdout
        while not said or not said[-1].startswith("Ctrl-C"):
            line = process.stdout.readline()
            assert line, f"up ended early: {said}"
            said.append(line.rstrip())
        return said

    def command(self, **pipes: Any) -> "subprocess.Popen[str]":
        command = [sys.executable, str(ROOT / "manage.py"), "up"]
        self.processes.append(subprocess.Popen(command, env=self.environment, text=True, cwd=self.folder, **pipes))
        return self.processes[-1]

    def family(self) -> list[int]:
        """The supervisor's processes and theirs, by the folder in their environment."""
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"DATA_DIR={self.folder}\0".encode() in path.read_bytes():
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found

    def healthy(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@pytest.fixture
def up(process_environment: dict[str, str], tmp_path: Path) -> Iterator[Up]:
    portal = Up(process_environment, tmp_path / "data")
    portal.folder.mkdir()
    yield portal
    for process in portal.processes:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
    wait_for(lambda: not portal.family(), 10)


def test_up_says_the_address_first_and_then_the_sign_in(up: Up) -> None:
    said = up.start()
    assert said[0] == f"LSQ Ops answers at http://127.0.0.1:{up.port}/"
    assert any(re.match(r"  rita +\S+ +requester", line) for line in said)
    assert up.healthy() and up.folder.stat().st_mode & 0o777 == 0o700

    second = up.command(stderr=subprocess.PIPE)
    assert f"already runs from this folder: http://127.0.0.1:{up.port}/" in second.communicate()[1]
    assert second.returncode == 1

    up.processes[0].send_signal(signal.SIGINT)
    assert up.processes[0].wait(30) == 0
    assert up.family() == []


def test_up_takes_the_next_free_port(up: Up) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", up.port))
        taken.listen()
        assert up.start()[0] != f"LSQ Ops answers at http://127.0.0.1:{up.port}/"


def test_a_killed_cluster_works_again(up: Up) -> None:
    def beat() -> Any:
        return Beat.newest("worker")

    up.start()
    first = wait_for(beat)
    cluster = [number for number in up.family() if b"\0worker\0" in Path(f"/proc/{number}/cmdline").read_bytes()]
    os.kill(min(cluster), signal.SIGKILL)
    killed_at = datetime.now(UTC)
    assert wait_for(lambda: (beat() or first) > killed_at, 60)


def test_nothing_outlives_an_up_that_is_killed(up: Up) -> None:
    up.start()
    wait_for(lambda: len(up.family()) > 8)  # the worker has its processes
    up.processes[0].kill()
    up.processes[0].wait()
    wait_for(lambda: not up.family(), 5)


def test_with_keys_up_makes_one_admin_and_no_sandbox(up: Up) -> None:
    up.environment.update(LSQ_ACCESS_KEY="u$r", LSQ_SECRET_KEY="s", LSQ_HOST="http://127.0.0.1:9")
    said = up.start()
    assert re.search(r"one-time password \S{12,}", said[1])
    assert not any(b"sandbox" in Path(f"/proc/{number}/cmdline").read_bytes() for number in up.family())
    assert not settings.DEBUG
