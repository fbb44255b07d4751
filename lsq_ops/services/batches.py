"""Runs that erase by rules, one after the other: a few rows in each transaction, resumed where they stood, by one
worker at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from lsq_ops.models import ErasingRun, audited, db_now

from . import leases

R = TypeVar("R", bound=ErasingRun)
BATCH = 200


class Erased(NamedTuple):
    erased: int
    kept_back: int = 0


@dataclass(frozen=True, slots=True)
class Rule(Generic[R]):
    """`due(run)`: the rows that it is about; `erase(run, rows)`: empties or removes them, in the running transaction,
    all but what must stay. `what` goes, `stays` stays. `batch`: how many of them one transaction takes."""

    name: str
    what: str
    stays: str
    due: Callable[[R], QuerySet[Any]]
    erase: Callable[[R, list[Any]], Erased]
    batch: int = BATCH


def step(model: type[R], rules: Sequence[Rule[R]], done: Callable[[R], None]) -> bool:
    """One batch of the run under way, in one transaction; False where nothing is to be done. `done` tells the trail, in
    the transaction that ends the run."""
    run = _claim(model)
    if run is None:
        return False
    with audited():
        if not _ours(run).select_for_update(no_key=True).exists():
            return True
        rule = rules[run.rule]
        rows = list(rule.due(run).filter(pk__gt=run.after).order_by("pk")[: rule.batch])
        if rows:
            _ours(run).update(after=rows[-1].pk, claimed_until=None, **_counted(run, rule, rule.erase(run, rows)))
        elif run.rule + 1 < len(rules):
            _ours(run).update(rule=F("rule") + 1, after=0, claimed_until=None)
        else:
            model._default_manager.filter(pk=run.pk).update(ended_at=db_now(), claimed_until=None)
            done(run)
    return True


def in_words(counts: dict[str, int], rules: Sequence[Rule[Any]]) -> str:
    """ "3 activities, 1 leads", in the order of the rules: databases keep an object's keys in an order of their own."""
    return ", ".join(f"{counts[rule.name]:,} {_(rule.name)}" for rule in rules if rule.name in counts) or _("nothing")


def _counted(run: ErasingRun, rule: Rule[Any], made: Erased) -> dict[str, dict[str, int]]:
    counts = {"counts": (run.counts, made.erased), "kept_back": (run.kept_back, made.kept_back)}
    return {
        name: {**old, rule.name: old.get(rule.name, 0) + number} for name, (old, number) in counts.items() if number
    }


def _claim(model: type[R]) -> R | None:
    run: R | None = leases.take(_under_way(model).order_by("pk"), _under_way(model))
    return run


def _ours(run: R) -> QuerySet[R]:
    return leases.held(_under_way(type(run)), run)


def _under_way(model: type[R]) -> QuerySet[R]:
    return model._default_manager.filter(ended_at__isnull=True)
