"""The watcher outside is told once a minute, of good and of bad, and nothing that it does holds up the work."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest

from lsq_ops import outside
from lsq_ops.models import Beat, db_now
from lsq_ops.services import doctor, heartbeat

PATH = "/0c9e8c1e-5f0e-4c1b-9f62"


@contextmanager
def watcher(answer: Callable[[socket.socket], None] | bytes = b"HTTP/1.1 200 OK\r\n\r\nOK") -> Iterator[Any]:
    """Somebody who listens, on a real socket; what was asked stands in `.asked`."""
    server = socket.create_server(("127.0.0.1", 0))
    asked: list[str] = []

    def serve() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer:
                asked.append(peer.recv(4096).decode(errors="replace"))
                with suppress(OSError):
                    answer(peer) if callable(answer) else peer.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield type("Watcher", (), {"asked": asked, "url": f"http://127.0.0.1:{server.getsockname()[1]}{PATH}"})
    finally:
        server.close()


def drip(peer: socket.socket) -> None:
    for _ in range(100):
        peer.sendall(b"H")
        time.sleep(0.05)


@pytest.mark.once
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nOK", ""),
        (b"HTTP/1.0 204\r\n\r\n", ""),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "HTTP 302"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "HTTP 404"),
        (b"SSH-2.0-OpenSSH\r\n", "no HTTP came back"),
        (b"", "no HTTP came back"),
        (drip, "no answer in time"),
    ],
    ids=["taken", "taken without words", "leads elsewhere", "not known", "somebody else", "hangs up", "drips"],
)
def test_what_an_answer_means(answer: Any, says: str) -> None:
    begun = time.monotonic()
    with watcher(answer) as there:
        assert outside.ping(f"{there.url}?a=1", deadline=0.6) == says
        assert there.asked[0].startswith(f"GET {PATH}?a=1 HTTP/1.1\r\nHost: 127.0.0.1:") and len(there.asked) == 1
    assert time.monotonic() - begun < 3


def test_an_address_that_nobody_answers_at_says_so_without_the_address() -> None:
    assert outside.ping("http://127.0.0.1:9/secret") == "ConnectionRefusedError"
    assert outside.ping("https://nowhere.invalid/secret") == "gaierror"
    with watcher() as there:
        assert "SSL" in outside.ping(there.url.replace("http:", "https:"))


def test_bad_news_go_where_the_watchers_take_them() -> None:
    assert outside.failing("https://h/ping/") == "https://h/ping/fail"
    assert outside.failing("https://h/ping?rid=1") == "https://h/ping/fail?rid=1"


@pytest.fixture
def kept_open(monkeypatch: Any) -> None:
    """`tell` closes the connection of its thread; here it is the test's."""
    monkeypatch.setattr(heartbeat.connection, "close", lambda: None)


def test_it_tells_of_good_and_of_bad(people: Any, settings: Any, kept_open: None) -> None:
    Beat.show("worker")
    with watcher() as there:
        settings.HEARTBEAT_URL = there.url
        heartbeat.tell()
        Beat.objects.filter(name__startswith="worker").update(at=db_now() - timedelta(minutes=5))
        assert [finding.name for finding in doctor.red()] == ["worker"]
        heartbeat.tell()
    assert [line.split()[1] for line in there.asked] == [PATH, f"{PATH}/fail"]


def test_a_failure_is_told_when_it_begins_and_when_it_is_over(
    people: Any, settings: Any, caplog: Any, kept_open: None
) -> None:
    settings.HEARTBEAT_URL = f"http://127.0.0.1:9{PATH}"
    for _ in range(3):
        heartbeat.tell()
    with watcher() as there:
        settings.HEARTBEAT_URL = there.url
        heartbeat.tell()
        heartbeat.tell()
    said = [record.getMessage() for record in caplog.records if record.name == heartbeat.__name__]
    assert [line.partition(":")[0] for line in said] == [
        "HEARTBEAT_URL could not be told",
        "HEARTBEAT_URL answers again.",
    ]
    assert PATH not in " ".join(said)


def test_of_all_processes_one_tells_in_a_minute(people: Any, settings: Any, monkeypatch: Any) -> None:
    told: list[object] = []
    monkeypatch.setattr(heartbeat, "tell", lambda: told.append(1))
    heartbeat.keep()
    assert told == []  # no address, nothing to tell
    settings.HEARTBEAT_URL = "http://127.0.0.1:9/"
    for _ in range(3):
        heartbeat.keep()
    wait_for(lambda: len(told) == 1)
    Beat.objects.filter(name=heartbeat.TOLD).update(at=db_now() - heartbeat.EVERY)
    for _ in range(3):
        heartbeat.keep()
    wait_for(lambda: len(told) == 2)
    assert len(told) == 2


def test_without_a_database_it_tells_of_that(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(heartbeat, "_alone", -60.0)
    with watcher() as there:
        settings.HEARTBEAT_URL = there.url
        heartbeat.keep_without_database()
        heartbeat.keep_without_database()
        wait_for(lambda: bool(there.asked))
    assert [line.split()[1] for line in there.asked] == [f"{PATH}/fail"]


def wait_for(done: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not done() and time.monotonic() < until:
        time.sleep(0.01)
    assert done()
