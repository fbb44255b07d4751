"""Strike-outs: what an approver proposes to leave out, and the version that the requester's click makes of it."""

import json

import pytest
from django.db import DatabaseError, transaction

from lsq_ops.models import Activity, AuditEvent, DeletionRequest, Notice, StrikeOut, Vote
from lsq_ops.services import approval, drafting, people, striking
from lsq_ops.services.may import Barred, involved, may, valid_votes
from tests.world import SITE_VISIT

from .steps import drain


def ask_to_leave_out(world, request, strikes, voter=None, reason="these are real"):
    voter = voter or world.arun
    approval.vote(voter, request, "changes", digest=request.version.digest, reason=reason, leave_out=strikes)
    drain()
    request.refresh_from_db()
    return request.votes.get(voter=voter, decision="changes")


def items(request, **lookup):
    return list(request.version.items.filter(**lookup).order_by("at").values_list("record_id", flat=True))


def click(world, request, vote):
    version = striking.leave_out(world.rita, request, vote)
    drain()
    request.refresh_from_db()
    return version


@pytest.fixture
def two_leads(world):
    return world.pending("activities", "asha", "bruno")


def test_the_requesters_click_leaves_out_a_lead_and_an_item_and_the_approver_votes_on_it(world, two_leads):
    request = two_leads
    leads = sorted(set(request.version.items.values_list("lead_id", flat=True)))
    stays, goes = leads
    before, one = items(request, lead_id=goes), items(request, lead_id=goes)[1]
    vote = ask_to_leave_out(world, request, [("lead", stays), ("activity", one)])
    assert (request.state, request.version_number) == ("draft", 2)
    assert "proposes to leave out 1 lead and 1 item: these are real" in request.attention

    assert click(world, request, vote).editor == world.rita
    assert set(items(request)) == set(before) - {one}
    assert request.version.kept.get(record_id=one).why == "an approver proposed to leave it out"
    assert involved(world.arun, request) == ""

    approval.submit(world.rita, request)
    world.approved(request)
    assert request.state == "approved"
    assert world.arun.pk in {vote.voter_id for vote in valid_votes(request)}


def test_no_window_holds_what_was_struck_out(world):
    request = world.pending("activities", "asha")
    middle = items(request)[len(items(request)) // 2]
    vote = ask_to_leave_out(world, request, [("activity", middle)])
    click(world, request, vote)
    at = request.version.kept.get(record_id=middle).at
    assert request.version.calls.count() == 2
    assert not request.version.calls.filter(window_from__lte=at, window_to__gte=at).exists()


def test_what_is_struck_out_is_still_there_at_the_end(world):
    request = world.pending("activities", "asha")
    one, count = items(request)[0], request.version.items_count
    click(world, request, ask_to_leave_out(world, request, [("activity", one)]))
    approval.submit(world.rita, request)
    world.approved(request)
    DeletionRequest.objects.filter(pk=request.pk).update(starts_at=request.state_at)
    request = world.work_out(request)
    assert (request.state, request.version.items_count) == ("completed", count - 1)
    assert one in {row[0] for row in world.sandbox.world._rows("SELECT id FROM activities")}


def test_tasks_are_struck_out_one_by_one_and_by_their_lead(world):
    world.sandbox.world.remove_tasks(world.sandbox.world.bulk_task_ids()[40:])
    request = world.draft_tasks(12)
    approval.submit(world.rita, request)
    request.refresh_from_db()
    lead = request.version.items.exclude(lead_id="").first().lead_id
    on_lead, others = items(request, lead_id=lead), items(request)
    single = next(one for one in others if one not in on_lead)
    click(world, request, ask_to_leave_out(world, request, [("lead", lead), ("task", single)]))
    assert set(items(request)) == set(others) - {*on_lead, single}
    assert request.version.parameters == {}


def test_ticked_activities_that_are_struck_out_are_no_targets_any_more(world):
    lead = world.mirror_leads("asha")[0]
    ticked = Activity.objects.filter(lead=lead, event_code=SITE_VISIT).order_by("created_on")
    ids = list(ticked.values_list("activity_id", flat=True))[:4]
    request = world.drafted("activities", drafting.select(world.rita, "activity", ids), {"picked": True})
    approval.submit(world.rita, request)
    request.refresh_from_db()
    click(world, request, ask_to_leave_out(world, request, [("activity", ids[0])]))
    assert (set(items(request)), request.version.parameters) == (set(ids[1:]), {"picked": True})


def test_history_is_struck_out_by_its_entries(world):
    request = world.pending("owner_history", "asha", days=90)
    every = items(request)
    click(world, request, ask_to_leave_out(world, request, [("activity", every[-1])]))
    assert items(request) == every[:-1]


def test_a_proposal_is_over_once_followed_or_submitted_otherwise(world, two_leads):
    request = two_leads
    one = items(request)[0]
    vote = ask_to_leave_out(world, request, [("activity", one)])
    assert striking.proposal(request) == vote
    drafting.reread(world.rita, request)
    drain()
    request.refresh_from_db()
    assert striking.proposal(request) == vote  # an edit alone doesn't lose it
    click(world, request, vote)
    assert striking.proposal(request) is None
    with pytest.raises(Barred, match="not open any more"):
        striking.leave_out(world.rita, request, vote)


def test_submitting_it_otherwise_declines(world, two_leads):
    request = two_leads
    vote = ask_to_leave_out(world, request, [("activity", items(request)[0])])
    approval.submit(world.rita, request)
    request.refresh_from_db()
    with pytest.raises(Barred, match="possible only while it is draft"):
        striking.leave_out(world.rita, request, vote)
    vote_again = ask_to_leave_out(world, request, [], voter=world.dana, reason="no")
    assert (striking.proposal(request), striking.strikes_of(vote_again)) == (None, [])


def test_an_edit_keeps_out_what_was_left_out_until_somebody_takes_it_in_again(world, two_leads):
    request = two_leads
    one = items(request)[0]
    click(world, request, ask_to_leave_out(world, request, [("activity", one)]))
    old = request.version
    asked = {"category": "duplicate", "reason": "entered twice", "parameters": dict(old.parameters)}
    asked["parameters"].pop("without")
    drafting.edit(world.rita, request, **asked)
    drain()
    request.refresh_from_db()
    assert one not in items(request)
    drafting.edit(world.rita, request, **asked, keep_out=False)
    drain()
    request.refresh_from_db()
    assert one in items(request)


@pytest.mark.parametrize(
    ("strikes", "says"),
    [
        ([("activity", "0" * 36)], "deletes nothing of some of these ids"),
        ([("lead", "item")], "deletes nothing of some of these ids"),
        ("every", "leave nothing to delete"),
        ("too many", "More than"),
    ],
)
def test_what_can_not_be_proposed_is_a_sentence_and_no_vote(world, two_leads, strikes, says):
    every = [("activity", one) for one in items(two_leads)]
    strikes = {"every": every, "too many": every * 1_000}.get(str(strikes), strikes)
    strikes = [(kind, every[0][1] if one == "item" else one) for kind, one in strikes]
    with pytest.raises(Barred, match=says):
        ask_to_leave_out(world, two_leads, strikes)
    assert not Vote.objects.exists()
    assert not StrikeOut.objects.exists()


def test_only_who_asks_for_changes_proposes(world, two_leads):
    version = two_leads.version
    given = {"digest": version.digest, "count": version.items_count, "leave_out": [("activity", items(two_leads)[0])]}
    with pytest.raises(Barred, match="Only who asks for changes"):
        approval.vote(world.arun, two_leads, "approve", **given)


def test_the_proposer_does_not_click_for_the_requester(world, two_leads):
    """Or the vote that was to be saved would be lost: who makes a version doesn't decide on it."""
    people.set_roles(world.pia, world.arun, {"Requester", "Approver"})
    arun = type(world.arun).objects.get(pk=world.arun.pk)
    vote = ask_to_leave_out(world, two_leads, [("activity", items(two_leads)[0])], voter=arun)
    assert "its requester decides" in may(arun, "leave_out", two_leads).why
    with pytest.raises(Barred, match="its requester decides"):
        striking.leave_out(arun, two_leads, vote)


def test_pasted_lines_are_told_one_by_one_and_the_good_ones_are_read(world, two_leads):
    version = two_leads.version
    lead, item = version.items.first().lead_id, version.items.first().record_id
    kept = version.kept.first().record_id
    text = f"{lead.upper()}\n\n{{{item}}}\nnot an id\n{item}\n{kept}\n"
    strikes, wrong = striking.read(version, text)
    assert strikes == [("lead", lead), ("activity", item)]
    assert [one.partition(":")[0] for one in wrong] == ["line 4", "line 6"]
    assert "is not a record id" in wrong[0]
    assert f"{two_leads} deletes no lead or item {kept}" in wrong[1]


def test_trail_and_mail_hold_counts_and_no_list(world, two_leads):
    one = items(two_leads)[0]
    vote = ask_to_leave_out(world, two_leads, [("activity", one)])
    told = json.loads(AuditEvent.objects.get(action="vote.changes").details)
    assert (told["leads_out"], told["records_out"], len(told["out"])) == (0, 1, 64)
    mail = Notice.objects.get(user=world.rita, subject__contains="changes needed").text
    assert "proposes to leave out 1 item" in mail
    assert one not in mail
    click(world, two_leads, vote)
    assert AuditEvent.objects.get(action="request.left_out").actor == "rita"
    assert AuditEvent.objects.filter(action="request.version").count() == 3


# --- The database's own rules ------------------------------------------------------------------------------


def refused(action, match):
    with pytest.raises(DatabaseError, match=match), transaction.atomic():
        action()


def test_a_strike_out_stands_with_its_vote_and_stays(world, two_leads):
    vote = ask_to_leave_out(world, two_leads, [("activity", items(two_leads)[0])])
    row = vote.strike_outs.get()
    other = vote.version.items.last().record_id
    refused(lambda: StrikeOut.objects.filter(pk=row.pk).update(record_id=other), "never")
    refused(lambda: StrikeOut.objects.filter(pk=row.pk).delete(), "never")
    late = {"vote": vote, "record_type": "activity", "record_id": other}
    refused(lambda: StrikeOut.objects.create(**late), "only with the vote that asks for changes")


def test_a_strike_out_is_one_of_what_the_request_would_delete(world, two_leads, monkeypatch):
    monkeypatch.setattr(approval, "_after_vote", lambda *those: None)  # still pending when the rows come
    vote = ask_to_leave_out(world, two_leads, [])
    item = vote.version.items.first()
    StrikeOut.objects.create(vote=vote, record_type="lead", record_id=item.lead_id)
    for kind, one in (("lead", item.record_id), ("activity", item.lead_id), ("activity", "0" * 36)):
        refused(
            lambda kind=kind, one=one: StrikeOut.objects.create(vote=vote, record_type=kind, record_id=one), "only what"
        )
    refused(lambda: StrikeOut.objects.create(vote=vote, record_type="lead", record_id=item.lead_id), "exists already")
