"""No list asks the database more for fifty rows than for five; one that still does is named here."""

import uuid

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from lsq_ops.models import (
    Activity,
    CrmUser,
    DeletionRequest,
    Erasure,
    Hold,
    Lead,
    MirrorSync,
    Notice,
    RequestVersion,
    RetentionRun,
    Task,
    UploadedList,
    audited,
    db_now,
    guards,
    record,
)

from .test_leads import client_of

FEW, MANY = 5, 45


def leads(world, number):
    now = db_now()
    made = [
        Lead(account=world.account, prospect_id=str(uuid.uuid4()), first_name="A", owner_name="O", read_at=now)
        for _ in range(number)
    ]
    return Lead.objects.bulk_create(made)


def activities(world, number):
    now = db_now()
    for lead in leads(world, number):
        Activity.objects.create(
            account=world.account, lead=lead, activity_id=str(uuid.uuid4()), event_code=201, created_on=now, read_at=now
        )


def tasks(world, number):
    now = db_now()
    for lead in leads(world, number):
        Task.objects.create(
            account=world.account, task_id=str(uuid.uuid4()), lead_id=lead.prospect_id, name="call", read_at=now
        )


def crm_users(world, number):
    now = db_now()
    for one in range(number):
        user = CrmUser.objects.create(account=world.account, user_id=str(uuid.uuid4()), name=f"U {one}", read_at=now)
        Task.objects.create(account=world.account, task_id=str(uuid.uuid4()), owner_id=user.user_id, read_at=now)


def syncs(world, number):
    now = db_now()
    for _ in range(number):
        MirrorSync.objects.create(account=world.account, state="done", by="rita", begun_at=now, covers_to=now)


def holds(world, number):
    now = db_now()
    for lead in leads(world, number):
        Hold.objects.create(
            account=world.account, record_type="lead", record_id=lead.prospect_id, reason="r", set_by="pia", set_at=now
        )


def retention_runs(world, number):
    now = db_now()
    for _ in range(number):
        RetentionRun.objects.create(by="pia", begun_at=now, ended_at=now, until=now)


def erasures(world, number):
    facts = {"begun_at": db_now(), "ended_at": db_now(), "mark": "0" * 64, "key_mark": "0" * 16, "reason": "because"}
    for _ in range(number):
        Erasure.objects.create(account=world.account, by="pia", **facts)


def mails(world, number):
    for _ in range(number):
        Notice.objects.create(user=world.rita, subject="s", text="t", made_at=db_now())


def uploads(world, number):
    now = db_now()
    for user in (world.rita, world.arun):
        for _ in range(number):
            UploadedList.objects.create(
                account=world.account, user=user, name="ids.csv", sha256="0" * 64, size=1, made_at=now, names="lead",
                read_at=now,
            )  # fmt: skip


def people(world, number):
    for one in range(number):
        user = User.objects.create(username=f"person{one}{uuid.uuid4().hex[:6]}", is_staff=True)
        user.groups.add(Group.objects.get(name="Requester"))


def events(world, number):
    with audited():
        for _ in range(number):
            record("account.tested", world.account, actor="omar")


def requests(world, number):
    """Pending: what comes next depends on the votes. Those on their way are few, and ask more."""
    now = db_now()
    guards.drop(connection)  # each would begin as a draft, and be read
    for _ in range(number):
        one = DeletionRequest.objects.create(
            account=world.account, kind="tasks", state="pending", state_at=now, requester=world.rita, created_at=now
        )
        RequestVersion.objects.create(
            request=one, number=1, editor=world.rita, asked_by=world.rita, made_at=now, parameters={}, reading_from=now,
            category="other", reason="r", submitted_at=now, digest="0" * 64, approvals_needed=1, teams_needed=1,
        )  # fmt: skip
    guards.install(connection)


ROWS = {
    "deletionrequest": requests,
    "lead": leads,
    "activity": activities,
    "task": tasks,
    "crmuser": crm_users,
    "mirrorsync": syncs,
    "hold": holds,
    "uploadedlist": uploads,
    "retentionrun": retention_runs,
    "erasure": erasures,
    "notice": mails,
    "user": people,
    "auditevent": events,
}
# One row for a deployment or for a kind, and what a person has just ticked: they do not grow.
FEW_ROWS = {"account", "policy", "selection"}


def asked(client, address):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(address).status_code == 200
    return [query["sql"] for query in queries]


@pytest.mark.parametrize("person", ["rita", "arun"])
@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_list_of_many_asks_no_more_than_one_of_few(world, name, person):
    (model,) = (model for model in admin.site._registry if model._meta.model_name == name)
    address, client = reverse(f"admin:{model._meta.app_label}_{name}_changelist"), client_of(getattr(world, person))
    ROWS[name](world, FEW)
    client.get(address)  # what is remembered from one page to the next
    few = asked(client, address)
    ROWS[name](world, MANY)
    many = asked(client, address)
    assert len(many) <= len(few), "\n".join(many)


@pytest.mark.parametrize("person", ["rita", "arun", "omar"])
@pytest.mark.parametrize("page", ["admin:index", "operations", "operations_json"])
def test_home_and_operations_ask_no_more_for_many_requests_than_for_few(world, page, person):
    client = client_of(getattr(world, person))
    requests(world, FEW)
    client.get(reverse(page))
    few = asked(client, reverse(page))
    requests(world, MANY)
    many = asked(client, reverse(page))
    assert len(many) <= len(few), "\n".join(many)


def test_every_list_is_tried():
    assert {model._meta.model_name for model in admin.site._registry} == set(ROWS) | FEW_ROWS
