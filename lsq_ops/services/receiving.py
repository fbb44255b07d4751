"""What arrives at a webhook address: kept raw, once per distinct body, and never believed about what was deleted."""

import hashlib
import json
import logging
from typing import Any
from urllib.parse import parse_qsl

from django.db import IntegrityError, transaction
from django.db.models import F

from lsq_ops.models import Attempt, DeletionCall, DeletionRequest, WebhookReceipt, audited, db_now, record
from lsq_ops.queue import ring

from .running import token_hash
from .verifying import contradiction, heard

PER_ATTEMPT = 20
KEPT_BYTES = 65_536
log = logging.getLogger(__name__)


def receive(token: str, body: bytes, content_type: str) -> None:
    """Keep the body as a receipt of its attempt and have the lead read soon. An unknown token leaves no row."""
    attempt = Attempt.objects.filter(token_hash=token_hash(token)).select_related("request", "call").first()
    if attempt is None:
        log.info("webhook for an unknown token")
        return
    if not _keep(attempt, body[:KEPT_BYTES], content_type):
        return
    with audited():
        DeletionRequest.locked(attempt.request_id)
        attempt.refresh_from_db()
        heard(attempt)
        # Read now rather than on schedule; a call that is over is left as it is.
        now = db_now()
        DeletionCall.objects.filter(pk=attempt.call_id, state="verifying", not_before__gt=now).update(not_before=now)
        record("receipt.arrived", attempt, actor="webhook", call=attempt.call_id, request=attempt.request_id)
        _show_contradiction(attempt)
        ring("work", attempt.request_id)


def _show_contradiction(attempt: Attempt) -> None:
    """What comes after the end moves nothing, but where it disagrees that is shown."""
    call = DeletionCall.objects.get(pk=attempt.call_id)
    said = contradiction(attempt, call.state) if call.is_over else ""
    if said and said not in call.contradiction:
        call.contradiction = f"{call.contradiction} {said}".strip()[:300]
        call.save(update_fields=["contradiction"])
        record("receipt.contradicts", attempt, actor="webhook", call=call.pk, request=attempt.request_id)


def _keep(attempt: Attempt, body: bytes, content_type: str) -> bool:
    """True where this body is new for the attempt."""
    now, sha = db_now(), hashlib.sha256(body).hexdigest()
    same = WebhookReceipt.objects.filter(attempt=attempt, body_hash=sha)
    if same.update(last_at=now, count=F("count") + 1):
        return False
    if WebhookReceipt.objects.filter(attempt=attempt).count() >= PER_ATTEMPT:
        return False
    says, success = understand(body, content_type)
    try:
        with transaction.atomic():
            WebhookReceipt.objects.create(
                attempt=attempt,
                body_hash=sha,
                body=body,
                content_type=content_type[:200],
                says=says,
                says_success=success,
                first_at=now,
                last_at=now,
            )
    except IntegrityError:
        same.update(last_at=now, count=F("count") + 1)
        return False
    return True


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
    for parse in (json.loads, _form):
        try:
            data = parse(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(data, list) and data:
            data = data[0]
        return data if isinstance(data, dict) else {}
    return {}


def _form(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, max_num_fields=50)) if "=" in text and len(text) < 8192 else {}
