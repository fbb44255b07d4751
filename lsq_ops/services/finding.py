"""Finding leads of the mirror by whatever people have at hand; the same on both databases, by index alone."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet

from lsq_ops import terms
from lsq_ops.models import Account, Activity, CrmUser, Lead, SearchTerm, Task

from .parts import parts
from .uploads import normal_id

MOST = 1_000  # that a search by words shows: nobody looks through more, and finding all of them takes long
MOST_TASKS = 10_000  # people take all tasks of a name
PROBED = 10_000
OWNERS = 100
AT_ONCE = 2_000  # ids in a statement that only looks them up


class Found(NamedTuple):
    """`more`: whether there are more than are shown. `pks`: those that are, the newest first, where they are known:
    whoever shows a page of them asks for these few; a database reads a whole table rather than look up thousands."""

    rows: QuerySet[Any]
    more: bool = False
    pks: list[int] | None = None


def leads(among: QuerySet[Lead], text: str) -> Found:
    """Those that `text` means: a prospect id, an activity's or task's id, a number, an e-mail, a phone in any notation,
    or words that names begin with."""
    if one := normal_id(text):
        return Found(among.filter(pk__in=_by_id(one)))
    wanted = terms.asked(text)
    return _shown(among, _with_all(wanted) if wanted else [], MOST)


def _with_all(wanted: list[list[terms.Range]]) -> list[int]:
    """The leads that have a term in each: from those with the rarest one, as many as are shown, and one more."""
    every = sorted((_having(ranges) for ranges in wanted), key=lambda rows: rows[:PROBED].count())
    rarest, others = every[0], every[1:]
    for rows in others:
        rarest = rarest.filter(Exists(rows.filter(lead=OuterRef("lead"))))
    return list(rarest.values_list("lead_id", flat=True).distinct()[: MOST + 1])


def _having(ranges: list[terms.Range]) -> QuerySet[SearchTerm]:
    return SearchTerm.objects.filter(_in(ranges)).order_by()


def tasks(among: QuerySet[Task], text: str) -> Found:
    """Those that `text` means: a task's, a lead's or an owner's id, how a task's name begins, or its owner's name."""
    if one := normal_id(text):
        return Found(among.filter(Q(task_id=one) | Q(lead_id=one) | Q(owner_id=one)))
    owners = CrmUser.objects.all()
    for word in text.split()[:5]:
        owners = owners.filter(name__icontains=word)
    ids: list[int] = []
    if begins := terms.beginning(text):
        named = Q(name_term__gte=begins.start, name_term__lt=begins.end)
        owned = Q(owner_id__in=list(owners.order_by().values_list("user_id", flat=True)[:OWNERS]))
        for where in (named, owned):  # one index each
            ids += Task.objects.filter(where).order_by().values_list("pk", flat=True)[: MOST_TASKS + 1]
    return _shown(among, list(dict.fromkeys(ids)), MOST_TASKS)


def _shown(among: QuerySet[Any], ids: list[int], most: int) -> Found:
    shown = ids[:most]
    if among.query.where:
        shown = [
            pk
            for part in parts(shown, AT_ONCE)
            for pk in among.filter(pk__in=part).order_by().values_list("pk", flat=True)
        ]
    return Found(among.filter(pk__in=shown), len(ids) > most, sorted(shown, reverse=True))


def _by_id(one: str) -> list[int]:
    found = list(Lead.objects.filter(prospect_id=one).values_list("pk", flat=True))
    if not found:
        found = list(Activity.objects.filter(activity_id=one).values_list("lead_id", flat=True))
    if not found:
        for task in Task.objects.filter(task_id=one).exclude(lead_id=""):
            of_task = Lead.objects.filter(account_id=task.account_id, prospect_id=task.lead_id)
            found += of_task.values_list("pk", flat=True)
    return found


def _in(ranges: list[terms.Range]) -> Q:
    found = Q()
    for one in ranges:
        if one.start:
            found |= Q(term__gte=one.start, term__lt=one.end)
        if one.exact:
            found |= Q(term__in=list(one.exact))
    return found


def with_terms(account: Account, wanted: Iterable[bytes]) -> dict[bytes, list[str]]:
    """Term -> prospect ids of the leads that have it; for a file's lines, many at once."""
    found: dict[bytes, list[str]] = defaultdict(list)
    for part in parts(sorted(set(wanted))):
        rows = SearchTerm.objects.filter(term__in=part, lead__account=account)
        for term, prospect_id in rows.values_list("term", "lead__prospect_id"):
            found[bytes(term)].append(prospect_id)
    return found
