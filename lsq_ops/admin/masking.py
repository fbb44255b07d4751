"""Personal data as pages show it: enough to tell two leads apart, not enough to carry away."""

import unicodedata

from django.utils.translation import gettext as _

DOTS = "•••"


def name(*parts: str) -> str:
    """Asha Pillai -> A••• P•••."""
    words = [_visible(word) for part in parts for word in part.split()]
    return " ".join(f"{word[0]}{DOTS}" for word in words[:4] if word) or _("no name")


def email(text: str) -> str:
    """asha@example.com -> a•••@example.com; the domain tells test data from customers."""
    text = _visible(text.strip())
    local, at, domain = text.partition("@")
    return f"{local[:1]}{DOTS}{at}{domain[:60]}" if text else "–"


def phone(text: str) -> str:
    """+91-9900112233 -> ••• 2233."""
    digits = "".join(sign for sign in text if sign.isdigit())
    return f"{DOTS} {digits[-4:]}" if len(digits) > 6 else DOTS if text.strip() else "–"


def _visible(text: str) -> str:
    # A word may begin with marks that turn the text around it, or with nothing to see at all.
    return "".join(sign for sign in text if unicodedata.category(sign)[0] not in "CZM")
