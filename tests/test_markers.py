"""The marker run finds what it is there for; the whole of it is `./dev test -p tests.markers`."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PIECES = ["tests/planted/leaks.py", "tests/services/test_receiving.py::test_a_webhook_has_its_call_read_at_once"]


def test_planted_leaks_are_found_and_a_few_pieces_are_clean() -> None:
    """In a process of its own: its secrets are set before anything is imported."""
    ours = {
        n: v for n, v in os.environ.items() if not n.startswith(("PYTEST_", "TEST_", "LSQ_OPS_", "REDIS_URL", "DATA"))
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.markers",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-rA",
        "-q",
    ]
    ran = subprocess.run(
        [*command, *PIECES], cwd=ROOT, env=ours | {"COLUMNS": "400"}, capture_output=True, text=True, timeout=250
    )
    found = dict(re.findall(r"^(?:FAILED|ERROR) \S+::test_(\w+) - Failed: MARKED: (.+)$", ran.stdout, re.M))
    passed = set(re.findall(r"^PASSED \S+::test_(\w+)", ran.stdout, re.M))
    leaks = {
        "leaks_a_secret_into_the_log": "AUDIT_KEY in a log line",
        "leaks_a_lead_into_the_log": "a lead's e-mail in a log line",
        "leaks_a_secret_onto_a_page": "AUDIT_KEY in the answer of GET /plainly",
        "leaks_a_secret_into_a_file": "AUDIT_KEY in the answer of GET /in-parts",
        "leaks_a_lead_into_the_trail": "a lead's e-mail in the table lsq_ops_auditevent",
        "leaks_a_password_into_a_table": "a password, code or second factor (on…) in the table auth_user",
        "leaks_a_lead_by_mail": "a lead's e-mail in a mail",
    }
    assert set(found) == set(leaks), ran.stdout[-3000:]
    assert {name: found[name] for name, leak in leaks.items() if leak not in found[name]} == {}
    assert {
        "keeps_what_is_logged_behind_the_hiding",
        "keeps_a_lead_in_the_mirror",
        "a_webhook_has_its_call_read_at_once",
    } <= passed
