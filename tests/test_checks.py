"""Each system check comes with the setting that it is about, and goes with it; and each stands in docs/checks.md."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.conf import settings as plain
from django.db import connection

from lsq_ops import checks, checks_stores, checks_web
from lsq_ops.models import Beat, db_now
from portal import settings as shipped

ROOT = Path(__file__).resolve().parent.parent
SOURCES = "".join((ROOT / "lsq_ops" / f"{name}.py").read_text() for name in ("checks", "checks_web", "checks_stores"))
LONG = "0123456789abcdefghijklmnopqrstuvwxyz"
# A real account's settings in which nothing is dangerous.
SAFE: dict[str, Any] = {
    "SANDBOX_MODE": False,
    "DEBUG": False,
    "SECRET_KEY": "s-" + LONG,
    "AUDIT_KEY": "a-" + LONG,
    "PUBLIC_URL": "https://ops.example.com",
    "ALLOWED_HOSTS": ["127.0.0.1", "ops.example.com"],
    "TRUSTED_PROXIES": ["10.0.0.1", "fd00::/8", "10.0.0.0/8"],
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "SECURE_HSTS_SECONDS": 3600,
    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    "EMAIL_HOST": "mail.example.com",
    "EMAIL_USE_TLS": True,
    "EMAIL_USE_SSL": False,
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.PBKDF2PasswordHasher"],
    "REDIS_URL": "",
}
SANDBOX = {"SANDBOX_MODE": True, "PUBLIC_URL": "http://127.0.0.1:8000"}
SHIPPED = {name: getattr(plain, name) for name in dir(plain) if name.isupper()}
MIDDLEWARE = plain.MIDDLEWARE
CSP = plain.CONTENT_SECURITY_POLICY["DIRECTIVES"]
DATABASE_CACHE, LOCAL_CACHE = plain.CACHES["default"]["BACKEND"], "django.core.cache.backends.locmem.LocMemCache"


def policy(**directives: list[str]) -> dict[str, Any]:
    return {"CONTENT_SECURITY_POLICY": {"DIRECTIVES": CSP | {k.replace("_", "-"): v for k, v in directives.items()}}}


# id, its check, and what brings it; one line for each way in which it comes.
COMES: list[tuple[str, Callable[..., list[Any]], dict[str, Any]]] = [
    ("E010", checks_web.guessable_secrets, {"SECRET_KEY": "only-for-debugging"}),
    ("E010", checks_web.guessable_secrets, {"AUDIT_KEY": "a" * 60}),
    ("E010", checks_web.guessable_secrets, {"SECRET_KEY": "Django-Insecure-" + LONG}),
    ("W011", checks_web.way_in, {"PUBLIC_URL": ""}),
    ("W012", checks_web.way_in, {"TRUSTED_PROXIES": []}),
    ("E013", checks_web.who_is_believed, {"TRUSTED_PROXIES": ["0.0.0.0/0"]}),
    ("E013", checks_web.who_is_believed, {"TRUSTED_PROXIES": ["::/0"]}),
    ("E014", checks_web.who_is_believed, {"ALLOWED_HOSTS": ["*"]}),
    ("E014", checks_web.who_is_believed, {"ALLOWED_HOSTS": [".example.com"]}),
    ("E015", checks_web.who_is_believed, {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}),
    ("E015", checks_web.who_is_believed, {"USE_X_FORWARDED_HOST": True}),
    ("E016", checks_web.cookies, {"SESSION_COOKIE_SECURE": False}),
    ("E016", checks_web.cookies, {"CSRF_COOKIE_SECURE": False}),
    ("E016", checks_web.cookies, {"SECURE_HSTS_SECONDS": 0}),
    ("E016", checks_web.cookies, {"SESSION_COOKIE_HTTPONLY": False}),
    ("E016", checks_web.cookies, {"SESSION_COOKIE_SAMESITE": "None"}),
    ("W022", checks_web.mail_goes_out, {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}),
    ("W023", checks_web.mail_goes_out, {"EMAIL_USE_TLS": False}),
    ("E024", checks_web.upload_limits, {"UPLOAD_CAP": 2**30}),
    ("E024", checks_web.upload_limits, {"DATA_UPLOAD_MAX_MEMORY_SIZE": None}),
    ("E024", checks_web.upload_limits, {"DATA_UPLOAD_MAX_NUMBER_FIELDS": None}),
    ("E024", checks_web.upload_limits, {"DATA_UPLOAD_MAX_NUMBER_FILES": None}),
    ("E029", checks_web.password_hashes, {"PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"]}),
    *[("E030", checks_web.layers, {"MIDDLEWARE": [m for m in MIDDLEWARE if m != x]}) for x in checks_web.MIDDLEWARE],
    ("E031", checks_web.page_policy, policy(script_src=["'self'", "'unsafe-eval'", "'unsafe-inline'"])),
    ("E031", checks_web.page_policy, policy(script_src=["'self'", "https://cdn.example.com"])),
    ("E031", checks_web.page_policy, policy(frame_ancestors=[])),
    ("E031", checks_web.page_policy, policy(connect_src=["*"])),
    ("E032", checks_web.codes_are_remembered, {"CACHES": {"default": {"BACKEND": LOCAL_CACHE}}}),
    ("W033", checks_web.sandbox_in_the_open, {"SANDBOX_MODE": True}),
    ("W021", checks_stores.way_to_redis, {"REDIS_URL": "rediss://redis.example.com:6380/0"}),
    ("W021", checks_stores.way_to_redis, {"REDIS_URL": "redis://:secret@redis.example.com:6379/0"}),
    ("E025", checks_stores.folder, {"DATA_DIR": ROOT / "README.md" / "data"}),
    ("E028", checks_stores.clock, {"TIME_ZONE": "Asia/Kolkata"}),
    ("E028", checks_stores.clock, {"USE_TZ": False}),
]
# What looks like it and is fine: on this machine, or in the sandbox.
GOES: list[tuple[Callable[..., list[Any]], dict[str, Any]]] = [
    (checks_web.guessable_secrets, SANDBOX | {"SECRET_KEY": "only-for-debugging"}),
    (checks_web.way_in, SANDBOX | {"TRUSTED_PROXIES": []}),
    (checks_web.way_in, {"PUBLIC_URL": "http://127.0.0.1:8000", "TRUSTED_PROXIES": []}),
    (checks_web.cookies, SANDBOX | {"SESSION_COOKIE_SECURE": False}),
    (checks_web.mail_goes_out, SANDBOX | {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}),
    (checks_web.mail_goes_out, {"EMAIL_USE_TLS": False, "EMAIL_HOST": "localhost"}),
    (checks_web.sandbox_in_the_open, SANDBOX),
    (checks_stores.way_to_redis, {"REDIS_URL": "redis://127.0.0.1:6379/0"}),
    (checks_stores.way_to_redis, {"REDIS_URL": "rediss://:secret@redis.example.com:6380/0"}),
    (checks_stores.way_to_redis, {"REDIS_URL": "unix:///run/redis.sock"}),
]


def told(settings: Any, check: Callable[..., list[Any]], **values: Any) -> list[str]:
    for name, value in {**SAFE, **values}.items():
        setattr(settings, name, value)
    found = check(None)
    assert all(str(one.msg).strip() and str(one.hint).strip() for one in found)
    return [one.id for one in found]


@pytest.fixture(autouse=True)
def quiet_folder(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR, settings.ENV_FILE = tmp_path / "data", tmp_path / ".env"


@pytest.mark.parametrize(("which", "check", "values"), COMES)
def test_it_comes_and_goes(settings: Any, tmp_path: Path, which: str, check: Any, values: dict[str, Any]) -> None:
    assert told(settings, check, **values) == [f"lsq_ops.{which}"]
    fine = {name: SHIPPED[name] for name in values if name not in SAFE and name != "DATA_DIR"}
    settings.DATA_DIR = tmp_path / "data"
    assert told(settings, check, **fine) == []


@pytest.mark.parametrize(("check", "values"), GOES)
def test_it_stays_away_where_nothing_is_dangerous(settings: Any, check: Any, values: dict[str, Any]) -> None:
    assert told(settings, check, **values) == []


# --- What asks databases and disks -----------------------------------------------------------------------------------


def on(database: dict[str, Any]) -> Any:
    whole = {"ENGINE": checks.SQLITE, "OPTIONS": {}, "HOST": "", **database}
    return mock.patch.dict(plain.DATABASES["default"], whole)


WAL = "PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON"


@pytest.mark.parametrize(
    ("told_first", "count"),
    [(WAL, 0), ("PRAGMA journal_mode = wal; PRAGMA foreign_keys=on", 0), ("PRAGMA journal_mode=DELETE", 2), ("", 2)],
)
def test_sqlite_without_its_journal_is_refused(settings: Any, told_first: str, count: int) -> None:
    with on({"OPTIONS": {"init_command": told_first}}):
        assert told(settings, checks_stores.sqlite_journal) == ["lsq_ops.E019"] * count


def test_what_the_settings_ship_is_what_the_check_wants(settings: Any) -> None:
    with on({"OPTIONS": dict(shipped._SQLITE)}):
        assert told(settings, checks_stores.sqlite_journal) == []


@pytest.mark.parametrize(
    ("workers", "engine", "ids"), [(4, "sqlite3", []), (32, "sqlite3", ["lsq_ops.W017"]), (32, "postgresql", [])]
)
def test_many_workers_on_sqlite_are_told_of(settings: Any, workers: int, engine: str, ids: list[str]) -> None:
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "workers": workers}
    with on({"ENGINE": f"django.db.backends.{engine}"}):
        assert told(settings, checks_stores.workers_on_sqlite) == ids


@pytest.mark.parametrize(
    ("host", "options", "ids"),
    [
        ("db.example.com", {}, ["lsq_ops.W020"]),
        ("db.example.com", {"sslmode": "prefer"}, ["lsq_ops.W020"]),
        ("db.example.com", {"sslmode": "verify-full"}, []),
        ("127.0.0.1", {}, []),
        ("/run/postgresql", {}, []),
    ],
)
def test_the_way_to_another_postgresql_must_be_encrypted(
    settings: Any, host: str, options: Any, ids: list[str]
) -> None:
    with on({"ENGINE": "django.db.backends.postgresql", "HOST": host, "OPTIONS": options}):
        assert told(settings, checks_stores.way_to_postgresql) == ids


@pytest.mark.django_db
def test_two_machines_on_one_sqlite_file_are_told_of() -> None:
    Beat.show("worker")
    Beat.show("watchdog")
    assert checks_stores.one_machine(None, databases=["default"]) == []
    other = Beat.objects.create(name="worker on elsewhere", at=db_now())
    expected = ["lsq_ops.W018"] if connection.vendor == "sqlite" else []
    assert [one.id for one in checks_stores.one_machine(None, databases=["default"])] == expected
    Beat.objects.filter(pk=other.pk).update(at=db_now() - timedelta(minutes=5))
    assert checks_stores.one_machine(None, databases=["default"]) == []
    assert checks_stores.one_machine(None) == []  # a plain check asks no database


def test_folders_and_keys_that_others_may_read_are_told_of(settings: Any, tmp_path: Path) -> None:
    data, env_file = tmp_path / "data", tmp_path / ".env"
    data.mkdir(mode=0o700)
    env_file.touch(mode=0o600)
    assert told(settings, checks_stores.folder) == []
    data.chmod(0o750)
    env_file.chmod(0o604)
    assert told(settings, checks_stores.folder) == ["lsq_ops.W026", "lsq_ops.W027"]


# --- The table of ids ------------------------------------------------------------------------------------------------


def test_every_id_is_used_once_tested_and_stands_in_the_table() -> None:
    used = re.findall(r'id="(lsq_ops\.[EW]\d{3})"', SOURCES)
    assert len({one[-3:] for one in used}) == len(set(used)), "a number is used for an error and a warning"
    table = re.findall(r"^\| `(lsq_ops\.[EW]\d{3})` \|", (ROOT / "docs" / "checks.md").read_text(), re.M)
    assert table == sorted(set(used), key=lambda one: one[-3:])
    tests = Path(__file__).read_text() + (ROOT / "tests" / "test_settings.py").read_text()
    assert [one for one in set(used) if one.removeprefix("lsq_ops.") not in tests] == []
