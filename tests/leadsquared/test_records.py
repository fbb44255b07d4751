"""Lenient in, typed out; only what has no identity is no record."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsq_ops.leadsquared.errors import loads
from lsq_ops.leadsquared.records import (
    ActivityRecord,
    ActivityTypeRecord,
    KeyUser,
    LeadRecord,
    Record,
    TaskRecord,
    UserRecord,
    format_time,
    guid,
    parse_time,
    whole,
)

LEAD = "3aee22bd-8419-422a-8242-c510df9af021"
ACTIVITY = {"Id": "c310391d-6784-418b-b61c-bca2d0a7a645", "EventCode": 164}
TASK = {"TaskID": "3570a2b8-4363-11e6-b61b-22000aa8e760"}


def utc(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2018-12-12 10:36:00", utc(2018, 12, 12, 10, 36)),
        (" 2018-12-12 10:36:00 ", utc(2018, 12, 12, 10, 36)),
        ("2018-03-06 06:55:46.000", utc(2018, 3, 6, 6, 55, 46)),
        ("2018-03-06 06:55:46.1234567", utc(2018, 3, 6, 6, 55, 46, 123456)),
        ("2018-12-12T10:36:00Z", utc(2018, 12, 12, 10, 36)),
        ("2018-12-12T10:36:00+05:30", utc(2018, 12, 12, 5, 6)),
        ("2022-05-25", utc(2022, 5, 25)),
        ("7/31/2026 5:33:50 AM", utc(2026, 7, 31, 5, 33, 50)),
        ("7/31/2026 12:00:00 AM", utc(2026, 7, 31)),
        ("12/1/2026 12:30:00 PM", utc(2026, 12, 1, 12, 30)),
        ("/Date(1417453996000+0000)/", utc(2014, 12, 1, 17, 13, 16)),
        ("/Date(-1000)/", utc(1969, 12, 31, 23, 59, 59)),
        (datetime(2018, 12, 12, tzinfo=timezone(timedelta(hours=5, minutes=30))), utc(2018, 12, 11, 18, 30)),
        ("0001-01-01 00:00:00", None),
        ("0001-01-01T00:00:00+05:30", None),
        ("0001-01-01T00:00:00", None),
        ("1/1/0001 12:00:00 AM", None),
        ("9999-12-31T23:59:59-05:30", None),
        ("/Date(999999999999999)/", None),
        ("2018-13-12 10:36:00", None),
        ("31/7/2026 5:33:50 AM", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (20181212, None),
        ([], None),
    ],
)
def test_times(text: object, when: datetime | None) -> None:
    assert parse_time(text) == when


@given(st.one_of(st.text(), st.from_regex(r"\d{4}-\d\d.*"), st.from_regex(r"\d/\d/\d{4} .*")))
@settings(max_examples=150, deadline=None)
def test_no_text_breaks_the_clock(text: str) -> None:
    when = parse_time(text)
    assert when is None or when.tzinfo is UTC


def test_times_are_sent_in_utc() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    assert format_time(datetime(2018, 6, 21, 0, 0, 0, 999999, tzinfo=india)) == "2018-06-20 18:30:00"
    with pytest.raises(ValueError, match="without a zone"):
        format_time(datetime(2018, 6, 21))


def test_guids() -> None:
    assert guid(" {3AEE22BD-8419-422A-8242-C510DF9AF021} ") == LEAD
    for wrong in ("", "3aee22bd", LEAD + "0", LEAD.replace("3", "g"), LEAD.replace("-", ""), None, 5, [LEAD]):
        with pytest.raises(ValueError, match=r"^not a GUID$"):
            guid(wrong)


def test_whole_numbers() -> None:
    assert [whole(value) for value in (164, "164", " 164.0 ", 164.0, 0)] == [164, 164, 164, 164, 0]
    strange: list[Any] = [None, True, "", "16.4", 16.4, "x", "-1", 2**31, "9" * 20, "١٦٤", [1], {}]
    for wrong in strange:
        assert whole(wrong) is None


FLAT = {
    "ProspectID": LEAD.upper(),
    "ProspectAutoId": 1234,
    "FirstName": "Ringo",
    "LastName": None,
    "EmailAddress": "ringo@example.com",
    "Phone": "+91-9045454045",
    "ProspectStage": "Opportunity",
    "OwnerId": "BF8CE802-836F-11E7-8758-0A106EE76B21",
    "OwnerIdName": "Owner",
    "CreatedOn": "2018-03-06 06:55:46.000",
}


def check_ringo(lead: LeadRecord) -> None:
    assert (lead.prospect_id, lead.number, lead.first_name, lead.last_name) == (LEAD, "1234", "Ringo", "")
    assert (lead.email, lead.phone, lead.mobile) == ("ringo@example.com", "+91-9045454045", "")
    assert (lead.stage, lead.owner_name) == ("Opportunity", "Owner")
    assert lead.owner_id == "bf8ce802-836f-11e7-8758-0a106ee76b21"
    assert (lead.created_on, lead.modified_on) == (utc(2018, 3, 6, 6, 55, 46), None)


def test_a_flat_lead() -> None:
    lead = LeadRecord.model_validate(FLAT)
    check_ringo(lead)
    assert lead.raw == FLAT


def test_a_lead_as_a_list_of_attributes() -> None:
    pairs = [{"Attribute": name, "Value": value} for name, value in FLAT.items()]
    lead = LeadRecord.model_validate({"LeadPropertyList": [*pairs, {"Attribute": "Total", "Value": "77"}]})
    check_ringo(lead)
    assert lead.raw == FLAT


def test_names_may_be_written_otherwise() -> None:
    assert LeadRecord.model_validate({"prospectId": LEAD, "PROSPECTAUTOID": "7"}).number == "7"


def test_an_activity() -> None:
    row = ACTIVITY | {
        "EventName": "Visit",
        "ActivityType": "2",
        "CreatedOn": "2018-11-28 06:41:00",
        "ModifiedOn": "2018-11-28 03:49:51",
        "RelatedProspectId": LEAD.upper(),
        "Data": [{"Key": "CreatedByName", "Value": "Mangesh"}, {"Key": "HasAttachments", "Value": "False"}],
    }
    activity = ActivityRecord.model_validate(row)
    assert (activity.id, activity.event_code, activity.event_name) == (ACTIVITY["Id"], 164, "Visit")
    assert (activity.activity_type, activity.created_by, activity.lead_id) == (2, "Mangesh", LEAD)
    assert activity.created_on == utc(2018, 11, 28, 6, 41) > activity.modified_on  # type: ignore[operator]
    assert activity.raw == row


def test_an_activity_in_its_other_spelling() -> None:
    row = {
        "ProspectActivityId": ACTIVITY["Id"],
        "ActivityEvent": "3002",
        "ActivityEventName": "StageChange",
        "Data": {"CreatedBy": "Asha"},
    }
    activity = ActivityRecord.model_validate(row)
    assert (activity.id, activity.event_code, activity.event_name) == (ACTIVITY["Id"], 3002, "StageChange")
    assert (activity.created_by, activity.activity_type, activity.created_on) == ("Asha", None, None)


def test_the_sentinel_date_is_none() -> None:
    assert ActivityRecord.model_validate(ACTIVITY | {"CreatedOn": "0001-01-01 00:00:00"}).created_on is None


@pytest.mark.parametrize(
    ("row", "completed"),
    [
        ({"StatusCode": 0}, False),
        ({"StatusCode": "1"}, True),
        ({"Status": "Pending"}, False),
        ({"Status": "Completed"}, True),
        ({"StatusCode": 0, "CompletedOn": "2018-03-06 06:55:46"}, False),
        ({"CompletedOn": "2018-03-06 06:55:46"}, True),
        ({"CompletedOn": "0001-01-01 00:00:00"}, None),
        ({}, None),
    ],
)
def test_is_a_task_completed(row: dict[str, Any], completed: bool | None) -> None:
    assert TaskRecord.model_validate(TASK | row).completed is completed


@pytest.mark.parametrize(
    ("row", "lead"),
    [
        ({"ProspectID": LEAD.upper()}, LEAD),
        ({"RelatedEntity": 1, "RelatedEntityId": LEAD}, LEAD),
        ({"RelatedEntity": "1", "RelatedEntityId": LEAD}, LEAD),
        ({"RelatedEntityId": LEAD}, LEAD),
        ({"RelatedEntity": 5, "RelatedEntityId": LEAD}, None),
        ({"RelatedEntity": 0, "RelatedEntityId": "00000000-0000-0000-0000-000000000000"}, None),
        ({"ProspectID": "00000000-0000-0000-0000-000000000000"}, None),
        ({"ProspectID": None}, None),
        ({}, None),
    ],
)
def test_the_lead_of_a_task(row: dict[str, Any], lead: str | None) -> None:
    assert TaskRecord.model_validate(TASK | row).lead_id == lead


def test_a_task_in_both_spellings() -> None:
    by_lead = TaskRecord.model_validate(
        TASK | {"Name": "Call", "OwnerID": LEAD, "OwnerName": "Bob", "DueDate": "2016-10-20 01:30:00"}
    )
    by_owner = TaskRecord.model_validate(
        {"UserTaskId": TASK["TaskID"], "Name": "Call", "OwnerId": LEAD, "TaskType": {"Name": "Phone"}}
    )
    assert by_lead.id == by_owner.id and by_lead.owner_id == by_owner.owner_id == LEAD
    assert (by_lead.due, by_owner.task_type, by_lead.task_type) == (utc(2016, 10, 20, 1, 30), "Phone", "")


def test_what_the_question_says_fills_gaps_only() -> None:
    task = TaskRecord.model_validate(TASK | {"StatusCode": 1}).filled(lead_id=LEAD, completed=False, owner_id="x")
    assert (task.lead_id, task.completed, task.owner_id) == (LEAD, True, "x")
    assert task.raw == TASK | {"StatusCode": 1}


def test_activity_types_and_users() -> None:
    kind = ActivityTypeRecord.model_validate({"ActivityEvent": "201", "ActivityEventName": "Visit", "EventType": 2})
    assert (kind.code, kind.name, kind.display_name, kind.event_type) == (201, "Visit", "Visit", "2")
    row = {"ID": LEAD, "FirstName": "Bob", "LastName": "Doe", "EmailAddress": "b@example.com", "Role": "Sales_User"}
    bob, gone = (UserRecord.model_validate(row | {"StatusCode": code}) for code in (0, "1"))
    assert (bob.id, bob.name, bob.email, bob.role, bob.active) == (LEAD, "Bob Doe", "b@example.com", "Sales_User", True)
    assert not gone.active and UserRecord.model_validate(row).active


@pytest.mark.parametrize(
    ("urls", "host"),
    [
        ({"api": "https://api-in21.leadsquared.com/v2/", "app": "https://in21.leadsquared.com"}, True),
        ({"app": "https://in21.leadsquared.com", "V2": "https://api-in21.leadsquared.com"}, True),
        (["https://asyncapi-in21.leadsquared.com", "https://api-in21.leadsquared.com"], True),
        ({"api": "http://[::bad"}, False),
        ({"api": {"x": 1}}, False),
        ("https://api-in21.leadsquared.com", False),
        (None, False),
    ],
)
def test_the_user_of_the_keys(urls: Any, host: bool) -> None:
    row = {
        "Id": LEAD,
        "Name": "Yogesh",
        "PassPhrase": "y@example.com",
        "EmailAddress": None,
        "Role": "Administrator",
        "TimeZone": "Asia/Kolkata",
        "OrgId": "3b1041a3-8374-11e7-8758-0a106ee76b21",
        "OrgShortCode": "22824",
        "LSQCommonServiceURLs": urls,
    }
    user = KeyUser.model_validate(row)
    assert (user.name, user.email, user.role, user.time_zone) == (
        "Yogesh",
        "y@example.com",
        "Administrator",
        "Asia/Kolkata",
    )
    assert (user.org_id, user.org_short_code) == ("3b1041a3-8374-11e7-8758-0a106ee76b21", "22824")
    assert user.api_host == ("https://api-in21.leadsquared.com" if host else "")


KINDS: list[tuple[type[Record], dict[str, Any]]] = [
    (LeadRecord, {"ProspectID": LEAD}),
    (ActivityRecord, ACTIVITY),
    (TaskRecord, TASK),
    (ActivityTypeRecord, {"ActivityEvent": 201}),
    (UserRecord, {"ID": LEAD}),
    (KeyUser, {"Id": LEAD}),
]
EVERY_NAME = sorted(
    {
        name
        for kind, _ in KINDS
        for field in kind.model_fields.values()
        for name in getattr(field.validation_alias, "choices", ())
    }
    | {"data", "tasktype", "relatedentity", "statuscode", "firstname", "lsqcommonserviceurls", "raw", "lead_id"}
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(EVERY_NAME) | st.text(), JSON, max_size=8))
@settings(max_examples=250, deadline=None)
def test_hostile_values_end_as_a_record_or_a_value_error(
    kind: tuple[type[Record], dict[str, Any]], row: dict[str, Any]
) -> None:
    model, least = kind
    for given_row in (row, least | row):
        came = loads(json.dumps(given_row).encode())
        try:
            record = model.model_validate(came)
        except ValueError:
            continue
        assert record.raw == came
        assert json.loads(json.dumps(record.raw, allow_nan=False)) == came
        record.model_dump_json()


@pytest.mark.parametrize("row", [None, 5, "x", [], [1], {}, {"LeadPropertyList": 5}, {"ProspectID": "5"}])
def test_no_record_without_identity(row: Any) -> None:
    for model, _ in KINDS:
        if model is LeadRecord or row != {"ProspectID": "5"}:
            with pytest.raises(ValueError, match=model.__name__):
                model.model_validate(row)


def test_an_unreadable_row_is_not_shown() -> None:
    with pytest.raises(ValueError, match="ActivityRecord") as caught:
        ActivityRecord.model_validate({"Id": "", "EventCode": "asha@example.com"})
    assert "asha" not in str(caught.value)


def test_a_record_shows_no_content() -> None:
    lead = LeadRecord.model_validate(FLAT)
    assert str(lead) == repr(lead) == "<LeadRecord>"
