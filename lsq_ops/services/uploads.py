"""From a pasted text or an uploaded file to ids, with a sentence for every line that gave none.

One column of ids is looked for by content. Good lines are kept whatever the others hold. The only exception
is `Barred`, for a file that can't be read as a list at all.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import BinaryIO, NamedTuple

from django.utils.translation import gettext as _

from .may import Barred
from .sheets import CHUNK, Cell, Row, Sheet, open_sheet

MAX_IDS = 100_000
MAX_REFUSED = 1_000  # lines that are shown; the rest is counted
SAMPLE = 1_000
SAMPLE_ID = "0017abfa-c100-11e5-9340-06c7eb5c8385"
NAMES = {"lead": "lead", "activity": "activity", "task": "task", "any": "record"}
HEADERS = {
    "lead": {"prospectid", "leadid", "relatedprospectid", "id"},
    "activity": {"activityid", "prospectactivityid", "id"},
    "task": {"taskid", "usertaskid", "id"},
}

_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_ROUNDED = re.compile(r"[+-]?\d+([.,]\d+)?e\+?\d+\Z", re.IGNORECASE)
_AROUND = " \t\r\n\f\v\u00a0\u200b\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069\ufeff'\"{}()"
_HEADER_WORD = re.compile(r"(^|[^a-z])(id|ids|guid|key|task|lead|prospect|activity|usertask)", re.IGNORECASE)


class Refusal(NamedTuple):
    line: int
    text: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Upload:
    """`lines`: those that held something, the header left out. `line_of`: id -> its line. `counts`: reason ->
    refused lines, of which `refused` holds the first `MAX_REFUSED`. `notes`: sentences about the file."""

    ids: list[str]
    lines: int
    refused: list[Refusal]
    sha256: str
    name: str
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    line_of: dict[str, int] = field(default_factory=dict)


def normal_id(text: str) -> str | None:
    """A GUID in lower case, without braces, quotes, spaces and invisible marks around it; None for others."""
    text = text.strip(_AROUND).lower()
    return text if _GUID.match(text) else None


def read_ids(file: BinaryIO, filename: str, *, record_type: str) -> Upload:
    """The ids of a CSV or XLSX file's id column. Raises Barred where the file can't be read at all."""
    sheet = open_sheet(file)
    sample, rows = begin(sheet)
    column = id_column(sample, record_type)
    header = header_of(sample[0], column)
    reader = _Reader(record_type)
    for row in chain(sample[1:] if header else sample, rows):
        if has_text(row):
            reader.take_cell(row.line, row.cell(column))
    notes = [*sheet.notes, *column_note(sample, column, header)]
    return reader.upload(digest(file), name_of(filename), notes)


def begin(sheet: Sheet) -> tuple[list[Row], Iterator[Row]]:
    """The first filled rows, by which columns are told apart, and all that follows. Barred where there are none."""
    rows = iter(sheet.rows)
    sample = [row for row in islice(rows, SAMPLE) if has_text(row)]
    if not sample:
        raise Barred(_("The file holds no filled cell."))
    return sample, rows


def read_text(text: str, *, record_type: str) -> Upload:
    """The ids of a pasted text: one per line, or several in a line with nothing else."""
    reader = _Reader(record_type)
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip(_AROUND):
            reader.take_line(number, line)
    return reader.upload(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(), _("pasted text"), [])


# --- One line -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Reader:
    record_type: str
    line_of: dict[str, int] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    lines: int = 0

    def take_cell(self, line: int, cell: Cell) -> None:
        self.lines += 1
        one = None if cell.kind == "formula" else normal_id(cell.text)
        if one:
            self._keep(line, one)
        else:
            self.refuse(_("not an id"), line, cell.text, why_no_id(self.record_type, cell))

    def take_line(self, line: int, text: str) -> None:
        self.lines += 1
        pieces = [piece for piece in re.split(r"[\s,;|]+", text) if piece.strip(_AROUND)]
        ids = [one for piece in pieces if (one := normal_id(piece))]
        if len(ids) == len(pieces):
            for one in ids:
                self._keep(line, one)
        elif ids:
            self.refuse(_("not an id"), line, text, _("an id and something else; expected ids alone"))
        else:
            self.refuse(_("not an id"), line, text, why_no_id(self.record_type, Cell(text.strip())))

    def _keep(self, line: int, one: str) -> None:
        if one in self.line_of:
            self.refuse("twice", line, one, _("twice; first on line {line_of}").format(line_of=self.line_of[one]))
            return
        if len(self.line_of) >= MAX_IDS:
            raise Barred(_("More than {max_ids:,} ids at once. Split the file.").format(max_ids=MAX_IDS))
        self.line_of[one] = line

    def refuse(self, reason: str, line: int, text: str, sentence: str) -> None:
        self.counts[reason] += 1
        if len(self.refused) < MAX_REFUSED:
            self.refused.append(Refusal(line, short(text), sentence))

    def upload(self, sha256: str, name: str, notes: list[str]) -> Upload:
        return Upload(
            list(self.line_of), self.lines, self.refused, sha256, name, dict(self.counts), notes, self.line_of
        )


def why_no_id(record_type: str, cell: Cell) -> str:
    name, text = NAMES[record_type], cell.text.strip(_AROUND)
    if not text:
        return _("the cell of the {name} id is empty").format(name=name)
    if cell.kind == "formula" or text.startswith("="):
        return _("a formula, not an id; paste the column again as values")
    if is_rounded(text) or (cell.kind == "number" and len(text) > 11):
        return _("the spreadsheet rounded this number; format the column as text and enter the ids again")
    article = "an" if name[0] in "aeiou" else "a"
    return _("“{text}” is not {article} {name} id; expected something like {sample_id}").format(
        text=short(text), article=article, name=name, sample_id=SAMPLE_ID
    )


def is_rounded(text: str) -> bool:
    """9.19E+11: a number of which a spreadsheet kept the beginning."""
    return bool(_ROUNDED.match(text))


def name_of(filename: str) -> str:
    """Without folders, and as short as a page shows it."""
    return short(filename.replace("\0", "").replace("\\", "/").rsplit("/", 1)[-1]) or "file"


def short(text: str, length: int = 80) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


# --- The column ---------------------------------------------------------------------------------------------


def has_text(row: Row) -> bool:
    return any(cell.text.strip() for cell in row.cells)


def id_column(sample: list[Row], record_type: str) -> int:
    """The column whose cells look most like ids. Exports hold several (task, lead, owner): among columns
    that are as full of ids, the one that a header names, then the one that repeats itself least."""
    width = width_of(sample)
    columns = [[row.cell(at).text for row in sample] for at in range(width)]
    ids = [[one for text in column if (one := normal_id(text))] for column in columns]
    full = [len(found) for found in ids]
    if not any(full):
        return max(range(width), key=lambda at: sum(_resembles(text) for text in columns[at]))

    def rank(at: int) -> tuple[bool, bool, int]:
        return full[at] >= 0.8 * max(full), names_ids(columns[at][0], record_type), len(set(ids[at]))

    return max(range(width), key=rank)


def names_ids(header: str, record_type: str) -> bool:
    return re.sub(r"[^a-z]", "", header.lower()) in HEADERS[record_type]


def _resembles(text: str) -> float:
    text = text.strip(_AROUND)
    if not text:
        return 0
    return sum(sign in "0123456789abcdefABCDEF-" for sign in text[:100]) / max(len(text), 36)


def header_of(first: Row, column: int) -> str:
    """The header's text, where the first row is one: no id in the column, but a word that names ids. Else empty."""
    text = first.cell(column).text.strip(_AROUND)
    return text if text and not normal_id(text) and _HEADER_WORD.search(text) else ""


def column_note(sample: list[Row], column: int, header: str) -> Iterable[str]:
    if width_of(sample) > 1:
        yield _("The ids were taken from {column_words}.").format(column_words=column_words(column, header))


def width_of(sample: list[Row]) -> int:
    return max(len(row.cells) for row in sample)


def column_words(column: int, heading: str) -> str:
    """ "column B “Phone”"."""
    return _("column {letters}").format(letters=letters(column)) + (f" “{short(heading)}”" if heading else "")


def letters(column: int) -> str:
    column, letter = divmod(column, 26)
    return (letters(column - 1) if column else "") + chr(ord("A") + letter)


def digest(file: BinaryIO) -> str:
    file.seek(0)
    made = hashlib.sha256()
    while chunk := file.read(CHUNK):
        made.update(chunk)
    return made.hexdigest()
