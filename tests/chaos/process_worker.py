"""`manage.py worker` that dies, stops or runs out of disk where the harness has ordered it to.

Nothing in the product knows of this: the functions at whose edges the steps lie are wrapped here, before the cluster
forks its processes.
"""

import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import django

from .process_board import Board

BOARD = Board(Path(os.environ["CHAOS_BOARD"]))
_local = threading.local()


def main() -> None:
    django.setup()
    from .process_timing import live

    live(os.environ["CHAOS_PACE"])
    wrap_cluster()
    wrap_engine()
    wrap_sending()
    wrap_database()
    from django.core.management import execute_from_command_line

    execute_from_command_line([sys.argv[0], "worker"])


def at(step: str) -> None:
    """Carry out the order for this step, if there is one."""
    order = BOARD.take(step)
    if order is None:
        return
    if order["skip"]:
        _local.later = order
        return
    obey(order)


def obey(order: dict[str, Any]) -> None:
    BOARD.done(order)
    if order["do"] == "full":
        fill_disk(order["seconds"])
    else:
        os.kill(os.getpid(), signal.SIGKILL if order["do"] == "kill" else signal.SIGSTOP)


def fill_disk(seconds: float) -> None:
    """For so long this process can't write to any file: what it meets is the error of a full disk."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    timer = threading.Timer(seconds, resource.setrlimit, (resource.RLIMIT_FSIZE, (hard, hard)))
    timer.daemon = True
    timer.start()


# --- Wrapping --------------------------------------------------------------------------------------------


def before(owner: Any, name: str, step: str, when: Callable[[], bool] = lambda: True) -> None:
    """The step lies just before the function."""
    original = getattr(owner, name)

    @wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if when():
            at(step)
        return original(*args, **kwargs)

    setattr(owner, name, wrapped)


def after(owner: Any, name: str, step: str) -> None:
    """The step lies just after the function, if it gave something."""
    original = getattr(owner, name)

    @wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if result is not None:
            at(step)
        return result

    setattr(owner, name, wrapped)


def wrap_cluster() -> None:
    """Each process of the cluster says what it is, and each worker whether it works."""
    from django_q import cluster

    from lsq_ops import jobs

    for role in ("worker", "monitor", "pusher"):
        setattr(cluster, role, _enrolled(role, getattr(cluster, role)))
    cluster.Sentinel.guard = _enrolled("sentinel", cluster.Sentinel.guard)
    for job in ("work", "beat"):
        setattr(jobs, job, _marked(getattr(jobs, job)))


def _enrolled(role: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        BOARD.enrol(role)
        return original(*args, **kwargs)

    return wrapped


def _marked(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        BOARD.work(True)
        try:
            return original(*args, **kwargs)
        finally:
            BOARD.work(False)

    return wrapped


def wrap_engine() -> None:
    from lsq_ops import queue
    from lsq_ops.services import budget, reading, running, verifying

    after(running, "next_call", "claimed")
    after(reading, "claim", "reading_claimed")
    after(budget.Budget, "enter", "slot")
    after(running, "open_attempt", "committed")
    before(running, "keep_answer", "answered")
    before(reading, "fill", "read")
    before(verifying, "judge", "judging")
    before(queue, "_put", "ring")


def wrap_sending() -> None:
    """The step where the bytes of a delete have left: the client asks for the answer."""
    from lsq_ops.leadsquared import transport
    from lsq_ops.leadsquared.client import Client

    original = Client.send_delete

    @wraps(original)
    def send_delete(self: Client, *args: Any, **kwargs: Any) -> Any:
        _local.sending = True
        try:
            return original(self, *args, **kwargs)
        finally:
            _local.sending = False

    Client.send_delete = send_delete  # type: ignore[method-assign]
    before(transport._Connection, "getresponse", "bytes_left", lambda: getattr(_local, "sending", False))


def wrap_database() -> None:
    from django.db.backends.base import base
    from django.db.backends.signals import connection_created

    wrapper: Any = base.BaseDatabaseWrapper
    original = wrapper._commit

    @wraps(original)
    def commit(self: Any) -> Any:
        at("commit")
        result = original(self)
        at("committed_any")
        return result

    wrapper._commit = commit
    connection_created.connect(count_statements, weak=False)


def count_statements(sender: object, connection: Any, **more: object) -> None:
    connection.execute_wrappers.append(one_statement)


def one_statement(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    at("statement")
    order = getattr(_local, "later", None)
    if order is None:
        return execute(sql, params, many, context)
    order["left"] = order.get("left", order["skip"]) - 1
    if order["left"] > 0:
        return execute(sql, params, many, context)
    _local.later = None
    if order["skip"] % 2:
        obey(order)
        return execute(sql, params, many, context)
    result = execute(sql, params, many, context)
    obey(order)
    return result


if __name__ == "__main__":
    main()
