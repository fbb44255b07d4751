"""Who sees in clear what LeadSquared's records hold."""

import json

import pytest

from lsq_ops.models import Activity, ActivitySnapshot, AuditEvent
from lsq_ops.services import sight
from lsq_ops.services.may import Barred, may

NOTE = "Call her sister on +91 98450 00000"


@pytest.fixture
def request_(world):
    """Rita's request, read and pending; what one of its items holds is known."""
    return world.pending()


def marked(request):
    item = request.version.items.select_related("content").first()
    return item, json.dumps(item.content.raw, ensure_ascii=False)[:40]


@pytest.mark.parametrize(
    ("name", "sees"),
    [("rita", True), ("arun", True), ("omar", True), ("aida", True), ("pia", False), ("vera", False)],
)
def test_a_requests_items_are_seen_by_who_works_on_it_or_decides(world, request_, name, sees):
    item, _ = marked(request_)
    user = getattr(world, name)
    if sees:
        assert sight.item_content(user, request_, item)["Id"].lower() == item.record_id
    else:
        with pytest.raises(Barred):
            sight.item_content(user, request_, item)


def test_another_requester_does_not_see_them(world, request_):
    from lsq_ops.services import people

    people.set_roles(world.pia, world.vera, {"Requester"})
    vera = type(world.vera).objects.get(pk=world.vera.pk)
    assert "made, edited or asked for" in may(vera, "see", request_).why


def test_a_snapshot_goes_with_its_request_and_one_of_the_mirror_with_the_auditor(world, request_):
    of_request = request_.snapshots.exclude(read_at=None).first()
    of_mirror = ActivitySnapshot.objects.filter(request=None).exclude(read_at=None).first()
    for name, takes in {"rita": (1, 0), "arun": (1, 0), "aida": (1, 1), "vera": (0, 0)}.items():
        for snapshot, allowed in zip((of_request, of_mirror), takes, strict=True):
            events = AuditEvent.objects.filter(action="snapshot.downloaded").count()
            if allowed:
                _, data = sight.snapshot_file(getattr(world, name), snapshot)
                assert json.loads(data)["taken_by"] == name
            else:
                with pytest.raises(Barred):
                    sight.snapshot_file(getattr(world, name), snapshot)
            assert AuditEvent.objects.filter(action="snapshot.downloaded").count() == events + allowed


def test_revealing_takes_an_auditor_and_a_reason_and_is_told(world, request_):
    one = Activity.objects.first()
    with pytest.raises(Barred):
        sight.reveal(world.rita, one, "curious")
    with pytest.raises(Barred, match="Say why"):
        sight.reveal(world.aida, one, " \n ")
    assert not AuditEvent.objects.filter(action="record.revealed").exists()
    assert sight.reveal(world.aida, one, "complaint\nof 3 May") == one.raw
    event = AuditEvent.objects.get(action="record.revealed")
    assert event.actor == "aida" and "complaint of 3 May" in event.details and one.activity_id in event.details


def test_no_page_shows_what_a_record_holds_to_who_only_looks(world, request_, client):
    """A mark in every field that nobody needs to choose by."""
    item, _ = marked(request_)
    Activity.objects.update(raw={"Note": NOTE})
    one = Activity.objects.first()
    addresses = [
        f"/admin/lsq_ops/activity/{one.pk}/change/",
        f"/admin/lsq_ops/lead/{one.lead_id}/change/",
        f"/admin/lsq_ops/lead/{one.lead_id}/change/?tab=snapshots",
        f"/admin/lsq_ops/deletionrequest/{request_.pk}/change/",
        f"/admin/lsq_ops/deletionrequest/{request_.pk}/change/?tab=snapshots",
        f"/admin/lsq_ops/deletionrequest/{request_.pk}/items/{item.pk}/",
    ]
    client.force_login(world.vera)
    for address in addresses:
        page = client.get(address)
        assert page.status_code == 200, address
        text = page.content.decode()
        assert NOTE not in text and ">Download</button>" not in text, address
    assert "Only a requester or an approver" in text

    client.force_login(world.aida)
    page = f"/admin/lsq_ops/activity/{one.pk}/reveal/"
    assert NOTE not in client.get(page).content.decode()
    assert "This field is required" in client.post(page, {"reason": ""}).content.decode()
    shown = client.post(page, {"reason": "complaint of 3 May"})
    assert NOTE in shown.content.decode() and "no-store" in shown["Cache-Control"]
