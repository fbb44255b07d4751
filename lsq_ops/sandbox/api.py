"""The WSGI application: keys, rate limit, faults, then the endpoint."""

from __future__ import annotations

import hmac
import random
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from . import SANDBOX_KEYS
from .answers import CANNED, Limit, rate_reply
from .control import PREFIX, Control, Stats
from .deletes import Deletes, Timers
from .faults import Faults
from .messages import Call, Refusal, Reply
from .rate import RateCounter
from .reads import Reads
from .webhooks import Webhooks
from .world import World

Endpoint = Callable[[Call], Reply]
WIRE_HEADER = "X-Sandbox-Wire"


class Sandbox:
    """One account. `world`, `faults` and `stats` may be looked at and changed while it serves."""

    def __init__(self, world: World, faults: Faults, keys: tuple[str, str] = SANDBOX_KEYS) -> None:
        self._keys = " ".join(keys).encode()
        self.faults = faults
        self.stats = Stats()
        self.timers = Timers()
        self._rate = RateCounter()
        webhooks = Webhooks()
        self.control = Control(world, faults, self.stats, webhooks, self.timers)
        self._gets, self._posts = _reads(Reads(world, faults))
        self._deletes = _deletes(Deletes(world, faults, webhooks, self.timers))

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = self.answer(Call.of(environ))
        headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
        wire = [(WIRE_HEADER, answer.wire)] if answer.wire else []
        status = HTTPStatus(answer.status)
        start_response(f"{status.value} {status.phrase}", [*headers, *answer.headers, *wire])
        return [answer.body]

    def answer(self, call: Call) -> Reply:
        if call.path.startswith(PREFIX):
            return self.control.answer(call)
        self._travel(call)
        answer = self._turn_away(call) or self._faulty(call)
        if answer.wire == "slow":
            time.sleep(self.faults.number("slow_for", call.subject))
            answer = answer.on("")
        self._travel(call)
        return answer

    def _travel(self, call: Call) -> None:
        """Half of a call's latency: a call counts when it arrives, not when it is sent."""
        low, _, high = self.faults.take("latency", call.subject).partition("-")
        if milliseconds := random.uniform(float(low), float(high or low)):  # nosec B311 # a delay is no secret
            time.sleep(milliseconds / 2000)

    def _turn_away(self, call: Call) -> Reply | None:
        self._note(call)
        if not self._keys_fit(call):
            return CANNED["401"].over(None)
        limit = Limit.parse(self.faults.take("rate_limit"))
        if self._rate.admit(limit, self.faults.take("rate_window")):
            return None
        self.stats.turned_away()
        return rate_reply(self.faults.take("rate_shape"), limit)

    def _note(self, call: Call) -> None:
        operation = call.path.removeprefix("/v2/")
        known = operation in {**self._gets, **self._posts, **self._deletes}
        in_url = {"accesskey", "secretkey"} & {name.lower() for name in call.query}
        self.stats.arrived(operation if known else "unknown", key_in_url=bool(in_url))
        if operation in self._deletes:
            self.stats.deleting(operation, call)

    def _keys_fit(self, call: Call) -> bool:
        in_url = call.query if self.faults.take("allow_query_keys") == "yes" else {}
        access = call.headers["access"] or in_url.get("accessKey", "")
        given = f"{access} {call.headers['secret'] or in_url.get('secretKey', '')}"
        return hmac.compare_digest(given.encode(), self._keys)

    def _faulty(self, call: Call) -> Reply:
        canned = CANNED[self.faults.take("answer", call.subject)]
        wanted = self.faults.take("takes_effect", call.subject)
        done = canned.done if wanted == "auto" else wanted == "yes"
        return canned.over(self._serve(call) if done else None)

    def _serve(self, call: Call) -> Reply:
        prefix, operation = call.path[:4], call.path[4:]
        posts = self._posts | self._deletes
        if prefix != "/v2/" or operation not in self._gets | posts:
            return CANNED["404"].over(None)
        endpoint = {"GET": self._gets, "POST": posts}.get(call.method, {}).get(operation)
        try:
            return endpoint(call) if endpoint else CANNED["405"].over(None)
        except Refusal as refusal:
            return refusal.reply


def _reads(reads: Reads) -> tuple[dict[str, Endpoint], dict[str, Endpoint]]:
    """What is read by GET, and what by POST."""
    gets: dict[str, Endpoint] = {
        "Authentication.svc/UserByAccessKey.Get": reads.key_user,
        "UserManagement.svc/Users.Get": reads.users,
        "LeadManagement.svc/Leads.GetById": reads.lead_by_id,
        "LeadManagement.svc/Leads.GetByEmailaddress": reads.leads_by_email,
        "LeadManagement.svc/RetrieveLeadByPhoneNumber": reads.leads_by_phone,
        "LeadManagement.svc/Leads.GetByQuickSearch": reads.leads_by_words,
        "LeadManagement.svc/RetrieveTaskByLeadId": reads.tasks_by_lead,
        "ProspectActivity.svc/ActivityTypes.Get": reads.activity_types,
        "ProspectActivity.svc/GetActivityDetails": reads.activity,
    }
    posts: dict[str, Endpoint] = {
        "LeadManagement.svc/Leads/Retrieve/ByIds": reads.leads_by_ids,
        "LeadManagement.svc/Leads.RecentlyModified": reads.leads_changed,
        "ProspectActivity.svc/Retrieve": reads.activities,
        "Task.svc/Retrieve": reads.tasks_by_owner,
    }
    return gets, posts


def _deletes(deletes: Deletes) -> dict[str, Endpoint]:
    return {
        "ProspectActivity.svc/DeleteActivities": deletes.activities,
        "LeadManagement.svc/DeleteUserAssignmentChangeHistory": deletes.owner_history,
        "LeadManagement.svc/DeleteStageChangeHistory": deletes.stage_history,
        "Task.svc/DeleteTasks": deletes.tasks,
    }
