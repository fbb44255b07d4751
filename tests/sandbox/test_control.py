"""The control API, and the command that starts a sandbox of its own process."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from django.core.management import CommandError, call_command

from lsq_ops.sandbox import SANDBOX_ACCESS_KEY, SANDBOX_SECRET_KEY
from lsq_ops.sandbox.world import WELL_KNOWN

from .conftest import ASHA, Caller

ROOT = Path(__file__).parents[2]


def test_switches_over_http(caller, sandbox):
    url = f"{sandbox.url}/__sandbox__/faults"
    wanted = {"name": "answer", "value": "502", "match": "Users", "times": 1}
    assert wanted in requests.post(url, json=wanted, timeout=5).json()
    assert caller.get("UserManagement.svc/Users.Get").status_code == 502
    assert wanted not in requests.get(url, timeout=5).json()
    sandbox.control("faults", name="answer", value="401")
    assert requests.delete(url, timeout=5).json() == []
    assert sandbox.control("faults", reset=True) == []


WRONG = [{"name": "answer", "value": "599"}, {"name": "answer"}, {}, [], "x"]


@pytest.mark.parametrize("body", WRONG)
def test_a_wrong_switch_gets_a_sentence(sandbox, body):
    answer = requests.post(f"{sandbox.url}/__sandbox__/faults", json=body, timeout=5)
    assert answer.status_code == 400 and answer.json()["error"]


def test_stats_know_calls_and_deletes_but_no_token(caller, sandbox):
    caller.delete_site_visits(StatusWebhookURL="http://127.0.0.1:9/webhooks/leadsquared/secret-token/")
    stats = requests.get(f"{sandbox.url}/__sandbox__/stats", timeout=5)
    (delete,) = stats.json()["deletes"]
    assert delete["operation"] == "ProspectActivity.svc/DeleteActivities"
    assert delete["body"]["ActivityEventList"] == ["201"] and len(delete["webhook"]) == 16
    assert stats.json()["by_operation"] == {"ProspectActivity.svc/DeleteActivities": 1}
    assert stats.json()["calls"] == 1 and "secret-token" not in stats.text


def test_what_a_colleague_does_meanwhile(caller, sandbox):
    new = sandbox.control("world", do="add_activity", prospect_id=ASHA, code=201, created_on="2026-01-01 10:00:00")
    sandbox.control("world", do="edit_activity", activity_id=new["result"], note="changed")
    rows = {row["Id"]: row for row in caller.activities(ASHA, 0, 100, 201)}
    assert {"Key": "NotableEventDescription", "Value": "changed"} in rows[new["result"]]["Data"]
    task = sandbox.control("world", do="add_task", prospect_id=ASHA, name="Call back", due="2026-01-02 10:00:00")
    assert sandbox.world.tasks({"id": task["result"]})[0][0]["lead"] == ASHA
    sandbox.control("world", do="remove_lead", prospect_id=ASHA)
    assert not sandbox.world.has_lead(ASHA)


def test_only_named_happenings(sandbox):
    assert "do is one of" in sandbox.control("world", do="close")["error"]
    assert sandbox.control("world", do="remove_lead")["error"]


def test_counts_and_the_world_over_http(sandbox):
    counts = requests.get(f"{sandbox.url}/__sandbox__/counts?lead={ASHA}", timeout=5).json()
    world = requests.get(f"{sandbox.url}/__sandbox__/world", timeout=5).json()
    assert counts["by_code"]["201"] == 18 and world["well_known"] == WELL_KNOWN
    assert len(world["bulk_task_ids"]) == 12_000 and len(world["leads"]) == 100


def test_reseed(sandbox):
    sandbox.world.remove_lead(ASHA)
    assert sandbox.control("reseed", seed=1) == {"seed": 1}
    assert sandbox.world.counts(ASHA)["total"] == 89


def test_there_is_nothing_else(sandbox):
    assert requests.get(f"{sandbox.url}/__sandbox__/nothing", timeout=5).status_code == 404


def start(*arguments):
    command = [sys.executable, "manage.py", "sandbox", "--port", "0", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_the_command_serves_until_it_is_told_to_stop(tmp_path):
    process = start("--world", str(tmp_path / "world"), "--seed", "1", "--fault", "answer=404", "--rate", "off")
    try:
        line = process.stdout.readline() + process.stdout.readline()
        assert SANDBOX_ACCESS_KEY in line and SANDBOX_SECRET_KEY in line
        url = re.search(r"http://\S+", line)[0]
        assert Caller(url).get("UserManagement.svc/Users.Get").status_code == 404
    finally:
        process.terminate()
        process.wait(5)
    assert (tmp_path / "world").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--fault", "anser=404"), "There is no switch 'anser'"),
        (("--rate", "many"), "rate_limit can't be 'many'"),
        (("--host", "0.0.0.0"), "must be a loopback address"),
    ],
)
def test_the_command_refuses_with_a_sentence(arguments, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command("sandbox", *arguments)
