"""Leads named by number, e-mail or phone in a file: each line gets the one it means, or a sentence."""

import io

import openpyxl
import pytest

from lsq_ops.leadsquared.records import LeadRecord
from lsq_ops.models import Lead, db_now
from lsq_ops.services import holds, lookups, mirror, uploads
from lsq_ops.services.may import Barred


def guid(number):
    return f"00000000-0000-0000-0000-{number:012}"


@pytest.fixture
def account(people):
    leads = [
        {"ProspectAutoId": "5001", "EmailAddress": "Asha@Example.com", "Phone": "+91-9845012345"},
        {"ProspectAutoId": "5002", "EmailAddress": "bruno@example.com", "Mobile": "080 4123 4567"},
        {"ProspectAutoId": "5003", "EmailAddress": "twin@example.com", "Phone": "+1 984 501 2399"},
        {"ProspectAutoId": "5004", "EmailAddress": "twin@example.com", "Phone": "+91 984 501 2399"},
        {"ProspectAutoId": "5005", "EmailAddress": "gone@example.com", "Phone": "9000000000"},
    ]
    rows = [LeadRecord.model_validate({"ProspectID": guid(5001 + n), **lead}) for n, lead in enumerate(leads)]
    mirror.write_leads(people.account, rows)
    Lead.objects.filter(number="5005").update(gone_at=db_now())
    return people.account


def read(account, text, by, **rest):
    data = text if isinstance(text, bytes) else text.encode()
    name = "leads.xlsx" if data.startswith(b"PK") else "leads.csv"
    return lookups.read(io.BytesIO(data), name, account, by=by, **rest)


def told(upload):
    return {line: sentence for line, _, sentence in upload.refused}


def test_phones_in_any_notation_with_a_verdict_for_each_line(account):
    text = (
        "Name,Phone\nA,98450 12345\nB,0091-8041234567\nC,9845012399\nD,+91 98450 12345\n"
        "E,\nF,9.19E+11\nG,hello\nH,7000000000\nI,9000000000\nJ,=A1\n"
    )
    upload = read(account, text, "phone")
    assert upload.ids == [guid(5001), guid(5002)]
    assert upload.line_of == {guid(5001): 2, guid(5002): 3}
    assert told(upload) == {
        4: f"2 leads match; give the id of one: {guid(5003)}, {guid(5004)}",
        5: "the lead of line 2 again",
        6: "the cell of the phone number is empty",
        7: "the spreadsheet rounded this number; format the column as text and enter the numbers again",
        8: "“hello” is no phone number; expected something like +91 98450 12345",
        9: "not in the mirror; look in LeadSquared and add the lead",
        10: "LeadSquared no longer shows this lead: deleted or merged",
        11: "a formula, not a phone number; paste the column again as values",
    }
    assert upload.counts == {
        "several match": 1, "twice": 1, "no phone number": 4, "not in the mirror": 1, "gone": 1,
    }  # fmt: skip
    assert upload.lines == 10
    assert "Leads were looked for by phone number, in column B “Phone”." in upload.notes


def test_e_mails_without_a_header(account):
    upload = read(account, "x;ASHA@example.com\ny;bruno@example.com\nz;twin@example.com\n", "email")
    assert upload.ids == [guid(5001), guid(5002)]
    assert upload.counts == {"several match": 1}


def test_numbers_need_a_heading_or_to_be_pointed_at(account):
    assert read(account, "5001\n5002\n", "number").ids == [guid(5001), guid(5002)]
    assert read(account, "Owner,ProspectAutoId\nx,5002\n", "number").ids == [guid(5002)]
    with pytest.raises(Barred, match="Say which column"):
        read(account, "Owner,Code\nx,5002\n", "number")
    for column in ("B", "b", "Code", " code "):
        upload = read(account, "Owner,Code\nx,5002\n", "number", column=column)
        assert (upload.ids, upload.refused) == ([guid(5002)], [])
    with pytest.raises(Barred, match="from A to B"):
        read(account, "Owner,Code\nx,5002\n", "number", column="Z")


def test_a_number_cell_of_a_workbook_is_a_phone_too(account):
    book = openpyxl.Workbook()
    for row in (["Mobile", "Who"], [9845012345, "A"], [8041234567, "B"]):
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    assert read(account, file.getvalue(), "phone").ids == [guid(5001), guid(5002)]


def test_a_lead_on_hold_is_told_as_with_ids(account, people):
    holds.set_holds(people.pia, "lead", [guid(5001)], "court case")
    upload = uploads.check_known(read(account, "asha@example.com\n", "email"), account, record_type="lead")
    assert (upload.ids, told(upload)) == ([], {1: "on hold: court case"})


def test_an_empty_file_is_a_sentence(account):
    with pytest.raises(Barred):
        read(account, "\n\n", "email")
