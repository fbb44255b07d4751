"""What stands between the portal and the LeadSquared in memory: the client's transport, and the jobs that deletes
start.

The portal makes its `Transport` with host and keys and calls `send`; here each send takes virtual time, may fail in
every way that the API and the network know, and is noted by the ledger at the moment in which it arrives.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lsq_ops.leadsquared.errors import Answer, Cause, Outcome

from . import answers, crm, post
from .plan import CLEAR_NO, NOT_SENT

if TYPE_CHECKING:
    from .ledger import Ledger
    from .scene import Scene

HOUR, DEADLINE = 3600.0, 30.0
RATE = ("429", "403 rate", "200 rate")


@dataclass
class Wire:
    """One account's connection; `rows` is the most rows that a page has."""

    scene: "Scene"
    ledger: "Ledger"
    rows: int = 1000
    eaten_until: float = 0  # others use up the rate limit until then
    keys_until: float = 0  # the keys are not valid until then

    def transport(self, host: str, access_key: str, secret_key: str, **options: Any) -> "Wire":
        return self

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
        scene, begun = self.scene, self.scene.clock.now
        scene.step("entered", write=fresh)
        scene.pass_time(scene.random.uniform(0.02, 0.2))  # until the first byte; others may be at work for minutes
        if scene.clock.now > begun + DEADLINE:  # the real one looks at its deadline before that byte
            return Answer(operation, Outcome.NOT_SENT, Cause.CONNECT)
        fault = self._fault(fresh)
        if fault in NOT_SENT:
            return answers.faulty(fault, operation, write=fresh)
        answer = self._delete(path, body or b"", fault) if fresh else self._read(path, params or {}, body, fault)
        scene.step("left", write=fresh)
        scene.pass_time(answers.WAITS.get(fault) or scene.random.uniform(0.02, 0.2))
        scene.step("answered", write=fresh)
        return answer

    def _fault(self, write: bool) -> str:
        """The name of what goes wrong with this call; "" for nothing."""
        now = self.scene.clock.now
        if now < self.keys_until:
            return "401"
        if now < self.eaten_until:
            return RATE[self.scene.random.randrange(3)]
        fault = self.scene.plan.take("answer", write=write)
        if fault is None:
            return ""
        self.scene.fire(fault)
        return fault.name.rpartition(" to a ")[0]

    # --- Deletes ---------------------------------------------------------------------------------------------

    def _delete(self, path: str, raw: bytes, fault: str) -> Answer:
        operation, body = path.rpartition("/")[2], json.loads(raw)
        turned_away = fault in RATE or fault in ("401", "403")
        arrival = self.ledger.arrived(path, body, turned_away=turned_away)
        done = not fault or (fault not in CLEAR_NO and self.scene.random.random() < 0.6)
        if done:
            Job(self, arrival.number, path, body).begin()
        if fault:
            return answers.faulty(fault, operation, write=True)
        return answers.good(operation, {"Status": "Success", "Message": {"Message": "queued"}}, write=True)

    # --- Reads -----------------------------------------------------------------------------------------------

    def _read(self, path: str, params: dict[str, Any], raw: bytes | None, fault: str) -> Answer:
        self.ledger.read_arrived()
        if fault:
            return answers.faulty(fault, path, write=False)
        body = json.loads(raw) if raw else {}
        found = {
            "Authentication.svc/UserByAccessKey.Get": self._key_user,
            "LeadManagement.svc/Leads.GetById": self._lead,
            "LeadManagement.svc/Leads/Retrieve/ByIds": self._leads,
            "ProspectActivity.svc/ActivityTypes.Get": self._types,
            "ProspectActivity.svc/Retrieve": self._activities,
            "LeadManagement.svc/RetrieveTaskByLeadId": self._tasks_of_lead,
            "Task.svc/Retrieve": self._tasks_of_owner,
        }[path](params, body)
        return found if isinstance(found, Answer) else answers.good(path, found, write=False)

    def _key_user(self, params: dict[str, Any], body: dict[str, Any]) -> Any:
        who = {"Id": "1", "Name": "Meera Iyer", "Role": "Administrator", "TimeZone": "India Standard Time"}
        return who | {"OrgId": "4711", "OrgShortCode": "chaos"}

    def _lead(self, params: dict[str, Any], body: dict[str, Any]) -> Any:
        known = params["id"] in self.scene.crm.leads
        return [crm.lead_row(params["id"], self.scene.crm.leads[params["id"]])] if known else []

    def _leads(self, params: dict[str, Any], body: dict[str, Any]) -> Any:
        wanted, known = body["SearchParameters"]["LeadIds"], self.scene.crm.leads
        rows = [crm.lead_row(lead, known[lead]) for lead in wanted if lead in known]
        return {"RecordCount": len(rows), "Leads": rows}

    def _types(self, params: dict[str, Any], body: dict[str, Any]) -> Any:
        return [{"ActivityEvent": code, "ActivityEventName": name} for code, name in crm.NAMES.items()]

    def _activities(self, params: dict[str, Any], body: dict[str, Any]) -> Any:
        lead = params["leadId"]
        if lead not in self.scene.crm.leads:
            return answers.faulty("lead unknown", "Retrieve", write=False)
        rows = [crm.activity_row(a) for a in self.scene.crm.of_lead(lead)]
        return self._page(rows, "ProspectActivities", body["Paging"], lead)

    def _tasks_of_lead(self, params: dict[str, Any], body: dict[str, Any]) -> Any:
        lead = params["leadId"]
        if lead not in self.scene.crm.leads:
            return answers.faulty("lead unknown", "RetrieveTaskByLeadId", write=False)
        rows = [crm.lead_task_row(t) for t in self.scene.crm.tasks_where(lead=lead)]
        return self._page(rows, "TaskList", {}, lead)

    def _tasks_of_owner(self, params: dict[str, Any], body: dict[str, Any]) -> Any:
        asked = body["Parameter"]
        tasks = self.scene.crm.tasks_where(owner=asked["LookupValue"], done=bool(asked["StatusCode"]))
        return self._page([crm.owner_task_row(t) for t in tasks], "List", body["Paging"], "")

    def _page(self, rows: list[Any], name: str, paging: dict[str, Any], lead: str) -> Any:
        """Rows from an offset on; here the lists that lie."""
        total, start = len(rows), int(paging.get("Offset", 0))
        fault = self.scene.plan.take("list") if rows else None
        if fault:
            self.scene.fire(fault)
            if fault.name == "lead unknown" and lead:
                return answers.faulty("lead unknown", name, write=False)
            if fault.name == "list hides some":
                rows = rows[:-1] if total < 5 else [row for n, row in enumerate(rows) if n % 5]
            elif fault.name == "list moves":
                rows = rows[1:] + rows[:1]
            elif fault.name == "count too high":
                total += 3
            elif fault.name == "empty list":
                rows, total = [], 0
        end = start + min(self.rows, int(paging.get("RowCount", self.rows)))
        shown = rows[start:end] if paging else rows
        self.ledger.showed(row.get("Id") or row.get("TaskID") or row.get("UserTaskId") for row in shown)
        return {"RecordCount": total, name: shown}


@dataclass
class Job:
    """A delete that LeadSquared has taken: it works a while later, well or badly, and reports."""

    wire: Wire
    arrival: int
    path: str
    body: dict[str, Any]
    effect: str = ""
    report: str = ""

    def begin(self) -> None:
        scene = self.wire.scene
        effect, report = scene.plan.take("effect"), scene.plan.take("webhook")
        for fault in filter(None, (effect, report)):
            scene.fire(fault)
        self.effect = effect.name if effect else ""
        self.report = report.name.removeprefix("webhook ") if report else ""
        hours = {"late by hours": scene.random.uniform(1, 20), "late by a day": scene.random.uniform(24.5, 30)}
        delay = hours[self.effect] * HOUR if self.effect in hours else scene.random.uniform(0.3, 9)
        if self.report in ("early", "before the work"):
            named = len(self.wire.scene.crm.chosen_by(self.path, self.body))
            self._post("normal", named, named, 0 if self.report == "early" else delay / 2)
        scene.later(delay, self._work)

    def _work(self) -> None:
        scene = self.wire.scene
        chosen = scene.crm.chosen_by(self.path, self.body)
        going = self._going(chosen)
        if self.effect == "lead gone" and "ProspectId" in self.body:
            scene.crm.remove_lead(self.body["ProspectId"], scene.clock.now)
        removed = scene.crm.remove(going, scene.clock.now, self.arrival)
        if self.report not in ("early", "before the work", "never"):
            self._post(self.report, len(chosen), removed, scene.random.uniform(0.1, 3))

    def _going(self, chosen: list[str]) -> list[str]:
        if self.effect == "nothing":
            return []
        if self.effect == "keeps 20 %":
            return chosen[max(1, len(chosen) // 5) :]
        if self.effect in ("takes a neighbour", "takes another code"):
            same = self.effect == "takes a neighbour"
            return chosen + self.wire.scene.crm.neighbour_of(chosen, same_code=same)
        return chosen

    def _post(self, how: str, asked: int, removed: int, delay: float) -> None:
        address = self.body.get("StatusWebhookURL")
        if address:
            path = urlsplit(address).path
            post.report(self.wire.scene, self.wire.ledger, path, how or "normal", asked, removed, delay)
