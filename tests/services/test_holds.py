"""Holds: what is on hold is touched by nobody, from the moment that it is set until it ends or is lifted."""

import json
from datetime import timedelta

import pytest
from django.db import connection

from lsq_ops.models import Account, AuditEvent, Hold, Notice, db_now, guards
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import approval, drafting, holds
from lsq_ops.services.may import Barred, may
from tests.services.steps import one_call, outcomes, sends, to_the_end

ASHA, BRUNO = (WELL_KNOWN[name].lower() for name in ("asha", "bruno"))


def hold(world, *ids, record_type="lead", ends_at=None):
    return holds.set_holds(world.pia, record_type, ids or [ASHA], "court case", ends_at)


def approve(world, name, request):
    version = request.version
    approval.vote(getattr(world, name), request, "approve", digest=version.digest, count=version.items_count)


# --- Setting and lifting ---------------------------------------------------------------------------------------------


def test_a_hold_lasts_until_it_is_lifted_and_the_trail_says_who(people):
    made = hold(people, ASHA, BRUNO)
    assert holds.reasons(people.account, [ASHA, BRUNO]) == {ASHA: "court case", BRUNO: "court case"}
    holds.lift(people.pia, [ASHA])
    assert holds.reasons(people.account, [ASHA, BRUNO]) == {BRUNO: "court case"}
    assert Hold.objects.get(record_id=ASHA).lifted_by == "pia"
    told = [
        (e.action, e.actor, json.loads(e.details)["count"])
        for e in AuditEvent.objects.filter(object_type="hold").order_by("seq")
    ]
    assert told == [("hold.set", "pia", 2), ("hold.lifted", "pia", 1)]
    assert len(made.holds) == 2


def test_what_is_on_hold_already_keeps_its_first_reason(people):
    hold(people, ASHA)
    made = holds.set_holds(people.pia, "lead", [ASHA, BRUNO], "another reason")
    assert ([one.record_id for one in made.holds], made.already) == ([BRUNO], [ASHA])
    assert holds.reasons(people.account, [ASHA]) == {ASHA: "court case"}


def test_a_hold_ends_by_itself_and_can_be_set_again(people):
    hold(people, ASHA, ends_at=db_now() + timedelta(hours=1))
    assert holds.reasons(people.account, [ASHA])
    guards.drop(connection)
    Hold.objects.update(ends_at=db_now() - timedelta(seconds=1))
    guards.install(connection)
    assert holds.reasons(people.account, [ASHA]) == {}
    with pytest.raises(Barred, match="None of these is on hold"):
        holds.lift(people.pia, [ASHA])
    assert len(hold(people, ASHA).holds) == 1


@pytest.mark.parametrize(
    ("ids", "reason", "hours", "why"),
    [
        ([], "court", None, "which leads or tasks"),
        ([ASHA], "  ", None, "Say why"),
        ([ASHA], "court", -1, "past already"),
        ([f"{n:08x}" for n in range(holds.MOST + 1)], "court", None, "split the list"),
    ],
)
def test_what_makes_no_sense_sets_nothing(people, ids, reason, hours, why):
    ends_at = db_now() + timedelta(hours=hours) if hours else None
    with pytest.raises(Barred, match=why):
        holds.set_holds(people.pia, "lead", ids, reason, ends_at)
    assert not Hold.objects.exists()


@pytest.mark.parametrize("name", ["rita", "arun", "omar", "aida", "vera"])
def test_only_policy_admins_set_and_lift(people, name):
    hold(people)
    for act in (lambda user: holds.set_holds(user, "lead", [BRUNO], "x"), lambda user: holds.lift(user, [ASHA])):
        with pytest.raises(Barred, match="policy admin"):
            act(getattr(people, name))
    assert Hold.objects.in_force().count() == 1


def test_a_list_of_thousands_is_one_event(people):
    made = hold(people, *(f"{n:08x}-0000-4000-8000-000000000000" for n in range(2_500)))
    assert len(made.holds) == 2_500
    assert AuditEvent.objects.filter(action="hold.set").count() == 1


# --- Requests --------------------------------------------------------------------------------------------------------


def test_whoever_sets_it_hears_which_open_requests_are_concerned_and_their_owners_too(world):
    request, other = world.pending("activities", "asha"), world.draft("stage_history", "bruno", days=90)
    over = world.draft("owner_history", "asha", days=90)
    approval.withdraw(world.rita, over)
    item = request.version.items.first()
    assert hold(world, ASHA).concerned == [request]
    assert holds.set_holds(world.pia, "lead", [WELL_KNOWN["chen"].lower()], "x").concerned == []
    assert Notice.objects.filter(request=request, subject__contains="on hold").exists()
    assert not Notice.objects.filter(request=other, subject__contains="on hold").exists()
    assert holds.on_version(request.version) == {item.lead_id: "court case"}


def test_what_was_put_on_hold_is_neither_submitted_nor_approved(world):
    draft, pending = world.draft("activities", "asha"), world.pending("stage_history", "asha", days=90)
    hold(world)
    with pytest.raises(Barred, match="1 of its leads or tasks is on hold"):
        approval.submit(world.rita, draft)
    with pytest.raises(Barred, match="1 of its leads or tasks is on hold"):
        approve(world, "arun", pending)
    assert not pending.votes.exists()
    approval.vote(world.arun, pending, "reject", digest=pending.version.digest, reason="on hold")
    pending.refresh_from_db()
    assert pending.state == "rejected"


def test_a_task_s_own_hold_and_its_lead_s_both_count(world):
    request = world.draft_tasks(3)
    first, second = request.version.items.order_by("record_id")[:2]
    hold(world, first.record_id, record_type="task")
    hold(world, second.lead_id)
    assert set(holds.on_version(request.version)) == {first.record_id, second.lead_id}
    assert 2 <= holds.covered(request.version, holds.on_version(request.version)) <= 3


def test_a_hold_of_another_account_is_none_here(world):
    request = world.draft("activities", "asha")
    facts = {"host": "https://other.example", "org_id": "9", "current": False, "created_at": db_now()}
    other = Account.objects.create(**facts)
    Hold.objects.create(account=other, record_type="lead", record_id=ASHA, reason="x", set_by="pia", set_at=db_now())
    assert holds.on_version(request.version) == {}


@pytest.mark.parametrize("state", ["draft", "pending"])
def test_the_requester_goes_on_without(world, state):
    request = world.draft("activities", "asha", "bruno")
    if state == "pending":
        approval.submit(world.rita, request)
    before = request.version.items.exclude(lead_id=ASHA).count()
    hold(world)
    request.refresh_from_db()
    version = drafting.go_on_without(world.rita, request)
    world.work()
    request.refresh_from_db()
    version.refresh_from_db()
    assert (request.state, request.version_number, version.number) == ("draft", 2, 2)
    assert set(version.items.values_list("lead_id", flat=True)) == {BRUNO}
    assert version.items_count == before
    assert version.kept.filter(why="its lead is on hold").exists()
    assert "1 of the leads or tasks" in request.attention
    approval.submit(world.rita, request)
    request.refresh_from_db()
    approve(world, "arun", request)
    assert request.votes.count() == 1


def test_it_goes_on_without_only_where_something_is_on_hold_and_something_is_left(world):
    request = world.pending("activities", "asha")
    with pytest.raises(Barred, match="Nothing of it is on hold"):
        drafting.go_on_without(world.rita, request)
    hold(world)
    with pytest.raises(Barred, match="All of it is on hold"):
        drafting.go_on_without(world.rita, request)
    request.refresh_from_db()
    assert (request.state, request.version_number) == ("pending", 1)


def test_others_do_not_decide_that_it_goes_on(world):
    request = world.pending("activities", "asha", "bruno")
    hold(world)
    for user in (world.arun, world.omar, world.pia):
        with pytest.raises(Barred):
            drafting.go_on_without(user, request)
    assert may(world.rita, "go_on_without", request)


def test_what_is_lifted_before_the_send_is_sent(world):
    request, _ = one_call(world)
    hold(world)
    holds.lift(world.pia, [ASHA])
    assert to_the_end(world, request).state == "completed"
    assert (sends(world), outcomes(request)) == (1, {"gone": 12})
