"""Restore help: the calls that would create records like the deleted ones, and what can't come back."""

import csv
import io
import json
from pathlib import Path
from zipfile import ZipFile

import pytest

from lsq_ops import kinds
from lsq_ops.leadsquared.bodies import new_activity, new_task
from lsq_ops.leadsquared.records import ActivityRecord, TaskRecord
from lsq_ops.models import AuditEvent, ItemContent, db_now
from lsq_ops.services import agenda, approval, restore
from lsq_ops.services.may import Barred
from tests.world import skip_wait

PAGE = Path(__file__).parent.parent / "fixtures/leadsquared/get-activities-of-a-lead.response.json"


def taken(user, request):
    file = io.BytesIO()
    restore.export(user, request, file)
    with ZipFile(file) as made:
        return {name: made.read(name).decode() for name in made.namelist()}


def table(text):
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_an_activity_of_the_documented_answer_becomes_the_documented_call():
    row = json.loads(PAGE.read_text())["ProspectActivities"][1]
    assert new_activity(ActivityRecord.model_validate(row), row["RelatedProspectId"]) == {
        "RelatedProspectId": "3a6d5ea2-400e-4a2f-a728-fbfa0b0c1ddf",
        "ActivityEvent": 164,
        "ActivityNote": "Lets begin",
        "ActivityDateTime": "2018-11-28 06:41:00",
        "Fields": [
            {
                "SchemaName": "mx_Custom_1",
                "Value": "",
                "Fields": [
                    {"SchemaName": "mx_CustomObject_1", "Value": "b35f52a3.png,8c06d158.png"},
                    {"SchemaName": "mx_CustomObject_2", "Value": "3bf3b3ff.png"},
                    {"SchemaName": "Status", "Value": "Pending"},
                ],
            },
            {"SchemaName": "Status", "Value": "Active"},
            {"SchemaName": "Owner", "Value": "bf8ce802-836f-11e7-8758-0a106ee76b21"},
        ],
    }


def test_a_field_that_looks_like_json_and_is_none_stays_text():
    row = {"Id": "1", "EventCode": 201, "ActivityFields": {"mx_Custom_1": "{not json", "mx_Custom_2": "[1]"}}
    assert new_activity(ActivityRecord.model_validate(row), "lead")["Fields"] == [
        {"SchemaName": "mx_Custom_1", "Value": "{not json"},
        {"SchemaName": "mx_Custom_2", "Value": "[1]"},
    ]


def test_a_task_says_its_type_where_the_list_told_it():
    row = {
        "UserTaskId": "1",
        "Name": "Call",
        "DueDate": "2026-11-14 09:30:00",
        "OwnerId": "o",
        "TaskType": {"Name": "T"},
    }
    body = new_task(TaskRecord.model_validate(row), "")
    assert body == {
        "Name": "Call",
        "Description": "",
        "RelatedEntity": 0,
        "RelatedEntityId": "",
        "OwnerId": "o",
        "DueDate": "2026-11-14 09:30:00",
        "TaskType": {"Name": "T"},
    }
    del row["TaskType"]
    assert "TaskType" not in new_task(TaskRecord.model_validate(row), "l")
    assert "its type" in kinds.get("tasks").again(row, "l").missing


def test_the_help_holds_a_call_for_each_record_that_went(world):
    request = world.work_out(world.running("activities", "asha"))
    files = taken(world.rita, request)
    gone = {item.record_id: item for item in restore.gone(request)}
    lines = [json.loads(line) for line in files["calls.jsonl"].splitlines()]
    assert {line["was"] for line in lines} == set(gone)
    for line in lines:
        item = gone[line["was"]]
        assert line["POST"] == "ProspectActivity.svc/Create"
        assert line["body"]["RelatedProspectId"] == item.lead_id
        assert line["body"]["ActivityEvent"] == item.event_code
        assert line["body"]["ActivityDateTime"] == f"{item.at:%Y-%m-%d %H:%M:%S}"
    rows = table(files["type-201.csv"])
    assert {row["was record id"] for row in rows[:-1]} == set(gone)
    assert {row["ActivityDateTime"] for row in rows[:-1]} == {line["body"]["ActivityDateTime"] for line in lines}
    assert "taken by rita" in rows[-1]["was record id"]
    words = files["READ ME FIRST.txt"]
    assert "THIS IS NO UNDO" in words and f"{len(gone):,} calls" in words
    assert all(str(sentence) in words for sentence in kinds.get("activities").lost)
    event = AuditEvent.objects.get(action="request.restore_help_taken")
    assert event.actor == "rita" and json.loads(event.details)["items"] == len(gone)


def test_tasks_say_that_they_come_back_open(world):
    request = world.work_out(running_tasks(world, 3))
    files = taken(world.aida, request)
    lines = [json.loads(line) for line in files["calls.jsonl"].splitlines()]
    assert [line["POST"] for line in lines] == ["Task.svc/Create"] * 3
    assert "comes back as an open one" in files["READ ME FIRST.txt"]
    assert len(table(files["records.csv"])) == 4


def running_tasks(world, count):
    request = world.draft_tasks(count)
    approval.submit(world.rita, request)
    request.refresh_from_db()
    world.approved(request)
    skip_wait(request)
    agenda.tend()
    request.refresh_from_db()
    return request


def test_a_history_can_not_be_created_again_and_is_told_as_it_was_read(world):
    request = world.work_out(world.running("owner_history", "asha", days=400))
    files = taken(world.arun, request)
    assert files["calls.jsonl"] == ""
    assert "none of it can come back" in files["READ ME FIRST.txt"]
    assert len(table(files["type-3001.csv"])) == restore.gone(request).count() + 1


def test_what_retention_erased_is_counted(world):
    request = world.work_out(world.running("activities", "asha"))
    item = restore.gone(request).first()
    ItemContent.objects.filter(item=item).update(raw=None, salt="")
    words = taken(world.rita, request)["READ ME FIRST.txt"]
    assert "What 1 of the records held was erased" in words


def test_there_is_nothing_to_restore_before_the_end_and_for_who_may_not_see(world):
    request = world.running("activities", "asha")
    with pytest.raises(Barred, match="once the request is over"):
        taken(world.rita, request)
    request = world.work_out(request)
    with pytest.raises(Barred):
        taken(world.vera, request)
    assert not AuditEvent.objects.filter(action="request.restore_help_taken").exists()
    assert db_now() >= request.ended_at
