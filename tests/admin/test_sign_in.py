"""Signing in: one way only, wrong tries, how long a session lasts, and what leads elsewhere first."""

import base64
import logging
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator as Kept
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import NoReverseMatch, resolve, reverse
from django.utils import timezone

from lsq_ops.admin import gate
from lsq_ops.admin.sign_in import SignIn
from lsq_ops.models import AuditEvent
from lsq_ops.models.timing import HOUR, SHIPPED, timing
from lsq_ops.services import people as services
from lsq_ops.services import second_factor
from lsq_ops.services.people import DEMO_PASSWORD
from tests.authenticator import Authenticator, not_at_the_edge, recovery_codes

from .test_people import PEOPLE, client_of, words

LOGIN, STEP, HOME = "/admin/login/", "/admin/login/second-factor/", "/admin/"
OWN, SET_UP = "/admin/second-factor/", "/admin/second-factor/set-up/"


def signs_in(name, password=DEMO_PASSWORD, client=None, address=LOGIN, **more):
    client = client or Client(**more)
    return client, client.post(address, {"username": name, "password": password})


def is_in(client):
    return client.get(HOME).status_code == 200


def sets_up(client, password=DEMO_PASSWORD):
    """Through the pages; the app, and the recovery codes that were shown."""
    not_at_the_edge()
    app = Authenticator.scanning(client.get(SET_UP).content.decode())
    answer = client.post(SET_UP, {"password": password, "code": app.code()})
    codes = recovery_codes(answer.content.decode())
    assert len(codes) == 10, words(answer)
    return app, codes


# --- One way -------------------------------------------------------------------------------------------------


def test_who_has_a_second_factor_is_not_in_before_its_code(people):
    _, codes = sets_up(client_of(people.rita))
    client, answer = signs_in("rita", address=f"{LOGIN}?next=/admin/lsq_ops/lead/")
    assert (answer.status_code, answer["Location"]) == (302, STEP)
    assert not is_in(client)
    assert "This code is wrong" in words(client.post(STEP, {"code": "000000"}))
    assert not is_in(client)
    answer = client.post(STEP, {"code": codes[0]})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/lsq_ops/lead/")
    assert is_in(client)


def test_a_code_works_once(people):
    app, codes = sets_up(client_of(people.rita))
    for code in (app.code(), codes[0]):  # the app's was used to set it up
        first, _ = signs_in("rita")
        first.post(STEP, {"code": code})
        assert is_in(first) == (code == codes[0])
        second, _ = signs_in("rita")
        second.post(STEP, {"code": code})
        assert not is_in(second)


def test_there_is_one_sign_in_page_and_no_page_of_allauths_own():
    assert resolve(reverse("admin:login")).func.view_class is SignIn
    assert reverse("admin:login") == reverse("account_login") == LOGIN
    for name in ("signup", "email", "logout", "reset_password", "set_password", "reauthenticate", "inactive"):
        with pytest.raises(NoReverseMatch):
            reverse(f"account_{name}")
    for address in (
        "/accounts/",
        "/accounts/login/",
        "/accounts/signup/",
        "/accounts/password/reset/",
        "/admin/signup/",
    ):
        assert Client().post(address).status_code in (302, 404)


def test_signing_in_leads_back_to_where_one_was(people):
    where = "/admin/lsq_ops/lead/?q=x"
    client = Client()
    answer = client.get(where)
    answer = client.post(answer["Location"], {"username": "rita", "password": DEMO_PASSWORD})
    assert answer["Location"] == where


def test_who_is_not_of_the_staff_is_refused_and_goes_round_in_no_circle(people):
    User.objects.filter(pk=people.vera.pk).update(is_staff=False)
    client, answer = signs_in("vera")
    assert "for a staff account" in words(answer)
    client.force_login(people.vera)
    assert "may not come in here" in words(client.get(LOGIN))


# --- What comes first ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["arun", "omar", "pia"])
def test_with_keys_who_decides_operates_or_rules_sets_it_up_first(people, settings, name):
    settings.SANDBOX_MODE = False
    client = client_of(getattr(people, name))
    for address in (HOME, PEOPLE, "/admin/lsq_ops/lead/", OWN, "/admin/second-factor/remove/"):
        assert client.get(address)["Location"] == SET_UP
        assert client.post(address)["Location"] == SET_UP
    sets_up(client)
    assert is_in(client)


@pytest.mark.parametrize("name", ["rita", "aida", "vera"])
def test_others_need_none(people, settings, name):
    settings.SANDBOX_MODE = False
    assert is_in(client_of(getattr(people, name)))


def test_in_the_sandbox_it_is_offered(people):
    client = client_of(people.arun)
    assert is_in(client)
    assert "Set it up" in words(client.get(OWN))


def test_a_new_password_comes_before_the_second_factor(people, settings):
    settings.SANDBOX_MODE = False
    password = services.new_password(people.pia, people.arun)
    client, _ = signs_in("arun", password)
    assert client.get(HOME)["Location"] == "/admin/password_change/"
    assert client.get(SET_UP)["Location"] == "/admin/password_change/"
    own = {"old_password": password, "new_password1": "of-my-own-making-7", "new_password2": "of-my-own-making-7"}
    client.post("/admin/password_change/", own)
    assert client.get(HOME)["Location"] == SET_UP


# --- Wrong tries ---------------------------------------------------------------------------------------------


def test_five_wrong_tries_block_the_name_from_that_address_only(people):
    for _ in range(4):
        assert signs_in("rita", "wrong")[1].status_code == 200
    answer = signs_in("rita", "wrong")[1]
    assert (answer.status_code, answer["Retry-After"]) == (429, "900")
    assert "5 wrong tries for this name from this place" in words(answer)
    assert signs_in("rita")[1].status_code == 429
    assert is_in(signs_in("arun")[0])
    assert is_in(signs_in("rita", REMOTE_ADDR="10.9.8.7")[0])


def test_a_quarter_of_an_hour_later_it_works_again_and_trying_meanwhile_prolongs_nothing(people):
    for _ in range(7):
        signs_in("rita", "wrong")
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(seconds=timing().sign_in_blocked + 1))
    assert is_in(signs_in("rita")[0])


def test_a_block_is_one_event_that_names_the_person_and_no_address(people):
    for _ in range(8):
        signs_in("rita", "wrong")
    for _ in range(8):
        signs_in("nobody", "wrong")
    event = AuditEvent.objects.get(action="people.sign_in_blocked")
    assert (event.actor, event.object_id) == ("system", str(people.rita.pk))
    assert "127.0.0.1" not in event.details
    page = words(client_of(people.aida).get("/admin/lsq_ops/auditevent/"))
    assert "sign-in of rita was blocked" in page


def test_wrong_codes_count_as_wrong_tries(people):
    sets_up(client_of(people.rita))
    client, _ = signs_in("rita")
    answers = [client.post(STEP, {"code": "000000"}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    assert signs_in("rita")[1].status_code == 429
    assert client.post(STEP, {"code": "000000"}).status_code == 429
    assert AuditEvent.objects.filter(action="people.sign_in_blocked").count() == 1


def test_what_a_visitor_says_of_his_address_is_not_believed(people):
    for number in range(5):
        answer = signs_in("rita", "wrong", HTTP_X_FORWARDED_FOR=f"10.0.0.{number}")[1]
    assert answer.status_code == 429


def test_the_log_tells_names_and_nothing_else(people, caplog):
    caplog.set_level(logging.INFO)
    client, _ = signs_in("rita")
    client.post("/admin/logout/")
    for name in ("rita", "my-pass-word"):
        signs_in(name, "wrong-one")
    said = caplog.text
    assert "Signed in: rita" in said and "Signed out: rita" in said
    assert "Sign-in failed: rita" in said and "Sign-in failed: an unknown name" in said
    assert not any(word in said for word in ("my-pass-word", "wrong-one", DEMO_PASSWORD, "127.0.0.1"))


# --- How long a session lasts --------------------------------------------------------------------------------


def aged(client, **marks):
    session = client.session
    for name, seconds in marks.items():
        session[getattr(gate, name.upper())] -= seconds
    session.save()
    return client


@pytest.mark.parametrize(("name", "idle"), [("arun", HOUR), ("omar", HOUR), ("pia", HOUR), ("rita", 8 * HOUR)])
def test_a_session_ends_when_nothing_is_done(people, name, idle):
    user = getattr(people, name)
    assert is_in(aged(client_of(user), seen=idle - 60))
    client = aged(client_of(user), seen=idle + 1)
    answer = client.get("/admin/lsq_ops/lead/?q=x")
    assert answer["Location"] == f"{LOGIN}?next=/admin/lsq_ops/lead/%3Fq%3Dx"
    assert "Nothing was done here for more than" in words(client.get(answer["Location"]))
    assert not is_in(client)


def test_a_session_ends_after_twelve_hours_whatever_is_done(people, settings):
    assert is_in(aged(client_of(people.rita), began=12 * HOUR - 60))
    assert not is_in(aged(client_of(people.rita), began=12 * HOUR + 1))
    assert SHIPPED.session_longest == settings.SESSION_COOKIE_AGE


def test_what_is_done_keeps_a_session_but_a_page_that_asks_for_itself_does_not(people):
    client = aged(client_of(people.arun), seen=HOUR - 60)
    client.get("/admin/lsq_ops/deletionrequest/1/live/")
    before = client.session[gate.SEEN]
    client.get(HOME)
    assert client.session[gate.SEEN] > before + HOUR - 120


def test_a_session_without_its_marks_is_over(people):
    client = client_of(people.rita)
    session = client.session
    del session[gate.BEGAN]
    session.save()
    assert not is_in(client)


def test_a_change_of_password_or_second_factor_ends_the_others(people):
    here, there = client_of(people.rita), client_of(people.rita)
    sets_up(here)
    assert is_in(here) and not is_in(there)
    there = client_of(people.rita)
    own = {"old_password": DEMO_PASSWORD, "new_password1": "of-my-own-making-7", "new_password2": "of-my-own-making-7"}
    assert "Your password is changed" in words(here.post("/admin/password_change/", own, follow=True))
    assert is_in(here) and not is_in(there)
    second_factor.reset(people.pia, people.rita)
    assert not is_in(here)


def test_the_door_costs_one_query(people, django_assert_num_queries):
    client = client_of(people.vera)
    client.get("/admin/jsi18n/")
    with django_assert_num_queries(4):  # session, user, roles, standing
        client.get("/admin/jsi18n/")


# --- Nobody takes an account over ----------------------------------------------------------------------------

USERS = ("change", "password", "delete", "history")


@pytest.mark.parametrize("name", ["change_user", "add_user", "delete_user", "change_group", "change_permission"])
def test_djangos_permissions_give_nothing(people, name):
    people.vera.user_permissions.add(Permission.objects.get(codename=name))
    client, arun = client_of(people.vera), people.arun
    before = list(User.objects.order_by("pk").values("username", "password", "is_superuser", "is_staff", "groups"))
    given = {"username": "arun", "is_superuser": "on", "is_staff": "on", "is_active": "on", "groups": ["1", "2"]}
    given |= {"password1": "taken-over-by-me", "password2": "taken-over-by-me", "usable_password": "true"}
    for user in (people.vera, arun):
        for page in USERS:
            answer = client.post(f"{PEOPLE}{user.pk}/{page}/", {**given, "post": "yes", "_save": "1"}, follow=True)
            assert answer.status_code in (403, 404, 405), page
    for page in (f"{PEOPLE}add/", f"{PEOPLE}{arun.pk}/new_password/", f"{PEOPLE}{arun.pk}/reset_factor/"):
        assert client.post(page, given).status_code in (403, 404, 405), page
    others = ("auth/group", "auth/permission", "account/emailaddress", "mfa/authenticator", "axes/accessattempt")
    for model in others:
        for page in ("", "add/", "1/change/", "1/delete/"):
            assert client.post(f"/admin/{model}/{page}", given).status_code == 404, model
    assert (
        list(User.objects.order_by("pk").values("username", "password", "is_superuser", "is_staff", "groups")) == before
    )


def test_models_of_signing_in_are_no_admin_pages():
    shown = {model._meta.app_label for model in admin.site._registry}
    assert not shown & {"axes", "account", "mfa", "sessions"}


def test_secrets_are_not_kept_in_the_clear(people):
    app, _ = sets_up(client_of(people.rita))
    key = base64.b32encode(app.key).decode()
    assert all(key not in str(row.data) for row in Kept.objects.all())


def test_another_secret_key_lets_nobody_in_rather_than_anybody(people, settings):
    app, codes = sets_up(client_of(people.rita))
    settings.SECRET_KEY = "another"
    client, answer = signs_in("rita")
    assert answer["Location"] == STEP
    for code in (app.code(), codes[0], ""):
        client.post(STEP, {"code": code})
    assert not is_in(client)
