"""The end is decided by reading. A call is read back on its schedule, judged, and its request settled from its
calls."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from lsq_ops import kinds
from lsq_ops.kinds.base import Record
from lsq_ops.models import (
    ActivitySnapshot,
    Attempt,
    DeletionCall,
    DeletionItem,
    DeletionRequest,
    LostRace,
    TaskClaim,
    WebhookReceipt,
    audited,
    db_now,
    record,
    timing,
)
from lsq_ops.queue import ring
from lsq_ops.wording import marked

from . import accounts, reading
from .may import Person, need
from .settling import settle

BLANK = marked(
    "LeadSquared shows nothing at all where other records should stay; that is not believed, and read again."
)


def due(now: datetime) -> QuerySet[DeletionCall]:
    """Calls whose time to be read back has come."""
    calls = DeletionCall.objects.filter(state="verifying", not_before__lte=now)
    return calls.select_related("request__account")[:100]


def order(call: DeletionCall) -> None:
    """Order the readings that decide a call."""
    if _sends_first(call):
        return
    now = db_now()
    mine = DeletionCall.objects.filter(pk=call.pk, state="verifying", not_before=call.not_before)
    with transaction.atomic():  # a call that is being read has its readings ordered, wherever we are killed
        if mine.update(not_before=None, read_from=now, reads=F("reads") + 1):
            reading.order(call.request.account, subjects_of(call), reading.Lane.VERIFY, since=now, request=call.request)


def _sends_first(call: DeletionCall) -> bool:
    """One list reading serves all calls of a request: while its other calls can still leave, wait for them, a minute
    long."""
    if call.lead_id or call.sent_at is None or (db_now() - call.sent_at).total_seconds() > 60:
        return False
    same = DeletionCall.objects.filter(version=call.version_id)
    ready = same.filter(state="planned", not_before__isnull=True) | same.filter(
        state="planned", not_before__lte=db_now()
    )
    return same.filter(state="gone").exists() and (ready.exists() or same.filter(state="sent").exists())


def reverify(user: Person, request: DeletionRequest) -> int:
    """Read back now instead of on schedule; the number of calls that are read."""
    need(user, "reverify", request)
    waiting = DeletionCall.objects.filter(request=request, state="verifying", not_before__isnull=False)
    count = waiting.update(not_before=db_now())
    ring("work", request.pk)
    return count


def judge_ready(request: DeletionRequest) -> None:
    """Judge each call of the request whose readings are all in."""
    for call in request.calls.filter(state="verifying", not_before__isnull=True, read_from__isnull=False):
        call.request = request
        judge(call)


def judge(call: DeletionCall) -> None:
    """Decide one call by the readings begun since it was due; without all of them, or with one not whole, read
    again."""
    subjects = subjects_of(call)
    assert call.read_from is not None
    done = reading.finished(call.request, call.read_from, of=subjects)
    if any(subject not in done for subject in subjects):
        return
    used = [done[subject] for subject in subjects]
    try:
        with audited():
            request = DeletionRequest.locked(call.request_id)
            call.refresh_from_db()
            if call.state != "verifying":
                return
            heard(last_attempt(call))
            why = next((snapshot.why for snapshot in used if not snapshot.complete), "") or blank(call, used)
            _show_blank(call, why)
            if why:
                _not_whole(call, why)
            else:
                decide(call, used)
            settle(request)
    except LostRace:
        return


def blank(call: DeletionCall, used: Iterable[ActivitySnapshot]) -> str:
    """Why a list is not believed that shows nothing at all, of a lead or owner that lives and had more than our items;
    empty where none does. LeadSquared has answered so when it was ill, and it would prove that everything is gone."""
    for snapshot in used:
        if snapshot.records or snapshot.lead_gone or not snapshot.read_at:
            continue
        same = call.request.snapshots.filter(subject=snapshot.subject, subject_id=snapshot.subject_id, records__gt=0)
        earlier = same.filter(complete=True, read_at__lt=snapshot.read_at).order_by("-read_at").first()
        of = "owner_id" if snapshot.subject == ActivitySnapshot.Subject.OWNER_TASKS else "lead_id"
        ours = call.version.items.filter(**{of: snapshot.subject_id}).count()
        if earlier and earlier.records > ours:
            return BLANK
    return ""


def _show_blank(call: DeletionCall, why: str) -> None:
    """While all seems gone nothing more of the request is sent; the next reading that shows something ends that."""
    if (why == BLANK) != (call.contradiction == BLANK):
        call.strange, call.contradiction = why == BLANK, why if why == BLANK else ""
        call.save(update_fields=["strange", "contradiction"])


def subjects_of(call: DeletionCall) -> list[tuple[str, str]]:
    leads = DeletionItem.objects.filter(call=call).exclude(lead_id="").values_list("lead_id", flat=True)
    return kinds.get(call.request.kind).call_subjects(call, set(leads))


def last_attempt(call: DeletionCall) -> Attempt:
    attempt = call.attempts.order_by("-number").first()
    assert attempt is not None
    return attempt


def heard(attempt: Attempt) -> None:
    """A webhook came for an attempt whose answer is unknown: LeadSquared took it."""
    if attempt.state == "unknown" and WebhookReceipt.objects.filter(attempt=attempt).exists():
        attempt.move("accepted", actor="webhook", details={"call": attempt.call_id})


def decide(call: DeletionCall, used: list[ActivitySnapshot], *, final: bool = False) -> None:
    """End the call, or read again later. `final`: two people decided that what is still there stays."""
    attempt = last_attempt(call)
    found = reading.found(call.request.kind, used)
    items = list(call.items.all())
    left = {item.record_id for item in items if item.record_id in found}
    before = there_before(call)
    lost = vanished(call, before, found)
    nobody_knows = untold(items, used, left)
    if nobody_knows and not left:
        why = _("the lead was deleted or merged after the send")
        end(call, attempt, "unverifiable", items, left, before, why, nobody_knows)
    elif lost and _alarm(call, lost):
        why = _("{count} records that should stay are gone").format(count=len(lost))
        end(call, attempt, "over_deleted", items, left, before, why, nobody_knows)
    elif not left:
        end(call, attempt, "gone", items, set(), before, "")
    elif final or attempt.state == "refused" or (attempt.state == "accepted" and _schedule_over(call)):
        state = "still_present" if len(left) == len(items) else "partial"
        end(call, attempt, state, items, left, before, attempt.message, nobody_knows)
    else:
        _read_again(call)


def untold(items: Iterable[DeletionItem], used: Iterable[ActivitySnapshot], there: Collection[str]) -> set[str]:
    """Items that no list shows, of a lead that is gone: they may be gone with it, or live on with another lead. A task
    that was given to another owner as well is in no list that we could ask for."""
    gone = {snapshot.subject_id for snapshot in used if snapshot.lead_gone}
    return {item.record_id for item in items if item.lead_id in gone and item.record_id not in there}


def there_before(call: DeletionCall) -> Mapping[str, Record]:
    """What was there in the readings just before the first send that may have done something: a second one may end
    what the first one did late."""
    first = call.attempts.filter(state__in=Attempt.MAY_HAVE_ACTED).order_by("number").first()
    if first is None:
        return {}
    since = call.request.started_at or call.request.created_at
    done = reading.finished(call.request, since, until=first.intent_at, of=subjects_of(call), whole=True)
    return reading.found(call.request.kind, done.values())


def vanished(call: DeletionCall, before: Mapping[str, Record], now: Mapping[str, Record]) -> list[Record]:
    """What was there before the send, nobody asked to delete, and is gone: kept neighbours, and what came since the
    approval. Items of ours are explained, if they are this version's or their call was sent and not refused."""
    missing = list(before.keys() - now.keys())
    explained: set[str] = set()
    taken = [state for state in Attempt.MAY_HAVE_ACTED if state != "refused"]
    ours = Q(version=call.version_id) | Q(call__attempts__state__in=taken)
    for start in range(0, len(missing), 500):
        items = DeletionItem.objects.filter(ours, record_id__in=missing[start : start + 500])
        explained |= set(items.values_list("record_id", flat=True))
    return [before[record_id] for record_id in missing if record_id not in explained]


def _alarm(call: DeletionCall, lost: list[Record]) -> bool:
    """Ours by codes or window: an alarm, and the account pauses. Else somebody else's doing: the request alone is
    marked."""
    if any(kinds.get(call.request.kind).suspects(call, neighbour) for neighbour in lost):
        accounts.pause_account(
            call.request.account,
            by="system",
            reason=_("More went than was approved: {request}, call {number}.").format(
                request=call.request, number=call.number
            ),
        )
        return True
    _mark_strange(
        call, _("{count} records that should stay vanished; this call can't have taken them.").format(count=len(lost))
    )
    return False


def _mark_strange(call: DeletionCall, note: str) -> None:
    call.strange, call.contradiction = True, note
    call.save(update_fields=["strange", "contradiction"])


def unsent(call: DeletionCall, readings: Iterable[ActivitySnapshot]) -> dict[str, list[int]]:
    """Outcome -> items (their keys) of a call that isn't sent, by the readings where there are any. A call that was
    to be sent a second time may have done its work the first time: then nothing is called "not sent"."""
    items, sent = list(call.items.all()), call.attempts.filter(state__in=Attempt.MAY_HAVE_ACTED).exists()
    readings = list(readings) or (last_readings(call) if sent else [])
    lead_gone = bool(call.lead_id) and any(snapshot.lead_gone for snapshot in readings)
    if not readings or (sent and lead_gone):
        return {"unverifiable" if sent else "skipped": [item.pk for item in items]}
    found = reading.found(call.request.kind, readings)
    # What stood on a lead goes with it; a task may not.
    nobody_knows = set() if call.lead_id else untold(items, readings, found)
    if sent and (lost := vanished(call, there_before(call), found)) and _alarm(call, lost):
        _mark_strange(call, _("More went than was approved."))
    return {
        "gone" if sent else "already_gone": [i.pk for i in items if i.record_id not in {*found, *nobody_knows}],
        "still_present" if sent else "skipped": [i.pk for i in items if i.record_id in found],
        "unverifiable": [i.pk for i in items if i.record_id in nobody_knows],
    }


def last_readings(call: DeletionCall) -> list[ActivitySnapshot]:
    """The last complete readings since the send; empty where one is missing."""
    subjects = subjects_of(call)
    since = call.sent_at or call.request.created_at
    done = reading.finished(call.request, since, of=subjects, whole=True)
    return [done[subject] for subject in subjects] if len(done) == len(subjects) else []


def _not_whole(call: DeletionCall, why: str) -> None:
    """Nothing is concluded from a reading that isn't whole. A day after the send it is said that it can't be read; an
    unknown outcome waits for people."""
    attempt = last_attempt(call)
    if attempt.state != "unknown" and _schedule_over(call) and call.reads > len(timing().read_schedule):
        end(
            call,
            attempt,
            "unverifiable",
            list(call.items.all()),
            set(),
            {},
            _("could not be read: {why}").format(why=why),
        )
    else:
        _read_again(call)


def _schedule_over(call: DeletionCall) -> bool:
    return call.sent_at is not None and (db_now() - call.sent_at).total_seconds() >= timing().read_until


def _read_again(call: DeletionCall) -> None:
    """The next reading of the schedule: then hourly. An unknown outcome is read on until people decide."""
    clock, now = timing(), db_now()
    sent = call.sent_at or now
    later = [sent + timedelta(seconds=s) for s in clock.read_schedule if sent + timedelta(seconds=s) > now]
    when = later[0] if later else now + timedelta(seconds=clock.read_then_every)
    if WebhookReceipt.objects.filter(attempt__call=call, first_at__gte=call.read_from or now).exists():
        when = now  # it came while we were reading, and was not read for
    DeletionCall.objects.filter(pk=call.pk).update(not_before=when)


def end(
    call: DeletionCall,
    attempt: Attempt,
    state: str,
    items: list[DeletionItem],
    left: set[str],
    before: Mapping[str, Record],
    note: str,
    nobody_knows: Collection[str] = (),
) -> None:
    """End the call, its items and its attempt in one act."""
    now = db_now()
    gone = [i for i in items if i.record_id not in left and i.record_id not in nobody_knows]
    outcomes = {
        "gone": [i.pk for i in gone if i.record_id in before],
        "already_gone": [i.pk for i in gone if i.record_id not in before],
        "still_present": [i.pk for i in items if i.record_id in left],
        "unverifiable": [i.pk for i in items if i.record_id in nobody_knows],
    }
    if state == "unverifiable" and not nobody_knows:
        outcomes = {"unverifiable": [i.pk for i in items]}
    counts = write_outcomes(outcomes)
    says = [call.contradiction, contradiction(attempt, state)]
    call.move(
        state,
        actor="system",
        details=counts,
        ended_at=now,
        note=note[:500],
        contradiction=" ".join(filter(None, says))[:300],
        not_before=None,
    )
    resolve(attempt)
    ring("work", call.request_id)


def write_outcomes(outcomes: dict[str, list[int]]) -> dict[str, int]:
    """Write each item's outcome, once; how many got which."""
    now = db_now()
    for outcome, pks in outcomes.items():
        for start in range(0, len(pks), 500):
            items = DeletionItem.objects.filter(pk__in=pks[start : start + 500], outcome="")
            items.update(outcome=outcome, outcome_at=now)
    return {outcome: len(pks) for outcome, pks in outcomes.items() if pks}


def release(attempt: Attempt) -> None:
    """Give back what the attempt held: it is resolved."""
    TaskClaim.objects.filter(attempt=attempt).delete()


def resolve(attempt: Attempt) -> None:
    """The attempt's call ended or is planned again."""
    Attempt.objects.filter(pk=attempt.pk, resolved_at__isnull=True).update(resolved_at=db_now())
    record("attempt.resolved", attempt, actor="system", call=attempt.call_id)
    release(attempt)


def contradiction(attempt: Attempt, state: str) -> str:
    """Where the webhooks and the reading disagree, in a sentence; empty where they don't."""
    said = set(attempt.receipts.exclude(says_success=None).values_list("says_success", flat=True))
    if said == {True, False}:
        return _("One webhook reported success, another one failure. Reading decides.")
    if state == "gone" and said == {False}:
        return _("The webhook reported failure, but the reading shows it gone. Reading decides.")
    if state in ("still_present", "partial") and True in said:
        return _("The webhook reported success, but the reading shows items still there. Reading decides.")
    return ""
