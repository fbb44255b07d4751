"""The whole job without a browser: services, a LeadSquared on a socket, webhooks over HTTP, committed data."""

import pytest

from lsq_ops.models import AuditEvent, DeletionRequest, WebhookReceipt
from lsq_ops.services import story, trail
from tests.world import SITE_VISIT, WELL_KNOWN, skip_wait


@pytest.mark.parametrize(
    ("kind", "code", "days"), [("activities", SITE_VISIT, 10), ("owner_history", 3001, 60), ("stage_history", 3002, 90)]
)
def test_from_the_lead_list_to_a_verified_deletion(committed_world, portal_server, kind, code, days):
    world = committed_world
    before = {name: world.sandbox.world.counts(lead)["total"] for name, lead in WELL_KNOWN.items()}
    request = world.approved(world.pending(kind, "asha", "bruno", days=days))
    asked = request.version.items_count
    assert request.state == "approved"
    assert asked > 0

    skip_wait(request)
    world.work_out(request)

    assert request.state == "completed", request.attention
    after = {name: world.sandbox.world.counts(lead)["total"] for name, lead in WELL_KNOWN.items()}
    assert before["asha"] + before["bruno"] - after["asha"] - after["bruno"] == asked
    assert before["chen"] == after["chen"]
    assert set(request.version.items.values_list("event_code", "outcome")) == {(code, "gone")}
    assert story.closing_sentence(request).startswith(
        f"{asked} of {asked} gone from what LeadSquared's API shows, read at "
    )
    assert WebhookReceipt.objects.filter(attempt__request=request, says_success=True).count() == request.calls.count()
    assert trail.verify().ok


def test_tasks_of_an_inactive_owner(committed_world, portal_server, settings):
    settings.LSQ_TASKS_PER_CALL = 100
    world = committed_world
    request = world.draft_tasks(250)
    assert request.version.calls_count == 3

    world.approved(submitted(world, request))
    skip_wait(request)
    world.work_out(request)

    assert request.state == "completed", request.attention
    assert len(world.sandbox.world.bulk_task_ids()) == 12_000 - 250
    assert trail.verify().ok


def test_every_change_of_state_has_exactly_one_event(world):
    request = world.running("activities", "asha")
    world.work_out(request)
    seen = list(
        AuditEvent.objects.filter(object_type="deletionrequest", object_id=str(request.pk))
        .exclude(action="request.version")
        .order_by("seq")
        .values_list("action", flat=True)
    )
    assert seen == ["request.draft", "request.pending", "request.approved", "request.running", "request.completed"]
    for model in ("deletioncall", "attempt"):
        events = AuditEvent.objects.filter(object_type=model).values_list("action", flat=True)
        assert len(events) == {"deletioncall": 3, "attempt": 3}[model] * request.calls.count()


def test_without_a_public_address_no_webhook_is_asked_for_and_the_end_says_so(world):
    request = world.work_out(world.running("activities", "asha"))
    assert request.state == "completed"
    assert "No webhook was asked for: PUBLIC_URL is not set." in story.closing_sentence(request)
    assert all(delete["webhook"] is None for delete in world.sandbox.stats["deletes"])
    assert len(world.sandbox.stats["deletes"]) == 1


def submitted(world, request: DeletionRequest) -> DeletionRequest:
    from lsq_ops.services import approval

    approval.submit(world.rita, request)
    request.refresh_from_db()
    return request
