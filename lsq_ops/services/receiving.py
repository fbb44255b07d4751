"""What arrives at a webhook address: kept raw, once per distinct body, and never believed about what was deleted.

Three moves: the door finds the attempt and writes the receipt; it rings; the worker draws the conclusions. So the door
waits for no lock that the worker holds, and what LeadSquared sends can't keep it busy.
"""

import hashlib
import json
import logging
import time
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from django.db.models import QuerySet

from lsq_ops.models import Attempt, DeletionCall, DeletionRequest, WebhookReceipt, audited, db_now, record
from lsq_ops.queue import ring

from . import throttles
from .running import token_hash
from .verifying import contradiction, heard

PER_ATTEMPT = 20
RINGS_APART = 1.0  # seconds: in a burst one ring of a process is enough, and the worker's next round finds the rest
KEPT_BYTES = 65_536
SAID_TWICE = "\x00 said twice"  # no field of LeadSquared's has this name
log = logging.getLogger(__name__)


def receive(token: str, body: bytes, content_type: str) -> None:
    """Keep the body as a receipt of its attempt, and ring. An unknown token leaves no row."""
    hashed = token_hash(token)
    attempt = Attempt.of_token(hashed)
    if attempt is None:
        log.info("webhook for an unknown token")
        return
    pk, request_id = attempt
    kept, now = body[:KEPT_BYTES], db_now()
    body_hash = hashlib.sha256(kept).hexdigest()
    if not throttles.may_keep(hashed, body_hash):
        return
    if WebhookReceipt.keep(pk, body_hash, kept, content_type[:200], now, PER_ATTEMPT):
        _ring(request_id)


_rang = [-RINGS_APART]


def _ring(request_id: int) -> None:
    """On SQLite a ring costs as much as the receipt itself."""
    if time.monotonic() - _rang[0] >= RINGS_APART:
        _rang[0] = time.monotonic()
        ring("work", request_id)


def untaken(now: datetime) -> QuerySet[WebhookReceipt]:
    """Receipts that came since the worker last looked, the oldest first; none of them waits for a time."""
    return WebhookReceipt.objects.filter(taken_at__isnull=True).select_related("attempt").order_by("id")[:100]


def take(receipt: WebhookReceipt) -> None:
    """Have the lead read now rather than on schedule; a call that is over is left as it is."""
    ours = WebhookReceipt.objects.filter(pk=receipt.pk, taken_at__isnull=True)
    if not ours.exists():
        return  # another worker was quicker: it needs no lock to find that out
    body, now = bytes(receipt.body), db_now()
    says, success = understand(body, receipt.content_type)
    with audited():
        attempt = receipt.attempt
        DeletionRequest.locked(attempt.request_id)
        if not ours.update(taken_at=now, says=says, says_success=success):
            return
        attempt.refresh_from_db()
        heard(attempt)
        DeletionCall.objects.filter(pk=attempt.call_id, state="verifying", not_before__gt=now).update(not_before=now)
        record("receipt.arrived", attempt, actor="webhook", call=attempt.call_id, request=attempt.request_id)
        _show_contradiction(attempt)


def _show_contradiction(attempt: Attempt) -> None:
    """What comes after the end moves nothing, but where it disagrees that is shown."""
    call = DeletionCall.objects.get(pk=attempt.call_id)
    said = contradiction(attempt, call.state) if call.is_over else ""
    if said and said not in call.contradiction:
        call.contradiction = f"{call.contradiction} {said}".strip()[:300]
        call.save(update_fields=["contradiction"])
        record("receipt.contradicts", attempt, actor="webhook", call=call.pk, request=attempt.request_id)


def understand(body: bytes, content_type: str) -> tuple[str, bool | None]:
    """(what it says in short, success or failure or None where it says neither). Takes JSON, form and text; never
    raises."""
    fields = _fields(body)
    status = _plain(fields.get("Status"))[:40]
    words = [status] if status else []
    for name in ("TasksCount", "DeletedTasksCount", "FailureReason"):
        words += [f"{name} {said[:60]}"] if (said := _plain(fields.get(name))) else []
    success = {"success": True, "error": False, "failure": False, "failed": False}.get(status.lower())
    if success and _fewer(fields):
        success = False
    if SAID_TWICE in fields:
        success = None
    return ", ".join(words)[:300], success


def _plain(value: Any) -> str:
    """A single value as text that every database takes: no NUL, no half characters."""
    text = str(value) if isinstance(value, str | int | float) else ""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


def _fewer(fields: dict[str, Any]) -> bool:
    try:
        return int(fields["DeletedTasksCount"]) < int(fields["TasksCount"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return False


def _fields(body: bytes) -> dict[str, Any]:
    text = body.decode(json.detect_encoding(body), "replace").strip("\ufeff\x00 \r\n\t")
    for parse in (_json, _form):
        try:
            data = parse(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(data, list) and data:
            data = data[0]
        return data if isinstance(data, dict) else {}
    return {}


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_pairs)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A field that stands there twice with different values says nothing."""
    fields = dict(pairs)
    if any(repr(fields[name]) != repr(value) for name, value in pairs):  # NaN differs from itself
        fields[SAID_TWICE] = True
    return fields


def _form(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, max_num_fields=50)) if "=" in text and len(text) < 8192 else {}
