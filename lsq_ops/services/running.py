"""From approved to sent: what must hold before a call leaves, and the one attempt of each send.

Order of life: start, next_call, send (look again, check, open the attempt, send); answering.py keeps what came back.
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum
from django.utils.translation import gettext as _

from lsq_ops import kinds
from lsq_ops.leadsquared.errors import Answer, Cause, Outcome
from lsq_ops.models import (
    Account,
    Attempt,
    DeletionCall,
    DeletionRequest,
    LostRace,
    TaskClaim,
    audited,
    db_now,
    durable,
    record,
    timing,
)
from lsq_ops.queue import ring
from lsq_ops.wording import lazy

from . import (
    accounts,
    approval,
    budget,
    holds,
    notices,
    policy,
    preview,
    reading,
    run_windows,
    settling,
    story,
    tokens,
    verifying,
)
from .answering import keep_answer
from .may import Barred, enough, valid_votes

WAITS = 10  # seconds until a call that waits for something else looks again
LOOKING = lazy("Reading what is there just before the send")


class Tampered(Exception):
    """What is stored is not what was approved."""


class Wait(Exception):
    """Not now: why, how many seconds until it is looked at again, and who must hear of it."""

    def __init__(self, why: str, seconds: float = WAITS, *, tell: Iterable[User] = ()) -> None:
        super().__init__(why)
        self.why, self.seconds, self.tell = why, seconds, tuple(tell)


def to_start(now: datetime) -> QuerySet[DeletionRequest]:
    """Approved, and the undo time over."""
    waits = DeletionRequest.objects.filter(~DeletionRequest.unconfirmed(), state="approved", starts_at__lte=now)
    waits = waits.filter(account__current=True, account__paused_at__isnull=True)
    return waits.none() if run_windows.of_current().closed_until(now) else waits


def start(request: DeletionRequest) -> None:
    """The undo time is over: from here on calls may leave."""
    with audited():
        request = DeletionRequest.locked(request.pk)
        now = db_now()
        if request.state != "approved" or request.starts_at is None or request.starts_at > now:
            return
        if approval.is_late(request, now):
            return  # nobody was there in time; it expires
        if request.waits_after_restore or run_windows.of(request.account).closed_until(now):
            return
        request.move("running", actor="system", state_at=now, started_at=now, expires_at=None)
        ring("work", request.pk)


def next_call() -> DeletionCall | None:
    """Claim a call that may be looked at now. The first one goes alone until it is verified as gone."""
    now = db_now()
    account = Account.objects.filter(current=True, paused_at__isnull=True).first()
    if account is None:
        return None
    calls = DeletionCall.objects.filter(
        state="planned",
        request__account=account,
        request__state="running",
        request__stop_asked_at__isnull=True,
        request__version_number=F("version__number"),
    ).exclude(request__kind__in=list(account.paused_kinds))
    calls = calls.exclude(request__restored_at__isnull=False, request__restore_confirmed_at__isnull=True)
    calls = calls.filter(Q(not_before__isnull=True) | Q(not_before__lte=now))
    calls = calls.filter(Q(claimed_until__isnull=True) | Q(claimed_until__lt=now))
    for call in (
        calls.filter(_may_go())
        .select_related("request__account", "version")
        .order_by("request_id", "size", "number")[:20]
    ):
        if run_windows.of(account).closed_until(now):
            return None
        lease = now + timedelta(seconds=timing().claim_lease)
        ours = DeletionCall.objects.filter(pk=call.pk, state="planned")
        free = Q(claimed_until__isnull=True) | Q(claimed_until__lt=now)
        if ours.filter(free).update(claimed_until=lease):
            call.claimed_until = lease
            return call
    return None


def _may_go() -> Q:
    """Either a call of the request was verified as gone, or this is the smallest left and none is under way."""
    same = DeletionCall.objects.filter(version=OuterRef("version"))
    smaller = same.filter(state="planned").filter(
        Q(size__lt=OuterRef("size")) | Q(size=OuterRef("size"), number__lt=OuterRef("number"))
    )
    first = ~Exists(smaller) & ~Exists(same.filter(state__in=("sent", "verifying")))
    return Q(Exists(same.filter(state="gone"))) | Q(first)


def send(call: DeletionCall) -> None:
    """Take one claimed call as far as it goes now: skipped, put off with its reason, or sent."""
    try:
        _check_before(call)
        if _drifted(call, _look_again(call)):
            return
        _send(call)
    except Wait as wait:
        _put_off(call, wait)
    except Tampered as why:
        _show(call, str(why))
    except Barred as no:
        _put_off(call, Wait(str(no), 60))
    except LostRace:
        pass


def _look_again(call: DeletionCall) -> list[reading.Snapshot]:
    """The readings just before the send; ordered, and waited for, where there is none that is fresh enough."""
    request, since = call.request, _fresh_since(call)
    subjects = verifying.subjects_of(call)
    done = reading.finished(request, since, of=subjects)
    missing = [subject for subject in subjects if subject not in done]
    if missing:
        reading.order(request.account, missing, reading.Lane.SEND, since=since, request=request)
        raise Wait(f"{LOOKING}.", 1)
    readings = [done[subject] for subject in subjects]
    why = next(
        (_("It was not complete: {why}").format(why=snapshot.why) for snapshot in readings if not snapshot.complete), ""
    )
    why = why or (verifying.blank(call, readings) if not _given_up(call) else "")
    if why:
        unfit = [(snapshot.subject, snapshot.subject_id) for snapshot in readings if not snapshot.complete] or subjects
        since = max(snapshot.read_at for snapshot in readings if snapshot.read_at)
        reading.order(request.account, unfit, reading.Lane.SEND, since=since, request=request)
        raise Wait(f"{LOOKING}. {why}", _patience(call), tell=notices.operators())
    return readings


def _patience(call: DeletionCall) -> int:
    """Seconds until what can't be believed is read again: a minute, and later the longer it has been so."""
    started = call.request.started_at or db_now()
    return int(min(max((db_now() - started).total_seconds() / 4, 60), 3600))


def _given_up(call: DeletionCall) -> bool:
    """A list that shows nothing at all where records should stay is read again and again, a day long."""
    started = call.request.started_at
    return started is not None and db_now() - started >= timedelta(seconds=timing().read_until)


def _fresh_since(call: DeletionCall) -> datetime:
    """A reading counts as one just before the send if it began since then: never one of the preview, and none
    from before a deletion on the same lead."""
    clock, request = timing(), call.request
    age = clock.before_send_age if call.lead_id else clock.before_send_list_age
    # What was read before a restore may be older than what was sent behind the backup.
    confirmed = request.restore_confirmed_at or request.created_at
    since = max(db_now() - timedelta(seconds=age), confirmed, request.started_at or request.created_at)
    resolved = Attempt.objects.filter(account=request.account, resolved_at__gte=since)
    resolved = resolved.filter(Q(call=call) | (Q(lead_id=call.lead_id) & ~Q(lead_id="")))
    return max([since, *(at for at in resolved.values_list("resolved_at", flat=True) if at)])


def _drifted(call: DeletionCall, readings: list[reading.Snapshot]) -> bool:
    """Compare with what was approved. What changed or grew is not sent; what is gone already is written down."""
    kind = kinds.get(call.request.kind)
    found = reading.found(call.request.kind, readings)
    items = list(call.items.select_related("content"))
    there = [item for item in items if item.record_id in found]
    changed = [i for i in there if preview.content_hash(i.content.salt, found[i.record_id].raw) != i.content_hash]
    intruders = kind.intruders(call, found, {item.record_id for item in items})
    held = holds.reasons(call.request.account, [*(i.record_id for i in items), *{i.lead_id for i in items}])
    blank = verifying.blank(call, readings)
    if blank:
        why, readings = blank, []  # it proves nothing about the items either
    elif not there:
        gone = any(snapshot.lead_gone for snapshot in readings)
        why = _("the lead was deleted or merged before the send") if gone else _("all of it was gone before the send")
    elif changed:
        why = _("{count} items changed since the approval").format(count=len(changed))
    elif intruders:
        why = _("{count} records that nobody approved are in its window now").format(count=len(intruders))
    elif held:
        why = _("put on hold since the approval")
    else:
        return False
    with audited():
        DeletionRequest.locked(call.request_id)
        approval.skip(call, actor="system", why=why, readings=readings)
        settling.settle(call.request)
        ring("work", call.request_id)
    return True


def _check_before(call: DeletionCall) -> None:
    """What may make a call wait although nothing is wrong with it; asked before anything is read for it or a place in
    the budget is taken."""
    request = call.request
    other = _under_way(call)
    if other:
        raise Wait(_waits_for(call, other))
    request.refresh_from_db()
    if not enough(request, valid_votes(request)):
        raise Wait(story.lapsed(request), tell=[*_could_confirm(request), *notices.owners(request)])
    _check_caps(call)


def _could_confirm(request: DeletionRequest) -> list[User]:
    """Who may stand in for a lapsed approval; where nobody is left, the operators, who may stop it."""
    voted = set(request.version.votes.values_list("voter_id", flat=True))
    return [user for user in policy.eligible(request) if user.pk not in voted] or notices.operators()


def _check_caps(call: DeletionCall) -> None:
    """Asked before anything is read for the call, and once more under the account's lock, so that two workers at once
    can't pass it."""
    clock, now = timing(), db_now()
    for span, cap, word in ((3600, clock.items_per_hour, _("an hour")), (86400, clock.items_per_day, _("a day"))):
        sent = Attempt.objects.filter(account_id=call.request.account_id, intent_at__gte=now - timedelta(seconds=span))
        items = sent.exclude(state__in=("not_sent", "turned_away")).aggregate(n=Sum("call__size"))["n"] or 0
        if items and items + call.size > cap:
            raise Wait(
                _("The cap of {cap:,} items {word} is reached; it goes on by itself.").format(cap=cap, word=word), 60
            )


def _send(call: DeletionCall) -> None:
    """Slot, attempt, bytes, answer. The attempt is committed before the first byte leaves."""
    gate = budget.Budget(call.request.account_id)
    try:
        ticket = gate.enter()
    except budget.BudgetSpent as spent:
        raise Wait(str(spent), 600) from None
    try:
        client = accounts.client(call.request.account)
        attempt, body = open_attempt(call)
    except BaseException:
        gate.leave(ticket, None)
        raise
    # From here on the bytes may be on their way whatever happens to us: the slot frees itself if we die.
    in_time = db_now() + timedelta(seconds=timing().http_deadline) < attempt.lease_until
    if in_time and gate.is_in_time(ticket):
        answer = client.send_delete(call.path, body)
        gate.leave(ticket, answer)
    else:
        answer = Answer(
            "send", Outcome.NOT_SENT, Cause.DEADLINE, message=_("The worker was held up; nothing was sent.")
        )
        gate.leave(ticket, None)
    keep_answer(attempt, answer)


def open_attempt(call: DeletionCall) -> tuple[Attempt, bytes]:
    """The row that says "about to be sent", and the very bytes. Raises Wait or LostRace; then nothing was written."""
    token = tokens.make()
    try:
        # LeadSquared can't be asked what it was sent: a power cut right behind the send must leave the row.
        with durable(), audited():
            return _open(call, token)
    except IntegrityError as error:
        other = _under_way(call)
        why = (
            _waits_for(call, other)
            if other
            else _("The database refused: {error}").format(error=str(error).splitlines()[0])
        )
        raise Wait(why, tell=[] if other else notices.operators()) from None


def _open(call: DeletionCall, token: str) -> tuple[Attempt, bytes]:
    request, claimed = DeletionRequest.locked(call.request_id), call.claimed_until
    call = DeletionCall.objects.select_for_update(no_key=True).get(pk=call.pk)
    # Every attempt of the account passes here one by one: a pause and the caps are in force for the next one.
    account = Account.locked(request.account_id)
    now = db_now()
    if account.is_paused or request.kind in account.paused_kinds:
        raise Wait(_("The account is paused."))
    if request.waits_after_restore:
        raise Wait(story.after_restore(request))
    if closed := run_windows.of(account).waits(now):
        raise Wait(closed)
    if request.state != "running" or request.stop_asked_at or call.state != "planned":
        raise LostRace(_("no longer to be sent"))
    if claimed is None or call.claimed_until != claimed or claimed <= now:
        raise LostRace(_("the claim ran out, and with it what was read and checked"))
    _check_caps(call)
    text = call.body.text
    digest = preview.digest_of(request.version)
    if hashlib.sha256(text.encode()).hexdigest() != call.body_hash or digest != request.version.digest:
        raise Tampered(_("What is stored is not what was approved; nothing is sent. Call an auditor."))
    number = call.attempts.count() + 1
    attempt = Attempt.objects.create(
        account=account,
        request=request,
        version=request.version,
        call=call,
        number=number,
        lead_id=call.lead_id,
        digest=digest,
        body_hash=call.body_hash,
        token_hash=token_hash(token),
        intent_at=now,
        lease_until=now + timedelta(seconds=timing().attempt_lease),
    )
    if not call.lead_id:
        ids = call.items.values_list("record_id", flat=True)
        TaskClaim.objects.bulk_create(TaskClaim(account=account, task_id=i, attempt=attempt) for i in ids)
    record(
        "attempt.intent",
        attempt,
        actor="system",
        call=call.pk,
        request=request.pk,
        body=call.body_hash,
        number=number,
    )
    call.move("sent", actor="system", sent_at=now, note="")
    return attempt, _bytes(text, token)


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _show(call: DeletionCall, why: str) -> None:
    """The whole request waits for people: two operators can only close it."""
    with audited():
        DeletionRequest.locked(call.request_id)
        DeletionCall.objects.filter(pk=call.pk, state="planned").update(
            strange=True, contradiction=why, claimed_until=None
        )
        settling.settle(call.request)


def put_off(call: DeletionCall, why: str) -> None:
    """It could not be worked on; if it is on its way already, this moves nothing."""
    _put_off(call, Wait(why, 60, tell=notices.operators()))


def _put_off(call: DeletionCall, wait: Wait) -> None:
    until = db_now() + timedelta(seconds=wait.seconds)
    ours = DeletionCall.objects.filter(pk=call.pk, state="planned", claimed_until=call.claimed_until)
    ours.update(not_before=until, claimed_until=None, note=wait.why[:500])
    if wait.tell:
        why = wait.why[:500]
        with transaction.atomic():
            # Once for each reason: who was told need not be told by every call.
            if DeletionRequest.objects.filter(pk=call.request_id).exclude(attention=why).update(attention=why):
                notices.tell(wait.tell, call.request, _("waits for people"), why)


def _under_way(call: DeletionCall) -> Attempt | None:
    """The unresolved attempt on the same lead, or that claims one of the tasks."""
    others = Attempt.objects.filter(account=call.request.account, resolved_at__isnull=True).exclude(call=call)
    if call.lead_id:
        others = others.filter(lead_id=call.lead_id)
    else:
        ids = call.items.values("record_id")
        others = others.filter(claims__task_id__in=ids)
    return others.select_related("request", "call").first()


def _waits_for(call: DeletionCall, other: Attempt) -> str:
    if other.request_id == call.request_id:
        return _("Waiting for call {number}: one at a time on a lead.").format(number=other.call.number)
    return _("Waiting for {request}: it is deleting on the same records.").format(request=other.request)


def _bytes(text: str, token: str) -> bytes:
    body: dict[str, Any] = json.loads(text)
    if settings.PUBLIC_URL:
        body["StatusWebhookURL"] = f"{settings.PUBLIC_URL.rstrip('/')}/webhooks/leadsquared/{token}/"
    return json.dumps(body, ensure_ascii=False).encode()
