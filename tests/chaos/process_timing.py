"""How fast a batch lives. "sandbox" is what sandbox mode ships; "brisk" keeps its proportions in fewer seconds, so that
leases, schedules and the grace run out within a batch."""

import sys
from dataclasses import replace

from lsq_ops.models.timing import SANDBOX

PACES = {
    "sandbox": SANDBOX,
    "brisk": replace(
        SANDBOX,
        wait_low=1,
        wait_medium=1,
        wait_high=2,
        begins_within=3,
        http_deadline=5,
        attempt_lease=15,
        claim_lease=12,
        job=10,
        read_schedule=(1, 2, 4, 8),
        read_then_every=5,
        read_until=25,
        grace=12,
        read_retries=(1, 1, 2, 4),
        send_retries=(1, 1, 2, 4),
    ),
}


def live(pace: str) -> None:
    """In this process, from now on."""
    vars(sys.modules["lsq_ops.models.timing"])["SANDBOX"] = PACES[pace]
