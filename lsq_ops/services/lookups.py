"""Leads as people name them in a file: by number, e-mail or phone; and the columns that hold these."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain

from django.utils.translation import gettext as _

from lsq_ops import terms
from lsq_ops.models import Account
from lsq_ops.wording import lazy, marked

from . import finding, uploads
from .may import Barred
from .sheets import Cell, Row


@dataclass(frozen=True, slots=True)
class Key:
    """What a column may hold. `terms`: under which terms the mirror may know it; none where it isn't one. `names`: how
    exports call such a column. `none`: the verdict on a line without it, kept in English."""

    title: str
    noun: str
    none: str
    terms: Callable[[str], tuple[bytes, ...]]
    names: tuple[str, ...]
    sample: str


def _number(text: str) -> tuple[bytes, ...]:
    found = terms.of_number(text)
    return (found,) if found and len(text.strip()) <= 50 else ()


def _email(text: str) -> tuple[bytes, ...]:
    return (terms.of_email(text),) if "@" in text and not any(sign.isspace() for sign in text.strip()) else ()


def _phone(text: str) -> tuple[bytes, ...]:
    return terms.phones(text) if all(sign.isdecimal() or sign in "+-()./ \u00a0\u2013" for sign in text) else ()


KEYS = {
    "number": Key(
        lazy("Number"),
        lazy("number"),
        marked("no number"),
        _number,
        ("number", "leadnumber", "prospectautoid", "autoid"),
        "100245",
    ),
    "email": Key(
        lazy("E-mail"),
        lazy("e-mail address"),
        marked("no e-mail address"),
        _email,
        ("email", "emailaddress", "mail"),
        "asha@example.com",
    ),
    "phone": Key(
        lazy("Phone"),
        lazy("phone number"),
        marked("no phone number"),
        _phone,
        ("phone", "mobile", "phonenumber", "mobilenumber"),
        "+91 98450 12345",
    ),
}


def meant(key: Key, account: Account, texts: Iterable[str]) -> list[list[str]]:
    """For each text the leads of the mirror that it may mean, gone ones too; asked for all of them at once."""
    wanted = [key.terms(text) for text in texts]
    known = finding.with_terms(account, chain.from_iterable(wanted))
    return [list(dict.fromkeys(chain(*(known.get(term, ()) for term in terms)))) for terms in wanted]


def why_none(key: Key, cell: Cell) -> str:
    """What is wrong with a cell that holds no such thing; empty where it does."""
    text = cell.text.strip()
    if not text:
        return _("the cell of the {noun} is empty").format(noun=key.noun)
    if cell.kind == "formula" or text.startswith("="):
        return _("a formula, not a {noun}; paste the column again as values").format(noun=key.noun)
    if key.terms(text):
        return ""
    if uploads.is_rounded(text):
        return _("the spreadsheet rounded this number; format the column as text and enter the numbers again")
    return _("“{text}” is no {noun}; expected something like {sample}").format(
        text=uploads.short(text), noun=key.noun, sample=key.sample
    )


# --- Columns ------------------------------------------------------------------------------------------------


def headings_of(sample: list[Row]) -> list[str]:
    """The first row's texts, in plain letters; as many as there are columns."""
    return [plain(sample[0].cell(at).text) for at in range(uploads.width_of(sample))]


def named_column(sample: list[Row], column: str) -> int:
    """The column of that heading or letter. Barred where there is none."""
    headings = headings_of(sample)
    letters = [uploads.letters(at) for at in range(len(headings))]
    if wanted := plain(column):
        if wanted in headings:
            return headings.index(wanted)
        if column.strip().upper() in letters:
            return letters.index(column.strip().upper())
    raise Barred(
        _("The file has no column “{column}”; its columns go from A to {letters}.").format(
            column=uploads.short(column), letters=letters[-1]
        )
    )


def column_of(sample: list[Row], key: Key) -> int:
    """By heading; else the one that most often holds such a thing."""
    headings = headings_of(sample)
    width = len(headings)
    if key is KEYS["number"]:  # whatever there is could be a number
        named = [at for at in range(width) if headings[at] in key.names]
        if not named and width > 1:
            raise Barred(_("Say which column holds the number: its letter or its heading."))
        return named[0] if named else 0
    full = [sum(bool(key.terms(row.cell(at).text)) for row in sample) for at in range(width)]
    return max(range(width), key=lambda at: (full[at] >= 0.8 * max(full) > 0, headings[at] in key.names, full[at]))


def heading(first: Row, at: int, key: Key) -> str:
    """The heading, where the first row is one: it names the column, or holds nothing of that sort. Else empty."""
    text = first.cell(at).text.strip()
    other = not any(map(str.isdecimal, text)) if key is KEYS["number"] else not key.terms(text)
    return text if (plain(text) in key.names or other) and any(map(str.isalpha, text)) else ""


def plain(text: str) -> str:
    return "".join(sign for sign in text.lower() if sign.isalnum())
