"""Restore help: how records like the deleted ones could be created again, and what of them can't come back.

It is no undo: nothing is sent, ids are new, and what LeadSquared does by itself it does again.
"""

import io
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from lsq_ops import kinds
from lsq_ops.kinds.base import Again
from lsq_ops.models import DeletionItem, DeletionRequest, audited, db_now, record

from . import spreadsheet
from .may import Barred, Person, need

GONE = DeletionItem.Outcome.GONE
FIRST = ["was record id", "call"]


def gone(request: DeletionRequest) -> QuerySet[DeletionItem]:
    """What it deleted, by all that a reading shows."""
    return request.version.items.filter(outcome=GONE).select_related("content").order_by("id")


def export(user: Person, request: DeletionRequest, file: BinaryIO) -> None:
    """A zip: what to know first, the calls as JSON lines, and one table for each shape of record."""
    need(user, "see", request)
    items = gone(request)
    if not request.is_over or not items.exists():
        raise Barred(_("There is something to create again once the request is over and records are gone."))
    at, kind = db_now(), kinds.get(request.kind)
    with ZipFile(file, "w", ZIP_DEFLATED) as made:
        tables: dict[str, list[str]] = {}
        counts = {"calls": 0, "erased": 0, "impossible": 0}
        missing: dict[str, int] = {}
        with made.open("calls.jsonl", "w", force_zip64=True) as part:
            for item, again in _again(kind, items):
                if item.content.raw is None:
                    counts["erased"] += 1
                elif again is None:
                    counts["impossible"] += 1
                else:
                    counts["calls"] += 1
                    line = {"was": item.record_id, "POST": again.path, "body": again.body}
                    part.write((json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "replace"))
                    if again.missing:
                        missing[again.missing] = missing.get(again.missing, 0) + 1
                columns = tables.setdefault(_table(item), [])
                columns += [name for name in _flat(item, again) if name not in columns]
        for name, columns in sorted(tables.items()):
            with made.open(f"{name}.csv", "w", force_zip64=True) as part:
                rows = (
                    [item.record_id, again.path if again else "", *(_flat(item, again).get(one) for one in columns)]
                    for item, again in _again(kind, items)
                    if _table(item) == name
                )
                about = f"restore help of {request}"
                for data in spreadsheet.lines([*FIRST, *columns], rows, about=about, by=str(user), at=at):
                    part.write(data)
        made.writestr("READ ME FIRST.txt", _words(request, kind, counts, missing, by=str(user), at=at))
    with audited():
        record("request.restore_help_taken", request, actor=str(user), items=items.count())


def _again(kind: kinds.Kind, items: QuerySet[DeletionItem]) -> Iterator[tuple[DeletionItem, Again | None]]:
    for item in items.iterator(500):
        raw = item.content.raw
        yield item, kind.again(raw, item.lead_id) if raw is not None else None


def _table(item: DeletionItem) -> str:
    return f"type-{item.event_code}" if item.event_code is not None else "records"


def _flat(item: DeletionItem, again: Again | None) -> dict[str, Any]:
    """One cell for each field of the call; of what no call creates, each field as it was read."""
    if again is None:
        return {name: _cell(value) for name, value in (item.content.raw or {}).items()}
    row = {name: _cell(value) for name, value in again.body.items() if name != "Fields"}
    for field in again.body.get("Fields", ()):
        for inner in field.get("Fields", ()):
            row[f"{field['SchemaName']}.{inner['SchemaName']}"] = _cell(inner["Value"])
        if "Fields" not in field:
            row[field["SchemaName"]] = _cell(field["Value"])
    return row


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _words(
    request: DeletionRequest,
    kind: kinds.Kind,
    counts: dict[str, int],
    missing: dict[str, int],
    *,
    by: str,
    at: datetime,
) -> str:
    text = io.StringIO()

    def say(*lines: str) -> None:
        text.write("\n".join(lines) + "\n")

    say(f"RESTORE HELP FOR {request}: {kind.title}", f"Taken by {by} at {at:%Y-%m-%d %H:%M} UTC.", "")
    say("THIS IS NO UNDO. Nothing was sent. What was deleted stays deleted; with these files somebody who may write")
    say("to LeadSquared could create records that are like the deleted ones. Try one first, and look at it there.", "")
    say(f"{counts['calls']:,} calls in calls.jsonl, one in a line: the id that it had, the path, the JSON body.")
    say("The tables hold the same for people and for imports; an apostrophe before =, +, - or @ keeps a cell text.")
    if counts["erased"]:
        say(f"What {counts['erased']:,} of the records held was erased: nothing of these can be told any more.")
    if counts["impossible"]:
        say(f"Of {counts['impossible']:,} the tables show what was read; there is no call for them.")
    for what, many in sorted(missing.items()):
        say(f"Missing in {many:,} of the calls: {what}. Put it in before one is sent.")
    say("", "WHAT CAN'T COME BACK")
    say(*(f"- {sentence}" for sentence in kind.lost))
    say("- Whatever LeadSquared's API did not show when it was read.", "")
    say("These files hold personal data. Keep them no longer than you need them.")
    return text.getvalue()
