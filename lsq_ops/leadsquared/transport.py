"""The only place that sends HTTP to LeadSquared: one request, one deadline, one `Answer`, and nothing again
by itself.

Whether a failed request may have been carried out depends on one fact: did bytes of it leave? The exceptions
of the HTTP libraries don't tell, so connection classes of our own note how far each exchange came. Pages:
overview, authentication.
"""

import http.client
import io
import logging
import socket
import time
from contextvars import ContextVar
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import DecodeError, NameResolutionError

from .errors import Answer, Cause, Outcome, classify

MIB = 1024 * 1024

# urllib3 logs addresses with their queries, and those of look-ups hold e-mail addresses and phone numbers.
for _name in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(lambda record: False)


@dataclass(slots=True)
class _Exchange:
    """How far one request has come. `stage` is the cause that a failure would have now."""

    ends: float
    stage: Cause = Cause.CONNECT
    wrote: bool = False
    status: int | None = None
    body: bytes = b""
    date: str = ""

    def left(self) -> float:
        """Seconds to the deadline; TimeoutError after it."""
        seconds = self.ends - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


_current: ContextVar[_Exchange] = ContextVar("exchange")


class _TimedReader(io.RawIOBase):
    """Allows each read of the socket only what is left until the deadline: a server that drips bytes gains
    nothing."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self.raw, self.sock, self.exchange = raw, sock, _current.get()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self.sock.settimeout(self.exchange.left())
        return self.raw.readinto(buffer)

    def close(self) -> None:
        self.raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    """Notes when TCP stands, and that bytes leave before the first one does."""

    response_class = _TimedResponse

    def _new_conn(self) -> socket.socket:
        try:
            sock = super()._new_conn()
        except NameResolutionError:
            _current.get().stage = Cause.DNS
            raise
        _current.get().stage = Cause.TLS
        return sock

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        exchange = _current.get()
        self.sock.settimeout(exchange.left())
        exchange.wrote = True
        super().send(data)


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    """Used without a Session, so that no redirect, cookie, netrc or proxy (`trust_env`) can ever come in."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


class _TooLarge(Exception):
    pass


class Transport:
    """LeadSquared at one host (an address without `/v2`) with one pair of keys. Threads may share it.

    Times in seconds, `body_cap` in bytes after decompression. The deadline covers connecting, headers and
    body; only the system's look-up of names can't be cut short, and nothing is sent when it took too long.
    """

    def __init__(
        self,
        host: str,
        access_key: str,
        secret_key: str,
        *,
        connect_timeout: float = 5.0,
        deadline: float = 30.0,
        body_cap: int = 32 * MIB,
    ) -> None:
        parts = urlsplit(host)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("The host must be a full address, such as https://api-in21.leadsquared.com")
        if not all(key.isascii() and key.isprintable() for key in (access_key, secret_key)):
            raise ValueError("A key holds a character that can't stand in a header")
        self.host = host.rstrip("/").removesuffix("/v2")
        self._keys = {"x-LSQ-AccessKey": access_key, "x-LSQ-SecretKey": secret_key}
        self._timeouts = (min(connect_timeout, deadline), deadline)
        self._body_cap = body_cap
        self._verify: bool | str = True
        self._adapter = _Adapter(max_retries=0)
        self.apart: float | None = None  # seconds that its clock was ahead of ours, by the last answer's Date

    def __repr__(self) -> str:
        return f"<Transport {self.host}>"

    def send(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        body: bytes | None = None,
        fresh: bool = False,
    ) -> Answer:
        """Send one request and say what came of it. No trouble of network or server raises.

        `fresh` is for a write: it gets a connection of its own (a kept one that has died looks like "maybe
        sent"), and counts as accepted only where the answer says so.
        """
        started, clock = time.time(), time.monotonic()
        exchange = _Exchange(clock + self._timeouts[1])
        token = _current.set(exchange)
        adapter = _Adapter(max_retries=0) if fresh else self._adapter
        try:
            self._run(adapter, exchange, self._request(method, path, params, body))
            answer = classify(operation, exchange.status or 0, exchange.body, write=fresh)
        except Exception as trouble:  # whatever it is: what counts is how far the request had come
            answer = _judge(operation, exchange, trouble)
        finally:
            _current.reset(token)
            if fresh:
                adapter.close()
        seconds, message = time.monotonic() - clock, self._without_keys(answer.message)
        self.apart = _apart(exchange.date, started + seconds / 2)
        return replace(answer, message=message, seconds=seconds, started=started, finished=time.time())

    def _request(
        self, method: str, path: str, params: dict[str, Any] | None, body: bytes | None
    ) -> requests.PreparedRequest:
        headers = self._keys | {
            "Content-Type": "application/json; charset=utf-8",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": "LSQ-Ops",
        }
        return requests.Request(method, f"{self.host}/v2/{path}", headers, params=params, data=body).prepare()

    def _run(self, adapter: HTTPAdapter, exchange: _Exchange, request: requests.PreparedRequest) -> None:
        response = adapter.send(request, stream=True, timeout=self._timeouts, verify=self._verify)
        try:
            exchange.status = response.status_code
            exchange.date = response.headers.get("Date", "")
            exchange.body = _read(response.raw, self._body_cap)
        finally:
            response.close()

    def _without_keys(self, message: str) -> str:
        for key in filter(None, self._keys.values()):
            message = message.replace(key, "(key)")
        return message


def _apart(date: str, here: float) -> float | None:
    """A Date header has whole seconds: the moment was half a second later, give or take as much."""
    try:
        return parsedate_to_datetime(date).timestamp() + 0.5 - here
    except (ValueError, TypeError, OverflowError):
        return None


def _read(raw: urllib3.HTTPResponse, cap: int) -> bytes:
    chunks, size = [], 0
    for chunk in raw.stream(64 * 1024, decode_content=True):
        size += len(chunk)
        if size > cap:
            raise _TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


def _judge(operation: str, exchange: _Exchange, trouble: Exception) -> Answer:
    if not exchange.wrote:
        outcome, cause = Outcome.NOT_SENT, exchange.stage
    elif isinstance(trouble, _TooLarge | DecodeError):
        outcome, cause = (
            Outcome.UNKNOWN,
            Cause.TOO_LARGE if isinstance(trouble, _TooLarge) else Cause.NOT_JSON,
        )
    elif time.monotonic() < exchange.ends:
        outcome, cause = Outcome.UNKNOWN, Cause.RESET
    else:
        outcome, cause = Outcome.UNKNOWN, Cause.TIMEOUT if exchange.status is None else Cause.DEADLINE
    return Answer(operation, outcome, cause, exchange.status, exception_type=type(trouble).__name__)
