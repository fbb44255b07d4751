"""What strangers get at the front door, over the real server, the real middleware and a proxy that is believed."""

import json
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from threading import Thread
from unittest.mock import patch
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.test import Client

from lsq_ops.models import Attempt, WebhookReceipt
from lsq_ops.services import doctor, receiving, throttles, tokens
from lsq_ops.services.throttles import Throttle
from portal.headers import OFF
from portal.proxies import BehindProxies

from .services.steps import drain, let_land, one_call

PASSWORD = "a-long-one-of-the-tests"
SAME = {"Status": "Success", "StatusReason": ""}
SIGN_IN = "/admin/login/"
HTTPS = {
    "PUBLIC_URL": "https://portal.test",
    "ALLOWED_HOSTS": ["portal.test"],
    "SECURE_HSTS_SECONDS": 3600,
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "SESSION_COOKIE_NAME": "__Host-lsq_ops_session",
    "CSRF_COOKIE_NAME": "__Host-lsq_ops_csrf",
}


class Visitor:
    """Somebody behind a proxy that ends HTTPS and is trusted."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, body=None, *, address="9.9.9.9", host="portal.test", **headers):
        sent = {"Host": host, "X-Forwarded-For": address, "X-Forwarded-Proto": "https", **headers}
        line = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            line.request(method, path, body, sent)
            answer = line.getresponse()
            return answer, answer.read()
        finally:
            line.close()

    def report(self, token, body=b'{"Status":"Success"}', **more):
        answer, said = self.ask("POST", f"/webhooks/leadsquared/{token}/", body, **more)
        assert (answer.status, json.loads(said)) == (200, SAME)


@pytest.fixture
def visitor(committed_world, settings) -> Iterator[Visitor]:
    from waitress.server import create_server

    for name, value in HTTPS.items():
        setattr(settings, name, value)
    behind = BehindProxies(get_wsgi_application(), ["127.0.0.0/8"])
    server = create_server(behind, host="127.0.0.1", port=0, threads=4, clear_untrusted_proxy_headers=False)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    yield Visitor(server.effective_port)
    server.close()
    thread.join(5)


@pytest.fixture
def rita_signs_in(committed_world):
    committed_world.rita.set_password(PASSWORD)
    committed_world.rita.save()


# --- Headers and cookies ---------------------------------------------------------------------------------------------


def test_every_answer_tells_the_browser_what_it_may_do(visitor):
    answers = {
        "a page": visitor.ask("GET", SIGN_IN)[0],
        "a way elsewhere": visitor.ask("GET", "/admin/")[0],
        "nothing there": visitor.ask("GET", "/nowhere")[0],
        "another host": visitor.ask("GET", SIGN_IN, host="evil.test")[0],
        "a file": visitor.ask("GET", "/static/lsq_ops/operations.css")[0],
        "a forged form": visitor.ask("POST", SIGN_IN, b"username=rita")[0],
        "a watcher": visitor.ask("GET", "/health/live")[0],
    }
    assert [one.status for one in answers.values()] == [200, 302, 404, 400, 200, 403, 200]
    for what, answer in answers.items():
        policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
        assert policy == {
            "default-src": "'self'",
            "script-src": "'self' 'unsafe-eval'",
            "style-src": "'self' 'unsafe-inline'",
            "img-src": "'self' data:",
            "frame-src": "'none'",
            "worker-src": "'none'",
            "object-src": "'none'",
            "base-uri": "'none'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
        }, what
        assert answer.headers["Strict-Transport-Security"] == "max-age=3600", what
        assert answer.headers["X-Frame-Options"] == "DENY", what
        assert answer.headers["X-Content-Type-Options"] == "nosniff", what
        assert answer.headers["Referrer-Policy"] == "same-origin", what
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin", what
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin", what
        assert {"camera=()", "geolocation=()", "usb=()"} <= set(answer.headers["Permissions-Policy"].split(", ")), what
    assert "no-store" in answers["a page"].headers["Cache-Control"]
    assert len(OFF) == len(set(OFF))


def test_cookies_are_this_hosts_own_and_out_of_reach_of_scripts(visitor, rita_signs_in):
    page, form = visitor.ask("GET", SIGN_IN)
    pair = page.headers["Set-Cookie"].partition(";")[0]
    token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', form)[1].decode()
    body = f"username=rita&password={PASSWORD}&csrfmiddlewaretoken={token}"
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Referer": "https://portal.test" + SIGN_IN}
    signed_in, _ = visitor.ask("POST", SIGN_IN, body.encode(), Cookie=pair, **kind)
    assert signed_in.status == 302
    cookies = [*page.headers.get_all("Set-Cookie"), *signed_in.headers.get_all("Set-Cookie")]
    assert {one.partition("=")[0] for one in cookies} == {"__Host-lsq_ops_session", "__Host-lsq_ops_csrf"}
    for cookie in cookies:
        told = {part.strip().lower().partition("=")[0]: part.partition("=")[2] for part in cookie.split(";")[1:]}
        assert {"secure", "httponly"} <= set(told) and "domain" not in told
        assert (told["path"], told["samesite"]) == ("/", "Lax")


# --- Floods of webhooks ----------------------------------------------------------------------------------------------


@pytest.fixture
def looked_up():
    """How often the database was asked about a token."""
    with patch.object(receiving.Attempt, "of_token", wraps=Attempt.of_token) as asked:
        yield lambda: asked.call_count


@pytest.fixture
def token(committed_world, monkeypatch, settings):
    """The address of an attempt that was really sent, and that LeadSquared has not reported to yet."""
    made = []
    monkeypatch.setattr(tokens, "make", lambda make=tokens.make: made.append(make()) or made[-1])
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    one_call(committed_world)
    drain()
    let_land(committed_world)
    return made[0]


def at_once(cap):
    return getattr(throttles.timing(), cap)[0]


def test_a_flood_of_strangers_costs_few_queries_and_no_receipt_even_from_the_same_address(token, visitor, looked_up):
    for number in range(300):
        visitor.report("A" * 40 + f"{number:015}")
    most = at_once("strangers_of_address")
    assert most <= looked_up() < most + 60  # some are given back every second
    before = looked_up()
    for number in range(5):
        visitor.report(token, b'{"Status":"Success","n":%d}' % number)
    assert looked_up() == before + 5 and WebhookReceipt.objects.count() == 5


def test_a_flood_from_everywhere_is_cut_off_too(visitor, looked_up, monkeypatch):
    few = throttles._all_strangers
    monkeypatch.setattr(few, "cap", "arrivals_of_body")  # 20 at once instead of 500
    for number in range(100):
        visitor.report("B" * 43, address=f"2001:db8:{number:x}::1")
    assert 20 <= looked_up() < 60


def test_an_older_token_without_our_signature_is_still_known(token, visitor):
    """As after a change of SECRET_KEY, or from before there were signatures."""
    with patch.object(tokens, "is_signed", lambda token: False), patch.object(throttles, "is_signed", lambda t: False):
        visitor.report(token)
    assert WebhookReceipt.objects.count() == 1


def test_the_same_report_over_and_over_is_written_some_times_and_another_one_still_counts(token, visitor):
    for _ in range(120):
        visitor.report(token)
    visitor.report(token, b'{"Status":"Error"}')
    first, second = WebhookReceipt.objects.order_by("id")
    assert 20 <= first.count < 60 and second.count == 1


def test_a_signature_is_of_this_token_under_this_key(settings):
    token = tokens.make()
    assert tokens.is_signed(token) and token != tokens.make()
    assert not tokens.is_signed("x" + token[1:]) and not tokens.is_signed(token[:-1] + "é")
    settings.SECRET_KEY = "another"
    assert not tokens.is_signed(token)


def test_a_throttle_gives_back_with_time_and_forgets_the_oldest():
    now = [0.0]
    throttle = Throttle("arrivals_of_body", lambda: now[0])  # 20, and 2 a second
    assert [throttle.take("a") for _ in range(21)] == [True] * 20 + [False]
    assert throttle.is_empty("a") and not throttle.is_empty("b")
    now[0] += 1
    assert [throttle.take("a") for _ in range(3)] == [True, True, False]
    with patch.object(throttles, "KEYS", 3):
        for key in "bcd":
            throttle.take(key)
    assert list(throttle.left) == ["b", "c", "d"]


def test_an_ipv6_network_counts_as_one_visitor():
    assert throttles.network_of("2001:db8::1") == throttles.network_of("2001:db8::ffff") == "2001:db8::/64"
    assert throttles.network_of("9.9.9.9") == "9.9.9.9" and throttles.network_of(None) == "None"


# --- Signing in ------------------------------------------------------------------------------------------------------


def test_whoever_tries_many_names_is_cut_off_before_a_password_is_looked_at(people):
    people.rita.set_password(PASSWORD)
    people.rita.save()
    form = {"username": "nobody", "password": "x"}
    for _ in range(at_once("wrong_tries_of_address")):
        throttles.tried_wrong("9.9.9.9")
    there, elsewhere = Client(REMOTE_ADDR="9.9.9.9"), Client(REMOTE_ADDR="9.9.9.8")
    with patch("django.contrib.auth.hashers.check_password") as looked_at:
        answer = there.post(SIGN_IN, {"username": "rita", "password": PASSWORD})
    assert answer.status_code == 429 and answer["Retry-After"] and not looked_at.called
    assert "from this place, with whatever name" in answer.content.decode()
    assert elsewhere.post(SIGN_IN, form).status_code == 200
    assert elsewhere.post(SIGN_IN, {"username": "rita", "password": PASSWORD}).status_code == 302


def test_each_wrong_try_counts_for_its_address_whatever_the_name(people):
    for number in range(3):
        Client(REMOTE_ADDR="9.9.9.9").post(SIGN_IN, {"username": f"name{number}", "password": "x"})
    left, _ = throttles._wrong_tries.left["9.9.9.9"]
    assert at_once("wrong_tries_of_address") - 3 <= left < at_once("wrong_tries_of_address") - 2


# --- The doctor at a portal with HTTPS -------------------------------------------------------------------------------


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


@contextmanager
def https_server(application, folder):
    """It speaks TLS with a certificate of its own, made for localhost."""
    key, certificate = make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = make_server("127.0.0.1", 0, application, handler_class=Quiet)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"https://localhost:{server.server_port}", certificate
    finally:
        server.shutdown()
        server.server_close()


def make_certificate(folder):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, plain, serialization.NoEncryption()))
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    return folder / "key.pem", folder / "certificate.pem"


def test_the_doctor_asks_the_portals_own_address_whether_browsers_are_held_to_https(settings, tmp_path, monkeypatch):
    settings.SECURE_HSTS_SECONDS, settings.ALLOWED_HOSTS = 3600, ["localhost"]
    django = get_wsgi_application()
    proxied = {"HTTP_X_FORWARDED_PROTO": "https", "REMOTE_ADDR": "127.0.0.1"}
    for trusted, states in ((["127.0.0.0/8"], ["ok"]), ([], ["wrong"])):
        behind = BehindProxies(django, trusted)
        with https_server(lambda environ, start, behind=behind: behind(environ | proxied, start), tmp_path) as (
            url,
            ca,
        ):
            settings.PUBLIC_URL = url
            monkeypatch.setenv("SSL_CERT_FILE", str(ca))
            found = list(doctor.examine("https"))
            assert [one.state for one in found] == states, found
    assert "X-Forwarded-Proto" in found[0].do
    (gone,) = doctor.examine("https")  # nobody listens there any more
    assert (gone.state, "does not answer over HTTPS" in gone.says) == ("wrong", True)


def test_an_address_in_clear_that_leads_nowhere_is_told_of(settings, portal_server):
    from lsq_ops.services import doctor_https

    settings.PUBLIC_URL = "https://127.0.0.1"
    assert ["does not lead to HTTPS" in says for says, _ in doctor_https._in_clear(portal_server)] == [True]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert list(doctor_https._in_clear(f"http://127.0.0.1:{closed.getsockname()[1]}")) == []
    assert connection.vendor
