"""Who can decide on what: asked of many requests at once, it is what may() says of each."""

import pytest

from lsq_ops.models import DeletionRequest
from lsq_ops.services import approval, people, waiting
from lsq_ops.services.may import may, may_vote, valid_votes, valid_votes_of

NAMES = ["rita", "arun", "dana", "omar", "olga", "aida", "pia", "vera"]


@pytest.fixture
def several(world):
    """Two pending ones, on one of which Arun voted; a running one and a draft."""
    first, second = world.pending("activities", "asha"), world.pending("activities", "bruno")
    version = second.version
    approval.vote(world.arun, second, "approve", digest=version.digest, count=version.items_count)
    return [first, second, world.running("activities", "chen"), world.draft("activities", "asha")]


@pytest.mark.parametrize("name", NAMES)
def test_of_many_it_says_what_is_said_of_each(world, several, name):
    user = getattr(world, name)
    every = DeletionRequest.objects.order_by("pk")
    assert [(one.pk, verdict.why) for one, verdict in may_vote(user, every)] == [
        (one.pk, may(user, "vote", one).why) for one in DeletionRequest.objects.order_by("pk")
    ]


def test_a_revoked_grant_and_a_hand_in_the_request_are_seen_at_once(world, several):
    people.set_roles(world.pia, world.rita, {"Requester", "Approver"})
    for user in (type(world.rita).objects.get(username="rita"), world.arun):
        every = DeletionRequest.objects.order_by("pk")
        assert [v.why for _, v in may_vote(user, every)] == [may(user, "vote", one).why for one in every]
    people.revoke_grant(world.pia, world.dana.grants.get())
    assert waiting.waiting_for(world.dana) == []
    assert [why for _, why in waiting.not_for(world.dana)] == [may(world.dana, "vote", one).why for one in several[:2]]


def test_votes_that_count_are_the_same_of_many_and_of_one(world, several):
    found = valid_votes_of(several)
    assert {pk: [vote.pk for vote in votes] for pk, votes in found.items()} == {
        one.pk: [vote.pk for vote in valid_votes(one)] for one in several
    }
    assert sum(map(len, found.values())) >= 2
