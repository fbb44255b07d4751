"""LeadSquared's API, one method for each call. No framework, no retry.

Reads pass the gate (the account's rate budget) and raise `LeadSquaredError`s. A delete is first built as a
`DeleteCall`, to be frozen and approved, and later sent as those bytes. Above each call stands its page's name
on apidocs.leadsquared.com.
"""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any, NoReturn, Protocol, TypeVar

from .errors import Answer, Cause, LeadNotFound, Outcome, Unclear, error_for
from .paging import Listing, OffsetMeaning, Page, probe, read_all
from .records import (
    ActivityRecord,
    ActivityTypeRecord,
    KeyUser,
    LeadRecord,
    Record,
    TaskRecord,
    UserRecord,
    format_time,
    guid,
    whole,
)

R = TypeVar("R", bound=Record)

CUSTOM_CODES = range(100, 3000)
MAX_TASKS = 5000
LEADS_A_CALL = 1000
LEAD_COLUMNS = (
    "ProspectID,ProspectAutoId,FirstName,LastName,EmailAddress,Phone,Mobile,"
    "ProspectStage,OwnerId,OwnerIdName,CreatedOn,ModifiedOn,LeadLastModifiedOn"
)


class Sender(Protocol):
    """What a `Transport` does; between it and the client something may stand that remembers answers."""

    def send(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        body: bytes | None = None,
        fresh: bool = False,
    ) -> Answer: ...


class Gate(Protocol):
    """The account's rate budget. `enter` may wait, or raise; `leave` gets the answer, if one came."""

    def enter(self) -> Any: ...

    def leave(self, ticket: Any, answer: Answer | None) -> None: ...


class OpenGate:
    def enter(self) -> None:
        return None

    def leave(self, ticket: Any, answer: Answer | None) -> None:
        return None


@dataclass(frozen=True, slots=True)
class DeleteCall:
    """A delete to come: `path` after /v2/, `body` without `StatusWebhookURL`, which is new with each send."""

    operation: str
    path: str
    body: dict[str, Any]


# delete-activities
def delete_activities(prospect_id: str, codes: Iterable[int], start: datetime, end: datetime) -> DeleteCall:
    """The lead's activities of these types in the closed window. ValueError for what must never be sent."""
    wanted = set(codes)
    if not wanted:
        raise ValueError("without a code LeadSquared might delete activities of all types")
    if any(type(code) is not int or code not in CUSTOM_CODES for code in wanted):
        raise ValueError("an event code outside 100 to 2999 is no custom activity")
    body = {"ProspectId": guid(prospect_id), "ActivityEventList": [str(code) for code in sorted(wanted)]}
    return DeleteCall("DeleteActivities", "ProspectActivity.svc/DeleteActivities", body | _window(start, end))


# delete-leads-owner-change-history
def delete_owner_history(prospect_id: str, start: datetime, end: datetime) -> DeleteCall:
    return _delete_history("DeleteUserAssignmentChangeHistory", prospect_id, start, end)


# delete-a-leads-stage-change-history
def delete_stage_history(prospect_id: str, start: datetime, end: datetime) -> DeleteCall:
    return _delete_history("DeleteStageChangeHistory", prospect_id, start, end)


# delete-tasks-in-bulk
def delete_tasks(task_ids: Iterable[str]) -> DeleteCall:
    """These tasks, each once. ValueError for none, for more than 5,000, and for what is no GUID."""
    ids = list(dict.fromkeys(guid(task_id) for task_id in task_ids))
    if not 1 <= len(ids) <= MAX_TASKS:
        raise ValueError(f"{len(ids)} tasks, where one call takes 1 to {MAX_TASKS}")
    return DeleteCall("DeleteTasks", "Task.svc/DeleteTasks", {"TaskIds": ids})


def _delete_history(operation: str, prospect_id: str, start: datetime, end: datetime) -> DeleteCall:
    body = {"ProspectId": guid(prospect_id)} | _window(start, end)
    return DeleteCall(operation, f"LeadManagement.svc/{operation}", body)


def _window(start: datetime, end: datetime) -> dict[str, str]:
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        raise ValueError("a window needs both its ends, else LeadSquared might delete everything")
    if start > end:
        raise ValueError("the window ends before it begins")
    return {"FromDate": format_time(start), "ToDate": format_time(end)}


class Client:
    """One account's API. Leads are named by their `ProspectID`; ValueError for one that is no GUID."""

    def __init__(self, transport: Sender, *, gate: Gate | None = None) -> None:
        self._transport = transport
        self._gate = gate or OpenGate()

    def send_delete(self, path: str, body: bytes) -> Answer:
        """POST these bytes once, on a connection of their own. Never raises. Does not pass the gate: whoever
        sends a delete holds a place in the budget already, and has written down the attempt."""
        return self._transport.send(path.rpartition("/")[2], "POST", path, body=body, fresh=True)

    # user-authentication
    def connection_test(self) -> KeyUser:
        answer = self._get("Authentication.svc/UserByAccessKey.Get")
        return _records(KeyUser, [answer.json()], answer)[0]

    # get-a-lead-by-lead-id
    def lead(self, prospect_id: str) -> LeadRecord | None:
        """None where LeadSquared knows no such lead (any more)."""
        wanted = guid(prospect_id)
        try:
            answer = self._get("LeadManagement.svc/Leads.GetById", id=wanted)
        except LeadNotFound:
            return None
        found = _records(LeadRecord, answer.json(), answer)
        if any(lead.prospect_id != wanted for lead in found):
            _unclear(answer)
        return found[0] if found else None

    # get-leads-in-bulk-by-ids
    def leads(self, ids: Iterable[str]) -> list[LeadRecord]:
        """Those of the leads that exist; a call for each thousand."""
        wanted = list(dict.fromkeys(map(guid, ids)))
        starts = range(0, len(wanted), LEADS_A_CALL)
        return [lead for n in starts for lead in self._leads_by_ids(wanted[n : n + LEADS_A_CALL])]

    def _leads_by_ids(self, ids: list[str]) -> list[LeadRecord]:
        body = {
            "SearchParameters": {"LeadIds": ids},
            "Columns": {"Include_CSV": LEAD_COLUMNS},
            "Paging": {"PageIndex": 1, "PageSize": LEADS_A_CALL},
        }
        answer = self._post("LeadManagement.svc/Leads/Retrieve/ByIds", body)
        rows, total = _envelope(answer, "Leads")
        if (total or 0) > len(rows):
            _unclear(answer)  # a lead that is absent here is taken for a deleted one
        return _records(LeadRecord, rows, answer)

    # get-a-lead-by-email-id
    def leads_by_email(self, email: str) -> list[LeadRecord]:
        answer = self._get("LeadManagement.svc/Leads.GetByEmailaddress", emailaddress=email)
        return _records(LeadRecord, answer.json(), answer)

    # get-a-lead-by-phone-number
    def leads_by_phone(self, phone: str) -> list[LeadRecord]:
        """LeadSquared compares the text, so that the notation matters: `+91-9045454045`."""
        answer = self._get("LeadManagement.svc/RetrieveLeadByPhoneNumber", phone=phone)
        return _records(LeadRecord, answer.json(), answer)

    # quick-search
    def quick_search(self, text: str) -> list[LeadRecord]:
        answer = self._get("LeadManagement.svc/Leads.GetByQuickSearch", key=text)
        return _records(LeadRecord, answer.json(), answer)

    # get-leads-by-date-range
    def leads_modified(
        self, since: datetime, until: datetime, page: int, size: int = 1000
    ) -> tuple[list[LeadRecord], int | None]:
        """One page (from 1) of the leads that changed, or got an activity, in the window; and how many those
        are."""
        body = {
            "Parameter": {"FromDate": format_time(since), "ToDate": format_time(until)},
            "Columns": {"Include_CSV": LEAD_COLUMNS},
            "Paging": {"PageIndex": page, "PageSize": size},
            # By a unique column: by others the same query was seen to repeat rows and to lose some.
            "Sorting": {"ColumnName": "ProspectAutoId", "Direction": "0"},
        }
        answer = self._post("LeadManagement.svc/Leads.RecentlyModified", body)
        rows, total = _envelope(answer, "Leads")
        return _records(LeadRecord, rows, answer), total

    # get-activities-of-a-lead
    def activities(
        self,
        prospect_id: str,
        *,
        code: int | None = None,
        meaning: OffsetMeaning = OffsetMeaning.UNKNOWN,
        row_count: int = 1000,
        page_cap: int = 200,
    ) -> Listing[ActivityRecord]:
        """Everything that happened on the lead, or one event code of it. LeadNotFound where the lead is
        gone."""
        pages = self._activity_pages(guid(prospect_id), code)
        return read_all(pages, attrgetter("id"), meaning, row_count, page_cap)

    def probe_offset(self, prospect_id: str) -> OffsetMeaning:
        """What `Offset` means on this account, tried on a lead with more than six activities."""
        return probe(self._activity_pages(guid(prospect_id), None))

    def _activity_pages(self, lead: str, code: int | None) -> Callable[[int, int], Page[ActivityRecord]]:
        def fetch(offset: int, row_count: int) -> Page[ActivityRecord]:
            body = {
                "Parameter": {} if code is None else {"ActivityEvent": code},
                "Paging": {"Offset": str(offset), "RowCount": str(row_count)},
            }
            answer = self._post("ProspectActivity.svc/Retrieve", body, leadId=lead)
            return _page(ActivityRecord, answer, "ProspectActivities", lead_id=lead)

        return fetch

    # retrieve-tasks-by-leadid
    def tasks_by_lead(self, prospect_id: str) -> Listing[TaskRecord]:
        """All tasks of the lead. The call has no pages."""
        lead = guid(prospect_id)
        answer = self._get("LeadManagement.svc/RetrieveTaskByLeadId", leadId=lead)
        page = _page(TaskRecord, answer, "TaskList", lead_id=lead)
        return replace(read_all(lambda n, _: Page([]) if n else page, attrgetter("id")), pages=1)

    # retrieve-tasks
    def tasks_by_owner(self, owner_id: str, status_code: int, page_cap: int = 500) -> Listing[TaskRecord]:
        """The user's open (`status_code` 0) or completed (1) tasks."""
        owner = guid(owner_id)

        def fetch(offset: int, row_count: int) -> Page[TaskRecord]:
            body = {
                "Parameter": {"LookupName": "OwnerId", "LookupValue": owner, "StatusCode": status_code},
                "Sorting": {
                    "ColumnName": "CreatedOn",
                    "Direction": "0",
                },  # new tasks come last, and shift nothing
                "Paging": {"Offset": offset, "RowCount": row_count},
            }
            answer = self._post("Task.svc/Retrieve", body)
            return _page(TaskRecord, answer, "List", owner_id=owner, completed=status_code == 1)

        return read_all(fetch, attrgetter("id"), OffsetMeaning.ROWS, page_cap=page_cap)

    # get-list-of-activity-types
    def activity_types(self) -> list[ActivityTypeRecord]:
        answer = self._get("ProspectActivity.svc/ActivityTypes.Get")
        return _records(ActivityTypeRecord, answer.json(), answer)

    # get-users
    def users(self) -> list[UserRecord]:
        """All of them, inactive ones too."""
        answer = self._get("UserManagement.svc/Users.Get")
        return _records(UserRecord, answer.json(), answer)

    def _get(self, path: str, **params: str) -> Answer:
        return self._read("GET", path, params, None)

    def _post(self, path: str, body: dict[str, Any], **params: str) -> Answer:
        return self._read("POST", path, params, json.dumps(body).encode())

    def _read(self, method: str, path: str, params: dict[str, str], body: bytes | None) -> Answer:
        ticket = self._gate.enter()
        answer = None
        try:
            answer = self._transport.send(path, method, path, params=params, body=body)
        finally:
            self._gate.leave(ticket, answer)
        error = error_for(answer)
        if error is not None:
            raise error
        return answer


def _unclear(answer: Answer) -> NoReturn:
    """It is JSON, but no answer to what was asked."""
    raise Unclear(replace(answer, outcome=Outcome.UNKNOWN, cause=Cause.NOT_JSON)) from None


def _envelope(answer: Answer, name: str) -> tuple[list[Any], int | None]:
    """`{"RecordCount": …, name: […]}`, the list left out where it is empty. An answer with neither is no
    answer: taken for an empty list it would prove that everything is gone."""
    data = answer.json()
    if not isinstance(data, dict) or not {name, "RecordCount"} & data.keys():
        _unclear(answer)
    rows = data.get(name)
    return [] if rows is None else _rows(rows, answer), whole(data.get("RecordCount"))


def _rows(rows: object, answer: Answer) -> list[Any]:
    return rows if isinstance(rows, list) else _unclear(answer)


def _records(kind: type[R], rows: object, answer: Answer) -> list[R]:
    try:
        return [kind.model_validate(row) for row in _rows(rows, answer)]
    except ValueError:
        _unclear(answer)


def _page(kind: type[R], answer: Answer, name: str, **known: Any) -> Page[R]:
    """A page of a listing, with what the question itself says about every row."""
    rows, total = _envelope(answer, name)
    records = []
    for row in rows:
        with suppress(ValueError):
            records.append(kind.model_validate(row).filled(**known))
    return Page(records, total, len(rows) - len(records))
