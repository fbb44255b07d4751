"""One method for each call: what is sent, and what is made of the answer. Over a socket."""

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from lsq_ops.leadsquared.client import (
    Client,
    DeleteCall,
    delete_activities,
    delete_owner_history,
    delete_stage_history,
    delete_tasks,
)
from lsq_ops.leadsquared.errors import (
    Answer,
    Cause,
    KeysRefused,
    LeadNotFound,
    NotSent,
    Outcome,
    RateLimited,
    Refused,
    Unclear,
)
from lsq_ops.leadsquared.paging import OffsetMeaning
from lsq_ops.leadsquared.transport import Transport

from .conftest import Serve, http, transport_to

FIXTURES = Path(__file__).parents[1] / "fixtures" / "leadsquared"
LEAD = "3aee22bd-8419-422a-8242-c510df9af021"
OTHER = "0acb9356-bcd1-4128-b63a-97f52cb8cc3c"
START, END = datetime(2018, 4, 30, 18, 30, tzinfo=UTC), datetime(2018, 6, 20, 18, 29, 59, tzinfo=UTC)


def sample(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text())


class Asked:
    """A request as it arrived."""

    def __init__(self, request: bytes) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        self.method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        self.path = urlsplit(target).path.removeprefix("/v2/")
        self.params = dict(parse_qsl(urlsplit(target).query))
        self.body: Any = json.loads(body) if body else None


class Account:
    """A client and the account behind it: `says` is the answer, or makes it."""

    def __init__(self, serve: Serve, says: Any, status: int = 200, **options: Any) -> None:
        self.says, self.status = says, status
        self.server = serve(self._answer)
        self.client = Client(transport_to(self.server), **options)

    def _answer(self, conn: socket.socket, request: bytes) -> None:
        says = self.says(Asked(request)) if callable(self.says) else self.says
        conn.sendall(http(says if isinstance(says, bytes) else json.dumps(says), self.status))

    @property
    def asked(self) -> Asked:
        return Asked(self.server.requests[-1])


AccountOf = Callable[..., Account]


@pytest.fixture
def account(serve: Serve) -> AccountOf:
    return lambda says, status=200, **options: Account(serve, says, status, **options)


# --- The four pages --------------------------------------------------------------------------------------


def test_every_sample_is_here() -> None:
    pages = ("delete-activities", "delete-owner-change-history", "delete-tasks-in-bulk", "get-activities-of-a-lead")
    names = {f"{page}.{part}.json" for page in pages for part in ("request", "response")}
    assert {path.name for path in FIXTURES.glob("*.json")} >= names


def test_the_sample_of_delete_activities() -> None:
    call = delete_activities(LEAD, [166, 163], START, END)
    asked = sample("delete-activities.request")
    assert call.path == "ProspectActivity.svc/DeleteActivities"
    assert call.body | {"StatusWebhookURL": asked["StatusWebhookURL"]} == asked


@pytest.mark.parametrize("build", [delete_owner_history, delete_stage_history])
def test_the_sample_of_delete_owner_change_history(build: Callable[..., DeleteCall]) -> None:
    call = build(LEAD.upper(), START, END)
    asked = sample("delete-owner-change-history.request")
    assert call.body.keys() | {"StatusWebhookURL"} == asked.keys()
    assert call.body == {"ProspectId": LEAD, "FromDate": "2018-04-30 18:30:00", "ToDate": "2018-06-20 18:29:59"}
    assert call.path == f"LeadManagement.svc/{call.operation}"


def test_the_sample_of_delete_tasks() -> None:
    asked = sample("delete-tasks-in-bulk.request")
    call = delete_tasks(asked["TaskIds"])
    assert call == DeleteCall("DeleteTasks", "Task.svc/DeleteTasks", {"TaskIds": asked["TaskIds"]})


@pytest.mark.parametrize("page", ["delete-activities", "delete-owner-change-history", "delete-tasks-in-bulk"])
def test_the_answers_of_the_delete_pages_are_accepted(account: AccountOf, page: str) -> None:
    here = account(sample(f"{page}.response"))
    body = json.dumps(sample(f"{page}.request")).encode()
    answer = here.client.send_delete("Task.svc/DeleteTasks", body)
    assert (answer.operation, answer.outcome) == ("DeleteTasks", Outcome.ACCEPTED)
    assert (here.asked.method, here.asked.path) == ("POST", "Task.svc/DeleteTasks")
    assert here.server.requests[-1].endswith(body)
    assert here.server.connections == len(here.server.requests) == 1


def test_a_delete_has_a_connection_of_its_own_and_must_be_confirmed(account: AccountOf) -> None:
    here = account([])
    here.client.users(), here.client.users()
    assert here.client.send_delete("Task.svc/DeleteTasks", b"{}").outcome is Outcome.UNKNOWN
    assert here.server.connections == 2


def test_the_sample_of_get_activities(account: AccountOf) -> None:
    rows = sample("get-activities-of-a-lead.response")
    here = account(lambda asked: rows if asked.body["Paging"]["Offset"] == "0" else {"RecordCount": 0})
    listing = here.client.activities(LEAD, code=201, row_count=10)
    # Its count is zero past the end, so it may count a page: the first one is looked at once more.
    assert listing.complete and listing.pages == 3 and listing.record_count == 2
    first, second = listing.records
    assert (first.event_code, first.activity_type, first.created_by) == (164, 2, "Mangesh V. Devikar")
    assert second.created_on and second.modified_on and second.created_on > second.modified_on
    assert [record.raw for record in listing.records] == rows["ProspectActivities"]
    request = sample("get-activities-of-a-lead.request")
    assert Asked(here.server.requests[0]).body == request
    assert (here.asked.method, here.asked.path, here.asked.params) == (
        "POST",
        "ProspectActivity.svc/Retrieve",
        {"leadId": LEAD},
    )


# --- Deletes that must never be sent ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "codes", [[], [99], [3000], [201, 12000], [-201], [201.0], ["201"], [None, 201], [True], [201, True]]
)
def test_codes_that_are_never_sent(codes: list[Any]) -> None:
    with pytest.raises(ValueError, match="code"):
        delete_activities(LEAD, codes, START, END)


@pytest.mark.parametrize(
    "build", [delete_owner_history, delete_stage_history, lambda *a: delete_activities(a[0], [201], *a[1:])]
)
@pytest.mark.parametrize(
    ("lead", "start", "end"),
    [
        (LEAD, None, END),
        (LEAD, START, None),
        (LEAD, "2018-04-30 18:30:00", END),
        (LEAD, END, START),
        (LEAD, START.replace(tzinfo=None), END.replace(tzinfo=None)),
        ("", START, END),
        ("1234", START, END),
        (None, START, END),
    ],
)
def test_windows_and_leads_that_are_never_sent(build: Any, lead: Any, start: Any, end: Any) -> None:
    with pytest.raises(ValueError):
        build(lead, start, end)


def test_a_window_of_one_second_is_sent_in_utc() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    at = datetime(2018, 5, 1, tzinfo=india)
    assert delete_owner_history(LEAD, at, at).body["FromDate"] == "2018-04-30 18:30:00"


def test_tasks_that_are_never_sent() -> None:
    many = [f"{n:08x}-0000-0000-0000-000000000000" for n in range(5001)]
    assert len(delete_tasks(many[:5000]).body["TaskIds"]) == 5000
    assert delete_tasks([LEAD, LEAD.upper(), OTHER]).body["TaskIds"] == [LEAD, OTHER]
    for wrong in ([], many, [LEAD, "5"], [None], LEAD):
        with pytest.raises(ValueError):
            delete_tasks(wrong)  # type: ignore[arg-type]


# --- Leads -----------------------------------------------------------------------------------------------


def row(prospect_id: str = LEAD) -> dict[str, str]:
    return {"ProspectID": prospect_id, "FirstName": "Asha"}


def test_a_lead_by_id(account: AccountOf) -> None:
    here = account([row()])
    lead = here.client.lead(LEAD.upper())
    assert lead and lead.first_name == "Asha"
    assert (here.asked.method, here.asked.path) == ("GET", "LeadManagement.svc/Leads.GetById")
    assert here.asked.params == {"id": LEAD}


def test_a_lead_that_is_not_there(account: AccountOf) -> None:
    assert account([]).client.lead(LEAD) is None
    gone = {
        "Status": "Error",
        "ExceptionType": "MXInvalidEntityReferenceException",
        "ExceptionMessage": "Lead not found",
    }
    assert account(gone, 500).client.lead(LEAD) is None


@pytest.mark.parametrize("says", [[row(OTHER)], {}, None, 5, "x", [5], [{"FirstName": "Asha"}], [None]])
def test_a_lead_in_a_strange_answer(account: AccountOf, says: Any) -> None:
    with pytest.raises(Unclear) as caught:
        account(says).client.lead(LEAD)
    assert str(caught.value) == "LeadManagement.svc/Leads.GetById: unknown/not_json, HTTP 200"


def test_a_lead_that_is_no_guid_is_not_looked_up(account: AccountOf) -> None:
    here = account([])
    for call in (here.client.lead, here.client.activities, here.client.tasks_by_lead, here.client.probe_offset):
        with pytest.raises(ValueError, match="GUID"):
            call("1234' OR 1=1")
    assert here.server.requests == []


@pytest.mark.parametrize(
    ("method", "path", "name", "value"),
    [
        ("leads_by_email", "Leads.GetByEmailaddress", "emailaddress", "a+b@example.com"),
        ("leads_by_phone", "RetrieveLeadByPhoneNumber", "phone", "+91-9045454045"),
        ("quick_search", "Leads.GetByQuickSearch", "key", "Müller & 50% #1"),
    ],
)
def test_leads_by_what_people_know(account: AccountOf, method: str, path: str, name: str, value: str) -> None:
    here = account([row(), row(OTHER)])
    assert [lead.prospect_id for lead in getattr(here.client, method)(value)] == [LEAD, OTHER]
    assert here.asked.path == f"LeadManagement.svc/{path}" and here.asked.params == {name: value}


def test_leads_by_ids(account: AccountOf) -> None:
    here = account(lambda asked: {"RecordCount": 1, "Leads": [row(asked.body["SearchParameters"]["LeadIds"][0])]})
    ids = [f"{n:08x}-0000-0000-0000-000000000000" for n in range(1001)]
    assert [lead.prospect_id for lead in here.client.leads([*ids, ids[0].upper()])] == [ids[0], ids[1000]]
    assert len(here.server.requests) == 2
    assert "ProspectID" in here.asked.body["Columns"]["Include_CSV"]
    assert here.client.leads([]) == [] and len(here.server.requests) == 2


def test_leads_by_ids_that_leave_some_out(account: AccountOf) -> None:
    assert account({"RecordCount": 0}).client.leads([LEAD]) == []
    with pytest.raises(Unclear):
        account({"RecordCount": 2, "Leads": [row()]}).client.leads([LEAD, OTHER])


def test_leads_modified(account: AccountOf) -> None:
    lead = {"LeadPropertyList": [{"Attribute": "ProspectID", "Value": LEAD}, {"Attribute": "Total", "Value": "9"}]}
    here = account({"RecordCount": 9, "Leads": [lead]})
    found, total = here.client.leads_modified(START, END, page=2, size=1)
    assert ([lead.prospect_id for lead in found], total) == ([LEAD], 9)
    assert here.asked.body["Parameter"] == {"FromDate": "2018-04-30 18:30:00", "ToDate": "2018-06-20 18:29:59"}
    assert here.asked.body["Paging"] == {"PageIndex": 2, "PageSize": 1}
    assert account({"RecordCount": 0}).client.leads_modified(START, END, page=1) == ([], 0)


# --- Activities and tasks --------------------------------------------------------------------------------


def activity(number: int, **more: Any) -> dict[str, Any]:
    return {"Id": f"{number:08x}-0000-0000-0000-000000000000", "EventCode": "201", **more}


def retrieve(total: int, cap: int = 25) -> Callable[[Asked], dict[str, Any]]:
    def says(asked: Asked) -> dict[str, Any]:
        skip, size = (int(asked.body["Paging"][name]) for name in ("Offset", "RowCount"))
        return {
            "RecordCount": total,
            "ProspectActivities": [activity(n) for n in range(total)][skip:][: min(size, cap)],
        }

    return says


def test_all_activities_of_a_lead(account: AccountOf) -> None:
    here = account(retrieve(60))
    for meaning in (OffsetMeaning.ROWS, OffsetMeaning.UNKNOWN):
        listing = here.client.activities(LEAD, meaning=meaning)
        assert listing.complete and len(listing.records) == 60
        assert {record.lead_id for record in listing.records} == {LEAD}
    assert here.asked.body["Parameter"] == {}
    assert here.client.probe_offset(LEAD) is OffsetMeaning.ROWS


def test_a_row_that_is_no_activity_makes_the_listing_incomplete(account: AccountOf) -> None:
    here = account({"RecordCount": 2, "ProspectActivities": [activity(1), {"Id": "x", "EventCode": "none"}]})
    listing = here.client.activities(LEAD)
    assert len(listing.records) == 1
    assert (listing.complete, listing.why) == (False, "1 of the rows could not be understood.")


@pytest.mark.parametrize(
    "says", [{}, [], None, {"Message": "fine"}, {"ProspectActivities": "none"}, {"ProspectActivities": {"a": 1}}]
)
def test_an_answer_without_a_list_is_not_an_empty_list(account: AccountOf, says: Any) -> None:
    with pytest.raises(Unclear):
        account(says).client.activities(LEAD)


@pytest.mark.parametrize(
    "says", [{"RecordCount": 0}, {"RecordCount": "0", "ProspectActivities": None}, {"ProspectActivities": []}]
)
def test_an_empty_list(account: AccountOf, says: Any) -> None:
    listing = account(says).client.activities(LEAD)
    assert listing.complete and listing.records == []


def test_the_lead_is_gone(account: AccountOf) -> None:
    gone = {
        "Status": "Error",
        "ExceptionType": "MXInvalidEntityReferenceException",
        "ExceptionMessage": "Lead not found",
    }
    for status in (200, 400, 500):
        with pytest.raises(LeadNotFound):
            account(gone, status).client.activities(LEAD)


def test_tasks_of_a_lead(account: AccountOf) -> None:
    tasks = [{"TaskID": LEAD, "OwnerID": OTHER, "Status": "Pending"}, {"TaskID": OTHER, "Status": "Completed"}]
    here = account({"RecordCount": 2, "TaskList": tasks})
    listing = here.client.tasks_by_lead(LEAD)
    assert listing.complete and listing.pages == 1 and len(here.server.requests) == 1
    assert [(task.lead_id, task.completed) for task in listing.records] == [(LEAD, False), (LEAD, True)]
    assert here.asked.params == {"leadId": LEAD}
    assert not account({"RecordCount": 3, "TaskList": tasks}).client.tasks_by_lead(LEAD).complete
    assert not account({"RecordCount": 2, "TaskList": [*tasks, 5]}).client.tasks_by_lead(LEAD).complete


def test_tasks_of_an_owner(account: AccountOf) -> None:
    tasks = [{"UserTaskId": f"{n:08x}-0000-0000-0000-000000000000"} for n in range(450)]
    here = account(lambda asked: {"List": tasks[asked.body["Paging"]["Offset"] :][:200]})
    listing = here.client.tasks_by_owner(OTHER, 1)
    assert listing.complete and len(listing.records) == 450
    assert {(task.owner_id, task.completed) for task in listing.records} == {(OTHER, True)}
    asked = Asked(here.server.requests[0])
    assert asked.path == "Task.svc/Retrieve"
    assert asked.body["Parameter"] == {"LookupName": "OwnerId", "LookupValue": OTHER, "StatusCode": 1}
    assert asked.body["Paging"] == {"Offset": 0, "RowCount": 1000}
    assert here.client.tasks_by_owner(OTHER, 0, page_cap=2).why.startswith("Truncated")


# --- The account -----------------------------------------------------------------------------------------


def test_the_connection_test(account: AccountOf) -> None:
    here = account({"Id": LEAD, "Name": "Yogesh", "TimeZone": "Asia/Kolkata", "Role": "Administrator"})
    user = here.client.connection_test()
    assert (user.name, user.time_zone, user.role) == ("Yogesh", "Asia/Kolkata", "Administrator")
    assert here.asked.path == "Authentication.svc/UserByAccessKey.Get"
    strange: list[Any] = [[], {}, None, {"Status": "Success"}]
    for says in strange:
        with pytest.raises(Unclear):
            account(says).client.connection_test()


def test_activity_types_and_users(account: AccountOf) -> None:
    here = account([{"ActivityEvent": 201, "ActivityEventName": "Visit"}])
    assert [kind.code for kind in here.client.activity_types()] == [201]
    assert here.asked.path == "ProspectActivity.svc/ActivityTypes.Get"
    here = account([{"ID": LEAD, "StatusCode": 1}])
    assert [user.active for user in here.client.users()] == [False]
    assert here.asked.path == "UserManagement.svc/Users.Get"


@pytest.mark.parametrize(
    ("status", "says", "error"),
    [
        (429, {"ExceptionMessage": "API calls exceeded the limit of 20 in 5 second(s)"}, RateLimited),
        (401, {}, KeysRefused),
        (403, b"<html>", KeysRefused),
        (404, b"<html>", Refused),
        (500, {"ExceptionType": "MXInvalidInputException"}, Refused),
        (502, b"<html>", Unclear),
        (200, b"<html>", Unclear),
        (302, b"", Unclear),
    ],
)
def test_reads_raise_what_happened(account: AccountOf, status: int, says: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        account(says, status).client.leads_by_email("asha@example.com")
    assert type(caught.value) is error
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    assert "asha" not in repr(caught.value)


def test_a_read_that_was_not_sent() -> None:
    with pytest.raises(NotSent):
        Client(Transport("http://nobody.invalid", "a", "b")).users()


# --- The gate --------------------------------------------------------------------------------------------


class Book:
    """A gate that writes down who came and went."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    def enter(self) -> int:
        self.log.append("in")
        return len(self.log)

    def leave(self, ticket: int, answer: Answer | None) -> None:
        self.log.append((ticket, answer and answer.cause))


def test_every_read_call_passes_the_gate_and_no_delete_does(account: AccountOf) -> None:
    gate = Book()
    here = account(retrieve(60), gate=gate)
    here.client.activities(LEAD, meaning=OffsetMeaning.ROWS)
    assert len(gate.log) == 2 * len(here.server.requests)
    assert gate.log[:4] == ["in", (1, Cause.NONE), "in", (3, Cause.NONE)]
    here.says = {"Status": "Success"}
    here.client.send_delete("Task.svc/DeleteTasks", b"{}")
    assert len(gate.log) == 2 * (len(here.server.requests) - 1)


def test_the_gate_learns_of_a_refusal(account: AccountOf) -> None:
    gate = Book()
    with pytest.raises(RateLimited):
        account({}, 429, gate=gate).client.users()
    assert gate.log == ["in", (1, Cause.RATE)]


def test_a_ticket_is_given_back_whatever_happens() -> None:
    class Broken:
        def send(self, *args: Any, **kwargs: Any) -> Answer:
            raise KeyboardInterrupt

    gate = Book()
    with pytest.raises(KeyboardInterrupt):
        Client(Broken(), gate=gate).users()  # type: ignore[arg-type]
    assert gate.log == ["in", (1, None)]


def test_nothing_is_sent_where_the_gate_is_shut(account: AccountOf) -> None:
    class Shut(Book):
        def enter(self) -> int:
            raise RuntimeError("paused")

    here = account([], gate=Shut())
    with pytest.raises(RuntimeError, match="paused"):
        here.client.users()
    assert here.server.requests == []


def test_the_client_knows_no_framework() -> None:
    import subprocess
    import sys

    code = "import sys, lsq_ops.leadsquared.client; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
