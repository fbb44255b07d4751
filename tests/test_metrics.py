"""The figures for Prometheus: who gets them, what they say, and what they cost."""

import re
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.db import connection
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from lsq_ops.models import AuditAnchor, Beat, db_now
from lsq_ops.services import operations
from lsq_ops.services.figures import LANES
from tests.services.steps import one_call

TOKEN = "token-of-the-watcher-0123456789"
LANES_FOR_PEOPLE = [
    "Calls to be read back",
    "Reading back",
    "Calls to be sent",
    "Reading just before a send",
    "Uploads to be read",
    "Reading for a preview",
    "Refreshing the mirror",
    "Syncs of leads",
    "Mails",
]


@pytest.fixture
def token(settings: Any) -> str:
    settings.METRICS_TOKEN = TOKEN
    return TOKEN


def ask(client: Any, token: str = TOKEN, scheme: str = "Bearer") -> Any:
    return client.get("/metrics", headers={"Authorization": f"{scheme} {token}"})


def read(client: Any) -> dict[tuple[str, str], float]:
    """(name, the label's value) -> number."""
    answer = ask(client)
    assert answer.status_code == 200 and answer["Content-Type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.content.decode())
    return {
        (sample.name.removeprefix("lsq_ops_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    } | {}


@pytest.mark.django_db
def test_without_a_token_in_the_settings_there_is_no_such_page(client: Any, settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    assert ask(client, "").status_code == ask(client).status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize(
    "given", ["Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer ö"]
)
def test_another_token_gets_nothing(client: Any, token: str, given: str) -> None:
    answer = client.get("/metrics", headers={"Authorization": given})
    assert answer.status_code == 401 and b"lsq_ops_" not in answer.content
    assert client.get("/metrics").status_code == 401
    assert client.post("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 405


def test_the_figures_are_those_of_the_tables(client: Any, world: Any, token: str) -> None:
    one_call(world)
    Beat.objects.all().delete()
    Beat.objects.create(name="worker on one", at=db_now() - timedelta(seconds=300))
    Beat.objects.create(name="worker on two", at=db_now() - timedelta(seconds=5))
    tries = {"user_agent": "x", "get_data": "", "post_data": ""}
    AccessAttempt.objects.create(username="rita", failures_since_start=5, **tries)
    AccessAttempt.objects.create(username="omar", failures_since_start=2, **tries)
    found = read(client)
    assert 5 <= found["beat_age_seconds", "worker"] < 60 and ("beat_age_seconds", "watchdog") not in found
    assert found["parts_alive", "worker"] == 1
    assert found["requests", "running"] == 1 and found["requests", "draft"] == 0
    assert found["calls", "planned"] == found["queue_ready", "calls_to_send"] == 1
    assert found[("account_paused",)] == found[("unknown_outcomes",)] == 0
    assert found[("audit_events",)] - found[("audit_events_since_anchor",)] == AuditAnchor.objects.first().seq
    assert ("audit_check_ok",) not in found  # nobody has looked yet: neither good nor bad
    assert found[("budget_window_limit",)] > found[("budget_window_used",)]
    assert found["sign_ins_last_hour", "failed"] == 7 and found["sign_ins_last_hour", "blocked"] == 1
    assert {label for name, *labels in found for label in labels} <= {
        *LANES,
        "worker",
        "watchdog",
        "ok",
        "failed",
        "blocked",
    } | {label for name, *labels in found if name in ("requests", "calls", "attempts_last_day") for label in labels}


def test_they_cost_the_same_however_much_there_is(client: Any, world: Any, token: str) -> None:
    with CaptureQueriesContext(
        connection,
    ) as before:
        read(client)
    one_call(world)
    with CaptureQueriesContext(connection) as after:
        found = read(client)
    assert len(after) == len(before) <= 45
    assert found["requests", "running"] == 1


@pytest.mark.django_db
def test_each_lane_has_its_name() -> None:
    """They are told apart by their place alone: whoever adds or moves one must look at the names here too."""
    assert [lane.name for lane in operations.lanes(None)] == LANES_FOR_PEOPLE and len(LANES) == len(LANES_FOR_PEOPLE)


def test_every_figure_is_explained(client: Any, world: Any, token: str) -> None:
    from tests.test_docs import ROOT

    text = (ROOT / "docs" / "watching.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `lsq_ops_(\w+)`", text, re.M))
    shown = set(re.findall(r"^# HELP lsq_ops_(\w+) ", ask(client).content.decode(), re.M))
    assert told == shown
    assert set(re.findall(r"\blsq_ops_(\w+)", text)) <= shown
