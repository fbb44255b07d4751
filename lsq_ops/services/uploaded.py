"""An uploaded list from its file to a selection: kept in parts, unpacked into rows, judged a part at a time by whoever
has time, resumed where it stood; and the same file back, with what became of every line."""

import io
import json
import tempfile
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, BinaryIO, cast

from django.db.models import F, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from lsq_ops.models import (
    DeletionItem,
    DeletionRequest,
    RequestVersion,
    Selection,
    UploadedLine,
    UploadedList,
    UploadedPart,
    audited,
    db_now,
    record,
)
from lsq_ops.queue import ring
from lsq_ops.wording import marked

from . import accounts, drafting, leases, sheets, spreadsheet, uploads
from .judging import BATCH, NOT_READ, TAKEN, UNKNOWN, Judge, Line
from .may import Barred, Person, need
from .parts import parts
from .sheets import Cell, Row

AT_ONCE = 2  # seconds that whoever uploads waits: most lists are read by then
SHORT = 10_000  # lines; a longer list is unpacked by the worker
SLICE = 10  # seconds of a worker, before it looks for what is more urgent
TRIES = 5
ERASED, WITHOUT = (
    marked("erased"),
    "(erased)",
)  # the verdict of a line that named somebody who was, and what stands there
MAX_LINES = 200_000
_READ_FIRST = (UNKNOWN, NOT_READ)


def receive(user: Person, file: BinaryIO, filename: str, *, names: str, how: dict[str, Any]) -> UploadedList:
    """Keep the file, and begin to read it. Barred (and nothing is kept) where it is no list, or lacks the columns.

    `names` and `how` as services/judging.py takes them; `how["sheet"]`: a workbook's sheet, by name or number.
    """
    need(user, "draft")
    account = accounts.current_account()
    sheet = sheets.open_sheet(file, how.get("sheet", ""))
    sample, __ = uploads.begin(sheet)
    judge = Judge(account, names, how, sample)
    how = {**how, "order": judge.days.order} if judge.days else how
    with audited():
        now = db_now()
        upload = UploadedList.objects.create(
            account=account,
            user=user,
            name=uploads.name_of(filename),
            sha256=uploads.digest(file),
            size=file.seek(0, io.SEEK_END),
            made_at=now,
            names=names,
            how=how,
            total=sheet.total,
            notes=[*sheet.notes, *judge.notes],
            claimed_until=leases.end(now),
        )
        _keep(upload, file)
    _begin(upload)
    return upload


def _begin(upload: UploadedList) -> None:
    """Whoever asked for it waits for a short one."""
    if upload.unpacked or upload.total <= SHORT:
        step(upload, time.monotonic() + AT_ONCE)
    else:
        _hand_over(upload)
    upload.refresh_from_db()


def _keep(upload: UploadedList, file: BinaryIO) -> None:
    file.seek(0)
    for number, data in enumerate(iter(lambda: file.read(sheets.CHUNK), b"")):
        UploadedPart.objects.create(upload=upload, number=number, data=data)


def _file(upload: UploadedList) -> BinaryIO:
    """As it came; gone when it is closed."""
    file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115  (whoever asked closes it)
    for data in _parts(upload):
        file.write(data)
    file.seek(0)
    return file


def _parts(upload: UploadedList) -> Iterator[bytes]:
    """Read one by one, as each is wanted."""
    return (_part(upload, number) for number in range(upload.parts.count()))


def _part(upload: UploadedList, number: int) -> bytes:
    return bytes(upload.parts.values_list("data", flat=True).get(number=number))


# --- Reading it ---------------------------------------------------------------------------------------------


def claim() -> UploadedList | None:
    """The next upload to read, ours for the time of a lease; None where none is."""
    due = _unread().select_related("account").order_by("pk")
    upload: UploadedList | None = leases.take(due, _unread(), tries=F("tries") + 1)
    if upload:
        upload.tries += 1
    return upload


def _ours(upload: UploadedList) -> QuerySet[UploadedList]:
    """The row, while it is read by nobody but us."""
    return leases.held(_unread(), upload)


def _unread() -> QuerySet[UploadedList]:
    return UploadedList.objects.filter(read_at__isnull=True)


def step(upload: UploadedList, until: float | None = None) -> None:
    """Unpack it, judge its next lines; at least one part of them, then until the time is over."""
    until = time.monotonic() + SLICE if until is None else min(until, time.monotonic() + SLICE)
    if not _ours(upload).exists():
        return  # it was thrown away
    if upload.tries > TRIES:
        _end(upload, _("It takes too long to read. Save the columns that matter alone, as CSV."))
        return
    try:
        if upload.unpacked or _unpack(upload):
            _judge_on(upload, until)
    except Barred as no:
        _end(upload, str(no))


def _unpack(upload: UploadedList) -> bool:
    """The file's rows in place of the file: a workbook takes long to open, and can't be opened in its middle. False
    where it is no longer ours."""
    with _file(upload) as file:
        sheet = sheets.open_sheet(file, upload.how.get("sheet", ""))
        packed = [_packed(batch) for batch in _batches(row for row in sheet.rows if uploads.has_text(row))]
    notes = [*sheet.notes, *_judge(upload, packed).notes]
    with audited():
        if not _ours(upload).update(unpacked=True, notes=notes):
            return False
        upload.parts.all().delete()
        rows = [UploadedPart(upload=upload, number=number, data=data) for number, data in enumerate(packed)]
        UploadedPart.objects.bulk_create(rows, batch_size=20)
    upload.unpacked, upload.notes = True, notes
    return True


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """As many rows as one transaction takes, and fewer of very long ones."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(len(cell.text) for cell in row.cells)
        if len(batch) >= BATCH or size >= sheets.CHUNK:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _packed(rows: list[Row]) -> bytes:
    told = [[row.line, [[cell.text, cell.kind] for cell in row.cells]] for row in rows]
    return zlib.compress(json.dumps(told, ensure_ascii=True).encode(), 1)


def _unpacked(part: bytes) -> list[Row]:
    return [Row(line, [Cell(*cell) for cell in cells]) for line, cells in json.loads(zlib.decompress(part))]


def _rows(packed: Iterable[bytes]) -> Iterator[Row]:
    return chain.from_iterable(map(_unpacked, packed))


def _judge(upload: UploadedList, packed: Iterable[bytes], seen: dict[str, int] | None = None) -> Judge:
    return Judge(upload.account, upload.names, upload.how, list(islice(_rows(packed), uploads.SAMPLE)), seen)


def _judge_on(upload: UploadedList, until: float) -> None:
    judge = _judge(upload, _parts(upload), _seen(upload))
    for number in range(upload.read_parts, upload.parts.count()):
        batch = _unpacked(_part(upload, number))
        if number == 0:
            del batch[: judge.before_lines]
        if upload.lines + len(batch) > MAX_LINES:
            raise Barred(_("More than {max_lines:,} lines at once. Split the file.").format(max_lines=MAX_LINES))
        if not _keep_lines(upload, judge.judge(batch)):
            return  # our lease ran out, and somebody else reads on
        if time.monotonic() > until:
            _hand_over(upload)
            return
    _end(upload, taken=judge.seen)


def _seen(upload: UploadedList) -> dict[str, int]:
    taken = upload.judged.filter(verdict=TAKEN, line__lte=upload.last_line).order_by("line")
    return {one: line for line, ids in taken.values_list("line", "ids").iterator() for one in ids}


def _keep_lines(upload: UploadedList, lines: list[Line]) -> bool:
    """One batch, one transaction: the lines, and how far it came. False where it is no longer ours."""
    counts = Counter(upload.counts)
    counts.update(line.verdict for line in lines)
    lease = leases.end(db_now())
    facts: dict[str, Any] = {"read_parts": upload.read_parts + 1, "counts": dict(counts), "tries": 0}
    facts |= {"lines": upload.lines + len(lines), "last_line": lines[-1].line if lines else upload.last_line}
    with audited():
        if not _ours(upload).update(claimed_until=lease, **facts):
            return False
        UploadedLine.objects.bulk_create(
            [
                UploadedLine(
                    upload=upload,
                    line=one.line,
                    verdict=one.verdict,
                    text=one.text.replace("\0", ""),
                    why=one.why[:300].replace("\0", ""),
                    ids=one.ids,
                )
                for one in lines
            ],
            batch_size=500,
        )
    for name, value in {"claimed_until": lease, **facts}.items():
        setattr(upload, name, value)
    return True


def _hand_over(upload: UploadedList) -> None:
    """The rest is read by whoever is free."""
    if _ours(upload).update(claimed_until=None):
        ring("work")


def _end(upload: UploadedList, why: str = "", taken: Iterable[str] = ()) -> None:
    """It is read; what it takes is frozen as a selection, unless there is a reason why not."""
    with audited():
        if not _ours(upload).select_for_update(no_key=True).exists():
            return
        facts: dict[str, Any] = {"read_at": db_now(), "why": why[:300], "claimed_until": None}
        if ids := list(taken):
            facts["selection"] = _selection(upload, ids)
        _ours(upload).update(**facts)
        record(
            "upload.read",
            upload,
            actor=upload.user.get_username(),
            sha256=upload.sha256,
            lines=upload.lines,
            taken=upload.counts.get(TAKEN, 0),
            whole=not why,
        )


def _selection(upload: UploadedList, ids: list[str]) -> Selection:
    return Selection.objects.create(
        account=upload.account,
        user=upload.user,
        record_type=upload.record_type,
        ids=ids,
        source=upload.source(),
        made_at=db_now(),
    )


# --- By its owner -------------------------------------------------------------------------------------------


def own(user: Person, upload: UploadedList) -> None:
    """Whoever uploaded it works with it; to others it isn't there."""
    need(user, "draft", upload)
    if upload.user_id != user.pk:
        raise Barred(_("This was uploaded by somebody else."))


def to_read(upload: UploadedList) -> int:
    """How many leads its lines name that must be read first, and can be: one that the mirror lacks by its id only."""
    if upload.record_type == "task" or upload.names == "activity":
        return 0
    by_id = upload.how.get("by", "id") == "id"
    return sum(upload.counts.get(verdict, 0) for verdict in (_READ_FIRST if by_id else (NOT_READ,)))


def select_to_read(user: Person, upload: UploadedList) -> Selection:
    """Those leads, as a selection. Barred where their ids aren't known."""
    own(user, upload)
    need(user, "refresh_mirror")
    lines = upload.judged.filter(verdict__in=_READ_FIRST).order_by("line").values_list("ids", flat=True)
    ids = list(dict.fromkeys(chain.from_iterable(lines.iterator())))
    if not ids:
        raise Barred(_("None of these lines gives a lead's id: look for them in LeadSquared, and add them there."))
    return drafting.select(user, "lead", ids, upload.source())


def read_again(user: Person, upload: UploadedList) -> None:
    """Judge the same file by what the mirror has now."""
    own(user, upload)
    with audited():
        if not upload.parts.exists():
            raise Barred(_("The file isn't kept any more; upload it again."))
        fresh: dict[str, Any] = {"read_at": None, "why": "", "last_line": 0, "lines": 0, "counts": {}}
        fresh |= {"read_parts": 0, "tries": 0}
        rows = UploadedList.objects.filter(pk=upload.pk, read_at__isnull=False)
        if not rows.update(**fresh, selection=None, claimed_until=leases.end(db_now())):
            raise Barred(_("It is being read."))
        upload.judged.all().delete()
    upload.refresh_from_db()
    _begin(upload)


def throw_away(user: Person, upload: UploadedList) -> None:
    """The file and its lines, not what was made of them: what was picked and asked stays."""
    own(user, upload)
    with audited():
        if not empty([upload.pk]):
            raise Barred(_("It was thrown away before."))
        record("upload.thrown_away", upload, actor=str(user), sha256=upload.sha256)


def empty(pks: Iterable[int]) -> int:
    """Without their files and lines from now on, in the running transaction; how many had them."""
    now = db_now()
    rows = UploadedList.objects.filter(pk__in=list(pks), thrown_at__isnull=True)
    emptied = list(rows.values_list("pk", flat=True))
    rows.update(thrown_at=now, read_at=Coalesce("read_at", Value(now)), claimed_until=None)
    UploadedPart.objects.filter(upload__in=emptied).delete()
    UploadedLine.objects.filter(upload__in=emptied).delete()
    return len(emptied)


def erase_lines(part: UploadedPart, names: Callable[[str, Iterable[str]], bool], why: str) -> int:
    """The lines of a part that name somebody, by what stands in them or by what they take, lose text and verdict, in
    the running transaction; how many did. A worker that reads the upload loses its lease, so that it doesn't write
    what it read before."""
    rows = _unpacked(bytes(part.data))
    if not rows:
        return 0
    judged = part.upload.judged.filter(line__gte=rows[0].line, line__lte=rows[-1].line)
    theirs = {line.line for line in judged if names(line.text, line.ids)}
    theirs |= {row.line for row in rows if names("\n".join(cell.text for cell in row.cells), ())}
    if theirs:
        told = [Row(row.line, _blank(row)) if row.line in theirs else row for row in rows]
        UploadedPart.objects.filter(pk=part.pk).update(data=_packed(told))
        _erase_verdicts(part.upload_id, theirs, why)
    return len(theirs)


def _blank(row: Row) -> list[Cell]:
    return [Cell(WITHOUT, "text"), *[Cell("", "text")] * (len(row.cells) - 1)]


def _erase_verdicts(upload_id: int, lines: Iterable[int], why: str) -> None:
    upload = UploadedList.objects.select_for_update(no_key=True).get(pk=upload_id)
    counts = Counter(upload.counts)
    for part in parts(sorted(lines)):
        rows = UploadedLine.objects.filter(upload=upload, line__in=part).exclude(verdict=ERASED)
        for verdict in rows.values_list("verdict", flat=True):
            counts[verdict] -= 1
            counts[ERASED] += 1
        rows.update(verdict=ERASED, text=WITHOUT, why=why, ids=[])
    facts: dict[str, Any] = {"counts": {verdict: count for verdict, count in counts.items() if count}}
    UploadedList.objects.filter(pk=upload_id).update(**facts, **({} if upload.read_at else {"claimed_until": None}))


# --- The file back ------------------------------------------------------------------------------------------

OUTCOMES = dict(DeletionItem.Outcome.choices)


def outcome_file(user: Person, upload: UploadedList, into: BinaryIO) -> None:
    """The file as CSV, with each line's verdict and what became of what it took; our columns first."""
    own(user, upload)
    if upload.read_at is None:
        raise Barred(_("It is still being read."))
    if not upload.unpacked or not upload.parts.exists():
        raise Barred(_("The file isn't kept any more.") if upload.thrown_at else _("It could not be read; see why."))
    requests = list(requests_of(upload))
    with audited():
        record("upload.outcome_taken", upload, actor=str(user), sha256=upload.sha256, requests=[r.pk for r in requests])
    rows = _rows(_parts(upload))
    judge = _judge(upload, _parts(upload))
    before = list(islice(rows, judge.before_lines))
    heading = [cell.text for cell in before[-1].cells] if judge.has_header else []
    header = [_("LSQ Ops: line"), "verdict", "why", "requests", "outcome", *heading]
    about = _("{name} (SHA-256 {sha256})").format(name=upload.name, sha256=upload.sha256)
    for data in spreadsheet.lines(header, _told(upload, rows, requests), about=about, by=str(user), at=db_now()):
        into.write(data)
    into.seek(0)


def requests_of(upload: UploadedList) -> QuerySet[DeletionRequest]:
    """Those that were made from it, and their clones."""
    versions = RequestVersion.objects.filter(source__upload=upload.pk)
    return DeletionRequest.objects.filter(pk__in=versions.values("request")).order_by("pk")


def _told(upload: UploadedList, rows: Iterable[Row], requests: list[DeletionRequest]) -> Iterator[list[Any]]:
    """The file's rows and their verdicts walk side by side: both are in the order of the lines."""
    versions = {request.version.pk: request for request in requests}
    for batch in parts(rows, BATCH):
        judged = upload.judged.filter(line__gte=batch[0].line, line__lte=batch[-1].line)
        lines = {line.line: line for line in judged}
        taken = {one for line in lines.values() if line.verdict == TAKEN for one in line.ids}
        became = _became(upload, versions, taken)
        for row in batch:
            line = lines.get(row.line)
            ours = [line.verdict, line.why] if line else [_("not read"), upload.why]
            of_line = became.get_all(line.ids) if line and line.verdict == TAKEN else ["", ""]
            yield [row.line, *ours, *of_line, *(cell.text for cell in row.cells)]


class _Became:
    """record -> request -> outcome -> how many."""

    def __init__(self, asked: list[str]) -> None:
        self.asked = asked
        self.found: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))

    def get_all(self, ids: list[str]) -> list[str]:
        """(requests, outcome) of a line."""
        total: dict[str, Counter[str]] = defaultdict(Counter)
        for one in ids:
            for request, outcomes in self.found.get(one, {}).items():
                total[request].update(outcomes)
        if not total:
            return ["", _("nothing of it was found to delete") if self.asked else _("nothing was asked")]
        said = [", ".join(f"{n:,} {outcome}" for outcome, n in sorted(total[name].items())) for name in total]
        named = said if len(total) == 1 else [f"{name}: {words}" for name, words in zip(total, said, strict=True)]
        return [", ".join(total), "; ".join(named)]


def _became(upload: UploadedList, versions: dict[int, DeletionRequest], ids: set[str]) -> _Became:
    made = _Became([str(request) for request in versions.values()])
    column = "lead_id" if upload.record_type == "lead" else "record_id"
    for part in parts(sorted(ids)) if versions else ():
        items = DeletionItem.objects.filter(version__in=versions, **{f"{column}__in": part})
        for one, version, outcome in items.values_list(column, "version_id", "outcome"):
            request = versions[version]
            to_go = _("still to go ({state})").format(state=request.get_state_display())
            said = OUTCOMES.get(outcome) or (_("not deleted") if request.is_over else to_go)
            made.found[one][str(request)][said] += 1
    return made
