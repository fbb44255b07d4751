"""One's own second factor, somebody else's, and the code that a vote on a high request asks for."""

import re

import pytest
from django.test import Client

from lsq_ops.models import AuditEvent, Vote, VotingSuspension
from lsq_ops.models.timing import MINUTE, timing
from lsq_ops.services import second_factor
from lsq_ops.services.people import DEMO_PASSWORD
from tests.authenticator import Authenticator, not_at_the_edge, recovery_codes

from .test_people import PEOPLE, client_of, words
from .test_sign_in import OWN, SET_UP, is_in, sets_up, signs_in

CODES, REMOVE = "/admin/second-factor/codes/", "/admin/second-factor/remove/"


# --- One's own -----------------------------------------------------------------------------------------------


def test_the_set_up_shows_the_key_as_picture_and_text_and_wants_password_and_code(people):
    client = client_of(people.rita)
    page = client.get(SET_UP).content.decode()
    assert '<img src="data:image/svg+xml;base64,' in page
    app = Authenticator.scanning(page)
    wrong = client.post(SET_UP, {"password": "not-my-password", "code": app.code()})
    assert "This is not your password" in words(wrong)
    wrong = client.post(SET_UP, {"password": DEMO_PASSWORD, "code": app.wrong_code()})
    assert "This code is wrong" in words(wrong)
    assert Authenticator.scanning(wrong.content.decode()).key == app.key  # it need not be scanned again
    assert not second_factor.has(people.rita)
    assert not VotingSuspension.objects.exists()


def test_recovery_codes_are_shown_once_and_kept_by_no_browser(people):
    client = client_of(people.rita)
    _, codes = sets_up(client)
    for address in (OWN, SET_UP, CODES, REMOVE):
        page = client.get(address, follow=True)
        assert not any(code in page.content.decode() for code in codes), address
    assert "10 of 10 left" in words(client.get(OWN))


def test_new_recovery_codes_end_the_old_ones(people):
    client = client_of(people.rita)
    _, codes = sets_up(client)
    assert "This code is wrong" in words(client.post(CODES, {"code": "12345678"}))
    answer = client.post(CODES, {"code": codes[0]})
    new = recovery_codes(answer.content.decode())
    assert len(new) == 10 and not set(new) & set(codes)
    other, _ = signs_in("rita")
    other.post("/admin/login/second-factor/", {"code": codes[1]})
    assert not is_in(other)
    other.post("/admin/login/second-factor/", {"code": new[0]})
    assert is_in(other)
    assert AuditEvent.objects.filter(action="people.recovery_codes_made", actor="rita").count() == 1


def test_who_needs_none_removes_it_with_a_code(people):
    client = client_of(people.rita)
    _, codes = sets_up(client)
    client.post(REMOVE, {"code": ""})
    assert second_factor.has(people.rita)
    assert "Your second factor is removed" in words(client.post(REMOVE, {"code": codes[0]}, follow=True))
    assert not second_factor.has(people.rita)
    assert AuditEvent.objects.filter(action="people.second_factor_removed").count() == 1
    assert is_in(signs_in("rita")[0])


def test_who_needs_one_is_told_that_it_stays(people, settings):
    settings.SANDBOX_MODE = False
    client = client_of(people.arun)
    _, codes = sets_up(client)
    assert "Your role needs it" in words(client.get(OWN))
    answer = client.post(REMOVE, {"code": codes[0]})
    assert "Your role needs a second factor, so it can't be removed" in words(answer)
    assert second_factor.has(people.arun)


def test_an_approver_is_told_before_and_after_that_votes_wait_and_others_are_not(people, settings):
    settings.SANDBOX_MODE = False
    for user, told in ((people.arun, True), (people.rita, False)):
        client = client_of(user)
        assert ("New votes of yours then wait 24 h" in words(client.get(SET_UP))) == told
        not_at_the_edge()
        app = Authenticator.scanning(client.get(SET_UP).content.decode())
        page = words(client.post(SET_UP, {"password": DEMO_PASSWORD, "code": app.code()}))
        assert "Your second factor is set up" in page and ("Your votes count again from" in page) == told
        assert ("New votes of yours" in words(client.get("/admin/password_change/"))) == told


# --- Somebody else's -----------------------------------------------------------------------------------------


def reset_page(user):
    return f"{PEOPLE}{user.pk}/reset_factor/"


def test_a_policy_admin_resets_somebody_elses_by_post_and_never_their_own(people):
    sets_up(client_of(people.arun))
    sets_up(client_of(people.pia))
    pia = client_of(people.pia)
    assert "Be sure that it is they who ask" in words(pia.get(reset_page(people.arun)))
    assert second_factor.has(people.arun)  # asking changes nothing
    assert "The second factor of arun is reset" in words(pia.post(reset_page(people.arun), follow=True))
    assert not second_factor.has(people.arun)
    event = AuditEvent.objects.get(action="people.second_factor_reset")
    assert (event.actor, event.object_id) == ("pia", str(people.arun.pk))
    answer = pia.post(reset_page(people.pia))
    assert (answer.status_code, "Nobody resets their own" in words(answer)) == (409, True)
    assert second_factor.has(people.pia)


@pytest.mark.parametrize("name", ["rita", "dana", "omar", "aida", "vera"])
def test_nobody_else_resets_one(people, name):
    sets_up(client_of(people.arun))
    answer = client_of(getattr(people, name)).post(reset_page(people.arun))
    assert answer.status_code == 403
    assert second_factor.has(people.arun)


# --- Votes ---------------------------------------------------------------------------------------------------


@pytest.fixture
def high(world):
    return world.pending("stage_history", "asha", days=90)


def a_while_later(client):
    """The code was given longer ago than it counts for a vote."""
    session = client.session
    for one in session["account_authentication_methods"]:
        one["at"] -= timing().factor_fresh + MINUTE
    session.save()


def voting(user, request, name="approve"):
    """Client, address, and the form as it is filled in."""
    client = client_of(user)
    _, codes = sets_up(client)
    a_while_later(client)
    given = {"digest": request.version.digest, "count": request.version.items_count, "reason": "they asked"}
    return client, f"/admin/lsq_ops/deletionrequest/{request.pk}/{name}/", given, codes


@pytest.mark.parametrize("name", ["approve", "changes", "reject"])
def test_a_vote_on_a_high_request_asks_for_a_code_in_the_form_itself(world, high, name):
    client, address, given, codes = voting(world.arun, high, name)
    assert 'name="code"' in client.get(address).content.decode()
    for wrong, said in (("", "required"), ("000000", "This code is wrong")):
        page = client.post(address, {**given, "code": wrong})
        field = re.search(r'<div class="field field-bad">.*?</div>', page.content.decode(), re.S).group(0)
        assert 'name="code"' in field and said in field
        assert (f'value="{given["count"]}"' if name == "approve" else given["reason"]) in page.content.decode()
    assert not Vote.objects.exists()
    assert client.post(address, {**given, "code": codes[0]}).status_code == 302
    assert Vote.objects.get().decision == name


def test_a_code_that_was_given_for_one_vote_is_not_asked_again_and_gives_no_second_one(world, high):
    client, address, given, codes = voting(world.arun, high)
    stale = client.post(address, {**given, "digest": "0" * 64, "code": codes[0]})
    assert stale.status_code == 409  # refused for another reason: the code counts, and is used up
    assert 'name="code"' not in client.get(address).content.decode()
    a_while_later(client)
    assert "was used already" in words(client.post(address, {**given, "code": codes[0]}))
    assert not Vote.objects.exists()


def test_a_wrong_count_uses_no_code_up(world, high):
    client, address, given, codes = voting(world.arun, high)
    assert client.post(address, {**given, "count": "many", "code": codes[0]}).status_code == 200
    assert client.post(address, {**given, "code": codes[0]}).status_code == 302


def test_wrong_codes_for_a_vote_are_limited(world, high):
    client, address, given, codes = voting(world.arun, high)
    for _ in range(5):
        assert "This code is wrong" in words(client.post(address, {**given, "code": "000000"}))
    assert "Too many wrong codes" in words(client.post(address, {**given, "code": codes[0]}))
    assert not Vote.objects.exists()


def test_the_check_of_one_session_counts_in_no_other(world, high):
    first, address, given, codes = voting(world.arun, high)
    first.post(address, {**given, "digest": "0" * 64, "code": codes[0]})
    second = Client()
    second.force_login(world.arun)
    assert 'name="code"' in second.get(address).content.decode()
    assert second.post(address, given).status_code == 200
    assert not Vote.objects.exists()
