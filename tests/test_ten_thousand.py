"""Ten thousand activities on one lead, looked through and decided on in Chromium: no page gets heavy."""

import csv
import io
import re
from datetime import timedelta

import pytest

from lsq_ops.models import Lead, db_now
from lsq_ops.sandbox import seed
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import drafting
from tests.test_the_whole_job import Person
from tests.world import SITE_VISIT

MANY = 10_000
HEAVY = 1_000_000  # bytes
ASHA = WELL_KNOWN["asha"]

pytestmark = [pytest.mark.browser, pytest.mark.long]


@pytest.fixture
def draft(committed_world):
    """Rita's, of ten thousand site visits within a week, of which a few were made by somebody else."""
    world, start = committed_world, db_now() - timedelta(days=9)
    authors = [("", "Meera Iyer"), ("", "Rahul Verma")]
    rows = [
        seed.activity_row(
            f"{n:08x}-1111-4111-8111-111111111111",
            ASHA,
            SITE_VISIT,
            f"{start + timedelta(minutes=n):%Y-%m-%d %H:%M:%S}",
            note="the needle" if n == 7777 else f"visit {n}",
            author=authors[n % 500 == 0],
        )
        for n in range(MANY)
    ]
    with world.sandbox.world._write() as db:
        db.executemany(f"INSERT INTO activities VALUES ({', '.join('?' * len(rows[0]))})", rows)
    world.mirror_leads("asha")
    assert Lead.objects.get(prospect_id=ASHA).activity_count > MANY
    selection = drafting.select(world.rita, "lead", [ASHA])
    request = world.drafted("activities", selection, world.window(10) | {"codes": [SITE_VISIT]})
    assert request.version.items_count >= MANY
    return request


def weighed(person):
    """Sizes of the pages that this person gets from now on."""
    sizes = {}

    def weigh(answer):
        if "text/html" in answer.headers.get("content-type", "") and answer.status == 200:
            sizes[answer.url] = len(answer.body())

    person.page.on("response", weigh)
    return sizes


def test_they_are_looked_through_and_approved(browser, portal_server, committed_world, draft):
    count, address = draft.version.items_count, f"/admin/lsq_ops/deletionrequest/{draft.pk}/change/"
    rita = Person(browser, portal_server, "rita", 1440)
    sizes = weighed(rita)
    rita.page.goto(address)
    rita.sees("Five odd ones")
    rita.sees("Five at random")
    assert rita.page.locator("#part-panel tr.odd-one").count() >= 5

    rita.page.select_option("select[name=odd]", "1")
    rita.presses("Filter")
    rita.sees(r"made by somebody else than most")
    odd = int(rita.sees(r"Download these [\d,]+ items").split()[2].replace(",", ""))
    assert 0 < odd < count / 2  # a Sunday, and the other author
    with rita.page.expect_download() as got:
        rita.presses(re.compile("^Download these"))
    rows = list(csv.reader(io.StringIO(got.value.path().read_text(encoding="utf-8-sig"))))
    assert len(rows) == odd + 2

    rita.page.goto(f"{address}?tab=items&text=needle")
    rita.sees("Download these 1 item")
    rita.presses(re.compile("^open"))
    rita.sees("the needle")

    rita.page.goto(f"{address}?tab=items&page=200")
    rita.sees("page 200 of")
    rita.page.goto(address)
    rita.presses("Submit for approval")
    rita.confirms("Submit")
    rita.sees("is submitted")
    for name in ("arun", "dana"):
        approver = Person(browser, portal_server, name, 390)
        seen = weighed(approver)
        approver.approves(address)
        assert approver.troubles == []
        sizes |= seen
        approver.page.context.close()
    draft.refresh_from_db()
    assert draft.state == "approved"
    assert rita.troubles == []
    assert len(sizes) > 6
    assert max(sizes.values()) < HEAVY, sizes
    rita.page.context.close()
