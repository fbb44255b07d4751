"""The pages about how the portal works: buttons for whoever may press them, a reason for the others."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from lsq_ops.models import Account, Beat, db_now
from lsq_ops.sandbox import SANDBOX_ACCESS_KEY, SANDBOX_SECRET_KEY
from lsq_ops.services import accounts


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def paused(world):
    Beat.show("worker")
    accounts.pause(world.omar, "looking at it")
    return world


def test_an_operator_gets_the_button_and_the_others_a_reason(paused):
    url = reverse("operations")
    resume = reverse("admin:lsq_ops_account_resume", args=[paused.account.pk])
    page = client_of(paused.omar).get(url).content.decode()
    assert f'href="{resume}"' in page
    assert "Nothing is lost. If you do nothing: what is approved waits" in page
    page = client_of(paused.rita).get(url).content.decode()
    assert f'href="{resume}"' not in page
    assert "Only an operator may do this" in page


def test_the_page_marks_what_its_live_part_asks_for(paused):
    assert client_of(paused.omar).get(reverse("operations"))["X-Live"] == "1"


def test_the_same_as_json(paused):
    request = paused.pending()
    told = client_of(paused.vera).get(reverse("operations_json")).json()
    assert told["works"] and told["paused"]
    assert [(alarm["name"], alarm["press"]) for alarm in told["alarms"]] == [("The account is paused", "Resume")]
    assert told["waits"][0]["request"] == str(request)
    assert told["budget"]["limit"] == paused.account.rate_calls
    assert {"name", "now", "oldest", "later", "next_at"} == set(told["lanes"][0])


def test_a_portal_that_was_never_set_up_shows_both_pages(people):
    Account.objects.update(current=False)
    for name in ("operations", "operations_json", "set_up"):
        assert client_of(people.vera).get(reverse(name)).status_code == 200


def test_home_leads_to_the_alarms(paused):
    Beat.objects.update(at=db_now() - timedelta(minutes=5))
    assert "2 on the operations page" in client_of(paused.vera).get(reverse("admin:index")).content.decode()


def test_lines_for_env_are_shown_once_and_the_form_gives_no_secret_back(world):
    client, url = client_of(world.omar), reverse("set_up_keys")
    asked = {"access_key": SANDBOX_ACCESS_KEY, "secret_key": SANDBOX_SECRET_KEY, "host": world.sandbox.url}
    page = client.post(url, {**asked, "rate": "10/5"})
    assert f"LSQ_SECRET_KEY={SANDBOX_SECRET_KEY}" in page.content.decode()
    assert "LSQ_RATE_LIMIT=10/5" in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    page = client.post(url, {**asked, "secret_key": "wrong-secret", "rate": "10/5"}).content.decode()
    assert "refused the keys" in page
    assert "wrong-secret" not in page


def test_trials_are_remembered_on_the_page(world):
    client = client_of(world.omar)
    assert "Not tried yet: does a mail arrive?" in client.get(reverse("set_up")).content.decode()
    page = client.post(reverse("set_up_mail"), follow=True).content.decode()
    assert "The mail server took a mail." in page
    assert "by omar" in page


def test_who_may_not_try_is_told_why(world):
    page = client_of(world.rita).get(reverse("set_up")).content.decode()
    assert "Only an operator or a policy admin may do this" in page
    assert reverse("set_up_keys") not in page
