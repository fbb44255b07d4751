"""Erasing one person from all that the portal keeps, but for the skeleton of what was asked and done. A hold beats it;
the refusal is kept too. Nothing in LeadSquared is touched, and what it still has of the person doesn't come in again.

What is written about the person while it goes on is found by the rules that are asked a second time at the end.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from lsq_ops import terms
from lsq_ops.models import (
    Account,
    Activity,
    ActivitySnapshot,
    CallBody,
    DeletionItem,
    DeletionRequest,
    ErasedId,
    Erasure,
    ItemContent,
    Lead,
    Notice,
    Selection,
    SnapshotContent,
    SnapshotPage,
    Task,
    UploadedPart,
    WebhookReceipt,
    audited,
    db_now,
    record,
)
from lsq_ops.models.evidence import unpack
from lsq_ops.queue import ring
from lsq_ops.wording import lazy, marked

from . import accounts, batches, erased_ids, erasures_outside, holds, notices, reading, uploaded, uploads
from .batches import Erased, Rule
from .erasures_outside import Line
from .may import Barred, Person, need

WHY = lazy("this person was erased from the portal")
_IDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EMAILS = re.compile(r"[^\s<>,;:\"'()]+@[^\s<>,;:\"'()]+")
_PHONES = re.compile(r"[+(]?\d[\d ()./\-\N{EN DASH}\N{NO-BREAK SPACE}]{4,}\d")


class _Who:
    """The person of a run, as far as a text can name them."""

    def __init__(self, run: Erasure) -> None:
        self.prospect_id = run.person["prospect_id"]
        self.ids = {self.prospect_id, *run.person["ids"]}
        self.emails = {term for text in run.person["emails"] if (term := terms.of_email(text))}
        self.phones = {term for text in run.person["phones"] if (term := terms.of_phone(text))}

    def is_named(self, text: str, ids: Iterable[str] = ()) -> bool:
        """In the text, or by one of the ids."""
        return not self.ids.isdisjoint(ids) or self._is_in(text)

    def _is_in(self, text: str) -> bool:
        return (
            not self.ids.isdisjoint(_IDS.findall(text.lower()))
            or any(terms.of_email(one.rstrip(".")) in self.emails for one in _EMAILS.findall(text) if self.emails)
            or any(not self.phones.isdisjoint(terms.phones(one)) for one in _PHONES.findall(text) if self.phones)
        )


# --- The rules ----------------------------------------------------------------------------------------------


def _leads(run: Erasure) -> QuerySet[Lead]:
    return Lead.objects.filter(account=run.account_id, prospect_id=run.person["prospect_id"])


def _activities(run: Erasure) -> QuerySet[Activity]:
    return Activity.objects.filter(lead__in=_leads(run)).only("pk")


def _tasks(run: Erasure) -> QuerySet[Task]:
    return Task.objects.filter(account=run.account_id, lead_id=run.person["prospect_id"]).only("pk")


def _removed(run: Erasure, rows: list[Any]) -> Erased:
    type(rows[0])._default_manager.filter(pk__in=[row.pk for row in rows]).delete()
    return Erased(len(rows))


def _contents(run: Erasure) -> QuerySet[ItemContent]:
    rows = ItemContent.objects.filter(item__version__request__account=run.account_id, raw__isnull=False)
    of_lead, of_tasks = Q(item__lead_id=run.person["prospect_id"]), Q(item__record_id__in=run.person["tasks"])
    return rows.filter(of_lead | of_tasks).only("pk")


def _bodies(run: Erasure) -> QuerySet[CallBody]:
    rows = CallBody.objects.filter(call__lead_id=run.person["prospect_id"]).exclude(text="")
    return rows.filter(call__request__account=run.account_id).only("pk")


def _receipts(run: Erasure) -> QuerySet[WebhookReceipt]:
    one = run.person["prospect_id"]
    calls = DeletionItem.objects.filter(lead_id=one).values("call")
    rows = WebhookReceipt.objects.filter(attempt__account=run.account_id)
    return rows.filter(Q(attempt__lead_id=one) | Q(attempt__lead_id="", attempt__call__in=calls)).only("pk")


def _emptied(facts: dict[str, Any]) -> Callable[[Erasure, list[Any]], Erased]:
    def erase(run: Erasure, rows: list[Any]) -> Erased:
        return Erased(type(rows[0])._default_manager.filter(pk__in=[row.pk for row in rows]).update(**facts))

    return erase


def _readings(run: Erasure) -> QuerySet[SnapshotContent]:
    rows = SnapshotContent.objects.filter(snapshot__account=run.account_id, snapshot__contents_erased_at__isnull=True)
    of_owner = Q(snapshot__subject=ActivitySnapshot.Subject.OWNER_TASKS)
    return rows.filter(of_owner | Q(snapshot__subject_id=run.person["prospect_id"])).select_related("snapshot__request")


def _erase_readings(run: Erasure, rows: list[SnapshotContent]) -> Erased:
    """Whole, also an owner's list of tasks: with one record less it would not have the hash any more that it had."""
    who, kept, emptied = _Who(run), 0, []
    for row in rows:
        snapshot = row.snapshot
        if snapshot.subject_id != who.prospect_id and not who.is_named(
            json.dumps(unpack(bytes(row.packed)), ensure_ascii=False)
        ):
            continue
        if snapshot.request and not snapshot.request.is_over:
            kept += 1
        else:
            emptied.append(row.pk)
    reading.empty(ActivitySnapshot.objects.filter(pk__in=emptied))
    return Erased(len(emptied), kept if run.rule < len(MIRROR) else 0)  # told once


def _pages(run: Erasure) -> QuerySet[SnapshotPage]:
    return SnapshotPage.objects.filter(snapshot__subject_id=run.person["prospect_id"]).only("pk")


def _files(run: Erasure) -> QuerySet[UploadedPart]:
    rows = UploadedPart.objects.filter(upload__account=run.account_id, upload__thrown_at__isnull=True)
    return rows.select_related("upload")


def _erase_lines(run: Erasure, rows: list[UploadedPart]) -> Erased:
    who, erased = _Who(run), 0
    for row in rows:
        if row.upload.unpacked:
            erased += uploaded.erase_lines(row, who.is_named, WHY)
        else:  # as it came: nobody knows what stands where
            uploaded.empty([row.upload_id])
    return Erased(erased)


def _selections(run: Erasure) -> QuerySet[Selection]:
    return Selection.objects.filter(account=run.account_id)


def _erase_ticked(run: Erasure, rows: list[Selection]) -> Erased:
    ids, erased = _Who(run).ids, 0
    for row in rows:
        kept = [one for one in row.ids if one not in ids]
        if len(kept) < len(row.ids):
            erased += len(row.ids) - len(kept)
            Selection.objects.filter(pk=row.pk).update(ids=kept)
    return Erased(erased)


def _mails(run: Erasure) -> QuerySet[Notice]:
    return Notice.objects.exclude(text=uploaded.WITHOUT)


def _erase_mails(run: Erasure, rows: list[Notice]) -> Erased:
    who = _Who(run)
    pks = [row.pk for row in rows if who.is_named(f"{row.subject}\n{row.text}")]
    Notice.objects.filter(pk__in=pks).update(subject=uploaded.WITHOUT, text=uploaded.WITHOUT, tries=notices.CALLED_OFF)
    return Erased(len(pks))


MIRROR: tuple[Rule[Erasure], ...] = (
    Rule(
        marked("activities"),
        lazy("what the mirror has of the person's activities"),
        lazy("nothing"),
        _activities,
        _removed,
        1_000,
    ),
    Rule(marked("tasks"), lazy("what the mirror has of their tasks"), lazy("nothing"), _tasks, _removed, 1_000),
    Rule(marked("leads"), lazy("the lead, and all that it is found by"), lazy("nothing"), _leads, _removed),
    Rule(
        marked("readings"),
        lazy("readings of the lead, and of owners' tasks where one of theirs is among them"),
        lazy("when they were read, how many records they had, and their hash; whole, what an open request rests on"),
        _readings,
        _erase_readings,
        1,
    ),
    Rule(marked("pages"), lazy("what a reading under way has read"), lazy("nothing"), _pages, _removed),
)
ALL: tuple[Rule[Erasure], ...] = (
    *MIRROR,
    Rule(
        marked("contents"),
        lazy("what the items of requests held, and the salts of their hashes"),
        lazy(
            "their ids, the lead's id, code, date, outcome, salted hash: what was asked and done can"
            " be checked as before"
        ),
        _contents,
        _emptied({"raw": None, "salt": ""}),
    ),
    Rule(
        marked("call bodies"),
        lazy("what was sent to LeadSquared about the lead"),
        lazy("its hash"),
        _bodies,
        _emptied({"text": ""}),
    ),
    Rule(
        marked("webhook bodies"),
        lazy("what LeadSquared's webhooks said"),
        lazy("their hash"),
        _receipts,
        _emptied({"body": b""}),
    ),
    Rule(
        marked("lines"),
        lazy("lines of uploaded files that name the person, with their verdicts"),
        lazy("the other lines; the file's name, hash and counts"),
        _files,
        _erase_lines,
        5,
    ),
    Rule(
        marked("picks"),
        lazy("what of theirs was ticked or pasted"),
        lazy("the targets of requests"),
        _selections,
        _erase_ticked,
        20,
    ),
    Rule(
        marked("mails"),
        lazy("mails of the portal that name them"),
        lazy("that they were sent, and to whom"),
        _mails,
        _erase_mails,
    ),
)
RULES = (*ALL, *MIRROR)  # once more: what was written about them meanwhile
STAYS = (
    (lazy("The trail, votes, attempts, and what people wrote as a reason or a"
    " question"), lazy("they are frozen, and hold no"
     " personal data of a lead unless somebody wrote it there")),
    (lazy("Keyed hashes of the ids of the lead and its tasks"), lazy("so that no sync, reading or"
    " upload brings the person back")),
    (lazy("Backups, exported files and sent mails"), lazy("the portal doesn't have them: erase there by hand")),
    (lazy("LeadSquared itself"), lazy("nothing is changed there")),
)  # fmt: skip


# --- An erasure ---------------------------------------------------------------------------------------------


def begin(user: Person, prospect_id: str, reason: str, ticket: str = "") -> Erasure:
    """Erase what the portal keeps of this lead; from now on nothing of it comes in. Where a hold or an open request
    stands against it, the refusal is what is kept: `.refused` says why."""
    need(user, "erase")
    one = uploads.normal_id(prospect_id)
    if not one:
        raise Barred(
            _("This is not a prospect id; expected something like {sample_id}.").format(sample_id=uploads.SAMPLE_ID)
        )
    if not reason.strip():
        raise Barred(_("Say why: auditors read it."))
    with audited():
        account = accounts.current_account()
        if erased_ids.among(account, [one]):
            raise Barred(_("This person was erased before; the list below knows the prospect id."))
        run = _begin(account, one, by=str(user), reason=reason, ticket=ticket)
    return run


def repeat(lines: Iterable[Line], *, by: str) -> dict[str, int]:
    """Erase once more whom a database that came out of a backup doesn't know to be erased; what became of how many:
    `again` are being erased, `refused` would be but for what stands against it, `unknown` are only kept out."""
    missing = erasures_outside.missing(lines)
    known = erasures_outside.who(missing)
    told = {"again": 0, "refused": 0, "unknown": 0}
    for line in missing:
        why = _("erased on {at}, and once more after a restore").format(at=line.at[:10])
        with audited():
            if line.mark in known:
                run = _begin(*known[line.mark], by=by, reason=why)
            else:
                run = _only_keep_out(line, by=by, reason=why)
            if not run.refused:  # tasks that were known when the person was erased, and are not here
                here = set(run.ids.values_list("mark", flat=True))
                ErasedId.objects.bulk_create(ErasedId(erasure=run, mark=one) for one in line.ids if one not in here)
        told["refused" if run.refused else "again" if line.mark in known else "unknown"] += 1
    return told


def _only_keep_out(line: Line, *, by: str, reason: str) -> Erasure:
    """Nothing is known of the person here, and nothing is to come."""
    facts = {"mark": line.mark, "key_mark": erased_ids.key_mark(), "reason": reason}
    now, account = db_now(), accounts.current_account()
    run = Erasure.objects.create(account=account, by=by, begun_at=now, ended_at=now, **facts)
    record("erasure.done", run, actor=by, mark=run.mark, erased={}, kept_back={})
    return run


def _begin(account: Account, one: str, *, by: str, reason: str, ticket: str = "") -> Erasure:
    with audited():
        person = _person(account, one)
        why, now = _against(account, person), db_now()
        run = Erasure.objects.create(
            account=account,
            by=by,
            begun_at=now,
            ended_at=now if why else None,
            mark=erased_ids.mark(account, one),
            key_mark=erased_ids.key_mark(),
            reason=reason.strip()[:300],
            ticket=ticket.strip()[:100],
            refused=why,
            person={} if why else person,
        )
        if why:
            record("erasure.refused", run, actor=by, mark=run.mark, why=why)
        else:
            _keep_out(run)
            record("erasure.begun", run, actor=by, mark=run.mark)
            transaction.on_commit(erasures_outside.keep)
            text = _(
                "{user} has what the portal keeps of one person erased ({run}). In LeadSquared nothing is changed."
            ).format(user=by, run=run)
            notices.tell(notices.auditors(), None, _("one person is erased"), text)
            ring("work")
    return run


def _person(account: Account, one: str) -> dict[str, Any]:
    lead = Lead.objects.filter(account=account, prospect_id=one).first()
    ids = set(Activity.objects.filter(lead=lead).values_list("activity_id", flat=True)) if lead else set()
    items = DeletionItem.objects.filter(lead_id=one, version__request__account=account)
    tasks = sorted(set(_its_tasks(account, one)))
    return {
        "prospect_id": one,
        "tasks": tasks,
        "ids": sorted({*ids, *tasks, *items.values_list("record_id", flat=True)}),
        "emails": [lead.email] if lead and lead.email else [],
        "phones": [text for text in (lead.phone, lead.mobile) if text] if lead else [],
    }


def _its_tasks(account: Account, one: str) -> Iterable[str]:
    yield from Task.objects.filter(account=account, lead_id=one).values_list("task_id", flat=True)
    asked = DeletionItem.objects.filter(lead_id=one, version__request__account=account, version__request__kind="tasks")
    yield from asked.values_list("record_id", flat=True)


def _against(account: Account, person: dict[str, Any]) -> str:
    """Why the person can't be erased now; empty where nothing stands against it."""
    if holds.reasons(account, [person["prospect_id"], *person["ids"]]):
        return _("The lead or one of its tasks is on hold. A hold beats it; lift it first, or wait for its end.")
    one = person["prospect_id"]
    opened = DeletionRequest.objects.filter(account=account, state__in=DeletionRequest.open_states())
    of_items, of_targets = Q(versions__items__lead_id=one), Q(versions__targets__lead_id=one)
    rows = opened.filter(of_items | of_targets | Q(versions__targets__record_id=one)).order_by("pk").distinct()
    if names := [str(request) for request in rows[:5]]:
        return _("{names} would delete or read something of the lead and must be over first.").format(
            names=", ".join(names)
        )
    return ""


def _keep_out(run: Erasure) -> None:
    marks = (erased_ids.mark(run.account, one) for one in (run.person["prospect_id"], *run.person["tasks"]))
    ErasedId.objects.bulk_create((ErasedId(erasure=run, mark=mark) for mark in marks), batch_size=500)


def step() -> bool:
    """One batch of the erasure under way; False where nothing is to be done."""
    return batches.step(Erasure, RULES, _done)


def _done(run: Erasure) -> None:
    Erasure.objects.filter(pk=run.pk).update(person={})
    record("erasure.done", run, actor="system", mark=run.mark, erased=run.counts, kept_back=run.kept_back)


def lift(user: Person, run: Erasure) -> None:
    """What LeadSquared has of the person may come in again; what was erased stays erased."""
    need(user, "erase", run)
    with audited():
        rows = Erasure.objects.filter(pk=run.pk, ended_at__isnull=False, lifted_at__isnull=True, refused="")
        if not rows.update(lifted_at=db_now(), lifted_by=str(user)):
            raise Barred(_("It is not kept out: it is being erased, was refused, or was let in before."))
        ErasedId.objects.filter(erasure=run).delete()
        record("erasure.lifted", run, actor=str(user), mark=run.mark)
        transaction.on_commit(erasures_outside.keep)


def known(prospect_id: str) -> dict[str, int]:
    """What a look can tell of what would go: by name of the rule, how many."""
    account = accounts.current_account()
    run = Erasure(account=account, person={"prospect_id": prospect_id, "tasks": []})
    shown = {"activities": _activities, "tasks": _tasks, "contents": _contents}
    return {name: rows(run).count() for name, rows in shown.items()}


def unknown_key() -> int:
    """How many persons are kept out by another AUDIT_KEY, which is to say: not any more."""
    rows = Erasure.objects.filter(refused="", lifted_at__isnull=True)
    return rows.exclude(key_mark=erased_ids.key_mark()).count()
