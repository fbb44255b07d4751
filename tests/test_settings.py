"""What the environment may say, and the sentence that a wrong value gets."""

import importlib.util
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from lsq_ops import checks
from lsq_ops.models import guards
from portal.proxies import BehindProxies

ROOT = Path(__file__).resolve().parent.parent
OWN = {"SECRET_KEY": "s", "AUDIT_KEY": "a"}
KEYS = {"LSQ_ACCESS_KEY": "u$r1", "LSQ_SECRET_KEY": "$2", "LSQ_HOST": "https://api-in21.leadsquared.com"}
# DESIGN's names that people and programs rely on.
NAMES = """
SECRET_KEY AUDIT_KEY DEBUG ALLOWED_HOSTS PORT DATABASE_URL REDIS_URL PUBLIC_URL TRUSTED_PROXIES EMAIL_URL
HEARTBEAT_URL LSQ_HOST LSQ_ACCESS_KEY LSQ_SECRET_KEY LSQ_RATE_LIMIT LSQ_DAILY_LIMIT LSQ_RESERVE
LSQ_TIME_ZONE LSQ_TASKS_PER_CALL LSQ_EXTRA_HOSTS AUDIT_ANCHOR_FILE AUDIT_ANCHOR_MAIL SENTRY_DSN METRICS_TOKEN LOG_FORMAT
""".split()

MADE_UP = "u$r" + "01" * 16  # as LeadSquared's keys look

Load = Callable[..., dict[str, Any]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """portal/settings.py as a process with just this environment and this .env would see it."""

    def loaded(environment: dict[str, str] | None = None, dotenv: str = "") -> dict[str, Any]:
        (tmp_path / ".env").write_text(dotenv, encoding="utf-8")
        fixed = {"ENV_FILE": str(tmp_path / ".env"), "DATA_DIR": str(tmp_path / "data")}
        with mock.patch.dict(os.environ, {**fixed, **(environment or {})}, clear=True):
            return runpy.run_path(str(ROOT / "portal" / "settings.py"))

    return loaded


# --- Sandbox or keys -------------------------------------------------------------------------------------


def test_without_keys_it_is_the_sandbox(load: Load) -> None:
    found = load(OWN)
    assert found["SANDBOX_MODE"] and found["LSQ_HOST"] == "http://127.0.0.1:8765"
    assert found["LSQ_ACCESS_KEY"] == "u$rsandbox0access"
    assert found["DATABASES"]["default"]["NAME"].endswith("data/sandbox.sqlite3")


def test_the_sandbox_is_where_up_has_started_it(load: Load, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sandbox.url").write_text("http://127.0.0.1:9999\n")
    assert load(OWN)["LSQ_HOST"] == "http://127.0.0.1:9999"


def test_with_keys_it_is_the_portal(load: Load) -> None:
    found = load(OWN | KEYS)
    assert not found["SANDBOX_MODE"] and found["LSQ_HOST"] == KEYS["LSQ_HOST"]
    assert found["DATABASES"]["default"]["NAME"].endswith("data/portal.sqlite3")
    assert found["PUBLIC_URL"] == ""


# --- Secrets ---------------------------------------------------------------------------------------------


def test_a_dollar_in_a_key_is_a_dollar(load: Load) -> None:
    found = load(OWN | KEYS | {"LSQ_ACCESS_KEY": "$HOME", "HOME": "/elsewhere"})
    assert (found["LSQ_ACCESS_KEY"], found["LSQ_SECRET_KEY"]) == ("$HOME", "$2")


def test_a_dollar_in_dotenv_is_a_dollar_too(load: Load) -> None:
    lines = [f"{name}={value}" for name, value in (OWN | KEYS | {"LSQ_ACCESS_KEY": "$SECRET_KEY"}).items()]
    assert load(dotenv="\n".join(lines))["LSQ_ACCESS_KEY"] == "$SECRET_KEY"


def test_a_quoted_value_in_dotenv_loses_its_quotes(load: Load) -> None:
    lines = [f'{name}="{value}"' for name, value in (OWN | KEYS).items()]
    assert load(dotenv="\n".join(lines))["LSQ_ACCESS_KEY"] == "u$r1"


@pytest.mark.parametrize("name", ["SECRET_KEY", "AUDIT_KEY", "LSQ_ACCESS_KEY", "LSQ_SECRET_KEY", "REDIS_URL"])
def test_a_secret_may_come_from_a_file(load: Load, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("$from-a-file\n")
    assert load(OWN | KEYS | {f"{name}_FILE": str(tmp_path / "secret")})[name] == "$from-a-file"


def test_a_database_address_may_come_from_a_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgres://me:pa$s@db/name\n")
    database = load(OWN | {"DATABASE_URL_FILE": str(tmp_path / "url")})["DATABASES"]["default"]
    assert (database["PASSWORD"], database["CONN_MAX_AGE"]) == ("pa$s", 60)


def test_a_secret_file_that_is_not_there_is_named(load: Load) -> None:
    with pytest.raises(ImproperlyConfigured, match="AUDIT_KEY_FILE names /not/there"):
        load(OWN | {"AUDIT_KEY_FILE": "/not/there"})


@pytest.mark.parametrize("name", OWN)
def test_without_a_secret_of_its_own_it_does_not_start(load: Load, name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"{name} is not set\. Run \./dev up"):
        load({key: value for key, value in OWN.items() if key != name})


# --- Wrong values ----------------------------------------------------------------------------------------

WRONG = [
    ({"LSQ_HOST": "https://api-in21.leadsquared.com.evil.test"}, "no published LeadSquared region"),
    ({"LSQ_HOST": "http://api-in21.leadsquared.com"}, "plain http"),
    ({"LSQ_HOST": "http://extra.test", "LSQ_EXTRA_HOSTS": "extra.test"}, "plain http"),
    ({"LSQ_HOST": "api-in21.leadsquared.com"}, "full URL"),
    ({"LSQ_HOST": "https://api-in21.leadsquared.com/v2"}, "no path"),
    ({"LSQ_HOST": "https://me:secret@api-in21.leadsquared.com"}, "user name or password"),
    ({"LSQ_HOST": "https://api-in21.leadsquared.com:port"}, "not a URL"),
    ({"LSQ_HOST": ""}, "LSQ_HOST is not set"),
    ({"LSQ_SECRET_KEY": ""}, "belong together"),
    ({"LSQ_ACCESS_KEY": ""}, "belong together"),
    ({"LSQ_ACCESS_KEY": "", "LSQ_SECRET_KEY": ""}, "the keys are not"),
    ({"LSQ_RATE_LIMIT": "25"}, "25 calls in 5 seconds"),
    ({"LSQ_RATE_LIMIT": "0/5"}, "25 calls in 5 seconds"),
    ({"LSQ_DAILY_LIMIT": "many"}, "a number was expected"),
    ({"LSQ_RESERVE": "1.5"}, "between 0 and 0.95"),
    ({"LSQ_TIME_ZONE": "India Standard Time"}, "Asia/Kolkata"),
    ({"LSQ_TASKS_PER_CALL": "5001"}, "between 1 and 5000"),
    ({"PUBLIC_URL": "portal.example.com"}, "PUBLIC_URL must be a full URL"),
    ({"TRUSTED_PROXIES": "nginx"}, "addresses or networks"),
    ({"PORT": "0"}, "between 1 and 65535"),
    ({"DEBUG": "maybe"}, "expected true or false"),
    ({"DATABASE_URL": "mysql://u@h/n"}, "sqlite:/// or postgres://"),
    ({"HEARTBEAT_URL": "file:///etc/passwd"}, "HEARTBEAT_URL must begin"),
    ({"LOG_FORMAT": "xml"}, "expected one of: text, json"),
]


@pytest.mark.parametrize(("values", "sentence"), WRONG)
def test_a_wrong_value_gets_a_sentence(load: Load, values: dict[str, str], sentence: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=re.escape(sentence)) as caught:
        load(OWN | KEYS | values)
    assert "secret@" not in str(caught.value)


@pytest.mark.parametrize(
    "host", ["http://127.0.0.1:9000", "http://localhost:9", "http://[::1]:80", "https://extra.test"]
)
def test_these_hosts_are_fine(load: Load, host: str) -> None:
    assert load(OWN | KEYS | {"LSQ_HOST": host + "/", "LSQ_EXTRA_HOSTS": "extra.test"})["LSQ_HOST"] == host


# --- Names -----------------------------------------------------------------------------------------------


def test_the_example_loads_as_it_is(load: Load) -> None:
    found = load(OWN, dotenv=(ROOT / ".env.example").read_text())
    plain = load(OWN)
    same = [name for name in plain if name.isupper() and name not in ("SECRET_KEY", "AUDIT_KEY")]
    assert {name: found[name] for name in same} == {name: plain[name] for name in same}


def test_the_example_names_everything_with_a_sentence() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = {line.partition("=")[0]: lines[number - 1] for number, line in enumerate(lines) if re.match("[A-Z]", line)}
    assert set(NAMES) <= set(named)
    assert all(re.fullmatch(r"# .{15,}", comment) for comment in named.values())


def test_the_settings_read_only_names_of_the_example() -> None:
    text = (ROOT / "portal" / "settings.py").read_text()
    read = set(re.findall(r'(?:env\.\w+|_own_secret)\("([A-Z_]+)"', text))
    named = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
    assert read == named


# --- What follows from them ------------------------------------------------------------------------------


def test_a_public_address_is_allowed_and_makes_cookies_secure(load: Load) -> None:
    found = load(OWN | KEYS | {"PUBLIC_URL": "https://ops.example.com/"})
    assert "ops.example.com" in found["ALLOWED_HOSTS"]
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://ops.example.com"]
    assert found["SESSION_COOKIE_SECURE"] and found["CSRF_COOKIE_SECURE"]


PRODUCTION = KEYS | {
    "SECRET_KEY": "a-long-one-of-many-letters-0123456789-abcdefghijklmnop",
    "AUDIT_KEY": "another-long-one-0123456789-abcdefghijklmnop",
    "LSQ_ACCESS_KEY": MADE_UP,
    "PUBLIC_URL": "https://ops.example.com",
    "TRUSTED_PROXIES": "10.0.0.1",
    "EMAIL_URL": "smtp+tls://user:password@mail.example.com:587",
}


def deploy_check(folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """`manage.py check --deploy` as a deployment runs it."""
    environment = {"PATH": os.environ["PATH"], "ENV_FILE": os.devnull, "DATA_DIR": str(folder), **PRODUCTION, **more}
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.once
def test_a_deployments_check_is_clean(tmp_path: Path) -> None:
    ran = deploy_check(tmp_path)
    assert (ran.returncode, "no issues" in ran.stdout) == (0, True), ran.stderr


@pytest.mark.once
def test_a_deployments_check_tells_of_plain_http_and_of_debugging(tmp_path: Path) -> None:
    ran = deploy_check(tmp_path, PUBLIC_URL="http://ops.example.com", DEBUG="true")
    assert ran.returncode == 1
    assert {"security.W012", "security.W016", "security.W018"} <= set(re.findall(r"security\.W\d+", ran.stderr))
    assert {"lsq_ops.E004", "lsq_ops.E005"} <= set(re.findall(r"lsq_ops\.\w\d+", ran.stderr))


@pytest.mark.once
def test_a_deployments_check_tells_of_guessable_secrets(tmp_path: Path) -> None:
    ran = deploy_check(tmp_path, SECRET_KEY="short-but-of-many-letters", AUDIT_KEY="short-but-of-many-letters")
    assert ran.returncode == 1
    assert ran.stderr.count("lsq_ops.W008") == 3, ran.stderr


def test_the_queue_lives_in_redis_where_there_is_one(load: Load) -> None:
    assert load(OWN)["Q_CLUSTER"]["orm"] == "default"
    found = load(OWN | {"REDIS_URL": "redis://127.0.0.1/0"})["Q_CLUSTER"]
    assert found["redis"] == "redis://127.0.0.1/0" and "orm" not in found


@pytest.mark.parametrize("name", checks.QUEUE)
def test_other_queue_settings_are_refused(settings: Any, name: str) -> None:
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, name: 7}
    assert [error.id for error in checks.queue_settings(None)] == ["lsq_ops.E001"]


def test_sqlite_without_immediate_is_refused(settings: Any) -> None:
    assert checks.sqlite_settings(None) == []
    plain = {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {}}
    with mock.patch.dict(settings.DATABASES["default"], plain):
        assert [error.id for error in checks.sqlite_settings(None)] == ["lsq_ops.E002"]


def real(settings: Any, **values: Any) -> None:
    """As with the keys of a real account, in the environment and in the settings."""
    values = {"SANDBOX_MODE": False, "DEBUG": False, "PUBLIC_URL": "https://ops.example.com", **values}
    for name, value in values.items():
        setattr(settings, name, value)


def ids(found: list[Any]) -> list[str]:
    return [message.id for message in found]


def test_debugging_and_plain_http_are_refused_with_the_keys_of_a_real_account(settings: Any) -> None:
    real(settings)
    assert checks.real_account(None) == []
    real(settings, DEBUG=True, PUBLIC_URL="http://ops.example.com")
    assert ids(checks.real_account(None)) == ["lsq_ops.E004", "lsq_ops.E005"]
    real(settings, PUBLIC_URL="http://127.0.0.1:8000")
    assert checks.real_account(None) == []
    real(settings, SANDBOX_MODE=True, DEBUG=True)
    assert checks.real_account(None) == []


@pytest.mark.parametrize(
    ("given", "used", "told"),
    [
        (MADE_UP, MADE_UP, []),
        ("$0123456789", "$0123456789", ["lsq_ops.W007"]),
        (MADE_UP, "u", ["lsq_ops.E006", "lsq_ops.W007"]),
        ("u", "u", ["lsq_ops.W007"]),
    ],
    ids=["as given", "begins with a dollar sign", "read as a reference", "cut by a shell"],
)
def test_a_key_that_lost_what_stands_behind_its_dollar_sign_is_told_of(
    settings: Any, given: str, used: str, told: list[str]
) -> None:
    real(settings, LSQ_ACCESS_KEY=used, LSQ_SECRET_KEY="s")
    with mock.patch.dict(os.environ, {"LSQ_ACCESS_KEY": given, "LSQ_SECRET_KEY": "s"}):
        assert ids(checks.keys_as_given(None)) == told


@pytest.mark.parametrize(("kind", "told"), [("ext4", []), ("nfs4", ["lsq_ops.E003"]), ("fuse.sshfs", ["lsq_ops.E003"])])
def test_a_sqlite_file_on_a_network_disk_is_refused(settings: Any, tmp_path: Path, kind: str, told: list[str]) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/share {tmp_path}/my\\040share {kind} rw 0 0\n")
    here = {"ENGINE": checks.SQLITE, "NAME": str(tmp_path / "my share" / "portal.sqlite3")}
    with mock.patch.dict(settings.DATABASES["default"], here), mock.patch.object(checks, "MOUNTS", mounts):
        assert ids(checks.sqlite_place(None)) == told


@pytest.mark.django_db
def test_a_missing_guard_is_told_of_by_the_databases_check() -> None:
    assert checks.guards_in_place(None, databases=["default"]) == []
    guards.drop(connection)
    found = checks.guards_in_place(None, databases=["default"])
    assert set(ids(found)) == {"lsq_ops.W009"} and len(found) == len(guards.statements(connection.vendor))


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("https://watcher.example/ping/0123", ""),
        ("http://127.0.0.1:8000/ping", ""),
        ("http://watcher.example/ping", "must begin with https://"),
        ("https://me:pass@watcher.example/ping", "holds a user name"),
        ("https:///ping", "is no address"),
        ("https://watcher.example/a b", "is no address"),
    ],
)
def test_where_the_heartbeat_may_go(settings: Any, address: str, says: str) -> None:
    settings.HEARTBEAT_URL = address
    told = checks.watching(None)
    assert ids(told) == (["lsq_ops.E034"] if says else [])
    assert all(says in one.msg and "ping" not in one.msg for one in told)


def test_a_report_of_errors_that_can_t_be_sent_and_a_token_that_can_be_guessed(settings: Any) -> None:
    settings.SENTRY_DSN, settings.METRICS_TOKEN = "https://0123@sentry.example/1", "short"
    found = checks.watching(None)
    installed = importlib.util.find_spec("sentry_sdk") is not None
    assert ids(found) == (["lsq_ops.W036"] if installed else ["lsq_ops.E035", "lsq_ops.W036"])
    assert all(one.hint for one in found)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address", "scheme"),
    [
        ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.9", "1.2.3.4", "https"),
        ("10.0.0.1", "", "10.0.0.1", "https"),
        ("1.2.3.4", "9.9.9.9", "1.2.3.4", "http"),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str, forwarded: str, address: str, scheme: str) -> None:
    environ = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded, "HTTP_X_FORWARDED_PROTO": "https"}
    environ["wsgi.url_scheme"] = "http"
    BehindProxies(lambda seen, start: [], ["10.0.0.0/8"])(environ, None)
    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == (address, scheme)
    assert "HTTP_X_FORWARDED_FOR" not in environ


@pytest.mark.django_db
def test_health(client: Any) -> None:
    assert client.get("/health/live").json() == {"live": True}
    assert client.get("/health/ready").json() == {"ready": True}


def test_the_front_page_leads_to_the_admin(client: Any) -> None:
    assert client.get("/")["Location"] == "/admin/"
