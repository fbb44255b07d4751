"""Faulty HTTP answers, by name. `done`: a delete with that answer usually took place all the same."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from .messages import Reply, error, queued, reply

HTML = "text/html; charset=utf-8"
HUGE_BYTES = 48 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limit:
    """So many calls in so many seconds."""

    calls: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Limit | None:
        """From "25/5"; None for "off"."""
        calls, _, seconds = text.partition("/")
        return None if text == "off" else cls(int(calls), int(seconds))


def rate_reply(shape: str, limit: Limit | None) -> Reply:
    limit = limit or Limit(25, 5)
    text = f"API calls exceeded the limit of {limit.calls} in {limit.seconds} second(s)"
    return error("MXAPIRateLimitExceededException", text, int(shape))


@dataclass(frozen=True, slots=True)
class Canned:
    """`make` gives the answer; without it the true one is sent. `wire` names what the connection does."""

    sentence: str
    make: Callable[[], Reply] | None = None
    wire: str = ""
    done: bool = False

    def over(self, true: Reply | None) -> Reply:
        answer = self.make() if self.make else true or queued("delete")
        return answer.on(self.wire)


@cache
def _huge() -> Reply:
    return Reply(json.dumps({"Status": "Success", "Padding": "x" * HUGE_BYTES}).encode())


@cache
def _bomb() -> Reply:
    return Reply(gzip.compress(_huge().body, 6), headers=(("Content-Encoding", "gzip"),))


def _page(status: int, title: str) -> Callable[[], Reply]:
    return lambda: Reply(f"<html><body><h1>{title}</h1></body></html>".encode(), status, HTML)


def _error(kind: str, message: str, status: int) -> Callable[[], Reply]:
    return lambda: error(kind, message, status)


def _redirect() -> Reply:
    return Reply(b"", 302, HTML, (("Location", "/v2/Authentication.svc/UserByAccessKey.Get"),))


GENERIC = "There was an error processing the request. Please contact administrator."
INPUT = "Invalid Input! Parameter Name: ProspectId"
KEYS = "Invalid Access Details provided."
CANNED: dict[str, Canned] = {
    "normal": Canned("The true answer.", done=True),
    "429": Canned("Rate limit as the pages show it.", lambda: rate_reply("429", None)),
    "403_rate": Canned("Rate limit with status 403.", lambda: rate_reply("403", None)),
    "200_rate": Canned("Rate limit with status 200.", lambda: rate_reply("200", None)),
    "401": Canned("Wrong keys.", _error("MXInvalidAccessDetailsException", KEYS, 401)),
    "401_host": Canned(
        "Wrong region.",
        _error("MXInvalidAccessDetailsException", "Use the host api-in21.leadsquared.com.", 401),
    ),
    "500_keys": Canned("Wrong keys with status 500.", _error("MXInvalidAccessDetailsException", KEYS, 500)),
    "403": Canned("Caller's address not allowed.", _page(403, "403 Forbidden")),
    "200_forbidden": Canned(
        "No permission, status 200.", _error("MXUnAuthorizedAccessException", "User is not authorized.", 200)
    ),
    "400": Canned("Body not as specified.", _error("MXInvalidDataTypeException", "Invalid data type", 400)),
    "404": Canned("No such API.", _page(404, "Endpoint not found.")),
    "405": Canned("Wrong verb.", _page(405, "Method not allowed.")),
    "200_error": Canned("Status Error in a 200.", _error("MXInvalidInputException", INPUT, 200)),
    "500_input": Canned("A caller's mistake.", _error("MXInvalidInputException", INPUT, 500)),
    "500_lead": Canned("Unknown lead.", _error("MXInvalidEntityReferenceException", "Lead not found", 500)),
    "500_generic": Canned("Server failure as JSON.", _error("MXException", GENERIC, 500), done=True),
    "500_html": Canned("Server failure as a page.", _page(500, "Server Error"), done=True),
    "502": Canned("Bad gateway.", _page(502, "502 Bad Gateway"), done=True),
    "503": Canned("Service unavailable.", _page(503, "503 Service Unavailable"), done=True),
    "504": Canned("Gateway time-out.", _page(504, "504 Gateway Time-out"), done=True),
    "302": Canned("A redirect.", _redirect, done=True),
    "html": Canned("A page with status 200.", _page(200, "Maintenance"), done=True),
    "broken_json": Canned("JSON that stops in the middle.", lambda: Reply(b'{"Status":"Succ'), done=True),
    "empty": Canned("200 without a body.", lambda: Reply(b""), done=True),
    "unexpected_json": Canned("JSON of a shape nobody knows.", lambda: reply("queued"), done=True),
    "huge": Canned("48 MB of JSON.", _huge, done=True),
    "gzip_bomb": Canned("48 MB that travel as a few KB.", _bomb, done=True),
    "slow": Canned("The true answer after `slow_for` seconds.", wire="slow", done=True),
    "drip": Canned("The true answer, byte by byte, `slow_for`/10 seconds each.", wire="drip", done=True),
    "hang": Canned("No answer; the connection stays open.", wire="hang", done=True),
    "reset_before_answer": Canned("Reset after the request was read.", wire="reset", done=True),
    "close_before_answer": Canned("Closed after the request was read.", wire="close", done=True),
    "reset_midway": Canned("Reset in the middle of the answer.", wire="reset_midway", done=True),
    "cut_short": Canned("Closed in the middle of the answer.", wire="close_midway", done=True),
}
