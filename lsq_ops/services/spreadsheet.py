"""Tables that leave the portal: CSV or XLSX that a spreadsheet opens without computing anything, and whose last line
says who took it and when; without that line the file was cut short."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any, BinaryIO

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

# A cell that begins with one of these may be computed, in one spreadsheet or another; the last four are wide forms.
FORMULA = tuple("=+-@\t\r\n＝＋－＠")
LONGEST = 32_767  # characters of an XLSX cell
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"  # Excel takes a file without it for the machine's old code page


def text(value: Any) -> str:
    """A cell's text. What could be a formula gets the apostrophe that spreadsheets know as "this is text"."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, int):
        return str(value)
    shown = str(value).replace("\0", "\N{REPLACEMENT CHARACTER}")
    return f"'{shown}" if shown.lstrip(" ").startswith(FORMULA) else shown


def lines(
    header: Iterable[str], rows: Iterable[Iterable[Any]], *, about: str, by: str, at: datetime
) -> Iterator[bytes]:
    """The file a line at a time, in UTF-8; datetimes in UTC."""
    line = io.StringIO()
    writer = csv.writer(line)
    count = 0

    def taken() -> bytes:
        data = line.getvalue().encode("utf-8", "replace")
        line.seek(0)
        line.truncate()
        return data

    line.write(BOM)
    writer.writerow(header)
    for row in rows:
        writer.writerow([text(value) for value in row])
        count += 1
        if count % 200 == 0:
            yield taken()
    writer.writerow([_last(about, count, by, at)])
    yield taken()


def _last(about: str, count: int, by: str, at: datetime) -> str:
    return f"# {about}: {'1 row' if count == 1 else f'{count} rows'}, taken by {text(by)} at {text(at)} UTC"


def csv_file(
    file: BinaryIO, header: Iterable[str], rows: Iterable[Iterable[Any]], *, about: str, by: str, at: datetime
) -> int:
    """Written into `file`; how many rows there were."""
    counted = _Counted(rows)
    file.writelines(lines(header, counted, about=about, by=by, at=at))
    return counted.count


def xlsx_file(
    file: BinaryIO, header: Iterable[str], rows: Iterable[Iterable[Any]], *, about: str, by: str, at: datetime
) -> int:
    """The same as a workbook of one sheet, every cell a text."""
    counted = _Counted(rows)
    book = Workbook(write_only=True)
    sheet = book.create_sheet("LSQ Ops")
    sheet.freeze_panes = "A2"
    for row in chain([header], counted):
        sheet.append([_as_text(sheet, value) for value in row])
    sheet.append([_as_text(sheet, _last(about, counted.count, by, at))])
    book.save(file)
    return counted.count


def _as_text(sheet: Any, value: Any) -> Any:
    shown = ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", text(value))
    cell = WriteOnlyCell(sheet, value=shown[:LONGEST])
    cell.data_type = "s"
    return cell


class _Counted:
    def __init__(self, rows: Iterable[Iterable[Any]]) -> None:
        self.rows, self.count = rows, 0

    def __iter__(self) -> Iterator[Iterable[Any]]:
        for row in self.rows:
            self.count += 1
            yield row
