"""The doorbell, and the only import of django_q. The table is the truth: a job carries a row's id and may come
twenty times, late or never; `jobs.beat` finds what a lost ring missed."""

from django.db import transaction
from django_q.tasks import async_task


def ring(job: str, row_id: int | None = None) -> None:
    """Ring `lsq_ops.jobs.<job>` when the running transaction is committed (at once outside of one)."""
    transaction.on_commit(lambda: _put(job, row_id))


def _put(job: str, row_id: int | None) -> None:
    arguments = () if row_id is None else (row_id,)
    async_task(f"lsq_ops.jobs.{job}", *arguments, save=False)
