"""The doorbell, and the only import of django_q. The table is the truth: a job carries a row's id and may come
twenty times, late or never; `jobs.beat` finds what a lost ring missed."""

import multiprocessing

from django.db import transaction
from django_q.brokers import get_broker
from django_q.tasks import async_task

ENOUGH = 8
MOST = 24  # with the beats, which the watchdog rings whatever there is

# Made before the workers are forked, so that all of a cluster's processes share it.
_stopping = multiprocessing.Event()


def ring(job: str, row_id: int | None = None) -> None:
    """Ring `lsq_ops.jobs.<job>` when the running transaction is committed (at once outside of one)."""
    transaction.on_commit(lambda: _put(job, row_id))


def _put(job: str, row_id: int | None) -> None:
    broker = get_broker()
    if broker.queue_size() >= (ENOUGH if job == "work" else MOST):
        return  # so many rings wait already that another one would only make the queue longer, for as long as all work
    arguments = () if row_id is None else (row_id,)
    async_task(f"lsq_ops.jobs.{job}", *arguments, save=False, broker=broker)


def length() -> int | None:
    """Rings that wait; None where the queue can't be asked."""
    try:
        return int(get_broker().queue_size())
    except Exception:  # whatever broke in between: the pages must not break with it
        return None


def is_stopping() -> bool:
    """This worker's cluster was asked to end: what is under way is finished, nothing more is begun."""
    return _stopping.is_set()


def run_cluster() -> None:
    """Start the workers and their keepers; returns when they have been told to end (TERM, Ctrl-C) and are done.

    django-q2 itself tells its workers only between two jobs, and a job of ours goes on for up to 40 seconds.
    """
    from django_q.cluster import Cluster  # needs Django to be ready

    class EndingCluster(Cluster):
        def stop(self) -> bool:
            _stopping.set()
            return bool(super().stop())

    EndingCluster().start()
