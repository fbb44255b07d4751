"""LeadSquared's door: take it, keep it, answer 200. Always the same 200: a stranger learns nothing from it, and
LeadSquared switches off an address that answers anything else."""

import logging

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from lsq_ops.services import receiving, throttles

CAP = 65_536
log = logging.getLogger(__name__)


@csrf_exempt
def receive(request: HttpRequest, token: str) -> HttpResponse:
    """Any method, any content type, with or without a body (HEAD and empty POSTs are handshakes)."""
    looked_up = request.method == "POST" and throttles.may_look_up(token, request.META.get("REMOTE_ADDR"))
    if looked_up and (body := _body(request)):
        try:
            receiving.receive(token, body, request.headers.get("Content-Type", ""))
        except Exception:
            # The receipt is only a hint; reading decides. Nothing of the body or the token goes into the log.
            log.error("a webhook could not be kept", exc_info=False)
    return JsonResponse({"Status": "Success", "StatusReason": ""})


def _body(request: HttpRequest) -> bytes:
    """At most 64 KiB. Read from the input itself: Django takes a chunked request for an empty one."""
    if request.META.get("CONTENT_LENGTH") or "chunked" not in request.headers.get("Transfer-Encoding", "").lower():
        try:
            return request.read(CAP)
        except OSError:
            return b""
    stream = request.META["wsgi.input"]
    try:
        return stream.read(CAP) or b""
    except (OSError, ValueError):
        return b""
