"""Reads leads of many activities into the mirror, on a LeadSquared that is pages of bytes at hand: what is left is
ours, parsing, judging, packing, hashing, and the rows of the mirror.

    python -m benchmarks.parts.reader order LEADS              orders a reading of each
    python -m benchmarks.parts.reader read LEADS ACTIVITIES    a worker: says "ready", hears when to begin, reads until
                                                               nothing is left, says when it ended; and so on
    python -m benchmarks.parts.reader count                    says how many activities the mirror shows
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
LANE = ActivitySnapshot.Lane.MIRROR
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


def order(leads: int) -> None:
    account = accounts.ensure_account()
    Account.objects.filter(pk=account.pk).update(offset_meaning=OffsetMeaning.ROWS)
    for number in range(leads):
        Lead.objects.get_or_create(account=account, prospect_id=guid(1, number), defaults={"read_at": db_now()})
    reading.order(account, [("lead_activities", guid(1, number)) for number in range(leads)], LANE, since=db_now())


def read(leads: int, activities: int) -> None:
    lists = {guid(1, number): list(records(guid(1, number), number, activities)) for number in range(leads)}
    ActivitySnapshot.objects.exists()  # connected
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        begin = json.loads(line)[0]
        time.sleep(max(0.0, begin - time.time()))
        while snapshot := reading.claim([LANE]):
            tape = Tape(snapshot, Wire(lists[snapshot.subject_id]), OpenGate())
            with patch.object(accounts, "reader", lambda *a, tape=tape, **k: (Client(tape, gate=tape), tape)):
                reading.perform(snapshot)
            snapshot.refresh_from_db()
            if not snapshot.complete:
                raise RuntimeError(snapshot.why)
        print(json.dumps(time.time()), flush=True)


def count() -> None:
    print(Activity.objects.filter(gone_at=None).count())


def records(lead: str, number: int, count: int) -> Any:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    for index in range(count):
        when = f"{day - timedelta(minutes=7 * index):%Y-%m-%d %H:%M:%S}"
        code = CODES[index % len(CODES)]
        yield seed.activity_row(guid(2 + number, index), lead, code, when, note=f"Visit {index} to the site")[-1]


def guid(high: int, low: int) -> str:
    return str(UUID(int=(high << 64) + low))


if __name__ == "__main__":
    {"order": order, "read": read, "count": count}[sys.argv[1]](*map(int, sys.argv[2:]))
