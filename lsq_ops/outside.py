"""The only place that sends HTTP to the watcher outside (HEARTBEAT_URL): one GET, one deadline, nothing followed.

Standard library only. Of the answer just the first line is read, so that a server that drips bytes gains nothing.
"""

import socket
import ssl
import time
from urllib.parse import urlsplit

FIRST_LINE = 200  # bytes


def ping(address: str, *, deadline: float = 10.0) -> str:
    """ "" where it was taken (2xx); else what came in between, without the address, whose path is a password.

    The deadline covers connecting, TLS and the answer; only the system's look-up of names can't be cut short.
    """
    ends = time.monotonic() + deadline
    try:
        with _connected(address, ends) as sock:
            sock.settimeout(_left(ends))
            sock.sendall(_request(address))
            return _judged(_first_line(sock, ends))
    except TimeoutError:
        return "no answer in time"
    except (OSError, ValueError) as trouble:
        return type(trouble).__name__


def failing(address: str) -> str:
    """Where to tell that something is wrong, as healthchecks and its kind have it: `/fail` behind the path."""
    path, question, query = address.partition("?")
    return f"{path.rstrip('/')}/fail{question}{query}"


def _connected(address: str, ends: float) -> socket.socket:
    parts = urlsplit(address)
    host, secure = parts.hostname or "", parts.scheme == "https"
    sock = socket.create_connection((host, parts.port or (443 if secure else 80)), timeout=_left(ends))
    if not secure:
        return sock
    try:
        sock.settimeout(_left(ends))
        return ssl.create_default_context().wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise


def _request(address: str) -> bytes:
    parts = urlsplit(address)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"GET {target} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}", "User-Agent: LSQ-Ops"]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("ascii")


def _first_line(sock: socket.socket, ends: float) -> bytes:
    line = b""
    while b"\n" not in line and len(line) < FIRST_LINE:
        sock.settimeout(_left(ends))
        part = sock.recv(FIRST_LINE - len(line))
        if not part:
            break
        line += part
    return line


def _judged(line: bytes) -> str:
    version, _, rest = line.partition(b" ")
    status = rest[:3]
    if not version.startswith(b"HTTP/") or not status.isdigit():
        return "no HTTP came back"
    return "" if status.startswith(b"2") else f"HTTP {status.decode()}"


def _left(ends: float) -> float:
    """Seconds to the deadline; TimeoutError after it."""
    seconds = ends - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
