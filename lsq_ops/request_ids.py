"""One id for all that a request, or a job, writes into the log; the answer carries it too."""

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Request-ID"
WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """Of what is done here; "" where it is neither a request nor a job."""
    return _current.get()


class RequestIds:
    """The outermost middleware. A proxy's own id is kept if it looks like one, so that its log and ours fit."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(HEADER, "")
        name = given if WELL_FORMED.fullmatch(given) else uuid.uuid4().hex
        # Left in place: a file that is sent in parts is written after this. The thread's next request has another.
        _current.set(name)
        response = self.get_response(request)
        response.headers[HEADER] = name
        return response


@contextmanager
def of_job(name: str) -> Iterator[None]:
    token = _current.set(f"{name}-{uuid.uuid4().hex[:16]}")
    try:
        yield
    finally:
        _current.reset(token)
