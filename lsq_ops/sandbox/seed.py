"""Fills an empty world. The same seed gives the same world but for its dates, which are relative to today."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from . import cast

SENTINEL = "0001-01-01 00:00:00"
Row = tuple[Any, ...]


def fill(db: sqlite3.Connection, seed: int) -> None:
    seeder = Seeder(seed)
    seeder.everybody()
    for table, rows in seeder.rows.items():
        sql = f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})"  # noqa: S608  # nosec B608 # this file's own tables
        db.executemany(sql, rows)


class Seeder:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # nosec B311 # a seeded world is no secret
        self.seed = seed
        self.midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        self.rows: dict[str, list[Row]] = {"users": [], "leads": [], "activities": [], "tasks": []}
        self.owners: list[tuple[str, str]] = []

    def everybody(self) -> None:
        for first, last, role, active in cast.USERS:
            user_id = cast.stable_id(f"user:{first} {last}")
            self.rows["users"].append((user_id, first, last, cast.mailbox(first, last), role, active))
            self.owners.append((user_id, f"{first} {last}"))
        for key, friend in cast.FRIENDS.items():
            self.friend(cast.stable_id(f"lead:{key}"), friend)
        for first, last, phone in self.everyday_names():
            self.everyday_lead(first, last, phone)
        self.bulk()

    def friend(self, lead: str, friend: cast.Friend) -> None:
        self.lead(lead, friend.first, friend.last, friend.email, friend.phone)
        for number in range(friend.recent_visits):
            # Two or three a day in the last week, minutes apart: entered twice by mistake.
            at = self.midnight - timedelta(days=1 + number % 6)
            self.activity(lead, 201, at + timedelta(hours=5, minutes=7 * number, seconds=self.rng.randrange(60)))
        for code, total in friend.counts.items():
            for _ in range(total - (friend.recent_visits if code == 201 else 0)):
                self.activity(lead, code, self.moment(110, 31) if code == 201 else self.moment(118))
        for number in range(5):
            self.task(lead, self.rng.choice(self.owners[:6])[0], completed=number >= 3)

    def everyday_names(self) -> Iterator[tuple[str, str, str]]:
        for first, last in cast.HOSTILE_NAMES:
            yield first, last, self.phone()
        for first, last in cast.SHARERS:
            yield first, last, cast.SHARED_PHONE
        for _ in range(44):
            yield self.rng.choice(cast.FIRST_NAMES), self.rng.choice(cast.LAST_NAMES), self.phone()

    def phone(self) -> str:
        ten = f"9{self.rng.randrange(10**9):09d}"
        forms = (f"+91-{ten}", ten, f"+91{ten}", f"0{ten[:4]} {ten[4:]}", f"+1 (415) 555-{ten[6:]}", "")
        return self.rng.choice(forms)

    def everyday_lead(self, first: str, last: str, phone: str) -> None:
        number = len(self.rows["leads"])
        letters = "".join(c for c in f"{first}.{last}".lower() if c.isascii() and (c.isalpha() or c == "."))
        email = f"{letters[:40].strip('.') or 'lead'}{number}@example.com" if number % 13 else ""
        lead = self.lead(cast.stable_id(f"lead:{self.seed}:{number}"), first, last, email, phone)
        for _ in range(self.rng.randint(5, 60)):
            self.activity(lead, self.rng.choice(cast.EVERYDAY_CODES), self.moment(120))
        self.duplicate_burst(lead)
        for code, (low, high) in cast.EVERYDAY_NUMBERS.items():
            for _ in range(self.rng.randint(low, high)):
                self.activity(lead, code, self.moment(120))
        if number % 20 == 7:
            self.activity(lead, 163, None)
        for _ in range(self.rng.randint(1, 6)):
            self.task(lead, self.rng.choice(self.owners[:6])[0], completed=self.rng.random() < 0.4)

    def duplicate_burst(self, lead: str) -> None:
        at = self.moment(7)
        for _ in range(self.rng.randint(3, 8)):
            self.activity(lead, 201, at)
            # Often the very same second: such twins can't be told apart by any window.
            at += timedelta(seconds=self.rng.choice((0, 1, 40, 90)))
        self.activity(lead, 202, at)
        self.activity(lead, 201, self.moment(120, 30))

    def bulk(self) -> None:
        leads = []
        for number in range(cast.BULK_LEADS):
            prospect_id = cast.stable_id(f"bulk:{self.seed}:{number}")
            leads.append(self.lead(prospect_id, "Imported", f"Contact {number:03d}", "", ""))
            for code in (23, 202, 3001):
                self.activity(prospect_id, code, self.moment(120))
        for number in range(cast.BULK_TASKS):
            self.task(leads[number % cast.BULK_LEADS], cast.BULK_OWNER_ID, completed=number % 3 == 0)

    def moment(self, oldest_days: int, newest_days: int = 1) -> datetime:
        """A second of somebody's working day in India, between so many days before today."""
        day = self.midnight - timedelta(days=self.rng.randint(newest_days, oldest_days))
        return day + timedelta(seconds=self.rng.randrange(4 * 3600, 13 * 3600))

    def guid(self) -> str:
        digits = f"{self.rng.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def lead(self, prospect_id: str, first: str, last: str, email: str, phone: str) -> str:
        number = 1001 + len(self.rows["leads"])
        owner_id, owner_name = self.rng.choice(self.owners[:6])
        created, changed = f"{self.moment(300, 121)}.000", f"{self.moment(20)}.000"
        record = {
            "ProspectID": prospect_id,
            "ProspectAutoId": str(number),
            "FirstName": first,
            "LastName": last,
            "EmailAddress": email,
            "Phone": phone,
            "Mobile": "",
            "ProspectStage": self.rng.choice(cast.STAGES),
            "Source": self.rng.choice(cast.SOURCES),
            "mx_City": self.rng.choice(cast.CITIES),
            "Score": str(self.rng.randrange(100)),
            "OwnerId": owner_id,
            "OwnerIdName": owner_name,
            "OwnerIdEmailAddress": cast.mailbox(*owner_name.split()),
            "CreatedOn": created,
            "ModifiedOn": changed,
            "LeadLastModifiedOn": changed,
        }
        digits = "".join(filter(str.isdigit, phone))
        words = f"{first} {last} {email} {phone}".lower()
        row = (prospect_id, number, email.lower(), digits, words, changed[:19], json.dumps(record))
        self.rows["leads"].append(row)
        return prospect_id

    def activity(self, lead: str, code: int, at: datetime | None) -> None:
        created = modified = inserted = str(at or SENTINEL)
        if at and self.rng.random() < 0.1:
            # Back-dated, so that it seems to have been changed before it was made.
            inserted, modified = str(min(at + timedelta(days=2), self.midnight)), str(at - timedelta(hours=3))
        note, author, (_, other) = self.rng.choice(cast.NOTES), *self.rng.choices(self.owners, k=2)
        times = (created, modified, inserted, f".{self.rng.randrange(1000):03d}")
        row = activity_row(self.guid(), lead, code, *times, note=note, author=author, other=other)
        self.rows["activities"].append(row)

    def task(self, lead: str, owner: str, *, completed: bool) -> None:
        created = self.moment(100, 10)
        due, done = created + timedelta(days=self.rng.randrange(1, 160)), created + timedelta(days=3)
        times = (str(due), str(created), str(done) if completed else None)
        texts = (self.rng.choice(choices) for choices in (cast.TASK_NAMES, cast.NOTES, cast.TASK_KINDS))
        self.rows["tasks"].append((self.guid(), lead, owner, int(completed), *times, *texts))


def activity_row(
    activity_id: str, lead: str, code: int, created: str, modified: str = "", inserted: str = "",
    fraction: str = ".000", *, note: str = "", author: tuple[str, str] = ("", "Sandbox"), other: str = "Rahul Verma",
) -> Row:  # fmt: skip
    """One row of the table, with the record as Retrieve prints it (page get-activities-of-a-lead)."""
    name, kind = (cast.ACTIVITY_TYPES | cast.UNLISTED_TYPES).get(code, (f"Custom activity {code}", cast.CUSTOM))
    modified = modified or created
    record: dict[str, Any] = {
        "Id": activity_id,
        "EventCode": code,
        "EventName": name,
        "ActivityScore": 0,
        "CreatedOn": created,
        "ActivityType": kind,
        "IsEmailType": False,
        "Type": "Outbound" if code == 22 else "Inbound",
        "SessionId": activity_id,
        "TrackLocation": 0,
        "Latitude": 0,
        "Longitude": 0,
        "RelatedProspectId": lead,
        "Data": [{"Key": key, "Value": value} for key, value in _data(code, name, note, author[1], other).items()],
        "ActivityFields": _fields(code, note, author, modified),
        "ModifiedOn": modified,
    }
    if code == 3002:
        del record["ActivityFields"]
    return (activity_id, lead, code, kind, created + fraction, modified, inserted or created, json.dumps(record))


def _data(code: int, name: str, note: str, author: str, other: str) -> dict[str, str]:
    if code == 3001:
        return {"PreviousOwner": other, "CurrentOwner": author, "CreatedBy": author}
    if code == 3002:
        step = len(note) % (len(cast.STAGES) - 1)
        stages = {"PreviousStage": cast.STAGES[step], "CurrentStage": cast.STAGES[step + 1]}
        return stages | {"CreatedBy": author, "Comment": note}
    texts = {"CreatedByName": author, "EventName": name, "NotableEventDescription": note}
    return texts | {"HasAttachments": "False"}


def _fields(code: int, note: str, author: tuple[str, str], modified: str) -> dict[str, str]:
    fields = {"Status": "Active", "Owner": author[0]}
    if code == 164:
        form = {"mx_CustomObject_1": "plan.png", "ModifiedByName": f"{author[1]} ", "ModifiedOn": modified}
        return fields | {"mx_Custom_1": json.dumps(form)}
    if code in (21, 22):
        # As it comes: keys twice, the first one empty.
        return fields | {"ActivityEvent_Note": f"UserId{{=}}{{next}}UserId{{=}}{author[0]}{{next}}"}
    return fields | ({"mx_Custom_1": note} if note else {})
