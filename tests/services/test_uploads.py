"""What a person can paste or upload: good lines are kept, each bad one gets a sentence, never a traceback."""

import io
import uuid
import zipfile
from typing import Any

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile

from lsq_ops.services import sheets, uploads
from lsq_ops.services.may import Barred

ONE, TWO, THREE = (str(uuid.UUID(int=number << 96 | 7)) for number in (1, 2, 3))


def read(content: bytes | str, name: str = "ids.csv", record_type: str = "task") -> uploads.Upload:
    content = content.encode() if isinstance(content, str) else content
    return uploads.read_ids(io.BytesIO(content), name, record_type=record_type)


def workbook(rows: list[list[Any]], hidden: tuple[int, ...] = (), **sheets_to_add: Any) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for number in hidden:
        book.active.row_dimensions[number].hidden = True
    for title, state in sheets_to_add.items():
        book.create_sheet(title).sheet_state = state
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def sentences(upload: uploads.Upload) -> dict[int, str]:
    return {line: sentence for line, _, sentence in upload.refused}


# --- Pasted ------------------------------------------------------------------------------------------------


def test_pasted_lines_each_get_an_id_or_a_sentence() -> None:
    text = f"{ONE}\n\n  {{{TWO.upper()}}}  \nabc\n{ONE}\n{THREE} and more"
    upload = uploads.read_text(text, record_type="lead")
    assert upload.ids == [ONE, TWO]
    assert sentences(upload) == {
        4: f"“abc” is not a lead id; expected something like {uploads.SAMPLE_ID}",
        5: "twice; first on line 1",
        6: "an id and something else; expected ids alone",
    }
    assert upload.counts == {"not an id": 2, "twice": 1}
    assert upload.lines == 5


def test_several_ids_in_a_line_are_all_taken() -> None:
    assert uploads.read_text(f"{ONE}, {TWO};{THREE}", record_type="lead").ids == [ONE, TWO, THREE]


@pytest.mark.parametrize("around", ["\u200b{}", "\u202a{}\u202c", "\ufeff{}", "\u00a0{}\t", '"{}"', "({})"])
def test_invisible_marks_and_quotes_around_an_id_are_dropped(around: str) -> None:
    assert uploads.normal_id(around.format(ONE.upper())) == ONE


def test_an_id_with_other_digits_in_it_is_none() -> None:
    assert uploads.normal_id(ONE.replace("0", "٠")) is None
    assert uploads.normal_id(ONE + "0") is None
    assert uploads.normal_id(ONE.replace("-", "")) is None


# --- Text files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_encodings_and_separators(encoding: str, separator: str) -> None:
    rows = [["Name", "Task ID"], ["Zoë", ONE], ["José", TWO]]
    upload = read("\r\n".join(separator.join(row) for row in rows).encode(encoding))
    assert upload.ids == [ONE, TWO]
    assert "The ids were taken from column B “Task ID”." in upload.notes
    assert any("Windows-1252" in note for note in upload.notes) == (encoding == "cp1252")


def test_utf16_in_either_order() -> None:
    assert read("\ufeff".encode("utf-16-be") + f"{ONE}\n{TWO}".encode("utf-16-be")).ids == [ONE, TWO]


def test_a_header_is_no_line_and_an_odd_first_line_is() -> None:
    assert read(f"TaskID\n{ONE}").refused == []
    assert sentences(read(f"abc\n{ONE}"))[1].startswith("“abc” is not a task id; expected")


def test_among_several_columns_of_ids_the_named_one_counts() -> None:
    text = f"OwnerId,LeadId,TaskID\n{THREE},{ONE},{TWO}\n{THREE},{TWO},{ONE}"
    assert read(text, record_type="task").ids == [TWO, ONE]
    assert read(text, record_type="lead").ids == [ONE, TWO]


def test_without_a_header_the_column_that_repeats_least_counts() -> None:
    assert read(f"{THREE},{ONE}\n{THREE},{TWO}").ids == [ONE, TWO]


def test_the_first_sheet_row_may_be_a_line_number_column() -> None:
    assert read(f"1;{ONE}\n2;{TWO}").ids == [ONE, TWO]


def test_rounded_numbers_formulas_and_empty_cells_are_told_apart() -> None:
    upload = read(f'n,id\n1,{ONE}\n2,9.19E+11\n3,=A1\n4,\n5,"=""{TWO}"""')
    assert upload.ids == [ONE]
    assert sentences(upload) == {
        3: "the spreadsheet rounded this number; format the column as text and enter the ids again",
        4: "a formula, not an id; paste the column again as values",
        5: "the cell of the task id is empty",
        6: "a formula, not an id; paste the column again as values",
    }


def test_a_cell_over_several_lines_keeps_the_numbers_of_the_lines_after_it() -> None:
    upload = read(f'id,note\n{ONE},"two\nlines"\nabc,x\n')
    assert list(sentences(upload)) == [4]


def test_a_quotation_mark_that_never_closes_swallows_nothing() -> None:
    upload = read(f'id,note\n{ONE},"open\n{TWO},x\n"{THREE}",y')
    assert upload.ids == [ONE, TWO, THREE]
    assert any("quotation mark" in note for note in upload.notes)


def test_old_mac_line_ends_and_nul_characters() -> None:
    assert read(f"{ONE}\r{TWO}\r").ids == [ONE, TWO]
    assert read("x" * 5000 + f"\n{ONE}\0\n").ids == [ONE]


def test_hostile_texts_are_shortened_and_kept_as_text() -> None:
    upload = read(f"{ONE}\n<script>alert(1)</script>{'x' * 500}")
    assert upload.refused[0].text.startswith("<script>")
    assert len(upload.refused[0].text) == 80


# --- Workbooks ---------------------------------------------------------------------------------------------


def test_a_workbook_with_hidden_rows_formulas_and_numbers() -> None:
    rows = [["Task", "TaskID"], ["a", ONE], ["b", f"{{{TWO.upper()}}}"], ["c", "=B2"], ["d", 919e9], ["e", None]]
    upload = read(workbook(rows, hidden=(3, 4), Other="visible"), "tasks.xlsx")
    assert upload.ids == [ONE, TWO]
    assert sentences(upload) == {
        4: "a formula, not an id; paste the column again as values",
        5: "the spreadsheet rounded this number; format the column as text and enter the ids again",
        6: "the cell of the task id is empty",
    }
    assert upload.notes == [
        "Only the sheet “Sheet” was read; one other sheet was left out.",
        "2 hidden or filtered rows are included.",
        "The ids were taken from column B “TaskID”.",
    ]


def test_blank_rows_count_as_lines_but_get_no_sentence() -> None:
    upload = read(workbook([["TaskID"], [], [ONE], [], ["abc"]]), "t.xlsx")
    assert (upload.ids, list(sentences(upload)), upload.lines) == ([ONE], [5], 2)


def test_dates_and_truth_values_in_the_column_are_sentences() -> None:
    from datetime import datetime

    upload = read(workbook([["TaskID"], [ONE], [datetime(2026, 1, 2)], [True], [1.5]]), "t.xlsx")
    assert upload.ids == [ONE]
    assert list(sentences(upload)) == [3, 4, 5]


def test_row_and_column_numbers_that_lie_cost_nothing() -> None:
    content = changed(workbook([[ONE], [TWO]]), b'r="2"', b'r="900000000"')
    assert read(changed(content, b'r="A2"', b'r="A900000000"'), "t.xlsx").ids == [ONE, TWO]
    assert read(changed(workbook([[ONE], [TWO]]), b'r="A2"', b'r="XFD2"'), "t.xlsx").ids == [ONE]


def changed(content: bytes, old: bytes, new: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(file, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, data.replace(old, new) if "sheet1" in name else data)
    return file.getvalue()


# --- Files that are no list --------------------------------------------------------------------------------


def barred(content: bytes, name: str = "ids.xlsx") -> str:
    with pytest.raises(Barred) as no:
        read(content, name)
    return str(no.value)


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return file.getvalue()


ENTITIES = b'<!DOCTYPE w [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><worksheet>&b;</worksheet>'
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 3000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b" \r\n\r\n ", "empty"),
        (b"\xef\xbb\xbf\n\n", "blank lines"),
        (b"%PDF-1.7 ...", "a PDF document"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\x89PNG\r\n", "a picture"),
        (b"abc\0def", "neither text nor a workbook"),
        (OLE, "old Excel file"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "password protected"),
        (zipped(**{"word__document.xml": b"<x/>"}), "not an Excel workbook"),
        (zipped(**{"[Content_Types].xml": b"<x/>", "xl__workbook.bin": b"x"}), ".xlsb"),
        (zipped(**{"[Content_Types].xml": b"<x/>", "xl__workbook.xml": b"<x"}), "damaged"),
        (workbook([[ONE]])[:-200], "damaged"),
        (b"x" * 1_100_000, "longer than"),
    ],
)
def test_a_file_that_is_no_list_is_refused_with_what_was_expected(content: bytes, words: str) -> None:
    assert words in barred(content)


def test_entities_in_a_sheet_are_refused() -> None:
    content = workbook([[ONE]])
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(file, "w") as target:
        for name in source.namelist():
            target.writestr(name, ENTITIES if name.endswith("sheet1.xml") else source.read(name))
    assert "damaged" in barred(file.getvalue())


def test_a_zip_bomb_is_refused_by_its_declared_size() -> None:
    zeros = b"\0" * (sheets.MAX_STRINGS + 1)
    bomb = zipped(**{"[Content_Types].xml": b"<x/>", "xl__sharedStrings.xml": zeros})
    assert len(bomb) < 1_000_000
    assert "too large when unpacked" in barred(bomb)


def test_a_file_over_the_cap_is_not_read(settings: Any) -> None:
    settings.UPLOAD_CAP = 1024 * 1024
    assert "at most 1 MB" in barred(b"x\n" * 1024 * 1024)


def test_too_many_ids_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_IDS", 2)
    assert "More than 2 ids" in barred(f"{ONE}\n{TWO}\n{THREE}".encode())


def test_twelve_thousand_ids_and_many_bad_lines_stay_small() -> None:
    ids = [str(uuid.UUID(int=number)) for number in range(12_000)]
    upload = read("\n".join(["TaskID", *ids, *["bad"] * 5_000]))
    assert upload.ids == ids
    assert len(upload.refused) == uploads.MAX_REFUSED
    assert upload.counts == {"not an id": 5_000}


@pytest.mark.parametrize("content", [f"TaskID\n{ONE}".encode(), workbook([["TaskID"], [ONE]])])
def test_what_django_hands_over_can_be_read(content: bytes) -> None:
    on_disk = TemporaryUploadedFile("x", "text/csv", len(content), None)
    on_disk.write(content)
    for file in (SimpleUploadedFile("x", content), on_disk):
        upload = uploads.read_ids(file, "C:\\me\\x", record_type="task")
        assert (upload.ids, upload.name) == ([ONE], "x")
        assert not file.closed


# --- Sheets ------------------------------------------------------------------------------------------------


def sheet_of(content: bytes, wanted: str) -> tuple[list[str], list[str]]:
    sheet = sheets.open_sheet(io.BytesIO(content), wanted)
    return [row.cells[0].text for row in sheet.rows], sheet.notes


def two_sheets() -> bytes:
    book = openpyxl.Workbook()
    book.active.title = "First"
    book.active.append([ONE])
    other = book.create_sheet("Second one")
    other.append([TWO])
    other.sheet_state = "hidden"
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize("wanted", ["Second one", " second ONE ", "2"])
def test_a_sheet_is_chosen_by_name_or_number_and_a_hidden_one_is_announced(wanted: str) -> None:
    assert sheet_of(two_sheets(), wanted) == (
        [TWO],
        [
            "The sheet “Second one”, which was read, is hidden.",
            "Only the sheet “Second one” was read; one other sheet was left out.",
        ],
    )
    assert sheet_of(two_sheets(), "")[0] == [ONE]


def test_a_sheet_that_is_not_there_is_a_sentence_with_those_that_are() -> None:
    with pytest.raises(Barred, match="no sheet “Third”; it has “First”, “Second one”"):
        sheet_of(two_sheets(), "Third")


def test_how_many_lines_there_are_is_told_before_they_are_read() -> None:
    assert sheets.open_sheet(io.BytesIO(f"{ONE}\n{TWO}\n".encode())).total == 3
    assert sheets.open_sheet(io.BytesIO(workbook([[ONE], [TWO]]))).total == 2
