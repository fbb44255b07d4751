"""Every greyed button says why, in the words of may(), where a reader and a phone find it."""

import re

import pytest
from django.urls import reverse

from lsq_ops.services.may import ROLE_OF, may

from .addresses import every_address
from .scene import rolled_back
from .table import Visitors

pytestmark = pytest.mark.once  # a page's words against may()'s; test_may_and_guards.py asks may() on both databases

OFF = re.compile(
    r'<span class="button button-off"[^>]* aria-describedby="([^"]+)">'
    r'([^<]*)<span class="button-why" id="([^"]+)">([^<]+)<'
)


def test_every_greyed_button_of_a_request_says_what_may_says(there):
    visitors, seen = Visitors(there), 0
    for request in (there.draft, there.pending, there.approved, there.attention, there.stopped):
        for name, user in there.people.items():
            if user and user.is_active:
                html = page(visitors, name, request)
                assert html.count("button-off") == len(OFF.findall(html)), (name, request.state)
                for tied, label, own, why in OFF.findall(html):
                    seen += 1
                    assert tied == own
                    assert why.replace("&#x27;", "'") in reasons(user, request), label
    assert seen, "no button was grey; this test saw nothing"


def page(visitors, name, request) -> str:
    client = visitors.client(name)
    with rolled_back():
        answer = client.get(reverse("admin:lsq_ops_deletionrequest_change", args=[request.pk]))
    return answer.content.decode()


def reasons(user, request) -> set[str]:
    return {may(user, verb, request).why for verb in ROLE_OF}


def test_every_verb_opens_a_door():
    used = {address.verb for address in every_address()}
    asked_elsewhere = {"export_trail", "set_up"}  # a list's file, and pages that are about no row
    assert set(ROLE_OF) - used == asked_elsewhere, "a verb that no page asks for"
