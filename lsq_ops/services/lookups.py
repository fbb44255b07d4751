"""A file that names leads as people know them: by number, e-mail or phone. Each line gets the one lead that it means,
or a sentence why it got none."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import BinaryIO

from lsq_ops import terms
from lsq_ops.models import Account, Lead

from . import finding, uploads
from .may import Barred
from .parts import parts
from .sheets import Cell, Row, open_sheet
from .uploads import MAX_IDS, SAMPLE, Refusal, Upload


@dataclass(frozen=True, slots=True)
class Key:
    """What a column may hold. `terms`: under which terms the mirror may know it; none where it isn't one. `names`: how
    exports call such a column."""

    title: str
    noun: str
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
    "number": Key("Number", "number", _number, ("number", "leadnumber", "prospectautoid", "autoid"), "100245"),
    "email": Key("E-mail", "e-mail address", _email, ("email", "emailaddress", "mail"), "asha@example.com"),
    "phone": Key(
        "Phone", "phone number", _phone, ("phone", "mobile", "phonenumber", "mobilenumber"), "+91 98450 12345"
    ),
}


def read(file: BinaryIO, filename: str, account: Account, *, by: str, column: str = "") -> Upload:
    """The leads that the lines of a CSV or XLSX file mean. `by`: one of KEYS; `column`: its letter or heading, where it
    isn't to be found by what it holds. Barred where the file can't be read at all, or has no such column."""
    key, sheet = KEYS[by], open_sheet(file, filename)
    rows = iter(sheet.rows)
    sample = [row for row in islice(rows, SAMPLE) if uploads.has_text(row)]
    if not sample:
        raise Barred("The file holds no filled cell.")
    at = _column(sample, key, column)
    header = _header(sample[0], at, key)
    body = chain(sample[1:] if header is not None else sample, rows)
    lines = _Lines(key, account)
    for part in parts((row for row in body if uploads.has_text(row)), 2000):
        lines.take([(row.line, _cell(row, at)) for row in part])
    called = f" “{uploads.short(header)}”" if header else ""
    notes = [*sheet.notes, f"Leads were looked for by {key.noun}, in column {uploads.letters(at)}{called}."]
    return lines.upload(uploads.digest(file), uploads.short(filename.replace("\\", "/").rsplit("/", 1)[-1]), notes)


class _Lines:
    def __init__(self, key: Key, account: Account) -> None:
        self.key, self.account = key, account
        self.line_of: dict[str, int] = {}
        self.refused: list[Refusal] = []
        self.counts: Counter[str] = Counter()
        self.lines = 0

    def take(self, lines: list[tuple[int, Cell]]) -> None:
        wanted = {line: self.key.terms(cell.text) if cell.kind != "formula" else () for line, cell in lines}
        known = finding.with_terms(self.account, chain.from_iterable(wanted.values()))
        meant = {
            line: list(dict.fromkeys(chain(*(known.get(one, ()) for one in asked)))) for line, asked in wanted.items()
        }
        gone = self._gone({one for ids in meant.values() for one in ids})
        for line, cell in lines:
            self.lines += 1
            self._decide(line, cell, bool(wanted[line]), [one for one in meant[line] if one not in gone], meant[line])

    def _decide(self, line: int, cell: Cell, is_one: bool, there: list[str], every: list[str]) -> None:
        if not is_one:
            self._refuse(f"no {self.key.noun}", line, cell.text, self._why(cell))
        elif not every:
            self._refuse(
                "not in the mirror", line, cell.text, "not in the mirror; look in LeadSquared and add the lead"
            )
        elif not there:
            self._refuse("gone", line, cell.text, "LeadSquared no longer shows this lead: deleted or merged")
        elif len(there) > 1:
            some = ", ".join(there[:3]) + (", …" if len(there) > 3 else "")
            self._refuse("several match", line, cell.text, f"{len(there)} leads match; give the id of one: {some}")
        elif there[0] in self.line_of:
            self._refuse("twice", line, cell.text, f"the lead of line {self.line_of[there[0]]} again")
        elif len(self.line_of) >= MAX_IDS:
            raise Barred(f"More than {MAX_IDS:,} leads at once. Split the file.")
        else:
            self.line_of[there[0]] = line

    def _gone(self, ids: set[str]) -> set[str]:
        leads = Lead.objects.filter(account=self.account, gone_at__isnull=False)
        found = (
            leads.filter(prospect_id__in=part).values_list("prospect_id", flat=True) for part in parts(sorted(ids))
        )
        return set(chain.from_iterable(found))

    def _refuse(self, reason: str, line: int, text: str, sentence: str) -> None:
        self.counts[reason] += 1
        if len(self.refused) < uploads.MAX_REFUSED:
            self.refused.append(Refusal(line, uploads.short(text), sentence))

    def _why(self, cell: Cell) -> str:
        text = cell.text.strip()
        if not text:
            return f"the cell of the {self.key.noun} is empty"
        if cell.kind == "formula" or text.startswith("="):
            return f"a formula, not a {self.key.noun}; paste the column again as values"
        if uploads.is_rounded(text):
            return "the spreadsheet rounded this number; format the column as text and enter the numbers again"
        return f"“{uploads.short(text)}” is no {self.key.noun}; expected something like {self.key.sample}"

    def upload(self, sha256: str, name: str, notes: list[str]) -> Upload:
        made = Upload(list(self.line_of), self.lines, self.refused, sha256, name, dict(self.counts), notes)
        return replace(made, line_of=self.line_of)


def _cell(row: Row, at: int) -> Cell:
    return row.cells[at] if at < len(row.cells) else Cell("")


def _plain(text: str) -> str:
    return "".join(sign for sign in text.lower() if sign.isalnum())


def _column(sample: list[Row], key: Key, column: str) -> int:
    """By letter or heading, where one is given; else by heading; else the one that most often holds such a thing."""
    width = max(len(row.cells) for row in sample)
    headings = [_plain(_cell(sample[0], at).text) for at in range(width)]
    if column.strip():
        for at in range(width):
            if headings[at] == _plain(column) and headings[at]:
                return at
        letters = {uploads.letters(at): at for at in range(width)}
        if column.strip().upper() in letters:
            return letters[column.strip().upper()]
        raise Barred(
            f"The file has no column “{uploads.short(column)}”; its columns go from A to {uploads.letters(width - 1)}."
        )
    full = [sum(bool(key.terms(_cell(row, at).text)) for row in sample) for at in range(width)]
    if key.title == "Number":  # whatever there is could be a number
        named = [at for at in range(width) if headings[at] in key.names]
        if not named and width > 1:
            raise Barred("Say which column holds the number: its letter or its heading.")
        return named[0] if named else 0
    return max(range(width), key=lambda at: (full[at] >= 0.8 * max(full) > 0, headings[at] in key.names, full[at]))


def _header(first: Row, at: int, key: Key) -> str | None:
    """The heading, where the first row is one: it names the column, or holds nothing of that sort."""
    text = _cell(first, at).text.strip()
    other = not any(map(str.isdecimal, text)) if key.title == "Number" else not key.terms(text)
    return text if (_plain(text) in key.names or other) and any(map(str.isalpha, text)) else None
