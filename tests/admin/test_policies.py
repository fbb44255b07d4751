"""The policy's page: what is in force, who could decide, and one form that changes it."""

import pytest
from django.test import Client
from django.urls import reverse

from lsq_ops.models import Policy
from lsq_ops.services import policies


@pytest.fixture
def pia(people):
    client = Client()
    client.force_login(people.pia)
    return client


def address(name, policy):
    return reverse(f"admin:lsq_ops_policy_{name}", args=[policy.pk])


def filled(policy, **changes):
    form = {f"{tier['name']}_{part}": value for tier in policy.tiers for part, value in tier.items() if part != "name"}
    return {key: "" if value is None else value for key, value in (form | {"name": "ours"} | changes).items()}


def test_the_list_is_the_page_of_the_policy_in_force(pia):
    page = pia.get(reverse("admin:lsq_ops_policy_changelist"), follow=True).content.decode()
    assert "up to 50 items, on up to 5 leads" in page
    assert "2 approvals from 2 teams" in page
    assert "nobody to spare" in page
    assert "Always high" in page
    assert "stage" in page


def test_a_change_by_the_form(pia, people):
    policy = policies.in_force().get()
    url = next(button.url for button in pia.get(address("change", policy)).context["buttons"])
    assert b'value="50"' in pia.get(url).content
    answer = pia.post(url, filled(policy, low_max_items="20", medium_max_leads="100"), follow=True)
    new = Policy.objects.latest("id")
    assert new.tiers[0]["max_items"] == 20
    assert new.tiers[1] == policy.tiers[1] | {"max_leads": 100}
    assert new.tiers[2] == policy.tiers[2]
    assert "Announced" in answer.content.decode()


def test_what_makes_no_sense_keeps_the_form(pia):
    policy = policies.in_force().get()
    url = next(button.url for button in pia.get(address("change", policy)).context["buttons"])
    answer = pia.post(url, filled(policy, low_max_items="2000"))
    assert answer.status_code == 409
    assert "its limit is the narrower one" in answer.content.decode()
    assert 'value="2000"' in answer.content.decode()
    assert Policy.objects.count() == 1


def test_others_see_the_page_and_no_button(people):
    client = Client()
    client.force_login(people.rita)
    page = client.get(address("change", policies.in_force().get()))
    assert page.status_code == 200
    assert not page.context["buttons"]
