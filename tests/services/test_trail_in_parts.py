"""A long trail is checked on all processors, and what is said of it is what one walk from the beginning says."""

import subprocess
import sys

import pytest
from django.db import connection

from lsq_ops.models import AuditEvent, guards
from lsq_ops.services import trail

EVENTS = trail.SLICE + 1_000
ASK = """
import django; django.setup()
from lsq_ops.chain import Check
from lsq_ops.models import AuditHead
from lsq_ops.services import anchors, trail
head = AuditHead.objects.get()
check = Check((head.seq, head.hash), anchors.known()[0])
print(trail._whole_in_parts(check), check.last == head.seq, check.prev == head.hash, check.anchored)
report = trail.verify()
trail._whole_in_parts = lambda check: False
print(report == trail.verify(), report.ok, report.bad_seq, report.kind, report.events)
"""


def asked(environment):
    """In a process of its own: this one has threads, and a fork of it would be no proof."""
    done = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines() if "anchor seq=" not in line]


@pytest.fixture
def long_trail(process_environment):
    command = [sys.executable, "-m", "benchmarks.parts.trail", "fill", str(EVENTS)]
    subprocess.run(command, env=process_environment, check=True, capture_output=True, timeout=280)
    anchor = "from lsq_ops.services import anchors; anchors.keep()"
    subprocess.run(
        [sys.executable, "-c", f"import django; django.setup(); {anchor}"], env=process_environment, check=True
    )
    return process_environment


def test_a_long_trail_is_whole_in_parts_and_says_how_far_anchors_speak(long_trail):
    last = AuditEvent.objects.count()
    parts, report = asked(long_trail)
    assert parts == ["True", "True", "True", str(last)]
    assert report == ["True", "True", "None", str(last)]  # whole: no kind at all


@pytest.mark.parametrize("where", ["in the first part", "at the seam", "in the last part"])
def test_one_edited_event_is_found_with_its_number(long_trail, where):
    last = AuditEvent.objects.count()
    bad = {"in the first part": 17, "at the seam": last // 2, "in the last part": last - 5}[where]
    guards.drop(connection)
    AuditEvent.objects.filter(seq=bad).update(actor="somebody else")
    parts, report = asked(long_trail)
    assert parts[0] == "False"
    assert report[:4] == ["True", "False", str(bad), "edited"]
