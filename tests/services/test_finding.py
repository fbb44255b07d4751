"""Leads of the mirror are found by whatever people have at hand."""

import pytest

from lsq_ops.leadsquared.records import LeadRecord
from lsq_ops.models import Activity, CrmUser, Lead, SearchTerm, Task, db_now
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import finding, mirror
from lsq_ops.terms import of_email, of_name, of_phone, phones


def write(account, number, **fields):
    row = {"ProspectID": f"00000000-0000-0000-0000-{number:012}", "ProspectAutoId": str(number), **fields}
    return mirror.write_leads(account, [LeadRecord.model_validate(row)])[0]


@pytest.fixture
def three(people):
    account = people.account
    return (
        write(
            account, 5001, FirstName="José", LastName="Núñez", EmailAddress="Jose@Example.com", Phone="+91-9845012345"
        ),
        write(account, 5002, FirstName="Jo", LastName="Rao", EmailAddress="jo@example.com", Mobile="09845012345"),
        write(account, 5003, FirstName="", LastName="", EmailAddress="", Phone="12"),
    )


def found(text):
    rows, more, _ = finding.leads(Lead.objects.all(), text)
    assert not more
    return set(rows.values_list("number", flat=True))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("5001", {"5001"}),
        ("500", set()),
        ("jose@example.com", {"5001"}),
        ("JO", {"5001", "5002"}),
        ("jo nunez", {"5001"}),
        ("jo rao nunez", set()),
        ("+91 98450 12345", {"5001", "5002"}),
        ("12345", {"5001", "5002"}),
        ("{00000000-0000-0000-0000-000000005003}", {"5003"}),
        ("00000000-0000-0000-0000-000000009999", set()),
        ("\0", set()),
        ("%", set()),
        ("jo' OR 1=1 --", set()),
    ],
)
def test_a_lead_is_found(three, text, numbers):
    assert found(text) == numbers


def test_what_it_was_called_before_finds_it_no_more(three, people):
    write(people.account, 5001, FirstName="Ana", LastName="Núñez")
    assert found("jose") == found("jose@example.com") == set()
    assert found("ana") == {"5001"} == found("nunez")
    assert found("9845012345") == {"5002"}
    before = SearchTerm.objects.count()
    write(people.account, 5001, FirstName="Ana", LastName="Núñez")
    assert SearchTerm.objects.count() == before


def test_who_is_no_longer_there_leaves_no_term(three):
    three[0].delete()
    assert not SearchTerm.objects.filter(term=of_email("jose@example.com")).exists()


def test_an_activity_s_or_a_task_s_id_leads_to_its_lead(world):
    world.mirror_leads("asha", "bruno")
    activity, task = Activity.objects.first(), Task.objects.exclude(lead_id="").first()
    asked, *_ = finding.leads(Lead.objects.all(), activity.activity_id.upper())
    assert [lead.pk for lead in asked] == [activity.lead_id]
    assert [lead.prospect_id for lead in finding.leads(Lead.objects.all(), task.task_id)[0]] == [task.lead_id]


def test_many_terms_at_once_name_every_lead_that_has_one(three, people):
    wanted = [of_phone("9845012345"), of_email("jo@example.com"), of_phone("999999999")]
    ids = finding.with_terms(people.account, wanted)
    assert {term: len(one) for term, one in ids.items()} == {wanted[0]: 2, wanted[1]: 1}
    assert wanted[0] in phones("+91 98450 12345")


def test_the_sandbox_s_people_are_found_as_they_were_read(world):
    lead = world.mirror_leads("asha")[0]
    for text in (lead.number, lead.email.upper(), lead.phone, f"{lead.first_name} {lead.last_name}", lead.prospect_id):
        assert lead in finding.leads(Lead.objects.all(), text)[0], text
    assert lead.prospect_id == WELL_KNOWN["asha"]


def test_a_search_that_finds_too_much_shows_a_part_and_says_so(people, monkeypatch):
    monkeypatch.setattr(finding, "MOST", 3)
    for number in range(4):
        write(people.account, 6000 + number, FirstName="Asha", LastName=f"Rao{number}")
    some, one = (3, True), (1, False)
    for text, (number, cut) in (("asha", some), ("asha rao", some), ("asha rao1", one), ("rao2 asha", one)):
        rows, more, _ = finding.leads(Lead.objects.all(), text)
        assert (rows.count(), more) == (number, cut), text


@pytest.fixture
def tasks(people):
    account, now = people.account, db_now()
    CrmUser.objects.create(account=account, user_id="a" * 36, name="Nikhil Rao", read_at=now)
    for number, (name, owner) in enumerate([("Call back José", "a" * 36), ("call later", "b" * 36), ("", "a" * 36)]):
        Task.objects.create(
            account=account,
            task_id=f"{number}" * 36,
            name=name,
            name_term=of_name(name),
            owner_id=owner,
            lead_id="c" * 36,
            read_at=now,
        )
    return Task.objects.all()


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("CALL", "01"),
        ("call back jose", "0"),
        ("back", ""),
        ("rao nikhil", "02"),
        ("%", ""),
        ("_", ""),
        ("\0", ""),
    ],
)
def test_a_task_is_found(tasks, text, numbers):
    rows, more, _ = finding.tasks(tasks, text)
    assert (sorted(row.task_id[0] for row in rows), more) == (list(numbers), False)


def test_a_search_for_tasks_that_finds_too_much_says_so(tasks, monkeypatch):
    monkeypatch.setattr(finding, "MOST_TASKS", 1)
    rows, more, _ = finding.tasks(tasks, "call")
    assert (rows.count(), more) == (1, True)
