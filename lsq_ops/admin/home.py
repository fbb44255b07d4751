"""Home: what is asked of me, how my requests stand, what needs attention, and whether the account works."""

from collections.abc import Iterable
from typing import Any

from django.db.models import prefetch_related_objects
from django.http import HttpRequest
from django.utils.translation import gettext as _

from lsq_ops import kinds
from lsq_ops.admin import face
from lsq_ops.models import Account, DeletionRequest, Vote
from lsq_ops.services import operations, story, waiting
from lsq_ops.services.may import may, valid_votes_of

SHOWN = 10


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    account: Account | None = context.get("account")
    mine = DeletionRequest.objects.filter(requester_id=request.user.pk).select_related("account")
    troubled = DeletionRequest.objects.filter(state=DeletionRequest.State.NEEDS_ATTENTION).select_related("account")
    waits = face.waiting_for(request)
    others = waiting.not_for(request.user) if may(request.user, "vote") else []
    lists = {
        "waiting": waits[:SHOWN],
        "mine": mine.filter(state__in=DeletionRequest.open_states())[:SHOWN],
        "ended": mine.filter(state__in=DeletionRequest.terminal_states()).order_by("-id")[:5],
        "attention": troubled[:SHOWN],
    }
    return {
        **context,
        "title": _("Home"),
        **lines(lists),
        "waiting_count": len(waits),
        "not_for": [({"request": other}, why) for other, why in others[:SHOWN]],
        "may_draft": bool(may(request.user, "draft")),
        "lamp": operations.lamp(),
        "gauge": operations.gauge(account) if account else None,
        "closed": operations.closed(account),
        "alarms": len(operations.alarms(account)),
    }


def lines(lists: dict[str, Iterable[DeletionRequest]]) -> dict[str, list[dict[str, Any]]]:
    """The same lists, each request as Home shows it; versions, people and votes of all in a query each."""
    lists = {name: list(requests) for name, requests in lists.items()}
    every = [request for requests in lists.values() for request in requests]
    prefetch_related_objects(every, "versions__asked_by")
    votes = valid_votes_of(request for request in every if request.state in story.VOTED_ON)
    return {name: [line(one, votes.get(one.pk)) for one in requests] for name, requests in lists.items()}


def line(request: DeletionRequest, votes: list[Vote] | None) -> dict[str, Any]:
    return {
        "request": request,
        "kind": kinds.get(request.kind).title,
        "version": request.version,
        "next": story.next_step(request, votes),
    }
