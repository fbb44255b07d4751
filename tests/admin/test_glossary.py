"""The page of words leaves no state without a sentence."""

import pytest
from django.test import Client
from django.urls import reverse

from lsq_ops import kinds
from lsq_ops.admin import glossary
from lsq_ops.models import Attempt, DeletionCall, DeletionItem, DeletionRequest
from lsq_ops.services.may import ROLES

GROUPS = [
    (glossary.OF_REQUESTS, DeletionRequest.State),
    (glossary.OF_CALLS, DeletionCall.State),
    (glossary.OF_ATTEMPTS, Attempt.State),
    (glossary.OF_ITEMS, DeletionItem.Outcome),
    (glossary.ROLES, ROLES),
]


@pytest.mark.parametrize(("words", "all_there_are"), GROUPS)
def test_every_state_and_role_has_its_sentence(words, all_there_are):
    assert set(words) == set(all_there_are)
    assert all(says.endswith(".") for says in words.values())


@pytest.mark.once  # its words stand in the code
def test_the_page_shows_them_all(people):
    client = Client()
    client.force_login(people.vera)
    page = client.get(reverse("glossary")).content.decode()
    for kind in kinds.every():
        assert str(kind.title) in page
    assert "Sent, no clear answer yet. We read to find out; nothing is sent twice." in page
    assert page.count("<dt>") == len(glossary.WORDS) + len(kinds.every()) + sum(len(words) for words, _ in GROUPS)
