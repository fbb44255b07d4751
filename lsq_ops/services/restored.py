"""After a restore: what came out of the backup unfinished goes on only when an operator says so, one by one.

Calls may have been sent behind the backup, and the request stopped, or its votes taken back; this database can't know.
"""

from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lsq_ops.models import DeletionRequest, Restoration, Topic, audited, db_now, record
from lsq_ops.queue import ring

from . import anchors, notices
from .may import Barred, Person, need


def last() -> Restoration | None:
    """The restore that made this database; None where it never came out of a backup."""
    return Restoration.objects.first()


def unfinished() -> QuerySet[DeletionRequest]:
    """What a restore makes wait: all that could still send, or be made to."""
    return DeletionRequest.objects.filter(state__in=("pending", "approved", "running", "needs_attention"))


def make_wait(at: datetime, taken_at: datetime, *, by: str) -> int:
    """Every unfinished request waits to be confirmed; how many do. In the transaction of the restore."""
    requests = list(unfinished().order_by("pk"))
    unfinished().update(restored_at=at, restore_confirmed_at=None, restore_confirmed_by=None)
    for request in requests:
        record("request.restored", request, actor=by, taken_at=taken_at.isoformat(timespec="seconds"))
    return len(requests)


def anchored_until() -> int:
    """The last event that an anchor outside knows of."""
    return max(anchors.known()[0], default=0)


def lost_until() -> int:
    """The last event behind the backup that an anchor knows of; 0 where none does, or it was moved aside."""
    made = last()
    if made is None:
        return 0
    late = [one.seq for one in anchors.known()[0].values() if one.seq > made.head_seq and one.at <= made.at.isoformat()]
    return max(late, default=0)


def confirm(user: Person, request: DeletionRequest) -> None:
    """It may go on as it stands. Its leads are read anew before anything is sent."""
    need(user, "confirm_restored", request)
    with audited():
        request = DeletionRequest.locked(request.pk)
        need(user, "confirm_restored", request)
        if not request.waits_after_restore:
            raise Barred(_("It did not come out of a backup, or somebody has confirmed it already."))
        rows = DeletionRequest.objects.filter(pk=request.pk)
        rows.update(restore_confirmed_at=db_now(), restore_confirmed_by=user)
        record("request.restore_confirmed", request, actor=str(user))
        text = _("{user} confirmed after the restore that it may go on.").format(user=user)
        notices.tell(notices.owners(request), request, _("goes on after the restore"), text, Topic.MINE)
        ring("work", request.pk)


def past(request: DeletionRequest) -> str:
    """What this database knows of its calls, in a sentence."""
    calls = request.version.calls
    sent, left = calls.filter(attempts__isnull=False).distinct().count(), calls.filter(state="planned").count()
    first = ngettext("{n:,} call was sent before the backup", "{n:,} calls were sent before the backup", sent)
    return _("{sent}; {left:,} would still be sent.").format(sent=first.format(n=sent), left=left)
