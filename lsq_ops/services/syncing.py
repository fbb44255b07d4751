"""Keeping the mirror's leads in step with LeadSquared: one run after another, each a page at a time.

A run reads users and activity types, then the leads that changed (get-leads-by-date-range), and once a day looks for
every other lead of the mirror (get-leads-in-bulk-by-ids): LeadSquared never says that a lead was deleted or merged
away. What is on the leads is not read here: that would eat the account's budget.

Changed leads are read in the order of their number. `ToDate` lies ahead, so that a lead which changes meanwhile stays
on the list; one that is deleted moves all behind it up, and shows in the count: then we step back as many pages.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from lsq_ops.leadsquared.client import Client
from lsq_ops.leadsquared.errors import KeysRefused, LeadSquaredError, RateLimited
from lsq_ops.models import Account, Lead, LostRace, MirrorSync, audited, db_now, record, timing
from lsq_ops.queue import ring

from . import accounts, causes, leases, mirror, notices
from .budget import BudgetSpent, OutOfTime
from .may import Barred, Person, need

PAGE = 1000
LEAST_PAGE = 100  # rows, should LeadSquared give fewer than asked for
EVER = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)
# More than so many of the leads that were looked for, and more than this share of them: that many are not deleted in a
# day. Sooner the key's user lost the right to see them.
PLAUSIBLE, SHARE = 5, 0.05
State, Leg = MirrorSync.State, MirrorSync.Leg


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the mirror's leads are in step: the `run` that is under way, or the `last` one that ended. `done` of
    `total` are of its leg, `seconds` what is left of that; None where it isn't known."""

    on: bool
    run: MirrorSync | None = None
    as_of: datetime | None = None
    last: MirrorSync | None = None
    done: int = 0
    total: int | None = None
    seconds: float | None = None


def standing(account: Account) -> Standing:
    newest = MirrorSync.objects.filter(account=account).first()
    if newest is None:
        return Standing(account.sync_on)
    done = newest if newest.state == State.DONE else _last_done(account)
    as_of = done.covers_to if done else None
    if newest.is_over:
        return Standing(account.sync_on, as_of=as_of, last=newest)
    return _with_progress(Standing(account.sync_on, newest, as_of), newest)


def _with_progress(known: Standing, run: MirrorSync) -> Standing:
    done, total = (run.taken, run.total) if run.leg == Leg.CHANGED else (run.looked, run.to_look)
    if run.leg == Leg.USERS or not total:
        return known
    spent, all_done = (db_now() - run.begun_at).total_seconds(), run.taken + run.looked - run.carried
    seconds = spent / all_done * max(0, total - done) if all_done > 0 else None
    return replace(known, done=min(done, total), total=total, seconds=seconds)


# --- People -------------------------------------------------------------------------------------------------


def begin(user: Person) -> MirrorSync:
    """Sync now, and from now on by itself. Barred where a run is under way, or the connection was never tested."""
    need(user, "sync")
    account = accounts.current_account()
    if account.tested_at is None:
        raise Barred(_("Test the connection first: then it is known whose leads these are."))
    return start(account, by=str(user))


def start(account: Account, *, by: str) -> MirrorSync:
    with audited():
        account = Account.locked(account.pk)
        if run := MirrorSync.objects.filter(account=account, state__in=MirrorSync.open_states()).first():
            raise Barred(_("A sync is under way already, begun by {by}.").format(by=run.by))
        if not account.sync_on:
            Account.objects.filter(pk=account.pk).update(sync_on=True)
            record("account.sync_on", account, actor=by)
        return _new_run(account, by)


def stop(user: Person) -> None:
    """No run goes on, and none begins by itself. What was read stays; the next one goes on where this one stood."""
    need(user, "sync")
    end(accounts.current_account(), by=str(user))


def end(account: Account, *, by: str) -> None:
    with audited():
        account = Account.locked(account.pk)
        run = MirrorSync.objects.filter(account=account, state__in=MirrorSync.open_states()).first()
        if run is None and not account.sync_on:
            raise Barred(_("Nothing is synced, and nothing will be by itself."))
        if account.sync_on:
            Account.objects.filter(pk=account.pk).update(sync_on=False)
            record("account.sync_off", account, actor=by)
        if run:
            _stop(run, by, _("stopped by {by}").format(by=by))


def answer(user: Person, run: MirrorSync, *, gone: bool) -> None:
    """Are the missing leads gone? Yes: the run goes on, and marks them so. No: it ends, nothing is marked, and none
    begins by itself."""
    need(user, "answer_sync", run)
    if run.state != State.ASKING:
        raise Barred(_("This run asks nothing any more."))
    if not gone:
        with audited():
            Account.objects.filter(pk=run.account_id).update(sync_on=False)
            record("account.sync_off", run.account, actor=str(user))
            _stop(run, str(user), _("{user} said that the missing leads are not gone").format(user=user))
        return
    with audited():
        run.move("running", actor=str(user), allowed_by=str(user), question="", not_before=None)
        ring("work")


# --- By itself ----------------------------------------------------------------------------------------------


def begin_due() -> None:
    """The next run, where it is time; and the end of a question that nobody answered."""
    account = Account.objects.filter(current=True, sync_on=True).first()
    if account is None:
        return
    run, now = MirrorSync.objects.filter(account=account).first(), db_now()
    if run and run.state == State.ASKING and now - run.begun_at > timedelta(seconds=timing().sync_answer):
        _stop(run, "system", _("nobody answered; the next run asks again"))
    elif run is None or (run.ended_at and now - run.ended_at >= timedelta(seconds=timing().sync_every)):
        with audited():
            _new_run(account, "system")


def _new_run(account: Account, by: str) -> MirrorSync:
    now = db_now()
    facts: dict[str, Any] = _left_over(account, now) or _fresh(account, now)
    try:
        with transaction.atomic():
            run = MirrorSync.objects.create(account=account, by=by, begun_at=now, **facts)
    except IntegrityError:
        raise LostRace(_("somebody else has just begun a sync")) from None
    record("sync.running", run, actor=by, leg=run.leg, whole=run.whole)
    ring("work")
    return run


def _left_over(account: Account, now: datetime) -> dict[str, Any] | None:
    """Where a stopped run stood, unless so much time has passed that beginning anew says more."""
    last = MirrorSync.objects.filter(account=account).first()
    if last is None or last.state != State.STOPPED or now - last.covers_to > timedelta(seconds=timing().sync_overlap):
        return None
    names = ("since", "covers_to", "whole", "leg", "page", "after", "total", "to_look", "taken", "looked", "gone")
    return {"carried": last.taken + last.looked, **{name: getattr(last, name) for name in names}}


def _fresh(account: Account, now: datetime) -> dict[str, Any]:
    last = _last_done(account)
    whole = MirrorSync.objects.filter(account=account, state=State.DONE, whole=True).first()
    due = whole is None or now - whole.covers_to >= timedelta(seconds=timing().sync_whole_every)
    since = last.covers_to - timedelta(seconds=timing().sync_overlap) if last else None
    return {"since": since, "covers_to": now, "whole": due}


def _last_done(account: Account) -> MirrorSync | None:
    return MirrorSync.objects.filter(account=account, state=State.DONE).first()


def _stop(run: MirrorSync, by: str, why: str) -> None:
    run.move("stopped", actor=by, ended_at=db_now(), why=why[:300], claimed_until=None)


# --- A step -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Step:
    """What one answer of LeadSquared's makes of a run: `write` fills the mirror, `fields` are the run's own. A
    `question` stops it before anything is written."""

    write: Callable[[], object]
    fields: dict[str, Any] = field(default_factory=dict)
    question: str = ""
    done: bool = False


def step(run: MirrorSync, until: float | None = None) -> None:
    """Read one page of it. Never raises for what LeadSquared does."""
    try:
        made = LEGS[run.leg](accounts.client(run.account, until=until), run)
    except Barred as no:
        accounts.pause_account(run.account, by="system", reason=str(no))
        _later(run, timing().sync_retries[-1], str(no))
    except OutOfTime:
        _later(run, 0)
    except BudgetSpent as spent:
        _later(run, 600, str(spent))
    except RateLimited:
        _later(run, run.account.rate_seconds)
    except KeysRefused as error:
        accounts.pause_account(run.account, by="system", reason=causes.in_words(error))
        _later(run, timing().sync_retries[-1], causes.in_words(error))
    except LeadSquaredError as error:
        put_off(run, causes.in_words(error))
    else:
        _take(run, made)


def claim() -> MirrorSync | None:
    """The run that is due, ours for the time of a lease; None where none is."""
    due = _running().filter(Q(not_before=None) | Q(not_before__lte=db_now()), account__current=True)
    run: MirrorSync | None = leases.take(due.select_related("account"), _running())
    return run


def _as_seen(run: MirrorSync) -> QuerySet[MirrorSync]:
    """The row, if it still runs and nobody else took the lease."""
    return leases.held(_running(), run)


def _running() -> QuerySet[MirrorSync]:
    return MirrorSync.objects.filter(state=State.RUNNING)


def _take(run: MirrorSync, made: Step) -> None:
    """One page, one transaction: the rows, and where the run stands."""
    with audited():
        if not _as_seen(run).select_for_update(no_key=True).exists():
            return  # it was stopped meanwhile, or our lease ran out and another worker reads this page
        if made.question:
            _ask(run, made.question)
            return
        made.write()
        fields = {"claimed_until": None, "not_before": None, "tries": 0, "why": "", **made.fields}
        if made.done:
            counts = {name: fields.get(name, getattr(run, name)) for name in ("taken", "looked", "gone")}
            run.move("done", actor="system", details=counts, ended_at=db_now(), **fields)
        else:
            _as_seen(run).update(**fields)


def _ask(run: MirrorSync, question: str) -> None:
    run.move("asking", actor="system", question=question, claimed_until=None)
    notices.tell(notices.operators(), None, _("are these leads gone?"), question)


def _later(run: MirrorSync, seconds: float, why: str = "", *, tries: int = 0) -> None:
    not_before = db_now() + timedelta(seconds=seconds)
    _as_seen(run).update(claimed_until=None, not_before=not_before, why=why[:300], tries=run.tries + tries)


def put_off(run: MirrorSync, why: str) -> None:
    """A growing delay; after the last one the run stops, and the next one goes on where it stood."""
    delays = timing().sync_retries
    if run.tries < len(delays):
        _later(run, delays[run.tries], why, tries=1)
        return
    with audited():
        if _as_seen(run).select_for_update(no_key=True).exists():
            before = MirrorSync.objects.filter(account=run.account_id, pk__lt=run.pk).first()
            _stop(run, "system", why)
            if before is None or before.state == State.DONE:  # said once, not again with each run that fails
                text = _(
                    "{why} Nothing is lost: the next run goes on where this one stood, and the mirror shows its age."
                ).format(why=why)
                notices.tell(notices.operators(), None, _("the leads' sync stopped"), text)


# --- The legs -----------------------------------------------------------------------------------------------


def _users(client: Client, run: MirrorSync) -> Step:
    users, types = client.users(), client.activity_types()

    def write() -> None:
        mirror.write_users(run.account, users)
        mirror.write_types(run.account, types)

    return Step(write, {"leg": Leg.CHANGED})


def _changed(client: Client, run: MirrorSync) -> Step:
    leads, total = client.leads_modified(run.since or EVER, db_now() + AHEAD, run.page, PAGE)
    if not leads:
        return _after_changed(run, total)
    moved_up = max(0, (run.total or 0) - (total if total is not None else run.total or 0))
    page = run.page + 1 if not moved_up else _back(run, moved_up)
    taken = run.taken if moved_up else run.taken + len(leads)
    return Step(lambda: mirror.write_leads(run.account, leads), {"page": page, "total": total, "taken": taken})


def _after_changed(run: MirrorSync, total: int | None) -> Step:
    """The list has ended: a page with nothing on it, which alone proves that."""
    if run.page > 1 and total is not None and total < (run.total or 0):
        return Step(_nothing, {"page": _back(run, (run.total or 0) - total), "total": total})
    if not run.whole:
        return Step(_nothing, done=True)
    return Step(_nothing, {"leg": Leg.THERE, "to_look": _not_seen(run).count()})


def _back(run: MirrorSync, rows: int) -> int:
    """The page that may have lost rows to the one before it."""
    return max(1, run.page - ceil(rows / LEAST_PAGE))


def _there(client: Client, run: MirrorSync) -> Step:
    rows = list(_not_seen(run).filter(pk__gt=run.after).order_by("pk").values_list("pk", "prospect_id")[:PAGE])
    if not rows:
        return Step(_nothing, done=True)
    ids = [prospect_id for __, prospect_id in rows]
    leads = client.leads(ids)
    missing = sorted(set(ids) - {lead.prospect_id for lead in leads})
    gone, looked = run.gone + len(missing), run.looked + len(ids)
    if missing and not run.allowed_by and gone > max(PLAUSIBLE, looked * SHARE):
        return Step(_nothing, question=_question(gone, looked))

    def write() -> None:
        mirror.write_leads(run.account, leads)
        mirror.mark_gone(run.account, missing)

    return Step(write, {"after": rows[-1][0], "looked": looked, "gone": gone})


LEGS: dict[str, Callable[[Client, MirrorSync], Step]] = {
    Leg.USERS: _users,
    Leg.CHANGED: _changed,
    Leg.THERE: _there,
}


def _not_seen(run: MirrorSync) -> QuerySet[Lead]:
    """The mirror's leads that nothing has shown since the run began."""
    return Lead.objects.filter(account=run.account_id, gone_at__isnull=True, read_at__lt=run.covers_to)


def _question(gone: int, looked: int) -> str:
    return _(
        "LeadSquared no longer shows {gone:,} of the {looked:,} leads that were looked for. If they were "
        "deleted or merged there, answer that they are gone. If not, the key's user may have lost the "
        "right to see them: then answer that they are not, and nothing is marked."
    ).format(gone=gone, looked=looked)


def _nothing() -> None:
    pass
