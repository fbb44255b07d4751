"""Whether people's way to the portal is encrypted all along, as a visitor sees it: asked at PUBLIC_URL itself."""

from collections.abc import Iterator
from email.message import Message
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from django.conf import settings
from django.utils.translation import gettext as _

from lsq_ops.checks_web import is_public

PATIENCE = 10  # seconds


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def troubles() -> Iterator[tuple[str, str]]:
    """(what is not as it should be, the way out); nothing where all is well or nobody comes from elsewhere."""
    if not settings.PUBLIC_URL.startswith("https://"):
        if is_public() and not settings.SANDBOX_MODE:
            yield _("PUBLIC_URL is plain http."), _("Put a reverse proxy with HTTPS in front.")
        return
    try:
        _status, headers = _ask(settings.PUBLIC_URL)
    except OSError as error:
        why = type(getattr(error, "reason", error)).__name__
        yield (
            _("{url} does not answer over HTTPS: {why}.").format(url=settings.PUBLIC_URL, why=why),
            _("Look at the proxy, its certificate and the name's address."),
        )
        return
    if "Strict-Transport-Security" not in headers:
        yield (
            _("The portal does not know that people come over HTTPS, so browsers are not held to it."),
            _("Have the proxy send X-Forwarded-Proto: https, and name its address in TRUSTED_PROXIES."),
        )
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    if ":" not in urlsplit(settings.PUBLIC_URL).netloc:
        yield from _in_clear(f"http://{host}")


def _in_clear(url: str) -> Iterator[tuple[str, str]]:
    try:
        status, headers = _ask(url)
    except OSError:
        return  # nobody listens there, which is as good
    if not (300 <= status < 400 and str(headers.get("Location", "")).startswith("https://")):
        yield (
            _("{url} answers over plain http with {status}, and does not lead to HTTPS.").format(
                url=url, status=status
            ),
            _("Have the proxy redirect http to https, or not listen on port 80."),
        )


def _ask(url: str) -> tuple[int, Message]:
    try:
        with build_opener(_Stay).open(Request(f"{url}/health/live"), timeout=PATIENCE) as answer:  # noqa: S310
            return answer.status, answer.headers
    except HTTPError as answer:
        return answer.code, answer.headers
