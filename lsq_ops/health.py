"""Two small questions for whoever watches the portal from outside."""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """The web process answers."""
    return JsonResponse({"live": True})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """The database answers and knows every migration; 503 and the reason otherwise."""
    try:
        waiting = migrations_wait()
    except DatabaseError:
        return JsonResponse({"ready": False, "why": "the database does not answer"}, status=503)
    if waiting:
        return JsonResponse({"ready": False, "why": "migrations wait; run manage.py migrate"}, status=503)
    return JsonResponse({"ready": True})


def migrations_wait() -> bool:
    """The database does not know every migration yet; DatabaseError where it does not answer."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
