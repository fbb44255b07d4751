"""Faulty answers on the wire, and whether the delete behind them happened."""

import time

import pytest
import requests

from lsq_ops.sandbox.answers import CANNED

from .conftest import ASHA, RETRIEVE, Caller, eventually

USERS = "UserManagement.svc/Users.Get"
BROKEN = [name for name, canned in CANNED.items() if canned.wire and canned.wire not in ("slow", "drip", "hang")]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_connection(caller, sandbox, name):
    sandbox.faults.set("answer", name, times=1)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        caller.get(USERS)
    assert caller.get(USERS).status_code == 200


def test_no_answer_at_all(caller, sandbox):
    sandbox.faults.set("answer", "hang", match="Users.Get")
    with pytest.raises(requests.ReadTimeout):
        caller.session.get(f"{sandbox.url}/v2/{USERS}", timeout=0.2)


def test_a_slow_answer_is_the_true_one(caller, sandbox):
    sandbox.faults.set("answer", "slow")
    sandbox.faults.set("slow_for", 0.2)
    started = time.monotonic()
    assert len(caller.get(USERS).json()) == 8
    assert time.monotonic() - started >= 0.2


def test_a_dripping_answer_arrives_in_the_end(caller, sandbox):
    sandbox.faults.set("answer", "drip")
    sandbox.faults.set("slow_for", 0.001)
    assert caller.get("LeadManagement.svc/Leads.GetById", id=ASHA).json()[0]["FirstName"] == "Asha"


@pytest.mark.parametrize("name", [name for name, canned in CANNED.items() if canned.make])
def test_a_canned_answer_has_the_status_of_its_name(caller, sandbox, name):
    sandbox.faults.set("answer", name)
    answer = caller.session.get(f"{sandbox.url}/v2/{USERS}", allow_redirects=False, timeout=10)
    assert answer.status_code == int(name[:3] if name[:3].isdigit() else 200)


def test_a_bomb_is_small_on_the_way(caller, sandbox):
    sandbox.faults.set("answer", "gzip_bomb")
    answer = caller.get(USERS)
    assert int(answer.headers["Content-Length"]) < 200_000 < 40_000_000 < len(answer.content)


@pytest.mark.parametrize(("name", "done"), [("502", True), ("302", True), ("401", False), ("500_input", False)])
def test_unclear_answers_hide_a_delete_that_was_done(caller, sandbox, name, done):
    sandbox.faults.set("answer", name)
    caller.session.max_redirects = 0
    with pytest.raises(requests.TooManyRedirects) if name == "302" else _nothing():
        caller.delete_site_visits()
    gone = eventually(lambda: 201 not in sandbox.world.counts(ASHA)["by_code"], 1.0 if done else 0.2)
    assert gone is done


@pytest.mark.parametrize(("name", "wish", "done"), [("502", "no", False), ("401", "yes", True)])
def test_the_effect_can_be_decided_by_hand(caller, sandbox, name, wish, done):
    sandbox.faults.set("answer", name)
    sandbox.faults.set("takes_effect", wish)
    caller.delete_site_visits()
    assert eventually(lambda: 201 not in sandbox.world.counts(ASHA)["by_code"], 0.3) is done


def test_only_the_matching_kind_is_forbidden(caller, sandbox):
    sandbox.faults.set("answer", "403", match="DeleteActivities")
    assert caller.delete_site_visits().status_code == 403
    assert caller.get("Authentication.svc/UserByAccessKey.Get").status_code == 200


def test_a_lead_can_be_singled_out(caller, sandbox):
    sandbox.faults.set("answer", "502", match=ASHA)
    assert caller.post(RETRIEVE, {}, leadId=ASHA).status_code == 502
    assert caller.delete_site_visits().status_code == 502
    assert caller.get(USERS).status_code == 200


def test_the_sandbox_stops_and_comes_back_on_its_port(caller, sandbox):
    url = sandbox.url
    sandbox.stop()
    with pytest.raises(requests.ConnectionError):
        caller.get(USERS)
    sandbox.start()
    assert sandbox.url == url and Caller(url).get(USERS).status_code == 200


def _nothing():
    from contextlib import nullcontext

    return nullcontext()
