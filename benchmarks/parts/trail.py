"""What the benchmark of the audit trail asks of the portal, in a process of its own.

python -m benchmarks.parts.trail fill N    N events behind those that are there, written past the guards
python -m benchmarks.parts.trail hashes N  seconds that N links take which nobody reads or writes
python -m benchmarks.parts.trail write     one writer: says it is ready, is told when to begin and to end (seconds
                                           since 1970), answers with how many events it has written
python -m benchmarks.parts.trail rows      the same, but what is written is a row of no chain, of the same size
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice

import django

CHUNK = 10_000
ACTIONS = ("attempt.intent", "attempt.accepted", "call.sent", "call.gone", "vote.approve", "request.pending")


def fill(number: str) -> int:
    """As a portal of some years has them; the head and the guards are put back."""
    from django.db import connection, transaction

    from lsq_ops.models import AuditEvent, AuditHead, guards

    guards.drop(connection)
    head = AuditHead.objects.get()
    events = links(head.seq, head.hash, int(number))
    with transaction.atomic():
        while chunk := [AuditEvent(**link) for link in islice(events, CHUNK)]:
            AuditEvent.objects.bulk_create(chunk)
            AuditHead.objects.update(seq=chunk[-1].seq, hash=chunk[-1].hash)
    guards.install(connection)
    return AuditEvent.objects.count()


def links(last: int, prev: str, number: int) -> Iterator[dict]:
    from lsq_ops.chain import canonical, link_hash

    for seq in range(last + 1, last + number + 1):
        details = {"digest": f"{seq:064x}", "items": seq % 1112, "tier": "medium", "version": 1}
        link = {"seq": seq, "at": "2026-11-25T09:14:00.123456+00:00", "actor": ("rita", "arun", "system")[seq % 3]}
        link |= {"action": ACTIONS[seq % len(ACTIONS)], "object_type": "deletioncall", "object_id": str(seq // 9)}
        link |= {"details": canonical(details), "prev_hash": prev}
        link["hash"] = prev = link_hash(prev, link)
        yield link


def hashes(number: str) -> float:
    begun = time.perf_counter()
    for _ in links(0, "0" * 64, int(number)):
        pass
    return round(time.perf_counter() - begun, 3)


def write() -> int:
    from lsq_ops.models import audited, record

    def one(seq: int) -> None:
        with audited():
            record("lead.refreshed", ("lead", seq), actor="system", items=seq % 1112, digest=f"{seq:064x}")

    return _until_told(one)


def rows() -> int:
    """What a table costs that no chain goes through: the same columns, a number of the database's own, no head."""
    from django.db import connection, transaction

    sql = "INSERT INTO bench_rows (at, actor, action, object_type, object_id, details, prev_hash, hash)"

    def one(seq: int) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            words = ["2026-11-25T09:14:00.123456+00:00", "system", "lead.refreshed", "lead", str(seq)]
            cursor.execute(f"{sql} VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", [*words, "x" * 100, "0" * 64, "0" * 64])

    return _until_told(one)


def bare_table() -> int:
    from django.db import connection

    key = "INTEGER PRIMARY KEY" if connection.vendor == "sqlite" else "BIGSERIAL PRIMARY KEY"
    columns = ("at", "actor", "action", "object_type", "object_id", "details", "prev_hash", "hash")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE bench_rows (seq {key}, {', '.join(f'{name} TEXT' for name in columns)})")
    return 0


def _until_told(one: Callable[[int], None]) -> int:
    one(0)  # connections, imports and compiled queries are not what is counted
    print(json.dumps("ready"), flush=True)
    begin, end = json.loads(sys.stdin.readline())
    time.sleep(max(0.0, begin - time.time()))
    count = 0
    while time.time() < end:
        count += 1
        one(count)
    return count


if __name__ == "__main__":
    django.setup()
    questions: dict[str, Callable[..., int | float]] = {
        "fill": fill,
        "hashes": hashes,
        "write": write,
        "rows": rows,
        "bare_table": bare_table,
    }
    print(json.dumps(questions[sys.argv[1]](*sys.argv[2:])), flush=True)
