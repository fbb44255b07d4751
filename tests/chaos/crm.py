"""A LeadSquared in memory, written from its API's pages and apart from the sandbox's: a second opinion on what a delete
removes and what a reading shows. It remembers who removed what and when; the ledger believes nothing else."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

OWNER_CHANGE, STAGE_CHANGE = 3001, 3002
CUSTOM, SYSTEM = 2, 0
NAMES = {201: "Site visit", 202: "Phone call", 203: "Demo", 21: "E-mail opened", 3001: "Owner", 3002: "Stage"}
OURS, OTHERS = "ours", "others"


@dataclass
class Activity:
    id: str
    lead: str
    code: int
    at: float
    note: str = ""

    @property
    def custom(self) -> bool:
        return 100 <= self.code < 3000


@dataclass
class Task:
    id: str
    lead: str
    owner: str
    name: str
    at: float
    done: bool = False


Record = Activity | Task


@dataclass
class Removal:
    """Who took a record away: `by` is the number of an arrival of ours, or None for somebody else."""

    at: float
    by: int | None
    record: Record


@dataclass
class Crm:
    random: Random
    leads: dict[str, str] = field(default_factory=dict)  # prospect id -> owner
    owners: list[str] = field(default_factory=list)
    activities: dict[str, Activity] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    removed: dict[str, Removal] = field(default_factory=dict)

    # --- What is there ---------------------------------------------------------------------------------------

    def guid(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def exists(self, record_id: str) -> bool:
        return record_id in self.activities or record_id in self.tasks

    def get(self, record_id: str) -> Record | None:
        return self.activities.get(record_id) or self.tasks.get(record_id)

    def of_lead(self, lead: str) -> list[Activity]:
        """The newest first, as LeadSquared lists them."""
        found = [a for a in self.activities.values() if a.lead == lead]
        return sorted(found, key=lambda a: (-a.at, a.id))

    def tasks_where(self, **wanted: Any) -> list[Task]:
        found = [t for t in self.tasks.values() if all(getattr(t, name) == value for name, value in wanted.items())]
        return sorted(found, key=lambda t: (t.at, t.id))

    # --- Making ----------------------------------------------------------------------------------------------

    def add_lead(self) -> str:
        if not self.owners:
            self.owners = [self.guid() for _ in range(3)]
        lead = self.guid()
        self.leads[lead] = self.random.choice(self.owners)
        return lead

    def add_activity(self, lead: str, code: int, at: float) -> Activity:
        made = Activity(self.guid(), lead, code, float(int(at)), f"note {len(self.activities)}")
        self.activities[made.id] = made
        return made

    def add_task(self, lead: str, owner: str, at: float) -> Task:
        made = Task(self.guid(), lead, owner, f"task {len(self.tasks)}", float(int(at)))
        self.tasks[made.id] = made
        return made

    # --- Taking away -----------------------------------------------------------------------------------------

    def chosen_by(self, path: str, body: dict[str, Any]) -> list[str]:
        """The records that a delete names: by type and closed window on one lead, or by id."""
        if "TaskIds" in body:
            return [i for i in body["TaskIds"] if i in self.tasks]
        start, end = (_time(body[name]) for name in ("FromDate", "ToDate"))
        if path.endswith("DeleteActivities"):
            codes = {int(code) for code in body["ActivityEventList"]}
        else:
            codes = {OWNER_CHANGE if "UserAssignment" in path else STAGE_CHANGE}
        mine = (a for a in self.activities.values() if a.lead == body["ProspectId"] and a.code in codes)
        return [a.id for a in mine if start <= a.at <= end]

    def neighbour_of(self, ids: list[str], *, same_code: bool) -> list[str]:
        """One more record, which nobody named, near those that are named."""
        gone = [record for i in ids if (record := self.get(i))]
        if not gone:
            return []
        first = gone[0]
        if isinstance(first, Task):
            more = [t.id for t in self.tasks_where(owner=first.owner) if t.id not in ids]
        else:
            others = [a for a in self.of_lead(first.lead) if a.id not in ids and a.custom]
            more = [a.id for a in others if (a.code == first.code) == same_code]
        return more[:1]

    def remove(self, ids: list[str], at: float, by: int | None) -> int:
        count = 0
        for record_id in ids:
            record = self.activities.pop(record_id, None) or self.tasks.pop(record_id, None)
            if record is not None:
                self.removed[record_id] = Removal(at, by, record)
                count += 1
        return count

    def remove_lead(self, lead: str, at: float) -> None:
        """Deleted or merged away by somebody: the lead with all that is on it."""
        self.leads.pop(lead, None)
        self.remove([a.id for a in self.of_lead(lead)], at, None)


def _time(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


# --- As the API shows them ---------------------------------------------------------------------------------------


def activity_row(activity: Activity) -> dict[str, Any]:
    return {
        "Id": activity.id,
        "EventCode": activity.code,
        "EventName": NAMES[activity.code],
        "ActivityScore": 0,
        "CreatedOn": stamp(activity.at),
        "ModifiedOn": stamp(activity.at),
        "ActivityType": CUSTOM if activity.custom else SYSTEM,
        "IsEmailType": False,
        "SessionId": "",
        "Data": [{"Key": "Note", "Value": activity.note}, {"Key": "CreatedByName", "Value": "Meera Iyer"}],
    }


def lead_task_row(task: Task) -> dict[str, Any]:
    status = "Completed" if task.done else "Pending"
    row = {"TaskID": task.id, "Name": task.name, "OwnerID": task.owner, "OwnerName": "Ravi", "Status": status}
    return row | {"DueDate": stamp(task.at), "CreatedOn": stamp(task.at)}


def owner_task_row(task: Task) -> dict[str, Any]:
    row = {"UserTaskId": task.id, "Name": task.name, "RelatedEntity": 1, "RelatedEntityId": task.lead}
    row |= {"OwnerId": task.owner, "OwnerName": "Ravi", "StatusCode": int(task.done)}
    return row | {"DueDate": stamp(task.at), "CreatedOn": stamp(task.at)}


def lead_row(lead: str, owner: str) -> dict[str, Any]:
    return {"ProspectID": lead, "ProspectAutoId": lead[:6], "FirstName": "Lea", "OwnerId": owner}
