"""The worker's door. Each job works a while, saves where it is, and rings again if something is left."""

from lsq_ops.queue import ring
from lsq_ops.services import agenda


def work(row_id: int | None = None) -> None:
    """Something is to be done; the tables say what. `row_id` (a request) only explains the ring in the queue's log."""
    if agenda.work():
        ring("work", row_id)


def beat() -> None:
    """Rung by the watchdog: show that a worker is alive, and find what a lost ring missed."""
    agenda.beat()
    work()
