"""An uploaded list: kept, read a batch at a time by whoever has time, and given back with what became of each line."""

import csv
import hashlib
import io
from datetime import timedelta

import openpyxl
import pytest
from django.contrib.auth.models import User

from lsq_ops.leadsquared.records import LeadRecord
from lsq_ops.models import (
    AuditEvent,
    DeletionItem,
    Selection,
    UploadedLine,
    UploadedList,
    UploadedPart,
    db_now,
)
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import agenda, approval, drafting, mirror, sheets, uploaded
from lsq_ops.services.may import Barred
from tests.world import SITE_VISIT, skip_wait


def guid(number):
    return f"00000000-0000-0000-0000-{number:012}"


@pytest.fixture
def rita(people):
    mirror.write_leads(people.account, [LeadRecord.model_validate({"ProspectID": guid(n)}) for n in range(1, 9)])
    return people.rita


def receive(user, text, name="leads.csv", names="lead", **how):
    return uploaded.receive(user, io.BytesIO(text.encode()), name, names=names, how=how)


def verdicts(upload):
    return dict(upload.judged.values_list("line", "verdict"))


TEXT = "ProspectID\n" + "".join(f"{one}\n" for one in (guid(1), guid(2), guid(1), guid(77), "abc", guid(3), guid(2)))
MADE = {2: "taken", 3: "taken", 4: "twice", 5: "not in the mirror", 6: "not an id", 7: "taken", 8: "twice"}


@pytest.fixture
def slow(monkeypatch):
    """Two lines at a time, and whoever reads stops after them."""
    monkeypatch.setattr(uploaded, "BATCH", 2)
    monkeypatch.setattr(uploaded, "AT_ONCE", -1)
    monkeypatch.setattr(uploaded, "SLICE", -1)


def test_a_short_list_is_read_at_once_and_what_it_takes_is_frozen(rita):
    upload = receive(rita, TEXT, "C:\\lists\\le\0ads.csv")
    assert verdicts(upload) == MADE
    assert upload.counts == {"taken": 3, "twice": 2, "not in the mirror": 1, "not an id": 1}
    assert (upload.lines, upload.last_line, upload.why) == (7, 8, "")
    assert upload.read_at is not None
    selection = upload.selection
    assert (selection.user, selection.record_type, selection.ids) == (rita, "lead", [guid(1), guid(2), guid(3)])
    assert selection.source == {
        "upload": upload.pk,
        "name": "leads.csv",
        "sha256": hashlib.sha256(TEXT.encode()).hexdigest(),
        "lines": 7,
        "taken": 3,
        "refused": {"twice": 2, "not in the mirror": 1, "not an id": 1},
    }


def test_the_trail_knows_the_list_by_its_hash_alone(rita):
    upload = receive(rita, TEXT, "asha-rao.csv")
    event = AuditEvent.objects.get(action="upload.read")
    assert (event.actor, event.object_id) == ("rita", str(upload.pk))
    assert upload.sha256 in event.details
    assert "asha" not in event.details + str(upload)


def test_of_a_file_that_is_no_list_nothing_is_kept(rita):
    for text, how in (("", {}), ("%PDF-1.7", {}), (TEXT, {"column": "Z"}), (TEXT, {"by": "number"})):
        with pytest.raises(Barred):
            receive(rita, text if how != {"by": "number"} else "Owner,Code\nx,1\n", **how)
    assert not UploadedList.objects.exists() and not UploadedPart.objects.exists()


def test_the_worker_reads_on_where_it_stood(rita, slow):
    upload = receive(rita, TEXT)
    assert (upload.read_at, upload.last_line, upload.lines, upload.total) == (None, 2, 1, 9)  # the heading was there
    stood = []
    while one := uploaded.claim():
        uploaded.step(one)
        upload.refresh_from_db()
        stood.append(upload.last_line)
    assert stood == [4, 6, 8, 8]
    assert verdicts(upload) == MADE
    assert upload.selection.ids == [guid(1), guid(2), guid(3)]
    assert AuditEvent.objects.filter(action="upload.read").count() == 1


def test_the_agenda_reads_uploads(rita, slow):
    upload = receive(rita, TEXT)
    agenda.work(5)
    upload.refresh_from_db()
    assert verdicts(upload) == MADE


def test_whoever_lost_the_lease_writes_no_line(rita, slow, monkeypatch):
    receive(rita, TEXT)
    slow_one, judge = uploaded.claim(), uploaded.Judge.judge
    assert uploaded.claim() is None

    def overtaken(self, rows):
        monkeypatch.setattr(uploaded.Judge, "judge", judge)
        UploadedList.objects.update(claimed_until=db_now() - timedelta(seconds=1))
        uploaded.step(uploaded.claim())
        return judge(self, rows)

    monkeypatch.setattr(uploaded.Judge, "judge", overtaken)
    uploaded.step(slow_one)
    upload = UploadedList.objects.get()
    assert (upload.last_line, upload.lines, len(verdicts(upload))) == (4, 3, 3)


def test_what_dies_again_and_again_is_given_up_with_a_sentence(rita, slow):
    receive(rita, TEXT)
    for _ in range(uploaded.TRIES):
        assert uploaded.claim()  # and the process dies
        UploadedList.objects.update(claimed_until=db_now() - timedelta(seconds=1))
    uploaded.step(uploaded.claim())
    upload = UploadedList.objects.get()
    assert upload.why.startswith("It takes too long to read")
    assert (upload.selection, uploaded.claim()) == (None, None)


@pytest.mark.parametrize(("name", "said"), [("MAX_LINES", "More than 3 lines"), ("MAX_IDS", "More than 3 records")])
def test_a_list_that_is_too_long_is_not_used_at_all(rita, slow, monkeypatch, name, said):
    monkeypatch.setattr(uploaded if name == "MAX_LINES" else uploaded.uploads, name, 3)
    upload = receive(rita, "".join(f"{guid(n)}\n" for n in range(1, 6)))
    agenda.work(5)
    upload.refresh_from_db()
    assert upload.why.startswith(said) and upload.counts["taken"]
    assert upload.read_at and upload.selection is None and not Selection.objects.exists()


def test_a_long_file_is_opened_by_the_worker_and_what_breaks_in_its_middle_is_a_sentence(rita, monkeypatch):
    monkeypatch.setattr(uploaded, "SHORT", 3)
    upload = receive(rita, TEXT)
    assert (upload.unpacked, upload.lines, upload.read_at) == (False, 0, None)
    monkeypatch.setattr(sheets, "MAX_LINES", 4)  # as if the rest were worse than its beginning
    agenda.work(5)
    upload.refresh_from_db()
    assert upload.why.startswith("The file has more than 4 lines")
    with pytest.raises(Barred, match="could not be read"):
        uploaded.outcome_file(rita, upload, io.BytesIO())
    monkeypatch.undo()
    uploaded.read_again(rita, upload)
    assert verdicts(upload) == MADE


def test_what_a_cell_was_survives_the_unpacking(rita):
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in (["Lead"], [guid(1)], ["=B2"], [12345678901234], [None], ["x\tß🙂"]):
        book.active.append(row)
    book.active.row_dimensions[2].hidden = True
    book.save(file)
    upload = uploaded.receive(rita, file, "leads.xlsx", names="lead", how={})
    assert list(upload.judged.order_by("line").values_list("line", "verdict", "text")) == [
        (2, "taken", guid(1)),
        (3, "not an id", "=B2"),
        (4, "not an id", "12345678901234"),
        (6, "not an id", "x ß🙂"),
    ]
    assert "rounded this number" in upload.judged.get(line=4).why
    assert "a formula" in upload.judged.get(line=3).why
    assert "One hidden or filtered row is included." in upload.notes
    assert upload.sha256 == hashlib.sha256(file.getvalue()).hexdigest()


def test_after_the_missing_lead_was_read_the_same_file_takes_it(rita, people):
    upload = receive(rita, TEXT)
    assert uploaded.to_read(upload) == 1
    assert uploaded.select_to_read(rita, upload).ids == [guid(77)]
    mirror.write_leads(people.account, [LeadRecord.model_validate({"ProspectID": guid(77)})])
    before = upload.selection
    uploaded.read_again(rita, upload)
    upload.refresh_from_db()
    assert verdicts(upload) == {**MADE, 5: "taken"}
    assert upload.selection.ids == [guid(1), guid(2), guid(77), guid(3)]
    assert Selection.objects.filter(pk=before.pk).exists()  # a draft may be open on it


def test_leads_whose_ids_are_not_known_cant_be_read_from_here(rita):
    upload = receive(rita, "nobody@example.com\n", by="email")
    with pytest.raises(Barred, match="look for them in LeadSquared"):
        uploaded.select_to_read(rita, upload)


def test_a_file_that_was_thrown_away_leaves_its_hash(rita):
    upload = receive(rita, TEXT)
    uploaded.throw_away(rita, upload)
    upload.refresh_from_db()
    assert not UploadedPart.objects.exists() and not UploadedLine.objects.exists()
    assert upload.sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    assert upload.selection.ids == [guid(1), guid(2), guid(3)]
    for deed in (uploaded.read_again, uploaded.throw_away, lambda *who: uploaded.outcome_file(*who, io.BytesIO())):
        with pytest.raises(Barred):
            deed(rita, upload)


def test_a_file_that_is_thrown_away_while_it_is_read_stays_away(rita, slow):
    upload = receive(rita, TEXT)
    reader = uploaded.claim()
    uploaded.throw_away(rita, upload)
    uploaded.step(reader)
    upload.refresh_from_db()
    assert (upload.selection, UploadedLine.objects.count(), uploaded.claim()) == (None, 0, None)


def test_nobody_else_works_with_it(rita, people):
    upload = receive(rita, TEXT)
    people.arun.groups.set(rita.groups.all())
    arun = User.objects.get(username="arun")
    for deed in (uploaded.read_again, uploaded.throw_away, uploaded.select_to_read):
        with pytest.raises(Barred, match="somebody else"):
            deed(arun, upload)
    with pytest.raises(Barred, match="requester"):
        receive(people.vera, TEXT)


# --- The file back ------------------------------------------------------------------------------------------


def given_back(user, upload):
    file = io.BytesIO()
    uploaded.outcome_file(user, upload, file)
    return list(csv.reader(io.StringIO(file.read().decode("utf-8-sig"))))


def test_the_file_comes_back_with_the_outcome_of_every_line(world):
    asha, bruno = world.mirror_leads("asha", "bruno")
    text = f"Name;ProspectID\n=A1;{asha.prospect_id}\nB;{bruno.prospect_id}\nC;{WELL_KNOWN['chen']}\n;\nD;oops\n"
    upload = receive(world.rita, text, "visits.csv")
    rows = given_back(world.rita, upload)
    assert rows[0] == ["LSQ Ops: line", "verdict", "why", "requests", "outcome", "Name", "ProspectID"]
    assert rows[1] == ["2", "taken", "", "", "nothing was asked", "'=A1", asha.prospect_id]
    assert [row[:2] for row in rows[3:-1]] == [["4", "not in the mirror"], ["6", "not an id"]]
    assert rows[-1][0].startswith(f"# visits.csv (SHA-256 {upload.sha256}): 4 rows, taken by rita at ")

    request = world.drafted("activities", upload.selection, {"codes": [SITE_VISIT], **world.window(10)})
    assert list(uploaded.requests_of(upload)) == [request]
    gone = DeletionItem.objects.filter(version=request.version, lead_id=asha.prospect_id).count()
    assert gone > 0
    assert given_back(world.rita, upload)[1][3:5] == [str(request), f"{gone} still to go (draft)"]

    approval.submit(world.rita, request)
    skip_wait(world.approved(request))
    world.work_out(request)
    rows = given_back(world.rita, upload)
    assert rows[1][3:5] == [str(request), f"{gone} gone"]
    events = AuditEvent.objects.filter(action="upload.outcome_taken").order_by("seq")
    assert [event.actor for event in events] == ["rita"] * 3


def test_a_line_with_a_day_counts_the_outcomes_of_its_activities(world):
    (asha,) = world.mirror_leads("asha")
    visits = asha.activity_set.filter(event_code=SITE_VISIT, gone_at=None).order_by("created_on")
    day = visits.first().created_on
    upload = receive(
        world.rita, f"Lead,Day\n{asha.prospect_id},{day:%Y-%m-%dT%H:%M:%SZ}\n", names="day", codes=[SITE_VISIT]
    )
    assert upload.selection.record_type == "activity"
    request = world.drafted("activities", upload.selection, {"picked": True})
    assert set(request.version.items.values_list("record_id", flat=True)) == set(upload.selection.ids)
    assert given_back(world.rita, upload)[1][3:5] == [str(request), f"{len(upload.selection.ids)} still to go (draft)"]
    clone = drafting.clone(world.rita, request)
    world.work()
    told = given_back(world.rita, upload)[1]
    assert told[3] == f"{request}, {clone}"
