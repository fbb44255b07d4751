"""What each line of an uploaded list means: the records that it takes, or one verdict and a sentence why none.

A line is judged by what the mirror holds at that moment; nothing is asked of LeadSquared and nothing is written.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lsq_ops.kinds.activities import CUSTOM, CUSTOM_CODES
from lsq_ops.models import Account, Activity, Lead, Task
from lsq_ops.wording import lazy, marked

from . import days, holds, lookups, uploads
from .days import Span
from .lookups import plain
from .may import Barred
from .parts import parts
from .sheets import Row

TAKEN, TWICE, GONE, HELD = marked("taken"), marked("twice"), marked("gone"), marked("on hold")
NOT_AN_ID, SEVERAL, UNKNOWN = marked("not an id"), marked("several match"), marked("not in the mirror")
NO_DAY, NOT_READ, NONE_THERE, FIXED = (
    marked("no day"),
    marked("not read"),
    marked("no such activity on that day"),
    marked("can't be deleted"),
)
# In the order in which pages name them.
VERDICTS = (
    *(TAKEN, TWICE, NOT_AN_ID, *(key.none for key in lookups.KEYS.values()), SEVERAL, UNKNOWN, GONE, HELD),
    *(NO_DAY, NOT_READ, NONE_THERE, FIXED),
)
BATCH = 2_000
TITLE_ROWS = 5  # that may stand above the headings
DAY_HEADINGS = ("day", "date", "activitydate", "createdon", "activitydatetime", "from", "fromdate", "since", "start")
_ADD = {
    "lead": lazy("not in the mirror; add the lead first"),
    "activity": lazy("not in the mirror; read its lead first, then this file again"),
    "task": lazy("not in the mirror; read its owner's tasks first, then this file again"),
}


@dataclass(slots=True)
class Line:
    """`ids`: the records that it takes; where a lead must be read first, that lead."""

    row: Row
    text: str
    ids: list[str] = field(default_factory=list)
    verdict: str = ""
    why: str = ""

    @property
    def line(self) -> int:
        return self.row.line

    def refuse(self, verdict: str, why: str, ids: Iterable[str] = ()) -> None:
        self.verdict, self.why, self.ids = verdict, why, list(ids)


class Known(NamedTuple):
    """What the mirror has of a lead, an activity or a task. `held_by`: ids whose hold covers it too."""

    pk: int
    gone: bool
    held_by: tuple[str, ...] = ()
    read: bool = True
    fixed: bool = False


class Judge:
    """Finds the columns in a file's first rows (Barred where it can't), then judges rows, a batch at a time.

    `names`: "lead", "activity", "task", or "day" for a lead and a day. `how`: `by` ("id" or one of lookups.KEYS),
    `column`, `day`, `until` (letters or headings; empty: found by what they hold), `codes` (activity types), `order`
    (of day and month). `seen`: what earlier lines took, record -> line.
    """

    def __init__(
        self, account: Account, names: str, how: dict[str, Any], sample: list[Row], seen: dict[str, int] | None = None
    ) -> None:
        self.account, self.names, self.how = account, names, how
        self.seen: dict[str, int] = {} if seen is None else seen
        self.record_type = "lead" if names == "day" else names
        self.key = lookups.KEYS.get(how.get("by", "id"))
        self.above = self._above(sample)
        sample = sample[self.above :]
        self.at = self._column(sample)
        self.headings = [heading] if (heading := self._heading(sample[0])) else []
        self.notes = list(self._notes(sample))
        self.days = _Days(account, how, sample, self.at) if names == "day" else None
        if self.days:
            self.headings += [self.days.heading] if self.days.heading else []
            self.notes += self.days.notes

    @property
    def has_header(self) -> bool:
        return bool(self.headings)

    @property
    def before_lines(self) -> int:
        """How many rows of the file stand before its first line: a title and the like, and the headings."""
        return self.above + self.has_header

    def _above(self, sample: list[Row]) -> int:
        """How many rows stand above the headings, as people put a title there; 0 where no row names the column."""
        for number, row in enumerate(sample[: TITLE_ROWS + 1]):
            for at, cell in enumerate(row.cells):
                if self._names(cell.text) and not any(self._holds(one.cell(at).text) for one in sample[:number]):
                    return number
        return 0

    def _names(self, text: str) -> bool:
        asked = plain(self.how.get("column", ""))
        if asked and plain(text) == asked:
            return True
        return plain(text) in self.key.names if self.key else uploads.names_ids(text, self.record_type)

    def _holds(self, text: str) -> bool:
        return bool(self.key.terms(text) if self.key else uploads.normal_id(text))

    def _column(self, sample: list[Row]) -> int:
        if self.how.get("column", "").strip():
            return lookups.named_column(sample, self.how["column"])
        return lookups.column_of(sample, self.key) if self.key else uploads.id_column(sample, self.record_type)

    def _heading(self, first: Row) -> str:
        if self.key:
            return lookups.heading(first, self.at, self.key)
        text = first.cell(self.at).text.strip()
        if plain(text) and plain(text) == plain(self.how.get("column", "")):
            return text
        return uploads.header_of(first, self.at)

    def _notes(self, sample: list[Row]) -> Iterator[str]:
        heading = self.headings[0] if self.headings else ""
        if self.above:
            yield ngettext(
                "The first row, above the headings, was passed over.",
                "The first {count} rows, above the headings, were passed over.",
                self.above,
            ).format(count=self.above)
        if not self.key:
            yield from uploads.column_note(sample, self.at, heading)
            return
        yield _("Leads were looked for by {noun}, in {column_words}.").format(
            noun=self.key.noun, column_words=uploads.column_words(self.at, heading)
        )

    # --- A batch -------------------------------------------------------------------------------------------

    def judge(self, rows: Iterable[Row]) -> list[Line]:
        """Barred where more records are taken than fit into one list."""
        lines = [Line(row, uploads.short(row.cell(self.at).text)) for row in rows]
        self._name(lines)
        known = self._known(one for line in lines for one in line.ids)
        if self.key:
            self._choose(lines, known)
        self._look(lines, known)
        if self.days:
            self.days.find(_open(lines), known)
        self._take(lines)
        return lines

    def _name(self, lines: list[Line]) -> None:
        """Candidates into `ids`: what each line may mean."""
        if self.key is None:
            for line in lines:
                cell = line.row.cell(self.at)
                if cell.kind != "formula" and (one := uploads.normal_id(cell.text)):
                    line.ids = [one]
                else:
                    line.refuse(NOT_AN_ID, uploads.why_no_id(self.record_type, cell))
            return
        for line in lines:
            if why := lookups.why_none(self.key, line.row.cell(self.at)):
                line.refuse(self.key.none, why)
        asked = list(_open(lines))
        texts = [line.row.cell(self.at).text for line in asked]
        for line, ids in zip(asked, lookups.meant(self.key, self.account, texts), strict=True):
            line.ids = ids
            if not ids:
                line.refuse(UNKNOWN, _("not in the mirror; look in LeadSquared and add the lead"))

    def _known(self, ids: Iterable[str]) -> dict[str, Known]:
        read = {"lead": _leads, "activity": _activities, "task": _tasks}[self.record_type]
        return dict(chain.from_iterable(read(self.account, part) for part in parts(dict.fromkeys(ids))))

    def _choose(self, lines: list[Line], known: dict[str, Known]) -> None:
        """Of several leads with that number, e-mail or phone, the one that is still there."""
        for line in _open(lines):
            there = [one for one in line.ids if one in known and not known[one].gone]
            if len(there) > 1:
                some = ", ".join(there[:3]) + (", …" if len(there) > 3 else "")
                line.refuse(
                    SEVERAL, _("{count} leads match; give the id of one: {some}").format(count=len(there), some=some)
                )
            else:
                line.ids = there or line.ids[:1]

    def _look(self, lines: list[Line], known: dict[str, Known]) -> None:
        held = holds.reasons(self.account, {one for id_, row in known.items() for one in (id_, *row.held_by)})
        for line in _open(lines):
            (one,) = line.ids
            row = known.get(one)
            if why := next((held[name] for name in (one, *(row.held_by if row else ())) if name in held), ""):
                line.refuse(HELD, _("on hold: {why}").format(why=why))
            elif row is None:
                line.refuse(UNKNOWN, _ADD[self.record_type], [one] if self.record_type == "lead" else ())
            elif row.gone:
                line.refuse(
                    GONE,
                    _("LeadSquared no longer shows this {record_type}: {went}").format(
                        record_type=self.record_type, went=_went(self.record_type)
                    ),
                )
            elif row.fixed:
                line.refuse(FIXED, _("a system activity; LeadSquared deletes custom ones only"))

    def _take(self, lines: list[Line]) -> None:
        for line in _open(lines):
            new = [one for one in line.ids if one not in self.seen]
            if not new:
                first = self.seen[line.ids[0]]
                again = (
                    _("twice; first on line {first}").format(first=first)
                    if not self.key
                    else _("the lead of line {first} again").format(first=first)
                )
                line.refuse(
                    TWICE, _("line {first} takes its activities already").format(first=first) if self.days else again
                )
                continue
            if len(self.seen) + len(new) > uploads.MAX_IDS:
                raise Barred(
                    _("More than {max_ids:,} records at once. Split the file.").format(max_ids=uploads.MAX_IDS)
                )
            line.verdict, line.ids = TAKEN, new
            self.seen.update(dict.fromkeys(new, line.line))


def _open(lines: Iterable[Line]) -> Iterator[Line]:
    return (line for line in lines if not line.verdict)


def _went(record_type: str) -> str:
    return _("deleted or merged") if record_type == "lead" else _("deleted")


def _leads(account: Account, ids: list[str]) -> Iterator[tuple[str, Known]]:
    rows = Lead.objects.filter(account=account, prospect_id__in=ids)
    for one, pk, gone, read in rows.values_list("prospect_id", "pk", "gone_at", "records_read_at"):
        yield one, Known(pk, gone is not None, read=read is not None)


def _activities(account: Account, ids: list[str]) -> Iterator[tuple[str, Known]]:
    rows = Activity.objects.filter(account=account, activity_id__in=ids)
    fields = ("activity_id", "pk", "gone_at", "lead__prospect_id", "activity_type", "event_code")
    for one, pk, gone, lead, type_, code in rows.values_list(*fields):
        yield one, Known(pk, gone is not None, (lead,), fixed=type_ != CUSTOM or code not in CUSTOM_CODES)


def _tasks(account: Account, ids: list[str]) -> Iterator[tuple[str, Known]]:
    rows = Task.objects.filter(account=account, task_id__in=ids)
    for one, pk, gone, lead in rows.values_list("task_id", "pk", "gone_at", "lead_id"):
        yield one, Known(pk, gone is not None, (lead,) if lead else ())


# --- Days ---------------------------------------------------------------------------------------------------


class _Days:
    """The activities of a line's lead on a line's day, or from one to another."""

    def __init__(self, account: Account, how: dict[str, Any], sample: list[Row], lead_at: int) -> None:
        self.account, self.zone = account, ZoneInfo(account.time_zone)
        self.codes = sorted({int(code) for code in how.get("codes", ())} & set(CUSTOM_CODES))
        if not self.codes:
            raise Barred(_("Choose at least one activity type."))
        self.at = self._column(sample, how.get("day", ""), lead_at)
        self.until = lookups.named_column(sample, how["until"]) if how.get("until", "").strip() else None
        first = sample[0].cell(self.at).text.strip()
        self.heading = first if not days.looks_like_one(first) and any(map(str.isalpha, first)) else ""
        self.order = how.get("order") or self._order(sample)
        where = uploads.column_words(self.at, self.heading)
        self.notes = [
            _("Days were taken from {where}, as {time_zone} has them.").format(where=where, time_zone=account.time_zone)
        ]
        if any(days.is_ambiguous(text) for text in self._texts(sample)):
            self.notes.append(
                _("Days were read with the day first.")
                if self.order == days.DAY_FIRST
                else _("Days were read with the month first.")
            )

    def _column(self, sample: list[Row], named: str, lead_at: int) -> int:
        if named.strip():
            return lookups.named_column(sample, named)
        headings = lookups.headings_of(sample)
        width = len(headings)
        full = [sum(days.looks_like_one(row.cell(at).text) for row in sample) for at in range(width)]
        full[lead_at] = 0
        if not any(full):
            raise Barred(_("No column holds days. Say which one does: its letter or its heading."))
        return max(range(width), key=lambda at: (full[at] >= 0.8 * max(full), headings[at] in DAY_HEADINGS, full[at]))

    def _order(self, sample: list[Row]) -> str:
        texts = list(self._texts(sample))
        found = days.order_of(texts)
        unclear = next(filter(days.is_ambiguous, texts), None)
        if found is None and unclear:
            raise Barred(
                _("“{unclear}” can be read two ways. Say whether the day or the month comes first.").format(
                    unclear=unclear
                )
            )
        return found or days.DAY_FIRST

    def _texts(self, sample: list[Row]) -> Iterator[str]:
        columns = [self.at] if self.until is None else [self.at, self.until]
        return (row.cell(at).text.strip() for row in sample for at in columns)

    def find(self, lines: Iterable[Line], known: dict[str, Known]) -> None:
        """Replaces each line's lead by the activities that are meant, or refuses it."""
        asked: list[tuple[Line, int, Span]] = []
        for line in lines:
            (lead,) = line.ids
            span = self._span(line)
            if span is None:
                continue
            if not known[lead].read:
                line.refuse(
                    NOT_READ, _("the lead's activities were not read yet; read it, then this file again"), [lead]
                )
            else:
                asked.append((line, known[lead].pk, span))
        there = self._there({one[1] for one in asked}, [one[2] for one in asked])
        for line, pk, (start, end) in asked:
            line.ids = [one for at, one in there[pk] if start <= at < end]
            if not line.ids:
                line.refuse(NONE_THERE, _("the mirror has no activity of the chosen types on this lead at that time"))

    def _span(self, line: Line) -> Span | None:
        """None where the line was refused."""
        texts = list(self._texts([line.row]))
        line.text = uploads.short(f"{line.text} · {texts[0]}")
        spans: list[Span] = []
        for text in texts:
            found = days.span(text, self.zone, self.order)
            if found is None:
                line.refuse(
                    NO_DAY,
                    _("“{text}” is no day").format(text=uploads.short(text))
                    if text
                    else _("the cell of the day is empty"),
                )
                return None
            spans.append(found)
        start, end = spans[0][0], spans[-1][1]
        if start >= end:
            line.refuse(NO_DAY, _("it ends before it begins"))
            return None
        return start, end

    def _there(self, leads: set[int], spans: list[Span]) -> dict[int, list[tuple[datetime, str]]]:
        found: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
        if not spans:
            return found
        rows = Activity.objects.filter(
            account=self.account, event_code__in=self.codes, activity_type=CUSTOM, gone_at=None
        )
        rows = rows.filter(
            created_on__gte=min(start for start, __ in spans), created_on__lt=max(end for __, end in spans)
        )
        for part in parts(sorted(leads)):
            of_part = rows.filter(lead__in=part).order_by("created_on", "activity_id")
            for pk, at, one in of_part.values_list("lead_id", "created_on", "activity_id"):
                found[pk].append((cast(datetime, at), one))
        return found
