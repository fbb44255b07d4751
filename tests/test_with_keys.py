"""The portal with keys, against a LeadSquared that is not its own sandbox: other keys, other habits, shipped waits and
caps. Nothing waits here: rows are aged."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from lsq_ops.models import Account, Activity, DeletionRequest, Task, Team, WebhookReceipt, db_now
from lsq_ops.sandbox.server import RunningSandbox
from lsq_ops.services import accounts, approval, drafting, people, story, trail
from lsq_ops.services.may import Barred, grant_in_force, may
from tests.authenticator import Authenticator, not_at_the_edge, recovery_codes
from tests.world import SITE_VISIT, SmallWorld, skip_wait

ROOT = Path(__file__).resolve().parent.parent
KEYS = ("$u$rOf$HOME", "$ecret$$PATH")
PASSWORD = "a-good-long-one"
HABITS: dict[str, dict[str, Any]] = {
    "rows": {
        "offset": "rows",
        "row_cap": 100,
        "webhook": "form",
        "tasks_answer": "result",
        "time_zone": "India Standard Time",
    },
    "pages": {"offset": "pages1", "webhook": "text", "time_zone": "Singapore Standard Time"},
}


@pytest.fixture
def other(request: pytest.FixtureRequest, settings: Any) -> Iterator[RunningSandbox]:
    """Somebody else's LeadSquared; the portal's settings name it and its keys, and nothing more."""
    habits = getattr(request, "param", "rows")
    with RunningSandbox(keys=KEYS, delay=0.1, rate_limit="off", **HABITS[habits]) as running:
        if habits == "pages":  # not every one has every endpoint
            for name in ("ActivityTypes.Get", "Users.Get"):
                running.faults.set("answer", "404", match=name)
        settings.SANDBOX_MODE = False
        settings.LSQ_HOST = running.url
        settings.LSQ_ACCESS_KEY, settings.LSQ_SECRET_KEY = KEYS
        settings.LSQ_RATE_LIMIT = (200, 0.1)
        yield running
        assert not running.stats["key_in_url"]


def first_start() -> User:
    """What `manage.py up` prepares with keys; the first admin."""
    accounts.refuse_foreign_database()
    people.setup_roles()
    accounts.ensure_account()
    made = people.make_first_admin()
    assert made is not None
    return User.objects.get(username=made[0])


def make_people(admin: User) -> None:
    for name, role, team in (("rita", "Requester", ""), ("arun", "Approver", "Business")):
        person = people.make_user(admin, username=name, password=PASSWORD, roles={role})
        if team:
            people.give_grant(admin, person, Team.objects.get(name=team))
    approver(admin, "dana")


def approver(admin: User, name: str, team: str = "Data control") -> User:
    person = people.make_user(admin, username=name, password=PASSWORD, roles={"Approver"})
    people.give_grant(admin, person, Team.objects.get(name=team))
    return person


def at_work(running: RunningSandbox) -> SmallWorld:
    """Set up as a person would: people and grants while it is paused, then the test, then the resume."""
    admin = first_start()
    make_people(admin)
    doors = {name: arrives(name) for name in ("arun", "dana")}
    accounts.test_connection(admin)
    accounts.resume(admin)
    world = SmallWorld(accounts.current_account(), running)
    world.doors = doors  # type: ignore[attr-defined]
    return world


def arrives(name: str) -> Client:
    """The first sign-in: a password of one's own, then the second factor, before anything else opens."""
    client = Client(SERVER_NAME="127.0.0.1")
    client.post("/admin/login/", {"username": name, "password": PASSWORD})
    assert client.get("/admin/")["Location"] == "/admin/password_change/"
    own = {"old_password": PASSWORD, "new_password1": f"{PASSWORD}-{name}", "new_password2": f"{PASSWORD}-{name}"}
    client.post("/admin/password_change/", own)
    assert client.get("/admin/")["Location"] == "/admin/second-factor/set-up/"
    not_at_the_edge()
    app = Authenticator.scanning(client.get("/admin/second-factor/set-up/").content.decode())
    given = {"password": f"{PASSWORD}-{name}", "code": app.code()}
    client.codes = recovery_codes(client.post("/admin/second-factor/set-up/", given).content.decode())  # type: ignore
    assert client.get("/admin/").status_code == 200
    return client


def approves(client: Client, request: DeletionRequest) -> None:
    """By the page, a while after the sign-in: from the high tier on a code is asked for again."""
    session = client.session
    for one in session["account_authentication_methods"]:
        one["at"] -= 11 * 60
    session.save()
    address = f"/admin/lsq_ops/deletionrequest/{request.pk}/approve/"
    asked = 'name="code"' in client.get(address).content.decode()
    assert asked == (request.version.tier == "high")
    given = {"digest": request.version.digest, "count": request.version.items_count}
    if asked:
        assert "required" in client.post(address, given).content.decode()
        given["code"] = client.codes[0]  # type: ignore[attr-defined]
    assert client.post(address, given).status_code == 302


def approved(world: SmallWorld, request: DeletionRequest) -> DeletionRequest:
    for client in world.doors.values():  # type: ignore[attr-defined]
        if request.state == "pending":
            approves(client, request)
            request.refresh_from_db()
    return request


# --- The first set-up ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("db")
class TestFirstSetUp:
    def test_it_starts_paused_and_resumes_only_after_a_test(self, other):
        admin = first_start()
        assert people.roles_of(admin) == {"Policy admin", "Operator"}
        assert not admin.is_superuser
        assert accounts.current_account().is_paused
        with pytest.raises(Barred, match="Test the connection first"):
            accounts.resume(admin)

        account = accounts.test_connection(admin)
        assert account.time_zone == "Asia/Kolkata"
        assert account.is_paused
        accounts.resume(admin)
        assert not accounts.current_account().is_paused

    def test_wrong_keys_are_named_and_leave_it_paused(self, other, settings):
        admin = first_start()
        settings.LSQ_SECRET_KEY = "wrong"
        with pytest.raises(Barred, match=r"LeadSquared refused the keys.*Check LSQ_ACCESS_KEY, LSQ_SECRET_KEY"):
            accounts.test_connection(admin)
        with pytest.raises(Barred, match="Test the connection first"):
            accounts.resume(admin)

    def test_there_are_no_demo_people_and_one_first_admin(self, other):
        first_start()
        assert people.make_first_admin() is None
        with pytest.raises(Barred, match="in the sandbox only"):
            people.make_demo_people()
        assert User.objects.count() == 1

    def test_a_grant_counts_at_once_only_before_the_first_resume(self, other):
        admin = first_start()
        early = approver(admin, "early")
        assert grant_in_force(early)
        accounts.test_connection(admin)
        accounts.resume(admin)
        late = approver(admin, "late")
        accounts.pause(admin, "lunch")  # a pause is no first set-up
        later = approver(admin, "later")
        for person in (late, later):
            assert grant_in_force(person) is None
            counts_from = person.grants.get().counts_from
            assert abs(counts_from - db_now() - timedelta(days=1)) < timedelta(minutes=1)


# --- The first job of each kind --------------------------------------------------------------------------


def chosen(world: SmallWorld, kind: str, *names: str) -> DeletionRequest:
    """A draft on these leads; of activities and tasks five on each are ticked."""
    picked = world.mirror_leads(*names)
    ids = [lead.prospect_id for lead in picked]
    if kind == "activities":
        visits = Activity.objects.filter(lead__in=picked, event_code=SITE_VISIT, gone_at=None).order_by("-created_on")
        ticked = [visit.activity_id for lead in picked for visit in visits.filter(lead=lead)[:5]]
        return world.drafted(kind, drafting.select(world.rita, "activity", ticked), {"picked": True})
    if kind == "tasks":
        tasks = Task.objects.filter(lead_id__in=ids, gone_at=None)
        return world.drafted(kind, drafting.select(world.rita, "task", [task.task_id for task in tasks]), {})
    return world.drafted(kind, drafting.select(world.rita, "lead", ids), world.window(120))


def submitted(world: SmallWorld, request: DeletionRequest) -> DeletionRequest:
    approval.submit(world.rita, request)
    request.refresh_from_db()
    return request


@pytest.mark.parametrize(
    ("other", "kind", "wait"),
    [
        ("rows", "activities", 120),
        ("pages", "activities", 120),
        ("rows", "tasks", 120),
        ("pages", "owner_history", 1800),
        ("rows", "stage_history", 1800),
    ],
    indirect=["other"],
)
def test_the_first_request_of_a_kind_is_small_and_proves_it(committed_db, other, portal_server, kind, wait):
    world = at_work(other)
    with pytest.raises(Barred, match="proves that it works: at most 1 lead and 10 items"):
        approval.submit(world.rita, chosen(world, kind, "asha", "bruno"))

    request = approved(world, submitted(world, chosen(world, kind, "chen")))
    assert request.state == "approved"
    assert abs(request.starts_at - db_now() - timedelta(seconds=wait)) < timedelta(seconds=30)
    assert may(world.arun, "cancel", request)  # Undo
    world.work(1)
    assert not other.stats["deletes"]

    skip_wait(request)
    world.work_out(request)
    assert request.state == "completed", request.attention
    assert "No webhook receipt" not in story.closing_sentence(request)
    assert WebhookReceipt.objects.filter(attempt__request=request).exists()
    assert submitted(world, chosen(world, kind, "asha", "bruno")).state == "pending"
    assert trail.verify().ok


@pytest.mark.usefixtures("db")
def test_what_cannot_be_read_says_why_and_when_it_is_tried_again(other):
    world = at_work(other)
    picked = drafting.select(world.rita, "lead", [world.mirror_leads("asha")[0].prospect_id])
    other.stop()
    request = world.drafted("activities", picked, world.window(10) | {"codes": [SITE_VISIT]})
    said = story.next_step(request)
    assert "0 of 1 readings done. No connection to LeadSquared." in said
    assert "It is tried again at " in said


# --- Whose database is it? -------------------------------------------------------------------------------


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    ("first", "sentence"), [(True, "has held sandbox data"), (False, "LSQ_ACCESS_KEY and LSQ_SECRET_KEY are not set")]
)
def test_a_database_is_the_sandboxs_or_a_real_accounts_never_both(settings, first, sentence):
    settings.SANDBOX_MODE = first
    accounts.ensure_account()
    accounts.refuse_foreign_database()
    settings.SANDBOX_MODE = not first
    with pytest.raises(Barred, match=sentence):
        accounts.refuse_foreign_database()
    assert Account.objects.count() == 1


def test_a_wrong_setting_is_a_sentence_and_no_traceback():
    access, secret = KEYS
    named = {"LSQ_ACCESS_KEY": access, "LSQ_SECRET_KEY": secret, "LSQ_HOST": "https://api-in99.leadsquared.com"}
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings", **named}
    command = [sys.executable, str(ROOT / "manage.py"), "check"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("LSQ_HOST names api-in99.leadsquared.com, which is no published LeadSquared region.")
    assert len(ended.stderr.splitlines()) == 1
