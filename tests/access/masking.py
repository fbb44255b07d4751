"""Where what is personal is shown, or leaves as a file, and to whom; nowhere else, and to nobody else."""

import io
import zipfile
from collections import defaultdict
from typing import Any

from lsq_ops.models import Activity, Lead, Task

REQUEST = "admin/lsq_ops/deletionrequest/<object_id>/"
TABS = {
    f"{REQUEST}change/": ("items", "calls", "snapshots", "versions", "timeline", "kept", "leads"),
    "admin/lsq_ops/lead/<object_id>/change/": ("activities", "changes", "tasks", "requests", "snapshots"),
}
WHO_SEES = {"requester", "approver", "no_grant", "operator", "auditor"}
SHOWN: dict[str, set[str]] = {
    # On a request: who made it, and those who approve, operate and audit.
    "GET admin/lsq_ops/deletionrequest/<pk>/items/<item_id>/": WHO_SEES,
    "POST admin/lsq_ops/deletionrequest/<pk>/items.csv": WHO_SEES,
    "POST admin/lsq_ops/deletionrequest/<pk>/snapshots/<snapshot_id>/": WHO_SEES,
    "POST admin/lsq_ops/deletionrequest/<object_id>/restore_help/": WHO_SEES,
    # In the mirror: an auditor, who says why, or takes a file away.
    "POST admin/lsq_ops/activity/<object_id>/reveal/": {"auditor"},
    "POST admin/lsq_ops/task/<object_id>/reveal/": {"auditor"},
    "POST admin/lsq_ops/lead/<pk>/snapshots/<snapshot>/": {"auditor"},
}


class Watch:
    """While every address is asked: row -> those whose answer held something personal."""

    def __init__(self) -> None:
        self.needles = personal()
        self.shown: dict[str, set[str]] = defaultdict(set)

    def __call__(self, row: str, name: str, response: Any) -> None:
        text = text_of(response)
        if any(needle in text for needle in self.needles):
            self.shown[row].add(name)


def personal() -> set[str]:
    """Of every lead of the mirror the name, e-mail and phone; of every record what people wrote in it."""
    found: set[str] = set()
    for lead in Lead.objects.all():
        found |= {f"{lead.first_name} {lead.last_name}", lead.email, lead.phone, lead.mobile}
    for raw in Activity.objects.values_list("raw", flat=True):
        found |= {row["Value"] for row in raw["Data"] if row["Key"] == "NotableEventDescription"}
    found |= {raw.get("Description", "") for raw in Task.objects.values_list("raw", flat=True)}
    return {text for text in found if len(text) > 6}


def text_of(response: Any) -> str:
    """A file in an archive is read too."""
    content = b"".join(response.streaming_content) if response.streaming else response.content
    if not content.startswith(b"PK"):
        return content.decode(errors="replace")
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return "\n".join(file.read(name).decode(errors="replace") for name in file.namelist())
