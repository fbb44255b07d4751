"""The worker's door. Each job works a while, saves where it is, and rings again if something is left."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from lsq_ops import request_ids
from lsq_ops.queue import ring
from lsq_ops.services import agenda

log = logging.getLogger(__name__)


class JobFailed(Exception):
    """All that the queue keeps of an error: its own text and traceback may hold anything."""


def work(row_id: int | None = None) -> None:
    """Something is to be done; the tables say what. `row_id` (a request) only explains the ring in the queue's log."""
    with _job("work"):
        _work(row_id)


def beat() -> None:
    """Rung by the watchdog: show that a worker is alive, and find what a lost ring missed."""
    with _job("beat"):
        agenda.beat()
        _work()


def _work(row_id: int | None = None) -> None:
    if agenda.work():
        ring("work", row_id)


@contextmanager
def _job(name: str) -> Iterator[None]:
    """The log says what went wrong, without what a log line may not say; the queue's table says that the log does."""
    with request_ids.of_job(name):
        try:
            yield
        except Exception as error:
            log.exception("The job %s failed.", name)
            raise JobFailed(f"{type(error).__name__}; the log says more, at {request_ids.current()}") from None
