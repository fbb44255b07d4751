"""Long lists: what is merged from several indexes is what one statement would say."""

import re

import pytest
from django.db.models import Q

from lsq_ops.admin import paging
from lsq_ops.admin.paging import Branch, MergedPaginator
from lsq_ops.admin.trail import TrailAdmin
from lsq_ops.models import AuditEvent, Selection, Task, audited, db_now, record
from lsq_ops.terms import of_name

from .test_leads import client_of


@pytest.fixture
def events(people):
    with audited():
        for number in range(60):
            actor, action = ("omar", "rita")[number % 2], ("account.tested", "account.paused", "lead.added")[number % 3]
            record(action, ("lead", number % 7), actor=actor, number=number)
    return AuditEvent.objects.all()


BRANCHES = [
    [Branch(Q(action="account.tested")), Branch(Q(action="lead.added"))],
    [Branch(Q(actor="omar")), Branch(Q(object_id="3", object_type="lead") & ~Q(actor="omar"), few=True)],
    [Branch(Q(object_id="1"), few=True), Branch(Q(object_id="2"), few=True)],
    [Branch(Q(actor="nobody"))],
]


@pytest.mark.parametrize("branches", BRANCHES)
@pytest.mark.parametrize("size", [1, 7, 100])
def test_pages_of_merged_branches_are_those_of_one_statement(events, branches, size):
    where = branches[0].where
    for one in branches[1:]:
        where |= one.where
    expected = list(events.filter(where).order_by("-seq"))
    paginator = MergedPaginator(events.filter(where), size, branches=branches)
    assert paginator.count == len(expected)
    shown = [event for number in paginator.page_range for event in paginator.page(number).object_list]
    assert shown == expected


def test_it_counts_no_further_than_every_long_list(events, monkeypatch):
    monkeypatch.setattr(paging, "COUNTED", 25)
    assert MergedPaginator(events, 10, branches=BRANCHES[0]).count == 25
    assert len(MergedPaginator(events, 10, branches=BRANCHES[0]).page(3).object_list) == 5


@pytest.mark.parametrize(
    "query", ["about=account", "q=rita", "q=account.tested", "q=%2317", "q=DR-1", "q=x", "about=x"]
)
def test_the_trail_s_list_shows_what_is_asked_for(world, events, query):
    html = client_of(world.aida).get(f"/admin/lsq_ops/auditevent/?{query}").content.decode()
    wanted = {
        "about=account": Q(action__startswith="account."),
        "q=rita": Q(actor="rita") | Q(object_id="rita", object_type="user"),
        "q=account.tested": Q(action="account.tested"),
        "q=%2317": Q(seq=17),
    }.get(query, Q(seq=0))
    newest = list(events.filter(wanted).order_by("-seq").values_list("seq", flat=True)[: TrailAdmin.list_per_page])
    assert all(f"#{seq:,}<" in html for seq in newest)
    assert html.count("field-what") == len(newest)


@pytest.mark.parametrize(
    ("query", "completed", "pages"), [("q=call", (True, False), (40, 20)), ("q=call&state=completed", (True,), (30,))]
)
def test_what_a_search_knows_is_shown_page_by_page_the_newest_first(people, query, completed, pages):
    facts = {"account": people.account, "name": "Call back", "name_term": of_name("Call back"), "read_at": db_now()}
    for number in range(60):
        Task.objects.create(task_id=f"{number:036}", completed=bool(number % 2), **facts)
    Task.objects.create(task_id="x" * 36, completed=True, **{**facts, "name": "Visit", "name_term": of_name("Visit")})
    client, found = client_of(people.rita), []
    for number in range(len(pages)):
        html = client.get(f"/admin/lsq_ops/task/?{query}&p={number + 1}").content.decode()
        found += re.findall(r"\d{36}", re.sub(r"<th\b.*?</th>", "", html, flags=re.DOTALL))
        assert len(dict.fromkeys(found)) == sum(pages[: number + 1])
    wanted = Task.objects.filter(name="Call back", completed__in=completed).order_by("-pk")
    assert list(dict.fromkeys(found)) == [task.task_id for task in wanted]


def test_all_that_a_search_found_is_frozen_also_what_other_pages_show(people):
    facts = {"account": people.account, "name": "Call back", "name_term": of_name("Call back"), "read_at": db_now()}
    for number in range(45):
        Task.objects.create(task_id=f"{number:036}", completed=False, **facts)
    Task.objects.create(task_id="x" * 36, completed=False, **{**facts, "name": "Visit", "name_term": of_name("Visit")})
    last = Task.objects.filter(name="Call back").first()
    posted = {"action": "request_tasks", "_selected_action": [last.pk], "select_across": "1"}
    client_of(people.rita).post("/admin/lsq_ops/task/?q=call", posted)
    assert len(Selection.objects.get().ids) == 45
