"""What one version of a request asks for that the one before it did not."""

import pytest
from django.test import Client
from django.urls import reverse

from lsq_ops.services import approval, drafting, versions

from .steps import drain
from .test_striking import ask_to_leave_out, click, items


@pytest.fixture
def request_(world):
    return world.pending("activities", "asha", "bruno")


def test_the_first_version_is_compared_with_nothing(request_):
    (only,) = versions.steps(request_)
    assert (only.version.number, only.reworded, only.came.count, only.went.count) == (1, [], 0, 0)


def test_what_was_left_out_no_longer_goes_and_nothing_else_changed(world, request_):
    gone = items(request_)[:1]
    click(world, request_, ask_to_leave_out(world, request_, [("activity", gone[0])]))
    newest, *_, first = versions.steps(request_)
    assert [item.record_id for item in newest.went.first] == gone
    assert (newest.went.count, newest.came.count, newest.read) == (1, 0, True)
    assert first.version.number == 1


def test_a_wider_window_brings_items_and_is_told_in_words(world, request_):
    approval.vote(world.arun, request_, "changes", digest=request_.version.digest, reason="look further back")
    request_.refresh_from_db()
    before = set(items(request_))
    parameters = {**request_.version.parameters, **world.window(40)}
    drafting.edit(
        world.rita, request_, parameters=parameters, category="test_data", reason="twice, and earlier", ticket="OPS-2"
    )
    drain()
    request_.refresh_from_db()
    newest = versions.steps(request_)[0]
    assert {one.name for one in newest.reworded} == {"Asked for", "Why", "Reason", "Ticket"}
    assert ("entered twice", "twice, and earlier") in [(one.before, one.after) for one in newest.reworded]
    assert newest.came.count == len(set(items(request_)) - before) > 0
    assert newest.went.count == 0


def test_a_version_that_is_not_read_yet_is_not_compared_by_its_items(world, request_):
    approval.vote(world.arun, request_, "changes", digest=request_.version.digest, reason="look again")
    request_.refresh_from_db()
    version = request_.version
    drafting.edit(world.rita, request_, parameters=version.parameters, category=version.category, reason=version.reason)
    newest = versions.steps(request_)[0]
    assert not newest.read
    page = page_of(world.dana, request_)
    assert "not comparable" in page


def test_the_page_shows_the_tab_once_there_are_two(world, request_):
    assert 'href="?tab=versions' not in page_of(world.dana, request_)
    click(world, request_, ask_to_leave_out(world, request_, [("activity", items(request_)[0])]))
    page = page_of(world.dana, request_)
    assert 'href="?tab=versions' in page
    assert "No longer goes" in page
    assert "Version 2" in page and "Version 1" in page


def page_of(user, request):
    client = Client()
    client.force_login(user)
    url = reverse("admin:lsq_ops_deletionrequest_change", args=[request.pk])
    return client.get(url, {"tab": "versions"}).content.decode()
