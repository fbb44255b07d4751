"""The mirror's rows, as a reading leaves them, on both databases."""

from importlib import import_module

import pytest
from django.apps import apps

from lsq_ops.kinds.activities import types_of
from lsq_ops.leadsquared.records import ActivityRecord, TaskRecord
from lsq_ops.models import Activity, ActivitySnapshot, Lead, Task, db_now
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import reading

ASHA, OWNER = WELL_KNOWN["asha"], "11111111-1111-4111-8111-111111111111"
HOSTILE = ('it\'s "so" \\ %s {x}', "é ☃ 😀 \u2028", "{1,2}", "NULL", "a,b\nc", "=1+1", "\\N", "' || x --")


@pytest.fixture
def account(world):
    Lead.objects.get_or_create(account=world.account, prospect_id=ASHA, defaults={"read_at": db_now()})
    return world.account


def fill(account, subject, subject_id, records, complete=True):
    reading.order(account, [(subject, subject_id)], reading.Lane.MIRROR, since=db_now())
    snapshot = reading.claim([reading.Lane.MIRROR])
    reading.fill(snapshot, records, complete=complete)
    return ActivitySnapshot.objects.get(pk=snapshot.pk)


def activity(number, **more):
    row = {"Id": f"{number:036d}", "EventCode": 201, "CreatedOn": "2026-05-01 10:00:00.123", "ModifiedOn": None}
    return ActivityRecord.model_validate(row | more)


def test_hostile_words_come_back_as_they_were(account):
    records = [activity(n, EventName=text, Data=[{"Key": text, "Value": text}]) for n, text in enumerate(HOSTILE)]
    snapshot = fill(account, "lead_activities", ASHA, records)
    rows = {row.activity_id: row for row in Activity.objects.filter(lead__prospect_id=ASHA)}
    assert [rows[record.id].event_name for record in records] == list(HOSTILE)
    assert [rows[record.id].raw for record in records] == [record.raw for record in records] == snapshot.rows()
    assert rows[records[0].id].created_on == records[0].created_on
    assert rows[records[0].id].modified_on is None


def test_a_second_reading_overwrites_and_a_complete_one_says_what_is_gone(account):
    fill(account, "lead_activities", ASHA, [activity(1), activity(2)])
    fill(account, "lead_activities", ASHA, [activity(1, EventName="new")], complete=False)
    assert not Activity.objects.exclude(gone_at=None).exists()
    fill(account, "lead_activities", ASHA, [activity(1, EventName="newer")])
    assert Activity.objects.get(gone_at=None).event_name == "newer"
    assert Activity.objects.count() == 2
    fill(account, "lead_activities", ASHA, [activity(2)])
    assert Activity.objects.get(gone_at=None).activity_id == activity(2).id


def test_ids_that_are_one_id_where_they_are_cut_are_one_row(account):
    longer = [activity(1, Id="x" * 36 + str(n), EventName=f"number {n}") for n in range(3)]
    fill(account, "lead_activities", ASHA, longer)
    assert Activity.objects.get().event_name == "number 2"


def test_an_owners_list_that_names_no_lead_does_not_wipe_the_lead(account):
    task = {"TaskID": "2" * 36, "Name": "call", "StatusCode": 0}
    fill(account, "lead_tasks", ASHA, [TaskRecord.model_validate(task).filled(lead_id=ASHA)])
    fill(account, "owner_tasks", OWNER, [TaskRecord.model_validate(task | {"Name": "call again", "OwnerId": OWNER})])
    row = Task.objects.get()
    assert (row.lead_id, row.owner_id, row.name, row.completed) == (ASHA, OWNER, "call again", False)


def test_nothing_read_is_nothing_written(account):
    fill(account, "lead_activities", ASHA, [])
    fill(account, "owner_tasks", OWNER, [])
    assert not Activity.objects.exists() and not Task.objects.exists()


def test_a_custom_type_that_the_account_does_not_list_is_offered_once_it_was_seen_on_a_lead(account):
    listed = types_of(account)
    odd = {"EventCode": 777, "EventName": "Old campaign"}
    fill(account, "lead_activities", ASHA, [activity(1, ActivityType=2, **odd), activity(2, ActivityType=2, **odd)])
    fill(account, "lead_activities", ASHA, [activity(3, ActivityType=1, EventCode=778, EventName="Not ours")])
    fill(account, "lead_activities", ASHA, [activity(4, ActivityType=2, EventCode=777, EventName="")])
    assert [one for one in types_of(account) if one not in listed] == [(777, "Old campaign (777)")]


def test_the_types_that_were_seen_before_are_offered_too(account):
    facts = {"account": account, "lead": Lead.objects.get(prospect_id=ASHA), "read_at": db_now()}
    for number, (code, kind) in enumerate([(777, 2), (777, 2), (778, 1), (201, 2)]):
        row = {"activity_id": str(number), "event_code": code, "event_name": f"T{number}", "activity_type": kind}
        Activity.objects.create(**row, **facts)
    import_module("lsq_ops.migrations.0015_seen_types").add(apps, None)
    assert (777, "T1 (777)") in types_of(account) and 778 not in dict(types_of(account))
