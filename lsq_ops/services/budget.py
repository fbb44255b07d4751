"""The account's rate budget: one ring of slots for all processes on all machines.

N slots; a slot is free again W seconds after its *answer* was stamped, so that however long a call was on the wire, no
more than N of them can reach LeadSquared within W seconds. One short transaction takes the slot that frees first and
writes the reservation with the HTTP deadline as its crash fallback; then sleep to the absolute time, call, stamp.
"""

import time
import uuid
from dataclasses import dataclass
from datetime import date

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from lsq_ops.leadsquared.errors import Answer, Cause
from lsq_ops.models import Account, BudgetDay, BudgetSlot, audited, db_now, record, timing
from lsq_ops.queue import is_stopping

ALL_TAKEN = 0.2  # seconds until somebody who found no slot looks again; a stamped one is not free before its window
RECOVERS_EVERY = 3600  # seconds after which one learnt-away call per window is tried again


class BudgetSpent(Exception):
    """The day's calls are used up. Nothing is lost; it goes on after midnight UTC."""


class OutOfTime(Exception):
    """The worker's time is over before all that belongs together could be asked."""


@dataclass(frozen=True, slots=True)
class Ticket:
    slot_id: int
    key: str
    at: float = 0.0  # when the slot is ours, in seconds since 1970


class Budget:
    """The gate of the API client: `enter` waits for a slot, `leave` stamps the answer's time.

    `until`: the second (monotonic) after which nothing more is asked; OutOfTime then, or when the worker is to end.
    """

    def __init__(self, account_id: int, *, until: float | None = None) -> None:
        self.account_id, self.until = account_id, until

    def enter(self) -> Ticket:
        while self.until is None or (time.monotonic() < self.until and not is_stopping()):
            with transaction.atomic():
                taken = self._take()
            if taken is None:
                time.sleep(ALL_TAKEN)
                continue
            ticket, wait = taken
            self._sleep(ticket, wait)
            if self.is_in_time(ticket):
                return ticket
            self.leave(ticket, None)
        raise OutOfTime

    def is_in_time(self, ticket: Ticket) -> bool:
        """False for a process that was stopped, or waited for a lock, so long that its slot may be somebody else's."""
        return _epoch() <= ticket.at + timing().begins_within

    def leave(self, ticket: Ticket, answer: Answer | None) -> None:
        """Stamp the slot; without an answer nothing was sent and the slot is free at once."""
        account = Account.objects.get(pk=self.account_id)
        free_at = _epoch() + (account.rate_seconds if answer else 0)
        BudgetSlot.objects.filter(pk=ticket.slot_id, ticket=ticket.key).update(free_at=free_at, ticket="")
        if answer and answer.cause == Cause.RATE:
            self._learn(answer)

    def _sleep(self, ticket: Ticket, wait: float) -> None:
        """Until the slot's time has come; who is called off meanwhile gives it back as it was."""
        try:
            time.sleep(max(wait, 0))
        except BaseException:
            BudgetSlot.objects.filter(pk=ticket.slot_id, ticket=ticket.key).update(free_at=ticket.at, ticket="")
            raise

    def _take(self) -> tuple[Ticket, float] | None:
        """A slot that nobody holds, and the seconds until it is free; None where all are held."""
        account, today = Account.objects.get(pk=self.account_id), db_now()
        now = today.timestamp()
        size = size_of(account)
        slots = BudgetSlot.objects.filter(account=account, number__lt=size)
        # Behind a call that is under way only its crash fallback is known: who queued there would wait for that, and
        # with more callers than slots the waits would add up for ever.
        idle = slots.filter(Q(ticket="") | Q(free_at__lte=now))
        idle = idle.select_for_update(skip_locked=connection.vendor == "postgresql").order_by("free_at", "number")
        slot = idle.first()
        if slot is None and slots.count() < size:
            self._fill(account, size)
            slot = idle.first()
        if slot is None:
            return None
        at = max(now, slot.free_at, account.hold_until)
        key = uuid.uuid4().hex
        fallback = at + timing().begins_within + timing().http_deadline + account.rate_seconds
        BudgetSlot.objects.filter(pk=slot.pk).update(free_at=fallback, ticket=key)
        _count(account, today.date())
        return Ticket(slot.pk, key, at), at - now

    def _fill(self, account: Account, size: int) -> None:
        """Slots are made when first needed; several processes may do it at once."""
        rows = [BudgetSlot(account=account, number=number) for number in range(size)]
        BudgetSlot.objects.bulk_create(rows, ignore_conflicts=True)

    def _learn(self, answer: Answer) -> None:
        """LeadSquared said how many calls it takes: everybody waits the window, and N is lowered if it must be."""
        with audited():
            account = Account.locked(self.account_id)
            seconds = answer.rate.seconds if answer.rate else account.rate_seconds
            account.hold_until = max(account.hold_until, _epoch() + seconds)
            account.save(update_fields=["hold_until"])
            if account.learnt_at and (db_now() - account.learnt_at).total_seconds() < seconds:
                return  # one burst of refusals is one lesson
            said = answer.rate.n if answer.rate else account.rate_calls
            lower = max(1, min(_ours(said), size_of(account) - 1))
            account.learnt_calls, account.learnt_at = lower, db_now()
            account.save(update_fields=["learnt_calls", "learnt_at"])
            record("account.learnt", account, actor="system", calls=lower, seconds=seconds)


def size_of(account: Account) -> int:
    """Calls per window that are ours: the limit less the reserve, lowered by what was learnt, recovering slowly."""
    ours = _ours(account.rate_calls)
    if account.learnt_calls is None or account.learnt_at is None:
        return ours
    recovered = int((db_now() - account.learnt_at).total_seconds() // RECOVERS_EVERY)
    return max(1, min(ours, account.learnt_calls + recovered))


def _ours(limit: int) -> int:
    return max(1, int(limit * (1 - settings.LSQ_RESERVE) + 1e-9))


def daily_cap() -> int | None:
    """Calls a day that are ours; None where no daily limit is set."""
    limit = settings.LSQ_DAILY_LIMIT
    return _ours(limit) if limit else None


def used_today(account: Account) -> int:
    row = BudgetDay.objects.filter(account=account, day=db_now().date()).first()
    return row.calls if row else 0


def calls_elsewhere(account: Account, calls: int | None) -> None:
    """Calls of today that this database doesn't know of: so many, or as many as the day allows. For a whole window
    nobody calls: some may have been made just now."""
    now = db_now()
    Account.objects.filter(pk=account.pk).update(hold_until=now.timestamp() + account.rate_seconds)
    most = daily_cap()
    used = calls if calls is not None else most
    if used is not None:
        BudgetDay.objects.update_or_create(account=account, day=now.date(), defaults={"calls": used})


def in_window(account: Account) -> int:
    """Slots that are taken or not yet free again."""
    return BudgetSlot.objects.filter(account=account, free_at__gt=_epoch()).count()


def _count(account: Account, day: date) -> None:
    cap = daily_cap()
    rows = BudgetDay.objects.filter(account=account, day=day)
    if cap is not None:
        rows = rows.filter(calls__lt=cap)
    # Twice, because another process may make the day's row between our look and our insert.
    for __ in range(2):
        if rows.update(calls=F("calls") + 1):
            return
        _row, made = BudgetDay.objects.get_or_create(account=account, day=day, defaults={"calls": 1})
        if made:
            return
    raise BudgetSpent(_("The {cap} calls of today are used up; it goes on after midnight UTC.").format(cap=cap))


def _epoch() -> float:
    return db_now().timestamp()
