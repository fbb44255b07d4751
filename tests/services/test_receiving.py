"""What comes to a webhook address: kept raw, answered alike, and never believed about what was deleted."""

import json
from itertools import count

import pytest
from django.db.models import F

from lsq_ops.models import AuditEvent, DeletionCall, WebhookReceipt, db_now
from lsq_ops.services import agenda, receiving, running, verifying

from .steps import (
    DELETES,
    attempts,
    drain,
    go_on,
    hurry,
    let_land,
    one_call,
    outcomes,
    read_when_told,
    sends,
    to_the_end,
)

SUCCESS = b'{"Status":"Success","Message":{"Message":"done"}}'
FAILURE = b'{"Status":"Error","Message":{"Message":"not done"}}'
JSON = "application/json"


@pytest.fixture(autouse=True)
def known_tokens(world, monkeypatch, settings):
    """token-0, token-1, … in the order of the attempts; LeadSquared's own webhooks reach nobody."""
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    numbers = count()
    monkeypatch.setattr(running.tokens, "make", lambda: f"token-{next(numbers)}")
    world.sandbox.faults.set("delay", 0)
    read_when_told(monkeypatch)


def sent(world, **faults):
    for name, value in faults.items():
        world.sandbox.faults.set(name, value, match=DELETES)
    request, call = one_call(world)
    drain()
    let_land(world)
    call.refresh_from_db()
    return request, call


def post(client, body=SUCCESS, content_type=JSON, token="token-0"):
    answer = client.post(f"/webhooks/leadsquared/{token}/", body, content_type=content_type)
    assert (answer.status_code, answer.json()) == (200, {"Status": "Success", "StatusReason": ""})


def taken(client, *args, **kwargs):
    """It came, and the worker has seen it."""
    post(client, *args, **kwargs)
    agenda.tend()


def test_a_webhook_has_its_call_read_at_once(world, client):
    request, call = sent(world)
    assert call.not_before > db_now()
    post(client)
    drain()
    request.refresh_from_db()
    assert request.state == "completed"
    assert (WebhookReceipt.objects.get().says_success, call.attempts.get().state) == (True, "accepted")


def test_a_webhook_makes_an_unclear_answer_an_accepted_one(world, client):
    request, _ = sent(world, answer="502")
    assert attempts(request) == ["unknown"]
    taken(client)
    assert attempts(request) == ["accepted"]
    assert to_the_end(world, request).state == "completed"


def test_a_webhook_before_our_own_answer_is_stored_is_taken_and_the_answer_kept(world, client, monkeypatch):
    keep = running.keep_answer
    monkeypatch.setattr(running, "keep_answer", lambda attempt, answer: (post(client), keep(attempt, answer)))
    request, call = sent(world, answer="502")
    attempt = call.attempts.get()
    assert (attempt.state, attempt.http_status, attempt.receipts.count()) == ("accepted", 502, 1)
    assert to_the_end(world, request).state == "completed"


@pytest.mark.parametrize("answer", ["403", "401"])
def test_a_call_that_was_turned_away_but_whose_webhook_came_is_not_sent_again(world, client, monkeypatch, answer):
    keep = running.keep_answer
    monkeypatch.setattr(running, "keep_answer", lambda attempt, given: (post(client), keep(attempt, given)))
    request, _ = sent(world, answer=answer, takes_effect="yes")
    assert to_the_end(world, request).state == "completed"
    assert sends(world) == 1
    assert outcomes(request) == {"gone": 12}


def test_a_receipt_that_a_dying_worker_left_unheard_is_heard_at_the_next_reading(world, monkeypatch):
    request, _ = sent(world, answer="502", takes_effect="no")
    receiving.receive("token-0", SUCCESS, JSON)
    with monkeypatch.context() as broken:
        broken.setattr(receiving, "heard", None)
        agenda.tend()
    assert WebhookReceipt.objects.filter(taken_at=None).count() == 1
    assert attempts(request) == ["unknown"]
    go_on(world, request)
    assert attempts(request) == ["accepted"]


def test_the_same_body_twice_is_one_receipt_with_a_count(world, client):
    sent(world)
    for _ in range(3):
        taken(client)
    receipt = WebhookReceipt.objects.get()
    assert (receipt.count, bytes(receipt.body), receipt.last_at >= receipt.first_at) == (3, SUCCESS, True)
    assert AuditEvent.objects.filter(action="receipt.arrived").count() == 1


def test_a_receipt_that_another_worker_was_quicker_with_costs_one_look_and_no_lock(
    world, client, django_assert_num_queries
):
    """Four workers find the same hundred after a burst."""
    sent(world)
    post(client)
    (receipt,) = receiving.untaken(db_now())
    agenda.tend()
    events = AuditEvent.objects.count()
    with django_assert_num_queries(1):
        receiving.take(receipt)
    assert AuditEvent.objects.count() == events


def test_a_flood_of_different_bodies_is_cut_off(world, client):
    sent(world)
    for number in range(30):
        post(client, b'{"Status":"Success","n":%d}' % number)
    assert WebhookReceipt.objects.count() == 20


def test_a_webhook_that_lies_about_success_never_completes_a_request(world, client):
    request, _ = sent(world, effect="nothing")
    post(client)
    go_on(world, request, 3)
    assert request.state == "running"
    DeletionCall.objects.update(sent_at=F("sent_at") - verifying.timedelta(days=1))
    assert to_the_end(world, request).state == "failed"
    assert "webhook reported success, but the reading shows items still there" in request.calls.get().contradiction


def test_a_webhook_that_lies_about_failure_does_not_hold_up_the_end(world, client):
    request, _ = sent(world)
    post(client, FAILURE)
    assert to_the_end(world, request).state == "completed"
    assert "reported failure, but the reading shows it gone" in request.calls.get().contradiction


def test_two_webhooks_that_contradict_each_other_are_shown(world, client):
    request, _ = sent(world)
    post(client, SUCCESS)
    post(client, FAILURE)
    assert to_the_end(world, request).state == "completed"
    assert "One webhook reported success, another one failure" in request.calls.get().contradiction


def test_a_webhook_after_the_end_moves_nothing_and_is_shown_where_it_contradicts(world, client):
    request, call = sent(world)
    to_the_end(world, request)
    ended = DeletionCall.objects.get(pk=call.pk).ended_at
    post(client, FAILURE)
    drain()
    call.refresh_from_db()
    request.refresh_from_db()
    assert (request.state, call.state, call.ended_at, call.reads) == ("completed", "gone", ended, 1)
    assert "reported failure" in call.contradiction
    assert AuditEvent.objects.filter(action="receipt.contradicts").count() == 1


def test_a_webhook_that_comes_while_it_is_being_read_has_it_read_once_more(world, client, monkeypatch):
    request, call = sent(world, effect="nothing")
    read = verifying.reading.perform

    def read_meanwhile(snapshot, until=None):
        read(snapshot, until)
        if snapshot.lane == 0 and not WebhookReceipt.objects.exists():
            post(client)
            world.sandbox.world.remove_activities(call.items.values_list("record_id", flat=True))

    monkeypatch.setattr(verifying.reading, "perform", read_meanwhile)
    hurry(request)
    drain()
    request.refresh_from_db()
    assert request.state == "completed"


def test_an_unknown_token_gets_the_same_answer_and_leaves_no_row(world, client):
    sent(world)
    events = AuditEvent.objects.count()
    post(client, token="token-of-a-stranger")
    assert (WebhookReceipt.objects.count(), AuditEvent.objects.count()) == (0, events)


@pytest.mark.parametrize("method", ["HEAD", "GET", "POST", "PUT", "DELETE"])
def test_a_handshake_gets_200_and_leaves_no_row(world, client, method):
    sent(world)
    for path in ("/webhooks/leadsquared/token-0/", "/webhooks/leadsquared/token-0"):
        assert client.generic(method, path, b"").status_code == 200
    assert WebhookReceipt.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "content_type", "success"),
    [
        (SUCCESS, JSON, True),
        (SUCCESS, "text/plain", True),
        (SUCCESS, "", True),
        (FAILURE, JSON, False),
        (b"[" + SUCCESS + b"]", JSON, True),
        (b"\xef\xbb\xbf" + SUCCESS, JSON, True),
        (SUCCESS.decode().encode("utf-16"), "application/json; charset=utf-16", True),
        (b"Status=Success&Operation=Bulk+Delete+Tasks", "application/x-www-form-urlencoded", True),
        (b'{"Status":"Success","TasksCount":5,"DeletedTasksCount":4}', JSON, False),
        (b'{"Status":"Success","TasksCount":1e999,"DeletedTasksCount":1e999}', JSON, True),
        (b'{"Status":"Success","TasksCount":NaN,"DeletedTasksCount":1}', JSON, True),
        (b'{"Status":"\\ud800\\u0000 lone"}', JSON, None),
        (b'{"Status":"Error","Status":"Success"}', JSON, None),
        (b'{"Status":"Success","Status":"Success"}', JSON, True),
        (b'{"Status":{"deep":[1]}}', JSON, None),
        (b"[" * 50_000, JSON, None),
        (b"&".join(b"a%d=%%00%%ff" % n for n in range(60)), "application/x-www-form-urlencoded", None),
        (b'{"n":' + b"9" * 10_000 + b"}", JSON, None),
        (b"\x00\xff\xfe", "image/png", None),
        (b"Success", "text/plain", None),
        (b'"Success"', JSON, None),
        (b" " * 100_000, JSON, None),
    ],
)
def test_whatever_comes_is_kept_as_it_came(world, client, body, content_type, success):
    sent(world)
    answer = client.generic("POST", "/webhooks/leadsquared/token-0/", body, content_type=content_type)
    agenda.tend()
    receipt = WebhookReceipt.objects.get()
    assert (answer.status_code, bytes(receipt.body), receipt.says_success) == (200, body[:65_536], success)
    assert "\x00" not in receipt.says


def test_no_token_stands_anywhere_but_in_the_address_that_leadsquared_got(world, client, caplog):
    request, _ = sent(world)
    post(client)
    to_the_end(world, request)
    told = json.dumps(list(AuditEvent.objects.values_list("details", flat=True)))
    attempt = json.dumps(list(request.attempts.values()), default=str)
    assert not any("token-0" in text for text in (told, attempt, caplog.text))
    assert request.calls.get().body.text.count("StatusWebhookURL") == 0
