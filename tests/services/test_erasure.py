"""One person leaves all that the portal keeps, and doesn't come in again; the skeleton stays, and so does the trail."""

import gzip
import io
import json
import zlib
from datetime import timedelta

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse

from lsq_ops.models import (
    Activity,
    ActivitySnapshot,
    AuditEvent,
    DeletionCall,
    DeletionItem,
    DeletionRequest,
    ErasedId,
    Erasure,
    Lead,
    Notice,
    Selection,
    SnapshotContent,
    Task,
    UploadedList,
    WebhookReceipt,
    db_now,
)
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import (
    agenda,
    approval,
    doctor,
    drafting,
    erased_ids,
    erasure,
    holds,
    leads,
    mirror,
    notices,
    reading,
    syncing,
    trail,
    uploaded,
)
from lsq_ops.services.may import Barred
from tests.world import skip_wait

ASHA, BRUNO = WELL_KNOWN["asha"], WELL_KNOWN["bruno"]
# What the skeleton is made of may name the lead by its id, and nothing else may.
SKELETON = {
    "RequestVersion",  # shares: lead -> numbers
    "RequestTarget",
    "DeletionItem",
    "KeptNeighbour",
    "DeletionCall",
    "Attempt",
    "ActivitySnapshot",  # of whom it was
    "AuditEvent",
}


def erased(user, one=ASHA):
    run = erasure.begin(user, one, "asked by the person", "GDPR-1")
    while erasure.step():
        pass
    run.refresh_from_db()
    return run


def told(value):
    """What a column holds as text, whatever it is packed in."""
    if isinstance(value, memoryview | bytes):
        raw = bytes(value)
        for unpacked in (gzip.decompress, zlib.decompress):
            try:
                return unpacked(raw).decode(errors="replace")
            except (OSError, zlib.error, EOFError):
                continue
        return raw.decode(errors="replace")
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def where(*needles):
    """model -> the needles that a row of it still holds, over the whole database."""
    found = {}
    for model in apps.get_models(include_auto_created=True):
        for row in model._base_manager.values_list():
            text = "\n".join(map(told, row)).lower()
            if there := {one for one in needles if one.lower() in text}:
                found[model.__name__] = found.get(model.__name__, set()) | there
    return found


@pytest.fixture
def kept(world):
    """Asha's site visits were deleted by a request that is over; Bruno is there too, and both are in uploads, mails,
    readings and selections."""
    request = world.work_out(world.running("activities", "asha", "bruno"))
    DeletionRequest.objects.filter(pk=request.pk).update(look_again_at=None)
    came = {"first_at": db_now(), "last_at": db_now()}
    for attempt in request.attempts.all():
        body = f'{{"ProspectId": "{attempt.lead_id}"}}'.encode()
        WebhookReceipt.objects.create(attempt=attempt, body=body, body_hash=f"{attempt.pk:064}", **came)
    asha = Lead.objects.get(prospect_id=ASHA)
    Task.objects.create(
        account=world.account, task_id=WELL_KNOWN["chen"][:-1] + "f", lead_id=ASHA, name="Call Asha", read_at=db_now()
    )
    lines = [f"{ASHA},x,1", f"{BRUNO},y,2", f"Somebody,{asha.email.upper()},3", f"Somebody,({asha.phone}),4"]
    file = io.BytesIO("\n".join(["prospect id,who,n", *lines]).encode())
    upload = uploaded.receive(world.rita, file, "a.csv", names="lead", how={})
    drafting.select(world.rita, "lead", [ASHA, BRUNO])
    notices.tell([world.rita], None, "about somebody", f"Write to {asha.email}.")
    notices.tell([world.rita], None, "about nobody", "Nothing.")
    assert upload.counts["taken"] == 2
    return world


def names_of(lead):
    return [text for text in (lead.email, lead.phone, lead.last_name) if text]


def test_nothing_of_the_person_is_left_but_the_skeleton(kept):
    asha, request = Lead.objects.get(prospect_id=ASHA), DeletionRequest.objects.get()
    needles, skeleton = names_of(asha), list(DeletionItem.objects.order_by("pk").values())
    of_bruno = where(*names_of(Lead.objects.get(prospect_id=BRUNO)))
    holding = {"Lead", "Activity", "Task", "SnapshotContent", "ItemContent", "CallBody", "WebhookReceipt"}
    holding |= {"SearchTerm", "UploadedPart", "UploadedLine", "Selection", "Notice"}
    assert holding <= set(where(ASHA, *needles))  # else the walk would prove nothing
    run = erased(kept.pia)
    assert run.ended_at and run.person == {} and not run.refused
    assert where(*needles) == {}
    assert set(where(ASHA)) <= SKELETON
    assert list(DeletionItem.objects.order_by("pk").values()) == skeleton
    contents = {item.lead_id: item.content for item in request.version.items.select_related("content")}
    assert (contents[ASHA].raw, contents[ASHA].salt) == (None, "") and contents[BRUNO].raw and contents[BRUNO].salt
    assert where(*names_of(Lead.objects.get(prospect_id=BRUNO))) == of_bruno
    assert Activity.objects.filter(lead__prospect_id=BRUNO).exists()
    for rule in ("activities", "tasks", "leads", "contents", "call bodies", "webhook bodies", "readings", "lines"):
        assert run.counts[rule] > 0, rule
    assert (run.counts["lines"], run.counts["mails"]) == (3, 1)
    assert trail.verify().ok
    assert [event.action for event in AuditEvent.objects.filter(object_type="erasure")] == [
        "erasure.done",
        "erasure.begun",
    ]
    assert ASHA not in str(list(AuditEvent.objects.filter(object_type="erasure").values()))


def test_the_lines_of_others_keep_their_verdicts(kept):
    erased(kept.pia)
    upload = UploadedList.objects.get()
    assert upload.counts == {"taken": 1, "erased": 3}
    assert list(upload.judged.order_by("line").values_list("verdict", "text"))[1] == ("taken", BRUNO)
    assert Selection.objects.get(pk=upload.selection_id).ids == [BRUNO]
    back = io.BytesIO()
    uploaded.outcome_file(kept.rita, upload, back)
    said = back.getvalue().decode()
    assert "this person was erased from the portal" in said and f"{BRUNO},y,2" in said
    uploaded.read_again(kept.rita, upload)
    agenda.work(5)
    upload.refresh_from_db()
    assert upload.counts["taken"] == 1


def test_a_line_that_names_them_by_number_goes_too(kept):
    """What the line says is no id, e-mail or phone: which lead it takes is known by its verdict."""
    numbers = [Lead.objects.get(prospect_id=one).number for one in (ASHA, BRUNO)]
    file = io.BytesIO("\n".join(["number,remark", *(f"{one},a remark" for one in numbers)]).encode())
    upload = uploaded.receive(kept.rita, file, "n.csv", names="lead", how={"by": "number"})
    assert upload.counts == {"taken": 2}
    erased(kept.pia)
    assert list(upload.judged.order_by("line").values_list("verdict", "ids")) == [("erased", []), ("taken", [BRUNO])]
    assert [row.cells[0].text for row in uploaded._rows(uploaded._parts(upload))] == ["number", "(erased)", numbers[1]]


def test_pages_of_the_request_still_open(kept):
    erased(kept.pia)
    request = DeletionRequest.objects.get()
    client = Client()
    client.force_login(kept.rita)
    for tab in ("items", "calls", "snapshots", "timeline", "kept", "leads"):
        page = client.get(reverse("admin:lsq_ops_deletionrequest_change", args=[request.pk]), {"tab": tab})
        assert page.status_code == 200


# --- Kept out -----------------------------------------------------------------------------------------------


def test_a_sync_an_addition_and_a_reading_bring_nothing_back(kept):
    erased(kept.pia)
    run = syncing.begin(kept.rita)
    kept.work()
    run.refresh_from_db()
    assert run.state == "done" and run.taken > 2
    assert not Lead.objects.filter(prospect_id=ASHA).exists()
    added = leads.add_leads(kept.rita, [ASHA, BRUNO])
    assert [lead.prospect_id for lead in added.taken] == [BRUNO]
    assert added.verdicts == [(ASHA, leads.ERASED)]
    reading.order(kept.account, [("lead_activities", ASHA), ("lead_tasks", ASHA)], reading.Lane.MIRROR, since=db_now())
    kept.work()
    for snapshot in ActivitySnapshot.objects.filter(subject_id=ASHA).order_by("-pk")[:2]:
        assert (snapshot.complete, snapshot.why, snapshot.rows()) == (False, reading.ERASED, [])


def test_what_was_being_read_when_it_began_is_not_kept(kept):
    reading.order(kept.account, [("lead_activities", ASHA)], reading.Lane.MIRROR, since=db_now())
    snapshot = reading.claim([reading.Lane.MIRROR])
    client, _ = reading.accounts.reader(snapshot)
    records = client.activities(ASHA, meaning=reading.OffsetMeaning(kept.account.offset_meaning)).records
    assert records
    erased(kept.pia)
    reading.fill(snapshot, records, complete=True)
    snapshot.refresh_from_db()
    assert (snapshot.rows(), snapshot.complete, snapshot.why) == ([], False, reading.ERASED)


def test_an_owners_list_says_nothing_of_the_tasks_of_who_was_erased(world):
    ids = world.mirror_tasks(6)
    theirs = Task.objects.get(task_id=ids[0])
    of_lead = set(Task.objects.filter(lead_id=theirs.lead_id).values_list("task_id", flat=True))
    of_owner = set(Task.objects.filter(task_id__in=of_lead, owner_id=theirs.owner_id).values_list("task_id", flat=True))
    leads.refresh_owner(world.rita, theirs.owner_id)
    world.work()
    whole = ActivitySnapshot.objects.filter(subject="owner_tasks").latest("pk")
    assert whole.complete and len(whole.rows()) > len(of_lead)
    run = erased(world.pia, theirs.lead_id)
    assert run.counts["readings"] >= 2
    new = min(of_owner)  # as if it had been made since
    ErasedId.objects.filter(mark=erased_ids.mark(world.account, new)).delete()
    whole.refresh_from_db()
    assert whole.contents_erased_at and whole.rows() == [] and whole.records and whole.sha256
    leads.refresh_owner(world.rita, theirs.owner_id)
    world.work()
    after = ActivitySnapshot.objects.filter(subject="owner_tasks").latest("pk")
    assert after.complete and after.records == whole.records
    assert not Task.objects.filter(task_id__in=of_lead).exists()
    assert theirs.lead_id not in json.dumps(after.rows()).lower()
    bare = {row["TaskID"] for row in after.rows() if set(row) == {"TaskID", "OwnerID", "StatusCode"}}
    assert bare == of_owner


def test_a_request_under_way_misses_no_task_of_who_is_erased_meanwhile(world):
    """Their tasks stand in the same owner's list, as neighbours that must stay."""
    request = world.draft_tasks(1)
    owner, lead = request.version.items.values_list("owner_id", "lead_id").get()
    neighbours = DeletionRequest.objects.get(pk=request.pk).version.kept.filter(lead_id__gt="").exclude(lead_id=lead)
    neighbour = neighbours.first().lead_id
    assert owner and neighbour
    approval.submit(world.rita, request)
    world.approved(request)
    skip_wait(request)
    agenda.tend()
    DeletionCall.objects.update(not_before=None)
    while DeletionCall.objects.filter(state="planned").exists():
        agenda.do_one()
    assert erased(world.pia, neighbour).refused == ""
    assert world.work_out(request).state == "completed"
    assert not DeletionCall.objects.filter(strange=True).exists()
    assert DeletionCall.objects.get().contradiction == ""


def test_a_clone_about_who_was_erased_can_not_be_read(kept):
    erased(kept.pia)
    clone = drafting.clone(kept.rita, DeletionRequest.objects.get())
    kept.work()
    clone.refresh_from_db()
    assert clone.version.reading == "incomplete"
    assert "erased from the portal" in clone.version.reading_note


def test_a_policy_admin_lets_the_person_in_again(kept):
    run = erased(kept.pia)
    with pytest.raises(Barred, match="policy admin"):
        erasure.lift(kept.omar, run)
    erasure.lift(kept.pia, run)
    with pytest.raises(Barred, match="let in before"):
        erasure.lift(kept.pia, run)
    assert [lead.prospect_id for lead in leads.add_leads(kept.rita, [ASHA]).taken] == [ASHA]
    assert erased(kept.pia).ended_at  # and once more


def test_another_key_knows_nobody_and_the_doctor_says_so(kept, settings):
    erased(kept.pia)
    assert [one.state for one in doctor.examine("erasures")] == ["ok"]
    settings.AUDIT_KEY = "another-key-of-thirty-two-letters-or-so"
    (found,) = doctor.examine("erasures")
    assert (found.state, "1 erasures were made under another AUDIT_KEY" in found.says) == ("wrong", True)


# --- Refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("held", ["lead", "task"])
def test_a_hold_beats_it_and_the_refusal_is_kept(kept, held):
    one = ASHA if held == "lead" else Task.objects.get(lead_id=ASHA, name="Call Asha").task_id
    holds.set_holds(kept.pia, held, [one], "court case")
    before = where(*names_of(Lead.objects.get(prospect_id=ASHA)))
    run = erased(kept.pia)
    assert "on hold" in run.refused and run.ended_at and run.counts == {} and run.person == {}
    assert where(*names_of(Lead.objects.get(prospect_id=ASHA))) == before
    assert not ErasedId.objects.exists()
    event = AuditEvent.objects.get(action="erasure.refused")
    assert event.actor == "pia" and run.mark in event.details
    with pytest.raises(Barred, match="was refused"):
        erasure.lift(kept.pia, run)


def test_an_open_request_stands_against_it(world):
    pending = world.pending("activities", "asha")
    run = erased(world.pia)
    assert run.refused == f"{pending} would delete or read something of the lead and must be over first."
    assert erased(world.pia, BRUNO).refused == ""


def test_an_owners_list_that_an_open_request_rests_on_stays_and_is_told(world):
    ids = world.mirror_tasks(6)
    tasks = list(Task.objects.filter(task_id__in=ids))
    owner = tasks[0].owner_id
    request = world.drafted("tasks", drafting.select(world.rita, "task", [tasks[0].task_id]), {})
    lists = SnapshotContent.objects.filter(snapshot__request=request, snapshot__subject="owner_tasks")
    world.work()
    assert lists.exists(), owner
    bystander = Task.objects.filter(owner_id=owner).exclude(lead_id=tasks[0].lead_id).first()
    run = erased(world.pia, bystander.lead_id)
    assert run.kept_back == {"readings": lists.count()}
    assert all(bytes(one.packed) for one in lists)


def test_who_may_and_what_is_a_prospect_id(kept):
    with pytest.raises(Barred, match="policy admin"):
        erasure.begin(kept.omar, ASHA, "because")
    with pytest.raises(Barred, match="not a prospect id"):
        erasure.begin(kept.pia, "asha@example.com", "because")
    with pytest.raises(Barred, match="Say why"):
        erasure.begin(kept.pia, ASHA, "  ")
    erased(kept.pia)
    with pytest.raises(Barred, match="erased before"):
        erasure.begin(kept.pia, ASHA, "because")


# --- Its way ------------------------------------------------------------------------------------------------


def test_it_goes_on_where_a_killed_worker_stood(kept):
    needles = names_of(Lead.objects.get(prospect_id=ASHA))
    run = erasure.begin(kept.pia, ASHA, "because")
    assert erasure.step()
    claimed = erasure.batches._claim(Erasure)
    assert claimed and erasure.step() is False  # another one has it
    Erasure.objects.filter(pk=run.pk).update(claimed_until=db_now() - timedelta(seconds=1))
    agenda.work(10)
    run.refresh_from_db()
    assert run.ended_at and where(*needles) == {}


def test_auditors_hear_of_it_without_a_name(kept):
    erasure.begin(kept.pia, ASHA, "because")
    notice = Notice.objects.get(user=kept.aida, subject__contains="one person is erased")
    assert ASHA not in notice.text


def test_on_its_page_stands_what_went_and_what_stays(kept):
    client = Client()
    client.force_login(kept.pia)
    lead = Lead.objects.get(prospect_id=ASHA)
    asked = client.get(f"/admin/lsq_ops/lead/{lead.pk}/erase_person/").content.decode()
    assert "items of requests, what they held" in asked
    answer = client.post(f"/admin/lsq_ops/lead/{lead.pk}/erase_person/", {"reason": "asked by the person"})
    page = client.get(answer.url).content.decode()
    assert "Being erased" in page and "data-live" in page
    kept.work()
    page = client.get(answer.url).content.decode()
    assert "Erased, and kept out" in page and "Backups, exported files and sent mails" in page and ASHA not in page
    address = "/admin/lsq_ops/erasure/"
    assert "asked by the person" in client.get(address, {"q": ASHA.upper()}).content.decode()
    assert "No erasure meant this id." in client.get(address, {"q": BRUNO}).content.decode()
    posted = {"prospect_id": "nothing", "reason": "because"}
    assert "This is no prospect id" in client.post(f"{address}erase_person/", posted).content.decode()
    client.post(f"{address}erase_person/", {**posted, "prospect_id": f"{{{BRUNO}}}"})
    kept.work()
    assert not Lead.objects.filter(prospect_id=BRUNO).exists()


def test_a_mirror_write_of_many_asks_for_all_at_once(kept, django_assert_max_num_queries):
    erased(kept.pia)
    records = [leads.LeadRecord.model_validate({"ProspectID": f"00000000-0000-0000-0000-{n:012}"}) for n in range(200)]
    with django_assert_max_num_queries(12):
        mirror.write_leads(kept.account, records)
