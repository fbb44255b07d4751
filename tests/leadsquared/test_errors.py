"""The table: which answer means what."""

import json
import pickle
from typing import Any

import pytest

from lsq_ops.leadsquared.errors import (
    INPUT_ERRORS,
    LEAD_NOT_FOUND,
    Answer,
    Cause,
    KeysRefused,
    LeadNotFound,
    NotSent,
    Outcome,
    Rate,
    RateLimited,
    Refused,
    Unclear,
    classify,
    error_for,
    loads,
)

LIMIT = "API calls exceeded the limit of 20 in 5 second(s)"
RATE = "MXAPIRateLimitExceededException"
HTML = b"<html><body>Down for maintenance</body></html>"
QUEUED = {"Status": "Success", "Message": {"Message": "queued"}}
RESULT = {
    "Status": "Success",
    "Operation": "Bulk Delete Tasks",
    "TasksCount": 67,
    "DeletedTasksCount": 67,
    "FailureReason": None,
}


def error(kind: str = "", text: str = "") -> dict[str, Any]:
    return {"Status": "Error", "ExceptionType": kind, "ExceptionMessage": text}


def judged(status: int, body: Any, write: bool = True) -> str:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    verdict = classify("x", status, content, write=write)
    return f"{verdict.outcome} {verdict.cause}"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, QUEUED, "accepted none"),
        (200, RESULT, "accepted none"),
        (200, {"Status": "success"}, "accepted none"),
        (200, {"Status": "Success", "Message": LIMIT}, "accepted none"),
        (429, error(RATE, LIMIT), "turned_away rate"),
        (429, b"", "turned_away rate"),
        (429, HTML, "turned_away rate"),
        (403, error("", LIMIT), "turned_away rate"),
        (403, {"Message": LIMIT}, "turned_away rate"),
        (403, f"<p>{LIMIT}</p>".encode(), "turned_away rate"),
        (200, error(RATE, LIMIT), "turned_away rate"),
        (200, error(RATE, ""), "turned_away rate"),
        (200, error("", LIMIT), "turned_away rate"),
        (500, error(RATE, LIMIT), "turned_away rate"),
        (401, error("MXInvalidAccessDetailsException"), "turned_away keys"),
        (401, HTML, "turned_away keys"),
        (403, HTML, "turned_away forbidden"),
        (403, error("MXInvalidAccessDetailsException"), "turned_away keys"),
        (200, error("MXInvalidAccessDetailsException"), "turned_away keys"),
        (500, error("MXInvalidAccessDetailsException"), "turned_away keys"),
        (200, error("MXUnAuthorizedAccessException"), "turned_away forbidden"),
        (500, error("MXUnauthorizedRequestException"), "turned_away forbidden"),
        (400, error("MXInvalidInputException"), "refused bad_request"),
        (400, b"", "refused bad_request"),
        (404, HTML, "refused not_found"),
        (405, HTML, "refused method"),
        (200, error(), "refused error_status"),
        (200, error("MXSomethingNew"), "refused error_status"),
        (200, error("MXInvalidInputException"), "refused input"),
        (500, error("MXSomethingNewException"), "unknown server_error"),
        (500, error("", "There was an error processing the request."), "unknown server_error"),
        (500, b"", "unknown server_error"),
        (500, {"Status": "Success"}, "unknown server_error"),
        (502, HTML, "unknown server_error"),
        (503, error("MXInvalidInputException"), "unknown server_error"),
        (504, b"", "unknown server_error"),
        (408, b"", "unknown server_error"),
        (409, b"", "unknown server_error"),
        (302, b"", "unknown redirect"),
        (304, b"", "unknown redirect"),
        (200, HTML, "unknown not_json"),
        (200, b"", "unknown not_json"),
        (204, b"", "unknown not_json"),
        (200, b'{"Status": "Succ', "unknown not_json"),
        (200, b'{"Status": "Success", "n": NaN}', "unknown not_json"),
        (200, b'{"Status": "Success", "n": -Infinity}', "unknown not_json"),
        (200, b'{"Status": "Success", "n": 1e999}', "unknown not_json"),
        (200, b'{"Status": "Success", "n": ' + b"9" * 5000 + b"}", "unknown not_json"),
        (200, b'{"Status": "Success", "n": "\xff"}', "unknown not_json"),
        (200, json.dumps(QUEUED).encode("utf-16"), "unknown not_json"),
        (200, b'{"Status": "Success", "n": ' + b"[" * 100 + b"]" * 100 + b"}", "unknown not_json"),
        (200, b"[" * 100_000, "unknown not_json"),
        (200, b'{"a":' * 100_000, "unknown not_json"),
        (200, {"Status": "Queued"}, "unknown not_json"),
        (200, {"Status": {"Status": "Success"}}, "unknown not_json"),
        (200, {}, "unknown not_json"),
        (200, [], "unknown not_json"),
        (200, [QUEUED], "unknown not_json"),
        (200, None, "unknown not_json"),
        (200, "Success", "unknown not_json"),
    ],
)
def test_a_delete(status: int, body: Any, expected: str) -> None:
    assert judged(status, body) == expected


@pytest.mark.parametrize("kind", sorted(INPUT_ERRORS))
def test_a_500_with_a_listed_error_is_a_no(kind: str) -> None:
    assert judged(500, error(kind)) == "refused input"


@pytest.mark.parametrize("body", [[], {}, {"RecordCount": 0}, {"Status": "Active"}, [{"Status": "Error"}], None])
def test_a_read_needs_no_status(body: Any) -> None:
    assert judged(200, body, write=False) == "accepted none"


def test_a_read_hears_an_error_all_the_same() -> None:
    assert judged(200, error(RATE, LIMIT), write=False) == "turned_away rate"
    assert judged(200, error(), write=False) == "refused error_status"
    assert judged(200, HTML, write=False) == "unknown not_json"


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        (LIMIT, Rate(20, 5)),
        ("api calls EXCEEDED THE LIMIT OF 72 in 5 seconds", Rate(72, 5)),
        ("API calls exceeded the limit of 0 in 5 second(s)", None),
        ("API calls exceeded the limit of 99999999999999 in 5 second(s)", None),
        ("API calls exceeded the limit of ٢٥ in ٥ second(s)", None),
        ("slow down", None),
    ],
)
def test_the_limit_in_the_message(text: str, rate: Rate | None) -> None:
    assert classify("x", 429, json.dumps(error(RATE, text)).encode(), write=True).rate == rate


def test_the_limit_is_heard_from_plain_text_too() -> None:
    assert classify("x", 429, LIMIT.encode(), write=True).rate == Rate(20, 5)


def test_messages_are_cut_and_hold_no_address() -> None:
    body = error("", "No webhook at HTTPS://us.example/hooks/t0ken?x=1. " + "x" * 900)
    message = classify("x", 200, json.dumps(body).encode(), write=True).message
    assert message.startswith("No webhook at (address) xxx") and len(message) <= 500


@pytest.mark.parametrize("message", [None, 5, ["x"], {"Message": {"Message": "x"}}, {"Message": None}])
def test_strange_messages_do_no_harm(message: Any) -> None:
    assert classify("x", 200, json.dumps({"Status": "Success", "Message": message}).encode(), write=True).message == ""


def test_what_no_database_takes_is_replaced() -> None:
    assert loads(rb'{"a\u0000": ["\ud800x", "\ud83d\ude00", "\\u0000"]}') == {"a�": ["�x", "😀", "\\u0000"]}


def test_a_byte_order_mark_is_no_error() -> None:
    assert loads(b"\xef\xbb\xbf[1]") == [1]


def test_an_error_shows_nothing_of_the_content() -> None:
    with pytest.raises(ValueError, match=r"^not JSON$") as caught:
        loads(b'{"EmailAddress": "asha@example.com"')
    assert caught.value.__suppress_context__


def answer(outcome: Outcome, cause: Cause, kind: str = "") -> Answer:
    return Answer("Retrieve", outcome, cause, 200, b"asha@example.com", kind, "Asha's message")


@pytest.mark.parametrize(
    ("outcome", "cause", "kind", "expected", "retry"),
    [
        (Outcome.TURNED_AWAY, Cause.RATE, RATE, RateLimited, True),
        (Outcome.TURNED_AWAY, Cause.KEYS, "", KeysRefused, False),
        (Outcome.TURNED_AWAY, Cause.FORBIDDEN, "", KeysRefused, False),
        (Outcome.NOT_SENT, Cause.DNS, "", NotSent, True),
        (Outcome.NOT_SENT, Cause.CONNECT, "", NotSent, True),
        (Outcome.NOT_SENT, Cause.TLS, "", NotSent, True),
        (Outcome.REFUSED, Cause.INPUT, "MXInvalidInputException", Refused, False),
        (Outcome.REFUSED, Cause.INPUT, LEAD_NOT_FOUND, LeadNotFound, False),
        (Outcome.REFUSED, Cause.BAD_REQUEST, LEAD_NOT_FOUND, LeadNotFound, False),
        (Outcome.REFUSED, Cause.NOT_FOUND, "", Refused, False),
        (Outcome.UNKNOWN, Cause.TIMEOUT, "", Unclear, True),
        (Outcome.UNKNOWN, Cause.DEADLINE, "", Unclear, True),
        (Outcome.UNKNOWN, Cause.RESET, "", Unclear, True),
        (Outcome.UNKNOWN, Cause.SERVER_ERROR, "", Unclear, True),
        (Outcome.UNKNOWN, Cause.REDIRECT, "", Unclear, False),
        (Outcome.UNKNOWN, Cause.NOT_JSON, "", Unclear, False),
        (Outcome.UNKNOWN, Cause.TOO_LARGE, "", Unclear, False),
    ],
)
def test_the_exceptions_of_a_read(
    outcome: Outcome, cause: Cause, kind: str, expected: type[Exception], retry: bool
) -> None:
    raised = error_for(answer(outcome, cause, kind))
    assert type(raised) is expected
    assert raised is not None and raised.retry is retry
    assert str(raised) == f"Retrieve: {outcome}/{cause}, HTTP 200"
    assert "sha" not in repr(raised) + str(raised.answer) + repr(raised.answer)


def test_an_accepted_read_raises_nothing() -> None:
    assert error_for(answer(Outcome.ACCEPTED, Cause.NONE)) is None


def test_an_exception_survives_the_way_to_another_process() -> None:
    raised = error_for(answer(Outcome.REFUSED, Cause.INPUT, LEAD_NOT_FOUND))
    copy = pickle.loads(pickle.dumps(raised))
    assert type(copy) is LeadNotFound and copy.answer == raised.answer  # type: ignore[union-attr]
