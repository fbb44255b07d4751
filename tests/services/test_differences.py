"""Two readings compared, so that a person can read it."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from lsq_ops.leadsquared.records import ActivityRecord
from lsq_ops.models import ActivitySnapshot, db_now
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import differences, reading
from lsq_ops.services.may import Barred

PAGE = Path(__file__).parent.parent / "fixtures/leadsquared/get-activities-of-a-lead.response.json"


def rows():
    return json.loads(PAGE.read_text())["ProspectActivities"]


def known(*records):
    return {record.id: record for record in map(ActivityRecord.model_validate, records)}


def told(change):
    return [(one.name, one.before, one.after) for one in change.fields]


def test_a_field_inside_json_inside_a_string_is_named_by_its_path():
    before, after = rows()[1], rows()[1]
    form = json.loads(after["ActivityFields"]["mx_Custom_1"])
    after["ActivityFields"] = {**after["ActivityFields"], "mx_Custom_1": json.dumps({**form, "Status": "Done"})}
    after["Data"] = [
        {**pair, "Value": "Let's end"} if pair["Value"] == "Lets begin" else pair for pair in after["Data"]
    ]
    found = differences.between(known(before), known(after))
    assert [told(change) for change in found.changed] == [
        [
            ("Data.NotableEventDescription", "Lets begin", "Let's end"),
            ("ActivityFields.mx_Custom_1.Status", "Pending", "Done"),
        ]
    ]


def test_what_came_what_went_and_what_stayed_as_it_was():
    first, second = rows()
    found = differences.between(known(first), known(second))
    assert [r.raw for r in found.came] == [second]
    assert [r.raw for r in found.went] == [first]
    found = differences.between(known(first, second), known(second, first))
    assert (found.came, found.went, found.changed, found.same) == ([], [], [], 2)


@pytest.mark.parametrize(
    ("before", "after", "fields"),
    [
        ({"a": None}, {}, [("a", "null", None)]),
        ({}, {"a": ""}, [("a", None, "")]),
        ({"a": 1}, {"a": "1"}, []),  # the API prints numbers as text at times
        ({"a": []}, {"a": {}}, [("a", "[]", "{}")]),
        ({"a": [{"Key": "x", "Value": 1}, {"Key": "x", "Value": 2}]}, {"a": []}, "any"),
        ({"a": "{" * 5000}, {"a": "[" * 5000}, [("a", "{" * 5000, "[" * 5000)]),
        ({"a": "\ud800"}, {"a": "x"}, [("a", "\ud800", "x")]),
    ],
)
def test_odd_values_are_compared_without_a_fuss(before, after, fields):
    row = {"Id": "00000000-0000-0000-0000-000000000001", "EventCode": 201}
    found = differences.between(known({**row, **before}), known({**row, **after}))
    got = [one for change in found.changed for one in told(change)]
    assert got if fields == "any" else got == fields


@pytest.fixture
def twice(world):
    """Asha's activities read for a request, and once more after one was edited, one removed and one added."""
    request = world.pending("activities", "asha")
    before = request.snapshots.exclude(read_at=None).get()
    crm, ids = world.sandbox.world, [row["Id"] for row in before.rows()]
    crm.edit_activity(ids[0], "another note")
    crm.remove_activities([ids[1]])
    new = crm.add_activity(WELL_KNOWN["asha"], 201, f"{db_now() - timedelta(days=1):%Y-%m-%d %H:%M:%S}")
    subject = (before.subject, before.subject_id)
    reading.order(request.account, [subject], reading.Lane.VERIFY, since=db_now(), request=request)
    world.work()
    return request, before, request.snapshots.exclude(pk=before.pk).get(), (ids[0], ids[1], new)


def test_two_readings_of_a_request_are_compared_for_who_may_see_it(world, twice):
    _, before, after, (edited, removed, new) = twice
    found = differences.compare(world.arun, before, after)
    assert [r.id for r in found.came] == [new]
    assert [r.id for r in found.went] == [removed]
    assert [change.record.id for change in found.changed] == [edited]
    assert any("another note" in (one.after or "") for one in found.changed[0].fields)
    assert found.same == len(after.rows()) - 2
    with pytest.raises(Barred):
        differences.compare(world.vera, before, after)


def test_only_two_finished_readings_of_one_lead_and_one_request_are_compared(world, twice):
    request, _, after, _ = twice
    mirrored = ActivitySnapshot.objects.filter(request=None).first()
    with pytest.raises(Barred, match="one request"):
        differences.compare(world.aida, mirrored, after)
    with pytest.raises(Barred, match="same lead"):
        differences.compare(world.aida, ActivitySnapshot(request=request, subject="lead_tasks"), after)
    with pytest.raises(Barred, match="not finished"):
        differences.compare(
            world.aida, ActivitySnapshot(request=request, subject=after.subject, subject_id=after.subject_id), after
        )
