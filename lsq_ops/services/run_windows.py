"""Run windows: when deletion calls may be sent, and the blackouts in which none is. Reading, syncs and webhooks go on.

Asked before anything starts, and once more under the account's lock just before each send, by the database's clock.
Operators set and lift them: who may pause and resume has that power already, and a blackout is a planned pause.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils.translation import gettext as _

from lsq_ops.models import Account, Blackout, audited, db_now, record, timing
from lsq_ops.queue import ring
from lsq_ops.wording import lazy

from . import accounts, closed_hours, notices
from .may import Barred, Person, need

MOST = 50  # in force at once
LEFT_OPEN = timedelta(hours=1)  # in one piece, at least once a week
LONGEST = timedelta(days=92)
YEARS = range(1970, 2100)
DAYS = (lazy("Mon"), lazy("Tue"), lazy("Wed"), lazy("Thu"), lazy("Fri"), lazy("Sat"), lazy("Sun"))


@dataclass(frozen=True, slots=True)
class Windows:
    """The blackouts in force of one account, and what is asked of them."""

    zone: ZoneInfo
    blackouts: tuple[Blackout, ...] = ()

    def closed_until(self, at: datetime) -> datetime | None:
        """When calls may be sent again; None where they may now. A call leaves up to a minute after its row is written,
        so the last minute before a blackout is closed too."""
        clock = timing()
        margin = timedelta(seconds=clock.attempt_lease - clock.http_deadline)
        opens = closed_hours.opens_at(self.blackouts, self.zone, at, margin)
        return opens if opens > at else None

    def opens(self, at: datetime) -> datetime:
        return self.closed_until(at) or at

    def done_at(self, start: datetime, seconds: float) -> datetime | None:
        """When so many seconds were open from `start` on; None where that takes more than a year."""
        return closed_hours.done_at(self.blackouts, self.zone, start, timedelta(seconds=seconds))

    def why(self, at: datetime) -> str:
        """The reason of the blackout that closes just now, or next where that is still to come."""
        clock = timing()
        soon = at + timedelta(seconds=clock.attempt_lease - clock.http_deadline)
        for blackout in self.blackouts:
            if any(span.end > at for span in closed_hours.spans([blackout], self.zone, at, soon)):
                return blackout.reason
        return ""

    def waits(self, at: datetime) -> str:
        """What a request says that waits for it; "" where calls may be sent."""
        opens = self.closed_until(at)
        if opens is None:
            return ""
        return _("Waits for the run window, goes on at {when}. Closed: {why}").format(
            when=clock_of(opens, self.zone), why=f"{self.why(at).rstrip('.')}."
        )


def of(account: Account) -> Windows:
    return Windows(ZoneInfo(account.time_zone), tuple(Blackout.objects.filter(account=account).in_force()))


def of_all(accounts: Iterable[Account]) -> dict[int, Windows]:
    """The same of each of them, asked for once."""
    return {pk: of(account) for pk, account in {account.pk: account for account in accounts}.items()}


def of_current() -> Windows:
    """The current account's; in one query, because whoever works asks often."""
    rows = Blackout.objects.filter(account__current=True).in_force().select_related("account")
    found = tuple(rows)
    return Windows(ZoneInfo(found[0].account.time_zone if found else "UTC"), found)


def closed_time(account: Account, since: datetime, until: datetime) -> timedelta:
    """How long nothing could be sent between the two, by what was in force at the time."""
    rows = Blackout.objects.filter(Q(lifted_at=None) | Q(lifted_at__gt=since), account=account, set_at__lt=until)
    return closed_hours.closed_time(rows, ZoneInfo(account.time_zone), since, until)


def clock_of(at: datetime, zone: ZoneInfo, day: str = "%a %d %b") -> str:
    """Local time with its zone's name, UTC beside it, each with its day."""
    local = at.astimezone(zone)
    if local.tzname() == "UTC":
        return f"{local.strftime(day)} {local:%H:%M} UTC"
    return f"{local.strftime(day)} {local:%H:%M %Z} ({at:%a %H:%M} UTC)"


def in_words(blackout: Blackout, zone: ZoneInfo) -> str:
    """ "Mon, Tue 22:00 to 06:00 the next day"; of a period its two ends, in local time and UTC."""
    if not blackout.weekdays:
        assert blackout.begins_at is not None and blackout.ends_at is not None
        begins, ends = (clock_of(at, zone, "%a %d %b %Y") for at in (blackout.begins_at, blackout.ends_at))
        return _("{begins} to {ends}").format(begins=begins, ends=ends)
    assert blackout.from_time is not None and blackout.to_time is not None
    days = ", ".join(str(DAYS[int(day)]) for day in blackout.weekdays)
    if blackout.from_time == blackout.to_time == closed_hours.MIDNIGHT:
        return _("{days}, the whole day").format(days=days)
    words = (
        _("{days} {start} to {end}")
        if blackout.to_time > blackout.from_time
        else _("{days} {start} to {end} the next day")
    )
    return words.format(days=days, start=f"{blackout.from_time:%H:%M}", end=f"{blackout.to_time:%H:%M}")


# --- Setting and lifting ---------------------------------------------------------------------------------------------


def close_hours(by: Person, weekdays: Iterable[int], from_time: time, to_time: time, reason: str) -> Blackout:
    """Every week on these days (Monday is 0), from this hour to that. The same hour twice: the whole day from then."""
    need(by, "blackout")
    days = "".join(str(day) for day in sorted(set(weekdays)) if day in range(7))
    if not days:
        raise Barred(_("Choose at least one day of the week."))
    from_time, to_time = from_time.replace(second=0, microsecond=0), to_time.replace(second=0, microsecond=0)
    return _set(by, reason, weekdays=days, from_time=from_time, to_time=to_time)


def close_period(
    by: Person,
    first_day: date,
    last_day: date,
    reason: str,
    from_time: time | None = None,
    to_time: time | None = None,
) -> Blackout:
    """Once: whole days of the account's local time, or from an hour of the first day to an hour of the last."""
    need(by, "blackout")
    if first_day.year not in YEARS or last_day.year not in YEARS:
        raise Barred(_("Choose days from {first} to {last}.").format(first=YEARS[0], last=YEARS[-1]))
    zone = ZoneInfo(accounts.current_account().time_zone)
    ends = (last_day, to_time) if to_time else (last_day + closed_hours.DAY, closed_hours.MIDNIGHT)
    begins_at = closed_hours.moment(first_day, from_time or closed_hours.MIDNIGHT, zone)
    ends_at = closed_hours.moment(*ends, zone, last=True)
    if ends_at <= begins_at:
        raise Barred(_("It ends before it begins: put the earlier day or hour first."))
    if ends_at <= db_now():
        raise Barred(_("It is over already; choose a later end."))
    if ends_at - begins_at > LONGEST:
        raise Barred(
            _("That is longer than {days} days. Pause the account for so long a time.").format(days=LONGEST.days)
        )
    return _set(by, reason, begins_at=begins_at, ends_at=ends_at)


def lift(by: Person, blackout: Blackout) -> None:
    """It ends now; what waits goes on, unless another one closes. Barred where it is over or was lifted."""
    need(by, "blackout", blackout)
    with audited():
        account, now = Account.locked(blackout.account_id), db_now()
        if not Blackout.objects.in_force(now).filter(pk=blackout.pk).update(lifted_at=now, lifted_by=str(by)):
            raise Barred(_("This blackout is over, or was lifted."))
        record("blackout.lifted", blackout, actor=str(by), when=_facts(blackout))
        said = _("{who} lifted the blackout {when}. What waits goes on when nothing else closes.")
        _tell(said.format(who=by, when=in_words(blackout, ZoneInfo(account.time_zone))))
        ring("work")


def _set(by: Person, reason: str, **facts: Any) -> Blackout:
    if not reason.strip():
        raise Barred(_("Say why: everybody whose calls wait will read it."))
    with audited():
        # Under the lock that each send takes: who has set it knows that none begins behind it.
        account = Account.locked(accounts.current_account().pk)
        others = list(Blackout.objects.filter(account=account).in_force())
        made = Blackout(account=account, reason=reason.strip()[:300], set_by=str(by), set_at=db_now(), **facts)
        _check([*others, made])
        made.save()
        record("blackout.set", made, actor=str(by), when=_facts(made), cause=made.reason)
        said = _("{who} set a blackout {when}: {why} Nothing is lost: what is approved waits, and goes on by itself.")
        _tell(said.format(who=by, when=in_words(made, ZoneInfo(account.time_zone)), why=made.reason))
    return made


def _check(blackouts: list[Blackout]) -> None:
    if len(blackouts) > MOST:
        raise Barred(_("There are {most} blackouts already; lift one that nobody needs.").format(most=MOST))
    if closed_hours.longest_open([one for one in blackouts if one.weekdays]) < LEFT_OPEN:
        raise Barred(
            _(
                "That would leave less than an hour a week open in one piece, too little to send anything. Leave more"
                " hours open, or pause the account."
            )
        )


def _facts(blackout: Blackout) -> str:
    """For the trail: the same in every language."""
    if blackout.weekdays:
        return f"days {blackout.weekdays} {blackout.from_time:%H:%M} to {blackout.to_time:%H:%M}"
    return f"{blackout.begins_at:%Y-%m-%d %H:%M} to {blackout.ends_at:%Y-%m-%d %H:%M} UTC"


def _tell(text: str) -> None:
    notices.tell(notices.operators(), None, _("run windows changed"), text)
