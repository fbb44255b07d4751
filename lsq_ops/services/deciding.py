"""What stays unknown is decided by two operators: one proposes, another confirms; neither is involved in the
request."""

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from lsq_ops.models import Decision, DeletionCall, DeletionItem, DeletionRequest, audited, db_now, record
from lsq_ops.queue import ring

from . import approval, notices, settling, verifying
from .may import Barred, Person, need


def propose(user: Person, request: DeletionRequest, call: DeletionCall | None, choice: str, reason: str) -> Decision:
    """Propose a second send or the end of a call, or to close the request by hand."""
    need(user, "close" if choice == "close" else "propose", request)
    _check_not_stopped(request, choice)
    if not reason.strip():
        raise Barred(_("Say why: the second operator and the auditors will read it."))
    if choice != "close" and (call is None or not is_open_question(call)):
        raise Barred(_("This call is not waiting for a decision."))
    try:
        with audited():
            made = Decision.objects.create(
                request=request,
                call=None if choice == "close" else call,
                choice=choice,
                reason=reason.strip()[:1000],
                proposed_by=user,
                proposed_at=db_now(),
            )
            record("decision.proposed", made, actor=str(user), request=request.pk, choice=choice)
            others = [person for person in notices.operators() if person.pk != user.pk]
            notices.tell(
                others,
                request,
                _("confirm a decision"),
                _("{user} proposes to {choice}.").format(user=user, choice=made.get_choice_display()),
            )
    except IntegrityError:
        raise Barred(_("Somebody has proposed a decision already: confirm that one, or close the request.")) from None
    return made


def confirm(user: Person, decision: Decision) -> None:
    """The second operator's word; then it is done."""
    if decision.proposed_by_id == user.pk:
        raise Barred(_("You proposed this; another operator confirms it."))
    with audited():
        request = DeletionRequest.locked(decision.request_id)
        need(user, "close" if decision.choice == Decision.Choice.CLOSE else "confirm_decision", request)
        _check_not_stopped(request, decision.choice)
        now = db_now()
        with transaction.atomic():
            rows = Decision.objects.filter(pk=decision.pk, confirmed_at__isnull=True)
            if not rows.update(confirmed_by=user, confirmed_at=now):
                raise Barred(_("This decision was confirmed already."))
        decision.refresh_from_db()
        record("decision.confirmed", decision, actor=str(user), request=request.pk, choice=decision.choice)
        _carry_out(request, decision, str(user))
        ring("work", request.pk)


def is_open_question(call: DeletionCall) -> bool:
    """Sent, outcome unknown, grace over, still there."""
    return call.state == "verifying" and settling.is_past_grace(call)


def _check_not_stopped(request: DeletionRequest, choice: str) -> None:
    if choice == Decision.Choice.RESEND and request.stop_asked_at:
        raise Barred(
            _("{stop_asked_by} has stopped this request: nothing more is sent. End the call instead.").format(
                stop_asked_by=request.stop_asked_by
            )
        )


def _carry_out(request: DeletionRequest, decision: Decision, actor: str) -> None:
    if decision.choice == Decision.Choice.CLOSE:
        close(request, actor)
        return
    call = decision.call
    assert call is not None
    if not is_open_question(call):
        raise Barred(_("The call has ended meanwhile; nothing is left to decide."))
    if decision.choice == Decision.Choice.RESEND:
        verifying.resolve(verifying.last_attempt(call))
        call.move(
            "planned",
            actor=actor,
            not_before=None,
            claimed_until=None,
            note=_("A second send was decided by two people."),
        )
    else:
        end_as_read(call, actor)
    settling.settle(request)


def end_as_read(call: DeletionCall, actor: str) -> None:
    """End a call by its last complete reading; what can't be read is said to be unverifiable."""
    used = verifying.last_readings(call)
    if used:
        verifying.decide(call, used, final=True)
        return
    attempt, items = verifying.last_attempt(call), list(call.items.all())
    verifying.end(call, attempt, "unverifiable", items, set(), {}, _("ended by two people, not readable"))


def close(request: DeletionRequest, actor: str) -> None:
    """Closed by two people: what was not sent is skipped, what was sent ends as it was last read."""
    approval.skip_planned(request, actor=actor, why=_("closed by two people"))
    for call in request.version.calls.filter(state="verifying"):
        end_as_read(call, actor)
    if request.version.calls.filter(state="sent").exists():
        raise Barred(_("A call is on its way this very moment; try again in a minute."))
    DeletionItem.objects.filter(version=request.version, outcome="").update(outcome="unverifiable", outcome_at=db_now())
    request.refresh_from_db()
    now = db_now()
    request.move("closed", actor=actor, state_at=now, ended_at=now)
    settling.look_again_later(request)
