"""Our client against every fault, over a real socket: each gets the class that it must have."""

import json
from datetime import UTC, datetime

import pytest

from lsq_ops.leadsquared.client import Client, delete_activities
from lsq_ops.leadsquared.errors import (
    Cause,
    KeysRefused,
    LeadNotFound,
    LeadSquaredError,
    NotSent,
    Outcome,
    RateLimited,
    Refused,
    Unclear,
)
from lsq_ops.leadsquared.paging import OffsetMeaning
from lsq_ops.leadsquared.transport import Transport
from lsq_ops.sandbox import SANDBOX_ACCESS_KEY, SANDBOX_SECRET_KEY
from lsq_ops.sandbox.answers import CANNED

from .conftest import ASHA, eventually

ACCEPTED, REFUSED, TURNED_AWAY, UNKNOWN = (
    Outcome.ACCEPTED,
    Outcome.REFUSED,
    Outcome.TURNED_AWAY,
    Outcome.UNKNOWN,
)
NO_ANSWER = {Cause.TIMEOUT, Cause.DEADLINE}
# What each answer means for a delete: its outcome and why.
EXPECTED = {
    "normal": (ACCEPTED, {Cause.NONE}),
    "429": (TURNED_AWAY, {Cause.RATE}),
    "403_rate": (TURNED_AWAY, {Cause.RATE}),
    "200_rate": (TURNED_AWAY, {Cause.RATE}),
    "401": (TURNED_AWAY, {Cause.KEYS}),
    "401_host": (TURNED_AWAY, {Cause.KEYS}),
    "500_keys": (TURNED_AWAY, {Cause.KEYS}),
    "403": (TURNED_AWAY, {Cause.FORBIDDEN}),
    "200_forbidden": (TURNED_AWAY, {Cause.FORBIDDEN}),
    "400": (REFUSED, {Cause.BAD_REQUEST}),
    "404": (REFUSED, {Cause.NOT_FOUND}),
    "405": (REFUSED, {Cause.METHOD}),
    "200_error": (REFUSED, {Cause.INPUT, Cause.ERROR_STATUS}),
    "500_input": (REFUSED, {Cause.INPUT}),
    "500_lead": (REFUSED, {Cause.INPUT}),
    "500_generic": (UNKNOWN, {Cause.SERVER_ERROR}),
    "500_html": (UNKNOWN, {Cause.SERVER_ERROR}),
    "502": (UNKNOWN, {Cause.SERVER_ERROR}),
    "503": (UNKNOWN, {Cause.SERVER_ERROR}),
    "504": (UNKNOWN, {Cause.SERVER_ERROR}),
    "302": (UNKNOWN, {Cause.REDIRECT}),
    "html": (UNKNOWN, {Cause.NOT_JSON}),
    "broken_json": (UNKNOWN, {Cause.NOT_JSON}),
    "empty": (UNKNOWN, {Cause.NOT_JSON}),
    "unexpected_json": (UNKNOWN, {Cause.NOT_JSON}),
    "huge": (UNKNOWN, {Cause.TOO_LARGE}),
    "gzip_bomb": (UNKNOWN, {Cause.TOO_LARGE}),
    "slow": (UNKNOWN, NO_ANSWER),
    "drip": (UNKNOWN, NO_ANSWER),
    "hang": (UNKNOWN, NO_ANSWER),
    "reset_before_answer": (UNKNOWN, {Cause.RESET}),
    "close_before_answer": (UNKNOWN, {Cause.RESET}),
    "reset_midway": (UNKNOWN, {Cause.RESET}),
    "cut_short": (UNKNOWN, {Cause.RESET}),
}
RAISED = {REFUSED: Refused, UNKNOWN: Unclear}
CALL = delete_activities(ASHA, [201], datetime(2000, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))


def client_for(url, **options):
    return Client(Transport(url, SANDBOX_ACCESS_KEY, SANDBOX_SECRET_KEY, **options))


@pytest.fixture
def client(sandbox):
    return client_for(sandbox.url)


def in_a_hurry(sandbox, name):
    """A short deadline for the answers that never come in time, a usual one for the 48 MB."""
    return client_for(sandbox.url, deadline=0.4 if EXPECTED[name][1] == NO_ANSWER else 10.0)


def test_every_answer_has_an_expectation():
    assert EXPECTED.keys() == CANNED.keys()


def test_only_unclear_and_accepted_answers_hide_a_delete_that_was_done():
    assert {name for name, canned in CANNED.items() if canned.done} == {
        name for name, (outcome, _) in EXPECTED.items() if outcome in (ACCEPTED, UNKNOWN)
    }


@pytest.mark.parametrize("name", CANNED)
def test_a_delete_is_classed(sandbox, name):
    outcome, causes = EXPECTED[name]
    sandbox.faults.set("answer", name)
    answer = in_a_hurry(sandbox, name).send_delete(CALL.path, json.dumps(CALL.body).encode())
    assert answer.outcome == outcome, answer
    assert answer.cause in causes, answer
    assert sandbox.stats["calls"] == 1, "sent once, whatever came"


@pytest.mark.parametrize("name", [name for name in CANNED if name != "normal"])
def test_a_reading_raises(sandbox, name):
    outcome, causes = EXPECTED[name]
    sandbox.faults.set("answer", name)
    kind = RAISED.get(outcome) or (RateLimited if Cause.RATE in causes else KeysRefused)
    with pytest.raises(kind) as caught:
        in_a_hurry(sandbox, name).activities(ASHA)
    assert isinstance(caught.value, LeadSquaredError)
    assert ASHA not in str(caught.value) and SANDBOX_SECRET_KEY not in repr(caught.value)
    assert sandbox.stats["calls"] == 1


@pytest.mark.parametrize("name", ["429", "403_rate", "200_rate"])
def test_the_limit_is_learnt_from_the_text(sandbox, name):
    sandbox.faults.set("answer", name)
    with pytest.raises(RateLimited) as caught:
        client_for(sandbox.url).users()
    assert (caught.value.answer.rate.n, caught.value.answer.rate.seconds) == (25, 5)


@pytest.mark.parametrize("shape", ["429", "403", "200"])
def test_the_real_limit_in_each_shape(sandbox, client, shape):
    sandbox.faults.set("rate_limit", "2/60")
    sandbox.faults.set("rate_shape", shape)
    client.users()
    client.users()
    with pytest.raises(RateLimited) as caught:
        client.users()
    assert caught.value.answer.rate.n == 2


def unsent(sandbox, url):
    before = sandbox.stats["calls"]
    answer = client_for(url, connect_timeout=1.0).send_delete(CALL.path, json.dumps(CALL.body).encode())
    assert sandbox.stats["calls"] == before
    return answer


def test_nobody_listening_is_not_sent(sandbox):
    sandbox.stop()
    answer = unsent(sandbox, sandbox.url)
    assert (answer.outcome, answer.cause) == (Outcome.NOT_SENT, Cause.CONNECT)


def test_no_such_name_is_not_sent(sandbox):
    answer = unsent(sandbox, "https://leadsquared.invalid")
    assert (answer.outcome, answer.cause) == (Outcome.NOT_SENT, Cause.DNS)


def test_tls_that_fails_is_not_sent(sandbox):
    answer = unsent(sandbox, sandbox.url.replace("http://", "https://"))
    assert (answer.outcome, answer.cause) == (Outcome.NOT_SENT, Cause.TLS)


def test_a_reading_that_was_not_sent(sandbox, client):
    sandbox.stop()
    with pytest.raises(NotSent):
        client.users()


@pytest.mark.parametrize("meaning", ["rows", "pages0", "pages1"])
@pytest.mark.parametrize("cap", [7, 1000])
def test_every_activity_is_found_whatever_offset_means(sandbox, client, meaning, cap):
    sandbox.faults.set("offset", meaning)
    sandbox.faults.set("row_cap", cap)
    for told in (OffsetMeaning.UNKNOWN, OffsetMeaning(meaning)):
        listing = client.activities(ASHA, meaning=told)
        assert listing.complete, listing.why
        assert {record.id for record in listing.records} == set(sandbox.world.activity_ids(ASHA))
    assert client.probe_offset(ASHA) == meaning


@pytest.mark.parametrize("meaning", ["rows", "pages0", "pages1"])
def test_a_wrong_belief_never_gives_a_complete_list_with_holes(sandbox, client, meaning):
    sandbox.faults.set("offset", meaning)
    everything = set(sandbox.world.activity_ids(ASHA))
    for told in OffsetMeaning:
        for count in ("total", "zero"):
            sandbox.faults.set("record_count", count)
            listing = client.activities(ASHA, meaning=told, row_count=10)
            assert not listing.complete or {record.id for record in listing.records} == everything


@pytest.mark.parametrize(("switch", "value"), [("reading", "hides"), ("reading", "grows"), ("order", "unstable")])
def test_a_doubtful_reading_is_not_complete(sandbox, client, switch, value):
    sandbox.faults.set(switch, value)
    listing = client.activities(ASHA, row_count=10)
    assert not listing.complete and listing.why


@pytest.mark.parametrize(("switch", "value"), [("record_count", "page"), ("record_count", "zero"), ("order", "oldest")])
def test_a_harmless_oddity_leaves_the_reading_complete(sandbox, client, switch, value):
    sandbox.faults.set(switch, value)
    listing = client.activities(ASHA, row_count=10)
    assert listing.complete and len(listing.records) == 89


def test_a_lead_that_is_gone(sandbox, client):
    sandbox.faults.set("lead_gone", "yes", match=ASHA)
    assert client.lead(ASHA) is None and client.leads([ASHA]) == []
    with pytest.raises(LeadNotFound):
        client.activities(ASHA)


def test_the_twelve_thousand_tasks_are_read_whole(sandbox, client):
    owner = next(user.id for user in client.users() if user.name.startswith("Nikhil"))
    found = [client.tasks_by_owner(owner, status) for status in (0, 1)]
    assert all(listing.complete for listing in found)
    assert {task.id for listing in found for task in listing.records} == set(sandbox.world.bulk_task_ids())


def test_every_lead_of_the_world_can_be_read(sandbox, client):
    for lead in client.leads(sandbox.world.lead_ids()):
        listing = client.activities(lead.prospect_id)
        assert listing.complete and len(listing.records) == sandbox.world.counts(lead.prospect_id)["total"]


def test_a_delete_and_its_proof(sandbox, client):
    ids = set(sandbox.world.activity_ids(ASHA, 201))
    call = delete_activities(ASHA, [201], datetime(2000, 1, 1, tzinfo=UTC), datetime.now(UTC))
    assert client.send_delete(call.path, json.dumps(call.body).encode()).outcome is ACCEPTED
    assert eventually(lambda: not ids & {record.id for record in client.activities(ASHA).records})


@pytest.mark.parametrize("shape", ["queued", "result"])
def test_both_answers_of_delete_tasks_are_accepted(sandbox, client, shape):
    sandbox.faults.set("tasks_answer", shape)
    body = json.dumps({"TaskIds": sandbox.world.bulk_task_ids()[:3]}).encode()
    assert client.send_delete("Task.svc/DeleteTasks", body).outcome is ACCEPTED


def test_no_key_ever_travelled_in_an_address(sandbox, client):
    client.connection_test()
    client.leads_by_phone("+91-9845011201")
    assert not sandbox.stats["key_in_url"]
