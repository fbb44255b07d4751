"""What goes, what stays, and in how many ways it goes wrong."""

import time

import pytest

from lsq_ops.sandbox.world import BULK_OWNER_ID, WELL_KNOWN

from .conftest import ALWAYS, ASHA, eventually

DELETE = "ProspectActivity.svc/DeleteActivities"
OWNERS = "LeadManagement.svc/DeleteUserAssignmentChangeHistory"
STAGES = "LeadManagement.svc/DeleteStageChangeHistory"
TASKS = "Task.svc/DeleteTasks"
NOBODY = "00000000-0000-4000-8000-000000000000"


def settled(sandbox):
    assert eventually(lambda: not sandbox.stats["busy"])


def left(sandbox, lead=ASHA):
    return sandbox.world.counts(lead)["by_code"]


def test_site_visits_go_and_nothing_else(caller, sandbox):
    before = left(sandbox)
    answer = caller.delete_site_visits()
    text = "Your request for delete activities has been queued."
    assert answer.json() == {"Status": "Success", "Message": {"Message": text}}
    assert eventually(lambda: 201 not in left(sandbox))
    assert left(sandbox) == {code: number for code, number in before.items() if code != 201}
    assert left(sandbox, WELL_KNOWN["bruno"])[201] == 19


def test_a_delete_waits_for_its_delay(caller, sandbox):
    sandbox.faults.set("delay", 0.3)
    caller.delete_site_visits()
    assert left(sandbox)[201] == 18
    assert eventually(lambda: 201 not in left(sandbox))


@pytest.fixture
def three(sandbox):
    """Three walk-in enquiries of Chen's, a second apart."""
    return [sandbox.world.add_activity(WELL_KNOWN["chen"], 163, f"2026-01-05 10:00:0{n}") for n in range(3)]


def delete_three(caller, start="2026-01-05 10:00:00", end="2026-01-05 10:00:02", codes=("163",)):
    window = {"FromDate": start, "ToDate": end}
    caller.post(DELETE, {"ProspectId": WELL_KNOWN["chen"], "ActivityEventList": list(codes), **window})


@pytest.mark.parametrize(("ends", "number"), [("inclusive", 3), ("half_open", 2), ("exclusive", 1)])
def test_the_ends_of_the_window(caller, sandbox, three, ends, number):
    sandbox.faults.set("ends", ends)
    delete_three(caller)
    settled(sandbox)
    assert left(sandbox, WELL_KNOWN["chen"]).get(163, 0) == 3 - number


def test_hidden_fractions_of_a_second_may_count(caller, sandbox, three):
    sandbox.world._db.execute("UPDATE activities SET created_on = created_on || '5' WHERE id = ?", (three[2],))
    sandbox.faults.set("subseconds", "yes")
    delete_three(caller)
    settled(sandbox)
    assert sandbox.world.activity_ids(WELL_KNOWN["chen"], 163) == [three[2]]


def test_the_window_may_mean_another_column(caller, sandbox, three):
    sandbox.world.edit_activity(three[1], "looked again")
    sandbox.faults.set("window", "modified_on")
    delete_three(caller)
    settled(sandbox)
    assert sandbox.world.activity_ids(WELL_KNOWN["chen"], 163) == [three[1]]


def test_only_custom_activities_go(caller, sandbox):
    before = left(sandbox)
    codes = ["22", "3001", "3002", "12000", "201"]
    caller.post(DELETE, {"ProspectId": ASHA, "ActivityEventList": codes, **ALWAYS})
    settled(sandbox)
    assert left(sandbox) == {code: n for code, n in before.items() if code not in (201, 12000)}


@pytest.mark.parametrize("body", [{"ActivityEventList": []}, {}, {"ActivityEventList": [], **ALWAYS}])
def test_no_codes_means_everything(caller, sandbox, body):
    caller.post(DELETE, {"ProspectId": ASHA, **body})
    settled(sandbox)
    assert left(sandbox) == {21: 2, 22: 8, 23: 1, 3001: 4, 3002: 3}


def test_no_dates_mean_all_time(caller, sandbox):
    caller.post(DELETE, {"ProspectId": ASHA, "ActivityEventList": [201]})
    settled(sandbox)
    assert 201 not in left(sandbox)


@pytest.mark.parametrize(("path", "code"), [(OWNERS, 3001), (STAGES, 3002)])
def test_histories(caller, sandbox, path, code):
    before = left(sandbox)
    assert caller.post(path, {"ProspectId": ASHA, **ALWAYS}).json()["Status"] == "Success"
    settled(sandbox)
    assert left(sandbox) == {c: n for c, n in before.items() if c != code}


WRONG = [
    ({}, "MXMandatoryAttributeMissingException"),
    ({"ProspectId": "asha"}, "MXInvalidInputException"),
    ({"ProspectId": NOBODY}, "MXInvalidEntityReferenceException"),
    ({"ProspectId": ASHA, "FromDate": "5 January"}, "MXInvalidInputException"),
    ({"ProspectId": ASHA, "FromDate": "2026-02-01 00:00:00", "ToDate": "2026-01-01 00:00:00"},
     "MXInvalidInputException"),
    ({"ProspectId": ASHA, "ActivityEventList": "201"}, "MXInvalidInputException"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "kind"), WRONG)
def test_wrong_input_deletes_nothing(caller, sandbox, body, kind):
    before = sandbox.world.counts(ASHA)
    answer = caller.post(DELETE, body)
    assert (answer.status_code, answer.json()["ExceptionType"]) == (500, kind)
    settled(sandbox)
    assert sandbox.world.counts(ASHA) == before


def test_five_thousand_tasks_at_once_and_not_one_more(caller, sandbox):
    ids = sandbox.world.bulk_task_ids()
    assert caller.post(TASKS, {"TaskIds": ids[:5001]}).json()["ExceptionType"] == "MXInvalidInputException"
    assert "queued" in caller.post(TASKS, {"TaskIds": ids[:5000]}).text
    assert eventually(lambda: len(sandbox.world.bulk_task_ids()) == 7000)


@pytest.mark.parametrize("ids", [None, [], "x", ["x"], [1]])
def test_tasks_need_ids(caller, ids):
    assert caller.post(TASKS, {"TaskIds": ids}).status_code == 500


def test_delete_tasks_may_answer_with_the_result(caller, sandbox):
    sandbox.faults.set("tasks_answer", "result")
    ids = [*sandbox.world.bulk_task_ids()[:2], NOBODY]
    answer = caller.post(TASKS, {"TaskIds": ids}).json()
    assert answer["Operation"] == "Bulk Delete Tasks"
    assert (answer["TasksCount"], answer["DeletedTasksCount"]) == (3, 2)


@pytest.mark.parametrize(
    ("effect", "remaining"),
    [
        ("normal", 0),
        ("nothing", 18),
        ("keep_20_percent", 3),
        ("delete_neighbour", 0),
        ("delete_other_code", 0),
    ],
)
def test_effects_on_the_chosen_records(caller, sandbox, effect, remaining):
    sandbox.faults.set("effect", effect, times=1)
    caller.delete_site_visits()
    settled(sandbox)
    assert left(sandbox).get(201, 0) == remaining


def test_a_neighbour_of_the_same_code_goes_too(caller, sandbox, three):
    sandbox.faults.set("effect", "delete_neighbour")
    delete_three(caller, end="2026-01-05 10:00:00")
    settled(sandbox)
    assert len(sandbox.world.activity_ids(WELL_KNOWN["chen"], 163)) == 1
    assert sandbox.world.counts(WELL_KNOWN["chen"])["total"] == 47 + 1


def test_a_neighbour_of_another_code_goes_too(caller, sandbox, three):
    sandbox.faults.set("effect", "delete_other_code")
    delete_three(caller)
    settled(sandbox)
    assert sandbox.world.counts(WELL_KNOWN["chen"])["total"] == 47 - 1


def test_a_late_effect(caller, sandbox):
    sandbox.faults.set("effect", "late")
    sandbox.faults.set("late_by", 0.3)
    caller.delete_site_visits()
    time.sleep(0.1)
    assert left(sandbox)[201] == 18
    assert eventually(lambda: 201 not in left(sandbox))


def test_the_lead_may_go_with_its_records(caller, sandbox):
    sandbox.faults.set("effect", "lead_gone")
    caller.delete_site_visits()
    assert eventually(lambda: not sandbox.world.has_lead(ASHA))


def test_tasks_may_be_completed_or_moved_instead(caller, sandbox):
    done, moved = sandbox.world.bulk_task_ids()[:2]
    sandbox.faults.set("effect", "task_done", match=done)
    sandbox.faults.set("effect", "task_moved", match=moved)
    for task_id in (done, moved):
        caller.post(TASKS, {"TaskIds": [task_id]})
    assert eventually(lambda: sandbox.world.tasks({"id": done})[0][0]["status"] == 1)
    assert eventually(lambda: sandbox.world.tasks({"id": moved})[0][0]["owner"] != BULK_OWNER_ID)


def test_somebody_elses_task_may_go_too(caller, sandbox):
    sandbox.faults.set("effect", "delete_neighbour")
    caller.post(TASKS, {"TaskIds": sandbox.world.bulk_task_ids()[:3]})
    assert eventually(lambda: len(sandbox.world.bulk_task_ids()) == 12_000 - 4)


def test_many_deletes_at_once_all_happen(caller, sandbox):
    ids = sandbox.world.bulk_task_ids()
    for start in range(0, 300, 3):
        caller.post(TASKS, {"TaskIds": ids[start : start + 3]})
    assert eventually(lambda: len(sandbox.world.bulk_task_ids()) == 11_700)
