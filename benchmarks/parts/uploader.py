"""A mirror, a file that names its leads with every fault among the lines, and the worker that reads it.

python -m benchmarks.parts.uploader fill LINES        the mirror
python -m benchmarks.parts.uploader keep LINES WAY    the file, kept and not yet read
python -m benchmarks.parts.uploader read              reads it; says how long that took and how much memory
python -m benchmarks.parts.uploader wrong LINES WAY   says how many verdicts are not what the line deserves
"""

import csv
import io
import json
import resource
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from uuid import UUID

import django

django.setup()

import openpyxl  # noqa: E402
from django.contrib.auth.models import Group, User  # noqa: E402

from lsq_ops.leadsquared.records import LeadRecord  # noqa: E402
from lsq_ops.models import Account, Activity, Hold, Lead, UploadedList, db_now  # noqa: E402
from lsq_ops.services import accounts, mirror, uploaded  # noqa: E402

CODE, FIRST_DAY = 201, datetime(2026, 3, 1, 9, tzinfo=UTC)
# What every 40th lead is, by its number.
GONE, TWIN, HELD, UNREAD = 11, 12, 13, 14


def guid(number: int) -> str:
    return str(UUID(int=(7 << 64) + number))


def email(number: int) -> str:
    return f"person{number}@example.com"


def phone(number: int) -> str:
    return f"+91 98{number:08}"


def day(number: int) -> datetime:
    return FIRST_DAY + timedelta(days=number % 200)


def fill(lines: int) -> None:
    account, count = accounts.ensure_account(), lines
    for start in range(0, count, 5000):
        rows = []
        for n in range(start, min(start + 5000, count)):
            same = n - 1 if n % 40 == TWIN else n  # a twin has what the lead before it has, which is gone
            rows.append({"ProspectID": guid(n), "ProspectAutoId": str(n)})
            rows[-1] |= {"EmailAddress": email(same), "Phone": phone(same)}
        for n in range(start, min(start + 5000, count)):
            if n % 40 == TWIN + 8:  # and one that has what a third has, which is there
                rows.append({"ProspectID": guid(count + n), "EmailAddress": email(n), "Phone": phone(n)})
        mirror.write_leads(account, [LeadRecord.model_validate(row) for row in rows])
    now = db_now()
    Lead.objects.filter(number__in=[str(n) for n in range(count) if n % 40 == GONE][:30_000]).update(gone_at=now)
    Lead.objects.update(records_read_at=now)
    unread = [guid(n) for n in range(count) if n % 40 == UNREAD]
    Lead.objects.filter(prospect_id__in=unread[:30_000]).update(records_read_at=None)
    facts = {"account": account, "record_type": "lead", "reason": "court case", "set_by": "pia", "set_at": now}
    Hold.objects.bulk_create([Hold(record_id=guid(n), **facts) for n in range(count) if n % 40 == HELD])
    pks = dict(Lead.objects.exclude(number="").values_list("number", "pk"))
    of_all: dict[str, Any] = {"account": account, "event_code": CODE, "activity_type": 2, "read_at": now}
    Activity.objects.bulk_create(
        (
            Activity(lead_id=pks[str(n)], activity_id=guid((8 << 32) + 2 * n + part), created_on=at, **of_all)
            for n in range(count)
            for part, at in enumerate((day(n), day(n) + timedelta(days=1)))
        ),
        batch_size=5000,
    )


# --- The file -----------------------------------------------------------------------------------------------


def lines_of(count: int, way: str) -> Iterator[tuple[str, str, str]]:
    """(name, day, the verdict that it deserves) of each line. Every 20th line has a fault of its own."""
    write = {"id": guid, "phone": phone}.get(way, email)
    empty = {"id": "not an id", "phone": "no phone number"}.get(way, "no e-mail address")
    for n in range(count):
        name, on, deserved = write(n), f"{day(n):%d %b %Y}", deserves(n, way)
        match n % 20:
            case 1:
                name, deserved = "hello there", empty
            case 2:
                name, deserved = "", empty
            case 3:
                name, deserved = write(2 * count + n), "not in the mirror"
            case 4:
                name, on, first = write(n - 4), f"{day(n - 4):%Y-%m-%d}", deserves(n - 4, way)
                deserved = "twice" if first == "taken" else first
            case 5:
                name, deserved = "9.19E+11", empty
            case 6 if way == "day":
                on, deserved = "some day", "no day"
            case 7 if way == "day":
                on, deserved = f"{day(n) - timedelta(days=1):%d/%m/%Y}", "no such activity on that day"
        yield name, on, deserved


def deserves(n: int, way: str) -> str:
    if n % 40 == TWIN - 1 and way != "id":
        # Its twin is meant, which is there, and whose activities are of other days.
        return "taken" if way != "day" else "no such activity on that day"
    special = {GONE: "gone", HELD: "on hold"} | ({UNREAD: "not read"} if way == "day" else {})
    special |= {} if way == "id" else {TWIN: "not in the mirror", TWIN + 8: "several match"}
    return special.get(n % 40, "taken")


def keep(count: int, way: str) -> None:
    """As the portal receives it, but not read at once."""
    group, _ = Group.objects.get_or_create(name="Requester")
    user, _ = User.objects.get_or_create(username="rita", is_staff=True)
    user.groups.add(group)
    head = ["Owner", "Prospect", "Visit"]
    table = ([f"Owner {n % 50}", name, on] for n, (name, on, _) in enumerate(lines_of(count, way)))
    file = workbook(head, table) if way == "sheet" else text(head, table)
    how: dict[str, Any] = {"by": way if way in ("id", "phone") else "email"}
    names = "lead"
    if way == "day":
        names, how = "day", {**how, "codes": [CODE]}
    with mock.patch.object(uploaded, "step"):
        upload = uploaded.receive(user, file, f"{way}.csv", names=names, how=how)
    UploadedList.objects.filter(pk=upload.pk).update(claimed_until=None)


def text(head: list[str], table: Iterator[list[str]]) -> io.BytesIO:
    file = io.StringIO()
    csv.writer(file).writerows([head, *table])
    return io.BytesIO(file.getvalue().encode())


def workbook(head: list[str], table: Iterator[list[str]]) -> io.BytesIO:
    book, file = openpyxl.Workbook(write_only=True), io.BytesIO()
    sheet = book.create_sheet("Leads")
    for row in (head, *table):
        sheet.append(row)
    book.save(file)
    return file


def read() -> None:
    """Turn after turn, as the agenda does it."""
    began = time.perf_counter()
    while upload := uploaded.claim():
        uploaded.step(upload)
    seconds = time.perf_counter() - began
    upload = UploadedList.objects.latest("pk")
    if upload.why or upload.read_at is None:
        raise RuntimeError(upload.why or "not read")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"taken": upload.counts["taken"], "verdicts": len(upload.counts)}
    print(json.dumps({**told, "seconds": round(seconds, 1), "megabytes": round(megabytes, 1)}))


def wrong(count: int, way: str) -> None:
    upload = UploadedList.objects.latest("pk")
    made = dict(upload.judged.values_list("line", "verdict"))
    deserved = {n + 2: verdict for n, (_, _, verdict) in enumerate(lines_of(count, way))}
    missed = [(line, verdict, made.get(line)) for line, verdict in deserved.items() if made.get(line) != verdict]
    for line, verdict, got in missed[:10]:
        print(f"line {line}: {verdict} is right, and it got {got}", file=sys.stderr)
    assert set(made) == set(deserved)
    print(json.dumps({"wrong": len(missed)}))


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    Account.objects.exists()  # connected
    {"fill": fill, "keep": keep, "read": read, "wrong": wrong}[command](
        *(int(one) if one.isdecimal() else one for one in rest)
    )
