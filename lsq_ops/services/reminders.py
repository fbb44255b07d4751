"""Who is slow is reminded before it is too late: voters at half of the time and when little is left, the requester and
the operators before it is over. Each reminder is written once: the version says how many there were."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from lsq_ops.models import DeletionRequest, RequestVersion, Topic, audited, db_now, timing

from . import approval, notices, policy, run_windows, story


def due() -> Iterator[DeletionRequest]:
    """Requests that wait for votes, or to start, and have a reminder to come by now."""
    now = db_now()
    waiting = DeletionRequest.objects.filter(state__in=("pending", "approved"), expires_at__isnull=False)
    for request in waiting.select_related("account"):
        if request.version.reminded < _passed(request, now):
            yield request


def remind(request: DeletionRequest) -> None:
    """The newest reminder that is due; one that nobody was there to write in its time is left out."""
    with audited():
        request = DeletionRequest.locked(request.pk)
        passed = _passed(request, db_now())
        fresh = RequestVersion.objects.filter(pk=request.version.pk, reminded__lt=passed)
        if not fresh.update(reminded=passed):
            return
        if request.state == DeletionRequest.State.APPROVED:
            people = [*notices.operators(), *notices.owners(request)]
            notices.tell(_once(people), request, _("approved, and not started"), _not_started(request))
        else:
            _remind_voters(request, last=passed == len(timing().remind_after))


def _passed(request: DeletionRequest, now: datetime) -> int:
    """How many of its reminders are due: those of the votes, and behind them the one of the start."""
    clock = timing()
    if request.expires_at is None or (approval.is_late(request, now) and not request.account.is_paused):
        return 0
    if request.state == DeletionRequest.State.APPROVED:
        # By the clock, also through a pause: nobody should find out a week later that it was forgotten.
        # A blackout was planned, and ends by itself: it is left out.
        late = request.state_at + timedelta(seconds=clock.approved_expires) * clock.remind_start_after
        if late <= now:
            late += run_windows.closed_time(request.account, request.state_at, now)
        return len(clock.remind_after) + 1 if late <= now else 0
    if request.state != DeletionRequest.State.PENDING:
        return 0
    whole = request.expires_at - request.state_at
    return sum(1 for share in clock.remind_after if request.state_at + whole * share <= now)


def _remind_voters(request: DeletionRequest, *, last: bool) -> None:
    voted = set(request.version.votes.values_list("voter_id", flat=True))
    voters = [user for user in policy.eligible(request) if user.pk not in voted]
    when = story.next_step(request)
    notices.tell(voters, request, _("it still waits for your decision"), when, Topic.VOTE)
    if last:
        text = _("{when} After that it has to be asked anew.").format(when=when)
        notices.tell(notices.owners(request), request, _("it expires soon"), text, Topic.MINE)


def _not_started(request: DeletionRequest) -> str:
    late = _("It was approved at {state_at:%d %b %H:%M} UTC and has not started. {next_step}").format(
        state_at=request.state_at, next_step=story.next_step(request)
    )
    if request.account.is_paused:
        return _("{late} A pause doesn't count against it; when the account is resumed it goes on.").format(late=late)
    expires_at = approval.expiry(request, db_now())
    return _("{late} It expires at {expires_at:%d %b %H:%M} UTC.").format(late=late, expires_at=expires_at)


def _once(people: list) -> list:
    return list({user.pk: user for user in people}.values())
