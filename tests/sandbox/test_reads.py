"""Every reading answers in the shape of its page."""

import json

import pytest

from lsq_ops.sandbox.world import BULK_OWNER_ID, WELL_KNOWN

from .conftest import ALWAYS, ASHA, RETRIEVE

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def test_the_keys_user(caller):
    user = caller.get("Authentication.svc/UserByAccessKey.Get").json()
    assert user["EmailAddress"] is None and "@" in user["PassPhrase"]
    assert (user["Role"], user["TimeZone"]) == ("Administrator", "Asia/Kolkata")
    assert user["OrgId"] and user["OrgShortCode"] and user["LSQCommonServiceURLs"]["api"]


def test_users_and_their_state(caller):
    users = caller.get("UserManagement.svc/Users.Get").json()
    assert len(users) == 8 and [user["StatusCode"] for user in users].count(1) == 2


def test_types_leave_out_audit_codes_and_opportunities(caller):
    types = {row["ActivityEvent"]: row for row in caller.get("ProspectActivity.svc/ActivityTypes.Get").json()}
    assert types[201]["DisplayName"] == "Site visit" and json.loads(types[201]["ActivityProperties"])
    assert not {3001, 3002, 12000} & types.keys()


def test_a_lead_is_an_array_of_one_with_texts_for_values(caller):
    (lead,) = caller.get("LeadManagement.svc/Leads.GetById", id=ASHA.upper()).json()
    assert lead["FirstName"] == "Asha" and lead["CreatedOn"].endswith(".000")
    assert all(isinstance(value, str) for value in lead.values())


def test_an_unknown_lead_is_an_empty_array(caller):
    assert caller.get("LeadManagement.svc/Leads.GetById", id=UNKNOWN).json() == []


@pytest.mark.parametrize("phone", ["+91-9845011201", "9845011201", "+91 98450 11201"])
def test_phones_in_any_notation(caller, phone):
    found = caller.get("LeadManagement.svc/RetrieveLeadByPhoneNumber", phone=phone).json()
    assert [lead["ProspectID"] for lead in found] == [ASHA]


def test_one_phone_may_belong_to_two_leads(caller):
    assert len(caller.get("LeadManagement.svc/RetrieveLeadByPhoneNumber", phone="9900112233").json()) == 2


def test_look_ups_by_email_and_words(caller):
    email = caller.get("LeadManagement.svc/Leads.GetByEmailaddress", emailaddress="Chen.Wei@example.com").json()
    words = caller.get("LeadManagement.svc/Leads.GetByQuickSearch", key="castelli").json()
    assert [lead["ProspectID"] for lead in email + words] == [WELL_KNOWN["chen"], WELL_KNOWN["bruno"]]


@pytest.mark.parametrize("key", ["", "100%", "a_b", "no such lead"])
def test_a_search_that_finds_nothing(caller, key):
    assert caller.get("LeadManagement.svc/Leads.GetByQuickSearch", key=key).json() == []


def test_many_leads_by_id(caller):
    body = {"SearchParameters": {"LeadIds": [ASHA, UNKNOWN]}, "Columns": {"Include_CSV": "FirstName"}}
    answer = caller.post("LeadManagement.svc/Leads/Retrieve/ByIds", body).json()
    assert answer["RecordCount"] == 1
    assert answer["Leads"][0].keys() == {"ProspectID", "ProspectAutoId", "FirstName"}


@pytest.mark.parametrize("columns", [{}, {"Include_CSV": "FirstName"}])
def test_leads_by_id_need_both_ids_and_columns(caller, columns):
    ids = [] if columns else [ASHA]
    body = {"SearchParameters": {"LeadIds": ids}, "Columns": columns}
    assert caller.post("LeadManagement.svc/Leads/Retrieve/ByIds", body).status_code == 500


def test_recently_changed_leads_come_as_property_lists(caller):
    body = {"Parameter": ALWAYS, "Paging": {"PageIndex": 2, "PageSize": 30}}
    answer = caller.post("LeadManagement.svc/Leads.RecentlyModified", body).json()
    first = {pair["Attribute"]: pair["Value"] for pair in answer["Leads"][0]["LeadPropertyList"]}
    assert answer["RecordCount"] == 100 and len(answer["Leads"]) == 30 and first["Total"] == "100"


def test_recently_changed_leads_sort_by_number_where_asked(caller):
    sorting = {"ColumnName": "ProspectAutoId", "Direction": "0"}
    body = {"Parameter": ALWAYS, "Paging": {"PageIndex": 1, "PageSize": 1}, "Sorting": sorting}
    answer = caller.post("LeadManagement.svc/Leads.RecentlyModified", body).json()
    assert {"Attribute": "ProspectID", "Value": ASHA} in answer["Leads"][0]["LeadPropertyList"]


def test_no_recent_lead_no_list_at_all(caller):
    body = {"Parameter": {"FromDate": "2001-01-01 00:00:00", "ToDate": "2001-01-02 00:00:00"}}
    assert caller.post("LeadManagement.svc/Leads.RecentlyModified", body).json() == {"RecordCount": 0}


def test_a_page_of_more_than_5000_leads_is_refused(caller):
    answer = caller.post("LeadManagement.svc/Leads.RecentlyModified", {"Paging": {"PageSize": 5001}})
    assert (answer.status_code, answer.json()["ExceptionType"]) == (500, "MXMandatoryFieldMissingException")


def test_activities_come_newest_first_25_unless_asked_otherwise(caller):
    answer = caller.post(RETRIEVE, {}, leadId=ASHA).json()
    dates = [row["CreatedOn"] for row in answer["ProspectActivities"]]
    assert (answer["RecordCount"], len(dates)) == (89, 25) and dates == sorted(dates, reverse=True)


def test_an_activity_has_the_fields_of_the_page(caller):
    row = caller.activities(WELL_KNOWN["bruno"], code=164)[0]
    assert row["Id"] == row["SessionId"] and row["RelatedProspectId"] == WELL_KNOWN["bruno"]
    assert (row["EventCode"], row["EventName"], row["ActivityType"]) == (164, "Feedback form", 2)
    assert {"CreatedByName", "NotableEventDescription"} <= {pair["Key"] for pair in row["Data"]}
    assert json.loads(row["ActivityFields"]["mx_Custom_1"])["mx_CustomObject_1"]


def test_stage_changes_have_no_activity_fields(caller):
    row = caller.activities(ASHA, code=3002)[0]
    assert "ActivityFields" not in row and {"PreviousStage", "CurrentStage"} <= {p["Key"] for p in row["Data"]}


def test_owner_changes_name_both_owners(caller):
    row = caller.activities(ASHA, code=3001)[0]
    assert {"PreviousOwner", "CurrentOwner", "CreatedBy"} == {pair["Key"] for pair in row["Data"]}


def test_an_unknown_lead_has_no_activities_but_an_error(caller):
    answer = caller.post(RETRIEVE, {}, leadId=UNKNOWN)
    assert (answer.status_code, answer.json()["ExceptionMessage"]) == (500, "Lead not found")


def test_one_activity_until_it_is_gone(caller, sandbox):
    known = sandbox.world.activity_ids(ASHA)[0]
    assert caller.get("ProspectActivity.svc/GetActivityDetails", activityId=known).json()["ID"] == known
    sandbox.world.remove_activities([known])
    gone = caller.get("ProspectActivity.svc/GetActivityDetails", activityId=known)
    assert gone.json()["ExceptionType"] == "MXUnknownProspectActivityException"


def test_a_leads_tasks_hold_completed_ones_too(caller):
    answer = caller.get("LeadManagement.svc/RetrieveTaskByLeadId", leadId=ASHA).json()
    states = [task["Status"] for task in answer["TaskList"]]
    assert answer["RecordCount"] == 5 and sorted(states) == ["Completed"] * 2 + ["Pending"] * 3


def tasks_of_owner(caller, offset=0, rows=1000, **parameter):
    lookup = {"LookupName": "OwnerId", "LookupValue": BULK_OWNER_ID, **parameter}
    body = {"Parameter": lookup, "Paging": {"Offset": offset, "RowCount": rows}}
    return caller.post("Task.svc/Retrieve", body).json()


def test_an_owners_tasks_by_status(caller):
    assert tasks_of_owner(caller, StatusCode=0)["RecordCount"] == 8000
    assert tasks_of_owner(caller, StatusCode="1")["RecordCount"] == 4000


def test_the_offset_of_an_owners_tasks_skips_rows(caller):
    first, second = tasks_of_owner(caller)["List"], tasks_of_owner(caller, offset=1)["List"]
    assert first[1:] == second[:-1] and len(first) == 1000


def test_an_owners_tasks_within_due_dates(caller):
    some = tasks_of_owner(caller, FromDate=ALWAYS["FromDate"], ToDate="2001-01-01 00:00:00")
    assert some == {"RecordCount": 0, "List": []}


def test_tasks_by_the_owners_email(caller):
    lookup = {"LookupName": "OwnerEmailAddress", "LookupValue": "nikhil.rao@sandboxhomes.example"}
    assert caller.post("Task.svc/Retrieve", {"Parameter": lookup}).json()["RecordCount"] == 12_000


def test_tasks_can_only_be_looked_up_by_owner(caller):
    answer = caller.post("Task.svc/Retrieve", {"Parameter": {"LookupName": "Name", "LookupValue": "x"}})
    assert answer.json()["ExceptionType"] == "MXInvalidInputException"


WRONG = [
    ({"Paging": {"Offset": "x"}}, 500),
    ({"Paging": {"Offset": -1}}, 500),
    ({"Paging": {"RowCount": 0}}, 500),
    ({"Paging": [1]}, 500),
    ({"Parameter": {"ActivityEvent": "site visit"}}, 500),
    ([], 400),
]


@pytest.mark.parametrize(("body", "status"), WRONG)
def test_wrong_input_gets_an_mx_error(caller, body, status):
    answer = caller.post(RETRIEVE, body, leadId=ASHA)
    assert (answer.status_code, answer.json()["Status"]) == (status, "Error")


def test_what_is_not_json_is_a_bad_request(caller):
    answer = caller.session.post(f"{caller.url}/v2/{RETRIEVE}?leadId={ASHA}", data=b"{'x'", timeout=5)
    assert answer.status_code == 400


def test_unknown_paths_and_wrong_verbs(caller):
    assert caller.get("Nothing.svc/Here").status_code == 404
    assert caller.get(RETRIEVE).status_code == 405


@pytest.mark.parametrize("name", ["x-LSQ-AccessKey", "x-LSQ-SecretKey"])
def test_wrong_keys(caller, name):
    caller.session.headers[name] = "wrong"
    assert caller.get("UserManagement.svc/Users.Get").status_code == 401


def test_keys_in_the_address_are_noticed_and_taken_only_by_a_switch(caller, sandbox):
    keys = {"accessKey": caller.session.headers.pop("x-LSQ-AccessKey"), "secretKey": "sandbox0secret"}
    assert not sandbox.stats["key_in_url"]
    assert caller.get("UserManagement.svc/Users.Get", **keys).status_code == 401
    sandbox.faults.set("allow_query_keys", "yes")
    assert caller.get("UserManagement.svc/Users.Get", **keys).status_code == 200
    assert sandbox.stats["key_in_url"]
