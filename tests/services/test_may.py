"""One answer to "may I, and why not"."""

import pytest
from django.contrib.auth.models import AnonymousUser

from lsq_ops.models import DeletionRequest
from lsq_ops.services import approval
from lsq_ops.services.may import ROLE_OF, STATES_OF, Barred, may
from tests.models.test_states import bare_request


@pytest.mark.parametrize("verb", sorted(ROLE_OF))
def test_who_has_no_role_may_only_look(people, verb):
    assert may(people.vera, "look")
    assert not may(people.vera, verb)
    assert "ask a policy admin" in may(people.vera, verb).why
    assert not may(AnonymousUser(), verb)


def test_a_superuser_gets_no_exception(people):
    people.vera.is_superuser = True
    people.vera.save()
    assert not any(may(people.vera, verb) for verb in ROLE_OF)


def test_somebody_who_left_may_nothing(people):
    people.rita.is_active = False
    assert not may(people.rita, "draft")
    assert not may(people.rita, "look")


@pytest.mark.parametrize("verb", sorted(STATES_OF))
def test_a_verb_is_barred_outside_its_states(people, verb):
    request = bare_request(people)
    person = next(p for p in (people.rita, people.arun, people.omar) if may(p, verb))
    for state in DeletionRequest.State.values:
        if state not in STATES_OF[verb]:
            request.state = state
            assert "this is possible only while it is" in may(person, verb, request).why, (verb, state)


def test_a_vote_is_barred_for_whoever_is_involved(world):
    request = world.draft()
    request.versions.update(asked_by=world.arun)
    approval.submit(world.rita, request)
    request.refresh_from_db()
    assert may(world.arun, "vote", request).why == "You asked for this request; somebody else decides on it."
    assert may(world.dana, "vote", request)


def test_a_service_asks_again(world):
    request = world.pending()
    with pytest.raises(Barred, match="possible only while it is draft"):
        approval.submit(world.rita, request)
    with pytest.raises(Barred, match="Only an approver"):
        approval.vote(world.rita, request, "approve", digest=request.version.digest)
