"""What goes in and out of the sandbox: a call, a reply, and the errors in LeadSquared's own words."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reply:
    """`wire` names a fault of the connection that our own server carries out while it sends this."""

    body: bytes
    status: int = 200
    content_type: str = "application/json; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    wire: str = ""

    def on(self, wire: str) -> Reply:
        return replace(self, wire=wire)


def reply(value: Any, status: int = 200) -> Reply:
    return Reply(json.dumps(value).encode(), status)


def queued(what: str) -> Reply:
    return reply({"Status": "Success", "Message": {"Message": f"Your request for {what} has been queued."}})


def error(kind: str, message: str, status: int = 500) -> Reply:
    """The shape of the page error-handling; most of LeadSquared's 500s are a caller's mistake."""
    return reply({"Status": "Error", "ExceptionType": kind, "ExceptionMessage": message}, status)


class Refusal(Exception):
    """Carries the reply to a call that can't be served."""

    def __init__(self, kind: str, message: str, status: int = 500) -> None:
        super().__init__(kind)
        self.reply = error(kind, message, status)


class Invalid(Refusal):
    def __init__(self, parameter: str) -> None:
        super().__init__("MXInvalidInputException", f"Invalid Input! Parameter Name: {parameter}")


class Missing(Refusal):
    def __init__(self, name: str) -> None:
        super().__init__("MXMandatoryAttributeMissingException", f"Mandatory attribute {name} is missing")


@dataclass(slots=True)
class Call:
    method: str
    path: str
    query_string: str
    headers: dict[str, str]
    body: bytes
    query: dict[str, str] = field(init=False)
    # What a fault's `match` is looked for in.
    subject: str = field(init=False)

    def __post_init__(self) -> None:
        parsed = parse_qs(self.query_string, keep_blank_values=True)
        self.query = {name: values[0] for name, values in parsed.items()}
        self.subject = f"{self.path}?{self.query_string} {self.body.decode(errors='replace')}"

    @classmethod
    def of(cls, environ: dict[str, Any]) -> Call:
        headers = {
            "access": environ.get("HTTP_X_LSQ_ACCESSKEY", ""),
            "secret": environ.get("HTTP_X_LSQ_SECRETKEY", ""),
            "content-type": environ.get("CONTENT_TYPE", ""),
        }
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        query = environ.get("QUERY_STRING", "")
        return cls(environ["REQUEST_METHOD"], environ["PATH_INFO"], query, headers, body)

    def json(self) -> dict[str, Any]:
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict) or "json" not in self.headers["content-type"]:
            raise Refusal("MXInvalidDataTypeException", "The request is not as per API specification.", 400)
        return value


def section(body: dict[str, Any], name: str) -> dict[str, Any]:
    part = body.get(name) or {}
    if not isinstance(part, dict):
        raise Refusal("MXInvalidDataTypeException", f"{name} has a wrong data type")
    return part


def whole(value: Any, name: str, least: int = 0) -> int:
    """Numbers come as 5 or "5"."""
    if not re.fullmatch(r"\d{1,9}", str(value), re.ASCII) or int(value) < least:
        raise Invalid(name)
    return int(value)


def guid(value: Any, name: str) -> str:
    if value in (None, ""):
        raise Missing(name)
    if not isinstance(value, str) or not GUID.fullmatch(value):
        raise Invalid(name)
    return value.lower()


def window(body: dict[str, Any]) -> tuple[str | None, str | None]:
    """FromDate and ToDate, UTC texts as in "2018-04-30 18:30:00"; None where there is none."""
    start, end = (_moment(body.get(name), name) for name in ("FromDate", "ToDate"))
    if start and end and start > end:
        raise Invalid("FromDate")
    return start, end


def _moment(value: Any, name: str) -> str | None:
    if value in (None, ""):
        return None
    try:
        return str(datetime.strptime(str(value)[:19], "%Y-%m-%d %H:%M:%S"))
    except ValueError:
        raise Invalid(name) from None
