"""What an answer means for its call: kept once, moved on by one table, and never believed for more than it says."""

from contextlib import suppress
from datetime import datetime, timedelta

from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from lsq_ops.leadsquared.errors import Answer, Cause, Outcome
from lsq_ops.models import Account, Attempt, DeletionCall, DeletionRequest, LostRace, audited, db_now, record, timing
from lsq_ops.queue import ring

from . import accounts, approval, settling, verifying

NOT_SENT_PAUSES_AT = 4
NOTHING_DONE = (Outcome.TURNED_AWAY, Outcome.NOT_SENT)


def keep_answer(attempt: Attempt, answer: Answer) -> None:
    """Store what came back and move on by DESIGN's table. An answer after the lease is kept beside and moves
    nothing."""
    with audited():
        request = DeletionRequest.locked(attempt.request_id)
        attempt.refresh_from_db()
        if attempt.state != "intent":
            _beside(attempt, answer)
            return
        # A webhook that came for what is said to be not done makes that no clear answer.
        doubtful = answer.outcome in NOTHING_DONE and attempt.receipts.exists()
        outcome = Outcome.UNKNOWN if doubtful else answer.outcome
        over, now = outcome in NOTHING_DONE, db_now()
        attempt.move(
            outcome.value,
            actor="system",
            details={"call": attempt.call_id, "cause": answer.cause.value},
            answered_at=now,
            http_status=answer.status,
            cause=answer.cause.value,
            message=answer.message[:500],
            seconds=round(answer.seconds, 3),
            resolved_at=now if over else None,
        )
        if over:
            _not_done(request, attempt, answer)
        else:
            _sent(attempt.call, attempt, answer)
    if answer.outcome == Outcome.TURNED_AWAY and answer.cause in (Cause.KEYS, Cause.FORBIDDEN):
        accounts.diagnose_refusal(attempt.account, attempt.request.kind)


def _beside(attempt: Attempt, answer: Answer) -> None:
    words = f"{answer.outcome.value} {answer.cause.value} {answer.status or ''}"
    Attempt.objects.filter(pk=attempt.pk).update(late_answer=words)
    record("attempt.late_answer", attempt, actor="system", outcome=answer.outcome.value)


def _not_done(request: DeletionRequest, attempt: Attempt, answer: Answer) -> None:
    call = attempt.call
    verifying.release(attempt)
    _plan_again(call, attempt, answer)
    if request.stop_asked_at:
        approval.skip(
            call, actor="system", why=_("stopped by {stop_asked_by}").format(stop_asked_by=request.stop_asked_by)
        )
    settling.settle(request)


def past_lease(now: datetime) -> QuerySet[Attempt]:
    """Attempts whose worker has gone between "about to be sent" and the answer."""
    open_ones = Attempt.objects.filter(state="intent", resolved_at__isnull=True)
    return open_ones.filter(lease_until__lt=now).select_related("request", "call")


def expire_lease(attempt: Attempt) -> None:
    """An intent past its lease may have been sent or not: unknown, and never ready again by itself."""
    with suppress(LostRace), audited():
        DeletionRequest.locked(attempt.request_id)
        attempt.move("unknown", actor="system", details={"call": attempt.call_id, "cause": "lease"}, cause="lease")
        _read_back(attempt.call, db_now())
        verifying.heard(attempt)


def _sent(call: DeletionCall, attempt: Attempt, answer: Answer) -> None:
    now = db_now()
    Account.objects.filter(pk=attempt.account_id).update(not_sent_in_a_row=0)
    soon = answer.outcome == Outcome.REFUSED or attempt.receipts.exists()
    _read_back(call, now if soon else now + timedelta(seconds=timing().read_schedule[0]))
    verifying.heard(attempt)
    ring("work", call.request_id)


def _read_back(call: DeletionCall, when: datetime) -> None:
    """Readings of an earlier send count no longer."""
    call.move("verifying", actor="system", not_before=when, tries=0, claimed_until=None, reads=0, read_from=None)


def _plan_again(call: DeletionCall, attempt: Attempt, answer: Answer) -> None:
    clock, now = timing(), db_now()
    seconds: float = clock.send_retries[min(call.tries, len(clock.send_retries) - 1)]
    if answer.cause == Cause.RATE:
        seconds = answer.rate.seconds if answer.rate else attempt.account.rate_seconds
    elif answer.outcome == Outcome.NOT_SENT:
        Account.objects.filter(pk=attempt.account_id).update(not_sent_in_a_row=F("not_sent_in_a_row") + 1)
        if Account.objects.get(pk=attempt.account_id).not_sent_in_a_row >= NOT_SENT_PAUSES_AT:
            accounts.pause_account(
                attempt.account,
                by="system",
                reason=_("LeadSquared could not be reached ({cause}). Nothing was sent.").format(
                    cause=answer.cause.value
                ),
            )
    call.move(
        "planned",
        actor="system",
        not_before=now + timedelta(seconds=seconds),
        claimed_until=None,
        tries=call.tries + 1,
        note=_("{state} ({cause}); it is tried again.").format(
            state=attempt.get_state_display(), cause=answer.cause.value
        ),
    )
