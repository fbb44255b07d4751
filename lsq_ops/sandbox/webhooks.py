"""Posts the status of a delete to its StatusWebhookURL, well or badly. Never to another machine."""

from __future__ import annotations

import http.client
import ipaddress
import json
import secrets
import threading
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

TIMEOUT = 3.0
Headers = dict[str, str]
JSON: Headers = {"Content-Type": "application/json"}
FORM: Headers = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Report:
    """How many records a delete was asked for, or found, and how many it removed."""

    what: str
    asked: int
    removed: int

    def as_json(self) -> dict[str, Any]:
        """DeleteTasks reports as its page shows; of what the others post no page has a sample."""
        whole = self.removed >= self.asked
        status = {"Status": "Success" if whole else "Error"}
        if self.what != "bulk delete tasks":
            text = f"Your request for {self.what} has been completed: {self.removed} of {self.asked} deleted."
            return status | {"Message": {"Message": text}}
        counts = {"TasksCount": self.asked, "DeletedTasksCount": self.removed}
        reason = {"FailureReason": None if whole else "Some tasks could not be deleted."}
        return status | {"Operation": "Bulk Delete Tasks"} | counts | reason

    def opposite(self) -> Report:
        return replace(self, removed=0 if self.removed >= self.asked > 0 else max(self.asked, 1))


def is_local(url: str) -> bool:
    """Plain HTTP to a loopback address: a sandbox must not knock at anybody's door."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


class Webhooks:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: Counter[str] = Counter()

    def report(self, url: str, report: Report, shape: str) -> None:
        """Sends in this thread; errors are counted, never raised, and nothing is sent again."""
        if not url:
            return
        if not is_local(url):
            return self._count("not a local address")
        honest = json.dumps(report.as_json()).encode()
        if shape == "head_first":
            self._send("HEAD", url, b"", {})
        elif shape == "forged":
            self._send("POST", _other_token(url), honest, JSON)
        elif shape in ("twice", "contradicting"):
            self._send("POST", url, honest, JSON)
        body, headers = _dressed(report, shape)
        self._send("POST", _other_slash(url) if shape == "slash" else url, body, headers)

    def sent(self) -> dict[str, int]:
        """How many there were by their answer: a status, or what came instead."""
        with self._lock:
            return dict(self._answers)

    def _count(self, answer: str) -> None:
        with self._lock:
            self._answers[answer] += 1

    def _send(self, method: str, url: str, body: bytes, headers: Headers) -> None:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        chunked = "Transfer-Encoding" in headers
        content: Any = iter([body[:20], body[20:]]) if chunked else body
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT)
        try:
            connection.request(method, path, content, headers, encode_chunked=chunked)
            self._count(str(connection.getresponse().status))
        except (OSError, http.client.HTTPException, ValueError) as failure:
            self._count(type(failure).__name__)
        finally:
            connection.close()


def _dressed(report: Report, shape: str) -> tuple[bytes, Headers]:
    if shape in ("lying", "contradicting"):
        report = report.opposite()
    elif shape == "wrong_count":
        report = replace(report, asked=report.asked + 7, removed=report.removed + 7)
    value = report.as_json()
    text = json.dumps(value).encode()
    bodies: dict[str, tuple[bytes, Headers]] = {
        "form": (urlencode(value).encode(), FORM),
        "text": (text, {"Content-Type": "text/plain"}),
        "empty": (b"", {}),
        "chunked": (text, JSON | {"Transfer-Encoding": "chunked"}),
        "broken": (text[:25] + b"\xff\x00", JSON),
        "deep": (b"[" * 50_000 + b"]" * 50_000, JSON),
        "huge": (text + b" " * (3 * 1024 * 1024), JSON),
    }
    return bodies.get(shape, (text, JSON))


def _other_slash(url: str) -> str:
    return url[:-1] if url.endswith("/") else url + "/"


def _other_token(url: str) -> str:
    stem, slash = url.rstrip("/"), "/" if url.endswith("/") else ""
    return f"{stem.rpartition('/')[0]}/{secrets.token_urlsafe(32)}{slash}"
