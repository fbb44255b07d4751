"""The workers' cluster: it ends soon when it is told to, and loses nothing by that."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lsq_ops import queue
from lsq_ops.models import ActivitySnapshot, db_now
from lsq_ops.queue import ring
from lsq_ops.services import reading
from tests.world import make_world


def test_a_cluster_with_much_to_do_ends_soon_and_leaves_the_rest_undone(committed_db, sandbox, process_environment):
    """A job goes on for 40 s while there is work; told to end, it finishes the call that is under way."""
    world = make_world(sandbox)
    leads = [("lead_activities", lead) for lead in sandbox.world.lead_ids()]
    reading.order(world.account, leads, reading.Lane.MIRROR, since=db_now())
    ring("work")
    environment = {**process_environment, "LSQ_HOST": sandbox.url, "Q_WORKERS": "2"}
    cluster = subprocess.Popen(
        [sys.executable, "manage.py", "worker"], env=environment, cwd=Path.cwd(), start_new_session=True
    )
    try:
        until = time.monotonic() + 30
        while not done() and time.monotonic() < until:
            time.sleep(0.1)
        cluster.send_signal(signal.SIGTERM)
        told = time.monotonic()
        assert cluster.wait(30) == 0
        assert time.monotonic() - told < 10
    finally:
        if cluster.poll() is None:
            os.killpg(cluster.pid, signal.SIGKILL)
    assert 0 < done() < len(leads)
    left = ActivitySnapshot.objects.filter(read_at__isnull=True)
    assert not left.filter(tries__gt=0).exists()
    assert not left.filter(claimed_until__gt=db_now()).exists()  # given back, not left to its lease


def test_rings_of_either_kind_do_not_pile_up_where_nobody_takes_them(committed_db):
    """Where every worker is busy for hours, a beat every few seconds would make the queue longer and longer."""
    for job, most in (("work", queue.ENOUGH), ("beat", queue.MOST)):
        for _ in range(2 * most):
            ring(job)
        assert queue.length() == most


def done() -> int:
    return ActivitySnapshot.objects.filter(read_at__isnull=False).count()
