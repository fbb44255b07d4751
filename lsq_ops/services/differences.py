"""Two readings of one lead or owner, compared: what came, what went, and what changed, field by field."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from lsq_ops.leadsquared.records import ActivityRecord, TaskRecord
from lsq_ops.models import ActivitySnapshot

from .may import Barred, Person, need

DEEPEST = 6  # JSON in strings in JSON; beyond that a field is compared as text


@dataclass(frozen=True, slots=True)
class Field:
    """`before` and `after` are None where the field wasn't there."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Changed:
    record: ActivityRecord | TaskRecord
    fields: list[Field]


@dataclass(slots=True)
class Difference:
    came: list[Any] = field(default_factory=list)
    went: list[Any] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)
    same: int = 0


def compare(user: Person, before: ActivitySnapshot, after: ActivitySnapshot) -> Difference:
    """Of one request's readings. Barred unless both are of the same lead or owner, and finished."""
    if before.request is None or before.request_id != after.request_id:
        raise Barred(_("Only two readings of one request can be compared."))
    need(user, "see", before.request)
    if (before.subject, before.subject_id) != (after.subject, after.subject_id):
        raise Barred(_("These two readings are not of the same lead or owner."))
    if before.read_at is None or after.read_at is None:
        raise Barred(_("A reading that is not finished can't be compared yet."))
    if before.contents_erased_at or after.contents_erased_at:
        raise Barred(_("What these readings held was erased."))
    return between(_records(before), _records(after))


def between(before: dict[str, Any], after: dict[str, Any]) -> Difference:
    """Id -> record, of each; in the order of the readings."""
    found = Difference(
        came=[record for pk, record in after.items() if pk not in before],
        went=[record for pk, record in before.items() if pk not in after],
    )
    for pk, record in after.items():
        if pk in before:
            fields = list(_fields(before[pk].raw, record.raw))
            if fields:
                found.changed.append(Changed(record, fields))
            else:
                found.same += 1
    return found


def _records(snapshot: ActivitySnapshot) -> dict[str, Any]:
    of_lead = snapshot.subject == ActivitySnapshot.Subject.LEAD_ACTIVITIES
    kind: type[ActivityRecord] | type[TaskRecord] = ActivityRecord if of_lead else TaskRecord
    records = (kind.model_validate(row) for row in snapshot.rows())
    return {record.id: record for record in records}


def _fields(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Field]:
    if before == after:
        return
    old, new = dict(_flat(before)), dict(_flat(after))
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            yield Field(name, old.get(name), new.get(name))


def _flat(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """`ActivityFields.mx_Custom_1.Status` -> "Pending", also where the field is JSON in a string, and
    `Data.CreatedByName` where it is a list of keys and values."""
    inner = _inside(value) if depth < DEEPEST else None
    if inner is None:
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
        return
    for key, part in inner.items():
        yield from _flat(part, f"{name}.{key}" if name else str(key), depth + 1)


def _inside(value: Any) -> dict[Any, Any] | None:
    """The parts of what has parts; None for a plain value, and for an empty one, which is told as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, list):
        keys = [part.get("Key") if isinstance(part, dict) and len(part) == 2 else None for part in value]
        if value and all(isinstance(key, str) for key in keys) and len(set(keys)) == len(keys):
            value = {key: part.get("Value") for key, part in zip(keys, value, strict=True)}
        else:
            value = dict(enumerate(value))
    return value if isinstance(value, dict) and value else None
