"""Lint says of packages what it knows: a finding is red, an answer is green, and no answer is neither."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests import run, vulnerable
from tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent
KNOWN = {
    "id": "PYSEC-2026-1",
    "modified": "2026-01-01T00:00:00Z",
    "published": "2026-01-01T00:00:00Z",
    "summary": "made up",
    "affected": [
        {
            "package": {"name": "django", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.9"}]}],
        }
    ],
}


@pytest.fixture
def two_packages(tmp_path: Path) -> str:
    """Django and requests, with their hashes, out of our own file."""
    text = (ROOT / "requirements.txt").read_text()
    wanted = re.findall(r"^(?:django|requests)==.*(?:\n    .*)*", text, re.M)
    assert len(wanted) == 2
    (tmp_path / "requirements.txt").write_text("\n".join(wanted) + "\n")
    return str(tmp_path / "requirements.txt")


@contextmanager
def osv(bad: str = "", silent: bool = False) -> Iterator[list[str]]:
    """A vulnerability service that knows something of one package, or accepts and says nothing."""

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            while silent and not done:
                time.sleep(0.05)
            answer = {"vulns": [KNOWN]} if asked["package"]["name"] == bad else {}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    done: list[bool] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield ["--vulnerability-service", "osv", "--osv-url", f"http://127.0.0.1:{server.server_port}/v1/query"]
    finally:
        done.append(True)
        server.shutdown()
        server.server_close()


def test_a_known_vulnerability_is_a_failure_and_is_named(two_packages: str) -> None:
    with osv(bad="django") as service:
        verdict, says = vulnerable.packages(two_packages, service)
    assert verdict == vulnerable.FAILED and says.startswith("django ") and "PYSEC-2026-1 (mended in 99.9)" in says
    assert run.judged("pip-audit", verdict, says).failed == 1


def test_where_nothing_is_known_it_is_a_pass(two_packages: str) -> None:
    with osv() as service:
        assert vulnerable.packages(two_packages, service)[0] == vulnerable.PASSED


def test_without_a_network_it_is_skipped_with_a_sentence_and_breaks_nothing(two_packages: str, capsys: Any) -> None:
    nobody = ["--vulnerability-service", "osv", "--osv-url", f"http://127.0.0.1:{free_port()}/v1/query"]
    verdict, says = vulnerable.packages(two_packages, nobody)
    assert verdict == vulnerable.NOT_LOOKED_UP
    count = run.judged("pip-audit", verdict, says)
    assert (count.passed, count.failed, count.skipped, count.excused) == (0, 0, 1, 1)
    assert "not looked up: " in capsys.readouterr().out


def test_a_service_that_says_nothing_does_not_hold_it_up(two_packages: str) -> None:
    with osv(silent=True) as service:
        assert vulnerable.packages(two_packages, service, deadline=5) == (
            vulnerable.NOT_LOOKED_UP,
            "no answer within 5 s",
        )


def test_a_file_without_hashes_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("django==5.2\n")
    assert vulnerable.packages(str(tmp_path / "requirements.txt"))[0] == vulnerable.FAILED


def test_packages_that_the_service_does_not_know_are_no_pass() -> None:
    """A mirror that answers in the service's place knows nothing of any of them."""
    assert vulnerable.verdict([{"name": "django", "skip_reason": "not found"}])[0] == vulnerable.NOT_LOOKED_UP
    assert vulnerable.verdict([])[0] == vulnerable.NOT_LOOKED_UP


def test_in_ci_only_what_is_excused_may_be_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "1")
    monkeypatch.setattr(run, "lint", lambda: run.Count(passed=6, skipped=1, excused=1))
    assert run.main(["--only", "lint"]) == 0
    monkeypatch.setattr(run, "lint", lambda: run.Count(passed=6, skipped=1))
    assert run.main(["--only", "lint"]) == 1


def test_nothing_is_left_out_of_the_look_at_the_code_and_each_exception_says_why() -> None:
    text = (ROOT / "pyproject.toml").read_text().partition("[tool.bandit]")[2].partition("\n# ---")[0]
    assert "exclude" not in text
    for folder in ("lsq_ops", "portal"):
        for path in (ROOT / folder).rglob("*.py"):
            for line in re.findall(r"# nosec.*", path.read_text()):
                assert re.fullmatch(r"# nosec B\d+(?:, B\d+)* # .{8,}", line), f"{path}: {line}"
