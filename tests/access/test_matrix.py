"""Every address, asked by everybody, with GET and POST: what comes back is what the table says."""

import pytest

from lsq_ops.models import Task
from lsq_ops.services.may import may

from . import masking
from .addresses import every_address
from .examples import example
from .scene import rolled_back
from .table import METHODS, Visitors, kept, rows

# Who gets what is above the database; test_may_and_guards.py is about both.
pytestmark = [pytest.mark.once, pytest.mark.long]
ANEW = "The table differs. `.venv/bin/python -m tests.access` writes it anew; read the difference before you commit it."


@pytest.fixture(scope="module")
def visitors(there):
    return Visitors(there)


def test_every_address_has_a_row_and_every_row_an_address():
    asked = {f"{method:<5} {one.name}" for one in every_address() for method in METHODS}
    asked -= {f"GET   {one.name}" for one in every_address() if one.action}
    assert set(kept()[1]) == asked, ANEW


def test_no_look_writes_anything():
    """The table says it, and the table is what the portal answers."""
    looks = {name: cells for name, cells in kept()[1].items() if name.startswith("GET")}
    assert len(looks) > 100
    assert not {name for name, cells in looks.items() if any("+" in cell for cell in cells)}


@pytest.mark.timeout(1200)
def test_the_portal_answers_as_the_table_says_and_shows_what_is_personal_where_the_rule_says(there, visitors):
    names, expected = kept()
    assert names == list(there.people), ANEW
    Task.objects.filter(pk=there.task.pk).update(raw={**there.task.raw, "Description": "Her new number is 17"})
    watch = masking.Watch()
    assert len(watch.needles) > 12
    found = rows(visitors, names, watch)
    differs = {name: (cells, found.get(name)) for name, cells in expected.items() if cells != found.get(name)}
    assert not differs, ANEW
    assert watch.shown == masking.SHOWN


def test_no_tab_shows_what_is_personal(there, visitors):
    watch, seen = masking.Watch(), 0
    for address in every_address():
        for tab in masking.TABS.get(address.route, ()):
            for name in there.people:
                with rolled_back():
                    path, _ = example(there, there.people[name] or there.world.rita, address)
                    answer = visitors.client(name).get(path, {"tab": tab})
                watch(f"{address.name}?tab={tab}", name, answer)
                seen += answer.status_code == 200
    assert seen > 60
    assert watch.shown == {}


@pytest.mark.timeout(1200)
def test_who_is_barred_is_told_the_very_sentence_of_may_and_nothing_is_written(there, visitors):
    """The table's 403 and may() are one answer."""
    for address in every_address():
        for name, user in there.people.items():
            if address.verb and user and user.is_active:
                with rolled_back():
                    why = verdict(there, user, address).why
                cell = visitors.visit(name, address, "POST")
                assert (cell.response.status_code == 403) == bool(why), (address.name, name)
                if why:
                    assert not cell.wrote, (address.name, name)
                    assert why in cell.response.content.decode().replace("&#x27;", "'"), (address.name, name)


def verdict(there, user, address):
    path, _ = example(there, user, address)
    number = next((part for part in path.split("/") if part.isdigit()), None)
    obj = address.one.model._base_manager.get(pk=number) if number and not address.action else None
    return may(user, address.verb, obj)
