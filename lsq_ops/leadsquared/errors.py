"""What an answer of LeadSquared means, judged in one place, and the exceptions that reads make of it.

The HTTP status alone says little: LeadSquared answers 500 for wrong input and 200 for failures. Pages:
error-handling, rate-limits, and "HTTP Response Codes" of every endpoint's page.
"""

import json
import math
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What is known about a request. TURNED_AWAY and NOT_SENT: nothing was done, it may go again. REFUSED: a
    final no."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    TURNED_AWAY = "turned_away"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Why. TIMEOUT: no answer began before the deadline; DEADLINE: one began and did not end."""

    NONE = "none"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    RATE = "rate"
    KEYS = "keys"
    FORBIDDEN = "forbidden"
    INPUT = "input"
    BAD_REQUEST = "bad_request"
    NOT_FOUND = "not_found"
    METHOD = "method"
    ERROR_STATUS = "error_status"
    TIMEOUT = "timeout"
    RESET = "reset"
    SERVER_ERROR = "server_error"
    REDIRECT = "redirect"
    NOT_JSON = "not_json"
    TOO_LARGE = "too_large"
    DEADLINE = "deadline"


RATE_ERROR = "MXAPIRateLimitExceededException"
LEAD_NOT_FOUND = "MXInvalidEntityReferenceException"
ACCESS_ERRORS = {
    "MXInvalidAccessDetailsException": Cause.KEYS,
    "MXUnAuthorizedAccessException": Cause.FORBIDDEN,
    "MXUnauthorizedRequestException": Cause.FORBIDDEN,
}
# A 500 with one of these is a final no to what we asked. Any other 500 may have been carried out.
INPUT_ERRORS = frozenset(
    {
        "MXInvalidInputException",
        "MXMandatoryAttributeMissingException",
        "MXMandatoryFieldMissingException",
        "MXInvalidDataTypeException",
        LEAD_NOT_FOUND,
        "MXUnknownProspectActivityException",
        "MXInvalidActivityException",
        "MXUnknownAttributeException",
        "MXDuplicateEntryException",
    }
)
_REFUSING = {400: Cause.BAD_REQUEST, 404: Cause.NOT_FOUND, 405: Cause.METHOD}
_PASSING = (Cause.RATE, Cause.TIMEOUT, Cause.DEADLINE, Cause.RESET, Cause.SERVER_ERROR)

_LIMIT = re.compile(r"exceeded the limit of (\d{1,6}) in (\d{1,6}) second", re.ASCII | re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\s/]*/\S*", re.IGNORECASE)
_ESCAPED = re.compile(r"\\u(?:0000|d[89a-f])", re.IGNORECASE)  # the only way in for what is unstorable
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Rate:
    """`API calls exceeded the limit of {n} in {seconds} second(s)`"""

    n: int
    seconds: int


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What came of one request. `str()` and `repr()` hold no body, address or key.

    `status` is None where no status line came; `body` is decompressed; `exception_type` is LeadSquared's, or
    the class name of our own trouble; `message` is LeadSquared's sentence, cut, its addresses taken out.
    `started` and `finished` are Unix times, `seconds` comes from a clock that nobody sets.
    """

    operation: str
    outcome: Outcome
    cause: Cause = Cause.NONE
    status: int | None = None
    body: bytes = b""
    exception_type: str = ""
    message: str = ""
    rate: Rate | None = None
    seconds: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    data: Any = field(default=None, compare=False)  # the body's content, where it was judged by it

    def json(self) -> Any:
        """The body's content; None where it is not JSON."""
        if self.data is not None:
            return self.data
        try:
            return loads(self.body)
        except ValueError:
            return None

    def __str__(self) -> str:
        why = "" if self.cause is Cause.NONE else f"/{self.cause}"
        return f"{self.operation}: {self.outcome}{why}, HTTP {self.status or '-'}"

    def __repr__(self) -> str:
        return f"<Answer {self}>"


def loads(body: bytes) -> Any:
    """Strict JSON in UTF-8: no NaN, no infinity, at most 64 levels; else a ValueError that shows nothing of it. Lone
    surrogates and NUL, which no database takes, become U+FFFD."""
    try:
        text = body.decode("utf-8-sig")
        data = json.loads(text, parse_constant=_finite, parse_float=_finite)
        _check_depth(data)
        return _tidy(data) if _ESCAPED.search(text) else data
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a number")
    return number


def _check_depth(value: Any) -> None:
    """Level by level: a page of a thousand records is asked in a third of the time that a function for each takes."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(_DEPTH):
        level = [
            item
            for inside in level
            for item in (inside.values() if type(inside) is dict else inside)
            if type(item) is dict or type(item) is list
        ]
    if level:
        raise ValueError("too deep")


def _tidy(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if isinstance(value, dict):
        return {_tidy(name): _tidy(item) for name, item in value.items()}
    return value


@dataclass(frozen=True, slots=True)
class _Said:
    """What decides in an answer: `{"Status": …, "ExceptionType": …, "ExceptionMessage" or "Message": …}`."""

    json: bool
    status: str = ""
    type: str = ""
    message: str = ""
    rate: Rate | None = None
    data: Any = None


def classify(operation: str, status: int, body: bytes, *, write: bool) -> Answer:
    """Judge what came. A read needs JSON that is no error; a write is accepted only by `Status: Success`."""
    said = _listen(body)
    outcome, cause = _judge(status, said, write)
    rate = said.rate if cause is Cause.RATE else None
    return Answer(operation, outcome, cause, status, body, said.type, said.message, rate, data=said.data)


def _judge(status: int, said: _Said, write: bool) -> tuple[Outcome, Cause]:
    if status == 429 or said.type == RATE_ERROR or (said.rate and (status == 403 or said.status == "error")):
        return Outcome.TURNED_AWAY, Cause.RATE
    if said.type in ACCESS_ERRORS or status in (401, 403):
        return Outcome.TURNED_AWAY, ACCESS_ERRORS.get(said.type, Cause.KEYS if status == 401 else Cause.FORBIDDEN)
    if status in _REFUSING:
        return Outcome.REFUSED, _REFUSING[status]
    if status == 500 and said.type in INPUT_ERRORS:
        return Outcome.REFUSED, Cause.INPUT
    if not 200 <= status < 300:
        return Outcome.UNKNOWN, Cause.REDIRECT if 300 <= status < 400 else Cause.SERVER_ERROR
    if said.status == "error":
        return Outcome.REFUSED, Cause.INPUT if said.type in INPUT_ERRORS else Cause.ERROR_STATUS
    if not said.json or (write and said.status != "success"):
        return Outcome.UNKNOWN, Cause.NOT_JSON
    return Outcome.ACCEPTED, Cause.NONE


def _listen(body: bytes) -> _Said:
    try:
        data = loads(body)
    except ValueError:
        return _Said(json=False, rate=_rate(body[:4096].decode("utf-8", "replace")))
    if not isinstance(data, dict):
        return _Said(json=True, data=data)
    message = data.get("ExceptionMessage") or data.get("FailureReason") or data.get("Message")
    text = _text(message.get("Message") if isinstance(message, dict) else message)[:4096]
    # LeadSquared may quote the webhook's address back at us, and the end of it is a secret.
    told = _ADDRESS.sub("(address)", text)[:500].strip()
    kind = _text(data.get("ExceptionType"))[:100]
    return _Said(True, _text(data.get("Status")).lower(), kind, told, _rate(text), data)


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _rate(text: str) -> Rate | None:
    found = _LIMIT.search(text)
    rate = Rate(int(found[1]), int(found[2])) if found else None
    return rate if rate and rate.n and rate.seconds else None


class LeadSquaredError(Exception):
    """A read without a usable answer. Its text is the operation, the outcome and the HTTP status, nothing
    else."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer

    @property
    def retry(self) -> bool:
        """May the same read bring an answer a little later?"""
        return self.answer.outcome is Outcome.NOT_SENT or self.answer.cause in _PASSING


class RateLimited(LeadSquaredError):
    """`answer.rate` holds the limit where LeadSquared named it."""


class KeysRefused(LeadSquaredError):
    """The keys are wrong, their user is inactive, or it may not do this."""


class NotSent(LeadSquaredError):
    """Nothing left this machine."""


class Refused(LeadSquaredError):
    """LeadSquared understood, and said no."""


class LeadNotFound(Refused):
    """The lead was deleted, or merged into another."""


class Unclear(LeadSquaredError):
    """No answer, half of one, or one that makes no sense."""


def error_for(answer: Answer) -> LeadSquaredError | None:
    """The exception that a read makes of this answer; None where it was accepted."""
    if answer.outcome is Outcome.ACCEPTED:
        return None
    if answer.outcome is Outcome.TURNED_AWAY:
        return RateLimited(answer) if answer.cause is Cause.RATE else KeysRefused(answer)
    if answer.outcome is Outcome.REFUSED:
        return LeadNotFound(answer) if answer.exception_type == LEAD_NOT_FOUND else Refused(answer)
    return NotSent(answer) if answer.outcome is Outcome.NOT_SENT else Unclear(answer)
