"""What comes in, as typed records. Lenient: LeadSquared's keys differ in case and name from call to call,
numbers come as text, and what is empty may be left out. Only what lacks its identity is no record: a
ValueError that shows nothing of it.

`Record.model_validate(row)` takes a row as it came, and keeps it as `raw`. Times are aware and in UTC (page:
overview).
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_GUID = re.compile(r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?", re.ASCII | re.IGNORECASE)
_EPOCH = re.compile(r"/Date\((-?\d{1,15})(?:[+-]\d{4})?\)/", re.ASCII)
_WHOLE = re.compile(r"\s*([+-]?\d{1,10})(?:\.0*)?\s*", re.ASCII)
_AMERICAN = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y")
_NOBODY = "00000000-0000-0000-0000-000000000000"


def parse_time(value: object) -> datetime | None:
    """`2018-12-12 10:36:00[.000]`, a date alone, ISO 8601, `7/31/2026 5:33:50 AM`,
    `/Date(1417453996000+0000)/`: UTC unless a zone is written. None for anything else, and for the sentinel
    0001-01-01."""
    try:
        when = value if isinstance(value, datetime) else _time_of(value.strip() if isinstance(value, str) else "")
        if when and when.year > 1:
            return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        pass
    return None


def _time_of(text: str) -> datetime | None:
    if text[4:5] == "-":
        return datetime.fromisoformat(text)
    if found := _EPOCH.fullmatch(text):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(found[1]))
    for form in _AMERICAN if "/" in text else ():
        with suppress(ValueError):
            return datetime.strptime(text, form)
    return None


def format_time(when: datetime) -> str:
    """`YYYY-MM-DD HH:MM:SS` in UTC, as every call wants it. ValueError for a time without a zone."""
    if when.tzinfo is None:
        raise ValueError("a time without a zone")
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def guid(value: object) -> str:
    """The GUID in lower case; ValueError for anything else."""
    found = _GUID.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError("not a GUID")
    return found[1].lower()


def whole(value: object) -> int | None:
    """The whole number from 0 to 2,147,483,647 that this is, or says; None for anything else."""
    found = None if isinstance(value, bool) else _WHOLE.fullmatch(_text(value))
    number = int(found[1]) if found else -1
    return number if 0 <= number < 2**31 else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""


def _key(value: object) -> str:
    text = _text(value).strip()
    found = _GUID.fullmatch(text)
    return found[1].lower() if found else text


@lru_cache(maxsize=1000)
def _folded(name: str) -> str:
    return name.strip().lower()


Text = Annotated[str, BeforeValidator(_text)]
Id = Annotated[str, BeforeValidator(_key), Field(min_length=1, max_length=100)]
MaybeId = Annotated[str, BeforeValidator(_key)]
Guid = Annotated[str, BeforeValidator(guid)]
Time = Annotated[datetime | None, BeforeValidator(parse_time)]
Whole = Annotated[int, BeforeValidator(whole)]
MaybeWhole = Annotated[int | None, BeforeValidator(whole)]


def _called(*names: str, default: Any = "") -> Any:
    return Field(default, validation_alias=AliasChoices(*map(str.lower, names)))


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True, hide_input_in_errors=True)

    raw: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _read(cls, row: object) -> dict[str, Any]:
        if not isinstance(row, Mapping):
            raise ValueError("a row is an object")
        raw = cls._flat(row)
        # Empty values are left out: of several names for one field the one that holds something is taken.
        folded = {_folded(name): value for name, value in raw.items() if value is not None and value != ""}
        folded |= cls._derived(folded)
        folded["raw"] = raw
        return folded

    @classmethod
    def _flat(cls, row: Mapping[str, Any]) -> dict[str, Any]:
        return dict(row)

    @classmethod
    def _derived(cls, row: dict[str, Any]) -> dict[str, Any]:
        return {}

    def filled(self, **known: Any) -> Self:
        """With what is known otherwise in the places that the row left empty; `raw` stays as it came."""
        missing = {name: value for name, value in known.items() if getattr(self, name) in ("", None)}
        return self.model_copy(update=missing) if missing else self

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__


# get-a-lead-by-lead-id, get-leads-in-bulk-by-ids, get-leads-by-date-range
class LeadRecord(Record):
    """From a flat object, or from `{"LeadPropertyList": [{"Attribute", "Value"}]}`. `number` is what users
    quote."""

    prospect_id: Guid = _called("ProspectID", default=...)
    number: Text = _called("ProspectAutoId")
    first_name: Text = _called("FirstName")
    last_name: Text = _called("LastName")
    email: Text = _called("EmailAddress")
    phone: Text = _called("Phone")
    mobile: Text = _called("Mobile")
    stage: Text = _called("ProspectStage")
    owner_id: MaybeId = _called("OwnerId")
    owner_name: Text = _called("OwnerIdName")
    created_on: Time = _called("CreatedOn", default=None)
    modified_on: Time = _called("ModifiedOn", default=None)
    touched_on: Time = _called("LeadLastModifiedOn", default=None)

    @classmethod
    def _flat(cls, row: Mapping[str, Any]) -> dict[str, Any]:
        pairs = row.get("LeadPropertyList")
        # `Total` is no attribute of the lead, but how many leads the query found.
        return {k: v for k, v in _pairs(pairs, "Attribute").items() if k != "Total"} if pairs else dict(row)


# get-activities-of-a-lead
class ActivityRecord(Record):
    """`created_on` is the activity's own date, from whoever posted it; it may be later than `modified_on`."""

    id: Id = _called("Id", "ProspectActivityId", default=...)
    event_code: Whole = _called("EventCode", "ActivityEvent", default=...)
    event_name: Text = _called("EventName", "ActivityEventName")
    activity_type: MaybeWhole = _called("ActivityType", default=None)
    created_on: Time = _called("CreatedOn", default=None)
    modified_on: Time = _called("ModifiedOn", default=None)
    lead_id: MaybeId = _called("RelatedProspectId", "ProspectId")
    created_by: Text = _called("CreatedByName", "CreatedBy")

    @classmethod
    def _derived(cls, row: dict[str, Any]) -> dict[str, Any]:
        data = _pairs(row.get("data"), "Key")
        who = data.get("CreatedByName") or data.get("CreatedBy")
        return {"createdbyname": who} if who else {}


# retrieve-tasks-by-leadid, retrieve-tasks
class TaskRecord(Record):
    """`completed` is None where neither a status nor a date of completion tells."""

    id: Id = _called("TaskID", "UserTaskId", default=...)
    name: Text = _called("Name")
    owner_id: MaybeId = _called("OwnerID")
    owner_name: Text = _called("OwnerName")
    lead_id: str | None = None
    due: Time = _called("DueDate", default=None)
    created_on: Time = _called("CreatedOn", default=None)
    completed_on: Time = _called("CompletedOn", default=None)
    completed: bool | None = None
    task_type: Text = ""

    @classmethod
    def _derived(cls, row: dict[str, Any]) -> dict[str, Any]:
        kind = row.get("tasktype")
        name = kind.get("Name") if isinstance(kind, dict) else kind
        return {"lead_id": _lead_of(row), "completed": _completed(row), "task_type": name}


# get-list-of-activity-types
class ActivityTypeRecord(Record):
    code: Whole = _called("ActivityEvent", default=...)
    name: Text = _called("ActivityEventName")
    display_name: Text = _called("DisplayName", "ActivityEventName")
    event_type: Text = _called("EventType")


# get-users
class UserRecord(Record):
    id: Id = _called("ID", "UserId", default=...)
    name: Text = ""
    email: Text = _called("EmailAddress")
    role: Text = _called("Role")
    active: bool = True

    @classmethod
    def _derived(cls, row: dict[str, Any]) -> dict[str, Any]:
        name = " ".join(filter(None, (_text(row.get(part)).strip() for part in ("firstname", "lastname"))))
        return {"name": name, "active": whole(row.get("statuscode", 0)) == 0}


# user-authentication
class KeyUser(Record):
    """The user whose keys we hold. `api_host` is where LeadSquared says that the account lives; "" where it
    doesn't."""

    id: Id = _called("Id", "UserId", default=...)
    name: Text = _called("Name")
    email: Text = _called("EmailAddress", "PassPhrase")
    role: Text = _called("Role")
    time_zone: Text = _called("TimeZone")
    org_id: MaybeId = _called("OrgId")
    org_short_code: Text = _called("OrgShortCode")
    api_host: str = ""

    @classmethod
    def _derived(cls, row: dict[str, Any]) -> dict[str, Any]:
        urls = row.get("lsqcommonserviceurls")
        values = urls.values() if isinstance(urls, dict) else urls if isinstance(urls, list) else ()
        return {"api_host": next(filter(None, map(_api_host, values)), "")}


def _pairs(value: object, name: str) -> dict[str, Any]:
    """`[{name: …, "Value": …}, …]` as one object; an object stays one."""
    if isinstance(value, dict):
        return value
    rows = value if isinstance(value, list) else []
    pairs = ((row.get(name), row.get("Value")) for row in rows if isinstance(row, dict))
    return {key if type(key) is str else _text(key): found for key, found in pairs}


def _lead_of(row: dict[str, Any]) -> str | None:
    names = ["prospectid", "relatedprospectid", "leadid"]
    if whole(row.get("relatedentity", 1)) == 1:  # 0 is none, 5 an opportunity
        names.append("relatedentityid")
    found = (_key(row[name]) for name in names if name in row)
    return next((lead for lead in found if lead and lead != _NOBODY), None)


def _completed(row: dict[str, Any]) -> bool | None:
    code, status = whole(row.get("statuscode")), _text(row.get("status")).strip().lower()
    if code in (0, 1):
        return code == 1
    if status:
        return status.startswith("complete")
    return True if parse_time(row.get("completedon")) else None


def _api_host(url: object) -> str:
    with suppress(ValueError):
        host = urlsplit(_text(url)).hostname or ""
        return f"https://{host}" if host.startswith(("api.", "api-")) else ""
    return ""
