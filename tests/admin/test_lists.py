"""What every list has: its filters as chips in the address, and its rows as a file, masked as on the page."""

import csv
import io

import pytest
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from lsq_ops.admin import lists
from lsq_ops.models import AuditEvent, Lead, MirrorSync, Notice, db_now
from tests.admin.test_list_queries import ROWS, leads


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def taken(user, model, query="", kind="csv"):
    answer = client_of(user).post(reverse(f"admin:lsq_ops_{model}_file") + query, {"format": kind})
    return b"".join(answer.streaming_content)


def rows_of(data):
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


def test_the_rows_of_all_pages_and_who_took_them_when(world):
    leads(world, 95)
    rows = rows_of(taken(world.vera, "lead"))
    assert rows[0] == ["Name", "Number", "Owner", "Stage", "Activities", "Tasks", "Last change", "Read"]
    assert len(rows) == 1 + 95 + 1
    assert rows[-1][0].startswith("# LSQ Ops, leads, at most 10,000: 95 rows, taken by vera at ")
    event = AuditEvent.objects.get(action="list.taken")
    assert (event.actor, event.facts()) == ("vera", {"list": "leads", "rows": 95})


def test_a_page_boundary_neither_loses_nor_doubles_a_row(world, monkeypatch):
    monkeypatch.setattr(lists, "A_TIME", 10)
    for number in range(30):
        Notice.objects.create(user=world.rita, subject=f"mail {number}", text="t", made_at=db_now())
    ours = [row[2] for row in rows_of(taken(world.rita, "notice")) if len(row) > 2 and row[2].startswith("mail ")]
    assert sorted(ours) == sorted(f"mail {number}" for number in range(30))


def test_what_is_masked_on_the_page_is_masked_in_the_file(world):
    world.mirror_leads("asha")
    lead = Lead.objects.get()
    data = taken(world.aida, "lead").decode("utf-8-sig")
    assert lead.last_name not in data
    assert lead.email not in data


def test_a_filter_of_the_address_narrows_the_file(world):
    request = world.pending()
    world.draft("activities", "bruno")
    rows = rows_of(taken(world.vera, "deletionrequest", "?state__exact=pending"))
    assert [row[0] for row in rows[1:-1]] == [str(request)]
    assert "as filtered" in rows[-1][0]


def test_a_cell_that_could_be_computed_is_text_in_both_formats(world):
    Notice.objects.create(user=world.rita, subject='=HYPERLINK("http://evil.test")', text="t", made_at=db_now())
    assert "'=HYPERLINK" in rows_of(taken(world.rita, "notice"))[1][2]
    book = load_workbook(io.BytesIO(taken(world.rita, "notice", kind="xlsx")))
    cell = book.active.cell(2, 3)
    assert (cell.data_type, cell.value[:11]) == ("s", "'=HYPERLINK")


def test_both_formats_say_the_same(world):
    leads(world, 3)
    book = load_workbook(io.BytesIO(taken(world.vera, "lead", kind="xlsx")))
    sheet = [[cell or "" for cell in row] for row in book.active.iter_rows(values_only=True)]
    assert [row for row in sheet[:-1]] == rows_of(taken(world.vera, "lead"))[:-1]


def test_a_character_that_no_workbook_holds_does_not_break_it(world):
    Notice.objects.create(user=world.rita, subject="bell \x07 bell", text="t", made_at=db_now())
    assert load_workbook(io.BytesIO(taken(world.rita, "notice", kind="xlsx"))).active.max_row >= 3


def test_the_trail_is_taken_away_by_auditors_only(world):
    answer = client_of(world.omar).post(reverse("admin:lsq_ops_auditevent_file"))
    assert answer.status_code == 403
    page = client_of(world.omar).get(reverse("admin:lsq_ops_auditevent_changelist")).content.decode()
    assert "These rows as a file" not in page
    assert len(rows_of(taken(world.aida, "auditevent"))) > 2


def test_an_odd_address_gives_no_error(world):
    for query in ("?q=" + "x" * 2000, "?nonsense=1", "?state__exact=%00"):
        assert client_of(world.vera).post(reverse("admin:lsq_ops_deletionrequest_file") + query).status_code in (
            200,
            302,
        )


@pytest.mark.parametrize("model", sorted(set(ROWS) - {"user"}))
def test_every_list_has_its_file(world, model):
    ROWS[model](world, 3)
    user = world.aida if model == "auditevent" else world.rita
    assert len(rows_of(taken(user, model))) >= 2 + 3


def chips_of(user, url):
    return client_of(user).get(url).context["chips"]


def test_what_narrows_a_list_stands_as_chips_that_take_it_away(world):
    world.pending()
    url = reverse("admin:lsq_ops_deletionrequest_changelist")
    assert chips_of(world.vera, url) == []
    found = chips_of(world.vera, f"{url}?q=twice&state__exact=pending&whose=open")
    assert {chip.text for chip in found} == {"Search: twice", "View: All open", "State: waiting for approval"}
    without = next(chip.without for chip in found if chip.text.startswith("State"))
    assert {chip.text for chip in chips_of(world.vera, url + without)} == {"Search: twice", "View: All open"}


def test_a_chip_leads_to_the_first_page(world):
    now = db_now()
    for _ in range(50):
        MirrorSync.objects.create(account=world.account, state="done", by="rita", begun_at=now, covers_to=now)
    url = reverse("admin:lsq_ops_deletionrequest_changelist")
    assert all("p=" not in chip.without for chip in chips_of(world.vera, f"{url}?whose=open&p=1"))


def test_a_search_that_is_markup_is_text(world):
    url = reverse("admin:lsq_ops_lead_changelist")
    page = client_of(world.vera).get(url, {"q": "<script>alert(1)</script>"}).content.decode()
    assert "<script>alert" not in page
    assert "Search: &lt;script&gt;" in page
