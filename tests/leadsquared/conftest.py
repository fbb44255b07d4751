"""A server that says byte for byte what a test wants it to say, and counts who came."""

import base64
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lsq_ops.leadsquared.transport import Transport

# A pair for loopback, valid from 2020 to 2120, made for these tests; it protects nothing.
CERTIFICATE = (
    "MIIBZzCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAx"
    "MDEwMDAwMDBaMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIJ+rD/58M8lGL/91fv93GzK"
    "2P1SuzXhTJLtl9Qvj9UAia8pMJZfgXPuhWBt4PZM09qSwAs/yeQCK0H2olY/+jWjTjBMMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcE"
    "fwAAATAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBQ0e6JXboGLJJOJJS8ZZAEA+HxVFzAKBggqhkjOPQQDAgNIADBFAiEAr02q"
    "TWkmdQqeeGAGD0HIVcpXjAyUh5IhIbmwGwznUBkCICrv+KvMu4ZHe2FuPHvcsqo9MqOXAyNy78u+CqL3rPPf"
)
KEY = (
    "MHcCAQEEIGyiLsXVYUoZ7CODvToHuXLLkiulTghjOUTQAbX1aBQAoAoGCCqGSM49AwEHoUQDQgAEgn6sP/nwzyUYv/3V+/3cbMrY"
    "/VK7NeFMku2X1C+P1QCJrykwll+Bc+6FYG3g9kzT2pLACz/J5AIrQfaiVj/6NQ=="
)
ACCESS_KEY, SECRET_KEY = "u$raccess", "s3cret"

Script = Callable[[socket.socket, bytes], None]


def http(body: bytes | str, status: int = 200, *headers: str) -> bytes:
    content = body.encode() if isinstance(body, str) else body
    head = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + content


def reset(conn: socket.socket) -> None:
    """Close with RST instead of FIN."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


def read_request(conn: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = conn.recv(65536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0)
    while len(body) < length:
        body += conn.recv(65536)
    return head + b"\r\n\r\n" + body


class Server:
    """Runs `script(connection, request)` for each request, until script or client ends the connection."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.script, self.tls = script, tls
        self.connections = 0
        self.requests: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn: socket.socket) -> None:
        try:
            if self.tls:
                conn = self.tls.wrap_socket(conn, server_side=True)
            with conn:
                while request := read_request(conn):
                    self.requests.append(request)
                    self.script(conn, request)
        except OSError:
            return

    def close(self) -> None:
        self.socket.close()


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(script or bytes, tls=None)`"""
    servers: list[Server] = []

    def start(script: Script | bytes, tls: ssl.SSLContext | None = None) -> Server:
        said = script
        run = said if callable(said) else lambda conn, request: conn.sendall(said)
        servers.append(Server(run, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_text(ssl.DER_cert_to_PEM_cert(base64.b64decode(CERTIFICATE)))
    name = "EC PRIVATE " + "KEY"
    (folder / "key.pem").write_text(f"-----BEGIN {name}-----\n{KEY}\n-----END {name}-----\n")
    return folder / "cert.pem"


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


def transport_to(server: Server, **options: float) -> Transport:
    scheme = "https" if server.tls else "http"
    options.setdefault("deadline", 3.0)
    return Transport(f"{scheme}://127.0.0.1:{server.port}", ACCESS_KEY, SECRET_KEY, **options)  # type: ignore[arg-type]
