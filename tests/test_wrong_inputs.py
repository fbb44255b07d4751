"""What a wrong input gets at every door: a clear sentence, nothing half done, and never a traceback.

One test for each form, one table for each test: (what is sent instead of the good answer, what is said).
"""

import http.client
import io
import json
import re
import uuid
import zipfile
from urllib.parse import quote, urlsplit

import openpyxl
import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from lsq_ops import kinds
from lsq_ops.models import (
    Account,
    Activity,
    ActivitySnapshot,
    ApproverGrant,
    AuditEvent,
    Decision,
    DeletionRequest,
    Lead,
    Selection,
    Task,
    Team,
    UploadedList,
    Vote,
    WebhookReceipt,
    db_now,
)
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import agenda, approval, deciding, drafting, receiving, sheets, uploaded, uploads
from tests.world import SITE_VISIT

ASHA = WELL_KNOWN["asha"]
NOBODY = "00000000-0000-4000-8000-000000000001"
MARKUP, BIDI, FORMULA = "<script>alert(1)</script>", "\u202egnp.exe", '=HYPERLINK("http://x","y")'
NUL, MEGABYTE, HUGE = "a\0b", "x" * 2**20, "9" * 30
HOSTILE = (
    MARKUP,
    BIDI,
    FORMULA,
    NUL,
    HUGE,
    "-1",
    "1e400",
    "NaN",
    "٣",
    "{{ 7*7 }}",
    "' OR 1=1 --",
    "%00",
    "\ufeff",
    "🙂",
)

LEADS, TASKS, ACTIVITIES = "/admin/lsq_ops/lead/", "/admin/lsq_ops/task/", "/admin/lsq_ops/activity/"
REQUESTS, TRAIL, PEOPLE = "/admin/lsq_ops/deletionrequest/", "/admin/lsq_ops/auditevent/", "/admin/auth/user/"
ACCOUNTS, LOGIN, HOME = "/admin/lsq_ops/account/", "/admin/login/", "/admin/"
HOLDS = "/admin/lsq_ops/hold/"
REQUIRED, NO_CHOICE, NO_NUL = "This field is required", "not one of the available choices", "Null characters"
BROKEN, TOO_OLD = "What the browser sent is too large or broken", "This page was too old to be sent"

# What reading LeadSquared or looking around may touch, and what is too long to compare row by row.
UNWATCHED = {"BudgetSlot", "BudgetDay", "Beat", "Permission", "Group"}
COUNTED = {"Lead", "Activity", "Task", "SnapshotContent", "ItemContent", "ActivityType", "AuditEvent"}
COUNTED |= {"DeletionItem", "KeptNeighbour", "RequestTarget", "CallBody", "WebhookReceipt"}


def client_of(user, **options):
    client = Client(**options)
    assert client.raise_request_exception  # what a view raises comes out here
    client.force_login(user)
    return client


def words(answer):
    """What a person reads."""
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))
    return text.replace("&#x27;", "'").replace("&quot;", '"')


def stored():
    """Everything that may not change without somebody's good answer."""
    rows = {}
    for model in [*apps.get_app_config("lsq_ops").get_models(), *apps.get_app_config("auth").get_models()]:
        if model.__name__ in COUNTED:
            rows[model.__name__] = model._base_manager.count()
        elif model.__name__ not in UNWATCHED:
            fields = [field.attname for field in model._meta.concrete_fields if field.name != "last_login"]
            rows[model.__name__] = list(model._base_manager.order_by("pk").values_list(*fields))
    return rows


def without_the_trail(rows):
    """For what is kept in the trail although it changes nothing."""
    return {name: rows for name, rows in rows.items() if name not in ("AuditEvent", "AuditHead")}


def wrong(answer, sentence):
    """What is not as it should be with an answer to a wrong input; empty when all is well."""
    if answer.status_code >= 500:
        return f"answered {answer.status_code}"
    said = words(answer)
    if sentence not in said:
        page = re.search(r'role="alert".{0,300}|class="field-error".{0,200}|<h1.{0,300}', answer.content.decode(), re.S)
        return f"answered {answer.status_code} without “{sentence}”: {page[0] if page else said[-300:]}"
    if "<script>alert" in answer.content.decode():
        return "shows markup as it came"
    return ""


def refused(client, address, table, good=(), *, method="post"):
    """Send each wrong answer in place of the good one (None leaves it out): a sentence each, and no row changes."""
    before, trouble = stored(), []
    for sent, sentence in table:
        given = {name: value for name, value in {**dict(good), **sent}.items() if value is not None}
        shown = f"{str(sent)[:80]} at {address}"
        answer = getattr(client, method)(address, given, follow=True)
        if said := wrong(answer, sentence):
            trouble.append(f"{shown}: {said}")
        if (after := stored()) != before:
            trouble.append(f"{shown}: changed {[name for name in after if after[name] != before[name]]}")
            before = after
    assert not trouble, "\n".join(trouble)


def each(name, values, sentence):
    return [({name: value}, sentence) for value in values]


def page(obj, name="change", *more):
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_{name}", args=[obj.pk, *more])


@pytest.fixture
def elsewhere(people):
    """Another, older account with a lead, an activity and a task of its own."""
    now = db_now()
    old = Account.objects.create(host="https://api.old.example", org_id="old", current=False, created_at=now)
    lead = Lead.objects.create(account=old, prospect_id=NOBODY, first_name="Old", read_at=now)
    Activity.objects.create(account=old, lead=lead, activity_id=str(uuid.uuid4()), event_code=201, read_at=now)
    Task.objects.create(account=old, task_id=str(uuid.uuid4()), lead_id=NOBODY, owner_id=NOBODY, read_at=now)
    return old


# --- Every form at once: what breaks before a form is asked -------------------------------------------------------


def forms(world, pending, draft):
    """(who may, where) for every page that takes a POST."""
    lead, task, pia = Lead.objects.first(), Task.objects.first(), world.pia
    selection = Selection.objects.filter(record_type="lead").first()
    snapshot = pending.snapshots.first()
    yield world.rita, LOGIN
    yield from ((world.rita, f"{LEADS}{name}/") for name in ("add_leads", "upload"))
    yield world.rita, f"{ACTIVITIES}upload/"
    yield from ((world.rita, f"{TASKS}{name}/") for name in ("upload", "refresh_owner"))
    yield from ((world.rita, page(lead, name)) for name in ("refresh", "tick"))
    yield world.rita, page(task, "refresh_this_owner")
    yield world.rita, page(selection, "read_leads")
    yield from ((world.rita, page(selection, "draft", kind)) for kind in ("activities", "owner_history"))
    yield from ((world.rita, page(draft, name)) for name in ("submit", "edit", "reread", "clone", "withdraw"))
    yield from ((world.arun, page(pending, name)) for name in ("approve", "reject", "changes", "cancel"))
    yield from ((world.omar, page(pending, name)) for name in ("propose", "confirm_decision", "stop", "close"))
    yield world.arun, page(pending, "confirm_vote")
    yield world.vera, page(pending, "download", snapshot.pk)
    yield world.rita, page(lead, "download", ActivitySnapshot.objects.filter(subject_id=lead.prospect_id).first().pk)
    yield from ((world.omar, page(world.account, name)) for name in ("test", "pause", "resume", "resume_kind"))
    yield pia, f"{PEOPLE}new_person/"
    dialogs = ("set_roles", "give_grant", "revoke_grant", "lock", "new_password")
    yield from ((pia, page(world.arun, name)) for name in dialogs)
    yield world.aida, f"{TRAIL}verify/"


FORM = "application/x-www-form-urlencoded"
BROKEN_BODIES = [
    (b"&".join(b"a%d=1" % n for n in range(1001)), FORM),
    (b"reason=" + b"x" * (2**20 + 1), FORM),
    (b"--x\r\nContent-Disposition: form-data\r\n", "multipart/form-data"),
    (b"reason=x", "multipart/form-data; boundary=" + "x" * 300),
    ("reason=x".encode("utf-16"), f"{FORM}; charset=utf-16"),
]


def test_broken_bodies_missing_tokens_wrong_methods_and_closed_sessions(world, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS, settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000, 2**20
    draft, pending = world.draft("activities", "asha"), world.pending("owner_history", "bruno", days=60)
    every, before = list(forms(world, pending, draft)), stored()
    for user, address in every:
        client = client_of(user, enforce_csrf_checks=True)
        client.get(f"{LEADS}add_leads/")
        token = {"HTTP_X_CSRFTOKEN": client.get(LEADS).wsgi_request.META["CSRF_COOKIE"]}
        for body, kind in BROKEN_BODIES:
            answer = client.generic("POST", address, body, content_type=kind, **token)
            assert (answer.status_code, BROKEN in words(answer)) == (400, True), (address, kind, body[:20])
        answer = client.post(address, {"reason": "x"})
        assert (answer.status_code, TOO_OLD in words(answer)) == (403, True), address
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"):
            answer = client.generic(method, address, b"reason=x", **token)
            assert answer.status_code in ((200, 405) if address == LOGIN else (405,)), (method, address)
    assert stored() == before
    for user, address in every[1:]:
        comes_back(Client(), user, address)
    assert stored() == before


def comes_back(client, user, address):
    """Who was signed out meanwhile signs in again and lands on a page that says something."""
    answer = client.post(address, {"reason": "x", "username": "x"})
    assert (answer.status_code, answer["Location"]) == (302, f"{LOGIN}?next={quote(address)}")
    given = {"username": user.username, "password": "try-the-sandbox"}
    answer = client.post(answer["Location"], given, follow=True)
    assert answer.redirect_chain[0] == (address, 302)
    assert len(words(answer)) > 40, f"{address}: an empty page, {answer.status_code}"


# --- Signing in ------------------------------------------------------------------------------------------------


def test_sign_in(people, settings):
    settings.AXES_FAILURE_LIMIT = 1000  # here every wrong try shall get its own sentence
    people.vera.is_active = False
    people.vera.save()
    no = "Please enter the correct username and password"
    table = [
        *each("username", ["", " ", None], REQUIRED),
        *each("username", ["nobody", "rita ' --", MARKUP, BIDI, FORMULA, HUGE, "rita\u200b", "ri ta", "🙂"], no),
        *each("username", [NUL], NO_NUL),
        *each("username", [MEGABYTE], no),
        *each("password", ["", None], REQUIRED),
        *each("password", ["wrong", MARKUP, "try-the-sandbox ", "TRY-THE-SANDBOX", MEGABYTE], no),
        ({"username": "vera"}, no),
        ({"username": ["rita", "nobody"]}, no),
    ]
    refused(Client(), LOGIN, table, {"username": "rita", "password": "try-the-sandbox"})
    for body in (b"username=%ED%A0%80&password=%FF%FE", b"username=\xff\xfe&password=\xed\xa0\x80", b"=&;&&%", b"%"):
        answer = Client().generic("POST", LOGIN, body, content_type=FORM)
        assert (answer.status_code, "_auth_user_id" in answer.wsgi_request.session) == (200, False)
    for cookie in ("x" * 4000, "\0", "../../etc/passwd", "é"):
        client = Client()
        client.cookies["lsq_ops_session"] = cookie
        assert client.get(HOME)["Location"].startswith(LOGIN)
    for target in ("//evil.example", "https://evil.example/", "javascript:alert(1)", "\0", "x" * 5000):
        answer = Client().post(f"{LOGIN}?next={quote(target)}", {"username": "rita", "password": "try-the-sandbox"})
        assert answer.status_code == 302
        assert "evil" not in answer["Location"] and "script" not in answer["Location"]


def test_a_new_password_of_ones_own(people, settings):
    settings.AXES_FAILURE_LIMIT = 1000
    good = {
        "old_password": "try-the-sandbox",
        "new_password1": "an-other-first-one",
        "new_password2": "an-other-first-one",
    }

    def both(text):
        return {"new_password1": text, "new_password2": text}

    table = [
        *each("old_password", ["", None], REQUIRED),
        *each("old_password", ["wrong", MARKUP, BIDI, HUGE, MEGABYTE], "Your old password was entered incorrectly"),
        *each("new_password1", ["", None], REQUIRED),
        *each("new_password2", ["an-other-first-on", MARKUP, BIDI], "The two password fields didn’t match"),
        (both("short"), "at least 12 characters"),
        (both("password123456"), "too common"),
        (both("rita@example.com"), "too similar"),
        (both(NUL + "x" * 12), NO_NUL),
    ]
    refused(client_of(people.rita), f"{HOME}password_change/", table, good)


# --- Bringing leads in -----------------------------------------------------------------------------------------


def test_adding_leads_by_paste_and_by_search(world):
    not_one, at_once = "is not a lead id; expected something like", uploads.MAX_IDS
    table = [
        *each("ids", ["", " \r\n\t", None], REQUIRED),
        *each(
            "ids", ["abc", MARKUP, BIDI, "🙂", "-1", ASHA[:-1], ASHA + "0", ASHA.replace("-", ""), "٣" * 36], not_one
        ),
        *each("ids", ["9.19E+11", "+9,19e11"], "the spreadsheet rounded this number"),
        *each("ids", ["=A1", FORMULA], "a formula, not an id"),
        *each("ids", [NUL], NO_NUL),
        *each("ids", [MEGABYTE], "…” is not a lead id"),
        *each("ids", ["x\n" * 2**19], "line 1000"),
        *each("ids", [f"{ASHA} x"], "an id and something else; expected ids alone"),
        *each("ids", [f"{NOBODY}\n{{{NOBODY.upper()}}}"], "twice; first on line 1"),
        *each("ids", [NOBODY], "LeadSquared knows no such lead: deleted, merged or mistyped"),
        *each("ids", ["\n".join(str(uuid.UUID(int=n)) for n in range(201))], "201 leads at once are too many"),
        *each("ids", ["\n".join(str(uuid.UUID(int=n)) for n in range(at_once + 1))], f"More than {at_once:,} ids"),
    ]
    client = client_of(world.rita)
    refused(client, f"{LEADS}add_leads/", table)
    for body in (b"ids=%ED%A0%80", b"ids=%FF%FE%00a", b"ids=\xff\xfe"):
        assert client.generic("POST", f"{LEADS}add_leads/", body, content_type=FORM).status_code == 200
    client.post(f"{LEADS}add_leads/", {"ids": f"{ASHA}\n{MARKUP}"})
    client.post(f"{LEADS}add_leads/", {"ids": f"{ASHA}\n{MARKUP}"})
    assert Lead.objects.count() == 1  # the good line is kept, a double click adds nothing

    # --- find in LeadSquared ---
    few, none = "Type at least three characters", "LeadSquared finds no lead for this"
    table = [
        *each("q", ["x", "ab", "\u202e", "🙂"], few),
        *each(
            "q",
            ["nobody@example.invalid", "@@@", MARKUP, FORMULA, HUGE, "no such name", NOBODY, "((((", "+()-. 12"],
            none,
        ),
        *each("q", ["a%00b", "' OR 1=1 --", "\ufeff\ufeff\ufeff"], none),
        *each("q", [NUL, "\0\0\0"], "LeadSquared"),
        *each("q", ["x" * 201, "x" * 100_000, "9" * 5000], "at most 200 characters"),
        *each("q", ["", "   ", None], "Find in LeadSquared"),
    ]
    refused(client, f"{LEADS}add_leads/", table, method="get")
    for query in ("q=%FF%FE%FD", "q=%ED%A0%80%ED%A0%80%ED%A0%80", "q=%", "&&&===", "q=shetty&q=x"):
        assert client.get(f"{LEADS}add_leads/?{query}").status_code == 200


def test_an_owner_to_refresh(people):
    table = [
        *each("owner", ["", None, " "], REQUIRED),
        *each(
            "owner",
            ["abc", MARKUP, BIDI, FORMULA, "-1", HUGE, "9.19E+11", NOBODY[:-1], "🙂"],
            "This is not a user's id",
        ),
        *each("owner", [NUL], NO_NUL),
        *each("owner", [MEGABYTE], "at most 80 characters"),
    ]
    refused(client_of(people.rita), f"{TASKS}refresh_owner/", table)


# --- Files -----------------------------------------------------------------------------------------------------


def workbook(*rows, hidden=()):
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    for number in hidden:
        book.active.row_dimensions[number].hidden = True
    book.save(file)
    return file.getvalue()


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return file.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 3000
FILES = [
    (b"", "The file is empty"),
    (b"\xef\xbb\xbf\r\n \r\n", "nothing but blank lines"),
    (b"%PDF-1.7 %%EOF", "This is a PDF document, whatever its name says"),
    (b"\x89PNG\r\n\x1a\n", "This is a picture"),
    (b"<!DOCTYPE html><html>" + MARKUP.encode(), "This is a web page"),
    (b"abc\0def\0", "neither text nor a workbook"),
    (OLE, "This is an old Excel file"),
    (OLE + "EncryptedPackage".encode("utf-16-le"), "The workbook is password protected"),
    (workbook(["id"])[:-100], "The workbook is damaged"),
    (zipped(word__document="x"), "This is a zip file, but not an Excel workbook"),
    (zipped(**{"[Content_Types].xml": "x", "xl__sharedStrings.xml": b"\0" * 3_000_000}), "too large when unpacked"),
    (workbook([], []), "holds no filled cell"),
    (workbook(["id"], [919e9], [12345678901234]), "the spreadsheet rounded this number"),
    (workbook(["id"], ["=B1"]), "a formula, not an id"),
    (workbook(["id"], ["abc"], ["x"], hidden=(2, 3)), "2 hidden or filtered rows are included"),
    ("id\näöü".encode("cp1252"), "The file is not UTF-8; it was read as Windows-1252"),
    ("id\nabc".encode("utf-16"), "“abc” is not a"),
    (f"id\n{MARKUP}\n{BIDI}\n".encode(), "expected something like"),
    (b"id\n=1+1\n@SUM(A1)\n", "a formula, not an id"),
    (b'id\n"never closed\nabc\n', "A quotation mark is not closed"),
    (b"id\n" + NOBODY.encode() + b"\n" + NOBODY.upper().encode(), "2 lines: 2 not in the mirror"),
    (NOBODY.encode(), "not in the mirror"),
    (b"x" * 1_100_000, "longer than 1,000,000 characters"),
    (b"\xff\xfe\x00\xd8", "not a"),
    (b"\xed\xa0\x80,\xff\xfe\n", "not a"),
    (b"id\n" + b"\n".join(b"%d" % n for n in range(1_000)) * 4, "1 to 100 of 3,997"),
]


@pytest.mark.parametrize("where", [LEADS, TASKS, ACTIVITIES])
def test_upload_of_a_file(people, elsewhere, where, settings, monkeypatch):
    monkeypatch.setattr(sheets, "MAX_STRINGS", 2_000_000)
    settings.UPLOAD_CAP = 4 * 2**20
    client, address = client_of(people.rita), f"{where}upload/"
    client.post(address)
    before, trouble = without_the_trail(stored()), []
    names = (
        "ids.xlsx",
        "ids.csv",
        "ids",
        "../../etc/passwd",
        "a\0b.csv",
        f"{MARKUP}.csv",
        f"{BIDI}.csv",
        "x" * 300,
        "é.CSV",
    )
    for at, (content, sentence) in enumerate([*FILES, (b"a\n" * 2**21 + b"x", "at most 4 MB are read")]):
        file = SimpleUploadedFile("x", content)
        file.name = names[at % len(names)]
        answer = client.post(address, {"file": file, "what_for": "activity"}, follow=True)
        if said := wrong(answer, sentence):
            trouble.append(f"{content[:30]!r} as {file.name[:20]!r}: {said}")
        # A list is kept with its verdicts, and nothing is picked by it; a file that is none isn't kept at all.
        assert UploadedList.objects.count() == (answer.status_code == 200), content[:30]
        UploadedList.objects.all().delete()
    assert not trouble, "\n".join(trouble)
    refused(client, address, [({"file": "text, no file"}, REQUIRED), ({}, REQUIRED), ({"other": "x"}, REQUIRED)])
    assert without_the_trail(stored()) == before


def test_a_hundred_thousand_lines_are_read_and_too_many_are_a_sentence(people, monkeypatch):
    """How long it takes is measured by `./dev bench upload`."""
    ids = "\n".join(str(uuid.UUID(int=n)) for n in range(uploads.MAX_IDS))
    client = client_of(people.rita)

    def sent(text):
        answer = client.post(f"{TASKS}upload/", {"file": SimpleUploadedFile("ids.csv", text.encode())}, follow=True)
        assert len(answer.content) < 500_000
        while agenda.work():  # a slow machine needs several turns
            pass
        return words(client.get(answer.redirect_chain[-1][0]))

    assert "100,000 lines: 100,000 not in the mirror" in sent(ids)
    monkeypatch.setattr(uploaded, "MAX_LINES", 3_000)  # 200,000 as shipped, which take two turns
    assert "More than 3,000 lines at once. Split the file." in sent(ids)
    assert not Selection.objects.exists()


# --- From rows to a draft --------------------------------------------------------------------------------------


def test_ticked_activities_and_actions_on_a_list(world, elsewhere):
    asha, bruno = world.mirror_leads("asha", "bruno")
    client, nothing = client_of(world.rita), "Nothing is picked: tick some rows first"
    gone = asha.activity_set.first()
    Activity.objects.filter(pk=gone.pk).update(gone_at=db_now())
    others = [
        bruno.activity_set.first().activity_id,
        gone.activity_id,
        Activity.objects.get(account=elsewhere).activity_id,
    ]
    table = [
        *each("tick", [None, "", [], MEGABYTE, "\0", [NUL] * 50, "on", *HOSTILE, ["x"] * 1001, *others], nothing),
        *each("other", ["x"], nothing),
    ]
    refused(client, page(asha, "tick"), table)
    for body in (b"tick=%ED%A0%80&tick=%FF", b"tick=%00"):
        assert client.generic("POST", page(asha, "tick"), body, content_type=FORM)["Location"] == page(asha)
        assert nothing in words(client.get(page(asha)))
    for number in (99999, 10**18, 10**30):
        answer = client.post(f"{LEADS}{number}/tick/", {"tick": "x"})
        assert (answer.status_code, "There is no lead with this number" in words(answer)) == (404, True)
    old = Lead.objects.get(account=elsewhere)
    refused(client, page(old, "tick"), [({"tick": others[-1]}, "another LeadSquared account")])
    answer = client.get(page(asha, "tick"))
    assert (answer.status_code, "Nothing was changed" in words(answer)) == (405, True)
    no_rows = "Items must be selected"
    old = Lead.objects.get(account=elsewhere).pk
    for where, action in ((LEADS, "request_activities"), (LEADS, "refresh_ticked"), (TASKS, "request_tasks")):
        table = [
            *each("_selected_action", [None, [], "abc", "\0", HUGE, MARKUP, "-1", "1.5", MEGABYTE], no_rows),
            *each("_selected_action", [["9" * 25] * 1001], no_rows),
            *each("_selected_action", ["99999999", ["99999999", "x"]], "Nothing is picked: tick some rows first"),
            *each("action", ["", None], "No action selected"),
            *each("action", ["delete_selected", "nonsense", MARKUP, "\0"], "No action selected"),
            *each("index", ["x", "-1", HUGE], "tick some rows"),
        ]
        refused(client, where, table, {"action": action, "_selected_action": "99999999", "index": "0"})
    refused(client, LEADS, [({}, "tick some rows")], {"action": "request_activities", "_selected_action": old})


def zone(world, name):
    Account.objects.filter(pk=world.account.pk).update(time_zone=name)


WHEN = [
    *each("from_time", ["", None], REQUIRED),
    *each(
        "from_time",
        ["yesterday", MARKUP, BIDI, FORMULA, HUGE, "45000.5", "2026-13-01", "2026-02-30T00:00"],
        "valid date",
    ),
    *each("from_time", [MEGABYTE, "NaN", "٢٠٢٦-٠١-٠١x", "2026-01-01T25:00", "31/01/2026"], "valid date"),
    *each("from_time", ["0001-01-01T00:00", "0001-01-01", "1969-12-31T23:59"], "Enter a date from 1970 to 2099"),
    *each("to_time", ["9999-12-31T23:59:59", "2100-01-01"], "Enter a date from 1970 to 2099"),
    *each("from_time", ["2026-01-01T00:00+05:30", "2026-01-01T00:00Z"], "without a zone"),
    *each("from_time", ["2026-11-02T00:00"], "The window ends before it begins"),
    *each("from_time", ["2026-03-29T01:30", "2026-03-29 01:00:00"], "does not exist in Europe/London"),
    *each("from_time", ["2026-10-25T01:30"], "happens twice in Europe/London"),
    *each("to_time", ["2026-10-25T01:59:59"], "happens twice in Europe/London"),
]
CODES = [
    *each("codes", [None, []], REQUIRED),
    *each("codes", ["site visit", "3001", "12000", "22", "0", "-201", "201.0", HUGE, MARKUP, BIDI, "2 01"], NO_CHOICE),
    *each("codes", [["201", "99999"], "201,202", "\0", MEGABYTE], NO_CHOICE),
]
WHY = [
    *each("category", ["", None], REQUIRED),
    *each("category", ["because", MARKUP, "\0", HUGE, "Duplicate"], NO_CHOICE),
    *each("reason", ["", None, " \t\n"], REQUIRED),
    *each("reason", [NUL], NO_NUL),
    *each("reason", [MEGABYTE, "x" * 1001], "at most 1000 characters"),
    *each("ticket", ["x" * 101], "at most 100 characters"),
    *each("ticket", [NUL], NO_NUL),
    *each("asked_by", ["rita", HUGE, "-1", MARKUP, "99999", "1.5"], NO_CHOICE),
    *each("asked_by", ["\0"], NO_NUL),
]
GOOD = {
    "codes": [str(SITE_VISIT)],
    "from_time": "2026-01-01T00:00",
    "to_time": "2026-11-01T00:00",
    "category": "duplicate",
    "reason": "entered twice",
    "ticket": "OPS-1",
    "asked_by": "",
}


def test_the_page_that_makes_a_draft(world, elsewhere):
    world.mirror_leads("asha")
    zone(world, "Europe/London")
    client, picked = client_of(world.rita), drafting.select(world.rita, "lead", [ASHA])
    refused(client, page(picked, "draft", "activities"), [*CODES, *WHEN, *WHY], GOOD)
    for kind in (kind.name for kind in kinds.every() if kind.picks == "lead" and kind.name != "activities"):
        refused(client, page(picked, "draft", kind), [*WHEN[::3], *WHY[::4]], GOOD)
    crowd = {f"f{n}": "x" for n in range(1500)} | {"reason": ""}
    refused(client, page(picked, "draft", "activities"), [(crowd, REQUIRED), ({"reason": None}, REQUIRED)], GOOD)
    for body in (b"reason=%ED%A0%80&codes=%FF", b"reason=\xff&category=duplicate&from_time=%ED%A0%80"):
        assert client.generic("POST", page(picked, "draft", "activities"), body, content_type=FORM).status_code == 200
    where = page(picked, "draft", "activities")
    for other in ("tasks", "nonsense", "ACTIVITIES", "a-b_c"):
        assert client.post(where.replace("/activities/", f"/{other}/"), GOOD).status_code == 404
    assert not DeletionRequest.objects.exists()

    task = drafting.select(world.rita, "task", [Task.objects.filter(account=elsewhere).get().task_id])
    refused(client, page(task, "draft", "tasks"), WHY[::2], GOOD)
    refused(client, page(task, "draft", "tasks"), [({}, "are not in the mirror")], GOOD)
    ticked = drafting.select(world.rita, "activity", [NOBODY])
    refused(client, page(ticked, "draft", "activities"), [*WHY[1::2], ({}, "are not in the mirror")], GOOD)
    Selection.objects.update(account=elsewhere)
    for step in (page(picked, "draft", "activities"), page(picked, "read_leads")):
        refused(client, step, [({}, "another LeadSquared account")], GOOD)


def test_an_edit(world):
    draft = world.draft("activities", "asha")
    zone(world, "Europe/London")
    client, address = client_of(world.rita), page(draft, "edit")
    refused(client, address, [*CODES[::3], *WHEN[::2], *WHY[::2]], GOOD)
    refused(client_of(world.arun), address, [({}, "Only a requester may do this")], GOOD)
    other_tab = client_of(world.rita)
    other_tab.get(address)
    approval.submit(world.rita, draft)
    refused(other_tab, address, [({}, "this is possible only while it is draft")], GOOD)
    for name in ("reread", "submit"):
        refused(other_tab, page(draft, name), [({}, "this is possible only while it is draft")])
    client.post(page(draft, "withdraw"))
    for name in ("edit", "submit", "reread", "withdraw", "cancel"):
        refused(client, page(draft, name), [({}, "this is possible only while it is")], GOOD)
    for name in ("approve", "propose", "confirm_decision", "close", "take_back", "confirm_vote", "reverify"):
        refused(client, page(draft, name), [({}, "may do this")], GOOD)
    for number in ("0", "-1", "abc", HUGE, "1.5", "%00", "9" * 5000):
        assert client.get(f"{REQUESTS}{number}/change/").status_code == 404
        assert client.post(f"{REQUESTS}{number}/submit/").status_code == 404


# --- Deciding --------------------------------------------------------------------------------------------------


def test_votes(world):
    request = world.pending("owner_history", "asha", days=60)
    version, arun = request.version, client_of(world.arun)
    good = {"digest": version.digest, "count": str(version.items_count), "reason": "as agreed"}
    stale = "no longer what is asked"
    digests = [
        *each("digest", ["", None], REQUIRED),
        *each("digest", ["0" * 64, version.digest.upper(), version.digest[:-1], MARKUP, BIDI, HUGE, MEGABYTE], stale),
        *each("digest", [NUL], NO_NUL),
    ]
    counts = [
        *each("count", ["", None], REQUIRED),
        *each("count", ["many", MARKUP, "1e3", "NaN", NUL, "=1+1", MEGABYTE, "1,000x"], "Enter a whole number"),
        *each("count", ["0", str(version.items_count + 1), HUGE], "Type the number of items"),
        *each("count", ["-1"], "greater than or equal to 0"),
    ]
    reasons = [
        *each("reason", ["", None, "  "], REQUIRED),
        *each("reason", [NUL], NO_NUL),
        *each("reason", [MEGABYTE], "at most 1000 characters"),
    ]
    refused(arun, page(request, "approve"), [*digests, *counts], good)
    for name in ("reject", "changes"):
        refused(arun, page(request, name), [*digests, *reasons], good)
    for user, why in ((world.rita, "Only an approver may do this"), (world.vera, "Only an approver may do this")):
        refused(client_of(user), page(request, "approve"), [({}, why)], good)
    assert arun.post(page(request, "approve"), good).status_code == 302
    for name in ("approve", "reject", "changes"):  # a double click, and a second tab with another mind
        refused(arun, page(request, name), [({}, "You have voted on this version already")], good)
    assert Vote.objects.count() == 1
    client_of(world.dana).post(page(request, "reject"), good)  # meanwhile somebody ends it
    refused(arun, page(request, "take_back"), [({}, "only while it is")])
    refused(client_of(world.rita), page(request, "withdraw"), [({}, "only while it is")])
    assert Vote.objects.count() == 2

    # --- two tabs, and a version that moved on ---
    request = world.pending("activities", "asha")
    shown = {"digest": request.version.digest, "count": request.version.items_count, "reason": "no"}
    arun.post(page(request, "changes"), shown)
    request.refresh_from_db()
    assert request.state == "draft"
    for name in ("approve", "reject", "changes"):
        refused(client_of(world.dana), page(request, name), [({}, "only while it is")], shown)
    client_of(world.rita).post(page(request, "edit"), {**GOOD, "from_time": "2026-10-01T00:00"})
    world.work()
    request.refresh_from_db()
    approval.submit(world.rita, request)
    refused(client_of(world.dana), page(request, "approve"), [({}, "no longer what is asked")], shown)


def unclear(world, monkeypatch):
    """A running request whose call was sent without a clear answer, past its grace."""
    request = world.running("activities", "asha")
    call = request.calls.first()
    monkeypatch.setattr(deciding.settling, "is_past_grace", lambda call: True)
    world.sandbox.faults.set("answer", "502", match="DeleteActivities", times=1)
    world.sandbox.faults.set("effect", "nothing")
    world.work()
    call.refresh_from_db()
    return request, call


def test_decisions(world, monkeypatch):
    request, call = unclear(world, monkeypatch)
    assert call.state == "verifying", call.state
    other = world.draft("activities", "bruno").calls.first()
    omar, olga, address = client_of(world.omar), client_of(world.olga), page(request, "propose")
    good = {"call": call.pk, "choice": "end", "reason": "it is still there"}
    table = [
        *each("call", ["", None], REQUIRED),
        *each("call", [other.pk, "abc", HUGE, "-1", MARKUP, "0"], NO_CHOICE),
        *each("choice", ["", None], REQUIRED),
        *each("choice", ["close", "delete", MARKUP, "\0", HUGE], NO_CHOICE),
        *each("reason", ["", "  ", None], REQUIRED),
        *each("reason", [NUL], NO_NUL),
        *each("reason", [MEGABYTE], "at most 1000 characters"),
    ]
    refused(omar, address, table, good)
    refused(omar, f"{address}?call=abc&call=%00", table[:1], good)
    refused(client_of(world.rita), address, [({}, "Only an operator may do this")], good)
    assert omar.post(address, good).status_code == 302
    refused(omar, address, [({}, "Somebody has proposed a decision already")], good)
    decision = Decision.objects.get()
    confirm = page(request, "confirm_decision")
    refused(omar, confirm, [({}, "You proposed this; another operator confirms it")], {"decision": decision.pk})
    table = [
        *each("decision", ["", None], REQUIRED),
        *each("decision", ["abc", HUGE, "0", "-1", MARKUP, decision.pk + 1, MEGABYTE], NO_CHOICE),
    ]
    refused(olga, confirm, table)
    refused(olga, f"{confirm}?decision={HUGE}", table[:2])
    assert olga.post(confirm, {"decision": decision.pk}).status_code == 302
    second = olga.post(confirm, {"decision": decision.pk})
    assert second.status_code in (200, 403, 409)
    assert AuditEvent.objects.filter(action="decision.confirmed").count() == 1
    for user in (world.rita, world.rita, world.omar):
        answer = client_of(user).post(page(request, "stop"), follow=True)
        assert (answer.status_code in (200, 403), len(words(answer)) > 100) == (True, True)
    assert AuditEvent.objects.filter(action="request.stop_asked").count() <= 1


# --- Account and people ----------------------------------------------------------------------------------------


def test_the_account(people, elsewhere):
    omar, account = client_of(people.omar), people.account
    table = [
        *each("reason", ["", None, "  ", "\n"], REQUIRED),
        *each("reason", [NUL], NO_NUL),
        *each("reason", [MEGABYTE, "x" * 301], "at most 300 characters"),
    ]
    refused(omar, page(account, "pause"), table)
    for user in (people.rita, people.arun, people.pia, people.aida, people.vera):
        refused(client_of(user), page(account, "pause"), [({"reason": "x"}, "Only an operator may do this")])
    refused(omar, page(account, "resume"), [({}, "The account is not paused")])
    refused(
        omar, page(account, "resume_kind"), [({}, REQUIRED), *each("kind", [*HOSTILE, "tasks", MEGABYTE], NO_CHOICE)]
    )
    for name in ("test", "pause", "resume", "resume_kind"):
        refused(omar, page(elsewhere, name), [({"reason": "x", "kind": "tasks"}, "another LeadSquared account")])
        for number in ("0", "abc", HUGE, "%00"):
            assert omar.post(f"{ACCOUNTS}{number}/{name}/", {"reason": "x"}).status_code == 404
    refused(omar, page(account, "test"), [({}, "No connection to LeadSquared")])
    omar.post(page(account, "pause"), {"reason": f"{MARKUP}{BIDI}"})
    refused(client_of(people.olga), page(account, "pause"), [({"reason": "mine"}, "paused already")])
    assert "<script>alert" not in omar.get(HOME).content.decode()


def test_people(people):
    pia, where = client_of(people.pia), f"{PEOPLE}new_person/"
    signs = "Letters, digits and @ . + - _ only"
    table = [
        *each("username", ["", None], REQUIRED),
        *each("username", [MARKUP, BIDI, FORMULA, "ri ta", "a/b", "🙂", "a\nb"], signs),
        *each("username", [NUL], NO_NUL),
        *each("username", [MEGABYTE, "ﷺ" * 20], "at most 150 characters"),
        *each("username", ["rita", "ｒｉｔａ", "ʳita"], "There is a user rita already"),
        *each("username", ["RITA"], "There is a user RITA already"),
        *each(
            "email",
            ["nobody", "a@b", MARKUP, "a@b.com,c@d.com", "a@b.com\nBcc: x@y.com"],
            "valid email",
        ),
        *each("email", ["x" * 250 + "@example.com", MEGABYTE], "at most 254 characters"),
        *each("first_name", ["x" * 151], "at most 150 characters"),
        *each("last_name", [NUL], NO_NUL),
        *each("first_name", [BIDI, "\u2066x"], "Marks that turn the text around are not allowed"),
        *each("email", [f"a@{BIDI}.com"], "Marks that turn the text around are not allowed"),
        *each("password", ["", None], REQUIRED),
        *each("password", ["short"], "at least 12 characters"),
        *each("password", ["password123456"], "too common"),
        *each("password", [MEGABYTE], "at most 200 characters"),
        *each("password", ["new-person-name"], "too similar to the username"),
        *each("roles", ["Superuser", MARKUP, "\0", "requester", ["Approver", "x"], MEGABYTE], NO_CHOICE),
        *each("roles", [["Auditor", "Requester"]], "An auditor is nothing else"),
        *each("roles", [["Policy admin", "Approver"]], "never an approver"),
    ]
    good = {"username": "new-person-name", "password": "a-long-first-password", "roles": []}
    refused(pia, where, table, good)
    refused(client_of(people.rita), where, [({}, "Only a policy admin may do this")], good)
    assert pia.post(where, good).status_code == 302
    refused(pia, where, [({}, "There is a user new-person-name already")], good)  # a double click


def test_roles_and_grants(people):
    pia, team = client_of(people.pia), Team.objects.first()
    table = [*each("roles", [*HOSTILE, MEGABYTE, "Superuser", ["Approver", "approver"]], NO_CHOICE)]
    refused(pia, page(people.vera, "set_roles"), table)
    refused(pia, page(people.pia, "set_roles"), [({"roles": "Operator"}, "Nobody changes their own roles")])
    odd = [text for text in HOSTILE if "\0" not in text]
    table = [({}, REQUIRED), *each("team", [*odd, "0", MEGABYTE, str(team.pk + 100), "Business"], NO_CHOICE)]
    refused(pia, page(people.arun, "give_grant"), table)
    refused(pia, page(people.arun, "give_grant"), [({"team": team.pk}, "has a grant already; revoke it first")])
    refused(pia, page(people.vera, "give_grant"), [({"team": team.pk}, "does not have the role of an approver")])
    refused(pia, page(people.vera, "revoke_grant"), [({}, "has no grant")])
    for _ in range(2):  # a double click
        pia.post(page(people.arun, "revoke_grant"))
    assert ApproverGrant.objects.filter(user=people.arun, revoked_at__isnull=False).count() == 1
    assert AuditEvent.objects.filter(action="people.grant_revoked").count() == 1
    shown = {"shown": "active"}
    assert pia.post(page(people.arun, "lock"), shown).status_code == 302
    refused(pia, page(people.arun, "lock"), [(shown, "Somebody was quicker: arun is locked now"), ({}, REQUIRED)])
    refused(pia, page(people.pia, "lock"), [(shown, "Nobody locks themselves out")])
    for number in ("0", "abc", HUGE, "%00", "9" * 5000):
        for name in ("set_roles", "give_grant", "revoke_grant", "change"):
            assert pia.get(f"{PEOPLE}{number}/{name}/").status_code == 404


def test_holds(people):
    pia, before = client_of(people.pia), stored()
    good = {"record_type": "lead", "ids": NOBODY, "reason": "court"}
    rows = [({}, REQUIRED), (good | {"reason": ""}, REQUIRED), (good | {"reason": "x" * 301}, "at most 300 characters")]
    rows += [(good | {"ids": f"{NOBODY}\n{text}"}, "hold no id (line 2)") for text in ("abc", MARKUP, BIDI, "9" * 4000)]
    rows += [(good | {"ids": ids}, "one of the two") for ids in ("", "  \n \n")]
    rows += [(good | {"ends_at": text}, "valid date") for text in ("soon", "31.31.2026", HUGE)]
    rows += [(good | {"ends_at": "0001-01-01T00:00:00"}, "Enter a date from"), (good | {"reason": "a\0b"}, "Null")]
    rows += [(good | {"record_type": text}, "not one of the available") for text in ("person", BIDI)]
    refused(pia, f"{HOLDS}set_holds/", rows)
    kind, none = {"record_type": "task"}, ({"ids": NOBODY}, "None of")
    rows = [({"record_type": ""}, REQUIRED), ({}, "one of the two"), ({"ids": "abc"}, "no id"), none]
    refused(pia, f"{HOLDS}lift_holds/", rows, kind)
    for content, sentence in FILES:
        file = SimpleUploadedFile("x.csv", content)
        answer = pia.post(f"{HOLDS}lift_holds/", {**kind, "file": file})  # whatever it holds, nothing is on hold
        assert not wrong(answer, ""), content[:40]
        assert answer.status_code in (200, 409), (content[:40], sentence)
    assert stored() == before


# --- Looking ---------------------------------------------------------------------------------------------------

QUERIES = [
    *(
        f"q={quote(text)}"
        for text in (*HOSTILE, "DR-", f"DR-{HUGE}", "#", f"#{HUGE}", "@", "((((", "\\", "_", "%", "[a", "9" * 400)
    ),
    *(f"q={query}" for query in ("%FF%FE", "%ED%A0%80", "%00", "%", "a&q=b", "+" * 500, NOBODY, NOBODY.upper())),
    *(f"p={quote(text)}" for text in (*HOSTILE[3:8], "0", "x", "9" * 5000)),
    *(f"o={quote(text)}" for text in ("x", "1.2.3", HUGE, "-99")),
    *(f"all={quote(text)}" for text in ("", "x", "\0")),
    *(
        f"{name}={quote(text)}"
        for name in ("state", "kind", "whose", "about", "state__exact", "e")
        for text in ("x", "\0", HUGE)
    ),
    *(
        "id__exact=x",
        "id__in=1,x",
        "account__host=x",
        "password__startswith=a",
        "nonsense=1",
        f"id__exact={HUGE}",
        "_facets=x",
    ),
    "&".join(f"f{n}=1" for n in range(1500)),
    *("=&&=", "_popup=1&_to_field=password", "page=x&tab=%00"),
]


@pytest.mark.parametrize("where", [LEADS, TASKS, ACTIVITIES, REQUESTS, TRAIL, PEOPLE, HOLDS])
def test_searches_filters_and_pages_of_lists(people, elsewhere, where):
    picked = drafting.select(people.rita, "lead", [NOBODY])
    answers = {"parameters": {}, "category": "other", "reason": MARKUP, "ticket": BIDI}
    draft = drafting.draft(people.rita, kind="owner_history", selection=picked, **answers)
    client, before, trouble = client_of(people.vera), stored(), []
    for query in QUERIES:
        answer = client.get(f"{where}?{query}", follow=True)
        if said := wrong(answer, ""):
            trouble.append(f"?{query[:60]}: {said}")
    for query in ("x" * 60_000, "x" * 1001, "x " * 5000, "9" * 60_000, "%25" * 60_000):
        if said := wrong(client.get(f"{where}?q={query}", follow=True), "The search is longer than 1,000 characters"):
            trouble.append(f"?q={query[:9]}… ({len(query)}): {said}")
    for other in (HOME, ACCOUNTS):
        trouble += [said for query in QUERIES[::9] if (said := wrong(client.get(f"{other}?{query}", follow=True), ""))]
    assert not trouble, "\n".join(trouble)
    assert stored() == before
    assert where != REQUESTS or str(draft) in words(client.get(where))


def test_filters_parts_and_snapshots_of_a_request_and_of_a_lead(world):
    request = world.pending("activities", "asha")
    lead, client = Lead.objects.get(prospect_id=ASHA), client_of(world.vera)
    before = stored()
    tabs = (
        "items",
        "leads",
        "kept",
        "calls",
        "votes",
        "snapshots",
        "timeline",
        "tasks",
        "changes",
        "requests",
        "x",
        "%00",
    )
    odd = [quote(text) for text in (*HOSTILE, "0", "x", "9" * 5000)] + ["%FF", "%ED%A0%80"]
    names = ("page", "code", "call", "lead", "outcome", "show", "gone", "seen", "nonsense")
    for obj in (request, lead):
        for at, value in enumerate(odd):
            query = "&".join(f"{name}={value}" for name in names)
            for tab in (tabs[at % len(tabs)], "items"):
                answer = client.get(f"{page(obj)}?tab={tab}&{query}")
                assert wrong(answer, "") == "" and answer.status_code == 200, query[:80]
        assert client.get(f"{page(obj)}?lead={'x' * 60_000}&tab={'x' * 1000}").status_code == 200
    for seen in (*odd, "a:b:c", ":", "stage:x,stage:y", "x" * 60_000):
        assert client.get(f"{page(request, 'live')}?seen={seen}").status_code == 200
    for number in (0, 10**18, 10**30):
        for part in ("items", "calls"):
            assert client.get(f"{REQUESTS}{request.pk}/{part}/{number}/").status_code == 404
    assert stored() == before

    # --- a snapshot to download ---
    other = world.draft("activities", "bruno")
    wrong_numbers = (other.snapshots.first().pk, 0, 99999, 10**18, 10**30)
    for obj, noun in ((request, "request"), (lead, "lead")):
        for number in wrong_numbers:
            answer = client.post(page(obj, "change").replace("/change/", f"/snapshots/{number}/"))
            assert (answer.status_code, "no such" in words(answer)) == (404, True), (noun, number)
        for number in ("-1", "abc", "1.5", "%00", "9" * 5000, "%D9%A3"):
            answer = client.post(page(obj, "change").replace("/change/", f"/snapshots/{number}/"), follow=True)
            assert answer.status_code == 404
        good = request.snapshots.first().pk
        answer = client.get(page(obj, "download", good))
        assert (answer.status_code, "Nothing was changed" in words(answer)) == (405, True)
    snapshot = request.snapshots.first()
    late = ActivitySnapshot.objects.create(
        account=world.account, request=request, subject=snapshot.subject, subject_id=ASHA, ordered_at=db_now(), lane=0
    )
    before = stored()
    answer = client_of(world.rita).post(page(request, "download", late.pk), follow=True)
    assert "This reading is not finished yet" in words(answer)
    assert stored() == before


# --- LeadSquared's door ----------------------------------------------------------------------------------------

SAME = (200, {"Status": "Success", "StatusReason": ""})
BODIES = [
    b"",
    b"{}",
    b"[" * 30_000,
    b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
    b'{"Status": NaN, "TasksCount": Infinity}',
    b'{"Status": "Success"}\0\0',
    b'{"Status": "\\u0000\\ud800", "FailureReason": "\\udfff"}',
    b'{"Status": {"a": [1]}, "TasksCount": "many", "DeletedTasksCount": 1e400}',
    b'{"TasksCount": %s}' % (b"9" * 5000),
    '{"Status":"Success"}'.encode("utf-16"),
    '{"Status":"Success"}'.encode("utf-32-be"),
    b"\xff\xfe\x00\xd8",
    b"\xed\xa0\x80",
    b"Status=Success&" * 3000,
    b"Status=%00&x=%ED%A0%80",
    b'"' + b"x" * 70_000 + b'"',
    b"null",
    b"[[[]]]",
    MARKUP.encode(),
    b"\0" * 70_000,
]
KINDS = [
    "application/json",
    FORM,
    "text/plain",
    "",
    "x" * 5000,
    "multipart/form-data",
    "application/json; charset=nonsense",
]


def test_the_webhook_door_takes_anything_and_says_the_same(people, monkeypatch):
    client, log = Client(), []
    monkeypatch.setattr("lsq_ops.webhooks.log.error", lambda *said, **rest: log.append(said))
    before = stored()
    tokens = (
        "nobody",
        "x" * 3000,
        "%00",
        "%FF",
        "%ED%A0%80",
        "a%0Ab",
        "%F0%9F%99%82",
        "..",
        "a%2Fb",
        quote(MARKUP),
        "%25",
    )
    for at, body in enumerate(BODIES):
        kind = KINDS[at % len(KINDS)]
        for slash in ("", "/"):
            answer = client.generic("POST", f"/webhooks/leadsquared/nobody{slash}", body, content_type=kind)
            assert (answer.status_code, answer.json()) == SAME, body[:30]
    for token in tokens:
        for slash in ("", "/"):
            answer = client.generic("POST", f"/webhooks/leadsquared/{token}{slash}", b"{}", content_type=KINDS[0])
            assert (answer.status_code, answer.json()) == SAME, token
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"):
        answer = client.generic(method, "/webhooks/leadsquared/nobody/", b"{}")
        assert answer.status_code == 200
        assert method == "HEAD" or answer.json() == SAME[1]
    assert stored() == before
    assert log == []


def test_every_absurd_body_of_a_known_token_is_kept_as_it_came(world, monkeypatch):
    request = world.running("activities", "asha")
    world.work_out(request)
    attempt, before = request.attempts.first(), AuditEvent.objects.count()
    known = WebhookReceipt.objects.count()
    monkeypatch.setattr(receiving, "token_hash", lambda token: attempt.token_hash)
    monkeypatch.setattr(receiving, "PER_ATTEMPT", 100)
    client, log = Client(), []
    monkeypatch.setattr("lsq_ops.webhooks.log.error", lambda *said, **rest: log.append(said))
    for at, body in enumerate(BODIES * 2):
        answer = client.generic("POST", "/webhooks/leadsquared/t/", body, content_type=KINDS[at % len(KINDS)])
        assert (answer.status_code, answer.json()) == SAME, body[:30]
    assert log == []
    kept = len({body[:65_536] for body in BODIES if body})
    assert WebhookReceipt.objects.count() == known + kept
    world.work()
    assert not WebhookReceipt.objects.filter(taken_at=None).exists()
    assert AuditEvent.objects.filter(action="receipt.arrived").count() <= known + kept
    assert AuditEvent.objects.count() > before
    client = client_of(world.vera)
    for tab in ("calls", "timeline"):
        assert wrong(client.get(f"{page(request)}?tab={tab}"), str(request)) == ""
    request.refresh_from_db()
    assert request.state == "completed"


def test_the_webhook_door_over_a_real_socket(portal_server):
    host = urlsplit(portal_server).netloc

    def answer_to(method, path, body=None, **more):
        link = http.client.HTTPConnection(host, timeout=20)
        try:
            link.request(method, path, body, **more)
            answer = link.getresponse()
            return answer.status, json.loads(answer.read() or "{}")
        finally:
            link.close()

    path = "/webhooks/leadsquared/nobody"
    for body in BODIES:
        assert answer_to("POST", path, body) == SAME, body[:30]
        assert answer_to("POST", f"{path}/", iter([body[:7], body[7:], b"x"]), encode_chunked=True) == SAME, body[:30]
    for method in ("GET", "PUT", "OPTIONS", "PATCH", "BREW"):
        assert answer_to(method, path) == SAME
    assert answer_to("HEAD", path)[0] == 200
