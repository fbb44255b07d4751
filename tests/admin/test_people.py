"""People, the account and the trail: who may change what, and what the pages say."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from lsq_ops.admin.trail_words import ABOUT, WORDS
from lsq_ops.models import Account, ApproverGrant, AuditEvent, Team
from lsq_ops.models.audit import ACTIONS
from lsq_ops.services import people as services
from lsq_ops.services.may import Barred, roles_of
from lsq_ops.services.people import DEMO_PASSWORD

PEOPLE = "/admin/auth/user/"
TRAIL = "/admin/lsq_ops/auditevent/"


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def words(answer):
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))
    return text.replace("&#x27;", "'")


def post(user, address, data=None):
    return client_of(user).post(address, data or {}, follow=True)


# --- People -------------------------------------------------------------------------------------------------


def test_a_policy_admin_makes_an_approver_and_gives_a_grant(people):
    given = {"username": "nina", "first_name": "Nina", "password": "a-long-first-password", "roles": ["Approver"]}
    assert "nina can sign in now" in words(post(people.pia, f"{PEOPLE}new_person/", given))
    nina = User.objects.get(username="nina")
    assert roles_of(nina) == {"Approver"}
    assert not nina.is_superuser
    team = Team.objects.get(name="Business")
    assert "nina votes for Business" in words(post(people.pia, f"{PEOPLE}{nina.pk}/give_grant/", {"team": team.pk}))
    assert "nina votes for Business no more" in words(post(people.pia, f"{PEOPLE}{nina.pk}/revoke_grant/"))
    assert ApproverGrant.objects.filter(user=nina, revoked_at__isnull=False).count() == 1
    assert AuditEvent.objects.filter(actor="pia").count() == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"username": ""}, "required"),
        ({"username": "rita"}, "There is a user rita already"),
        ({"username": "RITA"}, "There is a user RITA already"),
        ({"username": "<b>"}, "Letters, digits and"),
        ({"password": "short"}, "at least 12 characters"),
        ({"password": "password123456"}, "too common"),
        ({"email": "nobody"}, "valid email"),
        ({"roles": ["Superuser"]}, "not one of the available choices"),
        ({"roles": ["Auditor", "Requester"]}, "An auditor is nothing else"),
        ({"roles": ["Policy admin", "Approver"]}, "never an approver"),
        ({"username": "x" * 151}, "at most 150 characters"),
    ],
)
def test_a_wrong_answer_makes_nobody(people, given, said):
    before = User.objects.count()
    good = {"username": "nina", "password": "a-long-first-password", "roles": []}
    assert said in words(post(people.pia, f"{PEOPLE}new_person/", {**good, **given}))
    assert User.objects.count() == before


def test_nobody_changes_their_own_rights(people):
    page = client_of(people.pia).get(f"{PEOPLE}{people.pia.pk}/change/")
    assert "This is you" in words(page)
    assert "set_roles" not in page.content.decode()
    answer = post(people.pia, f"{PEOPLE}{people.pia.pk}/set_roles/", {"roles": ["Operator"]})
    assert "Nobody changes their own roles" in words(answer)
    assert roles_of(User.objects.get(pk=people.pia.pk)) == {"Policy admin"}


@pytest.mark.parametrize("name", ["rita", "arun", "omar", "aida", "vera"])
def test_only_a_policy_admin_manages_people(people, name):
    user = getattr(people, name)
    assert client_of(user).get(PEOPLE).status_code == 200
    for address in (
        f"{PEOPLE}new_person/",
        f"{PEOPLE}{people.vera.pk}/set_roles/",
        f"{PEOPLE}{people.arun.pk}/revoke_grant/",
        f"{PEOPLE}{people.vera.pk}/give_grant/",
    ):
        assert post(user, address, {"roles": ["Approver"]}).status_code == 403
    assert roles_of(User.objects.get(username="vera")) == set()


def test_a_superuser_flag_gives_nothing_and_has_no_field(people):
    root = User.objects.create_superuser("root", password="x")
    assert post(root, f"{PEOPLE}{people.vera.pk}/set_roles/", {"roles": ["Approver"]}).status_code == 403
    for address in (f"{PEOPLE}new_person/", f"{PEOPLE}{people.vera.pk}/change/", PEOPLE):
        assert "superuser" not in client_of(people.pia).get(address).content.decode().lower()


def test_a_grant_without_the_role_is_a_sentence(people):
    answer = post(people.pia, f"{PEOPLE}{people.vera.pk}/give_grant/", {"team": Team.objects.first().pk})
    assert "does not have the role of an approver" in words(answer)


# --- The account --------------------------------------------------------------------------------------------


def account_page(action=""):
    return f"/admin/lsq_ops/account/{Account.objects.get().pk}/{action or 'change'}/"


def test_the_connection_test_keeps_what_leadsquared_says(world):
    answer = post(world.omar, account_page("test"))
    assert "Connected: the keys belong to Meera Iyer, Administrator; local time is Asia/Kolkata" in words(answer)
    assert "sandbox0secret" not in answer.content.decode()


def test_a_connection_that_fails_says_why(world, settings):
    settings.LSQ_HOST = "http://127.0.0.1:9"
    assert "No connection to LeadSquared" in words(post(world.omar, account_page("test")))


def test_pause_and_resume_with_a_reason(world):
    assert "required" in words(post(world.omar, account_page("pause")))
    post(world.omar, account_page("pause"), {"reason": "<b>checking</b>"})
    assert Account.objects.get().is_paused
    page = client_of(world.vera).get("/admin/lsq_ops/lead/")
    assert "&lt;b&gt;checking&lt;/b&gt;" in page.content.decode()
    assert "Resumed" in words(post(world.olga, account_page("resume")))
    assert not Account.objects.get().is_paused
    assert "The account is not paused" in words(post(world.olga, account_page("resume")))


def test_a_paused_kind_is_resumed_alone(world):
    Account.objects.update(paused_kinds={"tasks": "The key's user may not do this."})
    assert "Resume a kind" in words(client_of(world.omar).get(account_page()))
    assert "not one of the available choices" in words(
        post(world.omar, account_page("resume_kind"), {"kind": "activities"})
    )
    post(world.omar, account_page("resume_kind"), {"kind": "tasks"})
    assert Account.objects.get().paused_kinds == {}


@pytest.mark.parametrize("name", ["rita", "arun", "aida", "pia", "vera"])
def test_only_an_operator_touches_the_account(world, name):
    for action in ("test", "pause", "resume", "resume_kind"):
        assert post(getattr(world, name), account_page(action), {"reason": "x"}).status_code == 403
    assert not Account.objects.get().is_paused


# --- The trail ----------------------------------------------------------------------------------------------


def test_every_action_has_a_sentence():
    assert set(WORDS) == set(ACTIONS)
    assert set(ABOUT) == {action.split(".")[0] for action in ACTIONS}


def test_the_trail_tells_a_request_in_sentences(world):
    request = world.approved(world.pending("activities", "asha"))
    said = words(client_of(world.aida).get(TRAIL, {"q": f"dr-{request.pk}"}))
    assert f"submitted DR-{request.pk} , version 1" in said
    assert f"approved DR-{request.pk} for Business" in said
    assert "made the account of" not in said
    assert "IST (" in said


def test_the_trail_is_searched_by_person_action_and_number(world):
    client = client_of(world.vera)

    def found(query, **more):
        return client.get(TRAIL, {"q": query, **more}).context["cl"].result_list

    assert {event.actor for event in found("omar")} == {"omar"}
    assert {event.action for event in found("people.user_made")} == {"people.user_made"}
    assert [event.seq for event in found("#3")] == [3]
    assert {event.action.split(".")[0] for event in found("", about="people")} == {"people"}
    for query in ("nobody", "DR-99999999999999999999", "#", "'", "\u202e", "DR-", "9" * 300):
        assert found(query) == []


def test_a_run_that_ended_is_told_to_the_last_call(world):
    request = world.running("activities", "asha")
    world.work_out(request)
    said = words(client_of(world.aida).get(TRAIL, {"q": f"DR-{request.pk}", "all": ""}))
    assert f"is about to send call 1 of DR-{request.pk}" in said
    assert f"call 1 of DR-{request.pk} : all gone" in said
    assert "?" not in said.split("Number", 1)[1].split("audit trail")[0]


def test_the_auditor_verifies_and_the_page_keeps_the_result(world):
    assert client_of(world.rita).post(f"{TRAIL}verify/").status_code == 403
    assert "has not been verified yet" in words(client_of(world.vera).get(TRAIL))
    said = words(post(world.aida, f"{TRAIL}verify/"))
    assert "every link whole" in said
    assert AuditEvent.objects.filter(action="trail.verified", actor="aida").count() == 1


def test_the_page_of_a_long_trail_says_how_far_the_worker_is(world, monkeypatch):
    monkeypatch.setattr("lsq_ops.services.trail.SLICE", 7)
    assert "The worker reads the trail now" in words(post(world.aida, f"{TRAIL}verify/"))
    assert "is under way: event 0 of" in words(client_of(world.vera).get(TRAIL))
    world.work()
    said = words(client_of(world.vera).get(TRAIL))
    assert "under way" not in said
    assert "by aida:" in said


def test_an_event_shows_its_hashes_and_details(world):
    said = words(client_of(world.vera).get(f"{TRAIL}1/change/"))
    event = AuditEvent.objects.get(seq=1)
    assert event.hash in said
    assert "Details, as they are hashed" in said


def test_a_password_that_somebody_else_made_opens_only_the_page_that_changes_it(people, client):
    password = services.new_password(people.pia, people.vera)
    client.post("/admin/login/", {"username": "vera", "password": password})
    page = client.get("/admin/lsq_ops/lead/")
    assert (page.status_code, page["Location"]) == (302, "/admin/password_change/")
    own = {"old_password": password, "new_password1": "of-my-own-making-7", "new_password2": "of-my-own-making-7"}
    client.post("/admin/password_change/", own)
    assert client.get("/admin/lsq_ops/lead/").status_code == 200


def test_who_is_locked_out_cannot_sign_in_and_nobody_locks_themselves(people, client):
    services.set_active(people.pia, people.arun, False)
    answer = client.post("/admin/login/", {"username": "arun", "password": DEMO_PASSWORD})
    assert "Please enter the correct username and password" in words(answer)
    with pytest.raises(Barred, match="Nobody locks themselves out"):
        services.set_active(people.pia, people.pia, False)


def test_an_approver_who_loses_the_role_loses_the_grant(people):
    services.set_roles(people.pia, people.arun, {"Requester"})
    assert people.arun.grants.get().revoked_at is not None
