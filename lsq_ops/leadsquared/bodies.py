"""Bodies of calls that create a record like one that was read. The portal shows them and never sends them.

Pages: post-an-activity-to-lead (POST ProspectActivity.svc/Create), create-task-appointment and create-a-to-do
(POST Task.svc/Create).
"""

import json
from collections.abc import Iterable
from typing import Any

from .records import ActivityRecord, TaskRecord, format_time

_NOTE = "NotableEventDescription"
_ONLY_READ = ("modifiedon", "modifiedbyname", "createdon", "createdbyname")


def new_activity(activity: ActivityRecord, lead_id: str) -> dict[str, Any]:
    """`ActivityDateTime` is the deleted one's own date, `Fields` its fields by schema name."""
    raw = activity.raw
    pairs, fields = raw.get("Data"), raw.get("ActivityFields")
    told = (
        {one.get("Key"): one.get("Value") for one in pairs if isinstance(one, dict)} if isinstance(pairs, list) else {}
    )
    return {
        "RelatedProspectId": lead_id or activity.lead_id,
        "ActivityEvent": activity.event_code,
        "ActivityNote": told.get(_NOTE) or raw.get("ActivityNote") or "",
        "ActivityDateTime": format_time(activity.created_on) if activity.created_on else "",
        "Fields": [_field(name, value) for name, value in _named(fields) if value not in (None, "")],
    }


def _named(fields: Any) -> Iterable[tuple[str, Any]]:
    return fields.items() if isinstance(fields, dict) else ()


def _field(name: str, value: Any) -> dict[str, Any]:
    """A custom object is read as JSON in a string, and wants to be written as fields of the field."""
    parts = _object(value)
    if parts is None:
        return {"SchemaName": name, "Value": value}
    inner = [
        {"SchemaName": key, "Value": part}
        for key, part in parts.items()
        if key.lower() not in _ONLY_READ and part not in (None, "")
    ]
    return {"SchemaName": name, "Value": "", "Fields": inner}


def _object(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return None
    try:
        parts = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return parts if isinstance(parts, dict) else None


def new_task(task: TaskRecord, lead_id: str) -> dict[str, Any]:
    """Of the owner it had; without `TaskType` where the list that it was read from doesn't tell."""
    lead = lead_id or task.lead_id or ""
    body: dict[str, Any] = {
        "Name": task.name,
        "Description": task.raw.get("Description") or "",
        "RelatedEntity": 1 if lead else 0,
        "RelatedEntityId": lead,
        "OwnerId": task.owner_id,
    }
    if task.due:
        body["DueDate"] = format_time(task.due)
    if task.task_type:
        body["TaskType"] = {"Name": task.task_type}
    return body
