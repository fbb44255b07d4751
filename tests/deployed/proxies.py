"""What stands in front of the web servers: nginx with deploy/nginx where there is one, else a stand-in that does the
same: takes the whole body in, asks another host where one is away, and never sends a POST twice."""

import contextlib
import http.client
import itertools
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lsq_ops.supervisor import Child

from .compose import DEPLOY

PER_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
FORWARDED = {"x-forwarded-for", "x-forwarded-proto"}


@contextlib.contextmanager
def in_front_of(ports: list[int], port: int, folder: Path, *, nginx: bool) -> Iterator[str]:
    """The name of what stands there."""
    with _nginx(ports, port, folder) if nginx else _stand_in(ports, port):
        yield "nginx" if nginx else "a stand-in"


# --- nginx -----------------------------------------------------------------------------------------------


def has_nginx() -> bool:
    return shutil.which("nginx") is not None


def configuration(ports: list[int], port: int, folder: Path) -> str:
    """The files of deploy/nginx as one, but for the addresses, and without TLS."""
    main = (DEPLOY / "nginx" / "nginx.conf").read_text(encoding="utf-8")
    site = (DEPLOY / "nginx" / "lsq-ops.conf").read_text(encoding="utf-8")
    site = re.sub(r"server \{\s+listen 80;.*?\n\}\n", "", site, flags=re.S)
    site = re.sub(r"\n *ssl_\w+ [^;]*;", "", site).replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    text = main.replace("include /etc/nginx/lsq-ops.conf;", site)
    text = re.sub(r"server web:8000;.*", " ".join(f"server 127.0.0.1:{one};" for one in ports), text)
    return (
        text.replace("/tmp/", f"{folder}/")
        .replace("/dev/stderr", f"{folder}/error.log")
        .replace("/dev/stdout", f"{folder}/access.log")
    )


@contextlib.contextmanager
def _nginx(ports: list[int], port: int, folder: Path) -> Iterator[None]:
    folder.mkdir()
    file = folder / "nginx.conf"
    file.write_text(configuration(ports, port, folder))
    command = ["nginx", "-c", str(file), "-p", str(folder), "-e", str(folder / "error.log"), "-g", "daemon off;"]
    subprocess.run([*command[:-2], "-t", "-q"], check=True)
    child = Child("nginx", command, folder / "log", {"PATH": "/usr/sbin:/usr/bin:/bin"}, folder)
    child.start()
    try:
        yield
    finally:
        child.kill()


# --- The stand-in ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _stand_in(ports: list[int], port: int) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", port), StandIn)
    server.daemon_threads = True
    server.turns = itertools.cycle([ports[at:] + ports[:at] for at in range(len(ports))])  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class StandIn(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Silent: an address may hold a webhook's token."""

    def handle_any(self) -> None:
        body = self._whole_body()
        headers = {name: value for name, value in self.headers.items() if name.lower() not in PER_HOP | FORWARDED}
        headers |= {"Host": self.headers["Host"], "Content-Length": str(len(body)), "Connection": "close"}
        headers |= {"X-Forwarded-For": self.client_address[0], "X-Forwarded-Proto": "http"}
        for port in next(self.server.turns):  # type: ignore[attr-defined]
            away = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            try:
                away.connect()
            except OSError:
                continue  # nothing was sent: another host may do it
            try:
                away.request(self.command, self.path, body, headers)
                answer = away.getresponse()
                return self._hand_back(answer, answer.read())
            except (OSError, http.client.HTTPException):
                if self.command != "GET":
                    break
            finally:
                away.close()
        self.send_error(502)

    do_GET = do_POST = do_HEAD = do_PUT = handle_any

    def _whole_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _hand_back(self, answer: http.client.HTTPResponse, body: bytes) -> None:
        with contextlib.suppress(OSError):
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in PER_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
