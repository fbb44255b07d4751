"""Submit, vote, undo: how a request comes to be approved, or not. Told in the order of life."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from lsq_ops import kinds
from lsq_ops.kinds.base import Subject
from lsq_ops.models import (
    ActivitySnapshot,
    DeletionCall,
    DeletionRequest,
    RequestVersion,
    Topic,
    Vote,
    audited,
    db_now,
    record,
    timing,
)
from lsq_ops.queue import ring

from . import drafting, holds, notices, policy, preview, reading, run_windows, second_factor, story, striking
from .may import Barred, Person, enough, grant_in_force, may, need, standing_vote, valid_votes
from .settling import settle


def submit(user: Person, request: DeletionRequest) -> None:
    """Freeze the version with its digest and tier, and ask the approvers. Barred with what is missing."""
    with audited():
        request = DeletionRequest.locked(request.pk)
        need(user, "submit", request)
        version, now = request.version, db_now()
        _check_reading(version, now)
        _check_items(request, now)
        tier = policy.tier_of(request)
        short = policy.shortage(request, tier)
        if short:
            raise Barred(short)
        digest = preview.digest_of(version)
        RequestVersion.objects.filter(pk=version.pk, submitted_at__isnull=True).update(
            digest=digest,
            submitted_at=now,
            submitted_by=user,
            tier=tier.name,
            tier_reason=tier.reason,
            approvals_needed=tier.approvals,
            teams_needed=tier.teams,
            wait_seconds=tier.wait,
        )
        expires = policy.working_days_later(now, timing().pending_working_days)
        request.move(
            "pending",
            actor=str(user),
            details={
                "version": version.number,
                "digest": digest,
                "items": version.items_count,
                "tier": tier.name,
            },
            state_at=now,
            expires_at=expires,
            attention="",
        )
        text = _("{items_count:,} items, {name} tier. It expires {expires:%d %b %Y %H:%M} UTC.").format(
            items_count=version.items_count, name=tier.name, expires=expires
        )
        notices.tell(policy.eligible(request), request, _("please decide"), text, Topic.VOTE)


def vote(
    user: Person,
    request: DeletionRequest,
    decision: str,
    *,
    digest: str,
    reason: str = "",
    count: int | None = None,
    leave_out: Collection[striking.Strike] = (),
    factor_at: datetime | None = None,
) -> None:
    """Approve, reject or ask for changes, on exactly what the voter was shown (its digest). Who asks for changes may
    propose what to leave out. `factor_at`: when the voter's second factor was last checked."""
    need(user, "vote", request)
    if _reading_is_old(request):
        raise Barred(_read_again(request))
    with audited():
        request = DeletionRequest.locked(request.pk)
        need(user, "vote", request)
        _check_shown(request, digest)
        if request.expires_at and request.expires_at <= db_now():
            raise Barred(_("This request has expired; clone it to ask again."))
        second_factor.need_fresh(user, request.version, factor_at)
        if decision == "approve":
            _check_holds(request.version)
            _check_count(request.version, count)
        elif not reason.strip():
            raise Barred(_("Say why: the requester will read it."))
        made = _cast(user, request, decision, reason.strip(), **striking.told(leave_out))
        striking.propose(made, leave_out)
        _after_vote(request, made)


def take_back(user: Person, request: DeletionRequest) -> None:
    """Possible until the quorum is reached; the person votes again only on a new version."""
    with audited():
        request = DeletionRequest.locked(request.pk)
        need(user, "take_back", request)
        old = standing_vote(user, request)
        assert old is not None
        _cast(user, request, Vote.Decision.WITHDRAWN, "", takes_back=old)


def confirm_vote(user: Person, request: DeletionRequest, digest: str, *, factor_at: datetime | None = None) -> None:
    """Another approver stands in for one whose approval lapsed while the request was on its way."""
    with audited():
        request = DeletionRequest.locked(request.pk)
        need(user, "confirm_vote", request)
        _check_shown(request, digest)
        second_factor.need_fresh(user, request.version, factor_at)
        if enough(request, valid_votes(request)):
            raise Barred(_("No approval has lapsed; nothing needs confirming."))
        _cast(user, request, Vote.Decision.CONFIRM, "")
        if enough(request, valid_votes(request)):
            settle(request)  # what it waited for is over: should it lapse once more, people are told once more
            waited = DeletionCall.objects.filter(
                version=request.version, state="planned", note__startswith=_(story.LAPSED)
            )
            waited.update(not_before=None, note="")
        ring("work", request.pk)


def withdraw(user: Person, request: DeletionRequest) -> None:
    with audited():
        request = DeletionRequest.locked(request.pk)
        need(user, "withdraw", request)
        _end(request, "withdrawn", actor=str(user))


def cancel(user: Person, request: DeletionRequest) -> None:
    """Undo, before anything is sent."""
    with audited():
        request = DeletionRequest.locked(request.pk)
        need(user, "cancel", request)
        _end(request, "cancelled", actor=str(user))
        text = _("Cancelled by {user}. Nothing was sent.").format(user=user)
        notices.tell(notices.owners(request), request, "cancelled", text, Topic.MINE)


def stop(user: Person, request: DeletionRequest) -> tuple[int, int]:
    """Nothing more is sent. Returns (calls that LeadSquared has taken, calls that are not sent)."""
    with audited():
        request = DeletionRequest.locked(request.pk)
        need(user, "stop", request)
        now = db_now()
        DeletionRequest.objects.filter(pk=request.pk).update(stop_asked_at=now, stop_asked_by=str(user))
        record("request.stop_asked", request, actor=str(user))
        taken = request.version.calls.exclude(state__in=("planned", "skipped")).count()
        skipped = skip_planned(request, actor=str(user), why=_("stopped by {user}").format(user=user))
        settle(request)
    return taken, skipped


def skip_planned(request: DeletionRequest, *, actor: str, why: str) -> int:
    calls = list(DeletionCall.objects.select_for_update(no_key=True).filter(version=request.version, state="planned"))
    for call in calls:
        skip(call, actor=actor, why=why)
    return len(calls)


def skip(call: DeletionCall, *, actor: str, why: str, readings: Iterable[ActivitySnapshot] = ()) -> None:
    """End a call that isn't sent; its items get their outcome with it, by the `readings` where there are any."""
    from .verifying import unsent, write_outcomes

    counts = write_outcomes(unsent(call, readings))
    details = {"items": call.size, "why": why[:200], **counts}
    call.move("skipped", actor=actor, details=details, ended_at=db_now(), note=why[:500])


def to_expire(now: datetime) -> list[DeletionRequest]:
    """Waited too long for votes, or for the start; a pause doesn't count against the latter, nor does a blackout."""
    late = DeletionRequest.objects.filter(state__in=("pending", "approved"), expires_at__lte=now)
    late = late.exclude(state="approved", account__paused_at__isnull=False).select_related("account")
    return [request for request in late if is_late(request, now)]


def is_late(request: DeletionRequest, now: datetime) -> bool:
    """Its time is over, whether it waits for votes or for its start."""
    if request.expires_at is None or request.expires_at > now:
        return False
    return request.state != "approved" or expiry(request, now) <= now


def expiry(request: DeletionRequest, now: datetime) -> datetime:
    """Until when an approved request must have started: what blackouts took of its time so far is given back."""
    assert request.expires_at is not None
    return request.expires_at + run_windows.closed_time(request.account, request.state_at, now)


def expire(request: DeletionRequest) -> None:
    """Pending too long, or approved and not started in time; a pause doesn't count against the latter."""
    with audited():
        request = DeletionRequest.locked(request.pk)
        if request.state == "approved" and request.account.is_paused:
            return
        if request.state in ("pending", "approved") and is_late(request, db_now()):
            _end(request, "expired", actor="system")
            text = _("Nothing was sent. Clone it to ask again.")
            notices.tell(notices.owners(request), request, "expired", text, Topic.MINE)


def withdraw_idle() -> None:
    """A draft that nobody touched for a month is withdrawn."""
    idle = db_now() - timedelta(seconds=timing().draft_idle)
    touched = Exists(RequestVersion.objects.filter(request=OuterRef("pk"), made_at__gt=idle))
    for request in DeletionRequest.objects.filter(~touched, state="draft", state_at__lte=idle):
        with audited():
            request = DeletionRequest.locked(request.pk)
            if request.state == "draft":
                _end(request, "withdrawn", actor="system")
                text = _("Nobody touched this draft for 30 days.")
                notices.tell(notices.owners(request), request, "withdrawn", text, Topic.MINE)


def recheck(request: DeletionRequest) -> None:
    """The repeated reading of a pending request is in: the same, and the votes stand; else back to draft."""
    version = request.version
    if request.state != "pending" or version.recheck_from is None:
        return
    subjects, done = preview.subjects_and_readings(request, version.recheck_from)
    if len(done) < len(subjects):
        reading.order(request.account, subjects, reading.Lane.PREVIEW, since=version.recheck_from, request=request)
        return
    if not all(snapshot.complete for snapshot in done.values()):
        RequestVersion.objects.filter(pk=version.pk).update(recheck_from=None)  # the next vote asks again
        return
    difference = _difference(request, done)
    with audited():
        request = DeletionRequest.locked(request.pk)
        if request.state != "pending" or request.version_number != version.number:
            return
        if difference:
            record("request.changed_since_submit", request, actor="system", version=version.number)
            drafting.back_to_draft(request, difference)
            notices.tell(notices.owners(request), request, _("changed meanwhile"), difference, Topic.MINE)
        else:
            RequestVersion.objects.filter(pk=version.pk).update(rechecked_at=db_now(), recheck_from=None)


def _check_reading(version: RequestVersion, now: datetime) -> None:
    if version.read_at and (now - version.read_at).total_seconds() > timing().reading_max_age:
        raise Barred(_("The reading is older than 4 hours; read again before you submit."))


def _check_items(request: DeletionRequest, now: datetime) -> None:
    version, clock = request.version, timing()
    if request.account.tested_at is None:
        # Whose account it is belongs to what is approved: learnt later, it would not be what was approved any more.
        raise Barred(
            _("It is not known yet whose LeadSquared account this is. Let an operator test the connection first.")
        )
    settled = now - timedelta(seconds=clock.window_settled)
    if version.calls.filter(window_to__gt=settled).exists():
        raise Barred(_("A window ends less than an hour ago; read again a little later."))
    _check_holds(version)
    if unproven := policy.unproven(request):
        raise Barred(unproven)


def _check_holds(version: RequestVersion) -> None:
    if held := holds.on_version(version):
        raise Barred(
            _("{in_words} on hold. Its requester can go on without, by one click on its page.").format(
                in_words=holds.in_words(held)
            )
        )


def _reading_is_old(request: DeletionRequest) -> bool:
    version = request.version
    read_at = version.rechecked_at or version.read_at
    return bool(read_at and (db_now() - read_at).total_seconds() > timing().reading_max_age)


def _read_again(request: DeletionRequest) -> str:
    """Order the reading again unless it is under way; the sentence for the voter."""
    version = request.version
    if version.recheck_from is None:
        now = db_now()
        with transaction.atomic():
            RequestVersion.objects.filter(pk=version.pk, recheck_from__isnull=True).update(recheck_from=now)
            subjects = kinds.get(request.kind).subjects(preview.targets_of(version), {})
            reading.order(request.account, subjects, reading.Lane.PREVIEW, since=now, request=request)
    return _(
        "The reading is older than 4 hours, so the leads are being read again now. Vote when that is done: if"
        " nothing has changed you see the same list; if something has, the request goes back to its requester."
    )


def _difference(request: DeletionRequest, done: dict[Subject, reading.Snapshot]) -> str:
    """What differs between the submitted reading and a new one, in words; empty where nothing does."""
    plan = preview.make_plan(request, done)
    version = request.version
    salts = dict(version.items.values_list("record_id", "content__salt"))
    hashes = dict(version.items.values_list("record_id", "content_hash"))
    now_there = {r.id: r.raw for r in plan.items}
    new = now_there.keys() - hashes.keys()
    lost = hashes.keys() - now_there.keys()
    changed = [i for i in hashes.keys() & now_there.keys() if preview.content_hash(salts[i], now_there[i]) != hashes[i]]
    parts = [
        (new, _("{count} new")),
        (lost, _("{count} no longer there")),
        (changed, _("{count} changed")),
    ]
    if new or lost or changed:
        return _("Since it was submitted, items differ: {names}. It was read anew.").format(
            names=", ".join(words.format(count=len(some)) for some, words in parts if some)
        )
    texts = [preview.body_text(planned.call.body) for planned in plan.calls]
    same = list(version.calls.order_by("number").values_list("body__text", flat=True)) == texts
    return "" if same else _("Since it was submitted, the calls that are needed differ. It was read anew.")


def _check_shown(request: DeletionRequest, digest: str) -> None:
    if digest != request.version.digest:
        raise Barred(
            _("What you were shown is no longer what is asked; look at the current version and decide on that.")
        )


def asks_count(version: RequestVersion) -> bool:
    """Above the low tier an approver types the number of items: it can't be done without having seen it."""
    return version.tier != "low"


def _check_count(version: RequestVersion, count: int | None) -> None:
    if asks_count(version) and count != version.items_count:
        raise Barred(
            _("Type the number of items, {items_count}, to approve a request of the {tier} tier.").format(
                items_count=version.items_count, tier=version.tier
            )
        )


def _cast(
    user: Person,
    request: DeletionRequest,
    decision: str,
    reason: str,
    takes_back: Vote | None = None,
    **told: Any,
) -> Vote:
    grant = takes_back.grant if takes_back else grant_in_force(user)
    if grant is None:
        raise Barred(may(user, "vote", request).why or _("You have no grant in force."))
    try:
        with transaction.atomic():
            made = Vote.objects.create(
                request=request,
                version=request.version,
                voter=user,
                voter_name=user.get_full_name() or user.username,
                grant=grant,
                team=grant.team,
                decision=decision,
                digest=request.version.digest,
                reason=reason[:1000],
                at=db_now(),
                takes_back=takes_back,
            )
    except IntegrityError as error:
        # The database says no where we said yes: somebody was quicker, or our rule and its rule differ.
        raise Barred(_("The vote does not count: {error}.").format(error=str(error).splitlines()[0])) from None
    record(
        f"vote.{decision}",
        made,
        actor=str(user),
        request=request.pk,
        digest=made.digest,
        team=grant.team.name,
        **told,
    )
    return made


def _after_vote(request: DeletionRequest, made: Vote) -> None:
    who, owners = made.voter_name, notices.owners(request)
    if made.decision == Vote.Decision.REJECT:
        _end(request, "rejected", actor=str(made.voter))
        notices.tell(
            owners,
            request,
            "rejected",
            _("{who} rejected it: {reason}").format(who=who, reason=made.reason),
            Topic.MINE,
        )
    elif made.decision == Vote.Decision.CHANGES:
        asks = _("{who} asks for changes{proposes}: {reason}").format(
            who=who, proposes=striking.proposes(made), reason=made.reason
        )
        notices.tell(owners, request, _("changes needed"), asks, Topic.MINE)
        drafting.back_to_draft(request, asks)
    elif enough(request, valid_votes(request)):
        _approve(request, str(made.voter))
        notices.tell(owners, request, "approved", _("It starts by itself when the undo time is over."), Topic.MINE)


def _approve(request: DeletionRequest, actor: str) -> None:
    now = db_now()
    request.move(
        "approved",
        actor=actor,
        details={"digest": request.version.digest},
        state_at=now,
        starts_at=now + timedelta(seconds=request.version.wait_seconds),
        expires_at=now + timedelta(seconds=timing().approved_expires),
    )
    ring("work", request.pk)


def _end(request: DeletionRequest, state: str, *, actor: str) -> None:
    now = db_now()
    request.move(state, actor=actor, state_at=now, ended_at=now)
