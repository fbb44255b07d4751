"""LeadSquared's users as owners of tasks: what the mirror knows of their tasks, and a choice among them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from lsq_ops.models import Account, ActivitySnapshot, CrmUser, Selection, Task, db_now
from lsq_ops.wording import lazy

from . import drafting, uploads
from .may import Barred, Person

# What an owner's tasks are split by: what is done about an open one that lies ahead differs from a forgotten one.
GROUPS = {
    "open": lazy("open, due by now or without a date"),
    "later": lazy("open, due later"),
    "completed": lazy("completed"),
}


@dataclass(frozen=True, slots=True)
class Tasks:
    """How many tasks of one owner the mirror holds; `read_at`: when their whole list was last read. None where never:
    then these are the ones that happened to be on leads that were read."""

    open: int = 0
    later: int = 0
    completed: int = 0
    read_at: datetime | None = None

    def of(self, group: str) -> int:
        return int(getattr(self, group))


def tasks_of(account: Account, owner_ids: Iterable[str]) -> dict[str, Tasks]:
    """By owner, for a page of them: four queries, whatever their number."""
    ids, now = [one for one in owner_ids if one], db_now()
    there = Task.objects.filter(account=account, owner_id__in=ids, gone_at__isnull=True)
    # Each is a walk through one index; three sums over all rows look at each row three times.
    done: Counter[str] = Counter()
    opened: Counter[str] = Counter()
    for owner, completed, count in there.order_by().values_list("owner_id", "completed").annotate(Count("pk")):
        (done if completed else opened)[owner] += count
    later: Counter[str] = Counter()
    for state in (False, None):  # in one statement the index would not be asked for the dates
        ahead = there.filter(completed=state, due__gt=now).order_by()
        later.update(dict(ahead.values_list("owner_id").annotate(Count("pk"))))
    lists = ActivitySnapshot.objects.filter(request=None, subject="owner_tasks", subject_id__in=ids, complete=True)
    read = dict(lists.filter(account=account).order_by("read_at").values_list("subject_id", "read_at"))
    return {one: Tasks(opened[one] - later[one], later[one], done[one], read.get(one)) for one in ids}


def select(user: Person, owner: CrmUser, groups: Iterable[str]) -> Selection:
    """Freeze these tasks of the owner, as the mirror has them now."""
    wanted, now = [group for group in groups if group in GROUPS], db_now()
    if not wanted:
        raise Barred(_("Choose which of the tasks."))
    where = Q()
    for group in wanted:
        where |= _in(group, now)
    tasks: QuerySet[Task] = Task.objects.filter(account=owner.account, owner_id=owner.user_id, gone_at__isnull=True)
    ids = list(tasks.filter(where).order_by("task_id").values_list("task_id", flat=True)[: uploads.MAX_IDS + 1])
    if not ids:
        raise Barred(_("The mirror holds no such task of this user; read their tasks first."))
    if len(ids) > uploads.MAX_IDS:
        raise Barred(
            _("More than {max_ids:,} tasks at once; take one group after the other.").format(max_ids=uploads.MAX_IDS)
        )
    return drafting.select(
        user, "task", ids, {"name": _("tasks of a LeadSquared user, {wanted}").format(wanted=", ".join(wanted))}
    )


def _in(group: str, now: datetime) -> Q:
    if group == "completed":
        return Q(completed=True)
    open_ones = Q(completed=False) | Q(completed=None)
    return open_ones & Q(due__gt=now) if group == "later" else open_ones & (Q(due__lte=now) | Q(due__isnull=True))
