"""What every test can ask for: committed data, a sandbox, a browser; and no way out to the network."""

import fcntl
import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from ipaddress import ip_address
from itertools import groupby, islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.test.utils import setup_databases, teardown_databases

from tests import chromium

ASK_FOR_A_DATABASE = {"db", "transactional_db", "committed_db", "django_db_setup"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("TEST_DATABASE_URL"):
        keep_what_differs(config, items)
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    items[:] = long_ones_first(items, workers)


def keep_what_differs(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On the servers only what can turn out differently there; the rest has run with SQLite."""

    def differs(item: pytest.Item) -> bool:
        asks = ASK_FOR_A_DATABASE.intersection(getattr(item, "fixturenames", ()))
        wanted = item.get_closest_marker("servers") or item.get_closest_marker("django_db") or asks
        return bool(wanted) and not item.get_closest_marker("once")

    left_out = [item for item in items if not differs(item)]
    items[:] = [item for item in items if differs(item)]
    config.hook.pytest_deselected(items=left_out)


def long_ones_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """xdist deals the list out in pieces, one for each worker, and who is done takes short ones from the others' ends.
    So each piece begins with long ones: what takes minutes and begins last would be waited for by all the others.
    A module stays together, for its fixtures."""
    long = [item for item in items if item.get_closest_marker("long")]
    if not long or workers == 1:
        return items
    pieces: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for number, (_, module) in enumerate(groupby(long, key=lambda item: item.path)):
        pieces[number % workers].extend(module)
    short = iter([item for item in items if not item.get_closest_marker("long")])
    left = len(items)
    for number, piece in enumerate(pieces):
        size = left // (workers - number)
        piece.extend(islice(short, max(size - len(piece), 0)))
        left -= size
    return [item for piece in pieces for item in piece] + list(short)


# --- The network -----------------------------------------------------------------------------------------


def is_this_machine(host: object) -> bool:
    text = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    try:
        return text == "localhost" or ip_address(text).is_loopback or text == "0.0.0.0"
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Loopback only. A name that ends in .invalid fails as it would in the real DNS."""
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_this_machine(address[0]):
            pytest.fail(f"The test tried to reach {address[0]}.")
        return connect(self, address)

    def guarded_resolve(host: Any, *arguments: Any, **options: Any) -> Any:
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if not is_this_machine(host):
            pytest.fail(f"The test tried to look up {host}.")
        return resolve(host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket, "getaddrinfo", guarded_resolve)
        yield


@pytest.fixture(autouse=True)
def nobody_was_here() -> None:
    """What an earlier test cost as a stranger does not count."""
    from lsq_ops.services import throttles

    throttles.forget()


# --- Databases -------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,
    django_db_modify_db_settings: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """The migrated test database; pytest-django leaves it out where only `committed_db` is asked for."""
    run = getattr(request.config, "workerinput", {}).get("testrunuid")
    folder = tmp_path_factory.mktemp("database")
    stack = ExitStack()
    with django_db_blocker.unblock():
        if run is None:
            migrate(stack)
        else:
            migrate_or_copy(stack, folder, Path(os.environ["DATA_DIR"]) / f"migrated-{run}")
    yield
    with django_db_blocker.unblock():
        connections.close_all()
        stack.close()


def migrate(stack: ExitStack) -> None:
    made = setup_databases(verbosity=0, interactive=False, serialized_aliases=set())
    stack.callback(teardown_databases, made, verbosity=0)


def migrate_or_copy(stack: ExitStack, folder: Path, told: Path) -> None:
    """Of xdist's workers the first one migrates, which takes seconds, and tells the others of a copy of that."""
    copy = sqlite_copy if connection.vendor == "sqlite" else postgres_copy
    with open(f"{told}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if told.exists():
            connections.close_all()
            connection.settings_dict["NAME"], _ = stack.enter_context(copy(told.read_text(), folder))
            return
        migrate(stack)
        connections.close_all()
        name, _ = stack.enter_context(copy(str(connection.settings_dict["NAME"]), folder))
        told.write_text(name)
        stack.callback(told.unlink)


@pytest.fixture
def committed_db(django_db_setup: None, django_db_blocker: Any, tmp_path: Path) -> Iterator[str]:
    """Data that is really committed, in a copy of the test database; its DATABASE_URL.

    Our guards refuse to delete rows, so the usual way (commit, then flush all tables) can't work.
    """
    with django_db_blocker.unblock():
        connections.close_all()
        original = connection.settings_dict["NAME"]
        copy = sqlite_copy if connection.vendor == "sqlite" else postgres_copy
        with copy(str(original), tmp_path) as (name, url):
            connection.settings_dict["NAME"] = name
            empty_redis()
            try:
                yield url
            finally:
                connections.close_all()
                connection.settings_dict["NAME"] = original


@contextmanager
def sqlite_copy(original: str, folder: Path) -> Iterator[tuple[str, str]]:
    target = folder / "committed.sqlite3"
    with closing(sqlite3.connect(original)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    yield str(target), f"sqlite:///{target}"


@contextmanager
def postgres_copy(original: str, folder: Path) -> Iterator[tuple[str, str]]:
    import psycopg

    name = f"copy_{uuid4().hex}"
    server = os.environ["TEST_DATABASE_URL"]
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{original}"'.encode())
        try:
            yield name, server.rpartition("/")[0] + f"/{name}"
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def empty_redis() -> None:
    """No ring of an earlier test; each xdist worker has a Redis database of its own."""
    if os.environ.get("REDIS_URL"):
        import redis

        redis.Redis.from_url(os.environ["REDIS_URL"]).flushdb()


@pytest.fixture
def process_environment(committed_db: str) -> dict[str, str]:
    """The environment for a process on the same committed data: manage.py worker, a web server."""
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": committed_db}


# --- LeadSquared and the browser -------------------------------------------------------------------------


@pytest.fixture(scope="session")
def seeded() -> Any:
    """Seeding takes a third of a second; a copy of this takes none."""
    from lsq_ops.sandbox.world import World

    return World()


@pytest.fixture
def sandbox(settings: Any, seeded: Any) -> Iterator[Any]:
    """A LeadSquared of this test's own, on a real socket; the portal's settings point at it."""
    from lsq_ops.sandbox.server import RunningSandbox
    from lsq_ops.sandbox.world import World

    with RunningSandbox(World(like=seeded)) as running:
        settings.LSQ_HOST = running.url
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright; without one the test is skipped, or fails where CI is set."""
    path = chromium.find()
    if path is None:
        give_up: Callable[[str], Any] = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up("There is no Chromium here; ./dev test tries to fetch one.")
    from playwright.sync_api import sync_playwright

    # Playwright runs an event loop in this thread, and Django would refuse every query in it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=chromium.ARGUMENTS)
        yield running
        running.close()


# --- The small world -------------------------------------------------------------------------------------


@pytest.fixture
def people(db: None) -> Any:
    """The people and their grants; no LeadSquared behind them."""
    from tests.world import make_world

    return make_world()


@pytest.fixture
def world(db: None, sandbox: Any) -> Any:
    """The people, and a LeadSquared with no limit on calls."""
    from tests.world import make_world

    return make_world(sandbox)


@pytest.fixture
def committed_world(committed_db: str, sandbox: Any) -> Any:
    """The same with committed data, for tests with threads and processes."""
    from tests.world import make_world

    return make_world(sandbox)


@pytest.fixture
def portal_server(committed_db: str, settings: Any) -> Iterator[str]:
    """The portal's own web server in a thread; webhooks reach it."""
    from threading import Thread

    from waitress.server import create_server

    from portal.wsgi import application

    server = create_server(application, host="127.0.0.1", port=0, threads=4)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    settings.PUBLIC_URL = f"http://127.0.0.1:{server.effective_port}"
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    yield settings.PUBLIC_URL
    server.close()
    thread.join(5)
