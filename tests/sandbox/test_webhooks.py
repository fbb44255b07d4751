"""Every way in which the status comes back."""

import json
import time
from urllib.parse import parse_qs

import pytest

from lsq_ops.sandbox.faults import SWITCHES
from lsq_ops.sandbox.webhooks import is_local

from .conftest import ASHA, eventually

QUEUED_TEXT = "has been completed: 18 of 18 deleted."


def delete_with(shape, caller, sandbox, letterbox, arrivals=1):
    sandbox.faults.set("webhook", shape)
    caller.delete_site_visits(StatusWebhookURL=letterbox.url)
    assert eventually(lambda: len(letterbox.came) >= arrivals)
    time.sleep(0.05)
    return letterbox.came


@pytest.fixture
def deleted(caller, sandbox, letterbox):
    return lambda shape, arrivals=1: delete_with(shape, caller, sandbox, letterbox, arrivals)


def test_json(deleted, letterbox, sandbox):
    ((method, path, headers, body),) = deleted("json")
    assert (method, path) == ("POST", "/webhooks/leadsquared/the-token/")
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body)["Message"]["Message"].endswith(QUEUED_TEXT)
    assert 201 not in sandbox.world.counts(ASHA)["by_code"]
    assert eventually(lambda: sandbox.stats["webhook_answers"] == {"200": 1})


def test_tasks_report_as_on_their_page(caller, sandbox, letterbox):
    ids = sandbox.world.bulk_task_ids()[:4]
    caller.post("Task.svc/DeleteTasks", {"TaskIds": ids, "StatusWebhookURL": letterbox.url})
    assert eventually(lambda: letterbox.came)
    assert letterbox.bodies() == [
        {
            "Status": "Success",
            "Operation": "Bulk Delete Tasks",
            "TasksCount": 4,
            "DeletedTasksCount": 4,
            "FailureReason": None,
        }
    ]


def test_form(deleted):
    ((_, _, headers, body),) = deleted("form")
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(body.decode())["Status"] == ["Success"]


def test_text(deleted):
    ((_, _, headers, _),) = deleted("text")
    assert headers["Content-Type"] == "text/plain"


def test_empty(deleted):
    ((method, _, _, body),) = deleted("empty")
    assert (method, body) == ("POST", b"")


def test_never(caller, sandbox, letterbox):
    sandbox.faults.set("webhook", "never")
    caller.delete_site_visits(StatusWebhookURL=letterbox.url)
    assert eventually(lambda: 201 not in sandbox.world.counts(ASHA)["by_code"])
    time.sleep(0.1)
    assert letterbox.came == []


def test_twice(deleted):
    first, second = deleted("twice", 2)
    assert first[3] == second[3]


def test_early_is_before_the_answer(caller, sandbox, letterbox):
    sandbox.faults.set("webhook", "early")
    caller.delete_site_visits(StatusWebhookURL=letterbox.url)
    assert len(letterbox.came) == 1


def test_premature_is_before_the_work(caller, sandbox, letterbox):
    sandbox.faults.set("webhook", "premature")
    sandbox.faults.set("delay", 0.3)
    caller.delete_site_visits(StatusWebhookURL=letterbox.url)
    assert letterbox.bodies()[0]["Status"] == "Success"
    assert sandbox.world.counts(ASHA)["by_code"][201] == 18
    assert eventually(lambda: 201 not in sandbox.world.counts(ASHA)["by_code"])
    assert len(letterbox.came) == 1


def test_late(caller, sandbox, letterbox):
    sandbox.faults.set("webhook", "late")
    sandbox.faults.set("late_by", 0.3)
    caller.delete_site_visits(StatusWebhookURL=letterbox.url)
    assert eventually(lambda: 201 not in sandbox.world.counts(ASHA)["by_code"])
    assert letterbox.came == []
    assert eventually(lambda: letterbox.came)


def test_lying_says_error_where_all_went(deleted, letterbox):
    deleted("lying")
    assert letterbox.bodies()[0]["Status"] == "Error"


def test_lying_says_success_where_nothing_went(deleted, letterbox, sandbox):
    sandbox.faults.set("effect", "nothing")
    deleted("lying")
    assert letterbox.bodies()[0]["Status"] == "Success"


def test_an_honest_report_of_a_failure(deleted, letterbox, sandbox):
    sandbox.faults.set("effect", "nothing")
    deleted("json")
    assert letterbox.bodies()[0]["Status"] == "Error"


def test_contradicting(deleted, letterbox):
    deleted("contradicting", 2)
    assert [body["Status"] for body in letterbox.bodies()] == ["Success", "Error"]


def test_head_first(deleted):
    assert [method for method, *_ in deleted("head_first", 2)] == ["HEAD", "POST"]


def test_chunked(deleted, letterbox):
    ((_, _, headers, _),) = deleted("chunked")
    assert headers["Transfer-Encoding"] == "chunked" and letterbox.bodies()[0]["Status"] == "Success"


def test_forged_goes_to_another_token_first(deleted):
    forged, real = (path for _, path, _, _ in deleted("forged", 2))
    assert real == "/webhooks/leadsquared/the-token/" != forged
    assert forged.startswith("/webhooks/leadsquared/") and forged.endswith("/")


def test_wrong_count(deleted, letterbox):
    deleted("wrong_count")
    assert "25 of 25" in letterbox.bodies()[0]["Message"]["Message"]


def test_slash(deleted):
    ((_, path, _, _),) = deleted("slash")
    assert path == "/webhooks/leadsquared/the-token"


def test_bodies_that_are_no_report(deleted, sandbox, caller, letterbox):
    ((_, _, _, broken),) = deleted("broken")
    with pytest.raises(ValueError):
        json.loads(broken)


@pytest.mark.parametrize(("shape", "least"), [("deep", 100_000), ("huge", 3_000_000)])
def test_large_bodies(deleted, shape, least):
    ((_, _, _, body),) = deleted(shape)
    assert len(body) >= least


def test_every_shape_of_webhook_has_a_test():
    with open(__file__, encoding="utf-8") as source:
        text = source.read()
    assert [shape for shape in SWITCHES["webhook"].values if f'"{shape}"' not in text] == []


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:8000/x/", True),
        ("http://localhost/x/", True),
        ("http://[::1]:8000/", True),
        ("http://example.com/", False),
        ("http://127.0.0.1.example.com/", False),
        ("http://169.254.169.254/", False),
        ("https://127.0.0.1/", False),
        ("file:///etc/passwd", False),
        ("http://[bad", False),
        ("", False),
    ],
)
def test_only_this_machine_gets_webhooks(url, local):
    assert is_local(url) is local


def test_a_webhook_to_elsewhere_is_not_sent(caller, sandbox):
    caller.delete_site_visits(StatusWebhookURL="http://192.0.2.1/x/")
    assert eventually(lambda: sandbox.stats["webhook_answers"] == {"not a local address": 1})


def test_nobody_at_home_is_counted_and_harms_nothing(caller, sandbox):
    caller.delete_site_visits(StatusWebhookURL="http://127.0.0.1:9/x/")
    assert eventually(lambda: sandbox.stats["webhook_answers"] == {"ConnectionRefusedError": 1})
