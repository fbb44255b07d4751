"""The seeded world is the same for everybody, and worth looking at."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from lsq_ops.sandbox.world import BULK_OWNER_ID, MOSTLY_SITE_VISITS, WELL_KNOWN, World


def days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%d %H:%M:%S")


def test_the_same_seed_gives_the_same_world(world):
    twin, other = World(seed=1), World(seed=2)
    assert twin.lead_ids() == world.lead_ids() != other.lead_ids()
    assert twin.activity_ids(WELL_KNOWN["asha"]) == world.activity_ids(WELL_KNOWN["asha"])
    assert twin.bulk_task_ids() == world.bulk_task_ids()


def test_the_well_known_leads_are_in_every_world():
    assert set(WELL_KNOWN.values()) < set(World(seed=77).lead_ids())


def test_well_known_leads_have_site_visits_of_last_week_and_old_ones(world):
    for lead in WELL_KNOWN.values():
        recent = world.activity_ids(lead, 201, since=days_ago(10))
        assert len(recent) >= 12
        assert recent == world.activity_ids(lead, 201, since=days_ago(30))
        assert world.counts(lead)["by_code"][201] >= len(recent) + 5


def test_the_last_weeks_site_visits_are_a_small_a_middling_and_a_large_share(world):
    def share(lead):
        return len(world.activity_ids(lead, 201, since=days_ago(10))) / world.counts(lead)["total"]

    assert share(WELL_KNOWN["asha"]) < 0.2 < share(WELL_KNOWN["bruno"]) < 0.6 < share(MOSTLY_SITE_VISITS)


def test_exact_counts(world):
    assert world.counts(WELL_KNOWN["asha"]) == {
        "total": 89,
        "by_code": {
            201: 18,
            202: 20,
            203: 6,
            205: 10,
            208: 16,
            21: 2,
            22: 8,
            23: 1,
            3001: 4,
            3002: 3,
            12000: 1,
        },
        "open_tasks": 3,
        "completed_tasks": 2,
    }


def test_every_lead_has_owner_changes_and_custom_activities(world):
    for lead in world.lead_ids():
        by_code = world.counts(lead)["by_code"]
        assert by_code[3001] >= 1 and any(100 <= code < 3000 for code in by_code)


def test_nothing_happened_in_the_last_hours(world):
    for lead in world.lead_ids():
        assert not world.activity_ids(lead, since=days_ago(0)[:10])


def test_twelve_thousand_tasks_of_one_inactive_owner_on_forty_leads(world):
    tasks, total = world.tasks({"owner": BULK_OWNER_ID})
    assert total == len(world.bulk_task_ids()) == 12_000
    assert len({task["lead"] for task in tasks}) == 40
    assert {task["status"] for task in tasks} == {0, 1}
    assert min(t["due"] for t in tasks) < days_ago(0) < max(t["due"] for t in tasks)
    assert [u["active"] for u in world.users() if u["id"] == BULK_OWNER_ID] == [0]


def test_there_are_twins_sentinels_and_records_changed_before_they_were_made(world):
    rows = world._rows("SELECT lead, substr(created_on, 1, 19), modified_on, code FROM activities")
    assert len({(row[0], row[1], row[3]) for row in rows}) < len(rows)
    assert any(created.startswith("0001-01-01") for _, created, _, _ in rows)
    assert any(modified < created for _, created, modified, _ in rows)


def test_a_file_that_exists_is_kept_and_can_be_thrown_away(tmp_path: Path):
    first = World(tmp_path / "world", seed=1)
    first.remove_lead(WELL_KNOWN["asha"])
    first.close()
    again = World(tmp_path / "world", seed=2)
    assert not again.has_lead(WELL_KNOWN["asha"]) and again.has_lead(WELL_KNOWN["bruno"])
    again.reseed(2)
    assert again.lead_ids() == World(seed=2).lead_ids()
