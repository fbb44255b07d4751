"""The four deletes: queued at once, done a little later in the background, reported to the status webhook."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from . import cast
from .faults import Faults
from .messages import Call, Invalid, Missing, Reply, guid, queued, reply, window
from .reads import Reads
from .webhooks import Report, Webhooks
from .world import World

MOST_TASKS = 5000
PLANNED = ("effect", "webhook", "delay", "late_by")


@dataclass(frozen=True, slots=True)
class Job:
    """`choose` names the records when the work begins, not when it is queued. `plan`: the switches then."""

    what: str
    choose: Callable[[], list[str]]
    lead: str
    asked: int
    url: str
    plan: dict[str, str]

    @property
    def seconds(self) -> float:
        late = self.plan["effect"] == "late"
        return float(self.plan["delay"]) + (float(self.plan["late_by"]) if late else 0.0)

    def report(self, chosen: int, removed: int) -> Report:
        return Report(self.what, self.asked or chosen, removed)


class Timers:
    """Runs work a little later, each in a thread of its own: a slow webhook holds up nobody."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timers: set[threading.Timer] = set()

    def run(self, seconds: float, work: Callable[[], object]) -> None:
        def ring() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._timers.discard(timer)

        timer = threading.Timer(seconds, ring)
        timer.daemon = True
        with self._lock:
            self._timers.add(timer)
        timer.start()

    def busy(self) -> int:
        """How many wait or are at work."""
        with self._lock:
            return len(self._timers)

    def close(self) -> None:
        """What still waits is dropped, what is at work may end."""
        with self._lock:
            timers = list(self._timers)
        for timer in timers:
            timer.cancel()
        for timer in timers:
            timer.join(1.0)


class Deletes:
    def __init__(self, world: World, faults: Faults, webhooks: Webhooks, timers: Timers) -> None:
        self.world = world
        self.faults = faults
        self.webhooks = webhooks
        self.timers = timers
        self.reads = Reads(world, faults)

    # delete-activities
    def activities(self, call: Call) -> Reply:
        codes = call.json().get("ActivityEventList") or []
        if not isinstance(codes, list):
            raise Invalid("ActivityEventList")
        # No code and no date mean everything: that is the danger of this API.
        return self._by_window(call, "delete activities", cast.CUSTOM, [str(code) for code in codes])

    # delete-leads-owner-change-history
    def owner_history(self, call: Call) -> Reply:
        return self._by_window(call, "delete user assignment change history", cast.OWNER_CHANGE)

    # delete-a-leads-stage-change-history
    def stage_history(self, call: Call) -> Reply:
        return self._by_window(call, "delete stage change history", cast.STAGE_CHANGE)

    def _by_window(self, call: Call, what: str, kind: int, codes: list[str] | None = None) -> Reply:
        body = call.json()
        lead = self.reads.known_lead(body.get("ProspectId"), "ProspectId")
        column, ends, fine = (self.faults.take(n, call.subject) for n in ("window", "ends", "subseconds"))
        select = partial(self.world.select, lead, kind, codes or [], *window(body))
        choose = partial(select, column=column, ends=ends, subseconds=fine == "yes")
        self._queue(call, what, choose, lead=lead)
        return queued(what)

    # delete-tasks-in-bulk
    def tasks(self, call: Call) -> Reply:
        what, ids = "bulk delete tasks", call.json().get("TaskIds")
        if not isinstance(ids, list) or not ids:
            raise Missing("TaskIds")
        if len(ids) > MOST_TASKS:
            raise Invalid(f"TaskIds. Maximum of {MOST_TASKS} tasks can be sent in one request")
        wanted = [guid(task_id, "TaskIds") for task_id in ids]
        found = self.world.existing_tasks(wanted)
        self._queue(call, what, partial(self.world.existing_tasks, wanted), asked=len(wanted))
        if self.faults.take("tasks_answer", call.subject) == "queued":
            return queued(what)
        return reply(Report(what, len(wanted), len(found)).as_json())

    def _queue(self, call: Call, what: str, choose: Callable[[], list[str]], *, lead: str = "", asked: int = 0) -> None:
        plan = {name: self.faults.take(name, call.subject) for name in PLANNED}
        job = Job(what, choose, lead, asked, str(call.json().get("StatusWebhookURL") or ""), plan)
        if plan["webhook"] == "early":
            return self._work(job)
        if plan["webhook"] == "premature":
            number = len(choose())
            self.webhooks.report(job.url, job.report(number, asked or number), "json")
        self.timers.run(job.seconds, partial(self._work, job))

    def _work(self, job: Job) -> None:
        chosen = job.choose()
        going = _share(job.plan["effect"], chosen)
        removed = self._remove_tasks(job, going) if job.asked else self._remove_activities(job, going)
        shape, report = job.plan["webhook"], job.report(len(chosen), removed)
        if shape == "late":
            later = partial(self.webhooks.report, job.url, report, "json")
            self.timers.run(float(job.plan["late_by"]), later)
        elif shape not in ("never", "premature"):
            self.webhooks.report(job.url, report, shape)

    def _remove_activities(self, job: Job, going: list[str]) -> int:
        effect, extra = job.plan["effect"], []
        if effect in ("delete_neighbour", "delete_other_code"):
            extra = self.world.neighbour(going, same_code=effect == "delete_neighbour")
        removed = self.world.remove_activities(going + extra)
        if effect == "lead_gone":
            self.world.remove_lead(job.lead)
        return removed - len(extra)

    def _remove_tasks(self, job: Job, going: list[str]) -> int:
        effect = job.plan["effect"]
        if effect in ("task_done", "task_moved"):
            (self.world.complete_tasks if effect == "task_done" else self.world.move_tasks)(going)
            return 0
        extra = self.world.other_task(going) if effect == "delete_neighbour" else []
        return self.world.remove_tasks(going + extra) - len(extra)


def _share(effect: str, chosen: list[str]) -> list[str]:
    """What is left of the chosen records to go; of keep_20_percent at least one stays."""
    kept = {"nothing": len(chosen), "keep_20_percent": max(1, len(chosen) // 5)}.get(effect, 0)
    return chosen[: max(0, len(chosen) - kept)]
