"""A request's state follows from its calls: written under the request's lock after each change of a call."""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from lsq_ops.models import Account, Attempt, DeletionCall, DeletionRequest, Topic, audited, db_now, timing

from . import notices

FINISHED = ("gone", "already_gone")
LEFT = ("still_present", "unverifiable")


def settle(request: DeletionRequest) -> None:
    """Write the request's state from its calls; called under the request's lock after each change of a call."""
    request = DeletionRequest.objects.select_related("account").get(pk=request.pk)
    if request.state not in ("running", "needs_attention"):
        return
    calls = list(request.version.calls.all())
    attention = _attention(request, calls)
    if attention:
        _to(request, "needs_attention", attention)
    elif any(not call.is_over for call in calls):
        _to(request, "running", "")
    else:
        _finish(request)


def _attention(request: DeletionRequest, calls: list[DeletionCall]) -> str:
    """Why a person must look, in a sentence; empty where nobody need."""
    for call in calls:
        if call.state == "over_deleted":
            return _("More went than was approved.")
        if call.state == "unverifiable":
            return _("A lead can't be read any more: deleted or merged after the send.")
        if call.strange:
            return call.contradiction
        if call.state == "verifying" and is_past_grace(call):
            return _("Sent, no clear answer, and still there. Two operators decide: send it a second time, or end it.")
    sent = [call for call in calls if call.is_over and call.state != "skipped"]
    if sent and not any(call.state == "gone" for call in sent) and any(c.state == "planned" for c in calls):
        return _("The first call did not end as gone; the rest was not sent.")
    return ""


def is_past_grace(call: DeletionCall) -> bool:
    attempt = call.attempts.order_by("-number").first()
    if attempt is None or attempt.state != "unknown" or call.reads == 0:
        return False
    return db_now() - attempt.intent_at > grace(call.request.account)


def grace(account: Account) -> timedelta:
    """How long an unknown outcome is only read: three times what nineteen of twenty calls needed until they were seen
    done on this account, within bounds; the longest where too few are known."""
    clock = timing()
    done = DeletionCall.objects.filter(request__account=account, state="gone", ended_at__isnull=False)
    took = list(done.order_by("-ended_at").values_list("ended_at", "sent_at")[:200])
    if len(took) < clock.grace_learns_from:
        return timedelta(seconds=clock.grace)
    seconds = sorted((ended - sent).total_seconds() for ended, sent in took if ended and sent)
    learnt = 3 * seconds[math.ceil(len(seconds) * 0.95) - 1]
    return timedelta(seconds=min(max(learnt, clock.grace_least), clock.grace))


def to_show(now: datetime) -> Iterable[DeletionRequest]:
    """Running requests with an unknown outcome whose grace is over: people must see them."""
    unknown = Attempt.objects.filter(state="unknown", resolved_at__isnull=True, request__state="running")
    for account in Account.objects.filter(pk__in=unknown.values("account")):
        late = unknown.filter(account=account, intent_at__lt=now - grace(account))
        yield from DeletionRequest.objects.filter(pk__in=late.values("request"))


def show(request: DeletionRequest) -> None:
    with audited():
        DeletionRequest.locked(request.pk)
        settle(request)


def _to(request: DeletionRequest, state: str, attention: str) -> None:
    if request.state != state:
        request.move(state, actor="system", state_at=db_now(), attention=attention)
        if state == "needs_attention":
            notices.tell([*notices.operators(), *notices.owners(request)], request, _("needs attention"), attention)
    elif request.attention != attention:
        DeletionRequest.objects.filter(pk=request.pk).update(attention=attention)


def _finish(request: DeletionRequest) -> None:
    """All calls are over: the words people see follow from the items' outcomes."""
    items = request.version.items
    assert not items.filter(outcome="").exists(), "an item without outcome at the end"
    done, total = items.filter(outcome__in=FINISHED).count(), items.count()
    state = (
        "completed" if done == total else "stopped" if request.stop_asked_at else "failed" if not done else "partial"
    )
    now = db_now()
    no_receipt = not request.attempts.filter(receipts__isnull=False).exists()
    request.move(
        state,
        actor="system",
        details={"gone": done, "items": total, "no_receipt": no_receipt},
        state_at=now,
        ended_at=now,
        attention="",
    )
    look_again_later(request)
    notices.tell(
        notices.owners(request),
        request,
        state,
        _("{done:,} of {total:,} gone from what LeadSquared's API shows.").format(done=done, total=total),
        Topic.MINE,
    )


def look_again_later(request: DeletionRequest) -> None:
    """What ended without a receipt, or with items left, is read once more a day later."""
    sent = request.attempts.filter(state__in=Attempt.MAY_HAVE_ACTED)
    left = request.version.items.filter(outcome__in=LEFT)
    if sent.exists() and (left.exists() or not sent.filter(receipts__isnull=False).exists()):
        at = db_now() + timedelta(seconds=timing().look_again)
        DeletionRequest.objects.filter(pk=request.pk).update(look_again_at=at)
