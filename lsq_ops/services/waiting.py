"""Who is next: what waits for a person's decision, and why the rest does not wait for them."""

from django.db.models import Q, QuerySet

from lsq_ops.models import Decision, DeletionRequest

from .may import Person, enough, may, may_vote, valid_votes_of


def waiting_for(user: Person) -> list[DeletionRequest]:
    """Requests that this person can decide on now, the oldest first."""
    return [*_to_vote(user), *_lapsed_for(user), *_to_confirm(user), *_restored_for(user)]


# Each page asks for their number: who may do none of it, by role, costs no query.


def _to_vote(user: Person) -> list[DeletionRequest]:
    if not may(user, "vote"):
        return []
    return [request for request, verdict in may_vote(user, _pending()) if verdict]


def _to_confirm(user: Person) -> list[DeletionRequest]:
    if not may(user, "confirm_decision"):
        return []
    others = open_decisions().exclude(proposed_by=user.pk)
    return [one.request for one in others if may(user, "confirm_decision", one.request)]


def _lapsed_for(user: Person) -> list[DeletionRequest]:
    """Requests on their way whose approval lapsed, which this person could confirm."""
    if not may(user, "confirm_vote"):
        return []
    return [request for request in lapsed() if may(user, "confirm_vote", request)]


def _restored_for(user: Person) -> list[DeletionRequest]:
    """Requests that came out of a backup, which this person could confirm."""
    if not may(user, "confirm_restored"):
        return []
    return [request for request in restored() if may(user, "confirm_restored", request)]


def restored() -> QuerySet[DeletionRequest]:
    """Open requests that came out of a backup and that nobody has confirmed since, the oldest first."""
    rows = DeletionRequest.objects.filter(DeletionRequest.unconfirmed(), state__in=DeletionRequest.open_states())
    return rows.select_related("account").order_by("pk")


def lapsed() -> list[DeletionRequest]:
    """Requests on their way that have too few approvals that count now, the oldest first."""
    on_the_way = DeletionRequest.objects.filter(state__in=("approved", "running", "needs_attention"))
    requests = list(on_the_way.select_related("account").prefetch_related("versions").order_by("state_at"))
    votes = valid_votes_of(requests)
    return [request for request in requests if not enough(request, votes[request.pk])]


def not_for(user: Person) -> list[tuple[DeletionRequest, str]]:
    """Pending requests that this person can't decide on, and why."""
    return [(request, verdict.why) for request, verdict in may_vote(user, _pending()) if not verdict]


def open_decisions() -> QuerySet[Decision]:
    """Proposed, not confirmed, and still to be decided: a call may have ended by itself meanwhile. The newest first."""
    undone = Decision.objects.filter(confirmed_at__isnull=True, request__state__in=DeletionRequest.open_states())
    undone = undone.filter(Q(call__isnull=True) | Q(call__state="verifying"))
    return undone.select_related("request__account", "call", "proposed_by").order_by("-id")


def _pending() -> QuerySet[DeletionRequest]:
    return DeletionRequest.objects.filter(state="pending").select_related("account").order_by("state_at")
