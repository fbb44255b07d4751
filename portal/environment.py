"""Reading the environment: what a name may hold, and the sentence that a wrong value gets.

A blank value counts as not set, so that `.env.example` can be copied as it is. Secrets never pass through
django-environ's own reader: it takes a value that begins with `$` for the name of another variable, and
LeadSquared's keys contain `$`.
"""

import os
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import environ
from django.core.exceptions import ImproperlyConfigured

from portal.hiding import Hiding

# leadsquared: page "user-authentication"; the hosts that LeadSquared publishes, by region.
REGIONS = {
    "api.leadsquared.com": "Singapore",
    "api-us11.leadsquared.com": "United States",
    "api-in21.leadsquared.com": "India (Mumbai)",
    "api-in22.leadsquared.com": "India (Hyderabad)",
    "api-ir31.leadsquared.com": "Ireland",
    "api-ca12.leadsquared.com": "Canada",
}


class Environment(environ.Env):
    """os.environ without its blank values, and with secrets that are never interpreted."""

    def __init__(self, env_file: Path) -> None:
        super().__init__()
        self.read_env(env_file)
        self.ENVIRON = {name: value for name, value in os.environ.items() if value.strip()}
        self.secrets: list[str] = []  # each that was read: log lines go without them

    def secret(self, name: str, default: str = "") -> str:
        """The value as it stands, from NAME or from the file that NAME_FILE names (which wins)."""
        value = self._secret(name, default)
        if value and value != default:
            self.secrets.append(value)
        return value

    def _secret(self, name: str, default: str) -> str:
        path = self.ENVIRON.get(f"{name}_FILE")
        if path is None:
            return str(self.ENVIRON.get(name, default))
        try:
            return Path(path).read_text(encoding="utf-8").strip() or default
        except (OSError, UnicodeDecodeError) as trouble:
            raise ImproperlyConfigured(
                f"{name}_FILE names {path}, which can't be read as UTF-8 text: {type(trouble).__name__}."
            ) from None

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A number between low and high (both allowed)."""
        text = str(self.ENVIRON.get(name, default))
        try:
            value = float(text)
        except ValueError:
            raise ImproperlyConfigured(f"{name} is {text!r}; a number was expected.") from None
        if not low <= value <= high:
            raise ImproperlyConfigured(f"{name} is {text}; expected between {low:g} and {high:g}.")
        return value

    def count(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number between low and high (both allowed)."""
        value = self.number(name, default, low, high)
        if value != int(value):
            raise ImproperlyConfigured(f"{name} is {value}; a whole number was expected.")
        return int(value)

    def flag(self, name: str) -> bool:
        """true or false; anything else is an error, because a misspelt DEBUG must not be half on."""
        text = str(self.ENVIRON.get(name, "false")).lower()
        if text in ("true", "1", "yes", "on"):
            return True
        if text in ("false", "0", "no", "off"):
            return False
        raise ImproperlyConfigured(f"{name} is {text!r}; expected true or false.")

    def one_of(self, name: str, known: Iterable[str], default: str) -> str:
        value = str(self.ENVIRON.get(name, default))
        if value not in known:
            raise ImproperlyConfigured(f"{name} is {value!r}; expected one of: {', '.join(known)}.")
        return value

    def words(self, name: str) -> list[str]:
        """A list with commas between."""
        return [word.strip() for word in str(self.ENVIRON.get(name, "")).split(",") if word.strip()]


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def checked_url(name: str, text: str) -> str:
    """`http(s)://host[:port]`, nothing behind it; returned without a closing slash."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ImproperlyConfigured(f"{name} is not a URL; expected something like https://host.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ImproperlyConfigured(f"{name} must be a full URL that begins with https:// and names a host.")
    if parts.username or parts.password:
        raise ImproperlyConfigured(f"{name} must not hold a user name or password.")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ImproperlyConfigured(
            f"{name} must end with the host: scheme and host only, no path (not even /v2) and no query."
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"


def lsq_host(text: str, extra_hosts: list[str]) -> str:
    """LSQ_HOST, if it may be spoken to: a published region, this machine, or named in LSQ_EXTRA_HOSTS.

    The list exists because whoever holds the keys can delete: a mistyped host would be handed them.
    """
    url = checked_url("LSQ_HOST", text)
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host):
        return url
    if parts.scheme != "https":
        raise ImproperlyConfigured(f"LSQ_HOST is plain http to {host}; that is allowed on loopback only. Use https.")
    if host in REGIONS or {host, parts.netloc} & {extra.lower() for extra in extra_hosts}:
        return url
    regions = ", ".join(f"{name} ({region})" for name, region in REGIONS.items())
    raise ImproperlyConfigured(
        f"LSQ_HOST names {host}, which is no published LeadSquared region. Published: {regions}. "
        "Another host must be named in LSQ_EXTRA_HOSTS."
    )


def lsq_hosts(extra_hosts: list[str]) -> dict[str, str]:
    """Address -> region of every host that keys may be sent to, besides loopback."""
    published = {f"https://{name}": region for name, region in REGIONS.items()}
    return published | {f"https://{name.lower()}": "named in LSQ_EXTRA_HOSTS" for name in extra_hosts}


def rate(text: str) -> tuple[int, float]:
    """`25/5`: calls and seconds."""
    calls, slash, seconds = text.partition("/")
    try:
        pair = int(calls), float(seconds)
    except ValueError:
        pair = 0, 0.0
    if not slash or not (1 <= pair[0] <= 10_000 and 0 < pair[1] <= 3600):
        raise ImproperlyConfigured(
            f"LSQ_RATE_LIMIT is {text!r}; expected calls/seconds, like 25/5 (25 calls in 5 seconds)."
        )
    return pair


def time_zone(text: str) -> str:
    """An IANA name, or nothing: then it is learnt from LeadSquared."""
    if text and text not in available_timezones():
        raise ImproperlyConfigured(f"LSQ_TIME_ZONE is {text!r}; expected an IANA name like Asia/Kolkata.")
    return text


def proxies(words: list[str]) -> list[str]:
    """Addresses or networks whose X-Forwarded-… headers are believed."""
    for word in words:
        try:
            ip_network(word)
        except ValueError:
            raise ImproperlyConfigured(
                f"TRUSTED_PROXIES holds {word!r}; expected addresses or networks like 10.0.0.0/8."
            ) from None
    return words


def read_line(path: Path) -> str:
    """The first line of a file that `up` wrote for the other processes, or nothing."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def report_to_sentry(dsn: str, hiding: Hiding) -> None:
    """Errors only: bodies, users and local variables hold what LeadSquared says about people, and what is left goes
    through the same hiding as a log line. Where sentry-sdk is missing a system check says so."""
    try:
        import sentry_sdk
    except ImportError:
        return
    sentry_sdk.init(
        dsn,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        traces_sample_rate=0,
        before_send=lambda event, hint: for_sentry(event, hiding),
        before_breadcrumb=lambda crumb, hint: hiding.anything(crumb),
    )


def for_sentry(event: dict[str, Any], hiding: Hiding) -> dict[str, Any]:
    """Of a request only its method and path; no person; every text without what a log line may not say."""
    request = event.get("request") or {}
    path = urlsplit(str(request.get("url", ""))).path
    kept = {name: value for name, value in event.items() if name not in ("request", "user")}
    return dict(hiding.anything(kept | {"request": {"method": request.get("method", ""), "url": path}}))
