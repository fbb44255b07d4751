"""What the sandbox saw, and the small API under /__sandbox__/ that turns its switches."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter, deque
from typing import Any

from .deletes import Timers
from .faults import Faults
from .messages import Call, Reply, reply
from .webhooks import Webhooks
from .world import BULK_OWNER_ID, MOSTLY_SITE_VISITS, WELL_KNOWN, World

PREFIX = "/__sandbox__/"
# What a colleague in LeadSquared's web app could do meanwhile: methods of World that /world calls by name.
HAPPENINGS = (
    "add_activity", "add_task", "edit_activity", "remove_activities", "remove_lead", "remove_tasks", "complete_tasks",
    "move_tasks",
)  # fmt: skip


class Stats:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.by_operation: Counter[str] = Counter()
        self.rate_limited = 0
        self.key_in_url = False
        self.deletes: deque[dict[str, Any]] = deque(maxlen=20_000)

    def arrived(self, operation: str, *, key_in_url: bool) -> None:
        with self._lock:
            self.by_operation[operation] += 1
            self.key_in_url = self.key_in_url or key_in_url

    def turned_away(self) -> None:
        with self._lock:
            self.rate_limited += 1

    def deleting(self, operation: str, call: Call) -> None:
        """Every delete that arrived, done or not; the webhook's address holds a token, so only its digest."""
        try:
            body = json.loads(call.body)
        except (ValueError, RecursionError):
            body = None
        url = body.pop("StatusWebhookURL", None) if isinstance(body, dict) else None
        digest = hashlib.sha256(str(url).encode()).hexdigest()[:16] if url else None
        with self._lock:
            self.deletes.append({"operation": operation, "body": body, "webhook": digest, "at": time.time()})

    def as_json(self) -> dict[str, Any]:
        with self._lock:
            return {
                "calls": self.by_operation.total(),
                "by_operation": dict(self.by_operation),
                "rate_limited": self.rate_limited,
                "key_in_url": self.key_in_url,
                "deletes": list(self.deletes),
            }


class Control:
    def __init__(self, world: World, faults: Faults, stats: Stats, webhooks: Webhooks, timers: Timers) -> None:
        self.world = world
        self.faults = faults
        self.stats = stats
        self.webhooks = webhooks
        self.timers = timers

    def answer(self, call: Call) -> Reply:
        actions = {
            "POST faults": self._set,
            "DELETE faults": self._reset,
            "GET faults": lambda call: self.faults.active(),
            "GET stats": lambda call: self.seen(),
            "GET world": self._world,
            "GET counts": lambda call: self.world.counts(call.query["lead"]),
            "POST world": self._happen,
            "POST reseed": self._reseed,
        }
        action = actions.get(f"{call.method} {call.path.removeprefix(PREFIX).strip('/')}")
        if action is None:
            return reply({"error": f"There is no {call.method} {call.path}."}, 404)
        try:
            return reply(action(call))
        except (ValueError, TypeError, KeyError, AttributeError) as wrong:
            return reply({"error": str(wrong)}, 400)

    def seen(self) -> dict[str, Any]:
        answers = self.webhooks.sent()
        sent = {"webhooks_sent": sum(answers.values()), "webhook_answers": answers}
        return self.stats.as_json() | sent | {"busy": self.timers.busy()}

    def _set(self, call: Call) -> Any:
        wanted = json.loads(call.body)
        if wanted.get("reset"):
            return self._reset(call)
        self.faults.set(wanted["name"], wanted["value"], match=wanted.get("match"), times=wanted.get("times"))
        return self.faults.active()

    def _reset(self, call: Call) -> Any:
        self.faults.reset()
        return []

    def _world(self, call: Call) -> Any:
        known = {"well_known": WELL_KNOWN, "mostly_site_visits": MOSTLY_SITE_VISITS, "bulk_owner": BULK_OWNER_ID}
        return known | {"bulk_task_ids": self.world.bulk_task_ids(), "leads": self.world.lead_ids()}

    def _happen(self, call: Call) -> Any:
        """A method of World and its arguments: {"do": "remove_lead", "prospect_id": "…"}."""
        arguments = json.loads(call.body)
        name = arguments.pop("do")
        if name not in HAPPENINGS:
            raise ValueError(f"do is one of {', '.join(HAPPENINGS)}.")
        return {"result": getattr(self.world, name)(**arguments)}

    def _reseed(self, call: Call) -> Any:
        number = int(json.loads(call.body or b"{}").get("seed", 1))
        self.world.reseed(number)
        return {"seed": number}
