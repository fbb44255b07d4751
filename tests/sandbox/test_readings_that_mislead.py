"""The switches that make a reading doubtful."""

from .conftest import ASHA, RETRIEVE


def ids(rows):
    return [row["Id"] for row in rows]


def test_offset_as_pages_from_0(caller, sandbox):
    everything = sandbox.world.activity_ids(ASHA)
    assert ids(caller.activities(ASHA, "0", "10")) == everything[:10]
    assert ids(caller.activities(ASHA, "1", "10")) == everything[10:20]


def test_offset_as_pages_from_1(caller, sandbox):
    sandbox.faults.set("offset", "pages1")
    everything = sandbox.world.activity_ids(ASHA)
    assert ids(caller.activities(ASHA, 0, 10)) == ids(caller.activities(ASHA, 1, 10)) == everything[:10]
    assert ids(caller.activities(ASHA, 2, 10)) == everything[10:20]


def test_offset_as_rows(caller, sandbox):
    sandbox.faults.set("offset", "rows")
    assert ids(caller.activities(ASHA, 1, 10)) == sandbox.world.activity_ids(ASHA)[1:11]


def test_the_server_may_give_fewer_rows_than_asked(caller, sandbox):
    sandbox.faults.set("row_cap", 7)
    assert len(caller.activities(ASHA, 0, 1000)) == 7
    assert ids(caller.activities(ASHA, 1, 1000)) == sandbox.world.activity_ids(ASHA)[7:14]


def test_record_count_means_what_it_likes(caller, sandbox):
    def counted():
        return caller.post(RETRIEVE, {"Paging": {"RowCount": 10}}, leadId=ASHA).json()["RecordCount"]

    found = []
    for value in ("total", "page", "zero"):
        sandbox.faults.set("record_count", value)
        found.append(counted())
    assert found == [89, 10, 0]


def test_other_orders(caller, sandbox):
    newest = sandbox.world.activity_ids(ASHA)
    sandbox.faults.set("order", "oldest")
    assert set(ids(caller.activities(ASHA))).isdisjoint(newest[:25])
    sandbox.faults.set("order", "unstable")
    assert ids(caller.activities(ASHA)) != ids(caller.activities(ASHA))


def test_a_reading_that_hides_rows_or_all_of_them(caller, sandbox):
    sandbox.faults.set("reading", "hides")
    assert len(caller.activities(ASHA, 0, 100)) == 89 - 17
    sandbox.faults.set("reading", "empty")
    assert caller.activities(ASHA) == []


def test_a_list_that_grows_while_it_is_read(caller, sandbox):
    sandbox.faults.set("reading", "grows")
    first, second = caller.activities(ASHA, 0, 10), caller.activities(ASHA, 1, 10)
    assert set(ids(first)) & set(ids(second))
    assert sandbox.world.counts(ASHA)["total"] == 90


def test_a_lead_that_is_gone_for_some(caller, sandbox):
    sandbox.faults.set("lead_gone", "yes", match=ASHA)
    assert caller.get("LeadManagement.svc/Leads.GetById", id=ASHA).json() == []
    assert caller.post(RETRIEVE, {}, leadId=ASHA).json()["ExceptionMessage"] == "Lead not found"
    assert caller.get("LeadManagement.svc/Leads.GetByQuickSearch", key="bruno").json()
