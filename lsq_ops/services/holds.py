"""Holds: leads and tasks that nobody may touch, from the moment they are set until they end or are lifted.

They are asked when a preview is planned, at submit, at each approval and just before each send.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lsq_ops.models import (
    Account,
    DeletionRequest,
    Hold,
    RequestVersion,
    audited,
    db_now,
    record,
)

from . import accounts, notices
from .may import Barred, Person, need
from .parts import parts

MOST = 10_000  # at once
BATCH = 500


def reasons(account: Account, ids: Iterable[str]) -> dict[str, str]:
    """id -> why, for those of the leads or tasks that are on hold."""
    rows = Hold.objects.filter(account=account).in_force()
    found: dict[str, str] = {}
    for part in parts(ids):
        found.update(rows.filter(record_id__in=part).values_list("record_id", "reason"))
    return found


def on_version(version: RequestVersion) -> dict[str, str]:
    """The same for all leads and tasks of which a version would delete something."""
    rows = Hold.objects.filter(account_id=version.request.account_id).in_force()
    found: dict[str, str] = {}
    for column in ("lead_id", "record_id"):
        of_items = version.items.order_by().values(column)
        found.update(rows.filter(record_id__in=of_items).values_list("record_id", "reason"))
    return found


def in_words(held: dict[str, str]) -> str:
    """ "2 of its leads or tasks are"."""
    return ngettext("{count:,} of its leads or tasks is", "{count:,} of its leads or tasks are", len(held)).format(
        count=len(held)
    )


def covered(version: RequestVersion, held: Iterable[str]) -> int:
    """How many of the version's items stay because of them."""
    count = 0
    for part in parts(held):
        of_leads = version.items.filter(lead_id__in=part)
        count += of_leads.count() + version.items.filter(record_id__in=part).exclude(pk__in=of_leads).count()
    return count


# --- Setting and lifting ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it: the holds that were set, the ids that were on hold already, and the open requests that would
    delete something of what is on hold now."""

    holds: list[Hold] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    concerned: list[DeletionRequest] = field(default_factory=list)


def set_holds(by: Person, record_type: str, ids: Iterable[str], reason: str, ends_at: datetime | None = None) -> Made:
    """Nothing of these leads or tasks is deleted from now on, also of requests that are approved or run."""
    need(by, "manage_holds")
    ids, now = list(dict.fromkeys(ids)), db_now()
    _check(ids, reason, ends_at, now)
    with audited():
        account = accounts.current_account()
        already = reasons(account, ids)
        facts = {"account": account, "record_type": record_type, "reason": reason.strip(), "ends_at": ends_at}
        new = [Hold(record_id=one, set_by=str(by), set_at=now, **facts) for one in ids if one not in already]
        made = Hold.objects.bulk_create(new, batch_size=BATCH)
        concerned = _concerned(account, [hold.record_id for hold in made])
        if made:
            record("hold.set", made[0], actor=str(by), record_type=record_type, ends_at=ends_at, **_told(made))
        for request in concerned:
            text = _(
                "{by} put leads or tasks of it on hold. Calls that would delete something of them are not sent."
            ).format(by=by)
            notices.tell(notices.owners(request), request, _("something of it is on hold"), text)
    return Made(made, list(already), concerned)


def lift(by: Person, ids: Iterable[str]) -> list[Hold]:
    """The holds in force on these leads or tasks end now. Barred where there is none."""
    need(by, "manage_holds")
    with audited():
        now = db_now()
        rows = Hold.objects.filter(account=accounts.current_account()).in_force(now)
        holds = [hold for part in parts(ids) for hold in rows.filter(record_id__in=part)]
        if not holds:
            raise Barred(_("None of these is on hold; they were lifted or ended before."))
        for part in parts(hold.pk for hold in holds):
            Hold.objects.filter(pk__in=part, lifted_at=None).update(lifted_at=now, lifted_by=str(by))
        record("hold.lifted", holds[0], actor=str(by), record_type=holds[0].record_type, **_told(holds))
    return holds


def _check(ids: list[str], reason: str, ends_at: datetime | None, now: datetime) -> None:
    if not ids:
        raise Barred(_("Say which leads or tasks: one id per line."))
    if len(ids) > MOST:
        raise Barred(_("More than {most:,} at once; split the list.").format(most=MOST))
    if not reason.strip():
        raise Barred(_("Say why: whoever meets the hold will read it."))
    if ends_at and ends_at <= now:
        raise Barred(_("The end is past already; choose a later day, or none."))


def _told(holds: list[Hold]) -> dict[str, Any]:
    """For the audit trail: how many, and the hash of the sorted ids."""
    ids = "\n".join(sorted(hold.record_id for hold in holds))
    return {"count": len(holds), "ids": hashlib.sha256(ids.encode()).hexdigest()}


def _concerned(account: Account, ids: list[str]) -> list[DeletionRequest]:
    found: set[int] = set()
    opened = DeletionRequest.objects.filter(account=account, state__in=DeletionRequest.open_states())
    for part in parts(ids):
        for column in ("lead_id", "record_id"):
            rows = opened.filter(**{f"versions__items__{column}__in": part}).order_by()
            found |= set(rows.values_list("pk", flat=True).distinct())
    requests = DeletionRequest.objects.filter(pk__in=found).order_by("pk")
    return [request for request in requests if on_version(request.version)]
