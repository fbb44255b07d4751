"""Keeping the mirror's leads in step: nothing is skipped or falsely gone, and a run can be cut off anywhere."""

from datetime import timedelta

import pytest

from lsq_ops.models import Account, ActivityType, AuditEvent, CrmUser, Lead, MirrorSync, Notice, db_now
from lsq_ops.sandbox.world import BULK_OWNER_ID, WELL_KNOWN
from lsq_ops.services import agenda, leads, owners, syncing
from lsq_ops.services.may import Barred

from .steps import drain

CHANGED = "LeadManagement.svc/Leads.RecentlyModified"
BY_IDS = "LeadManagement.svc/Leads/Retrieve/ByIds"


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(syncing, "PAGE", 10)
    monkeypatch.setattr(syncing, "LEAST_PAGE", 10)


@pytest.fixture
def crm(world):
    return world.sandbox.world


def one_step():
    run = syncing.claim()
    if run:
        syncing.step(run)
    return MirrorSync.objects.first()


def steps(number):
    for _ in range(number):
        run = one_step()
    return run


def calls(world, operation):
    return world.sandbox.stats["by_operation"].get(operation, 0)


def known(**where):
    return set(Lead.objects.filter(gone_at=None, **where).values_list("prospect_id", flat=True))


def age(**by):
    """The last run ended so long ago."""
    run = MirrorSync.objects.first()
    MirrorSync.objects.filter(pk=run.pk).update(
        ended_at=run.ended_at - timedelta(**by), covers_to=run.covers_to - timedelta(**by)
    )
    Lead.objects.update(read_at=db_now() - timedelta(**by))


def due():
    """What waits for its time need not wait any longer."""
    MirrorSync.objects.update(not_before=None)


def test_the_first_run_reads_every_lead_and_user_and_type(world, crm):
    syncing.begin(world.rita)
    drain()
    run = MirrorSync.objects.get()
    assert (run.state, run.taken, run.whole) == ("done", 100, True)
    assert known() == set(crm.lead_ids())
    assert CrmUser.objects.filter(active=False).count() == 2
    assert CrmUser.objects.count() == 8
    assert ActivityType.objects.filter(code=201).exists()
    actions = AuditEvent.objects.filter(action__startswith="sync.").order_by("seq").values_list("action", "actor")
    assert list(actions) == [("sync.running", "rita"), ("sync.done", "system")]
    assert Account.objects.get().sync_on


def test_later_runs_begin_by_themselves_and_read_what_changed(world, crm):
    syncing.begin(world.rita)
    drain()
    syncing.begin_due()
    assert MirrorSync.objects.count() == 1
    age(days=3)
    syncing.begin_due()
    second = MirrorSync.objects.first()
    crm.add_activity(WELL_KNOWN["asha"], 202, f"{db_now():%Y-%m-%d %H:%M:%S}")
    crm.remove_lead(WELL_KNOWN["bruno"])
    before = calls(world, CHANGED)
    drain()
    second.refresh_from_db()
    assert (second.by, second.state, second.gone) == ("system", "done", 1)
    assert second.since == MirrorSync.objects.last().covers_to - timedelta(days=1)
    assert second.taken < 100
    assert calls(world, CHANGED) - before < 12
    assert WELL_KNOWN["bruno"] not in known()
    assert WELL_KNOWN["asha"] in known()


def test_between_two_whole_runs_only_changes_are_read(world):
    syncing.begin(world.rita)
    drain()
    before = calls(world, BY_IDS)
    syncing.start(Account.objects.get(), by="rita")
    drain()
    assert MirrorSync.objects.first().whole is False
    assert calls(world, BY_IDS) == before


def test_a_lead_that_is_deleted_meanwhile_hides_no_other(world, crm):
    order = crm.lead_ids()
    syncing.begin(world.rita)
    steps(3)  # users, and two pages
    crm.remove_lead(order[0])
    crm.remove_lead(order[12])
    drain()
    assert set(crm.lead_ids()) <= known()


def test_one_that_is_deleted_while_the_last_page_is_read_hides_no_other(world, crm):
    order = crm.lead_ids()
    syncing.begin(world.rita)
    steps(10)  # all but the last page
    for lead in order[:11]:
        crm.remove_lead(lead)
    drain()
    assert set(crm.lead_ids()) <= known()


def test_one_that_changes_or_comes_meanwhile_is_read(world, crm):
    syncing.begin(world.rita)
    steps(3)
    crm.add_activity(WELL_KNOWN["asha"], 202, f"{db_now():%Y-%m-%d %H:%M:%S}")
    drain()
    assert known() == set(crm.lead_ids())


def test_what_is_gone_is_marked_and_what_shows_again_is_not(world):
    syncing.begin(world.rita)
    drain()
    world.sandbox.faults.set("lead_gone", "yes", match=WELL_KNOWN["chen"])
    age(days=30)
    syncing.begin_due()
    MirrorSync.objects.filter(state="running").update(since=db_now())  # else the list of changes shows it
    drain()
    assert WELL_KNOWN["chen"] not in known()
    world.sandbox.faults.reset()
    leads.add_leads(world.rita, [WELL_KNOWN["chen"]])
    assert WELL_KNOWN["chen"] in known()


def asking(world):
    """A run that finds nothing of what it looks for."""
    syncing.begin(world.rita)
    drain()
    age(days=30)
    world.sandbox.faults.set("lead_gone", "yes")
    syncing.begin_due()
    MirrorSync.objects.filter(state="running").update(since=db_now() + timedelta(hours=1))
    drain()
    run = MirrorSync.objects.first()
    assert run.state == "asking"
    return run


def test_more_missing_than_can_be_true_is_a_question_and_marks_nothing(world):
    run = asking(world)
    assert "no longer shows 10 of the 10 leads" in run.question
    assert len(known()) == 100
    assert Notice.objects.filter(user=world.omar, text__contains="no longer shows 10 of the 10").count() == 1
    with pytest.raises(Barred, match="operator"):
        syncing.answer(world.rita, run, gone=True)
    with pytest.raises(Barred, match="under way already"):
        syncing.begin(world.rita)
    assert syncing.claim() is None


def test_they_are_gone_says_an_operator(world):
    run = asking(world)
    syncing.answer(world.omar, run, gone=True)
    drain()
    run.refresh_from_db()
    assert (run.state, run.gone, run.allowed_by) == ("done", 100, "omar")
    assert known() == set()
    with pytest.raises(Barred, match="asks nothing"):
        syncing.answer(world.omar, run, gone=True)


def test_they_are_not_gone_says_an_operator_and_it_ends(world):
    run = asking(world)
    syncing.answer(world.omar, run, gone=False)
    drain()
    syncing.begin_due()
    run.refresh_from_db()
    assert (run.state, MirrorSync.objects.count()) == ("stopped", 2)
    assert len(known()) == 100
    assert not Account.objects.get().sync_on


def test_a_question_that_nobody_answers_ends_with_its_day(world):
    run = asking(world)
    MirrorSync.objects.filter(pk=run.pk).update(begun_at=db_now() - timedelta(days=2))
    syncing.begin_due()
    run.refresh_from_db()
    assert (run.state, run.why) == ("stopped", "nobody answered; the next run asks again")
    assert len(known()) == 100


def test_a_few_that_are_missing_are_gone_without_a_question(world):
    syncing.begin(world.rita)
    drain()
    age(days=30)
    for lead in sorted(WELL_KNOWN.values()):
        world.sandbox.world.remove_lead(lead)
    syncing.begin_due()
    drain()
    assert MirrorSync.objects.first().state == "done"
    assert len(known()) == 97


def test_a_stopped_run_is_taken_over_where_it_stood(world, crm):
    syncing.begin(world.rita)
    run = steps(5)
    assert run.page == 5
    read = calls(world, CHANGED)
    syncing.stop(world.omar)
    drain()
    syncing.begin_due()
    assert (MirrorSync.objects.get().state, calls(world, CHANGED)) == ("stopped", read)
    assert not Account.objects.get().sync_on
    syncing.begin(world.rita)
    second = MirrorSync.objects.first()
    assert (second.page, second.taken, second.carried, second.leg) == (5, 40, 40, "changed")
    drain()
    assert known() == set(crm.lead_ids())
    assert calls(world, CHANGED) == 11  # each page once, and the empty one
    with pytest.raises(Barred, match="asks nothing"):
        syncing.answer(world.omar, second, gone=True)


def test_what_stood_too_long_begins_anew(world):
    syncing.begin(world.rita)
    steps(5)
    syncing.stop(world.rita)
    with pytest.raises(Barred, match="Nothing is synced"):
        syncing.stop(world.rita)
    MirrorSync.objects.update(covers_to=db_now() - timedelta(days=2))
    syncing.begin(world.rita)
    assert MirrorSync.objects.first().page == 1


def test_a_page_that_comes_after_the_stop_is_not_written(world, monkeypatch):
    syncing.begin(world.rita)
    steps(2)
    read = syncing.Client.leads_modified

    def stopped_meanwhile(*args):
        syncing.stop(world.omar)
        return read(*args)

    monkeypatch.setattr(syncing.Client, "leads_modified", stopped_meanwhile)
    before = known()
    run = one_step()
    assert (run.state, run.page, known()) == ("stopped", 2, before)


def test_a_worker_that_died_is_followed_by_another_when_its_lease_is_over(world, crm):
    syncing.begin(world.rita)
    steps(2)
    assert syncing.claim() is not None  # and dies
    assert syncing.claim() is None
    MirrorSync.objects.update(claimed_until=db_now() - timedelta(seconds=1))
    drain()
    assert known() == set(crm.lead_ids())


def test_of_two_workers_one_writes_the_page(world):
    syncing.begin(world.rita)
    first = syncing.claim()
    MirrorSync.objects.update(claimed_until=db_now() - timedelta(seconds=1))
    second = syncing.claim()
    syncing.step(second)
    syncing.step(first)
    run = MirrorSync.objects.get()
    assert (run.leg, run.page, run.claimed_until) == ("changed", 1, None)


def test_where_leadsquared_fails_it_is_tried_again_and_then_stops_and_goes_on_later(world, crm):
    syncing.begin(world.rita)
    steps(3)
    world.sandbox.faults.set("answer", "500_generic", match="RecentlyModified")
    for _ in range(4):
        run = one_step()
        assert run.state == "running"
        assert run.not_before > db_now()
        due()
    run = one_step()
    assert (run.state, run.page) == ("stopped", 3)
    assert "could not be used" in run.why
    assert Notice.objects.filter(user=world.omar, subject__contains="sync").count() == 1
    age(hours=1)
    for _ in range(7):
        syncing.begin_due()
        due()
        one_step()
    assert MirrorSync.objects.filter(state="stopped").count() == 2
    assert Notice.objects.filter(user=world.omar, subject__contains="sync").count() == 1  # not again with each
    world.sandbox.faults.reset()
    age(hours=1)
    syncing.begin_due()
    drain()
    assert MirrorSync.objects.first().state == "done"
    assert known() == set(crm.lead_ids())


@pytest.mark.parametrize("answer", ["429", "empty", "unexpected_json", "broken_json", "html", "cut_short"])
def test_an_answer_that_is_none_leaves_the_run_where_it_was(world, answer, crm):
    syncing.begin(world.rita)
    steps(3)
    world.sandbox.faults.set("answer", answer, match="RecentlyModified", times=1)
    before = known()
    run = one_step()
    assert (run.state, run.page, known()) == ("running", 3, before)
    due()
    Account.objects.update(hold_until=0)
    drain()
    assert known() == set(crm.lead_ids())


def test_refused_keys_pause_the_account_and_the_run_waits(world):
    syncing.begin(world.rita)
    world.sandbox.faults.set("answer", "401")
    run = one_step()
    assert run.state == "running"
    assert run.not_before > db_now()
    assert Account.objects.get().is_paused


def test_the_day_s_calls_may_be_used_up(world, settings):
    settings.LSQ_DAILY_LIMIT = 1
    syncing.begin(world.rita)
    run = one_step()
    assert (run.state, run.leg) == ("running", "users")
    assert "used up" in run.why


def test_other_keys_are_not_taken_for_missing_leads(world, settings):
    syncing.begin(world.rita)
    settings.LSQ_SECRET_KEY = "another"
    run = one_step()
    assert "The keys or the host have changed" in run.why
    assert Account.objects.get().is_paused


def test_an_error_of_ours_is_put_off(world, monkeypatch):
    syncing.begin(world.rita)
    monkeypatch.setattr(syncing.mirror, "write_users", None)
    drain()
    run = MirrorSync.objects.get()
    assert run.why.startswith("The portal failed on it (TypeError)")


def test_who_may_and_when(world):
    with pytest.raises(Barred, match="requester or an operator"):
        syncing.begin(world.vera)
    with pytest.raises(Barred, match="requester or an operator"):
        syncing.stop(world.aida)
    Account.objects.update(tested_at=None)
    with pytest.raises(Barred, match="Test the connection first"):
        syncing.begin(world.rita)


def test_readings_that_people_wait_for_go_first(world):
    syncing.begin(world.rita)
    leads.add_leads(world.rita, [WELL_KNOWN["asha"]])
    agenda.do_one()
    assert MirrorSync.objects.get().leg == "users"
    assert Lead.objects.get(prospect_id=WELL_KNOWN["asha"]).records_read_at


def test_standing_says_how_far_it_is(world):
    assert syncing.standing(world.account) == syncing.Standing(False)
    syncing.begin(world.rita)
    world.account.refresh_from_db()
    assert syncing.standing(world.account).total is None
    steps(4)
    half = syncing.standing(world.account)
    assert (half.done, half.total, half.on) == (30, 100, True)
    assert half.seconds is not None
    drain()
    over = syncing.standing(world.account)
    assert over.run is None
    assert over.as_of == over.last.covers_to


# --- What an inactive user left behind ----------------------------------------------------------------------


def test_the_tasks_of_a_user_in_their_groups(world):
    syncing.begin(world.rita)
    drain()
    owner = CrmUser.objects.get(user_id=BULK_OWNER_ID)
    assert owners.tasks_of(world.account, [owner.user_id, ""]) == {owner.user_id: owners.Tasks()}
    with pytest.raises(Barred, match="holds no such task"):
        owners.select(world.rita, owner, ["open"])
    leads.refresh_owner(world.rita, owner.user_id)
    drain()
    has = owners.tasks_of(world.account, [owner.user_id])[owner.user_id]
    assert has.open + has.later + has.completed == 12_000
    assert has.read_at is not None
    assert min(has.open, has.later, has.completed) > 0
    picked = owners.select(world.rita, owner, ["later", "nonsense"])
    assert len(picked.ids) == has.later
    assert len(owners.select(world.rita, owner, owners.GROUPS).ids) == 12_000
    with pytest.raises(Barred, match="Choose which"):
        owners.select(world.rita, owner, ["nonsense"])
    with pytest.raises(Barred, match="requester"):
        owners.select(world.vera, owner, ["open"])
