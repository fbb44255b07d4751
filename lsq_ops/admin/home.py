"""Home: what is asked of me, how my requests stand, what needs attention, and whether the account works."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from lsq_ops import kinds
from lsq_ops.models import Account, DeletionCall, DeletionRequest
from lsq_ops.services import operations, story, waiting
from lsq_ops.services.may import may

SHOWN = 10


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    account: Account | None = context.get("account")
    mine = DeletionRequest.objects.filter(requester_id=request.user.pk).select_related("account")
    troubled = DeletionRequest.objects.filter(state=DeletionRequest.State.NEEDS_ATTENTION)
    waits = waiting.waiting_for(request.user)
    others = waiting.not_for(request.user) if may(request.user, "vote") else []
    return {
        **context,
        "title": _("Home"),
        "waiting": [line(waiting_one) for waiting_one in waits[:SHOWN]],
        "waiting_count": len(waits),
        "not_for": [(line(other), why) for other, why in others[:SHOWN]],
        "mine": [line(one) for one in mine.filter(state__in=DeletionRequest.open_states())[:SHOWN]],
        "ended": [line(one) for one in mine.filter(state__in=DeletionRequest.terminal_states()).order_by("-id")[:5]],
        "may_draft": bool(may(request.user, "draft")),
        "attention": [line(one) for one in troubled[:SHOWN]],
        "lamp": operations.lamp(),
        "gauge": operations.gauge(account) if account else None,
        "alarms": len(operations.alarms(account)),
    }


def line(request: DeletionRequest) -> dict[str, Any]:
    """One request as Home and the list show it."""
    done, total = read_back(request)
    return {
        "request": request,
        "kind": kinds.get(request.kind).title,
        "version": request.version,
        "next": story.next_step(request),
        "done": done,
        "total": total,
    }


def read_back(request: DeletionRequest) -> tuple[int, int]:
    """(calls that were read back, calls that will be sent or were)."""
    calls: QuerySet = request.calls.filter(version=request.version)
    ended = calls.filter(state__in=DeletionCall.terminal_states()).count()
    return ended, calls.count()
