"""deploy/ names nothing that the program doesn't know: settings, commands, files, times. So it can't rot."""

import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from lsq_ops import __version__
from lsq_ops.management.commands import worker
from tests.deployed import compose, proxies

ROOT, DEPLOY = compose.ROOT, compose.DEPLOY
SETTINGS = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.M)) | {"ENV_FILE"}
PYTHONS = {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PATH"}
# What the files beside them read, and the other images.
BESIDE = set(re.findall(r"environ\.get\(.(\w+)", (DEPLOY / "gunicorn.py").read_text())) | {"POSTGRES_PASSWORD"}
BESIDE |= set(re.findall(r"^\\getenv \w+ (\w+)", (DEPLOY / "roles.sql").read_text(), re.M))
OURS = ("migrate", "web", "worker")
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


class Unit(ConfigParser):
    """A unit file; a name that stands there several times keeps all its lines."""

    optionxform = staticmethod(str)  # type: ignore[assignment]

    def __init__(self, path: Path) -> None:
        super().__init__(strict=False, interpolation=None, delimiters=("=",))
        self.lines = [line.split("=", 1) for line in path.read_text(encoding="utf-8").splitlines() if "=" in line]
        self.read_string(path.read_text(encoding="utf-8"))

    def every(self, name: str) -> list[str]:
        return [value for key, value in self.lines if key == name]


@pytest.fixture(params=UNITS, ids=lambda path: path.stem)
def unit(request: pytest.FixtureRequest) -> Unit:
    return Unit(request.param)


def refuse_unknown(command: list[str]) -> None:
    """A `manage.py NAME ARGUMENTS` that is known, or gunicorn with a target that can be imported."""
    program = Path(command[0]).name
    if program == "gunicorn":
        settings, target = command[command.index("--config") + 1], command[-1]
        assert (ROOT / settings).is_file()
        check = [sys.executable, "-m", "gunicorn", "--check-config", *command[1:]]
        subprocess.run(check, cwd=ROOT, check=True, capture_output=True)
        assert target == "portal.wsgi:application"
    elif command[1] == "manage.py":
        name, *arguments = command[2:]
        load_command_class(get_commands()[name], name).create_parser("manage.py", name).parse_args(arguments)
    else:
        assert program == "python" and (ROOT / command[1]).is_file(), command


def commands_of(service: compose.Service) -> list[list[str]]:
    if service.command[0] != "sh":
        return [service.command]
    return [part.split() for part in service.command[2].split(" && ")]


# --- Compose and the image -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_what_there_is(name: str) -> None:
    service = compose.services()[name]
    for command in [*commands_of(service), *([service.test] if service.test else [])]:
        refuse_unknown(command)
    given = {*service.environment, *(one for file in service.env_files for one in compose.example(file))}
    assert given <= SETTINGS | BESIDE and {"SECRET_KEY", "AUDIT_KEY", "DATABASE_URL"} <= given
    assert not any("KEY" in one or "PASSWORD" in one for one in service.environment)  # secrets come from files


def test_only_who_migrates_gets_the_owner_s_address() -> None:
    services = compose.services()
    assert [name for name in services if "owner.env" in services[name].env_files] == ["migrate"]
    assert "lsq_owner" in compose.example("owner.env")["DATABASE_URL"]
    assert "lsq_app" in compose.example("portal.env")["DATABASE_URL"]
    assert set(compose.example("database.env")) <= BESIDE


@pytest.mark.parametrize("name", compose.services())
def test_no_service_has_powers_or_writes_where_it_must_not(name: str) -> None:
    plain = compose.services()[name].plain
    assert plain["read_only"] is True and plain["cap_drop"] == ["ALL"] and plain["restart"]
    assert plain["security_opt"] == ["no-new-privileges:true"] and "privileged" not in plain
    assert bool(plain.get("ports")) == (name == "proxy")
    assert "user" in plain or (name in OURS and re.search(r"^USER lsq-ops$", compose.CONTAINERFILE, re.M))
    assert "healthcheck" in plain or name in ("migrate", "proxy")
    for volume in plain.get("volumes", ()):
        source = volume.partition(":")[0]
        assert not source.startswith("./") or source == "./tls" or (DEPLOY / source).exists()


def test_who_starts_waits_for_what_it_needs() -> None:
    services = compose.services()
    for name in ("web", "worker"):
        assert services[name].needs == {"migrate": "service_completed_successfully", "redis": "service_healthy"}
    assert services["migrate"].needs == {"database": "service_healthy"}


def test_the_image_takes_what_there_is_and_runs_as_nobody_s_root() -> None:
    assert [source for sources, _ in compose.copied() for source in sources if not (ROOT / source).exists()] == []
    assert set(compose.image_environment()) <= SETTINGS | PYTHONS
    assert "--require-hashes" in compose.CONTAINERFILE and "FROM python:3.1" in compose.CONTAINERFILE
    seen = (DEPLOY / "Containerfile.dockerignore").read_text(encoding="utf-8").split()
    wanted = {source.rstrip("/") for sources, _ in compose.copied() for source in sources} | {"requirements.txt"}
    assert {word[1:] for word in seen if word.startswith("!")} == wanted
    pins = (ROOT / "requirements.txt").read_text()
    assert {"gunicorn", "psycopg", "redis"} <= set(re.findall(r"^([a-z]+)==", pins, re.M))


def test_a_worker_is_given_the_time_it_takes_itself(settings: object) -> None:
    settings.SANDBOX_MODE = False  # type: ignore[attr-defined]
    stop = Unit(DEPLOY / "systemd" / "lsq-ops-worker.service")["Service"]["TimeoutStopSec"]
    assert worker.patience() + 5 < compose.services()["worker"].grace == float(stop)
    text = (DEPLOY / "gunicorn.py").read_text()
    graceful = int(re.search(r"^graceful_timeout = (\d+)", text, re.M)[1])  # type: ignore[index]
    assert graceful < compose.services()["web"].grace


# --- Units -----------------------------------------------------------------------------------------------


def test_a_unit_runs_what_there_is(unit: Unit) -> None:
    service = unit["Service"]
    assert service["WorkingDirectory"] == "/opt/lsq-ops" and unit.every("ExecStart")
    for line in unit.every("ExecStart"):
        program, *arguments = line.removeprefix("/opt/lsq-ops/.venv/bin/").split()
        refuse_unknown([program, *arguments])
    names = {word.partition("=")[0] for line in unit.every("Environment") for word in line.split()}
    assert names <= SETTINGS | PYTHONS
    assert {Path(file).name for file in unit.every("EnvironmentFile")} <= {"portal.env", "owner.env"}
    for page in unit.every("Documentation"):
        assert (ROOT / page.removeprefix("file:/opt/lsq-ops/")).is_file()


def test_a_unit_may_do_little(unit: Unit) -> None:
    service = unit["Service"]
    assert (service["ProtectSystem"], service["NoNewPrivileges"], service["PrivateTmp"]) == ("strict", "yes", "yes")
    assert service["StateDirectory"] == "lsq-ops" and "DATA_DIR=/var/lib/lsq-ops" in service["Environment"]
    assert service["User"] == "lsq-ops" and service["CapabilityBoundingSet"] == ""


def test_what_keeps_running_is_started_again_and_ends_its_group() -> None:
    for name in ("web", "worker"):
        service = Unit(DEPLOY / "systemd" / f"lsq-ops-{name}.service")["Service"]
        assert (service["Restart"], service["KillMode"]) == ("always", "mixed")
        ours = compose.services()[name]
        assert service["ExecStart"].removeprefix("/opt/lsq-ops/.venv/bin/").split() == ours.command


# --- The proxy, and the version --------------------------------------------------------------------------


def test_the_proxy_takes_bodies_in_and_keeps_no_secrets() -> None:
    site = proxies.configuration([8001, 8002], 8000, Path("/tmp"))
    assert "server 127.0.0.1:8001; server 127.0.0.1:8002;" in site and "listen 127.0.0.1:8000;" in site
    assert "proxy_request_buffering on;" in site and "ssl" not in site
    shape = re.search(r"log_format lsq_ops '(.*)';", site)
    assert shape and not re.search(r"\$(request|request_uri|args|query_string|http_referer)\b", shape[1])
    assert set(re.findall(r"error_log \S+ (\w+);", site)) == {"crit"}


def test_the_version_is_told_once() -> None:
    told = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert told and told[1] == __version__
