"""Reads leads of many activities into the mirror: `python -m benchmarks.parts.reader LEADS ACTIVITIES`.

LeadSquared is a page of bytes at hand, so that what is left is ours: parsing, judging, packing, hashing, and the rows
of the mirror. Prints one line of JSON: seconds for the first reading of each lead, and for a second one that finds all
of it again.
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

import django

django.setup()

from lsq_ops.leadsquared.client import Client, OpenGate  # noqa: E402
from lsq_ops.leadsquared.errors import Answer, classify  # noqa: E402
from lsq_ops.leadsquared.paging import OffsetMeaning  # noqa: E402
from lsq_ops.models import Account, Activity, ActivitySnapshot, Lead, db_now  # noqa: E402
from lsq_ops.sandbox import seed  # noqa: E402
from lsq_ops.services import accounts, reading  # noqa: E402
from lsq_ops.services.tape import Tape  # noqa: E402

PAGE = 1000
CODES = (201, 202, 203, 21, 3001)


class Wire:
    """The lead's list, newest first, by rows to skip."""

    def __init__(self, records: list[str]) -> None:
        self.records = records

    def send(self, operation: str, method: str, path: str, **what: Any) -> Answer:
        offset = int(json.loads(what["body"])["Paging"]["Offset"])
        rows = ",".join(self.records[offset : offset + PAGE])
        body = f'{{"RecordCount":{len(self.records)},"ProspectActivities":[{rows}]}}'.encode()
        return classify(operation, 200, body, write=False)


def main(leads: int, activities: int) -> None:
    account = accounts.ensure_account()
    Account.objects.filter(pk=account.pk).update(offset_meaning=OffsetMeaning.ROWS)
    lists = {guid(1, number): list(records(guid(1, number), number, activities)) for number in range(leads)}
    Lead.objects.bulk_create(Lead(account=account, prospect_id=lead, read_at=db_now()) for lead in lists)
    first, again = read(account, lists), read(account, lists)
    there = Activity.objects.filter(gone_at=None).count()
    print(json.dumps({"rows": there, "first": first, "again": again}))


def read(account: Account, lists: dict[str, list[str]]) -> float:
    """Seconds for a reading of each."""
    lane = ActivitySnapshot.Lane.MIRROR
    reading.order(account, [("lead_activities", lead) for lead in lists], lane, since=db_now())
    begun = time.perf_counter()
    while snapshot := reading.claim([lane]):
        tape = Tape(snapshot, Wire(lists[snapshot.subject_id]), OpenGate())
        with patch.object(accounts, "reader", lambda *a, tape=tape, **k: (Client(tape, gate=tape), tape)):
            reading.perform(snapshot)
        snapshot.refresh_from_db()
        if not snapshot.complete:
            raise RuntimeError(snapshot.why)
    return time.perf_counter() - begun


def records(lead: str, number: int, count: int) -> Any:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    for index in range(count):
        when = f"{day - timedelta(minutes=7 * index):%Y-%m-%d %H:%M:%S}"
        code = CODES[index % len(CODES)]
        yield seed.activity_row(guid(2 + number, index), lead, code, when, note=f"Visit {index} to the site")[-1]


def guid(high: int, low: int) -> str:
    return str(UUID(int=(high << 64) + low))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
