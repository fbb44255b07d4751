"""What leaves the database of erasures, so that a restored one can repeat them: one line for each, signed, in a file of
its own. Only keyed hashes of ids stand in it; whoever has a database and AUDIT_KEY finds by them who is meant."""

import hmac
import json
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from lsq_ops.chain import canonical
from lsq_ops.models import (
    Account,
    ActivitySnapshot,
    DeletionItem,
    ErasedId,
    Erasure,
    KeptNeighbour,
    Lead,
    RequestTarget,
    Task,
    db_now,
)

from . import erased_ids

log = logging.getLogger("lsq_ops.erasures")
AT_ONCE = 100
ERASED, LET_IN = "erased", "let in"


@dataclass(frozen=True, slots=True)
class Line:
    """`ids`: marks of the lead and its tasks."""

    what: str
    at: str
    mark: str
    ids: tuple[str, ...] = ()


# --- Out of the database ----------------------------------------------------------------------------------------


def keep() -> None:
    """Append what hasn't left yet. Cheap where nothing is new. Twice after a crash, never not at all."""
    if not settings.ERASURES_FILE:
        return
    begun = list(Erasure.objects.filter(refused="", filed_at__isnull=True).order_by("pk")[:AT_ONCE])
    lifted = Erasure.objects.filter(lifted_at__isnull=False, lift_filed_at__isnull=True, filed_at__isnull=False)
    let_in = list(lifted.order_by("pk")[:AT_ONCE])
    if not (begun or let_in):
        return
    lines = [Line(ERASED, _text(run.begun_at), run.mark, tuple(_marks(run))) for run in begun]
    lines += [Line(LET_IN, _text(run.lifted_at), run.mark) for run in let_in]
    try:
        number = os.open(settings.ERASURES_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with open(number, "a", encoding="utf-8") as file:
            file.writelines(f"{_signed(line)}\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        log.error("ERASURES_FILE can't be written: %s. It is tried again.", error.strerror)
        return
    Erasure.objects.filter(pk__in=[run.pk for run in begun]).update(filed_at=db_now())
    Erasure.objects.filter(pk__in=[run.pk for run in let_in]).update(lift_filed_at=db_now())


def unfiled() -> int:
    """How many persons are kept out by this database alone."""
    return Erasure.objects.filter(refused="", lifted_at__isnull=True, filed_at__isnull=True).count()


def _marks(run: Erasure) -> Iterable[str]:
    return run.ids.order_by("pk").values_list("mark", flat=True)


def _text(at: Any) -> str:
    return str(at.isoformat(timespec="seconds"))


def _signed(line: Line) -> str:
    facts = {"what": line.what, "at": line.at, "mark": line.mark, "ids": list(line.ids)}
    return canonical({**facts, "mac": _mac(facts)})


def _mac(facts: dict[str, Any]) -> str:
    text = f"lsq-ops-erasure {canonical(facts)}"
    return hmac.digest(settings.AUDIT_KEY.encode(), text.encode(), "sha256").hex()


# --- Into a restored one ----------------------------------------------------------------------------------------


def known(files: Iterable[Path] = ()) -> tuple[list[Line], int]:
    """(the signed lines of these files and of the settings' own, how many are not signed with AUDIT_KEY). OSError
    where one of `files` can't be read; the settings' own may not be there yet."""
    own = Path(settings.ERASURES_FILE) if settings.ERASURES_FILE else None
    found: list[Line] = []
    unsigned = 0
    for path in [*files, *([own] if own and own.exists() else [])]:
        with open(path, encoding="utf-8", errors="replace") as lines:
            for text in filter(str.strip, lines):
                line = _line(text)
                if line:
                    found.append(line)
                else:
                    unsigned += 1
    return found, unsigned


def _line(text: str) -> Line | None:
    try:
        facts = json.loads(text)
        mac = facts.pop("mac")
        whole = hmac.compare_digest(mac, _mac(facts))
        line = Line(facts["what"], facts["at"], facts["mark"], tuple(facts["ids"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return line if whole else None


def missing(lines: Iterable[Line]) -> list[Line]:
    """The persons who were erased, were not let in again, and are not kept out here."""
    last = {line.mark: line for line in sorted(lines, key=lambda line: line.at)}
    erased = {mark: line for mark, line in last.items() if line.what == ERASED}
    here = set(ErasedId.objects.values_list("mark", flat=True)) if erased else set()
    return [line for mark, line in erased.items() if mark not in here]


def who(lines: Iterable[Line]) -> dict[str, tuple[Account, str]]:
    """mark -> (account, prospect id), of those whom this database knows anything of."""
    wanted = {line.mark for line in lines}
    found: dict[str, tuple[Account, str]] = {}
    for account in Account.objects.order_by("pk"):
        for one in _prospect_ids():
            if (mark := erased_ids.mark(account, one)) in wanted:
                found.setdefault(mark, (account, one))
    return found


def _prospect_ids() -> Iterator[str]:
    """Every id of a lead that stands anywhere; some of them more than once."""
    yield from Lead.objects.values_list("prospect_id", flat=True).iterator()
    for model in (Task, DeletionItem, KeptNeighbour, RequestTarget):
        rows = model._default_manager.exclude(lead_id="").order_by()
        yield from rows.values_list("lead_id", flat=True).distinct().iterator()
    of_leads = ActivitySnapshot.objects.exclude(subject=ActivitySnapshot.Subject.OWNER_TASKS).order_by()
    yield from of_leads.values_list("subject_id", flat=True).distinct().iterator()
