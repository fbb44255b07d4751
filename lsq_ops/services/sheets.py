"""Rows out of an uploaded file: XLSX, and CSV in the encodings and separators that spreadsheets write.

The file is hostile until shown otherwise: its size, its unpacked size, its line length and its line count are
capped before anything is kept in memory. What can't be read is a `Barred` sentence, never another exception.
"""

import codecs
import csv
import io
import zipfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, time
from statistics import mode
from typing import Any, BinaryIO

import openpyxl
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from openpyxl.worksheet._reader import WorkSheetParser

from lsq_ops.wording import lazy

from .may import Barred

MAX_LINES = 1_048_576  # what one sheet of a workbook holds
MAX_LINE = 1_000_000  # characters
MAX_COLUMNS = 256
MAX_UNPACKED = 1024 * 1024 * 1024
MAX_STRINGS = 128 * 1024 * 1024  # the workbook's table of texts, which is held in memory whole
SEPARATORS = ",;\t|"
CHUNK = 1024 * 1024

_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_NOT_A_LIST = (
    (b"%PDF", lazy("a PDF document")),
    (b"\x89PNG", lazy("a picture")),
    (b"\xff\xd8\xff", lazy("a picture")),
    (b"GIF8", lazy("a picture")),
    (b"\x1f\x8b", lazy("a compressed file")),
    (b"7z\xbc\xaf", lazy("a compressed file")),
    (b"Rar!", lazy("a compressed file")),
    (b"<!doctype", lazy("a web page")),
    (b"<html", lazy("a web page")),
    (b"<?xml", lazy("an XML file")),
    (b"{\\rtf", lazy("a text document")),
)
_LOCKED = lazy("The workbook is password protected. Save it without a password and upload it again.")
_DAMAGED = lazy("The workbook is damaged and can't be read. Save it again as .xlsx, or as CSV, and upload that.")
_EXPECTED = lazy("Expected an Excel workbook (.xlsx) or a text file (.csv, .txt) with one id per line.")


@dataclass(frozen=True, slots=True)
class Cell:
    """`text` as a person sees it; `kind` is "text", "number" or "formula"."""

    text: str
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    cells: list[Cell]

    def cell(self, at: int) -> Cell:
        """Empty where the row is shorter."""
        return self.cells[at] if at < len(self.cells) else Cell("")


@dataclass(slots=True)
class Sheet:
    """The rows, to be walked once; then `notes` holds what a person should know about how they were read. `total`: how
    many there are, as far as that can be told before."""

    rows: Iterator[Row]
    notes: list[str] = field(default_factory=list)
    total: int = 0


def open_sheet(file: BinaryIO, wanted: str = "") -> Sheet:
    """The rows of a CSV or XLSX file, told apart by content, not by name. `wanted`: a workbook's sheet, by its name or
    number; else the first one that is not hidden. Raises Barred."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(4096)
    file.seek(0)
    if size > settings.UPLOAD_CAP:
        cap = settings.UPLOAD_CAP >> 20
        raise Barred(_("The file has {size} MB; at most {cap} MB are read. Split it.").format(size=size >> 20, cap=cap))
    if not head.strip():
        raise Barred(_("The file is empty. ") + _EXPECTED)
    if head.startswith(b"PK"):
        return _workbook(file, wanted)
    _refuse_strangers(file, head)
    return _text_file(file)


def _refuse_strangers(file: BinaryIO, head: bytes) -> None:
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        if any(_ENCRYPTED in window for window in _windows(file, len(_ENCRYPTED))):
            raise Barred(_LOCKED)
        raise Barred(_("This is an old Excel file (.xls). Save it as .xlsx and upload it again."))
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for magic, name in _NOT_A_LIST:
        if start.startswith(magic.lower()):
            raise Barred(_("This is {name}, whatever its name says. {expected}").format(name=name, expected=_EXPECTED))
    if b"\0" in head and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Barred(_("This is neither text nor a workbook. If it is text, save it as UTF-8. ") + _EXPECTED)


def _windows(file: BinaryIO, overlap: int) -> Iterator[bytes]:
    """The file in chunks that overlap, so that a pattern on a border is found."""
    tail = b""
    while chunk := file.read(CHUNK):
        yield tail + chunk
        tail = chunk[-overlap:]
    file.seek(0)


# --- Text ---------------------------------------------------------------------------------------------------


def _text_file(file: BinaryIO) -> Sheet:
    encoding = _encoding(file)
    sheet = Sheet(iter(()))
    if encoding == "cp1252":
        sheet.notes.append(_("The file is not UTF-8; it was read as Windows-1252. Check names with accents."))
    sheet.total = _count_lines(file)
    separator = _separator(_lines(file, encoding))
    if _quotes_are_whole(file, encoding, separator):
        sheet.rows = _quoted_rows(file, encoding, separator)
    else:
        sheet.notes.append(_("A quotation mark is not closed; the file was read line by line."))
        sheet.rows = _plain_rows(file, encoding, separator)
    return sheet


def _count_lines(file: BinaryIO) -> int:
    """By their ends alone; old Macs' files count as one."""
    file.seek(0)
    ends = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(CHUNK), b""))
    return min(ends + 1, MAX_LINES)


def _encoding(file: BinaryIO) -> str:
    head = file.read(4)
    file.seek(0)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := file.read(CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    finally:
        file.seek(0)
    return "utf-8-sig"


def _lines(file: BinaryIO, encoding: str) -> Generator[str, None, None]:
    file.seek(0)
    # Detached at the end: a wrapper that is collected closes the file under it.
    text = io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="")
    try:
        for number in range(1, MAX_LINES + 2):
            line = text.readline(MAX_LINE)
            if not line:
                return
            if len(line) >= MAX_LINE:
                raise Barred(
                    _("Line {number} is longer than {max_line:,} characters. {expected}").format(
                        number=number, max_line=MAX_LINE, expected=_EXPECTED
                    )
                )
            yield line.replace("\0", "")
        raise Barred(_("The file has more than {max_lines:,} lines. Split it.").format(max_lines=MAX_LINES))
    finally:
        text.detach()


def _separator(lines: Generator[str, None, None]) -> str:
    """The sign that most lines hold most often; ids hold none of them."""
    sample = [line for __, line in zip(range(50), lines, strict=False) if line.strip()]
    if not sample:
        raise Barred(_("The file holds nothing but blank lines. ") + _EXPECTED)
    lines.close()
    return max(SEPARATORS, key=lambda sign: mode(line.count(sign) for line in sample))


def _quotes_are_whole(file: BinaryIO, encoding: str, separator: str) -> bool:
    """An open quotation mark swallows the lines after it without a word; then quotes mean nothing."""
    try:
        for __ in csv.reader(_lines(file, encoding), delimiter=separator, strict=True):
            pass
    except csv.Error:
        return False
    return True


def _quoted_rows(file: BinaryIO, encoding: str, separator: str) -> Iterator[Row]:
    reader = csv.reader(_lines(file, encoding), delimiter=separator)
    line = 1
    for values in reader:
        yield Row(line, [_text_cell(value) for value in values[:MAX_COLUMNS]])
        line = reader.line_num + 1


def _plain_rows(file: BinaryIO, encoding: str, separator: str) -> Iterator[Row]:
    for number, line in enumerate(_lines(file, encoding), 1):
        yield Row(number, [_text_cell(value) for value in line.split(separator)[:MAX_COLUMNS]])


def _text_cell(value: str) -> Cell:
    return Cell(value, "formula" if value.lstrip().startswith("=") else "text")


# --- Workbooks ----------------------------------------------------------------------------------------------


def _workbook(file: BinaryIO, wanted: str) -> Sheet:
    try:
        archive = zipfile.ZipFile(file)
        _refuse_odd_archives(archive)
        book = openpyxl.load_workbook(file, read_only=True, data_only=False, keep_links=False)
        return _sheet_of(book, wanted.strip())
    except Barred:
        raise
    except Exception:  # a parser of hostile files may raise anything
        raise Barred(_DAMAGED) from None


def _refuse_odd_archives(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    if any(member.flag_bits & 1 for member in members):
        raise Barred(_LOCKED)
    names = {member.filename for member in members}
    if "[Content_Types].xml" not in names or not any(name.startswith("xl/") for name in names):
        raise Barred(_("This is a zip file, but not an Excel workbook. ") + _EXPECTED)
    if any(name.endswith(".bin") and name.startswith("xl/workbook") for name in names):
        raise Barred(_("This is a binary Excel workbook (.xlsb). Save it as .xlsx and upload it again."))
    # zipfile never unpacks more of a member than its declared size, so the declared sum is a true bound.
    strings = sum(member.file_size for member in members if "sharedStrings" in member.filename)
    if sum(member.file_size for member in members) > MAX_UNPACKED or strings > MAX_STRINGS:
        raise Barred(_("The workbook is too large when unpacked. Save the column of ids alone, as CSV."))


def _sheet_of(book: Any, wanted: str) -> Sheet:
    if not book.worksheets:
        raise Barred(_("The workbook has no sheet with cells."))
    chosen = _chosen(book.worksheets, wanted)
    hidden, notes, others = chosen.sheet_state != "visible", [], len(book.worksheets) - 1
    if hidden:
        notes.append(_("The sheet “{title}”, which was read, is hidden.").format(title=chosen.title))
    if others:
        left = ngettext("one other sheet was", "{others} other sheets were", others).format(others=others)
        notes.append(_("Only the sheet “{title}” was read; {left} left out.").format(title=chosen.title, left=left))
    return Sheet(_sheet_rows(chosen, notes), notes, max(0, min(chosen.max_row or 0, MAX_LINES)))


def _chosen(sheets: list[Any], wanted: str) -> Any:
    if not wanted:
        return next((sheet for sheet in sheets if sheet.sheet_state == "visible"), sheets[0])
    for sheet in sheets:
        if sheet.title.strip().lower() == wanted.lower():
            return sheet
    if wanted.isdecimal() and 1 <= int(wanted) <= len(sheets):
        return sheets[int(wanted) - 1]
    there = ", ".join(f"“{sheet.title}”" for sheet in sheets[:10]) + (", …" if len(sheets) > 10 else "")
    raise Barred(_("The workbook has no sheet “{wanted}”; it has {there}.").format(wanted=wanted[:80], there=there))


def _sheet_rows(sheet: Any, notes: list[str]) -> Iterator[Row]:
    """The rows that the sheet's XML holds; at their end `notes` gets the hidden ones."""
    hidden = last = 0
    parsed = _parse(sheet)
    for count in range(MAX_LINES + 1):
        try:
            number, cells, is_hidden = next(parsed)
        except StopIteration:
            break
        except Exception:  # as in _workbook: the sheet itself is parsed only now
            raise Barred(_DAMAGED) from None
        if count == MAX_LINES:
            raise Barred(_("The sheet has more than {max_lines:,} rows. Split it.").format(max_lines=MAX_LINES))
        hidden += is_hidden
        last = number if last < number <= MAX_LINES else last + 1  # what a row calls itself may be a lie
        yield Row(last, _in_columns(cells))
    if hidden:
        said = ngettext(
            "One hidden or filtered row is included.", "{hidden:,} hidden or filtered rows are included.", hidden
        )
        notes.append(said.format(hidden=hidden))


def _parse(sheet: Any) -> Iterator[tuple[int, list[dict[str, Any]], bool]]:
    """(row number, its cells, hidden or not), by the parser below openpyxl's streaming sheet: the sheet itself
    doesn't tell which rows are hidden, and it pads gaps: a row that calls itself the 900,000,000th takes minutes."""
    book = sheet.parent
    with sheet._get_source() as source:
        formats = {"date_formats": book._date_formats, "timedelta_formats": book._timedelta_formats}
        parser = WorkSheetParser(source, sheet._shared_strings, epoch=book.epoch, **formats)
        for number, cells in parser.parse():
            facts = parser.row_dimensions.pop(str(number), {})
            yield number, cells, facts.get("hidden") in ("1", "true")


def _in_columns(cells: list[dict[str, Any]]) -> list[Cell]:
    filled = {cell["column"]: cell for cell in cells if cell["value"] is not None}
    width = max((column for column in filled if column <= MAX_COLUMNS), default=0)
    return [_sheet_cell(filled[at]) if at in filled else Cell("") for at in range(1, width + 1)]


def _sheet_cell(cell: dict[str, Any]) -> Cell:
    value = cell["value"]
    if cell["data_type"] == "f":
        return Cell(str(value)[:500], "formula")
    if isinstance(value, datetime) and value.time() == time():
        return Cell(f"{value:%Y-%m-%d}")  # a day: spreadsheets know no other
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Cell(f"{value:.15g}", "number")
    return Cell(str(value))
