"""What every scenario begins with: roles, people with grants in force, an account that is tested and resumed, and one
small request of each kind done, so that every kind is proven."""

from itertools import count
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.test import override_settings

from lsq_ops.models import DeletionRequest, Team
from lsq_ops.services import accounts, people

from .people import APPROVERS, OPERATORS

if TYPE_CHECKING:
    from .story import Story

PASSWORD = "a-long-one-for-nobody"


def make_people(story: "Story") -> None:
    people.setup_roles()
    accounts.ensure_account()
    people.make_first_admin()
    admin = User.objects.get(username="admin")
    for name, role in (("rita", "Requester"), ("aida", "Auditor"), ("pia", "Policy admin")):
        people.make_user(admin, username=name, password=PASSWORD, roles={role})
    for name in OPERATORS:
        people.make_user(admin, username=name, password=PASSWORD, roles={"Operator"})
    for name, team in APPROVERS.items():
        user = people.make_user(admin, username=name, password=PASSWORD, roles={"Approver"})
        people.give_grant(admin, user, Team.objects.get(name=team))
    accounts.test_connection(admin)
    accounts.resume(admin)


@override_settings(PUBLIC_URL="https://portal.example.invalid")
def prove_kinds(story: "Story") -> None:
    """One small request of each kind, on one lead, to its end; a day later nothing of it is left to do."""
    for kind in ("activities", "owner_history", "stage_history", "tasks"):
        for tries in count(1):
            if DeletionRequest.objects.filter(kind=kind, state="completed").exists():
                break
            assert tries < 10, f"no request of the kind {kind} gets done although nothing is in its way"
            story.scene.crm.leads.clear()
            story.make_leads(1)
            story.bring_to_approval(kind)
            story.wait(story.all_over, 7200)
            story.requests.clear()
    story.scene.run_until(story.scene.clock.now + 32 * 3600)
