"""Finding leads of the mirror by whatever people have at hand; the same on both databases, by index alone."""

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Q, QuerySet

from lsq_ops import terms
from lsq_ops.models import Account, Activity, Lead, SearchTerm, Task

from .parts import parts
from .uploads import normal_id


def leads(among: QuerySet[Lead], text: str) -> QuerySet[Lead]:
    """Those that `text` means: a prospect id, an activity's or task's id, a number, an e-mail, a phone in any notation,
    or words that names begin with."""
    if one := normal_id(text):
        return among.filter(pk__in=_by_id(one))
    for ranges in (wanted := terms.asked(text)):
        among = among.filter(pk__in=SearchTerm.objects.filter(_in(ranges)).values("lead"))
    return among if wanted else among.none()


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
