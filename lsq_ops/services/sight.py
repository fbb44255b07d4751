"""Who sees in clear what LeadSquared's records hold: on a request whoever works on it or decides on it, elsewhere an
auditor who says why. What leaves as a file, and what is revealed, stands in the trail."""

import json
from typing import Any

from django.db.models import Model
from django.utils import translation
from django.utils.translation import gettext as _

from lsq_ops.models import Activity, ActivitySnapshot, AuditEvent, DeletionItem, DeletionRequest, Task, audited, record

from . import accounts
from .may import Barred, Person, Verdict, may, need

LONGEST_REASON = 300


def item_content(user: Person, request: DeletionRequest, item: DeletionItem) -> dict[str, Any] | None:
    """What one item of the request held, as LeadSquared gave it; None where it was erased."""
    need(user, "see", request)
    return item.content.raw


def reveal(user: Person, one: Activity | Task, reason: str) -> dict[str, Any]:
    """What a record of the mirror holds, as LeadSquared gave it."""
    need(user, "reveal", one)
    reason = " ".join(reason.split())
    if not reason:
        raise Barred(_("Say why you need to see it: the reason is kept in the audit trail."))
    with audited():
        record(
            "record.revealed",
            one,
            actor=str(user),
            record=one.activity_id if isinstance(one, Activity) else one.task_id,
            reason=reason[:LONGEST_REASON],
        )
    return one.raw


def may_take(user: Person, snapshot: ActivitySnapshot) -> Verdict:
    """A reading that was made for a request goes with that request; any other one shows a whole lead or owner."""
    return may(user, "see" if snapshot.request else "reveal", snapshot.request or snapshot)


def snapshot_file(user: Person, snapshot: ActivitySnapshot) -> tuple[str, bytes]:
    """(file name, JSON) of one finished reading; who took it away stands in the trail."""
    need(user, "see" if snapshot.request else "reveal", snapshot.request or snapshot)
    if snapshot.read_at is None:
        raise Barred(_("This reading is not finished yet."))
    if snapshot.contents_erased_at:
        raise Barred(_("What this reading held was erased; its count and hash stay."))
    document = {
        "subject": snapshot.subject,
        "subject_id": snapshot.subject_id,
        "read_at": snapshot.read_at.isoformat(),
        "complete": snapshot.complete,
        "why_not_complete": snapshot.why,
        "lead_gone": snapshot.lead_gone,
        "sha256_of_records": snapshot.sha256,
        "taken_by": str(user),
        "records": snapshot.rows(),
    }
    with audited():
        record("snapshot.downloaded", snapshot, actor=str(user), sha256=snapshot.sha256)
    name = f"{snapshot.subject}-{snapshot.subject_id}-{snapshot.read_at:%Y%m%dT%H%M%SZ}.json"
    return name, json.dumps(document, indent=1, ensure_ascii=False).encode()


def take_list(user: Person, of: type[Model], rows: int) -> None:
    """A list of the portal leaves as a file, masked as it is on the page."""
    need(user, "export_trail" if of is AuditEvent else "look")
    with translation.override("en"):  # the trail reads the same, whatever language the portal speaks
        name = str(of._meta.verbose_name_plural)
    with audited():
        record("list.taken", accounts.current_account(), actor=str(user), list=name, rows=rows)
