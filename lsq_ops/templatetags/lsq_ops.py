"""The words of every page: times in the account's local time, states in colour, and data that others wrote.

They stand here, outside the admin's package, because Unfold renders a template while it is being imported.
"""

import json
import re
import unicodedata
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import JsonLexer

from lsq_ops.models import Account, DeletionItem, db_now
from lsq_ops.models.timing import span

register = template.Library()

_ID = re.compile(r"[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
SHOWN_JSON = 200_000  # characters; more than a screen can hold, less than a browser chokes on

# Not Django's current time zone: that one would also change how forms read what people type.
_zone: ContextVar[ZoneInfo | None] = ContextVar("zone", default=None)
_now: ContextVar[datetime | None] = ContextVar("now", default=None)

# How a state, an outcome or a decision is coloured; what isn't named is neutral.
_TONES = {
    "badge-good": "completed gone already_gone accepted approve confirm complete",
    "badge-warn": "partial needs_attention still_present incomplete changes unknown turned_away not_sent",
    "badge-bad": "failed over_deleted unverifiable refused reject rejected",
    "badge-info": "pending approved running sent verifying intent reading",
}
_TONE_OF = {word: tone for tone, words in _TONES.items() for word in words.split()}


def use_account(account: Account | None) -> None:
    """From here on, this page's times are the account's local ones."""
    _zone.set(ZoneInfo(account.time_zone) if account else None)
    _now.set(db_now())


# --- Times ---


def zone() -> ZoneInfo:
    return _zone.get() or ZoneInfo("UTC")


def now() -> datetime:
    """The database's time when this page was asked for."""
    return _now.get() or db_now()


def when(at: datetime | None) -> SafeString | str:
    """The account's local time with its zone; UTC in the title."""
    return _time(at, f"{at.astimezone(zone()):%d %b %Y, %H:%M:%S %Z}") if at else "–"


def clock(at: datetime | None) -> SafeString | str:
    return _time(at, f"{at.astimezone(zone()):%H:%M:%S %Z}") if at else "–"


def minute(at: datetime | None) -> str:
    """To the minute, in local time, as text: for the label of a box."""
    return f"{at.astimezone(zone()):%d %b %Y, %H:%M %Z}" if at else _("no date")


def both(at: datetime | None) -> SafeString | str:
    """Local time and UTC beside it: for what a decision or a proof depends on."""
    if not at:
        return "–"
    local, utc = at.astimezone(zone()), at.astimezone(UTC)
    if zone().key == "UTC":
        return when(at)
    shown = _("%H:%M:%S UTC") if local.date() == utc.date() else _("%d %b, %H:%M:%S UTC")
    return _time(at, f"{local:%d %b %Y, %H:%M:%S %Z} ({utc.strftime(shown)})")


def _time(at: datetime, text: str) -> SafeString:
    utc = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        utc.isoformat(),
        _("{utc:%d %b %Y, %H:%M:%S} UTC").format(utc=utc),
        text,
    )


def ago(at: datetime | None) -> str:
    if not at:
        return _("never")
    return _("{now} ago").format(now=span((now() - at).total_seconds()))


# --- Data that somebody else wrote ---


def plain(text: str) -> str:
    """`text` with its invisible characters (bidi marks, zero widths, controls) made visible as \\uXXXX."""
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf") else f"\\u{ord(c):04x}" for c in text
    )


def pretty(value: Any) -> SafeString:
    """JSON as coloured, escaped HTML; cut where it is beyond reading."""
    text = plain(json.dumps(value, indent=2, ensure_ascii=False))
    more = (
        _("\n… {count:,} more characters; the snapshot's download has them all").format(count=len(text) - SHOWN_JSON)
        if len(text) > SHOWN_JSON
        else ""
    )
    shown = highlight(text[:SHOWN_JSON], JsonLexer(), HtmlFormatter(nowrap=True))
    return format_html('<pre class="json">{}{}</pre>', mark_safe(shown), more)  # noqa: S308  (pygments escapes)  # nosec B308, B703 # pygments escapes


def pretty_text(text: str) -> SafeString:
    """`pretty` of JSON that is still text."""
    return pretty(json.loads(text))


def short(text: str, most: int = 120) -> str:
    text = plain(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def badge(word: str, text: str) -> SafeString:
    """`text` in the colour of the state, outcome or decision `word`."""
    return format_html('<span class="badge {}">{}</span>', tone(word), text)


def tone(word: str) -> str:
    return _TONE_OF.get(word, "")


def person(user: Any) -> str:
    return (user.get_full_name() or user.get_username()) if user else "–"


# --- For templates only ---

for _word in (when, clock, both, ago, span, plain, pretty, person, tone, short):
    register.filter(_word.__name__, _word)


@register.filter
def translated(word: str) -> str:
    """A word that is kept in English: a verdict, a tier, why an item is odd."""
    return _(word) if word else ""


@register.filter
def thousands(number: Any) -> str:
    """1112 -> 1,112; what is no number stays as it is."""
    return f"{number:,}" if isinstance(number, int | float) else str(number if number is not None else "–")


@register.filter
def is_id(value: Any) -> bool:
    """An id or a hash: what people copy, and nobody types."""
    return isinstance(value, str) and bool(_ID.fullmatch(value))


@register.filter
def percent(part: Any, whole: Any) -> int:
    return round(100 * part / whole) if whole else 0


@register.filter
def at(mapping: dict[str, Any], key: str) -> Any:
    return mapping.get(key)


@register.filter
def outcome(word: str) -> str:
    return {**dict(DeletionItem.Outcome.choices), "open": _("not known yet")}.get(word, word)
