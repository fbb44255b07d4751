"""The deletion evidence report: a zip with everything about a request, or about a lead and nobody else, that is checked
on a machine with nothing but Python, or a browser.

Written a row at a time, as at one moment; then its SHA-256 goes into the audit trail.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from django.conf import settings
from django.db.models import Max, Min, Q, QuerySet

from lsq_ops import verifier
from lsq_ops.chain import FIELDS
from lsq_ops.models import (
    AuditEvent,
    AuditHead,
    DeletionItem,
    DeletionRequest,
    KeptNeighbour,
    Lead,
    RequestTarget,
    audited,
    db_now,
    record,
)
from lsq_ops.models.clock import one_moment
from lsq_ops.verifier.bundle import FORMAT, MANIFEST, SIGNATURE, seal
from lsq_ops.verifier.trail import ANCHORS, EVENTS

from . import anchors, report_rows, report_words, spreadsheet, trail
from .may import Person, need
from .report_rows import Scope

GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
AFTERWARDS = ("request.evidence_exported", "lead.evidence_exported")  # they concern this very report, or an earlier one
Event = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """What a report is about: one request, or one lead in all requests that it is in."""

    requests: tuple[DeletionRequest, ...]
    lead: Lead | None = None

    @property
    def name(self) -> str:
        return f"lead-{self.lead.prospect_id}" if self.lead else str(self.requests[0])

    @property
    def events(self) -> Q:
        """Which events of the trail it rests on."""
        found = Q(object_type="lead", object_id=str(self.lead.pk)) if self.lead else Q()
        for request in self.requests:
            found |= trail.about_request(request.pk)
        return found & ~Q(action__in=AFTERWARDS)

    def withholds(self, event: Event) -> bool:
        """Does the event name another lead, or a record that is not this one's?"""
        if self.lead is None:
            return False
        if event["object_type"] == "lead" and event["object_id"] != str(self.lead.pk):
            return True
        named = GUID.findall(f"{event['object_id']} {event['details']}")
        return any(one.lower() != self.lead.prospect_id.lower() for one in named)


def export_request(user: Person, request: DeletionRequest, file: BinaryIO) -> str:
    """The report without contents, for whoever may have it; its SHA-256."""
    need(user, "export_evidence", request)
    return write(file, Subject((request,)), by=str(user))


def export_lead(user: Person, lead: Lead, file: BinaryIO) -> str:
    need(user, "export_lead", lead)
    return write(file, about_lead(lead), by=str(user))


def about_lead(lead: Lead) -> Subject:
    """Every request that chose, would delete or kept a record of this lead."""
    found: set[int] = set()
    for model in (DeletionItem, KeptNeighbour, RequestTarget):
        rows = model._default_manager.filter(lead_id=lead.prospect_id, version__request__account_id=lead.account_id)
        found |= set(rows.values_list("version__request_id", flat=True).distinct().order_by())
    requests = DeletionRequest.objects.filter(pk__in=found).select_related("account", "requester").order_by("pk")
    return Subject(tuple(requests), lead)


def write(file: BinaryIO, subject: Subject, *, by: str, contents: bool = False) -> str:
    """Write the report into `file`; its SHA-256, which is in the trail from now on."""
    with one_moment():
        _write(file, subject, by, contents)
    file.seek(0)
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(0)
    with audited():
        if subject.lead:
            facts = {"prospect_id": subject.lead.prospect_id, "sha256": sha256, "contents": contents}
            record("lead.evidence_exported", subject.lead, actor=by, **facts)
        else:
            record("request.evidence_exported", subject.requests[0], actor=by, sha256=sha256, contents=contents)
    return sha256


# --- The zip -------------------------------------------------------------------------------------------------------


@dataclass
class Packet:
    """A zip that remembers what it was given. Nothing is compressed, so that a browser needs no library to read it."""

    zip: ZipFile
    at: datetime
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, name: str, chunks: Iterable[str]) -> None:
        digest, size = hashlib.sha256(), 0
        with self.zip.open(ZipInfo(name, self.at.timetuple()[:6]), "w", force_zip64=True) as part:
            for chunk in chunks:
                data = chunk.encode("utf-8", "replace")
                digest.update(data)
                size += part.write(data)
        self.files[name] = {"sha256": digest.hexdigest(), "size": size}


def _write(file: BinaryIO, subject: Subject, by: str, contents: bool) -> None:
    with ZipFile(file, "w", ZIP_STORED) as made:
        now = db_now()
        packet = Packet(made, now)
        scopes = [Scope(one, subject.lead.prospect_id if subject.lead else "", contents) for one in subject.requests]
        for name, text in report_words.first_page(subject, scopes, by, now).items():
            packet.add(name, [text])
        packet.add("verify.html", [verifier.page()])
        packet.add("verify.py", [verifier.script()])
        packet.add("__main__.py", [verifier.STARTER])
        for scope in scopes:
            _add_request(packet, scope)
        if subject.lead:
            packet.add("lead.json", [_json(_lead_facts(subject.lead, contents))])
        segment = _add_trail(packet, subject)
        packet.add("report.json", [_json(_about(subject, scopes, by, now, segment))])
        _seal(packet)


def _add_request(packet: Packet, scope: Scope) -> None:
    folder = f"requests/{scope.request}"
    packet.add(f"{folder}/request.json", [_json(report_rows.request_facts(scope))])
    parts = report_rows.PARTS | ({"contents": report_rows.contents} if scope.contents else {})
    for name, rows in parts.items():
        packet.add(f"{folder}/{name}.jsonl", (_json(row) + "\n" for row in rows(scope)))
    packet.add(f"{folder}/items.csv", _table(report_rows.items(scope)))


def _seal(packet: Packet) -> None:
    text = json.dumps({"format": FORMAT, "files": packet.files}, indent=1)
    packet.add(MANIFEST, [text])
    packet.add(SIGNATURE, [seal(settings.AUDIT_KEY, packet.files[MANIFEST]["sha256"]) + "\n"])


def _about(subject: Subject, scopes: list[Scope], by: str, now: datetime, segment: dict[str, Any] | None) -> Event:
    return {
        "format": FORMAT,
        "lead": subject.lead.prospect_id if subject.lead else None,
        "requests": [request.pk for request in subject.requests],
        "made_at": report_rows.stamp(now),
        "made_by": by,
        "with_contents": any(scope.contents for scope in scopes),
        "segment": segment,
    }


def _lead_facts(lead: Lead, contents: bool) -> dict[str, Any]:
    facts = {"prospect_id": lead.prospect_id, "read_at": report_rows.stamp(lead.read_at)}
    facts["gone_from_leadsquared_at"] = report_rows.stamp(lead.gone_at)
    return facts | ({"as_leadsquared_showed_it": lead.raw} if contents else {})


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


COLUMNS = ("version", "id", "call", "lead", "code", "type", "at", "outcome", "outcome_at", "content_hash")


def _table(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    """For a spreadsheet, which takes what begins like a formula for one."""
    line = io.StringIO()
    writer = csv.writer(line)
    for row in chain([COLUMNS], ([row[name] for name in COLUMNS] for row in rows)):
        writer.writerow(map(spreadsheet.text, row))
        yield line.getvalue()
        line.seek(0)
        line.truncate()


# --- The part of the trail -----------------------------------------------------------------------------------------


def _add_trail(packet: Packet, subject: Subject) -> dict[str, Any] | None:
    """From the first event that concerns it to the last one, and on to the next anchor, which speaks for all."""
    ends = AuditEvent.objects.filter(subject.events).aggregate(first=Min("seq"), last=Max("seq"))
    if ends["first"] is None:
        return None
    head = AuditHead.objects.get(pk=1).seq  # an anchor that was made since is of no use here
    known = [anchor for seq, anchor in sorted(anchors.known()[0].items()) if ends["first"] - 1 <= seq <= head]
    last = next((anchor.seq for anchor in known if anchor.seq >= ends["last"]), ends["last"])
    events = AuditEvent.objects.filter(seq__gte=ends["first"], seq__lte=last).order_by("seq")
    packet.add(EVENTS, (_json(_shown(event, subject)) + "\n" for event in _rows(events)))
    packet.add(ANCHORS, (f"{anchor}\n" for anchor in known if anchor.seq <= last))
    first, end = events[0], events.filter(seq=last).first()
    return {"first": first.seq, "last": last, "prev_hash": first.prev_hash, "last_hash": end.hash if end else ""}


def _rows(events: QuerySet[AuditEvent]) -> Iterator[Event]:
    yield from events.values(*FIELDS).iterator(chunk_size=trail.CHUNK)


def _shown(event: Event, subject: Subject) -> Event:
    if not subject.withholds(event):
        return event
    return {"seq": event["seq"], "prev_hash": event["prev_hash"], "hash": event["hash"], "withheld": True}
