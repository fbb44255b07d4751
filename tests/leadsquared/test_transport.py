"""What a request's fate is called depends on whether bytes of it left. Real sockets, real faults."""

import gzip
import json
import logging
import socket
import ssl
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from lsq_ops.leadsquared.errors import Answer, Cause, Outcome, Rate
from lsq_ops.leadsquared.transport import MIB, Transport

from .conftest import ACCESS_KEY, SECRET_KEY, Script, Serve, http, reset, transport_to

QUEUED = '{"Status": "Success", "Message": {"Message": "Your request for delete activities has been queued."}}'
SHORT = 0.4  # seconds until the deadline, where a test waits for it


def delete(transport: Transport) -> Answer:
    path = "ProspectActivity.svc/DeleteActivities"
    return transport.send("DeleteActivities", "POST", path, body=b'{"ProspectId": "x"}', fresh=True)


def read(transport: Transport, **params: str) -> Answer:
    return transport.send("Leads.GetById", "GET", "LeadManagement.svc/Leads.GetById", params=params)


def fate(answer: Answer) -> tuple[Outcome, Cause]:
    return answer.outcome, answer.cause


def test_an_accepted_delete(serve: Serve) -> None:
    server = serve(http(QUEUED))
    answer = delete(transport_to(server))
    assert fate(answer) == (Outcome.ACCEPTED, Cause.NONE)
    assert (answer.status, answer.message) == (200, "Your request for delete activities has been queued.")
    assert answer.json()["Status"] == "Success"
    assert 0 < answer.seconds < 1 and answer.started <= answer.finished <= time.time()
    assert server.requests[0].endswith(b'\r\n\r\n{"ProspectId": "x"}')


def test_keys_travel_in_headers_only(serve: Serve) -> None:
    server = serve(http("[]"))
    read(transport_to(server), id="1")
    head = server.requests[0].decode()
    assert head.startswith("GET /v2/LeadManagement.svc/Leads.GetById?id=1 HTTP/1.1\r\n")
    assert f"x-LSQ-AccessKey: {ACCESS_KEY}\r\n" in head and f"x-LSQ-SecretKey: {SECRET_KEY}\r\n" in head
    assert "Content-Type: application/json; charset=utf-8\r\n" in head


# --- No byte left ----------------------------------------------------------------------------------------


def test_an_unknown_name_is_not_sent() -> None:
    answer = delete(Transport("http://nobody.invalid", ACCESS_KEY, SECRET_KEY))
    assert fate(answer) == (Outcome.NOT_SENT, Cause.DNS)


def test_a_refused_port_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    answer = delete(Transport(f"http://127.0.0.1:{port}", ACCESS_KEY, SECRET_KEY))
    assert fate(answer) == (Outcome.NOT_SENT, Cause.CONNECT)
    assert answer.status is None


def test_a_connection_that_takes_too_long_is_not_sent() -> None:
    with socket.socket() as deaf:  # accepts nobody: its queue is filled
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        queue = [socket.socket() for _ in range(3)]
        for waiting in queue:
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        time.sleep(0.05)
        port = deaf.getsockname()[1]
        transport = Transport(f"http://127.0.0.1:{port}", ACCESS_KEY, SECRET_KEY, connect_timeout=0.2)
        answer = delete(transport)
        for waiting in queue:
            waiting.close()
    assert fate(answer) == (Outcome.NOT_SENT, Cause.CONNECT)
    assert answer.seconds < 2


def test_a_certificate_that_nobody_vouches_for_is_not_sent(serve: Serve, tls: ssl.SSLContext) -> None:
    server = serve(http(QUEUED), tls)
    assert fate(delete(transport_to(server))) == (Outcome.NOT_SENT, Cause.TLS)
    assert server.requests == []


def test_a_server_without_tls_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(http(QUEUED)), daemon=True).start()
        answer = delete(Transport(f"https://127.0.0.1:{server.getsockname()[1]}", ACCESS_KEY, SECRET_KEY))
    assert fate(answer) == (Outcome.NOT_SENT, Cause.TLS)


def test_a_handshake_that_never_ends_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        answer = delete(Transport(f"https://127.0.0.1:{port}", ACCESS_KEY, SECRET_KEY, deadline=SHORT))
    assert fate(answer) == (Outcome.NOT_SENT, Cause.TLS)
    assert answer.seconds < 2


def test_nothing_is_sent_when_connecting_took_all_the_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(http(QUEUED))
    resolve = socket.getaddrinfo

    def slowly(*args: object, **kwargs: object) -> object:
        time.sleep(SHORT + 0.1)
        return resolve(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    answer = delete(transport_to(server, deadline=SHORT))
    assert answer.outcome is Outcome.NOT_SENT
    assert server.requests == []


# --- Bytes left ------------------------------------------------------------------------------------------


def test_a_reset_after_the_request_was_read_is_unknown(serve: Serve) -> None:
    answer = delete(transport_to(serve(lambda conn, request: reset(conn))))
    assert fate(answer) == (Outcome.UNKNOWN, Cause.RESET)


def test_a_reset_in_mid_request_is_unknown() -> None:
    """Only half of the body has been read, and the server may act on it all the same."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def half() -> None:
            conn, _ = server.accept()
            conn.recv(100)
            reset(conn)

        threading.Thread(target=half, daemon=True).start()
        transport = Transport(f"http://127.0.0.1:{server.getsockname()[1]}", ACCESS_KEY, SECRET_KEY)
        answer = transport.send("DeleteTasks", "POST", "Task.svc/DeleteTasks", body=b"x" * 8 * MIB, fresh=True)
    assert fate(answer) == (Outcome.UNKNOWN, Cause.RESET)


def test_the_same_over_tls(serve: Serve, tls: ssl.SSLContext, certificate: Path) -> None:
    server = serve(lambda conn, request: reset(conn), tls)
    transport = transport_to(server)
    transport._verify = str(certificate)
    assert fate(delete(transport)) == (Outcome.UNKNOWN, Cause.RESET)
    server.script = lambda conn, request: conn.sendall(http(QUEUED))
    assert fate(delete(transport)) == (Outcome.ACCEPTED, Cause.NONE)


def test_a_close_without_an_answer_is_unknown(serve: Serve) -> None:
    answer = delete(transport_to(serve(lambda conn, request: conn.close())))
    assert fate(answer) == (Outcome.UNKNOWN, Cause.RESET)


@pytest.mark.parametrize("end", [reset, socket.socket.close])
def test_an_answer_cut_in_the_middle_is_unknown(serve: Serve, end: object) -> None:
    def half(conn: socket.socket, request: bytes) -> None:
        conn.sendall(http(QUEUED)[:-20])
        time.sleep(0.05)
        end(conn)  # type: ignore[operator]

    answer = delete(transport_to(serve(half)))
    assert fate(answer) == (Outcome.UNKNOWN, Cause.RESET)
    assert answer.status == 200


def test_a_cut_chunked_answer_is_unknown(serve: Serve) -> None:
    def half(conn: socket.socket, request: bytes) -> None:
        conn.sendall(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n{"Status": "Success"\r\n')
        conn.close()

    assert fate(delete(transport_to(serve(half)))) == (Outcome.UNKNOWN, Cause.RESET)


def test_a_server_that_never_answers_ends_at_the_deadline(serve: Serve) -> None:
    over = threading.Event()
    server = serve(lambda conn, request: over.wait(2) and None)
    answer = delete(transport_to(server, deadline=SHORT))
    over.set()
    assert fate(answer) == (Outcome.UNKNOWN, Cause.TIMEOUT)
    assert SHORT <= answer.seconds < SHORT + 0.3


def drip(data: bytes, pause: float = 0.02) -> Script:
    def script(conn: socket.socket, request: bytes) -> None:
        for n in range(len(data)):
            conn.sendall(data[n : n + 1])
            time.sleep(pause)

    return script


def test_headers_that_drip_end_at_the_deadline(serve: Serve) -> None:
    endless = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(90))
    answer = delete(transport_to(serve(drip(endless)), deadline=SHORT))
    assert fate(answer) == (Outcome.UNKNOWN, Cause.TIMEOUT)
    assert SHORT <= answer.seconds < SHORT + 0.3


def test_endless_provisional_answers_end_at_the_deadline(serve: Serve) -> None:
    answer = delete(transport_to(serve(drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 40, 0.005)), deadline=SHORT))
    assert fate(answer) == (Outcome.UNKNOWN, Cause.TIMEOUT)
    assert answer.seconds < SHORT + 0.3


def test_a_body_that_drips_ends_at_the_deadline(serve: Serve) -> None:
    def script(conn: socket.socket, request: bytes) -> None:
        conn.sendall(http(QUEUED)[:60])
        drip(b"x" * 90)(conn, request)

    server = serve(script)
    answer = delete(transport_to(server, deadline=SHORT))
    assert fate(answer) == (Outcome.UNKNOWN, Cause.DEADLINE)
    assert answer.status == 200
    assert SHORT <= answer.seconds < SHORT + 0.3


def test_a_body_that_drips_over_tls_ends_at_the_deadline(serve: Serve, tls: ssl.SSLContext, certificate: Path) -> None:
    server = serve(drip(http(QUEUED)), tls)
    transport = transport_to(server, deadline=SHORT)
    transport._verify = str(certificate)
    answer = delete(transport)
    assert answer.outcome is Outcome.UNKNOWN and answer.seconds < SHORT + 0.3


def test_a_slow_answer_within_the_deadline_counts(serve: Serve) -> None:
    answer = delete(transport_to(serve(drip(http(QUEUED), 0.001))))
    assert answer.outcome is Outcome.ACCEPTED


# --- Bodies ----------------------------------------------------------------------------------------------


def test_gzip_is_understood(serve: Serve) -> None:
    answer = delete(transport_to(serve(http(gzip.compress(QUEUED.encode()), 200, "Content-Encoding: gzip"))))
    assert answer.outcome is Outcome.ACCEPTED


def chunked(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("frame", [lambda body: http(body, 200, "Content-Encoding: gzip"), chunked])
def test_a_bomb_is_not_blown_up_in_memory(serve: Serve, frame: object) -> None:
    bomb = gzip.compress(b'{"Status": "Success", "x": "' + b"x" * (64 * MIB), 9)
    transport = transport_to(serve(frame(bomb)), body_cap=MIB)  # type: ignore[operator]
    tracemalloc.start()
    answer = delete(transport)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert fate(answer) == (Outcome.UNKNOWN, Cause.TOO_LARGE)
    assert answer.body == b""
    assert peak < 6 * MIB


def test_a_body_over_the_cap_is_unknown_and_one_at_the_cap_is_not(serve: Serve) -> None:
    body = QUEUED.ljust(2000)
    assert delete(transport_to(serve(http(body)), body_cap=2000)).outcome is Outcome.ACCEPTED
    assert fate(delete(transport_to(serve(http(body)), body_cap=1999))) == (Outcome.UNKNOWN, Cause.TOO_LARGE)


def test_gzip_that_is_none_is_unknown(serve: Serve) -> None:
    answer = delete(transport_to(serve(http(QUEUED, 200, "Content-Encoding: gzip"))))
    assert fate(answer) == (Outcome.UNKNOWN, Cause.NOT_JSON)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(serve: Serve, status: int) -> None:
    other = serve(http(QUEUED))
    server = serve(http("", status, f"Location: http://127.0.0.1:{other.port}/elsewhere"))
    transport = transport_to(server)
    assert fate(delete(transport)) == (Outcome.UNKNOWN, Cause.REDIRECT)
    assert fate(read(transport)) == (Outcome.UNKNOWN, Cause.REDIRECT)
    assert other.connections == 0


def test_a_redirect_to_nonsense_with_a_huge_body_stays_a_redirect(serve: Serve) -> None:
    server = serve(http(b"x" * 1000, 302, "Location: http://[::bad"))
    assert fate(delete(transport_to(server))) == (Outcome.UNKNOWN, Cause.REDIRECT)


def test_a_rate_limit_is_learnt(serve: Serve) -> None:
    text = '{"Status":"Error","ExceptionType":"MXAPIRateLimitExceededException",'
    text += '"ExceptionMessage":"API calls exceeded the limit of 20 in 5 second(s)"}'
    answer = delete(transport_to(serve(http(text))))
    assert fate(answer) == (Outcome.TURNED_AWAY, Cause.RATE)
    assert answer.rate == Rate(20, 5)


def test_nonsense_instead_of_http_is_unknown(serve: Serve) -> None:
    assert fate(delete(transport_to(serve(b"\x00\xffwhat\r\n\r\n")))) == (Outcome.UNKNOWN, Cause.RESET)


# --- One request, one connection, no memory --------------------------------------------------------------


def test_nothing_is_sent_twice(serve: Serve) -> None:
    for script in (lambda conn, request: reset(conn), lambda conn, request: conn.close()):
        server = serve(script)
        transport = transport_to(server)
        delete(transport), read(transport)
        time.sleep(0.05)
        assert (server.connections, len(server.requests)) == (2, 2)


def test_reads_share_a_connection_and_deletes_do_not(serve: Serve) -> None:
    server = serve(http(QUEUED))
    transport = transport_to(server)
    read(transport), read(transport)
    assert server.connections == 1
    delete(transport), delete(transport)
    assert server.connections == 3
    read(transport)
    assert server.connections == 3


def test_cookies_are_not_kept(serve: Serve) -> None:
    server = serve(http("[]", 200, "Set-Cookie: a=b; Path=/"))
    transport = transport_to(server)
    read(transport), read(transport)
    assert b"cookie" not in server.requests[1].lower()


def test_the_environment_has_no_say(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    elsewhere = serve(http("{}", 500))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{elsewhere.port}")
    monkeypatch.setenv("no_proxy", "")
    server = serve(http("[]"))
    assert read(transport_to(server)).outcome is Outcome.ACCEPTED
    assert elsewhere.connections == 0
    assert b"authorization" not in server.requests[0].lower()


def test_threads_do_not_mix_their_fates(serve: Serve) -> None:
    def script(conn: socket.socket, request: bytes) -> None:
        number = int(request.split(b"id=")[1].split()[0])
        if number % 2:
            reset(conn)
        else:
            conn.sendall(http(json.dumps([number])))

    transport = transport_to(serve(script))
    answers: dict[int, Answer] = {}
    threads = [threading.Thread(target=lambda n=n: answers.update({n: read(transport, id=str(n))})) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, answer in answers.items():
        assert answer.json() == (None if number % 2 else [number])
        assert answer.outcome is (Outcome.UNKNOWN if number % 2 else Outcome.ACCEPTED)


# --- Silence ---------------------------------------------------------------------------------------------


def test_nothing_is_logged_and_nothing_private_is_shown(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = json.dumps({"Status": "Error", "ExceptionMessage": f"Bad {ACCESS_KEY} for https://us.example/hook/t0ken"})
    server = serve(http(said, 200, "Broken header"))
    transport = transport_to(server)
    answer = read(transport, emailaddress="asha@example.com")
    shown = caplog.text + repr(answer) + str(answer) + repr(transport) + str(transport) + answer.message
    for private in ("asha", "emailaddress", ACCESS_KEY, SECRET_KEY, "t0ken"):
        assert private not in shown
    assert answer.message == "Bad (key) for (address)"


def test_a_host_or_key_that_cannot_be_is_refused_at_once() -> None:
    for host in ("api-in21.leadsquared.com", "ftp://host", "https://", ""):
        with pytest.raises(ValueError, match="full address"):
            Transport(host, ACCESS_KEY, SECRET_KEY)
    with pytest.raises(ValueError, match="header") as caught:
        Transport("https://api.leadsquared.com", "u$r", "two\nlines")
    assert "lines" not in str(caught.value)


def test_the_host_may_end_like_the_pages_write_it() -> None:
    assert Transport("https://api.leadsquared.com/v2/", "a", "b").host == "https://api.leadsquared.com"
