"""What was kept of what went: a snapshot as a file, before and after."""

import json

from lsq_ops.models import ActivitySnapshot, audited, record

from .may import Barred, Person, need


def snapshot_file(user: Person, snapshot: ActivitySnapshot) -> tuple[str, bytes]:
    """(file name, JSON) of one finished reading; who took it away stands in the trail."""
    need(user, "look")
    if snapshot.read_at is None:
        raise Barred("This reading is not finished yet.")
    document = {
        "subject": snapshot.subject,
        "subject_id": snapshot.subject_id,
        "read_at": snapshot.read_at.isoformat(),
        "complete": snapshot.complete,
        "why_not_complete": snapshot.why,
        "lead_gone": snapshot.lead_gone,
        "sha256_of_records": snapshot.sha256,
        "records": snapshot.rows(),
    }
    with audited():
        record("snapshot.downloaded", snapshot, actor=str(user), sha256=snapshot.sha256)
    name = f"{snapshot.subject}-{snapshot.subject_id}-{snapshot.read_at:%Y%m%dT%H%M%SZ}.json"
    return name, json.dumps(document, indent=1, ensure_ascii=False).encode()
