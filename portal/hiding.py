"""What may not leave in a log line or an error report: keys, tokens, passwords, and what looks like a person's data.

Two ways, because neither is enough. The values of the configured secrets are taken out wherever they stand, in any
text. What is not known beforehand is found by its looks: addresses with a query or a password, headers, `name=value`
where the name says secret, webhook tokens, e-mail addresses, phone numbers. People's names look like any other word and
can't be found: no log line of the portal may hold one.
"""

import html
import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

GONE = "…"
SHORTEST = 6  # a shorter secret is part of ordinary words
NO_WORD = 16  # signs of an address's path that make it a secret of its own
DEEPEST = 20  # levels of an error report

# Runs are bounded or possessive: a line that somebody sent to be slow on purpose must cost no more than another one.
_NAMES = (
    r"(?:[\w.-]{0,40}[_.-])?(?:access|secret|private|api|audit)?[_-]?(?:key|secret|secrets)"
    r"|[\w.-]{0,40}(?:accesskey|secretkey|apikey|pass(?:word|wd|phrase)?\d?|pwd|token|authorization|session|dsn)"
    r"|[\w.-]{0,40}csrf\w{0,30}|session[_-]?id|totp\w{0,30}|otp|recovery_?codes?"
)
# `name=value`, `"name": "value"`, `('name', b'value')`; a value in quotes ends with them, others at a blank or comma.
_NAMED = re.compile(
    rf"""(?ix) (?<!\w) (?P<name>{_NAMES}) (?P<sep>\\?['"]?\s{{0,3}}(?:=>|[:=]|,(?=\s?b?\\?['"]))\s{{0,3}})
    (?: (?P<mark>b?(?P<slash>\\?)(?P<quote>['"])) (?: (?!(?P=slash)(?P=quote)) (?:\\.|.) )*
      | (?:(?:bearer|basic|token|digest)\s+)? [^\s,;&'"()\[\]{{}}<>]+ )"""
)
_COOKIE = re.compile(r"(?i)((?:set-)?cookies?['\"]?\s{0,3}[:=,]\s{0,3}b?['\"]?)[^'\"\n]+")
_SCHEME = re.compile(r"(?i)\b(bearer|basic|token)\s+(?=[\w.~+/-]*[\d=])[\w.~+/=-]{6,}")
_HOOK = re.compile(r"(?i)((?:/|%2f)webhooks(?:/|%2f)leadsquared(?:/|%2f))[^/\s?\"'<>]+")
_OTPAUTH = re.compile(r"(?i)otpauth(?::|%3a)[^\s\"'<>]+")
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^\s/\"'<>]*@")
_QUERY = re.compile(r"(?<=[\w/.%-])\?[^\s\"'?][^\s\"']*")
_LSQ_KEY = re.compile(r"u(?:\$|%24|\\u0024)r[0-9a-zA-Z]{6,}")
_EMAIL = re.compile(r"(?<![\w.+'’-])[\w.+'’-]++(?:@|%40|\\u0040)(?:[\w-]{1,63}\.){1,8}[\w-]{2,63}")
# A sign in front, or groups, or ten digits and more: but no date, no address of a machine, no part of an id or a hash.
_PHONE = re.compile(
    r"""(?x) (?<![\w.-]) (?<!seq=) (?:
    (?:\+|%2[bB]|00)\ ?(?:\(\d{1,4}\)|\d{1,4})(?:[ .()-]{0,2}\d{2,12}){1,5}
    | \(?\d{3,5}\)?[ .-]{1,2}(?:\d{3,5}[ .-]?\d{3,5}|\d{5,8})
    | \d{10,15}
    ) (?![\w-]|[.:]\d)"""
)


class Hiding:
    """Knows the configured secrets, and takes them and whatever looks like them out of texts."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.secrets: set[str] = set()
        self._known: re.Pattern[str] | None = None
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """In each form that it could be written in; of an address its password too."""
        for part in (secret, *_inner(secret)):
            if len(part) >= SHORTEST:
                self.secrets |= _forms(part)
        longest = sorted(self.secrets, key=len, reverse=True)  # one may hold another
        self._known = re.compile("|".join(map(re.escape, longest))) if longest else None

    def text(self, text: str) -> str:
        if self._known:
            text = self._known.sub(GONE, text)
        text = _HOOK.sub(rf"\1{GONE}", text)
        text = _OTPAUTH.sub(f"otpauth:{GONE}", text)
        text = _USERINFO.sub(rf"\1{GONE}@", text)
        text = _QUERY.sub(f"?{GONE}", text)
        text = _COOKIE.sub(rf"\1{GONE}", text)
        text = _NAMED.sub(_without_value, text)
        text = _SCHEME.sub(rf"\1 {GONE}", text)
        text = _LSQ_KEY.sub(GONE, text)
        text = _EMAIL.sub(f"{GONE}@{GONE}", text)
        return _PHONE.sub(_without_digits, text)

    def anything(self, what: Any, depth: int = 0) -> Any:
        """The same made of dicts, lists and texts. A value whose name says secret goes whatever it looks like."""
        if depth > DEEPEST:
            return GONE
        if isinstance(what, str):
            return self.text(what)
        if isinstance(what, bytes):
            return self.text(what.decode("utf-8", "replace"))
        if isinstance(what, dict):
            return {
                self.text(str(name)): GONE if _says_secret(name) and value else self.anything(value, depth + 1)
                for name, value in what.items()
            }
        if isinstance(what, list | tuple | set):
            return [self.anything(one, depth + 1) for one in what]
        return what if isinstance(what, int | float | datetime | None) else self.text(_written(what))


_NAME = re.compile(rf"(?i){_NAMES}|(?:set-)?cookies?")


def _says_secret(name: object) -> bool:
    return _NAME.fullmatch(str(name)) is not None


def _inner(secret: str) -> list[str]:
    """The password of an address; of one that has none its user and its path: who knows them may ping, or report."""
    if "://" not in secret:
        return []
    try:
        parts = urlsplit(secret)
    except ValueError:
        return []
    if parts.password:
        return [parts.password, unquote(parts.password)]
    inner = [parts.username or "", parts.path.strip("/")] if parts.scheme in ("http", "https") else []
    return [part for part in inner if len(part) >= NO_WORD]


def _forms(secret: str) -> set[str]:
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    return {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], html.escape(secret), *quoted}


def _without_value(found: re.Match[str]) -> str:
    """The name stays, so that the line still says what was there; so does the quote before it."""
    return f"{found['name']}{found['sep']}{found['mark'] or ''}{GONE}"


def _without_digits(found: re.Match[str]) -> str:
    digits = sum(sign.isdigit() for sign in found[0])
    return GONE if 9 <= digits <= 17 else found[0]


def _written(what: object) -> str:
    try:
        return str(what)
    except Exception:  # whatever it is that can't be written, the report goes on without it
        return f"({type(what).__name__})"
