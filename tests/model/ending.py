"""It ends: from wherever a step left it, with a LeadSquared that works and people who do what their pages ask."""

from typing import TYPE_CHECKING

from django.contrib.auth.models import User

from lsq_ops.models import ApproverGrant, Decision, DeletionRequest
from lsq_ops.services import agenda, deciding
from lsq_ops.services.may import enough, valid_votes

from .book import Wish
from .people import OPERATORS, OVER, REQUESTERS, VOTERS, People

if TYPE_CHECKING:
    from .stage import Stage

HOUR = 3600.0
OLD = 4 * HOUR  # a reading, for a submission
PAUSES = (20.0, 70.0, 300.0, 900.0, 1800.0)  # between two looks; then an hour
LOOKS = 110  # a grant counts after a day, an unknown outcome is only read for a day, and a job may be two days late
PIECES, JOBS = 100, 12
AFTERWARDS = (13 * HOUR, 13 * HOUR, HOUR)  # one more reading comes a day after the end


def see_to_the_end(stage: "Stage", people: People) -> None:
    stage.wire.calm_down()
    stage.at_send.clear()
    for look in range(LOOKS):
        _everybody_looks(stage, people)
        _work_out(stage)
        if all(people.see(wish).state in OVER for wish in stage.book.wishes.values()):
            break
        stage.pass_time(PAUSES[look] if look < len(PAUSES) else HOUR)
    for pause in AFTERWARDS:
        stage.pass_time(pause)
        _work_out(stage)


def _work_out(stage: "Stage") -> None:
    """A beat, and work until nothing is due; what is due within seconds is waited for, as a worker does."""
    stage.beat()
    for _ in range(JOBS):
        stage.work(PIECES)
        with stage.looking():
            due = agenda._next_due()
        if due is None or due.timestamp() > stage.clock.now + agenda.LINGER:
            return
        stage.pass_time(max(0.0, due.timestamp() - stage.clock.now) + 0.01)


def _everybody_looks(stage: "Stage", people: People) -> None:
    people.resume_all()
    _admin(stage, people)
    for wish in list(stage.book.wishes.values()):
        request = people.see(wish)
        if request.state == "draft":
            _requester(people, wish, request)
        elif request.state == "pending":
            _voters(people, wish)
        elif request.state not in OVER:
            _mend(stage, people, wish)
            if request.state == "needs_attention":
                _operators(stage, people, wish, request)


def _admin(stage: "Stage", people: People) -> None:
    """Everybody is let in, and whoever has no grant gets one."""
    with stage.looking():
        granted = set(ApproverGrant.objects.filter(revoked_at__isnull=True).values_list("user__username", flat=True))
        locked = list(User.objects.filter(is_active=False).values_list("username", flat=True))
    for name in locked:
        people.lock(name, out=False)
    for name in VOTERS:
        if name not in granted:
            people.grant(name)


def _requester(people: People, wish: Wish, request: DeletionRequest) -> None:
    """What can be submitted is, read again where its reading is old; the rest is given up."""
    if request.version.reading == "reading":
        return
    if any(people.submit(name, wish) for name in REQUESTERS):
        return
    read_at = request.version.read_at
    if read_at and request.version.items_count and people.now - read_at.timestamp() > OLD:
        people.edit("rita", wish)
        return
    assert people.withdraw("rita", wish), f"{request} can be neither submitted nor withdrawn"


def _voters(people: People, wish: Wish) -> None:
    for name in VOTERS:
        request = people.see(wish)
        version = wish.versions[request.version_number]
        if request.state == "pending" and people.book.may_vote(name, wish, version, people.now):
            people.vote(name, wish, "approve")
    request = people.see(wish)
    if request.state == "pending" and people.on_hold(request):
        assert people.withdraw("rita", wish), f"{request} is on hold and can't be withdrawn"


def _mend(stage: "Stage", people: People, wish: Wish) -> None:
    """Where an approval lapsed others stand in; where nobody is left to, it is stopped or undone."""
    for name in VOTERS:
        with stage.looking():
            request = stage.see(wish.pk)
            if request.state in OVER or enough(request, valid_votes(request)):
                return
        version = wish.versions[request.version_number]
        if people.book.may_vote(name, wish, version, people.now):
            people.confirm_vote(name, wish)
    with stage.looking():
        request = stage.see(wish.pk)
        lapsed = not enough(request, valid_votes(request))
        voted = {ballot.who.name for ballot in wish.versions[request.version_number].ballots} | wish.involved
    if lapsed and voted >= set(VOTERS):
        assert people.stop("omar", wish) or people.cancel("rita", wish)


def _operators(stage: "Stage", people: People, wish: Wish, request: DeletionRequest) -> None:
    """They answer every open question; where there is none, and an hour of reading changed nothing, they close it."""
    with stage.looking():
        calls = [call for call in request.calls.filter(state="verifying") if deciding.is_open_question(call)]
    for call in calls:
        once = sum(arrival.call == call.pk for arrival in stage.book.arrivals) < 2
        people.propose(_free(wish)[0], wish, call, "resend" if once and wish.stopped > people.now else "end")
    waits = people.now - request.state_at.timestamp()
    if not calls and waits > HOUR:
        people.propose(_free(wish)[0], wish, None, "close")
    with stage.looking():
        open_ones = list(Decision.objects.filter(request=request, confirmed_at__isnull=True))
    for decision in open_ones:
        second = next(name for name in _free(wish) if name != decision.proposed_by.username)
        people.confirm(second, wish, decision)


def _free(wish: Wish) -> list[str]:
    return [name for name in OPERATORS if name not in wish.involved]
