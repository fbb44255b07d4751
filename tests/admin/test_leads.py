"""Leads, activities and tasks: bringing them in, finding them, looking at them, and picking what shall go."""

import io
import re
import uuid
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from lsq_ops import kinds
from lsq_ops.admin import masking
from lsq_ops.admin.leads import web_address
from lsq_ops.models import (
    Activity,
    ActivitySnapshot,
    AuditEvent,
    Hold,
    Lead,
    MirrorSync,
    Selection,
    Task,
    UploadedList,
    db_now,
)
from lsq_ops.sandbox.world import BULK_OWNER_ID, WELL_KNOWN
from lsq_ops.services import uploaded
from tests.world import SITE_VISIT

LEADS = "/admin/lsq_ops/lead/"
HOSTILE = '<script>alert("x")</script>\u202egnp.exe'


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def words(answer):
    """What a person reads."""
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))
    return text.replace("&#x27;", "'")


def add(user, text):
    return client_of(user).post(f"{LEADS}add_leads/", {"ids": text}, follow=True)


def lead_page(lead, query=""):
    return reverse("admin:lsq_ops_lead_change", args=[lead.pk]) + query


# --- Bringing leads in --------------------------------------------------------------------------------------


def test_the_empty_list_says_what_to_do(world):
    assert "No lead yet. Paste ids, upload a file, or find one in LeadSquared." in words(
        client_of(world.rita).get(LEADS)
    )


def test_pasted_leads_appear_with_all_that_is_theirs(world):
    answer = add(world.rita, "\r\n".join(WELL_KNOWN.values()))
    assert "3 leads added" in words(answer)
    assert "being read" in words(client_of(world.vera).get(LEADS))
    world.work()
    asha = Lead.objects.get(prospect_id=WELL_KNOWN["asha"])
    assert asha.activity_count == world.sandbox.world.counts(asha.prospect_id)["total"]
    assert f" {asha.activity_count} " in words(client_of(world.vera).get(LEADS))


def test_good_lines_are_kept_and_each_bad_one_gets_a_sentence(world):
    nobody = str(uuid.uuid4())
    answer = add(world.rita, f"{WELL_KNOWN['asha']}\n9.19E+11\n{{{WELL_KNOWN['asha'].upper()}}}\n<b>abc</b>\n{nobody}")
    assert Lead.objects.count() == 1
    said = words(answer)
    assert "1 lead added" in said
    assert "line 2 9.19E+11 the spreadsheet rounded this number" in said
    assert "line 3" in said and "twice; first on line 1" in said
    assert "&lt;b&gt;abc&lt;/b&gt;” is not a lead id; expected something like" in said
    assert f"{nobody} LeadSquared knows no such lead" in said


def test_a_lead_is_found_by_name_and_added_with_one_press(world):
    client = client_of(world.rita)
    answer = client.get(f"{LEADS}add_leads/?q=shetty")
    found = re.findall(r'name="ids" value="([0-9a-f-]{36})"', answer.content.decode())
    assert len(found) == 2
    assert "Shetty" not in words(answer)  # masked; the search box may say it
    client.post(f"{LEADS}add_leads/?q=shetty", {"ids": found[0]})
    again = words(client.get(f"{LEADS}add_leads/?q=shetty"))
    assert again.count("in the mirror") == 1


@pytest.mark.parametrize("query", ["x", "nobody@example.invalid", "%", "' OR 1=1 --", "\u202e" * 40, "<script>"])
def test_a_search_that_finds_nothing_says_so(world, query):
    answer = client_of(world.rita).get(f"{LEADS}add_leads/", {"q": query})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.content.decode()


def test_a_leadsquared_that_does_not_answer_is_a_sentence(world, settings):
    settings.LSQ_HOST = "http://127.0.0.1:9"
    answer = add(world.rita, WELL_KNOWN["asha"])
    assert answer.status_code == 409
    assert "No connection to LeadSquared" in words(answer)
    assert "No connection to LeadSquared" in words(client_of(world.rita).get(f"{LEADS}add_leads/?q=shetty"))


@pytest.mark.parametrize("name", ["vera", "arun", "omar", "aida", "pia"])
def test_only_a_requester_brings_leads_in(world, name):
    answer = add(getattr(world, name), WELL_KNOWN["asha"])
    assert answer.status_code == 403
    assert "Only a requester may do this" in words(answer)
    assert not Lead.objects.exists()


# --- Finding ------------------------------------------------------------------------------------------------


def found(user, query):
    answer = client_of(user).get(LEADS, {"q": query})
    assert answer.status_code == 200
    return {lead.prospect_id for lead in answer.context["cl"].result_list}


def test_a_lead_is_found_by_id_number_email_phone_and_name(world):
    world.mirror_leads("asha", "bruno", "chen")
    asha = Lead.objects.get(prospect_id=WELL_KNOWN["asha"])
    digits = re.sub(r"\D", "", asha.phone)
    for query in (
        asha.prospect_id.upper(),
        asha.number,
        asha.email.upper(),
        asha.phone,
        digits[-10:],
        asha.last_name.lower(),
    ):
        assert found(world.vera, query) == {asha.prospect_id}, query
    for query in ("nobody", "%", "_", "\\", "((((", "9" * 400, str(uuid.uuid4())):
        assert found(world.vera, query) == set()


def test_names_are_masked_wherever_a_lead_is_shown(world):
    (asha,) = world.mirror_leads("asha")
    Lead.objects.filter(pk=asha.pk).update(
        first_name=HOSTILE, last_name="Pillai", email="asha.p@example.com", phone="+91-9900112233"
    )
    for address in (LEADS, lead_page(asha), "/admin/lsq_ops/activity/", "/admin/lsq_ops/task/"):
        html = client_of(world.vera).get(address).content.decode()
        for secret in ("Pillai", "asha.p@", "9900112233", HOSTILE, "\u202e"):
            assert secret not in html, (address, secret)
        assert "P•••" in html


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (("Asha", "Pillai"), "A••• P•••"),
        (("", ""), "no name"),
        (("\u202e\u200f", " "), "no name"),
        (("\u202eevil", "🙂"), "e••• 🙂•••"),
        (("<script>",), "<•••"),
    ],
)
def test_a_mask_keeps_a_first_letter_and_nothing_that_turns_text_around(given, shown):
    assert masking.name(*given) == shown


def test_masks_of_email_and_phone():
    assert masking.email("asha@example.com") == "a•••@example.com"
    assert masking.email("") == masking.phone("") == "–"
    assert masking.phone("+91-9900112233") == "••• 2233"
    assert masking.phone("12") == "•••"


# --- A lead's page ------------------------------------------------------------------------------------------


def test_a_lead_shows_its_records_in_sections(world):
    (asha,) = world.mirror_leads("asha")
    request = world.draft("activities", "asha")
    client = client_of(world.vera)
    assert "Site visit" in words(client.get(lead_page(asha)))
    assert "Owner change" in words(client.get(lead_page(asha, "?tab=changes")))
    task = Task.objects.filter(lead_id=asha.prospect_id).first()
    assert task.task_id in words(client.get(lead_page(asha, "?tab=tasks")))
    assert str(request) in words(client.get(lead_page(asha, "?tab=requests")))
    assert "complete" in words(client.get(lead_page(asha, "?tab=snapshots")))
    for query in ("?tab=nonsense&page=x&code=y", "?page=-1", "?code=99999999999999999999", "?gone=1"):
        assert client.get(lead_page(asha, query)).status_code == 200


def test_what_leadsquared_sent_is_shown_as_text(world):
    (asha,) = world.mirror_leads("asha")
    one = Activity.objects.filter(lead=asha, activity_type=2).first()
    Activity.objects.filter(pk=one.pk).update(event_name=HOSTILE, created_by=HOSTILE, raw={"Note": HOSTILE})
    Task.objects.filter(lead_id=asha.prospect_id).update(name=HOSTILE, owner_name=HOSTILE, raw={"Note": HOSTILE})
    task = Task.objects.first()
    for address in (
        lead_page(asha),
        lead_page(asha, "?tab=tasks"),
        f"/admin/lsq_ops/activity/{one.pk}/change/",
        f"/admin/lsq_ops/activity/?q={one.activity_id}",
        f"/admin/lsq_ops/task/{task.pk}/change/",
        "/admin/lsq_ops/task/",
    ):
        html = client_of(world.vera).get(address).content.decode()
        assert "<script>alert" not in html, address
        assert "\u202e" not in html, address
        assert "\\u202e" in html, address


def test_a_hold_is_said_on_the_page(world):
    (asha,) = world.mirror_leads("asha")
    Hold.objects.create(
        account=world.account,
        record_type="lead",
        record_id=asha.prospect_id,
        reason="court",
        set_by="pia",
        set_at=db_now(),
    )
    assert "On hold: court" in words(client_of(world.vera).get(lead_page(asha)))


def test_a_refresh_reads_the_lead_again(world):
    (asha,) = world.mirror_leads("asha")
    world.sandbox.world.remove_activities(world.sandbox.world.activity_ids(asha.prospect_id, 201)[:2])
    answer = client_of(world.rita).post(f"{LEADS}{asha.pk}/refresh/", follow=True)
    assert "facts were read" in words(answer)
    world.work()
    assert Activity.objects.filter(lead=asha, gone_at__isnull=False).count() == 2
    assert "2 gone from LeadSquared" in words(client_of(world.vera).get(lead_page(asha)))


def test_a_lead_that_leadsquared_lost_is_said_so(world):
    (asha,) = world.mirror_leads("asha")
    world.sandbox.world.remove_lead(asha.prospect_id)
    answer = client_of(world.rita).post(f"{LEADS}{asha.pk}/refresh/")
    assert "deleted or merged" in words(answer)
    assert "Gone from LeadSquared since" in words(client_of(world.vera).get(lead_page(asha)))


def test_a_snapshot_is_taken_away_by_post_and_the_trail_knows(world):
    (asha,) = world.mirror_leads("asha")
    snapshot = ActivitySnapshot.objects.filter(subject="lead_activities").first()
    address = reverse("admin:lsq_ops_lead_download", args=[asha.pk, snapshot.pk])
    assert client_of(world.vera).get(address).status_code == 405
    assert client_of(world.vera).post(address).status_code == 302, "who may only look gets no file of it"
    answer = client_of(world.aida).post(address)
    assert len(answer.content) > 1000
    assert "attachment" in answer["Content-Disposition"]
    assert AuditEvent.objects.get(action="snapshot.downloaded").actor == "aida"
    (bruno,) = world.mirror_leads("bruno")
    assert (
        client_of(world.vera).post(reverse("admin:lsq_ops_lead_download", args=[bruno.pk, snapshot.pk])).status_code
        == 404
    )


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("https://api-in21.leadsquared.com", "https://in21.leadsquared.com/LeadManagement/LeadDetails?LeadID="),
        ("http://127.0.0.1:9", ""),
    ],
)
def test_the_way_to_leadsquared_itself(world, host, address):
    (asha,) = world.mirror_leads("asha")
    asha.account.host = host
    assert web_address(asha) == (address + asha.prospect_id if address else "")


# --- Picking ------------------------------------------------------------------------------------------------


def test_there_is_one_action_for_each_kind_that_picks_leads(world):
    world.mirror_leads("asha")
    html = client_of(world.rita).get(LEADS).content.decode()
    for kind in kinds.every():
        assert (f'value="request_{kind.name}"' in html) == (kind.picks == "lead")
    assert "request_activities" not in client_of(world.vera).get(LEADS).content.decode()


def run_action(user, name, rows, across=False, address=LEADS):
    data = {"action": name, "_selected_action": [row.pk for row in rows], "select_across": "1" if across else "0"}
    return client_of(user).post(address, data)


def test_ticked_leads_are_frozen_and_their_ids_are_no_form_fields(world):
    asha, bruno, _ = world.mirror_leads("asha", "bruno", "chen")
    answer = run_action(world.rita, "request_activities", [asha, bruno])
    selection = Selection.objects.get()
    assert answer["Location"] == reverse("admin:lsq_ops_selection_draft", args=[selection.pk, "activities"])
    assert sorted(selection.ids) == sorted([asha.prospect_id, bruno.prospect_id])
    html = client_of(world.rita).get(answer["Location"]).content.decode()
    assert asha.prospect_id not in html


def test_all_that_a_search_finds_are_the_leads_of_that_moment(world):
    (asha,) = world.mirror_leads("asha")
    run_action(world.rita, "request_activities", [asha], across=True)
    world.mirror_leads("bruno")
    assert Selection.objects.get().ids == [asha.prospect_id]


def test_refreshing_many_asks_first(world):
    asha, bruno = world.mirror_leads("asha", "bruno")
    page = run_action(world.rita, "refresh_ticked", [asha, bruno])["Location"]
    before = ActivitySnapshot.objects.count()
    assert "about 5 calls" in words(client_of(world.rita).get(page))
    assert ActivitySnapshot.objects.count() == before
    assert "2 leads read" in words(client_of(world.rita).post(page, follow=True))
    assert ActivitySnapshot.objects.count() == before + 4


def test_single_activities_are_ticked_on_the_leads_page(world):
    asha, bruno = world.mirror_leads("asha", "bruno")
    mine = list(Activity.objects.filter(lead=asha, activity_type=2).values_list("activity_id", flat=True)[:2])
    other = Activity.objects.filter(lead=bruno).first().activity_id
    answer = client_of(world.rita).post(f"{LEADS}{asha.pk}/tick/", {"tick": [*mine, other, "nonsense"]})
    selection = Selection.objects.get()
    assert (selection.record_type, sorted(selection.ids)) == ("activity", sorted(mine))
    assert answer["Location"].endswith("/draft/activities/")


def test_no_tick_is_a_sentence(world):
    (asha,) = world.mirror_leads("asha")
    answer = client_of(world.rita).post(f"{LEADS}{asha.pk}/tick/", follow=True)
    assert "Nothing is picked" in words(answer)
    answer = client_of(world.vera).post(f"{LEADS}{asha.pk}/tick/", {"tick": ["x"]}, follow=True)
    assert "Only a requester may do this" in words(answer)
    assert not Selection.objects.exists()


# --- Files --------------------------------------------------------------------------------------------------


def upload(user, content, model="task", name="ids.csv", **given):
    file = SimpleUploadedFile(name, content if isinstance(content, bytes) else content.encode())
    return client_of(user).post(f"/admin/lsq_ops/{model}/upload/", {"file": file, **given}, follow=True)


def test_a_file_of_tasks_becomes_a_selection_with_a_verdict_for_each_bad_line(world):
    ids = world.mirror_tasks(3)
    Hold.objects.create(
        account=world.account, record_type="task", record_id=ids[2], reason="audit", set_by="pia", set_at=db_now()
    )
    stranger = str(uuid.uuid4())
    answer = upload(world.rita, "\n".join(["TaskID", ids[0], ids[1], ids[0], "abc", stranger, ids[2]]))
    said = words(answer)
    assert "6 lines: 2 taken · 1 twice · 1 not an id · 1 not in the mirror · 1 on hold" in said
    assert "5 abc not an id “abc” is not a task id" in said
    assert f"6 {stranger} not in the mirror not in the mirror; read its owner's tasks first" in said
    assert f"7 {ids[2]} on hold on hold: audit" in said
    selection = Selection.objects.get()
    assert (selection.record_type, selection.ids) == ("task", ids[:2])
    assert reverse("admin:lsq_ops_selection_draft", args=[selection.pk, "tasks"]) in answer.content.decode()
    assert selection.source["name"] == "ids.csv"
    assert "abc" not in str(selection.source)  # nothing else of the file goes with it
    page = answer.redirect_chain[-1][0]
    only = words(client_of(world.rita).get(page, {"verdict": "on hold"}))
    assert f"7 {ids[2]} on hold" in only and "abc" not in only


def test_leads_that_only_a_sync_can_bring_are_not_offered_to_be_read(world):
    upload(world.rita, "ProspectID\n" + WELL_KNOWN["asha"], "lead")
    made = UploadedList.objects.get()
    UploadedList.objects.update(how={"by": "email"}, read_at=db_now() - timedelta(days=2))
    page, client = reverse("admin:lsq_ops_uploadedlist_change", args=[made.pk]), client_of(world.rita)
    said = words(client.get(page))
    assert "missing lead" not in said and "lacks the lead of 1 line" in said and "Keep all leads in step" in said
    now = db_now()
    MirrorSync.objects.create(account=world.account, by="test", state="done", begun_at=now, ended_at=now, covers_to=now)
    said = words(client.get(page))
    assert "The mirror was brought up to date since this file was read" in said and "lacks the lead" not in said


def test_a_file_of_leads_offers_every_kind_and_reads_the_missing(world):
    (asha,) = world.mirror_leads("asha")
    answer = upload(world.rita, f"ProspectID\n{asha.prospect_id}\n{WELL_KNOWN['bruno']}", "lead")
    said = words(answer)
    assert "1 taken · 1 not in the mirror" in said
    assert all(str(kind.action) in said for kind in kinds.every() if kind.picks == "lead")
    assert "Read 1 missing lead" in said
    page, client = answer.redirect_chain[-1][0], client_of(world.rita)
    asking = client.post(page.replace("change/", "add_missing/"))
    client.post(asking.url)
    assert Lead.objects.filter(prospect_id=WELL_KNOWN["bruno"]).exists()
    said = words(client.post(page.replace("change/", "read_again/"), follow=True))
    assert "2 lines: 2 taken" in said and "missing lead" not in said


def test_a_file_of_leads_and_days_becomes_a_draft_of_their_activities(world):
    (asha,) = world.mirror_leads("asha")
    visit = asha.activity_set.filter(event_code=SITE_VISIT, gone_at=None).first()
    text = f"Number,When\n{asha.number},{visit.created_on:%Y-%m-%dT%H:%M:%SZ}\n{asha.number},never\n"
    given = {"what_for": "day", "by": "number", "column": "", "codes": []}
    assert "Choose at least one" in words(upload(world.rita, text, "activity", **given))
    said = words(upload(world.rita, text, "activity", **{**given, "codes": [SITE_VISIT]}))
    assert "1 taken · 1 no day. They take 1 activity in all." in said
    assert "Days were taken from column B “When”" in said
    client = client_of(world.rita)
    selection = Selection.objects.get()
    form = client.get(reverse("admin:lsq_ops_selection_draft", args=[selection.pk, "activities"]))
    assert "1 activity from ids.csv" in words(form)


def test_an_upload_is_there_for_its_owner_alone(world):
    answer = upload(world.rita, "TaskID\nabc")
    page = answer.redirect_chain[-1][0]
    assert "ids.csv" in words(client_of(world.rita).get("/admin/lsq_ops/uploadedlist/"))
    for other in (world.vera, world.omar, world.aida):
        assert "ids.csv" not in words(client_of(other).get("/admin/lsq_ops/uploadedlist/"))
        assert client_of(other).get(page).status_code == 404
        assert client_of(other).post(page.replace("change/", "outcome/")).status_code == 404


def test_a_long_file_shows_how_far_it_is_and_then_its_lines(world, monkeypatch):
    monkeypatch.setattr(uploaded, "BATCH", 100)
    monkeypatch.setattr(uploaded, "AT_ONCE", -1)
    answer = upload(world.rita, "".join(f"{uuid.uuid4()}\n" for _ in range(250)))
    assert "line 100 of about 251" in words(answer)
    assert "data-live hx-get" in answer.content.decode() and answer["X-Live"]
    world.work()
    page = answer.redirect_chain[-1][0]
    said = words(client_of(world.rita).get(page, {"page": 3}))
    assert "250 lines: 250 not in the mirror" in said and "201 to 250 of 250" in said
    assert "data-live hx-get" not in client_of(world.rita).get(page).content.decode()


def test_the_file_comes_back_with_outcomes_or_is_thrown_away(world):
    answer = upload(world.rita, "TaskID;Note\nabc;=1+1")
    page, client = answer.redirect_chain[-1][0], client_of(world.rita)
    assert "The file comes back as CSV" in words(client.get(page.replace("change/", "outcome/")))
    file = client.post(page.replace("change/", "outcome/"))
    assert 'filename="upload-' in file["Content-Disposition"] and "no-store" in file["Cache-Control"]
    assert "2,not an id," in (text := b"".join(file.streaming_content).decode()) and "abc,'=1+1" in text
    assert "The file and its lines were thrown away" in words(
        client.post(page.replace("change/", "throw_away/"), follow=True)
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty"),
        (b"%PDF-1.7", "This is a PDF document, whatever its name says"),
        (b"PK\x03\x04 broken", "damaged"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "old Excel file"),
        (b"\0\1\2\3", "neither text nor a workbook"),
    ],
)
@pytest.mark.parametrize("model", ["task", "lead", "activity"])
def test_a_file_that_is_no_list_is_a_sentence(world, model, content, said):
    answer = upload(world.rita, content, model, **({"what_for": "activity"} if model == "activity" else {}))
    assert answer.status_code == 409
    assert said in words(answer)
    assert not Selection.objects.exists() and not UploadedList.objects.exists()


def test_a_file_with_no_good_line_offers_nothing(world):
    answer = upload(world.rita, "TaskID\nabc\n<script>alert(1)</script>")
    assert "2 lines: 2 not an id" in words(answer)
    assert "<script>alert" not in answer.content.decode()
    assert not Selection.objects.exists()


def test_no_file_at_all(world):
    answer = client_of(world.rita).post("/admin/lsq_ops/task/upload/", {"file": ""})
    assert "This field is required" in words(answer)


def test_a_file_over_the_cap(world, settings):
    settings.UPLOAD_CAP = 10
    assert "at most" in words(upload(world.rita, "x" * 100))


# --- Tasks --------------------------------------------------------------------------------------------------


def test_tasks_are_filtered_and_found(world):
    world.mirror_tasks(5)
    client, tasks = client_of(world.vera), Task.objects.all()

    def listed(**query):
        return {row.task_id for row in client.get("/admin/lsq_ops/task/", query).context["cl"].result_list}

    done = set(tasks.filter(completed=True).values_list("task_id", flat=True))
    assert listed(state="completed") <= done
    assert not listed(state="open") & done
    one = tasks.first()
    assert listed(q=one.task_id) == {one.task_id}
    Task.objects.filter(pk=one.pk).update(gone_at=db_now())
    assert one.task_id not in listed()
    assert one.task_id in listed(state="gone") & listed(q=one.task_id)
    assert listed(q=str(uuid.uuid4())) == set()
    assert client.get("/admin/lsq_ops/task/?state=nonsense").status_code in (200, 302)


def test_an_owner_is_refreshed_by_id_or_from_a_task(world):
    ids = world.mirror_tasks(1)
    client = client_of(world.rita)
    assert "expected something like" in words(client.post("/admin/lsq_ops/task/refresh_owner/", {"owner": "abc"}))
    client.post("/admin/lsq_ops/task/refresh_owner/", {"owner": f"{{{BULK_OWNER_ID.upper()}}}"})
    orders = ActivitySnapshot.objects.filter(subject="owner_tasks", subject_id=BULK_OWNER_ID)
    assert orders.count() == 1
    client.post(f"/admin/lsq_ops/task/{Task.objects.get(task_id=ids[0]).pk}/refresh_this_owner/")
    assert orders.count() == 1  # ordered already and not yet begun


# --- Lists stay cheap ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["lead", "activity", "task"])
def test_a_list_asks_the_same_number_of_queries_however_long_it_is(world, model, django_assert_max_num_queries):
    world.mirror_leads("asha", "bruno", "chen")
    client = client_of(world.rita)
    with django_assert_max_num_queries(14):
        client.get(f"/admin/lsq_ops/{model}/")


def test_a_workbook_is_read_through_the_door(world):
    import openpyxl

    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in (["Task", "TaskID"], ["x", world.mirror_tasks(1)[0]], ["y", "=B2"]):
        book.active.append(row)
    book.save(file)
    said = words(upload(world.rita, file.getvalue(), name="tasks.xlsx"))
    assert "2 lines: 1 taken · 1 not an id" in said
    assert "3 =B2 not an id a formula, not an id" in said
