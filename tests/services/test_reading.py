"""Readings: what may be concluded from them, how old they may be, and what a draft makes of them."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from lsq_ops.leadsquared.errors import LeadNotFound
from lsq_ops.leadsquared.records import TaskRecord
from lsq_ops.models import Account, ActivitySnapshot, DeletionRequest, RequestVersion, db_now
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import accounts, agenda, approval, drafting, reading
from lsq_ops.services.may import Barred

from .steps import drain, hurry, timed

ASHA = WELL_KNOWN["asha"]


def age_reading(request, hours=5):
    """Submitted so many hours ago, in the one column of a frozen version that may still move."""
    past = db_now() - timedelta(hours=hours)
    RequestVersion.objects.filter(pk=request.version.pk).update(rechecked_at=past)
    request.refresh_from_db()


def drafted(world):
    selection = drafting.select(world.rita, "lead", [ASHA])
    return world.drafted("activities", selection, world.window(10) | {"codes": [201]})


def look_again(world, request):
    with pytest.raises(Barred, match="being read again"):
        vote(world.arun, request)
    drain()
    request.refresh_from_db()


def vote(user, request):
    version = request.version
    approval.vote(user, request, "approve", digest=version.digest, count=version.items_count)


# --- Whole or not ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [("reading", "hides"), ("reading", "grows"), ("order", "unstable"), ("answer", "html")]
)
def test_a_reading_that_is_not_whole_can_not_be_submitted(world, monkeypatch, fault):
    timed(monkeypatch, read_retries=())
    world.mirror_leads("asha")
    world.sandbox.faults.set("row_cap", 20)
    world.sandbox.faults.set(*fault, match="ProspectActivity.svc/Retrieve")
    request = world.drafted(
        "activities", drafting.select(world.rita, "lead", [ASHA]), world.window(10) | {"codes": [201]}
    )
    assert request.version.reading == "incomplete"
    assert request.version.items_count == 0
    with pytest.raises(Barred):
        approval.submit(world.rita, request)
    world.sandbox.faults.reset()
    drafting.reread(world.rita, request)
    drain()
    request.refresh_from_db()
    assert (request.version.reading, request.version.items_count) == ("complete", 12)


def test_a_reading_that_fails_is_tried_again_later_and_later_then_given_up(world, monkeypatch):
    timed(monkeypatch, read_retries=(5, 30))
    world.mirror_leads("asha")
    world.sandbox.faults.set("answer", "502", match="ProspectActivity.svc/Retrieve")
    reading.order(world.account, [("lead_activities", ASHA)], reading.Lane.MIRROR, since=db_now())
    snapshot, delays = ActivitySnapshot.objects.last(), []
    for delay in (5, 30, None):
        begun = db_now()
        drain()
        snapshot.refresh_from_db()
        then, exact = snapshot.not_before, timedelta(seconds=delay or 0)
        delays.append(then if then is None else begun + exact <= then <= db_now() + exact)
        ActivitySnapshot.objects.filter(pk=snapshot.pk, read_at__isnull=True).update(not_before=None)
    assert delays == [True, True, None]
    assert (snapshot.complete, snapshot.read_at is None) == (False, False)


def test_keys_that_are_refused_while_reading_pause_the_account_and_keep_the_reading_for_later(world):
    world.mirror_leads("asha")
    world.sandbox.faults.set("answer", "401")
    reading.order(world.account, [("lead_activities", ASHA)], reading.Lane.MIRROR, since=db_now())
    drain()
    world.account.refresh_from_db()
    assert "refused the keys" in world.account.pause_reason
    assert ActivitySnapshot.objects.last().read_at is None


def test_a_lead_that_is_gone_is_read_as_gone(world):
    world.mirror_leads("asha")
    world.sandbox.world.remove_lead(ASHA)
    request = world.drafted(
        "activities", drafting.select(world.rita, "lead", [ASHA]), world.window(10) | {"codes": [201]}
    )
    assert "no longer exist" in request.version.reading_note
    with pytest.raises(Barred, match="Nothing would go"):
        approval.submit(world.rita, request)


def test_a_lead_that_one_page_denies_and_another_shows_is_neither_gone_nor_empty(world, monkeypatch):
    timed(monkeypatch, read_retries=())
    client = reading.accounts.client(world.account)

    def denies(*args, **kwargs):
        raise LeadNotFound(client._transport.send("Retrieve", "GET", "nowhere"))

    monkeypatch.setattr("lsq_ops.leadsquared.client.Client.activities", denies)
    reading.order(world.account, [("lead_activities", ASHA)], reading.Lane.MIRROR, since=db_now())
    drain()
    snapshot = ActivitySnapshot.objects.last()
    assert (snapshot.complete, snapshot.lead_gone) == (False, False)


class Said:
    """A client that says what it is told to."""

    def __init__(self, lists=(), leads=()):
        self.lists, self.leads = iter(lists), leads

    def _listing(self, *args, **kwargs):
        records = [TaskRecord.model_validate({"TaskID": name}) for name in next(self.lists)]
        return SimpleNamespace(records=records, complete=True, why="")

    activities = tasks_by_lead = tasks_by_owner = _listing

    def lead(self, prospect_id):
        return prospect_id if prospect_id in self.leads else None


@pytest.mark.parametrize("subject", ["lead_activities", "lead_tasks"])
@pytest.mark.parametrize(("leads", "gone"), [((), True), ((ASHA,), False)])
def test_an_empty_list_may_be_that_of_a_lead_that_is_gone(people, subject, leads, gone):
    snapshot = ActivitySnapshot(account=people.account, subject=subject, subject_id=ASHA)
    assert reading._read(Said([[]], leads), snapshot) == ([], True, "", gone)


@pytest.mark.parametrize("lists", [(["open"], [], []), ([], ["done"], []), ([], [], ["reopened"])])
def test_an_owners_task_is_found_open_completed_or_reopened_in_between(lists):
    found, complete, _, _ = reading._owner_tasks(Said(lists), "owner")
    assert ([task.id for task in found], complete) == ([name for names in lists for name in names], True)
    statuses = [(0, 1, 0)[number] for number, names in enumerate(lists) for _ in names]
    assert [task.raw["StatusCode"] for task in found] == statuses


def test_of_two_readings_the_later_one_counts(world):
    request, since = world.draft(), db_now()
    subject = ("lead_activities", ASHA)
    for _ in range(2):
        reading.order(world.account, [subject], reading.Lane.MIRROR, since=db_now(), request=request)
        drain()
    assert reading.finished(request, since)[subject] == ActivitySnapshot.objects.order_by("id").last()


# --- Workers that compete or die ---------------------------------------------------------------------------


def test_two_workers_never_hold_the_same_reading_and_a_dead_one_gives_it_back(world):
    reading.order(world.account, [("lead_activities", ASHA)], reading.Lane.MIRROR, since=db_now())
    first = reading.claim([reading.Lane.MIRROR])
    assert reading.claim([reading.Lane.MIRROR]) is None
    ActivitySnapshot.objects.update(claimed_until=db_now() - timedelta(seconds=1))
    second = reading.claim([reading.Lane.MIRROR])
    reading.perform(second)
    whole = ActivitySnapshot.objects.get().rows()
    reading.fill(first, [], complete=False)
    reading._put_off(first, seconds=60)
    snapshot = ActivitySnapshot.objects.get()
    assert (snapshot.complete, snapshot.rows(), snapshot.not_before) == (True, whole, None)


def test_a_worker_that_was_given_up_does_not_take_the_claim_of_the_next_one(world):
    reading.order(world.account, [("lead_activities", ASHA)], reading.Lane.MIRROR, since=db_now())
    first = reading.claim([reading.Lane.MIRROR])
    ActivitySnapshot.objects.update(claimed_until=db_now() - timedelta(seconds=1))
    ActivitySnapshot.objects.filter(pk=first.pk).update(started_at=None)
    second = reading.claim([reading.Lane.MIRROR])
    reading._put_off(first, seconds=60)
    assert ActivitySnapshot.objects.get().claimed_until == second.claimed_until


def test_one_reading_is_ordered_once_however_often_it_is_asked_for(world):
    since = db_now()
    for _ in range(3):
        reading.order(world.account, [("lead_activities", ASHA)], reading.Lane.MIRROR, since=since)
    assert ActivitySnapshot.objects.count() == 1
    drain()
    reading.order(world.account, [("lead_activities", ASHA)], reading.Lane.MIRROR, since=since)
    assert ActivitySnapshot.objects.count() == 1
    reading.order(
        world.account, [("lead_activities", ASHA)], reading.Lane.MIRROR, since=db_now() + timedelta(seconds=1)
    )
    assert ActivitySnapshot.objects.count() == 2


def test_a_reading_that_another_worker_claims_between_look_and_claim_is_theirs(world, monkeypatch):
    reading.order(world.account, [("lead_activities", ASHA)], reading.Lane.MIRROR, since=db_now())
    begun, theirs = reading._begun, db_now() + timedelta(minutes=1)

    def quicker(snapshot, now):
        ActivitySnapshot.objects.filter(pk=snapshot.pk).update(claimed_until=theirs)
        return begun(snapshot, now)

    monkeypatch.setattr(reading, "_begun", quicker)
    assert reading.claim([reading.Lane.MIRROR]) is None
    assert ActivitySnapshot.objects.get().claimed_until == theirs


def test_a_worker_that_gives_up_late_on_a_reading_does_not_count_a_try_of_the_next_one(world):
    reading.order(world.account, [("lead_activities", ASHA)], reading.Lane.MIRROR, since=db_now())
    first = reading.claim([reading.Lane.MIRROR])
    ActivitySnapshot.objects.update(claimed_until=db_now() - timedelta(seconds=1))
    second = reading.claim([reading.Lane.MIRROR])
    reading.put_off(first, "too late")
    snapshot = ActivitySnapshot.objects.get()
    assert (snapshot.tries, snapshot.claimed_until) == (0, second.claimed_until)


def test_a_reading_that_was_not_whole_is_ordered_anew(world, monkeypatch):
    timed(monkeypatch, read_retries=())
    since = db_now()
    world.sandbox.faults.set("answer", "502", match="ProspectActivity.svc/Retrieve")
    reading.order(world.account, [("lead_activities", ASHA)], reading.Lane.MIRROR, since=since)
    drain()
    reading.order(world.account, [("lead_activities", ASHA)], reading.Lane.MIRROR, since=since)
    assert ActivitySnapshot.objects.filter(read_at__isnull=False, complete=False).count() == 1
    assert ActivitySnapshot.objects.filter(read_at__isnull=True).count() == 1


def test_a_hundred_leads_and_more_are_ordered_once_too(world):
    subjects = [("lead_activities", f"lead-{number}") for number in range(101)]
    since = db_now()
    assert len(reading.order(world.account, subjects, reading.Lane.MIRROR, since=since)) == 101
    assert reading.order(world.account, subjects, reading.Lane.MIRROR, since=since) == []


def test_a_day_whose_calls_are_used_up_is_no_failed_try(world, settings):
    settings.LSQ_DAILY_LIMIT = 1
    reading.order(world.account, [("lead_activities", ASHA)], reading.Lane.MIRROR, since=db_now())
    drain()
    snapshot = ActivitySnapshot.objects.get()
    assert (snapshot.read_at, snapshot.tries) == (None, 0)
    assert "The 1 calls of today are used up" in snapshot.why
    assert snapshot.not_before > db_now() + timedelta(minutes=9)


@pytest.mark.parametrize(("step", "before"), [("perform", True), ("fill", False)])
def test_a_draft_whose_worker_was_killed_is_read_all_the_same(world, monkeypatch, step, before):
    world.mirror_leads("asha")
    real = getattr(reading, step)

    def killed(*args, **kwargs):
        monkeypatch.setattr(reading, step, real)
        if not before:
            real(*args, **kwargs)
        raise SystemExit

    monkeypatch.setattr(reading, step, killed)
    with pytest.raises(SystemExit):
        drafted(world)
    ActivitySnapshot.objects.filter(read_at__isnull=True).update(claimed_until=db_now() - timedelta(seconds=1))
    agenda.catch_up()
    drain()
    assert DeletionRequest.objects.get().version.reading == "complete"


# --- Young records, old readings ---------------------------------------------------------------------------


def test_what_is_less_than_an_hour_old_is_left_out(world):
    young = db_now() - timedelta(minutes=50)
    world.sandbox.world.add_activity(ASHA, 201, f"{young:%Y-%m-%d %H:%M:%S}")
    selection = drafting.select(world.rita, "lead", [lead.prospect_id for lead in world.mirror_leads("asha")])
    window = world.window(10) | {"to": db_now().isoformat(), "codes": [201]}
    request = world.drafted("activities", selection, window)
    assert (request.version.items_count, request.version.left_out_count) == (12, 1)
    assert request.version.kept.exclude(why="").get().why == "it is less than an hour old"


def test_a_reading_of_more_than_four_hours_is_not_submitted(world):
    request = world.draft("activities", "asha")
    RequestVersion.objects.filter(pk=request.version.pk).update(read_at=db_now() - timedelta(hours=5))
    request.refresh_from_db()
    with pytest.raises(Barred, match="older than 4 hours"):
        approval.submit(world.rita, request)


def test_before_a_vote_on_an_old_reading_the_leads_are_read_again_and_unchanged_the_votes_stand(world):
    request = world.pending("activities", "bruno")
    vote(world.dana, request)
    age_reading(request)
    look_again(world, request)
    assert (request.state, request.version_number) == ("pending", 1)
    vote(world.arun, request)
    request.refresh_from_db()
    assert request.state == "approved"


@pytest.mark.parametrize("change", ["edited", "gone", "grown"])
def test_changed_meanwhile_it_goes_back_to_draft_with_the_difference(world, change, mailoutbox):
    request = world.pending("activities", "asha")
    item = request.version.items.first()
    age_reading(request)
    if change == "edited":
        world.sandbox.world.edit_activity(item.record_id, "corrected")
    elif change == "gone":
        world.sandbox.world.remove_activities([item.record_id])
    else:
        between = item.at + timedelta(hours=1)
        world.sandbox.world.add_activity(ASHA, 201, f"{between:%Y-%m-%d %H:%M:%S}")
    look_again(world, request)
    assert (request.state, request.version_number) == ("draft", 2)
    assert {"edited": "1 changed", "gone": "1 no longer there", "grown": "1 new"}[change] in request.attention
    assert any("changed meanwhile" in mail.subject for mail in mailoutbox)


def test_an_old_reading_is_not_read_again_for_somebody_who_may_not_vote(world):
    request = world.pending("activities", "asha")
    age_reading(request)
    for user in (world.vera, world.rita, world.omar):
        with pytest.raises(Barred):
            vote(user, request)
    request.refresh_from_db()
    assert request.version.recheck_from is None


def test_a_repeat_that_is_not_whole_decides_nothing(world, monkeypatch):
    request = world.pending("activities", "asha")
    age_reading(request)
    timed(monkeypatch, read_retries=())
    world.sandbox.faults.set("answer", "502", match="ProspectActivity.svc/Retrieve")
    look_again(world, request)
    assert (request.state, request.version.recheck_from) == ("pending", None)
    with pytest.raises(Barred, match="being read again"):
        vote(world.arun, request)


# --- The end of waiting ------------------------------------------------------------------------------------


def test_a_pending_request_expires_and_a_late_vote_does_not_count(world):
    request = world.pending("activities", "asha")
    DeletionRequest.objects.filter(pk=request.pk).update(expires_at=db_now() - timedelta(seconds=1))
    with pytest.raises(Barred, match="expired"):
        vote(world.arun, request)
    drain()
    request.refresh_from_db()
    assert request.state == "expired"


def test_a_draft_that_nobody_touched_for_a_month_is_withdrawn(world):
    old, young = world.draft("activities", "asha"), world.draft("activities", "bruno")
    past = db_now() - timedelta(days=31)
    DeletionRequest.objects.filter(pk=old.pk).update(state_at=past)
    RequestVersion.objects.filter(request=old).update(made_at=past)
    agenda.catch_up()
    old.refresh_from_db()
    young.refresh_from_db()
    assert (old.state, young.state) == ("withdrawn", "draft")


def test_a_draft_that_was_submitted_in_another_tab_is_not_edited(world):
    stale = world.draft("activities", "asha")
    approval.submit(world.rita, DeletionRequest.objects.get(pk=stale.pk))
    assert stale.state == "draft"
    with pytest.raises(Barred, match="waiting for approval"):
        drafting.reread(world.rita, stale)
    stale.refresh_from_db()
    assert (stale.state, stale.version_number) == ("pending", 1)


def test_who_asked_for_the_first_one_asked_for_its_clone_too(world):
    selection = drafting.select(world.rita, "lead", [lead.prospect_id for lead in world.mirror_leads("asha")])
    request = drafting.draft(
        world.rita,
        kind="activities",
        selection=selection,
        parameters=world.window(10) | {"codes": [201]},
        category="duplicate",
        reason="entered twice",
        asked_by=world.arun,
    )
    drain()
    hurry(request)
    copy = drafting.clone(world.rita, request)
    drain()
    approval.submit(world.rita, DeletionRequest.objects.get(pk=copy.pk))
    copy.refresh_from_db()
    with pytest.raises(Barred, match="asked for"):
        vote(world.arun, copy)


def test_nothing_is_submitted_before_it_is_known_whose_account_it_is(world):
    """The account's OrgId is part of the digest: learnt later, what was approved would look like something else."""
    request = world.draft()
    Account.objects.update(tested_at=None)
    request.refresh_from_db()
    with pytest.raises(Barred, match="not known yet whose LeadSquared account this is"):
        approval.submit(world.rita, request)
    world.account = accounts.test_connection(world.omar)
    request.refresh_from_db()
    approval.submit(world.rita, request)
