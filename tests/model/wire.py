"""LeadSquared's end of the wire: it answers, well or badly, starts jobs, and posts its webhooks. What it is told to do
next is armed by the machine's rules; without that it is well."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.test import RequestFactory
from django.urls import resolve

from lsq_ops.leadsquared.errors import Answer
from tests.chaos import answers, crm

if TYPE_CHECKING:
    from .stage import Stage

HOOK = "StatusWebhookURL"
NOT_SENT = ("dns", "refused", "tls")
TURNED_AWAY = ("429", "403 rate", "200 rate", "401", "403")
REFUSED = ("400", "404", "405", "200 error", "500 input")
UNCLEAR = ("500 generic", "502", "302", "html", "broken json", "timeout", "reset", "deadline")
TRIP, WORKS_AFTER, REPORTS_AFTER = 0.1, 3.0, 1.0
MISLEADING = ("count too high", "list moves", "empty list")


@dataclass
class Mood:
    """How LeadSquared takes the next delete: its answer, whether it is done all the same, what the job does and when,
    and what it reports."""

    answer: str = ""
    done: bool = True
    effect: str = "all"
    delay: float = WORKS_AFTER
    report: str = "honest"


@dataclass
class Wire:
    stage: "Stage"
    moods: list[Mood] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)  # what goes wrong with the next readings, one after another
    hooks: list[str] = field(default_factory=list)  # addresses that we were given, the newest last

    def transport(self, host: str, access_key: str, secret_key: str, **options: Any) -> "Wire":
        return self

    def calm_down(self) -> None:
        self.moods, self.reads = [], []

    # --- The client's transport ------------------------------------------------------------------------------

    def send(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        body: bytes | None = None,
        fresh: bool = False,
    ) -> Answer:
        stage = self.stage
        if fresh:
            stage.interrupt("entered")
        mood = self.moods.pop(0) if fresh and self.moods else Mood()
        fault = mood.answer if fresh else self._fault()
        stage.pass_time(TRIP)
        if fault in NOT_SENT:
            return answers.faulty(fault, operation, write=fresh)
        stage.book.calls.append(stage.clock.now)
        if fresh:
            answer = self._delete(path, json.loads(body or b""), mood)
            stage.interrupt("left")
        else:
            answer = self._read(path, params or {}, json.loads(body or b"{}"), fault)
        stage.pass_time(answers.WAITS.get(fault, TRIP))
        return answer

    def _fault(self) -> str:
        return self.reads.pop(0) if self.reads and self.reads[0] not in MISLEADING else ""

    def _delete(self, path: str, body: dict[str, Any], mood: Mood) -> Answer:
        hook = body.pop(HOOK, "")
        token = hashlib.sha256(hook.rstrip("/").rpartition("/")[2].encode()).hexdigest() if hook else ""
        with self.stage.looking():
            number = self.stage.judge.arrived(path, body, token, turned_away=mood.answer in TURNED_AWAY)
        self.hooks += [hook] if hook else []
        if not mood.answer or (mood.answer in UNCLEAR and mood.done):
            self.stage.later(mood.delay, lambda: self._work(number, path, body, mood, hook))
            if mood.report == "early":
                self.post(hook, success=True)
        operation = path.rpartition("/")[2]
        if mood.answer:
            return answers.faulty(mood.answer, operation, write=True)
        return answers.good(operation, {"Status": "Success", "Message": {"Message": "queued"}}, write=True)

    # --- Jobs and webhooks -----------------------------------------------------------------------------------

    def _work(self, number: int, path: str, body: dict[str, Any], mood: Mood, hook: str) -> None:
        world, now = self.stage.crm, self.stage.clock.now
        chosen = world.chosen_by(path, body)
        going = {
            "nothing": [],
            "part": chosen[: len(chosen) // 2],
            "neighbour": chosen + world.neighbour_of(chosen, same_code=True),
            "other code": chosen + world.neighbour_of(chosen, same_code=False),
        }.get(mood.effect, chosen)
        removed = world.remove(going, now, number)
        if mood.effect == "lead gone" and "ProspectId" in body:
            world.remove_lead(body["ProspectId"], now)
        honest = removed >= len(chosen)
        said = {"honest": [honest], "twice": [honest, honest], "lying": [not honest], "both": [True, False]}
        for word in said.get(mood.report, []):
            self.stage.later(REPORTS_AFTER, partial(self.post, hook, success=word))

    def post(self, hook: str, *, success: bool) -> None:
        """LeadSquared's webhook, through the portal's own door."""
        if not hook:
            return
        body = json.dumps({"Status": "Success" if success else "Error"}).encode()
        request = RequestFactory().post(urlsplit(hook).path, data=body, content_type="application/json")
        found = resolve(request.path)
        answer = self.stage.act("door", lambda: found.func(request, **found.kwargs))
        assert getattr(answer, "status_code", 0) == 200, f"the webhook's door: {answer!r}"

    # --- Readings --------------------------------------------------------------------------------------------

    def _read(self, path: str, params: dict[str, Any], body: dict[str, Any], fault: str) -> Answer:
        if fault:
            return answers.faulty(fault, path, write=False)
        lead = params.get("leadId", "")
        if lead and lead not in self.stage.crm.leads:
            return answers.faulty("lead unknown", path, write=False)
        rows = {
            "Authentication.svc/UserByAccessKey.Get": self._key_user,
            "LeadManagement.svc/Leads.GetById": self._lead,
            "LeadManagement.svc/Leads/Retrieve/ByIds": self._leads,
            "ProspectActivity.svc/ActivityTypes.Get": self._types,
            "ProspectActivity.svc/Retrieve": self._activities,
            "LeadManagement.svc/RetrieveTaskByLeadId": self._tasks_of_lead,
            "Task.svc/Retrieve": self._tasks_of_owner,
            "UserManagement.svc/Users.Get": self._users,
        }[path](params, body)
        return answers.good(path, rows, write=False)

    def _key_user(self, params: dict[str, Any], body: dict[str, Any]) -> Any:
        return {"Id": "1", "Name": "Meera Iyer", "Role": "Administrator", "TimeZone": "UTC", "OrgId": "4711"}

    def _lead(self, params: dict[str, Any], body: dict[str, Any]) -> Any:
        known = self.stage.crm.leads
        return [crm.lead_row(params["id"], known[params["id"]])] if params["id"] in known else []

    def _leads(self, params: dict[str, Any], body: dict[str, Any]) -> Any:
        known = self.stage.crm.leads
        rows = [crm.lead_row(lead, known[lead]) for lead in body["SearchParameters"]["LeadIds"] if lead in known]
        return {"RecordCount": len(rows), "Leads": rows}

    def _types(self, params: dict[str, Any], body: dict[str, Any]) -> Any:
        return [{"ActivityEvent": code, "ActivityEventName": name} for code, name in crm.NAMES.items()]

    def _users(self, params: dict[str, Any], body: dict[str, Any]) -> Any:
        return [
            {"ID": owner, "FirstName": "Owner", "LastName": str(number), "StatusCode": 0}
            for number, owner in enumerate(self.stage.crm.owners)
        ]

    def _activities(self, params: dict[str, Any], body: dict[str, Any]) -> Any:
        rows = [crm.activity_row(a) for a in self.stage.crm.of_lead(params["leadId"])]
        return self._page(rows, "ProspectActivities", body["Paging"])

    def _tasks_of_lead(self, params: dict[str, Any], body: dict[str, Any]) -> Any:
        rows = [crm.lead_task_row(t) for t in self.stage.crm.tasks_where(lead=params["leadId"])]
        return self._page(rows, "TaskList", {})

    def _tasks_of_owner(self, params: dict[str, Any], body: dict[str, Any]) -> Any:
        asked = body["Parameter"]
        tasks = self.stage.crm.tasks_where(owner=asked["LookupValue"], done=bool(asked["StatusCode"]))
        return self._page([crm.owner_task_row(t) for t in tasks], "List", body["Paging"])

    def _page(self, rows: list[Any], name: str, paging: dict[str, Any]) -> Any:
        """Rows from an offset on; or, where it was armed, a list that misleads."""
        total = len(rows)
        misleading = self.reads.pop(0) if rows and self.reads else ""
        if misleading == "count too high":
            total += 3
        elif misleading == "list moves":
            rows = rows[1:] + rows[:1]
        elif misleading == "empty list":
            rows, total = [], 0
        shown = rows[int(paging.get("Offset", 0)) :]
        for row in shown:
            record = row.get("Id") or row.get("TaskID") or row["UserTaskId"]
            self.stage.book.shown.setdefault(record, []).append(self.stage.clock.now)
        return {"RecordCount": total, name: shown}
