"""What is sent to each address: a fitting object, and answers that would do the deed for whoever may do it.

A new address needs nothing here: it gets the number of a row that exists, and a new dialog an object in a fitting
state. A line here is for a form that asks for more than ANSWERS, or a deed that needs something done before it.
"""

import json
import zlib
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from lsq_ops.models import (
    Account,
    CrmUser,
    DeletionItem,
    DeletionRequest,
    Erasure,
    Lead,
    MirrorSync,
    Notice,
    Policy,
    RetentionRun,
    Selection,
    Team,
    UploadedList,
    db_now,
    guards,
)
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import accounts, approval, deciding, notices, owners, people, policies, run_windows
from lsq_ops.services.may import STATES_OF
from lsq_ops.services.people import DEMO_PASSWORD
from tests.world import SITE_VISIT

from .addresses import Address
from .scene import Scene

Made = tuple[Any, dict[str, Any]]  # the object of the address, and what is posted
ANSWERS = {"reason": "because", "text": "because", "shown": "active", "roles": "Requester"}
LEAD = WELL_KNOWN["asha"]


def example(scene: Scene, person: User, address: Address) -> tuple[str, dict[str, Any]]:
    """The filled address and what to post there. May change the scene: the caller rolls back."""
    make = EXAMPLES.get(address.name) or BY_MODEL.get(_model(address), _anything)
    obj, data = make(scene, person, address)
    values = {
        **scene.numbers,
        "object_id": getattr(obj, "pk", obj),
        "pk": getattr(obj, "pk", obj),
        "kind": "activities",
        "app_label": "lsq_ops",
        "url": "nothing-is-here/",
        "token": "a-token-that-nobody-gave",
    }
    if address.route.startswith("admin/r/"):
        values |= {"content_type_id": ContentType.objects.get_for_model(User).pk, "object_id": scene.world.arun.pk}
    if address.action:
        data = {**data, "action": address.action, "_selected_action": [obj.pk]}
    return address.path(values), {**ANSWERS, **data}


def _model(address: Address) -> str:
    return address.one.opts.model_name if address.one else ""


def _anything(scene: Scene, person: User, address: Address) -> Made:
    return (address.one.model._base_manager.order_by("pk").first() if address.one else 1), {}


# --- By what the page is about -----------------------------------------------------------------------------


def _request(scene: Scene, person: User, address: Address) -> Made:
    """A request in a state that the verb of the dialog asks for, answered as its page shows it."""
    states = STATES_OF.get(address.verb, ("pending",))
    return _answered(scene.request_in(states))


def _answered(request: DeletionRequest) -> Made:
    return request, {"digest": request.version.digest, "count": request.version.items_count}


def _lead(scene: Scene, person: User, address: Address) -> Made:
    lead = Lead.objects.get(prospect_id=LEAD)
    return lead, {"tick": lead.activity_set.filter(event_code=SITE_VISIT).first().activity_id, "ids": LEAD}


def _selection(scene: Scene, person: User, address: Address) -> Made:
    """Their own: the selections of others are not there for anybody."""
    return _select(scene, person, "lead", [LEAD]), {**_window(), "category": "duplicate", "reason": "twice"}


def _select(scene: Scene, person: User, record_type: str, ids: list[str]) -> Selection:
    facts = {"account": scene.world.account, "record_type": record_type, "ids": ids, "source": {}}
    return Selection.objects.create(user=person, made_at=db_now(), **facts)


def _window() -> dict[str, Any]:
    now = db_now()
    shown = {"from_time": now - timedelta(days=10), "to_time": now - timedelta(hours=2)}
    return {"codes": [SITE_VISIT], **{name: f"{at:%Y-%m-%dT%H:%M:%S}" for name, at in shown.items()}}


def _user(scene: Scene, person: User, address: Address) -> Made:
    return scene.world.arun, {}


def _sync(scene: Scene, person: User, address: Address) -> Made:
    """A run that goes on, or asks where the dialog answers."""
    state, now = "asking" if address.verb == "answer_sync" else "running", db_now()
    return MirrorSync.objects.create(
        account=scene.world.account, state=state, by="rita", begun_at=now, covers_to=now
    ), {}


def _crm_user(scene: Scene, person: User, address: Address) -> Made:
    facts = {"name": "Ravi", "read_at": db_now()}
    user, _ = CrmUser.objects.update_or_create(account=scene.world.account, user_id=scene.task.owner_id, defaults=facts)
    return user, {"groups": list(owners.GROUPS)}


def _upload(scene: Scene, person: User, address: Address) -> Made:
    """Their own: the uploads of others are not there for anybody."""
    facts = {"name": "ids.csv", "sha256": "0" * 64, "size": 3, "names": "lead", "made_at": db_now()}
    counts = {"not in the mirror": 1}
    upload = UploadedList.objects.create(
        account=scene.world.account, user=person, read_at=db_now(), unpacked=True, counts=counts, lines=1, **facts
    )
    rows = [[1, [[WELL_KNOWN["chen"], "text"]]]]
    upload.parts.create(number=0, data=zlib.compress(json.dumps(rows).encode()))
    upload.judged.create(line=1, verdict="not in the mirror", ids=[WELL_KNOWN["chen"]])
    return upload, {}


def _retention_run(scene: Scene, person: User, address: Address) -> Made:
    return RetentionRun.objects.create(by="pia", begun_at=db_now(), until=db_now(), ended_at=db_now()), {}


def _erasure(scene: Scene, person: User, address: Address) -> Made:
    now, facts = db_now(), {"mark": "0" * 64, "key_mark": "0" * 16, "reason": "because"}
    account = scene.world.account
    return Erasure.objects.create(account=account, by="pia", begun_at=now, ended_at=now, **facts), {}


def _notice(scene: Scene, person: User, address: Address) -> Made:
    """One that was given up."""
    facts = {"subject": "a subject", "text": "a text", "made_at": db_now(), "tries": notices.GIVE_UP_AFTER}
    return Notice.objects.create(user=scene.world.rita, **facts), {}


def _keys(scene: Scene, person: User, address: Address) -> Made:
    return 1, {"access_key": "u$r", "secret_key": "$", "host": settings.LSQ_HOST, "rate": "25/5"}


def _no_sync(scene: Scene, person: User, address: Address) -> Made:
    return 1, {}


BY_MODEL: dict[str, Callable[[Scene, User, Address], Made]] = {
    "deletionrequest": _request,
    "lead": _lead,
    "mirrorsync": _sync,
    "crmuser": _crm_user,
    "selection": _selection,
    "uploadedlist": _upload,
    "retentionrun": _retention_run,
    "erasure": _erasure,
    "notice": _notice,
    "user": _user,
    "task": lambda scene, person, address: (scene.task, {"owner": scene.task.owner_id}),
}

# --- One by one --------------------------------------------------------------------------------------------


def _login(scene: Scene, person: User, address: Address) -> Made:
    return 1, {"username": "vera", "password": DEMO_PASSWORD}


def _own_password(scene: Scene, person: User, address: Address) -> Made:
    new = "of-my-own-making-7"
    return 1, {"old_password": DEMO_PASSWORD, "new_password1": new, "new_password2": new}


def _new_person(scene: Scene, person: User, address: Address) -> Made:
    return 1, {"username": "nina", "password": "a-long-first-password"}


def _ungranted(scene: Scene, person: User, address: Address) -> Made:
    return scene.people["no_grant"], {"team": Team.objects.get(name="Business").pk}


def _paused(scene: Scene, person: User, address: Address) -> Made:
    accounts.pause(scene.world.omar, "looking at it")
    return Account.objects.get(), {}


def _paused_kind(scene: Scene, person: User, address: Address) -> Made:
    Account.objects.update(paused_kinds={"tasks": "The key's user may not do this."})
    return Account.objects.get(), {"kind": "tasks"}


def _blackout(scene: Scene, person: User, address: Address) -> Made:
    day = _a_week_ahead()
    made = run_windows.close_period(scene.world.omar, day, day, "a feast")
    return Account.objects.get(), {"blackout": made.pk}


def _a_week_ahead() -> date:
    """Never today or tomorrow: in India the next day begins at 18:30 UTC."""
    return (db_now() + timedelta(days=7)).date()


def _file(ids: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("ids.csv", f"id\n{ids}\n".encode(), "text/csv")


def _tiers(scene: Scene, person: User, address: Address) -> Made:
    policy = policies.in_force().last()
    parts = {f"{tier['name']}_{part}": value for tier in policy.tiers for part, value in tier.items() if value}
    return policy, {"name": "the same again", **parts}


def _announced(scene: Scene, person: User, address: Address) -> Made:
    policy = policies.in_force().last()
    waits = {"counts_from": db_now() + timedelta(days=1), "set_by": "pia"}
    return Policy.objects.create(name="coming", tiers=policy.tiers, **waits), {}


def _lapsed(scene: Scene, person: User, address: Address) -> Made:
    people.set_active(scene.world.pia, scene.world.dana, False)
    return _answered(scene.approved)


def _proposed(scene: Scene, person: User, address: Address) -> Made:
    call = scene.attention.calls.get()
    return scene.attention, {"decision": deciding.propose(scene.world.omar, scene.attention, call, "end", "seen").pk}


def _unclear(scene: Scene, person: User, address: Address) -> Made:
    return scene.attention, {"call": scene.attention.calls.get().pk, "choice": "end"}


def _voted(scene: Scene, person: User, address: Address) -> Made:
    request, answers = _answered(scene.pending)
    approval.vote(scene.world.arun, request, "approve", **answers)
    return request, {}


def _edited(scene: Scene, person: User, address: Address) -> Made:
    return scene.draft, {**_window(), "category": "duplicate", "reason": "twice"}


def _gone(scene: Scene, person: User, address: Address) -> Made:
    """As if something of it had gone before it was stopped; an outcome is written once, so the rules look away."""
    items = scene.stopped.version.items.select_related("content")
    item = next(item for item in items if "Key': 'NotableEventDescription', 'Value': ''" not in str(item.content.raw))
    guards.drop(connection)
    DeletionItem.objects.filter(pk=item.pk).update(outcome=DeletionItem.Outcome.GONE, outcome_at=db_now())
    guards.install(connection)
    return scene.stopped, {}


def _stopped(scene: Scene, person: User, address: Address) -> Made:
    return scene.stopped, {}


REQUEST, USER, ACCOUNT, POLICY = (
    f"admin/{name}/<object_id>"
    for name in ("lsq_ops/deletionrequest", "auth/user", "lsq_ops/account", "lsq_ops/policy")
)
EXAMPLES: dict[str, Callable[[Scene, User, Address], Made]] = {
    "admin/login/": _login,
    "admin/password_change/": _own_password,
    "admin/set-up/keys/": _keys,
    "admin/my-mails/": lambda *about: (
        1,
        {"trouble": "hourly", "vote": "daily", "talk": "never", "mine": "never", "rules": "at_once"},
    ),
    "admin/auth/user/new_person/": _new_person,
    f"{USER}/give_grant/": _ungranted,
    "admin/lsq_ops/mirrorsync/begin/": _no_sync,
    "admin/lsq_ops/retentionrun/begin/": _no_sync,
    "admin/lsq_ops/erasure/erase_person/": lambda *about: (1, {"prospect_id": "0" * 8 + "-0000-0000-0000-" + "0" * 12}),
    f"{ACCOUNT}/resume/": _paused,
    f"{ACCOUNT}/resume_kind/": _paused_kind,
    f"{ACCOUNT}/close_hours/": lambda *about: (
        Account.objects.get(),
        {"days": [5, 6], "from_time": "01:00", "to_time": "02:00"},
    ),
    f"{ACCOUNT}/close_period/": lambda *about: (Account.objects.get(), {"first_day": f"{_a_week_ahead()}"}),
    f"{ACCOUNT}/lift_blackout/": _blackout,
    f"{POLICY}/announce/": _tiers,
    f"{POLICY}/take_back/": _announced,
    f"{REQUEST}/confirm_vote/": _lapsed,
    f"{REQUEST}/confirm_decision/": _proposed,
    f"{REQUEST}/propose/": _unclear,
    f"{REQUEST}/take_back/": _voted,
    f"{REQUEST}/edit/": _edited,
    f"{REQUEST}/remaining/": _stopped,
    f"{REQUEST}/restore_help/": _gone,
    "admin/lsq_ops/lead/upload/": lambda scene, person, address: (1, {"file": _file(LEAD)}),
    "admin/lsq_ops/activity/upload/": lambda scene, person, address: (
        1,
        {"file": _file(LEAD), "what_for": "activity"},
    ),
    "admin/lsq_ops/task/upload/": lambda scene, person, address: (1, {"file": _file(scene.task.task_id)}),
}
