"""Each line of an uploaded list gets the records that it means, or a sentence why not."""

import io
from datetime import datetime

import openpyxl
import pytest

from lsq_ops.leadsquared.records import LeadRecord
from lsq_ops.models import Account, Activity, Lead, Task, db_now
from lsq_ops.services import holds, judging, mirror, sheets, uploads
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


def read(account, text, by="id", names="lead", **how):
    """(the judge, what it made of each line)"""
    data = text if isinstance(text, bytes) else text.encode()
    sample, rest = uploads.begin(sheets.open_sheet(io.BytesIO(data)))
    judge = judging.Judge(account, names, {"by": by, **how}, sample)
    return judge, judge.judge([*sample[judge.before_lines :], *rest])


def taken(read):
    return {line.line: line.ids for line in read[1] if line.verdict == "taken"}


def told(read):
    return {line.line: (line.verdict, line.why) for line in read[1] if line.verdict != "taken"}


def test_phones_in_any_notation_with_a_verdict_for_each_line(account):
    text = (
        "Name,Phone\nA,98450 12345\nB,0091-8041234567\nC,9845012399\nD,+91 98450 12345\n"
        "E,\nF,9.19E+11\nG,hello\nH,7000000000\nI,9000000000\nJ,=A1\n"
    )
    made = read(account, text, "phone")
    assert taken(made) == {2: [guid(5001)], 3: [guid(5002)]}
    assert told(made) == {
        4: ("several match", f"2 leads match; give the id of one: {guid(5003)}, {guid(5004)}"),
        5: ("twice", "the lead of line 2 again"),
        6: ("no phone number", "the cell of the phone number is empty"),
        7: (
            "no phone number",
            "the spreadsheet rounded this number; format the column as text and enter the numbers again",
        ),
        8: ("no phone number", "“hello” is no phone number; expected something like +91 98450 12345"),
        9: ("not in the mirror", "not in the mirror; look in LeadSquared and add the lead"),
        10: ("gone", "LeadSquared no longer shows this lead: deleted or merged"),
        11: ("no phone number", "a formula, not a phone number; paste the column again as values"),
    }
    assert made[0].notes == ["Leads were looked for by phone number, in column B “Phone”."]


def test_rows_above_the_headings_are_passed_over(account):
    made = read(account, "Wrong site visits of last week,\n,\nName,Phone\nA,98450 12345\n", "phone")
    assert taken(made) == {4: [guid(5001)]} and told(made) == {}
    assert made[0].notes[0] == "The first row, above the headings, was passed over."  # an empty one is no row


def test_a_row_that_holds_what_is_looked_for_is_no_title(account):
    made = read(account, "98450 12345,x\nPhone,Name\n080 4123 4567,y\n", "phone")
    assert taken(made) == {1: [guid(5001)], 3: [guid(5002)]}
    assert told(made)[2][0] == "no phone number"


def test_a_title_above_ids(account):
    made = read(account, f"Leads to clean up\nProspect ID\n{guid(5001)}\n")
    assert taken(made) == {3: [guid(5001)]} and told(made) == {}


def test_every_verdict_has_its_place_on_the_page(account):
    made = {name for name in vars(judging) if name.isupper() and isinstance(getattr(judging, name), str)}
    assert {getattr(judging, name) for name in made} <= set(judging.VERDICTS)
    assert len(set(judging.VERDICTS)) == len(judging.VERDICTS)


def test_e_mails_without_a_header(account):
    made = read(account, "x;ASHA@example.com\ny;bruno@example.com\nz;twin@example.com\n", "email")
    assert taken(made) == {1: [guid(5001)], 2: [guid(5002)]}
    assert told(made)[3][0] == "several match"


def test_of_two_leads_with_one_number_the_one_that_is_still_there_is_meant(account):
    Lead.objects.filter(number="5003").update(gone_at=db_now())
    assert taken(read(account, "twin@example.com\n", "email")) == {1: [guid(5004)]}


def test_numbers_need_a_heading_or_to_be_pointed_at(account):
    assert taken(read(account, "5001\n5002\n", "number")) == {1: [guid(5001)], 2: [guid(5002)]}
    assert taken(read(account, "Owner,ProspectAutoId\nx,5002\n", "number")) == {2: [guid(5002)]}
    with pytest.raises(Barred, match="Say which column"):
        read(account, "Owner,Code\nx,5002\n", "number")
    for column in ("B", "b", "Code", " code "):
        made = read(account, "Owner,Code\nx,5002\n", "number", column=column)
        assert (taken(made), told(made)) == ({2: [guid(5002)]}, {})
    with pytest.raises(Barred, match="from A to B"):
        read(account, "Owner,Code\nx,5002\n", "number", column="Z")


def test_a_number_cell_of_a_workbook_is_a_phone_too(account):
    made = read(account, workbook([["Mobile", "Who"], [9845012345, "A"], [8041234567, "B"]]), "phone")
    assert taken(made) == {2: [guid(5001)], 3: [guid(5002)]}


def workbook(rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_ids_of_leads_with_the_column_named(account, people):
    holds.set_holds(people.pia, "lead", [guid(5002)], "court case")
    text = f"Other,Lead\n{guid(1)},{guid(5001)}\n{guid(2)},{guid(5002)}\n{guid(3)},{guid(9)}\n,abc\n,{guid(5005)}\n"
    made = read(account, text + f",{{{guid(5001)}}}\n", column="Lead")
    assert taken(made) == {2: [guid(5001)]}
    assert told(made) == {
        3: ("on hold", "on hold: court case"),
        4: ("not in the mirror", "not in the mirror; add the lead first"),
        5: ("not an id", f"“abc” is not a lead id; expected something like {uploads.SAMPLE_ID}"),
        6: ("gone", "LeadSquared no longer shows this lead: deleted or merged"),
        7: ("twice", "twice; first on line 2"),
    }
    assert {line.line: line.ids for line in made[1] if line.verdict != "taken"}[4] == [guid(9)]


def test_a_lead_on_hold_is_told_by_its_e_mail_too(account, people):
    holds.set_holds(people.pia, "lead", [guid(5001)], "court case")
    assert told(read(account, "asha@example.com\n", "email")) == {1: ("on hold", "on hold: court case")}


def test_a_task_is_on_hold_by_itself_or_by_its_lead(account, people):
    for number, lead in ((1, guid(5001)), (2, guid(5002)), (3, "")):
        Task.objects.create(account=account, task_id=guid(number), lead_id=lead, read_at=db_now())
    holds.set_holds(people.pia, "task", [guid(3)], "audit")
    holds.set_holds(people.pia, "lead", [guid(5002)], "court case")
    made = read(account, "TaskID\n" + "\n".join(guid(number) for number in (1, 2, 3, 4)), names="task")
    assert taken(made) == {2: [guid(1)]}
    assert told(made) == {
        3: ("on hold", "on hold: court case"),
        4: ("on hold", "on hold: audit"),
        5: ("not in the mirror", "not in the mirror; read its owner's tasks first, then this file again"),
    }


# --- Activities ---------------------------------------------------------------------------------------------


SITE_VISIT, CALL = 201, 202


def activity(account, number, lead, at, code=SITE_VISIT, **rest):
    facts = {"event_code": code, "activity_type": 2, "created_on": datetime.fromisoformat(at), "read_at": db_now()}
    lead = Lead.objects.get(account=account, prospect_id=lead)
    Activity.objects.create(account=account, lead=lead, activity_id=guid(number), **{**facts, **rest})


@pytest.fixture
def with_activities(account):
    Account.objects.filter(pk=account.pk).update(time_zone="Asia/Kolkata")
    account.refresh_from_db()
    Lead.objects.exclude(number="5003").update(records_read_at=db_now())
    asha, bruno = guid(5001), guid(5002)
    activity(account, 1, asha, "2026-11-19T18:29:59+00:00")  # the evening before, in Kolkata
    activity(account, 2, asha, "2026-11-19T18:30:00+00:00")
    activity(account, 3, asha, "2026-11-20T18:29:59.999999+00:00")
    activity(account, 4, asha, "2026-11-20T18:30:00+00:00")
    activity(account, 5, asha, "2026-11-20T09:00:20+00:00", CALL)
    activity(account, 6, asha, "2026-11-20T10:00:00+00:00", gone_at=db_now())
    activity(account, 7, asha, "2026-11-20T10:00:00+00:00", activity_type=1)
    activity(account, 8, bruno, "2026-11-20T10:00:00+00:00")
    return account


def by_day(account, text, **how):
    return read(account, text, how.pop("by", "number"), "day", **{"codes": [SITE_VISIT], **how})


def test_a_lead_and_a_day_mean_its_activities_of_that_local_day(with_activities):
    made = by_day(with_activities, "Number,Day\n5001,2026-11-20\n5002,20/11/2026\n5002,25/11/2026\n5002,1/11/2026\n")
    assert taken(made) == {2: [guid(2), guid(3)], 3: [guid(8)]}
    assert [line.text for line in made[1]][:2] == ["5001 · 2026-11-20", "5002 · 20/11/2026"]
    assert made[0].notes[1] == "Days were taken from column B “Day”, as Asia/Kolkata has them."


def test_only_the_chosen_types_are_meant(with_activities):
    text = "Number,Day\n5001,2026-11-20\n"
    assert taken(by_day(with_activities, text, codes=[CALL])) == {2: [guid(5)]}
    assert taken(by_day(with_activities, text, codes=[SITE_VISIT, CALL])) == {2: [guid(2), guid(5), guid(3)]}
    for none in ([], [7]):
        with pytest.raises(Barred, match="at least one activity type"):
            by_day(with_activities, text, codes=none)


def test_a_window_and_a_minute(with_activities):
    text = "Number,From,To\n5001,2026-11-19,2026-11-20\n5002,2026-11-21,2026-11-20\n"
    made = by_day(with_activities, text, until="To")
    assert taken(made) == {2: [guid(1), guid(2), guid(3)]}
    assert told(made) == {3: ("no day", "it ends before it begins")}
    made = by_day(with_activities, "Number,At\n5001,2026-11-20 14:30\n5001,2026-11-20 14:31\n", codes=[CALL])
    assert taken(made) == {2: [guid(5)]}
    assert told(made)[3][0] == "no such activity on that day"


def test_a_line_with_a_day_gets_every_sentence_that_it_deserves(with_activities, people):
    text = (
        "Mail,Date\nasha@example.com,2026-11-20\nasha@example.com,2026-11-20\nasha@example.com,\n"
        "asha@example.com,soon\nbruno@example.com,2026-11-22\nnobody@example.com,2026-11-20\n"
    )
    made = by_day(with_activities, text, by="email")
    assert told(made) == {
        3: ("twice", "line 2 takes its activities already"),
        4: ("no day", "the cell of the day is empty"),
        5: ("no day", "“soon” is no day"),
        6: (
            "no such activity on that day",
            "the mirror has no activity of the chosen types on this lead at that time",
        ),
        7: ("not in the mirror", "not in the mirror; look in LeadSquared and add the lead"),
    }
    made = by_day(with_activities, f"Lead,Date\n{guid(5003)},2026-11-20\n", by="id")
    assert told(made)[2][0] == "not read"
    assert made[1][0].ids == [guid(5003)]


def test_a_later_window_takes_only_what_no_line_took_before(with_activities):
    text = "Number,From,To\n5001,2026-11-20,2026-11-20\n5001,2026-11-19,2026-11-21\n"
    assert taken(by_day(with_activities, text, until="C")) == {2: [guid(2), guid(3)], 3: [guid(1), guid(4)]}


def test_days_that_can_be_read_two_ways_are_asked_about(with_activities):
    text = "Number,Day\n5001,03/04/2026\n"
    with pytest.raises(Barred, match="“03/04/2026” can be read two ways"):
        by_day(with_activities, text)
    made = by_day(with_activities, text, order="month first")
    assert made[0].notes[-1] == "Days were read with the month first."
    made = by_day(with_activities, text + "5001,20/11/2026\n")
    assert (taken(made), made[0].notes[-1]) == ({3: [guid(2), guid(3)]}, "Days were read with the day first.")


def test_a_file_without_a_day_is_a_sentence(with_activities):
    with pytest.raises(Barred, match="No column holds days"):
        by_day(with_activities, "Number,Name\n5001,Asha\n")
    with pytest.raises(Barred, match="no column “Z”"):
        by_day(with_activities, "Number,Day\n5001,2026-11-20\n", day="Z")


def test_a_date_cell_of_a_workbook_is_its_day(with_activities):
    rows = [["Number", "Day"], ["5001", datetime(2026, 11, 20)], ["5001", datetime(2026, 11, 20, 14, 30)]]
    made = by_day(with_activities, workbook(rows), codes=[SITE_VISIT])
    assert taken(made) == {2: [guid(2), guid(3)]}
    assert told(made)[3][0] == "no such activity on that day"


def test_activities_by_their_ids(with_activities, people):
    holds.set_holds(people.pia, "lead", [guid(5002)], "court case")
    text = "ActivityID\n" + "\n".join(guid(number) for number in (2, 6, 7, 8, 9, 2))
    made = read(with_activities, text, names="activity")
    assert taken(made) == {2: [guid(2)]}
    assert told(made) == {
        3: ("gone", "LeadSquared no longer shows this activity: deleted"),
        4: ("can't be deleted", "a system activity; LeadSquared deletes custom ones only"),
        5: ("on hold", "on hold: court case"),
        6: ("not in the mirror", "not in the mirror; read its lead first, then this file again"),
        7: ("twice", "twice; first on line 2"),
    }


def test_what_earlier_lines_took_is_twice_in_a_later_batch(account):
    data = f"{guid(5001)}\n".encode()
    sample, _ = uploads.begin(sheets.open_sheet(io.BytesIO(data)))
    judge = judging.Judge(account, "lead", {}, sample, {guid(5001): 7})
    assert judge.judge(sample)[0].why == "twice; first on line 7"


def test_more_records_than_a_list_holds(account, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_IDS", 1)
    with pytest.raises(Barred, match="More than 1 records"):
        read(account, f"{guid(5001)}\n{guid(5002)}\n")


def test_an_empty_file_is_a_sentence(account):
    with pytest.raises(Barred):
        read(account, "\n\n", "email")
