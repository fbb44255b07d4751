"""A small HTTP/1.1 server for the sandbox: it can reset, cut and drip, which a proper one will not."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from . import SANDBOX_KEYS
from .api import WIRE_HEADER, Sandbox
from .control import PREFIX
from .faults import Faults
from .messages import Call
from .world import World

BODY_CAP = 64 * 1024 * 1024
LINGER_FOR_NO_TIME = struct.pack("ii", 1, 0)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: SandboxServer

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: a request line may hold an e-mail address."""

    def handle_call(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > BODY_CAP:
            return self.send_error(413)
        head: list[Any] = []
        environ = self._environ(io.BytesIO(self.rfile.read(int(length))), length)
        body = b"".join(self.server.app(environ, lambda status, headers: head.extend((status, headers))))
        status, headers = head[0], dict(head[1])
        wire = headers.pop(WIRE_HEADER, "")
        date = f"Date: {self.date_time_string()}"
        lines = [f"HTTP/1.1 {status}", date, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        with contextlib.suppress(OSError):
            self._send("\r\n".join(lines).encode("latin-1") + body, wire)

    do_GET = do_POST = do_DELETE = do_PUT = do_HEAD = handle_call

    def _environ(self, body: io.BytesIO, length: str) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        return {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": length,
            "HTTP_X_LSQ_ACCESSKEY": self.headers.get("x-LSQ-AccessKey", ""),
            "HTTP_X_LSQ_SECRETKEY": self.headers.get("x-LSQ-SecretKey", ""),
            "wsgi.input": body,
        }

    def _send(self, answer: bytes, wire: str) -> None:
        self.close_connection = self.close_connection or bool(wire)
        if wire == "hang":
            self.server.closing.wait(300)
        elif wire == "drip":
            self._drip(answer)
        elif wire not in ("reset", "close"):
            self.connection.sendall(answer[:-5] if wire.endswith("midway") else answer)
        if wire.startswith("reset"):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_FOR_NO_TIME)
            self.connection.close()

    def _drip(self, answer: bytes) -> None:
        pause = self.server.app.faults.number("slow_for") / 10
        for byte in answer:
            self.connection.sendall(bytes((byte,)))
            if self.server.closing.wait(pause):
                return


class SandboxServer(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, app: Sandbox) -> None:
        self.app = app
        self.closing = threading.Event()
        self.connections: set[socket.socket] = set()
        super().__init__((host, port), Handler)

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is a bug of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Ends serving and cuts every open connection, as a killed process would."""
        self.closing.set()
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class RunningSandbox:
    """`with RunningSandbox(rate_limit="off") as sandbox:` serves a new world on a free port, in a thread.

    Keyword arguments are switches; `keys` are the access and the secret key that it takes. `stop()` and `start()`
    again keep the port and the world.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        port: int = 0,
        keys: tuple[str, str] = SANDBOX_KEYS,
        **switches: object,
    ) -> None:
        self.access_key, self.secret_key = keys
        self.world = world or World()
        self.faults = Faults()
        for name, value in switches.items():
            self.faults.set(name, value)
        self.app = Sandbox(self.world, self.faults, keys)
        self.url = f"http://127.0.0.1:{port}"
        self._server: SandboxServer | None = None

    @property
    def stats(self) -> dict[str, Any]:
        """As GET /__sandbox__/stats gives it."""
        return self.app.control.seen()

    def control(self, what: str, **body: object) -> Any:
        """POST /__sandbox__/<what>, without the way through a socket; gives its JSON."""
        call = Call("POST", PREFIX + what, "", {}, json.dumps(body).encode())
        return json.loads(self.app.answer(call).body)

    def start(self) -> RunningSandbox:
        self._server = SandboxServer("127.0.0.1", int(self.url.rpartition(":")[2]), self.app)
        self.url = self._server.url
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.app.timers.close()
        self.world.close()


def serve(host: str, port: int, world: World, faults: Faults, keys: tuple[str, str] = SANDBOX_KEYS) -> None:
    """Serves until interrupted."""
    server = SandboxServer(host, port, Sandbox(world, faults, keys))
    print(f"LeadSquared sandbox on {server.url}", flush=True)
    print("Access key {}, secret key {}".format(*keys), flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
