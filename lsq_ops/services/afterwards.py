"""One more reading a day after the end, where something was left open: no receipt came, or items were still there.

A request that is over never changes; what shows later is appended to it.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from lsq_ops.kinds.base import Subject
from lsq_ops.models import Attempt, DeletionCall, DeletionItem, DeletionRequest, Topic, audited, db_now, record
from lsq_ops.wording import counted

from . import notices, reading, verifying
from .settling import FINISHED, LEFT


@dataclass(frozen=True, slots=True)
class Seen:
    """What differs from the end: items that went later, that came back, and other records that went."""

    later: int
    back: int
    others: int

    def __str__(self) -> str:
        said = (
            (self.later, _("that were still there have vanished later")),
            (self.back, _("that were gone are there again")),
            (self.others, _("that nobody asked to delete have vanished")),
        )
        parts = [f"{counted(n, 'record')} {words}" for n, words in said if n]
        return ", ".join(parts) or _("nothing has changed")


def due(now: datetime) -> QuerySet[DeletionRequest]:
    """Requests whose time to be read once more has come, or that are being read."""
    return DeletionRequest.objects.filter(look_again_at__lte=now, account__current=True)[:20]


def step(request: DeletionRequest) -> None:
    """Order the readings, behind everything else that is to be read; when they are in, say what they show."""
    with audited():
        request = DeletionRequest.locked(request.pk)
        since = request.look_again_at
        if since is None:
            return
        subjects = _subjects(request)
        done = reading.finished(request, since, of=subjects)
        missing = [subject for subject in subjects if subject not in done]
        if missing:
            reading.order(request.account, missing, reading.Lane.MIRROR, since=since, request=request)
        else:
            _conclude(request, _compare(request, since) if all(s.complete for s in done.values()) else None)


def _conclude(request: DeletionRequest, seen: Seen | None) -> None:
    what = str(seen) if seen else _("it could not be read completely")
    later = _("Read once more on {now:%d %b %Y %H:%M} UTC: {what}.").format(now=db_now(), what=what)
    DeletionRequest.objects.filter(pk=request.pk).update(later=later, look_again_at=None)
    record("request.looked_again", request, actor="system", found=what)
    if seen and (seen.later or seen.back or seen.others):
        people = notices.owners(request) + (notices.operators() if seen.back or seen.others else [])
        notices.tell(
            {person.pk: person for person in people}.values(), request, _("changed after its end"), later, Topic.MINE
        )


def _calls(request: DeletionRequest) -> list[DeletionCall]:
    sent = request.version.calls.filter(attempts__state__in=Attempt.MAY_HAVE_ACTED).distinct()
    return list(sent.select_related("request", "version"))


def _subjects(request: DeletionRequest) -> list[Subject]:
    return list(dict.fromkeys(subject for call in _calls(request) for subject in verifying.subjects_of(call)))


def _compare(request: DeletionRequest, since: datetime) -> Seen:
    later, back, others = 0, 0, set()
    for call in _calls(request):
        subjects = verifying.subjects_of(call)
        done = reading.finished(request, since, of=subjects, whole=True)
        if any(snapshot.lead_gone for snapshot in done.values()) or verifying.blank(call, done.values()):
            continue  # of a lead that is gone nothing can be said
        found = reading.found(request.kind, done.values())
        items = DeletionItem.objects.filter(call=call)
        later += sum(1 for i in items.filter(outcome__in=LEFT) if i.record_id not in found)
        back += sum(1 for i in items.filter(outcome__in=FINISHED) if i.record_id in found)
        others |= {record.id for record in verifying.vanished(call, verifying.there_before(call), found)}
    return Seen(later, back, len(others))
