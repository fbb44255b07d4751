"""Set-up, tried out before it counts: keys that were pasted once, the webhook's way, a mail; and what is known of each.

Keys are asked about and forgotten: no row, no log line and no address holds them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.utils.translation import gettext as _

from lsq_ops.leadsquared.client import Client
from lsq_ops.leadsquared.errors import KeysRefused, LeadSquaredError
from lsq_ops.leadsquared.records import KeyUser
from lsq_ops.leadsquared.transport import Transport
from lsq_ops.models import AuditEvent, audited, record
from lsq_ops.wording import lazy

from . import accounts, causes, doctor
from .may import Barred, Person, need

# leadsquared: page "rate-limits", its older and its newer copy; no call tells which one an account is on.
PLANS = (
    ("25/5", lazy("25 calls in 5 s (Enterprise)")),
    ("20/5", lazy("20 calls in 5 s (Super)")),
    ("15/5", lazy("15 calls in 5 s (Standard)")),
    ("10/5", lazy("10 calls in 5 s (Pro, Basic)")),
    ("5/5", lazy("5 calls in 5 s (Pro, before)")),
    ("2/5", lazy("2 calls in 5 s (Lite)")),
)
FIND = "find"
PATIENCE = 10  # seconds for each host: somebody waits for the page
LOCAL = ("settings", "tables", "guards", "worker", "disk", "trail", "anchors", "erasures", "mail")
TRIED = ("keys_tried", "webhook_tried", "mail_tried")


@dataclass(frozen=True, slots=True)
class Keys:
    """What LeadSquared says of a pair of keys, and the lines for `.env`. `host` is where the account lives."""

    host: str
    user: str
    role: str
    org: str
    time_zone: str
    zone_known: bool
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    at: datetime
    by: str
    ok: bool
    says: str


def try_keys(by: Person, host: str, access_key: str, secret_key: str, rate: str) -> Keys:
    """Asked once at `host`, or where it is FIND at LeadSquared's hosts in turn until one knows the keys. Barred with
    the cause where none does."""
    need(by, "set_up")
    if host != FIND and host not in hosts():
        raise Barred(_("Keys are sent to LeadSquared's published hosts only, or to one that LSQ_EXTRA_HOSTS names."))
    try:
        host, facts = _ask(list(settings.LSQ_HOSTS) if host == FIND else [host], access_key, secret_key)
    except ValueError as error:
        raise Barred(f"{error}.") from None
    except LeadSquaredError as error:
        _tried(by, "keys_tried", ok=False, cause=error.answer.cause.value)
        raise Barred(causes.in_words(error)) from None
    _tried(by, "keys_tried", ok=True, cause="")
    zone = accounts.iana_zone(facts.time_zone)
    lives = facts.api_host or host
    lines = [
        f"LSQ_HOST={lives}",
        f"LSQ_ACCESS_KEY={_as_it_stands(access_key)}",
        f"LSQ_SECRET_KEY={_as_it_stands(secret_key)}",
        f"LSQ_RATE_LIMIT={rate}",
        f"LSQ_TIME_ZONE={zone}",
    ]
    if lives not in hosts():
        lines.append(f"LSQ_EXTRA_HOSTS={lives.removeprefix('https://')}")
    return Keys(lives, facts.name, facts.role, facts.org_short_code, zone or facts.time_zone, bool(zone), tuple(lines))


def _as_it_stands(value: str) -> str:
    """Quotes around a value are taken off when `.env` is read: such a one needs another pair."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if value[:1] in ("'", '"') else value


def _ask(places: list[str], access_key: str, secret_key: str) -> tuple[str, KeyUser]:
    """(the first host that knows the keys, what it says); the error that says most where none does: a host that refuses
    the keys was at least reached."""
    worst: LeadSquaredError | None = None
    for host in places:
        try:
            transport = Transport(host, access_key, secret_key, deadline=PATIENCE)
            return host, Client(transport).connection_test()
        except LeadSquaredError as error:
            worst = error if worst is None or isinstance(error, KeysRefused) else worst
    assert worst is not None
    raise worst


def hosts() -> dict[str, str]:
    """Address -> region of the hosts that keys may be sent to."""
    return {**settings.LSQ_HOSTS, settings.LSQ_HOST: settings.LSQ_HOSTS.get(settings.LSQ_HOST, "set here")}


def try_webhook(by: Person) -> doctor.Finding:
    """A report goes out to PUBLIC_URL, as LeadSquared would send one; does it come back?"""
    need(by, "set_up")
    finding = next(iter(doctor.examine("webhook")))
    _tried(by, "webhook_tried", ok=finding.state == doctor.OK, cause=finding.says)
    return finding


def try_mail(by: Person) -> str:
    """A mail to oneself, sent at once; Barred with what the mail server said."""
    need(by, "set_up")
    if not by.email:
        raise Barred(_("You have no address: a policy admin writes one down, in People."))
    try:
        send_mail(
            _("LSQ Ops: a mail to try it"), _("If you read this, mails of LSQ Ops reach you.\n"), None, [by.email]
        )
    except OSError as error:  # smtplib's errors are OSErrors too; their text may hold the password
        _tried(by, "mail_tried", ok=False, cause=type(error).__name__)
        why = _("The mail server did not take it ({name}).").format(name=type(error).__name__)
        raise Barred(
            _("{why} Check EMAIL_URL: host, port, user, password, and smtp+tls or smtp+ssl.").format(why=why)
        ) from None
    _tried(by, "mail_tried", ok=True, cause="")
    return by.email


def _tried(by: Person, what: str, **details: Any) -> None:
    with audited():
        record(f"set_up.{what}", accounts.current_account(), actor=str(by), **details)


def trials() -> dict[str, Trial | None]:
    """The newest try of each, from the trail."""
    return {what: _newest(what) for what in TRIED}


def _newest(what: str) -> Trial | None:
    event = AuditEvent.objects.filter(action=f"set_up.{what}").order_by("-seq").first()
    if event is None:
        return None
    details = event.facts()
    return Trial(datetime.fromisoformat(event.at), event.actor, details["ok"], details["cause"])


def findings() -> list[doctor.Finding]:
    """What can be told without asking anybody outside."""
    return [finding for name in LOCAL for finding in doctor.examine(name)]
