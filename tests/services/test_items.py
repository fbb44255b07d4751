"""A version's items as people look through them: filtered, sampled, and taken away as a file."""

import csv
import io
import json
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from lsq_ops.models import AuditEvent, DeletionItem, ItemContent, guards
from lsq_ops.services import items, spreadsheet
from lsq_ops.services.items import Wanted
from lsq_ops.services.may import Barred

HOSTILE = '=HYPERLINK("http://x") é "quoted" \\ back'


@pytest.fixture
def request_(world):
    """Submitted; what its items hold can be changed, as only a test wants to."""
    request = world.pending("activities", "asha", "bruno")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    guards.drop(connection)
    return request


def ids(rows):
    return {item.pk for item in rows}


def holding(item, text):
    ItemContent.objects.filter(item=item).update(raw={**item.content.raw, "Note": text})


def lines_of(data):
    return list(csv.reader(io.StringIO(b"".join(data).decode("utf-8-sig"))))


def test_each_filter_keeps_what_it_names_and_nothing_else(world, request_):
    version, every = request_.version, list(request_.version.items.select_related("call"))
    zone = ZoneInfo(request_.account.time_zone)
    DeletionItem.objects.update(odd="")
    DeletionItem.objects.filter(pk=every[0].pk).update(odd="on a Sunday")
    day = every[1].at.astimezone(zone).date()
    for wanted, keeps in [
        (Wanted(), lambda i: True),
        (Wanted(lead=every[0].lead_id), lambda i: i.lead_id == every[0].lead_id),
        (Wanted(call=1), lambda i: i.call.number == 1),
        (Wanted(code=201), lambda i: i.event_code == 201),
        (Wanted(code=999), lambda i: False),
        (Wanted(odd=True), lambda i: i.pk == every[0].pk),
        (Wanted(since=day), lambda i: i.at.astimezone(zone).date() >= day),
        (Wanted(until=day), lambda i: i.at.astimezone(zone).date() <= day),
        (Wanted(since=day, until=day), lambda i: i.at.astimezone(zone).date() == day),
        (Wanted(since=date.max), lambda i: False),
        (Wanted(until=date.max), lambda i: True),
        (Wanted(until=date.min + timedelta(days=1)), lambda i: False),
    ]:
        assert ids(items.chosen(world.rita, version, wanted)) == ids(filter(keeps, every)), wanted
    assert items.chosen(world.rita, version, Wanted())[0].pk == every[0].pk  # the odd one


@pytest.mark.parametrize("text", ['"quoted"', "é", "back", "\\ b", "HYPERLINK"])
def test_a_text_is_found_in_what_a_record_holds(world, request_, text):
    item = request_.version.items.select_related("content").last()
    holding(item, HOSTILE)
    assert ids(items.chosen(world.rita, request_.version, Wanted(text=text))) == {item.pk}
    with pytest.raises(Barred):
        items.chosen(world.vera, request_.version, Wanted(text=text))
    assert ids(items.chosen(world.vera, request_.version, Wanted()))


def test_one_person_sees_the_same_few_and_another_one_others(world, request_):
    version = request_.version
    assert version.items_count > 10
    DeletionItem.objects.filter(pk__in=[i.pk for i in version.items.all()[:7]]).update(odd="on a Sunday")
    first = items.first_looks(world.arun.pk, version)
    assert [len(first["odd"]), len(first["random"])] == [5, 5]
    assert all(item.odd for item in first["odd"])
    assert not ids(first["odd"]) & ids(first["random"])
    assert items.first_looks(world.arun.pk, version) == first
    assert items.first_looks(world.dana.pk, version) != first


def test_the_file_holds_every_item_and_who_took_it_and_computes_nothing(world, request_):
    item = request_.version.items.select_related("content").first()
    holding(item, HOSTILE)
    DeletionItem.objects.filter(pk=item.pk).update(odd="+1")
    name, data = items.file(world.arun, request_, Wanted())
    header, *rows, last = lines_of(data)
    assert name.startswith(f"{request_}-version-1-items-") and name.endswith(".csv")
    assert {row[3] for row in rows} == {i.record_id for i in request_.version.items.all()}
    assert len(rows) == request_.version.items_count
    mine = next(row for row in rows if row[3] == item.record_id)
    assert mine[header.index("odd")] == "'+1"
    assert json.loads(mine[-1])["Note"] == HOSTILE
    assert f"{len(rows)} rows, taken by arun at 2" in last[0]
    assert not [cell for row in [header, *rows, last] for cell in row if cell.startswith(spreadsheet.FORMULA)]
    event = AuditEvent.objects.get(action="request.items_exported")
    assert event.actor == "arun" and json.loads(event.details)["items"] == len(rows)


def test_the_file_is_filtered_as_the_page_is_and_the_trail_does_not_tell_the_text(world, request_):
    item = request_.version.items.select_related("content").first()
    holding(item, "Asha's sister")
    _, data = items.file(world.rita, request_, Wanted(text="Asha's"))
    assert len(lines_of(data)) == 3
    details = AuditEvent.objects.get(action="request.items_exported").details
    assert "text" in details and "Asha" not in details


def test_who_may_not_see_the_items_takes_no_file(world, request_):
    for user in (world.vera, world.pia):
        with pytest.raises(Barred):
            items.file(user, request_, Wanted())
    assert not AuditEvent.objects.filter(action="request.items_exported").exists()


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+91-98", "'+91-98"),
        ("-5", "'-5"),
        ("@x", "'@x"),
        ("\t=1", "'\t=1"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),
        (-5, "-5"),
        (None, ""),
        ("a=1", "a=1"),
        ("a\0b", "a\N{REPLACEMENT CHARACTER}b"),
        ("\ud800", "\ud800"),
    ],
)
def test_no_cell_is_a_formula(value, cell):
    assert spreadsheet.text(value) == cell
