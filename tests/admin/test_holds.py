"""The pages of the holds: the list, the form for one or for a file, and what others see of them."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from lsq_ops.models import Account, Hold, db_now
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import holds

ASHA, BRUNO = (WELL_KNOWN[name].lower() for name in ("asha", "bruno"))
LIST, SET, LIFT = "/admin/lsq_ops/hold/", "/admin/lsq_ops/hold/set_holds/", "/admin/lsq_ops/hold/lift_holds/"


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def given(**changes):
    return {"record_type": "lead", "ids": f"{ASHA}\n{BRUNO}", "reason": "court case", "ends_at": "", **changes}


def test_a_pasted_list_is_on_hold(people):
    answer = client_of(people.pia).post(SET, given(), follow=True)
    assert "2 put on hold." in answer.content.decode()
    assert set(Hold.objects.values_list("record_id", "record_type", "ends_at")) == {
        (ASHA, "lead", None),
        (BRUNO, "lead", None),
    }
    again = client_of(people.pia).post(SET, given(), follow=True).content.decode()
    assert "Nothing new was put on hold. 2 were on hold already." in again


def test_a_file_is_on_hold_until_a_local_time(people):
    Account.objects.update(time_zone="Asia/Kolkata")
    until = (db_now() + timedelta(days=2)).replace(hour=20, minute=0, second=0, microsecond=0)
    file = SimpleUploadedFile("holds.csv", f"name;ProspectID\nA;{ASHA}\n".encode())
    client_of(people.pia).post(SET, given(ids="", file=file, ends_at=f"{until:%Y-%m-%dT%H:%M:%S}"))
    made = Hold.objects.get()
    assert until - made.ends_at == timedelta(hours=5, minutes=30)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ids": ""}, "one of the two"),
        ({"ids": f"{ASHA}\nabc"}, "line 2"),
        ({"reason": ""}, "required"),
        ({"record_type": "person"}, "Select a valid choice"),
        ({"ends_at": "2020-01-01T00:00:00"}, "past already"),
        ({"ends_at": "soon"}, "valid date"),
    ],
)
def test_what_can_not_be_read_sets_nothing_and_keeps_the_form(people, changes, why):
    answer = client_of(people.pia).post(SET, given(**changes)).content.decode()
    assert why in answer
    assert "court case" in answer or "reason" in changes
    assert not Hold.objects.exists()


def test_the_list_shows_what_is_in_force_and_the_rest_by_its_filter(people):
    holds.set_holds(people.pia, "lead", [ASHA, BRUNO], "court <b>case</b>")
    holds.lift(people.pia, [BRUNO])
    vera = client_of(people.vera)
    shown = vera.get(LIST).content.decode()
    assert ASHA in shown
    assert BRUNO not in shown
    assert "<b>case" not in shown
    assert "&lt;time" not in shown
    assert BRUNO in vera.get(f"{LIST}?state=over").content.decode()
    assert BRUNO in vera.get(f"{LIST}?state=all&q={BRUNO}").content.decode()
    assert ASHA in vera.get(f"{LIST}?q=court").content.decode()
    assert ASHA not in vera.get(f"{LIST}?q=elsewhere").content.decode()


def test_one_is_lifted_on_its_page_and_many_by_a_list(people):
    made = holds.set_holds(people.pia, "lead", [ASHA, BRUNO], "court case").holds
    pia = client_of(people.pia)
    answer = pia.post(f"{LIST}{Hold.objects.get(record_id=ASHA).pk}/lift/", follow=True).content.decode()
    assert "lifted" in answer
    assert holds.reasons(people.account, [ASHA, BRUNO]) == {BRUNO: "court case"}
    assert "1 of 2 were on hold" in pia.post(LIFT, given(), follow=True).content.decode()
    assert pia.post(LIFT, given(ids=ASHA)).status_code == 409
    assert len(made) == 2


def test_others_see_them_and_change_nothing(people):
    holds.set_holds(people.pia, "lead", [ASHA], "court case")
    one = Hold.objects.get()
    for user in (people.rita, people.arun, people.omar, people.aida, people.vera):
        client = client_of(user)
        assert "court case" in client.get(f"{LIST}{one.pk}/change/").content.decode()
        for address in (SET, LIFT, f"{LIST}{one.pk}/lift/"):
            assert client.post(address, given(ids=BRUNO)).status_code == 403
    assert Hold.objects.in_force().count() == 1


def test_a_lead_and_a_task_are_put_on_hold_on_their_pages(world):
    (asha,) = world.mirror_leads("asha")
    task_id = world.mirror_tasks(1)[0]
    task = asha.account.task_set.get(task_id=task_id)
    pia = client_of(world.pia)
    for address, obj in (("/admin/lsq_ops/lead/", asha), ("/admin/lsq_ops/task/", task)):
        page = f"{address}{obj.pk}/change/"
        assert "Put on hold" in pia.get(page).content.decode()
        said = pia.post(f"{address}{obj.pk}/hold/", {"reason": "court case"}, follow=True).content.decode()
        assert "1 put on hold." in said
        shown = pia.get(page).content.decode()
        assert "court case" in shown
        assert f"{address}{obj.pk}/hold/" not in shown
    assert set(Hold.objects.values_list("record_type", "record_id")) == {("lead", ASHA), ("task", task_id)}


def test_the_request_s_page_warns_and_offers_the_way_on(world):
    request = world.pending("activities", "asha", "bruno")
    answer = client_of(world.pia).post(SET, given(ids=ASHA), follow=True).content.decode()
    assert f'/admin/lsq_ops/deletionrequest/{request.pk}/change/" style' in answer
    page = f"/admin/lsq_ops/deletionrequest/{request.pk}/"
    rita, arun = client_of(world.rita), client_of(world.arun)
    shown = rita.get(f"{page}change/").content.decode()
    assert "1 of its leads or tasks is on hold" in shown
    assert "Go on without the 1 on hold" in shown
    assert "Go on without" not in arun.get(f"{page}change/").content.decode()
    asked = rita.get(f"{page}go_on_without/").content.decode()
    assert f"of the {request.version.items_count} items are on hold" in asked
    answer = rita.post(f"{page}go_on_without/", follow=True).content.decode()
    assert "Version 2" in answer
    request.refresh_from_db()
    assert (request.state, request.version_number) == ("draft", 2)
