"""From a selection to a draft: the page asks the kind's questions and why, and each wrong answer gets a sentence."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse

from lsq_ops import kinds
from lsq_ops.kinds.local_time import WindowForm, presets
from lsq_ops.models import Activity, DeletionRequest, Selection
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import drafting
from tests.world import SITE_VISIT

GOOD = {
    "codes": [str(SITE_VISIT)],
    "from_time": "2026-01-01T00:00:00",
    "to_time": "2026-11-01T00:00:00",
    "category": "duplicate",
    "reason": "entered twice",
    "ticket": "OPS-1",
    "asked_by": "",
}


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def words(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def page_of(selection, kind="activities"):
    return reverse("admin:lsq_ops_selection_draft", args=[selection.pk, kind])


@pytest.fixture
def leads(world):
    world.mirror_leads("asha", "bruno")
    return drafting.select(world.rita, "lead", [WELL_KNOWN["asha"], WELL_KNOWN["bruno"]])


def test_a_draft_is_made_and_read(world, leads):
    answer = client_of(world.rita).post(page_of(leads), {**GOOD, "asked_by": world.vera.pk})
    request = DeletionRequest.objects.get()
    assert answer["Location"] == reverse("admin:lsq_ops_deletionrequest_change", args=[request.pk])
    version = request.version
    assert (version.category, version.reason, version.ticket) == ("duplicate", "entered twice", "OPS-1")
    assert version.asked_by == world.vera
    # 00:00 in Kolkata is 18:30 UTC of the day before.
    assert version.parameters["from"] == "2025-12-31T18:30:00+00:00"
    world.work()
    request.refresh_from_db()
    assert request.version.reading == "complete"


@pytest.mark.parametrize("kind", [kind.name for kind in kinds.every() if kind.picks == "lead"])
def test_every_kind_has_a_page_that_says_what_is_read_next(world, leads, kind):
    said = words(client_of(world.rita).get(page_of(leads, kind)))
    assert str(kinds.get(kind).title) in said
    assert "2 leads" in said
    assert "LSQ Ops reads all activities of these leads" in said


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"codes": []}, "required"),
        ({"codes": ["99999"]}, "not one of the available choices"),
        ({"codes": ["3001"]}, "not one of the available choices"),
        ({"from_time": "yesterday"}, "valid date"),
        ({"from_time": "2026-12-01T00:00:00"}, "The window ends before it begins"),
        ({"to_time": ""}, "required"),
        ({"category": "because"}, "not one of the available choices"),
        ({"category": ""}, "required"),
        ({"reason": ""}, "required"),
        ({"reason": "  "}, "required"),
        ({"reason": "x" * 1001}, "at most 1000 characters"),
        ({"ticket": "x" * 101}, "at most 100 characters"),
        ({"asked_by": "99999"}, "not one of the available choices"),
        ({"asked_by": "<script>"}, "not one of the available choices"),
    ],
)
def test_a_wrong_answer_gets_a_sentence_and_the_good_ones_are_kept(world, leads, wrong, said):
    answer = client_of(world.rita).post(page_of(leads), {**GOOD, **wrong})
    assert answer.status_code == 200
    assert said in words(answer)
    if "ticket" not in wrong:
        assert 'value="OPS-1"' in answer.content.decode()
    assert not DeletionRequest.objects.exists()


def test_a_time_that_daylight_saving_skips_is_refused(world, leads):
    world.account.time_zone = "Europe/Berlin"
    world.account.save()
    answer = client_of(world.rita).post(page_of(leads), {**GOOD, "from_time": "2026-03-29T02:30:00"})
    assert "does not exist in Europe/Berlin: the clocks skip it" in words(answer)
    assert not DeletionRequest.objects.exists()


def test_all_mistakes_are_told_at_once(world, leads):
    answer = client_of(world.rita).post(page_of(leads), {})
    assert answer.content.decode().count("This field is required") == 5


def test_the_windows_that_people_ask_for_most_are_whole_days():
    made = presets(date(2026, 3, 1))  # a Sunday
    assert {name: days for name, (_, *days) in made.items()} == {
        "yesterday": [date(2026, 2, 28), date(2026, 2, 28)],
        "last_week": [date(2026, 2, 16), date(2026, 2, 22)],
        "seven_days": [date(2026, 2, 22), date(2026, 2, 28)],
        "last_month": [date(2026, 2, 1), date(2026, 2, 28)],
    }


@pytest.mark.parametrize("kind", ["activities", "owner_history"])
def test_a_window_is_chosen_with_one_click(world, leads, kind):
    client, zone = client_of(world.rita), ZoneInfo("Asia/Kolkata")
    yesterday = datetime.now(zone).date() - timedelta(days=1)
    assert f"Yesterday, {yesterday:%a %d %b}" in words(client.get(page_of(leads, kind)))
    # What stands below doesn't count, not even where it is wrong.
    client.post(page_of(leads, kind), {**GOOD, "window": "yesterday", "from_time": "soon", "to_time": ""})
    chosen = DeletionRequest.objects.get().version.parameters
    assert chosen["from"] == datetime.combine(yesterday, time(), zone).astimezone(UTC).isoformat()
    end = datetime.fromisoformat(chosen["to"]).astimezone(zone)
    assert (end.date(), end.time()) == (yesterday, time.max)
    assert "valid choice" in words(client.post(page_of(leads, kind), {**GOOD, "window": "next week"}))


def test_a_day_without_a_midnight_begins_when_its_clocks_do():
    form = WindowForm(zone="America/Asuncion")
    made = form._whole_days(date(2024, 10, 6), date(2024, 10, 6))
    assert made["from_time"] == datetime(2024, 10, 6, 4, tzinfo=UTC)  # 01:00, after 23:59:59 of the day before
    assert made["to_time"] < datetime(2024, 10, 7, 3, tzinfo=UTC)


def test_the_account_pictures_its_own_zone(world, leads):
    assert "Local time of the account, Asia/Kolkata" in words(client_of(world.rita).get(page_of(leads)))


def test_ticked_activities_ask_for_no_window(world):
    (asha,) = world.mirror_leads("asha")
    ids = list(Activity.objects.filter(lead=asha, activity_type=2).values_list("activity_id", flat=True)[:2])
    selection = drafting.select(world.rita, "activity", ids)
    page = client_of(world.rita).get(page_of(selection)).content.decode()
    assert 'name="from_time"' not in page
    client_of(world.rita).post(page_of(selection), {"category": "duplicate", "reason": "twice"})
    assert set(DeletionRequest.objects.get().version.targets.values_list("record_id", flat=True)) == set(ids)


def test_a_selection_fits_only_kinds_that_take_its_records(world, leads):
    client = client_of(world.rita)
    assert client.get(page_of(leads, "tasks")).status_code == 404
    assert client.get(page_of(leads, "nonsense")).status_code == 404
    activities = drafting.select(world.rita, "activity", [Activity.objects.first().activity_id])
    assert client.get(page_of(activities, "owner_history")).status_code == 404


def test_a_selection_is_its_owners_own(world, leads):
    for person in (world.arun, world.vera, world.omar):
        assert client_of(person).get(page_of(leads)).status_code == 404
        assert client_of(person).post(page_of(leads), GOOD).status_code == 404
    assert not DeletionRequest.objects.exists()


def test_who_lost_the_role_may_not_draft(world, leads):
    world.rita.groups.clear()
    answer = client_of(world.rita).post(page_of(leads), GOOD)
    assert answer.status_code == 403
    assert "Only a requester may do this" in words(answer)


def test_tasks_that_left_the_mirror_are_a_sentence(world):
    ids = world.mirror_tasks(2)
    selection = drafting.select(world.rita, "task", [*ids, "00000000-0000-0000-0000-000000000000"])
    answer = client_of(world.rita).post(page_of(selection, "tasks"), {"category": "other", "reason": "x"})
    assert answer.status_code == 409
    assert "not in the mirror" in words(answer)


def test_the_requester_asks_for_it_where_nothing_else_is_said(world, leads):
    client_of(world.rita).post(page_of(leads), GOOD)
    assert DeletionRequest.objects.get().version.asked_by == world.rita


def test_two_presses_make_two_drafts_and_the_second_is_plain_to_see(world, leads):
    client = client_of(world.rita)
    client.post(page_of(leads), GOOD)
    client.post(page_of(leads), GOOD)
    assert (
        DeletionRequest.objects.filter(state="draft").count() == 2
    )  # a draft sends nothing; the page blocks the double click


def test_selections_have_no_list(world, leads):
    assert client_of(world.rita).get("/admin/lsq_ops/selection/").status_code == 404
    assert Selection.objects.count() == 1
