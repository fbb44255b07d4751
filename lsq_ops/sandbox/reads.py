"""The endpoints that read. Above each the name of its page on apidocs.leadsquared.com."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from . import cast
from .faults import Faults
from .messages import Call, Invalid, Missing, Refusal, Reply, guid, reply, section, whole, window
from .world import World

Found = dict[str, Any]
DEFAULT_ROWS = 25
MOST_LEADS = 5000
EVER = "~"  # sorts after every date


class Reads:
    def __init__(self, world: World, faults: Faults) -> None:
        self.world = world
        self.faults = faults

    # user-authentication
    def key_user(self, call: Call) -> Reply:
        user = next(user for user in self.world.users() if user["id"] == cast.KEY_USER_ID)
        person = {"Id": user["id"], "Name": f"{user['first']} {user['last']}", "Role": user["role"]}
        # As on the page: the address stands where nobody looks for it.
        mail = {"EmailAddress": None, "PassPhrase": user["email"]}
        hosts = {"LSQCommonServiceURLs": {"api": "api.sandbox.invalid", "app": "app.sandbox.invalid"}}
        zone = {"TimeZone": self.faults.take("time_zone"), "DefaultCountryCode": "91"}
        return reply(person | mail | zone | cast.ORGANISATION | hosts)

    # get-users
    def users(self, call: Call) -> Reply:
        names = {"ID": "id", "FirstName": "first", "LastName": "last", "EmailAddress": "email", "Role": "role"}
        more = {"MemberOfGroups": ["Sales"], "Tag": None, "IsPhoneCallAgent": False}
        return reply([
            _named(names, user) | {"StatusCode": 0 if user["active"] else 1} | more for user in self.world.users()
        ])  # fmt: skip

    # get-list-of-activity-types
    def activity_types(self, call: Call) -> Reply:
        return reply([
            {
                "ActivityEvent": code,
                "ActivityEventName": name,
                "DisplayName": name,
                "EventType": kind,
                "EventDirection": 0,
                "ActivityProperties": json.dumps({"CanDeleteActivity": kind == cast.CUSTOM}),
            }
            for code, (name, kind) in cast.ACTIVITY_TYPES.items()
        ])  # fmt: skip

    # get-a-lead-by-lead-id
    def lead_by_id(self, call: Call) -> Reply:
        prospect_id = guid(call.query.get("id"), "id")
        return joined([] if self.gone(prospect_id) else self.world.leads([prospect_id]))

    # get-a-lead-by-email-id
    def leads_by_email(self, call: Call) -> Reply:
        return joined(self.world.leads_by_email(call.query.get("emailaddress", "")))

    # get-a-lead-by-phone-number
    def leads_by_phone(self, call: Call) -> Reply:
        return joined(self.world.leads_by_phone(call.query.get("phone", "")))

    # quick-search
    def leads_by_words(self, call: Call) -> Reply:
        return joined(self.world.leads_by_words(call.query.get("key", "")))

    # get-leads-in-bulk-by-ids
    def leads_by_ids(self, call: Call) -> Reply:
        body = call.json()
        ids, columns = section(body, "SearchParameters").get("LeadIds"), _columns(body)
        if not isinstance(ids, list) or not ids or not columns:
            raise Missing("LeadIds" if columns else "Include_CSV")
        limit, skip = self._numbered_page(body)
        found = self.world.leads(i for i in map(str, ids) if not self.gone(i))
        leads = [_only(record, columns) for record in found[skip : skip + limit]]
        return reply({"RecordCount": len(found), "Leads": leads})

    # get-leads-by-date-range
    def leads_changed(self, call: Call) -> Reply:
        body = call.json()
        start, end = window(section(body, "Parameter"))
        by_number = section(body, "Sorting").get("ColumnName") == "ProspectAutoId"
        order = "number" if by_number else "changed_on DESC"
        records, total = self.world.leads_changed(start or "", end or EVER, order, *self._numbered_page(body))
        leads = [_properties(_only(record, _columns(body)) | {"Total": str(total)}) for record in records]
        # The list is left out where it would be empty.
        return reply({"RecordCount": total} | ({"Leads": leads} if leads else {}))

    # get-activities-of-a-lead
    def activities(self, call: Call) -> Reply:
        prospect_id = self.known_lead(call.query.get("leadId"), "leadId")
        body = call.json()
        given = section(body, "Parameter").get("ActivityEvent")
        code = None if given in (None, "") else whole(given, "ActivityEvent")
        limit, skip = self._offset_page(call, section(body, "Paging"))
        reading, order = self.faults.take("reading", call.subject), self.faults.take("order", call.subject)
        if reading == "grows" and skip:
            self.world.add_activity(prospect_id, code or 202, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}")
        records, total = self.world.activities(prospect_id, code, limit, skip, order)
        if reading == "hides":
            records = [record for number, record in enumerate(records, 1) if number % 5]
        elif reading == "empty":
            records, total = [], 0
        return joined(records, "ProspectActivities", self._record_count(call, total, len(records)))

    # get-activity-details
    def activity(self, call: Call) -> Reply:
        record = self.world.activity(guid(call.query.get("activityId"), "activityId"))
        if record is None:
            raise Refusal("MXUnknownProspectActivityException", "Activity does not exist.")
        fields = record.get("ActivityFields", {}).items()
        pairs = [{"SchemaName": name, "Value": value} for name, value in fields]
        name = record["EventName"]
        return reply({"ID": record["Id"], "Name": name, "DisplayName": name, "Fields": pairs})

    # retrieve-tasks-by-leadid
    def tasks_by_lead(self, call: Call) -> Reply:
        tasks, total = self.world.tasks({"lead": self.known_lead(call.query.get("leadId"), "leadId")})
        return reply({"RecordCount": total, "TaskList": [_lead_task(task) for task in tasks]})

    # retrieve-tasks; here Offset is the number of rows to skip
    def tasks_by_owner(self, call: Call) -> Reply:
        body = call.json()
        parameter, paging = section(body, "Parameter"), section(body, "Paging")
        where: dict[str, Any] = {"owner": self._owner(parameter)}
        if (status := parameter.get("StatusCode")) not in (None, ""):
            where["status"] = whole(status, "StatusCode")
        start, end = window(parameter)
        limit, skip = self._rows(call, paging), whole(paging.get("Offset", 0), "Offset")
        order = _task_order(section(body, "Sorting"))
        tasks, total = self.world.tasks(where, (start or "", end or EVER), order, limit, skip)
        count = self._record_count(call, total, len(tasks))
        return reply({"RecordCount": count, "List": [_owner_task(task) for task in tasks]})

    def _owner(self, parameter: dict[str, Any]) -> str:
        name, value = parameter.get("LookupName"), parameter.get("LookupValue")
        if name == "OwnerId":
            return guid(value, "LookupValue")
        if name != "OwnerEmailAddress" or not value:
            raise Invalid("LookupName")
        return next((user["id"] for user in self.world.users() if user["email"] == str(value).lower()), "")

    def gone(self, prospect_id: str) -> bool:
        return self.faults.take("lead_gone", prospect_id.lower()) == "yes"

    def known_lead(self, value: Any, name: str) -> str:
        prospect_id = guid(value, name)
        if self.gone(prospect_id) or not self.world.has_lead(prospect_id):
            raise Refusal("MXInvalidEntityReferenceException", "Lead not found")
        return prospect_id

    def _rows(self, call: Call, paging: dict[str, Any]) -> int:
        asked = whole(paging.get("RowCount", DEFAULT_ROWS), "RowCount", least=1)
        return min(asked, int(self.faults.number("row_cap", call.subject)))

    def _offset_page(self, call: Call, paging: dict[str, Any]) -> tuple[int, int]:
        limit, offset = self._rows(call, paging), whole(paging.get("Offset", 0), "Offset")
        meaning = self.faults.take("offset", call.subject)
        skips = {"rows": offset, "pages0": offset * limit, "pages1": max(offset - 1, 0) * limit}
        return limit, skips[meaning]

    def _numbered_page(self, body: dict[str, Any]) -> tuple[int, int]:
        paging = section(body, "Paging")
        size, index = (whole(paging.get(*pair), pair[0], least=1) for pair in (("PageSize", 100), ("PageIndex", 1)))
        if size > MOST_LEADS:
            raise Refusal("MXMandatoryFieldMissingException", f"Page size can not be larger than {MOST_LEADS}")
        return size, (index - 1) * size

    def _record_count(self, call: Call, total: int, on_page: int) -> int:
        return {"total": total, "page": on_page, "zero": 0}[self.faults.take("record_count", call.subject)]


def joined(records: list[str], key: str = "", count: int = 0) -> Reply:
    """Records are kept as JSON, so that a page of a thousand is put together, not printed anew."""
    text = f"[{','.join(records)}]"
    return Reply((f'{{"RecordCount":{count},"{key}":{text}}}' if key else text).encode())


def _named(names: dict[str, str], row: Found) -> Found:
    return {theirs: row[ours] for theirs, ours in names.items()}


def _columns(body: dict[str, Any]) -> str:
    return str(section(body, "Columns").get("Include_CSV") or "")


def _only(record: str, columns: str) -> Found:
    """The columns asked for, and always the ids; all of them where none was asked for."""
    wanted = {"ProspectID", "ProspectAutoId", *map(str.strip, columns.split(","))}
    return {name: value for name, value in json.loads(record).items() if name in wanted or not columns}


def _properties(flat: Found) -> Found:
    return {"LeadPropertyList": [{"Attribute": name, "Value": value} for name, value in flat.items()]}


def _task_order(sorting: dict[str, Any]) -> str:
    column = "due" if sorting.get("ColumnName") == "DueDate" else "created_on"
    return column if str(sorting.get("Direction")) == "0" else f"{column} DESC"


TASK = {"Name": "name", "Description": "description", "DueDate": "due", "CreatedOn": "created_on"}
LEAD_TASK = TASK | {"TaskID": "id", "OwnerID": "owner", "OwnerName": "owner_name"}
OWNER_TASK = TASK | {
    "UserTaskId": "id",
    "RelatedEntityId": "lead",
    "OwnerId": "owner",
    "OwnerName": "owner_name",
    "StatusCode": "status",
    "CompletedOn": "completed_on",
}


def _lead_task(task: Found) -> Found:
    status = {"Status": "Completed" if task["status"] else "Pending", "Reminder": "15"}
    return _named(LEAD_TASK, task) | {"CreatedBy": cast.KEY_USER_ID, "CreatedByName": "Meera Iyer"} | status


def _owner_task(task: Found) -> Found:
    return _named(OWNER_TASK, task) | {"TaskType": {"Name": task["kind"]}, "RelatedEntity": 1}
