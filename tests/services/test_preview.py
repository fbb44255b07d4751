"""What a request's page says of what would go."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from lsq_ops.kinds.base import Record
from lsq_ops.models import Activity, db_now
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import drafting, preview
from tests.world import SITE_VISIT

ASHA = WELL_KNOWN["asha"]


@pytest.fixture
def picked(world):
    """One site visit of Asha's, ticked; around it records that stay, each so many minutes off."""

    def pick(neighbours):
        at = db_now().replace(microsecond=0) - timedelta(days=2)
        chosen = world.sandbox.world.add_activity(ASHA, SITE_VISIT, f"{at:%Y-%m-%d %H:%M:%S}")
        ids = [
            world.sandbox.world.add_activity(ASHA, code, f"{at + timedelta(minutes=off):%Y-%m-%d %H:%M:%S}")
            for code, off in neighbours
        ]
        world.mirror_leads("asha")
        assert Activity.objects.filter(activity_id=chosen).exists()
        return world.drafted("activities", drafting.select(world.rita, "activity", [chosen]), {"picked": True}), ids

    return pick


def test_near_is_what_stays_of_the_same_type_within_an_hour_of_a_window(picked):
    request, ids = picked([(SITE_VISIT, -60), (SITE_VISIT, 60), (SITE_VISIT, -61), (SITE_VISIT, 61), (202, 5)])
    near = set(request.version.kept.filter(near=True).values_list("record_id", flat=True))
    assert near & set(ids) == set(ids[:2])
    of_code = request.version.kept.filter(event_code=SITE_VISIT)
    assert near <= set(of_code.values_list("record_id", flat=True))
    facts = preview.facts(request)
    assert facts.near_misses == len(near)
    assert f"{len(near)} records that stay are within an hour of a window." in facts.warnings


def record(number, by="asha", day=2, code=SITE_VISIT):
    """2 March 2026 is a Monday."""
    at = datetime(2026, 3, day, 10, tzinfo=UTC)
    return Record(str(number), "lead", "", code, at, "Site visit", by, True, {})


def odd_of(rows):
    return preview._odd(rows, ZoneInfo("Asia/Kolkata"))


def test_the_odd_ones_are_those_of_few_and_those_of_a_sunday():
    most = [record(n) for n in range(20)]
    assert odd_of([*most, record("b", by="bruno")]) == {"b": preview.BY_ANOTHER}
    assert odd_of([*most, record("s", day=8)]) == {"s": preview.ON_SUNDAY}
    assert odd_of([*most, record("t", day=8, code=None)]) == {}  # a task's due date falls on any day
    assert odd_of(most) == {}


def test_nothing_is_odd_where_most_of_it_would_be():
    assert odd_of([record(n, day=8) for n in range(20)]) == {}
    assert odd_of([record(n, by=str(n)) for n in range(20)]) == {}


def test_the_page_counts_each_way_to_be_odd(world):
    request = world.draft("activities", "asha", "bruno")
    odd = dict.fromkeys([preview.BY_ANOTHER, preview.ON_SUNDAY], 0)
    for item in request.version.items.exclude(odd=""):
        odd[item.odd] += 1
    facts = preview.facts(request)
    assert facts.odd == {why: many for why, many in odd.items() if many}
    told = " ".join(facts.warnings)
    assert facts.odd and all(f"{many:,} {why}" in told for why, many in facts.odd.items())


def test_open_tasks_are_told(world):
    request = world.draft_tasks(12)
    still_open = request.version.items.filter(label="open task").count()
    assert still_open > 0
    assert f"{still_open:,} of 12 tasks are still open." in preview.facts(request).warnings


def test_owner_history_is_told_to_be_evidence_and_that_a_correction_writes_anew(world):
    request = world.draft("owner_history", "asha", days=400)
    told = " ".join(preview.facts(request).warnings)
    for part in ("removes the evidence", "owner stays as it is", "writes a new entry"):
        assert part in told
