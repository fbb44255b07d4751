"""What a log line may not say: a table of calls that try it, in both formats; and which request or job said it."""

import io
import json
import logging
import sys
from typing import Any

import pytest

from lsq_ops import jobs, request_ids
from lsq_ops.chain import anchors_in, sign
from lsq_ops.services import agenda
from lsq_ops.supervisor import ALARMING
from portal import environment, logs
from portal.hiding import Hiding

SECRET = "Zq7$wörd'of\"the/house&co"
DATABASE = "postgres://portal:db%2Fpass-77@db.internal/portal"
PING = "https://watcher.example/0c9e8c1e-5f0e-4c1b-9f62-2f3f1a5d7e10"
KNOWN = [SECRET, DATABASE, PING]


class Shouting(Exception):
    """An error of a library that says all it knows."""

    def __str__(self) -> str:
        return f"POST with {{'x-LSQ-SecretKey': '{SECRET}'}} for asha@example.com"


class Silent:
    def __str__(self) -> str:
        raise RuntimeError(SECRET)


# (the call, what must not stand in the line, what must still stand there)
HOSTILE: list[tuple[tuple[Any, ...], list[str], str]] = [
    (("key is %s", SECRET), [SECRET], "key is"),
    (("headers %r", {"k": SECRET}), [SECRET, repr(SECRET)[1:-1]], "headers"),
    (("url %s", "http://h/x/Zq7%24w%C3%B6rd%27of%22the%2Fhouse%26co"), ["Zq7%24w"], "http://h/x/"),
    (("as JSON %s", json.dumps(SECRET)), [json.dumps(SECRET)[1:-1]], "as JSON"),
    (("can't connect: %s", DATABASE), ["db%2Fpass-77", "db/pass-77"], "can't connect"),
    (("password authentication for db/pass-77 failed",), ["db/pass-77"], "failed"),
    (("redis://:other-pass@queue:6379/0 went away",), ["other-pass"], "queue:6379"),
    (("ping %s", "/0c9e8c1e-5f0e-4c1b-9f62-2f3f1a5d7e10/fail"), ["0c9e8c1e"], "/fail"),
    (("GET /v2/x?accessKey=u$r0123456789&secretKey=abcdef",), ["0123456789", "abcdef"], "GET /v2/x?"),
    (
        ("POST %s", "https://h/LeadManagement.svc/Leads.GetByEmailaddress?emailaddress=a@b.example"),
        ["a@b"],
        "GetByEmail",
    ),
    (("x-LSQ-AccessKey: u$r0123456789abcdef",), ["0123456789abcdef"], "x-LSQ-AccessKey"),
    (("%s", [("x-LSQ-SecretKey", "abcdef0123"), ("Accept", "*/*")]), ["abcdef0123"], "Accept"),
    (("%s", {"x-LSQ-SecretKey": b"abc\"'def0123"}), ["def0123"], "x-LSQ-SecretKey"),
    (('{"secretKey": "abc\\"def0123", "n": 1}',), ["abc", "def0123"], '"n": 1'),
    (('"{\\"secretKey\\": \\"abcdef0123\\", \\"n\\": 1}"',), ["abcdef0123"], "n"),
    (("Authorization: Bearer abcdef.0123-456",), ["abcdef.0123-456"], "Authorization"),
    (("sent Basic dXNlcjpwYXNz== to it",), ["dXNlcjpwYXNz"], "to it"),
    (("Cookie: lsq_ops_session=abc123; lsq_ops_csrf=def456",), ["abc123", "def456"], "Cookie"),
    (("Not Found: /webhooks/leadsquared/t0ken-0123/",), ["t0ken-0123"], "/webhooks/leadsquared/…/"),
    (("back: https%3A%2F%2Fh%2Fwebhooks%2Fleadsquared%2Ft0ken-0123",), ["t0ken-0123"], "leadsquared"),
    (("wrong: password='it\\'s me', user=rita",), ["it\\'s", "s me"], "user=rita"),
    (("new_password1=hunter22&x=1",), ["hunter22"], "new_password1"),
    (("otpauth://totp/LSQ:rita?secret=JBSWY3DPEHPK3PXP&issuer=x",), ["JBSWY3DP"], "otpauth:"),
    (("totp_secret: JBSWY3DPEHPK3PXP",), ["JBSWY3DP"], "totp_secret"),
    (("recovery_codes=12345678,87654321",), ["12345678"], "recovery_codes"),
    ((f"key u$r{'0123456789abcdef' * 2} refused",), ["u$r0123"], "refused"),
    (("lead asha.pillai+test@example.co.in moved",), ["asha", "example.co"], "moved"),
    (("lead ásha@exämple.com moved",), ["sha@ex"], "moved"),
    (("mail=asha%40example.com",), ["asha"], "mail="),
    (("Key (email)=(o'neil@example.com) already exists",), ["neil@"], "already exists"),
    (("call +91-9900112233 now",), ["9900112233"], "now"),
    (("call +91 (22) 2345 6789 now",), ["2345"], "now"),
    (("Phone:9900112233, next",), ["9900112233"], "next"),
    (("call 98765 43210 or 022-2345-6789 now",), ["43210", "6789"], "now"),
    (("call ٩٩٠٠١١٢٢٣٣ now",), ["٩٩٠٠١١٢٢٣٣"], "now"),
    (("made up\n2026-12-01 00:00:00,000 ERROR lsq_ops: forged",), ["\n2026"], "made up"),
    (("wrong number of arguments %s %s", SECRET), [SECRET], "wrong number"),
    (("can't be written %s", Silent()), [SECRET], "could not be written"),
]

# Must come through as they are: without them a log is of no use.
PLAIN = [
    "DR-118 could not be worked on; call 42 of 2026-12-01 09:24:32,123",
    "lead 6d4f93e5-2b08-5804-99f1-997646409855, address 192.168.100.200:58032",
    "Internal Server Error: /admin/lsq_ops/lead/12/change/ HTTP 502 after 30.123456 s",
    f"sha256 {'0123456789' * 6}abcd",
    "12,345,678,901 bytes; code 201; 3 keys; the key's role is Administrator",
]


def line_of(formatter: logging.Formatter, *call: Any, **more: Any) -> str:
    """As a logger of the portal writes it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.Logger("lsq_ops.anything")
    logger.addHandler(handler)
    logger.error(*call, **more)
    return stream.getvalue()


def said(formatter: logging.Formatter, *call: Any, **more: Any) -> str:
    line = line_of(formatter, *call, **more)
    if not isinstance(formatter, logs.Json):
        return line.rstrip("\n")
    assert line.count("\n") == 1
    facts = json.loads(line)
    return f"{facts['message']}\n{facts.get('trace', '')}".rstrip("\n")


@pytest.fixture(params=[logs.Text, logs.Json], ids=["text", "json"])
def formatter(request: Any) -> logging.Formatter:
    return request.param(KNOWN)


@pytest.mark.parametrize(("call", "hidden", "kept"), HOSTILE, ids=[str(number) for number in range(len(HOSTILE))])
def test_a_hostile_call(formatter: logging.Formatter, call: tuple[Any, ...], hidden: list[str], kept: str) -> None:
    if isinstance(formatter, logs.Json) and "forged" in call[0]:
        return  # it is one object on one line, whatever it says; `said` looks
    line = said(formatter, *call)
    assert [secret for secret in hidden if secret in line] == []
    assert kept in line


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_neither_secret_nor_personal_stays(formatter: logging.Formatter, text: str) -> None:
    assert text in said(formatter, text)


def test_exceptions_and_their_causes_are_covered_like_the_message(formatter: logging.Formatter) -> None:
    try:
        try:
            raise Shouting
        except Shouting:
            raise ValueError(f"token={SECRET[:3]}xyz and +91-9900112233") from None
    except ValueError as error:
        error.__cause__ = Shouting()
        line = said(formatter, "it broke", exc_info=True, stack_info=True)
    assert "Traceback" in line and "Stack" in line and "ValueError" in line
    assert [secret for secret in (SECRET, "asha@", "Zq7xyz", "9900112233") if secret in line] == []


@pytest.mark.timeout(120)
def test_no_line_holds_up_the_log_however_it_was_written(formatter: logging.Formatter) -> None:
    """Where a pattern tries each way to part a run, this never ends."""
    for part in ("a", "a.", "a-", "a@", "/", "?", "=", "9", "9 ", "+1", "://", "key", "secret=", "\\'", "a%40"):
        assert said(formatter, part * (15_000 // len(part)))


def test_an_anchor_can_be_read_out_of_a_log_of_either_format(formatter: logging.Formatter) -> None:
    anchor = sign("audit-key", 9_900_112_233, "0123456789" * 6 + "abcd", "2026-12-01T09:24:32+00:00")
    assert [*anchors_in([line_of(formatter, "%s", anchor)])] == [anchor]


def test_errors_reach_the_terminal_in_either_format(formatter: logging.Formatter) -> None:
    assert any(mark in line_of(formatter, "it broke") for mark in ALARMING)


def test_what_nobody_caught_ends_in_the_log(caplog: Any) -> None:
    assert sys.excepthook is logs._uncaught
    logs._uncaught(ValueError, ValueError("boom"), None)
    assert "boom" in caplog.text and caplog.records[-1].levelname == "CRITICAL"


# --- Sentry ----------------------------------------------------------------------------------------------------------


def test_a_report_to_sentry_goes_through_the_same_and_knows_no_person() -> None:
    event = {
        "message": f"boom {SECRET}",
        "user": {"username": "rita", "ip_address": "10.0.0.1"},
        "request": {"method": "POST", "url": "https://h/webhooks/leadsquared/t0ken-1?x=1", "headers": {"Cookie": "c"}},
        "exception": {"values": [{"value": str(Shouting()), "stacktrace": {"frames": [{"context_line": SECRET}]}}]},
        "extra": {"api_key": 42, "password": "p", "mail": ("asha@example.com",), "odd": Silent(), "n": 3},
    }
    sent = environment.for_sentry(event, Hiding(KNOWN))
    text = repr(sent)
    assert [bad for bad in (SECRET, "rita", "10.0.0.1", "t0ken-1", "Cookie", "asha@", "42", "'p'") if bad in text] == []
    assert sent["request"] == {"method": "POST", "url": "/webhooks/leadsquared/…"} and sent["extra"]["n"] == 3


# --- Which request, which job ----------------------------------------------------------------------------------------


def test_an_answer_carries_the_id_that_its_log_lines_carry(client: Any, caplog: Any) -> None:
    answer = client.get("/nowhere")
    name = answer["X-Request-ID"]
    assert len(name) == 32
    assert {record.request_id for record in caplog.records if "nowhere" in record.getMessage()} == {name}
    assert client.get("/nowhere")["X-Request-ID"] != name


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-DEF_123.4", True), ("short", False), ("x" * 65, False), ("12345678\n", False), ("a@example.com", False)],
)
def test_an_id_of_a_proxy_is_kept_if_it_looks_like_one(client: Any, given: str, kept: bool) -> None:
    answer = client.get("/health/live", headers={"X-Request-ID": given})
    assert (answer["X-Request-ID"] == given) is kept


def test_the_line_of_a_log_shows_it(formatter: logging.Formatter) -> None:
    with request_ids.of_job("work"):
        name = request_ids.current()
        assert name.startswith("work-") and name in line_of(formatter, "x")
    assert name not in line_of(formatter, "x")


def test_of_a_job_that_failed_the_queue_keeps_only_where_the_log_tells_of_it(monkeypatch: Any, caplog: Any) -> None:
    def fails() -> bool:
        raise Shouting

    monkeypatch.setattr(agenda, "work", fails)
    with pytest.raises(jobs.JobFailed) as caught:
        jobs.work(1)
    (record,) = [record for record in caplog.records if record.name == "lsq_ops.jobs"]
    assert str(caught.value) == f"Shouting; the log says more, at {record.request_id}"
    assert caught.value.__suppress_context__
