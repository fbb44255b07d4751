"""The parts of a deletion evidence report: one function for each, a row at a time, so that 20,000 items fit.

A report on a request shows all of it. A report on a lead shows of each request what is that lead's, and nobody else's.
A new part is a function and a line in PARTS; what the verifier should say of it goes into `lsq_ops/verifier/facts.py`.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from django.db.models import F, Q, QuerySet

from lsq_ops.chain import canonical
from lsq_ops.models import Attempt, DeletionCall, DeletionRequest, RequestVersion, WebhookReceipt

from . import policies

CHUNK = 1000
WITHHELD = "withheld: this request concerns other leads too"
TOKEN = re.compile(r"(webhooks/leadsquared/)[\w%.~-]+")
Row = dict[str, Any]


def stamp(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="microseconds") if at else None


@dataclass(frozen=True)
class Scope:
    """What of a request is shown: all, or what is one lead's; and whether with contents."""

    request: DeletionRequest
    lead: str = ""
    contents: bool = False

    @cached_property
    def shared(self) -> bool:
        """Others' data stands in it too: what people wrote may be about these."""
        if not self.lead:
            return False
        rows = (version.items.exclude(lead_id=self.lead) for version in self.versions)
        targets = (version.targets.exclude(lead_id=self.lead) for version in self.versions)
        return any(found.exists() for found in (*rows, *targets))

    @cached_property
    def versions(self) -> list[RequestVersion]:
        return list(self.request.versions.select_related("editor", "asked_by", "submitted_by"))

    def mine(self, rows: QuerySet) -> QuerySet:
        return rows.filter(lead_id=self.lead) if self.lead else rows

    def said(self, text: str) -> str:
        """What a person or LeadSquared wrote freely."""
        return WITHHELD if text and self.shared else text

    @cached_property
    def calls(self) -> list[DeletionCall]:
        calls = self.request.calls.select_related("body").order_by("version__number", "number")
        return list(calls.filter(items__lead_id=self.lead).distinct() if self.lead else calls)

    def is_whole(self, call: DeletionCall) -> bool:
        """Nobody else's record is in the call."""
        return not self.lead or not call.items.exclude(lead_id=self.lead).exists()

    @property
    def attempts(self) -> QuerySet[Attempt]:
        attempts = self.request.attempts.select_related("version", "call").order_by("id")
        return attempts.filter(call__in=self.calls) if self.lead else attempts


def request_facts(scope: Scope) -> Row:
    request, account = scope.request, scope.request.account
    return {
        "id": request.pk,
        "kind": request.kind,
        "account": [account.org_id, account.pk],
        "host": "sandbox" if account.sandbox else account.host,
        "state": request.state,
        "state_at": stamp(request.state_at),
        "requester": str(request.requester),
        "version": request.version_number,
        "created_at": stamp(request.created_at),
        "started_at": stamp(request.started_at),
        "ended_at": stamp(request.ended_at),
        "stop_asked_at": stamp(request.stop_asked_at),
        "stop_asked_by": request.stop_asked_by,
        "copied_from": request.cloned_from_id,
        "attention": scope.said(request.attention),
        "later": scope.said(request.later),
    }


def versions(scope: Scope) -> Iterator[Row]:
    for version in scope.versions:
        yield {
            "number": version.number,
            "editor": str(version.editor),
            "asked_by": str(version.asked_by),
            "submitted_by": str(version.submitted_by) if version.submitted_by else None,
            "made_at": stamp(version.made_at),
            "submitted_at": stamp(version.submitted_at),
            "parameters": canonical(version.parameters),
            "category": version.category,
            "reason": scope.said(version.reason),
            "ticket": scope.said(version.ticket),
            "source": {} if scope.shared else version.source,
            "reading": version.reading,
            "read_at": stamp(version.read_at),
            "read_again_at": stamp(version.rechecked_at),
            "items": version.items_count,
            "leads": version.leads_count,
            "kept": version.kept_count,
            "left_out": version.left_out_count,
            "calls": version.calls_count,
            "kept_hash": version.kept_hash,
            "digest": version.digest,
            "tier": version.tier,
            "tier_reason": version.tier_reason,
            "approvals_needed": version.approvals_needed,
            "teams_needed": version.teams_needed,
            "wait_seconds": version.wait_seconds,
            "policies": _policies(version),
        }


def _policies(version: RequestVersion) -> list[Row]:
    """What was in force when it was submitted, and gave the numbers that are frozen beside it."""
    rows = policies.in_force(version.submitted_at) if version.submitted_at else []
    return [{"name": p.name, "tiers": p.tiers, "counts_from": stamp(p.counts_from), "set_by": p.set_by} for p in rows]


def votes(scope: Scope) -> Iterator[Row]:
    for vote in scope.request.votes.select_related("voter", "grant", "team", "version"):
        grant = vote.grant
        yield {
            "id": vote.pk,
            "version": vote.version.number,
            "voter": str(vote.voter),
            "name": vote.voter_name,
            "team": vote.team.name,
            "decision": vote.decision,
            "digest": vote.digest,
            "reason": scope.said(vote.reason),
            "at": stamp(vote.at),
            "takes_back": vote.takes_back_id,
            "grant": {
                "id": grant.pk,
                "counts_from": stamp(grant.counts_from),
                "given_by": grant.given_by,
                "revoked_at": stamp(grant.revoked_at),
                "revoked_by": grant.revoked_by,
            },
        }


def decisions(scope: Scope) -> Iterator[Row]:
    for one in scope.request.decisions.select_related("proposed_by", "confirmed_by"):
        yield {
            "id": one.pk,
            "call": one.call_id,
            "choice": one.choice,
            "reason": scope.said(one.reason),
            "proposed_by": str(one.proposed_by),
            "proposed_at": stamp(one.proposed_at),
            "confirmed_by": str(one.confirmed_by) if one.confirmed_by else None,
            "confirmed_at": stamp(one.confirmed_at),
        }


def items(scope: Scope) -> Iterator[Row]:
    """In the order in which a version's digest takes them."""
    for version in scope.versions:
        rows = scope.mine(version.items.annotate(call_number=F("call__number"))).order_by("record_id")
        for item in rows.iterator(chunk_size=CHUNK):
            yield {
                "version": version.number,
                "id": item.record_id,
                "call": item.call_number,
                "lead": item.lead_id,
                "owner": item.owner_id,
                "code": item.event_code,
                "type": item.label,
                "at": stamp(item.at),
                "content_hash": item.content_hash,
                "odd": item.odd,
                "outcome": item.outcome,
                "outcome_at": stamp(item.outcome_at),
            }


def contents(scope: Scope) -> Iterator[Row]:
    """What was deleted, with the salt of its hash. `text` is null where it was erased."""
    if not scope.contents:
        return
    for version in scope.versions:
        rows = scope.mine(version.items.select_related("content")).order_by("record_id")
        for item in rows.iterator(chunk_size=CHUNK):
            raw = item.content.raw
            text = None if raw is None else canonical(raw)
            yield {"version": version.number, "id": item.record_id, "salt": item.content.salt, "text": text}


def kept(scope: Scope) -> Iterator[Row]:
    for version in scope.versions:
        for row in scope.mine(version.kept.all()).iterator(chunk_size=CHUNK):
            yield {
                "version": version.number,
                "id": row.record_id,
                "lead": row.lead_id,
                "code": row.event_code,
                "type": row.label,
                "at": stamp(row.at),
                "why": row.why,
            }


def calls(scope: Scope) -> Iterator[Row]:
    """A body names its lead or its tasks: it is shown where all of them may be."""
    numbers = {version.pk: version.number for version in scope.versions}
    for call in scope.calls:
        whole = scope.is_whole(call)
        yield {
            "id": call.pk,
            "version": numbers[call.version_id],
            "number": call.number,
            "path": call.path,
            "lead": call.lead_id,
            "owner": call.owner_id,
            "size": call.size,
            "window_from": stamp(call.window_from),
            "window_to": stamp(call.window_to),
            "codes": call.codes,
            "body_hash": call.body_hash,
            "body": (call.body.text or None) if whole else None,
            "body_withheld": not whole,
            "state": call.state,
            "sent_at": stamp(call.sent_at),
            "ended_at": stamp(call.ended_at),
            "readings": call.reads,
            "note": call.note if whole else "",
            "contradiction": call.contradiction if whole else "",
        }


def attempts(scope: Scope) -> Iterator[Row]:
    for attempt in scope.attempts:
        yield {
            "id": attempt.pk,
            "version": attempt.version.number,
            "call": attempt.call_id,
            "number": attempt.number,
            "digest": attempt.digest,
            "body_hash": attempt.body_hash,
            "state": attempt.state,
            "intent_at": stamp(attempt.intent_at),
            "answered_at": stamp(attempt.answered_at),
            "http_status": attempt.http_status,
            "cause": attempt.cause,
            "message": attempt.message if scope.is_whole(attempt.call) else "",
            "late_answer": attempt.late_answer,
            "seconds": attempt.seconds,
            "resolved_at": stamp(attempt.resolved_at),
        }


def receipts(scope: Scope) -> Iterator[Row]:
    """What LeadSquared reported. Its words may hold anything: they are content."""
    rows = WebhookReceipt.objects.filter(attempt__in=scope.attempts).select_related("attempt__call").order_by("id")
    for receipt in rows.iterator(chunk_size=CHUNK):
        whole = scope.is_whole(receipt.attempt.call)
        raw = bytes(receipt.body)
        text = TOKEN.sub(r"\1…", raw.decode("utf-8", "replace"))
        yield {
            "attempt": receipt.attempt_id,
            "body_hash": hashlib.sha256(raw).hexdigest(),
            "bytes": len(raw),
            "content_type": receipt.content_type if whole else "",
            "says": TOKEN.sub(r"\1…", receipt.says) if whole else "",
            "says_success": receipt.says_success,
            "first_at": stamp(receipt.first_at),
            "last_at": stamp(receipt.last_at),
            "count": receipt.count,
            "body": text if whole and scope.contents else None,
        }


def readings(scope: Scope) -> Iterator[Row]:
    rows = scope.request.snapshots.order_by("id")
    if scope.lead:
        owners = {call.owner_id for call in scope.calls if call.owner_id}
        rows = rows.filter(Q(subject_id=scope.lead) | Q(subject="owner_tasks", subject_id__in=owners))
    for one in rows.iterator(chunk_size=CHUNK):
        yield {
            "subject": one.subject,
            "subject_id": one.subject_id,
            "for": one.get_lane_display(),
            "ordered_at": stamp(one.ordered_at),
            "started_at": stamp(one.started_at),
            "read_at": stamp(one.read_at),
            "complete": one.complete,
            "why_not_complete": one.why,
            "lead_gone": one.lead_gone,
            "records": one.records,
            "sha256": one.sha256,
        }


PARTS: dict[str, Callable[[Scope], Iterator[Row]]] = {
    "versions": versions,
    "votes": votes,
    "decisions": decisions,
    "items": items,
    "kept": kept,
    "calls": calls,
    "attempts": attempts,
    "receipts": receipts,
    "readings": readings,
}
