"""What a row calls itself: Django's log, the queue's tables and every message keep it, so nothing personal is in it."""

from django.apps import apps

from lsq_ops.models import Attempt, Lead, TaskClaim, WebhookReceipt, db_now
from tests.services.steps import drain, running_tasks
from tests.services.test_branches_ending import unclear


def test_no_row_tells_anything_about_a_lead(world):
    world.sandbox.faults.set("delay", 0)
    running_tasks(world, 1)
    drain()
    assert TaskClaim.objects.exists()
    now, attempt = db_now(), Attempt.objects.get()
    WebhookReceipt.objects.create(attempt=attempt, body_hash="0" * 64, body=b"{}", first_at=now, last_at=now)
    personal = {
        value
        for row in Lead.objects.values_list("first_name", "last_name", "email", "phone", "mobile")
        for value in row
        if value
    }
    assert personal
    for model in apps.get_app_config("lsq_ops").get_models():
        for row in model._default_manager.all()[:20]:
            assert str(row), model
            assert not any(value in str(row) for value in personal), model


def test_rows_are_called_by_their_numbers(world):
    world.sandbox.faults.set("delay", 0)
    request, call = unclear(world)
    assert [str(row) for row in (request, request.version, call, request.attempts.get())] == [
        f"DR-{request.pk}",
        f"DR-{request.pk} version 1",
        f"call 1 of DR-{request.pk}",
        f"attempt 1 of call {call.pk}",
    ]
