"""What a lead is found by: short normalised terms, compared byte by byte, so that every database finds the same.

A term begins with a letter that says what it is. A search is a few ranges of terms; an index answers each.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

NUMBER, EMAIL, PHONE, WORD = b"n", b"e", b"p", b"w"
LONGEST = 60  # bytes; what is longer is found by its beginning
WORDS = 12  # of one name
ASKED_WORDS = 5
PHONE_DIGITS = 10  # the last ones: the country's code is written in one place and left out in another
FEWEST_DIGITS = 4
SHORTEST_PHONE = 7  # what is stored shorter than that isn't taken for the end of what was asked
_PHONE = re.compile(r"[+\d\s()./\N{EN DASH}\N{NO-BREAK SPACE}-]+")
_END = b"\xff"  # no byte of UTF-8


@dataclass(frozen=True, slots=True)
class Range:
    """Terms that begin with `start`, or are one of `exact`."""

    start: bytes = b""
    exact: tuple[bytes, ...] = ()

    @property
    def end(self) -> bytes:
        return self.start + _END


def of_lead(*, number: str, first_name: str, last_name: str, email: str, phone: str, mobile: str) -> set[bytes]:
    """All terms of one lead."""
    found = {_term(WORD, word) for word in _words(f"{first_name} {last_name}", WORDS)}
    found |= {_term(kind, folded) for kind, text in ((NUMBER, number), (EMAIL, email)) if (folded := _fold(text))}
    return found | {term for one in (phone, mobile) if (term := of_phone(one))}


def of_phone(text: str) -> bytes:
    """The last ten digits, last one first; empty where it is no phone number."""
    digits = _digits(text)
    return _phone(digits) if len(digits) >= FEWEST_DIGITS else b""


def phones(text: str) -> tuple[bytes, ...]:
    """Every term under which a phone number that is written in full may be stored."""
    digits = _digits(text)
    return tuple(_phone(digits[-size:]) for size in range(SHORTEST_PHONE, PHONE_DIGITS + 1) if len(digits) >= size)


def of_email(text: str) -> bytes:
    return _term(EMAIL, folded) if (folded := _fold(text)) else b""


def of_number(text: str) -> bytes:
    return _term(NUMBER, folded) if (folded := _fold(text)) else b""


def of_name(text: str) -> bytes | None:
    """How a task's name begins; None where it has none that can be seen."""
    return _term(WORD, " ".join(words)) if (words := _words(text, WORDS)) else None


def beginning(text: str) -> Range | None:
    """The names that begin so; None where nothing was asked."""
    term = of_name(text)
    return Range(start=term) if term else None


def asked(text: str) -> list[list[Range]]:
    """What somebody typed, as ranges: a lead is meant if each list has a range in which one of its terms is. Empty
    where nothing was asked that a term could answer."""
    whole = of_number(text)
    if not whole:
        return []
    number = Range(exact=(whole,))
    if "@" in text:
        return [[Range(start=of_email(text))]]
    if _PHONE.fullmatch(text.strip()):
        digits = _digits(text)
        if len(digits) < FEWEST_DIGITS:
            return [[number]]
        return [[number, Range(start=_phone(digits), exact=phones(text))]]
    return [[Range(start=_term(WORD, word)), number] for word in _words(text, ASKED_WORDS)] or [[number]]


def _phone(digits: str) -> bytes:
    return PHONE + digits[-PHONE_DIGITS:][::-1].encode()


def _digits(text: str) -> str:
    """Also those of other scripts; leading zeros only say that a code follows."""
    return "".join(str(unicodedata.digit(sign)) for sign in text if sign.isdecimal()).lstrip("0")


def _term(kind: bytes, text: str) -> bytes:
    return (kind + text.encode())[:LONGEST]


def _fold(text: str) -> str:
    """Case, width and Latin accents make no difference; nor does what can't be seen."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    seen = (sign for sign in plain if not "\u0300" <= sign <= "\u036f" and unicodedata.category(sign)[0] != "C")
    return " ".join(unicodedata.normalize("NFKC", "".join(seen)).split())


def _words(text: str, most: int) -> Iterable[str]:
    """Parted at whatever is no letter, mark or digit."""
    found: Iterator[str] = (
        word
        for part in _fold(text).split()
        for word in "".join(sign if unicodedata.category(sign)[0] in "LMN" else " " for sign in part).split()
    )
    return [word for word, _ in zip(dict.fromkeys(found), range(most), strict=False)]
