"""Tables that leave the portal: CSV that a spreadsheet opens without computing anything, and whose last line says who
took it and when; without that line the file was cut short."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

# A cell that begins with one of these may be computed, in one spreadsheet or another; the last four are wide forms.
FORMULA = tuple("=+-@\t\r\n＝＋－＠")
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
    rows_of = "1 row" if count == 1 else f"{count} rows"
    writer.writerow([f"# {about}: {rows_of}, taken by {text(by)} at {text(at)} UTC"])
    yield taken()
