"""A sandbox of each test's own, and somebody who calls it as an ordinary program would."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from lsq_ops.sandbox import SANDBOX_ACCESS_KEY, SANDBOX_SECRET_KEY
from lsq_ops.sandbox.server import RunningSandbox
from lsq_ops.sandbox.world import WELL_KNOWN, World

ASHA = WELL_KNOWN["asha"]
KEYS = {"x-LSQ-AccessKey": SANDBOX_ACCESS_KEY, "x-LSQ-SecretKey": SANDBOX_SECRET_KEY}
ALWAYS = {"FromDate": "2000-01-01 00:00:00", "ToDate": "2100-01-01 00:00:00"}
RETRIEVE = "ProspectActivity.svc/Retrieve"


def eventually(condition: Callable[[], object], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not (met := bool(condition())) and time.monotonic() < deadline:
        time.sleep(0.01)
    return met


class Caller:
    """Calls the API with good keys."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update(KEYS)

    def get(self, path: str, **params: str) -> Any:
        return self.session.get(f"{self.url}/v2/{path}", params=params, timeout=10)

    def post(self, path: str, body: Any, **params: str) -> Any:
        return self.session.post(f"{self.url}/v2/{path}", json=body, params=params, timeout=10)

    def activities(self, lead: str, offset: object = 0, rows: object = 25, code: int | None = None) -> list[Any]:
        body = {"Parameter": {"ActivityEvent": code}, "Paging": {"Offset": offset, "RowCount": rows}}
        return self.post(RETRIEVE, body, leadId=lead).json()["ProspectActivities"]

    def delete_site_visits(self, lead: str = ASHA, **more: str) -> Any:
        body = {"ProspectId": lead, "ActivityEventList": ["201"], **ALWAYS, **more}
        return self.post("ProspectActivity.svc/DeleteActivities", body)


@dataclass
class Letterbox:
    """Takes webhooks and keeps them as they came."""

    url: str = ""
    came: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def bodies(self) -> list[Any]:
        return [json.loads(body) for method, _, _, body in self.came if method == "POST"]


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("world") / "world.sqlite3"
    World(path).close()
    return path


@pytest.fixture
def world(seeded: Path, tmp_path: Path) -> Iterator[World]:
    world = World(shutil.copy(seeded, tmp_path / "world.sqlite3"))
    yield world
    world.close()


@pytest.fixture
def sandbox(world: World) -> Iterator[RunningSandbox]:
    with RunningSandbox(world, rate_limit="off", delay=0) as running:
        yield running


@pytest.fixture
def caller(sandbox: RunningSandbox) -> Caller:
    return Caller(sandbox.url)


@pytest.fixture
def letterbox() -> Iterator[Letterbox]:
    box = Letterbox()

    class Door(BaseHTTPRequestHandler):
        def take(self) -> None:
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
            else:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            box.came.append((self.command, self.path, dict(self.headers), body))
            self.send_response(200)
            self.end_headers()

        do_POST = do_HEAD = take

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    box.url = f"http://127.0.0.1:{server.server_address[1]}/webhooks/leadsquared/the-token/"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield box
    server.shutdown()
    server.server_close()
