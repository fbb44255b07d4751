"""The answers of a LeadSquared that is not well, by the name of the fault: what comes back, judged by the client's own
rules, or a failure of the network that leaves no answer at all."""

import json

from lsq_ops.leadsquared.errors import Answer, Cause, Outcome, classify

LIMIT = "API calls exceeded the limit of 25 in 5 second(s)"


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"Status": "Error", "ExceptionType": kind, "ExceptionMessage": message}).encode()


_RATE = _error("MXAPIRateLimitExceededException", LIMIT)
BODIES: dict[str, tuple[int, bytes]] = {
    "429": (429, _RATE),
    "403 rate": (403, LIMIT.encode()),
    "200 rate": (200, _error("", LIMIT)),
    "401": (401, _error("MXInvalidAccessDetailsException", "Access Key is not valid")),
    "403": (403, _error("MXUnAuthorizedAccessException", "You are not authorized")),
    "400": (400, b"Bad Request"),
    "404": (404, b"<html>Not Found</html>"),
    "405": (405, b"Method Not Allowed"),
    "200 error": (200, _error("MXSomethingException", "It could not be done")),
    "500 input": (500, _error("MXInvalidInputException", "Invalid input")),
    "500 generic": (500, _error("MXException", "Object reference not set")),
    "502": (502, b"<html>Bad Gateway</html>"),
    "302": (302, b""),
    "html": (200, b"<html>Please sign in</html>"),
    "broken json": (200, b'{"Status": "Succ'),
    "lead unknown": (500, _error("MXInvalidEntityReferenceException", "Lead not found")),
}
NETWORK: dict[str, tuple[Outcome, Cause]] = {
    "dns": (Outcome.NOT_SENT, Cause.DNS),
    "refused": (Outcome.NOT_SENT, Cause.CONNECT),
    "tls": (Outcome.NOT_SENT, Cause.TLS),
    "timeout": (Outcome.UNKNOWN, Cause.TIMEOUT),
    "reset": (Outcome.UNKNOWN, Cause.RESET),
    "deadline": (Outcome.UNKNOWN, Cause.DEADLINE),
    "too large": (Outcome.UNKNOWN, Cause.TOO_LARGE),
}
WAITS = {"timeout": 30.0, "deadline": 30.0}  # seconds until we give up


def faulty(name: str, operation: str, *, write: bool) -> Answer:
    if name in NETWORK:
        outcome, cause = NETWORK[name]
        return Answer(operation, outcome, cause)
    status, body = BODIES[name]
    return classify(operation, status, body, write=write)


def good(operation: str, data: object, *, write: bool) -> Answer:
    return classify(operation, 200, json.dumps(data).encode(), write=write)
