"""The generator: one attack after another out of doors and tricks, the real worker behind each, and what came of it."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from django.db import transaction

from lsq_ops.models import DeletionCall, DeletionRequest, db_now
from lsq_ops.services import agenda, budget, running
from tests.world import skip_wait

from . import pages  # noqa: F401  (its tricks)
from .hand import DOORS, Hand
from .judge import Judge
from .stage import Stage, vote
from .tricks import ON_ITS_WAY, TRICKS, Attack

CONTROL_EVERY = 20
SLOW = ("page",)  # a page costs as much as ten statements
Tell = Callable[["Sums"], None]


@dataclass
class Sums:
    seed: int
    attempts: int = 0
    refused: int = 0  # at least one of its steps was
    unheeded: int = 0  # every step was taken, and nothing came of it
    attempt_rows: int = 0
    deletes: int = 0
    controls: int = 0
    sent: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    by_trick: Counter[str] = field(default_factory=Counter)
    by_door: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.attempt_rows and not self.deletes and 0 < self.controls == self.sent

    def line(self) -> str:
        names = "attempts refused unheeded attempt_rows deletes controls sent".split()
        kinds = ",".join(f"{kind}:{count}" for kind, count in sorted(self.by_kind.items()))
        numbers = " ".join(f"{name}={getattr(self, name)}" for name in names)
        return f"{numbers} by_kind={kinds.replace(' ', '_')} seed={self.seed}"

    def stored(self) -> dict[str, Any]:
        counted = {name: dict(getattr(self, name)) for name in ("by_kind", "by_trick", "by_door")}
        return {**vars(self), **counted}  # dataclasses.asdict makes nonsense of a Counter


def run(stage: Stage, attempts: int, seed: int, tell: Tell = lambda sums: None) -> Sums:
    sums = Sums(seed)
    with stage.set(), _door_held(stage):
        judge = Judge()  # of what stands before each attack: the same every time
        for number in range(attempts):
            _attempt(stage, sums, judge, random.Random(f"{seed} {number}"), number)
            if number % CONTROL_EVERY == 0:
                _control(stage, sums, random.Random(f"control {seed} {number}"), number)
            tell(sums)
    return sums


@contextmanager
def _door_held(stage: Stage) -> Iterator[None]:
    """What an attack wants to happen between the last check and the attempt's row, happens as the call gets its place
    in the rate budget."""
    really = budget.Budget.enter

    def enter(self: budget.Budget) -> budget.Ticket:
        act, stage.at_the_door = stage.at_the_door, None
        if act:
            act()
        return really(self)

    with patch.object(budget.Budget, "enter", enter):
        yield


def _attempt(stage: Stage, sums: Sums, judge: Judge, dice: random.Random, number: int) -> None:
    with _undone(stage):
        hand = Hand(dice)
        start, chosen = _chosen(stage, dice)
        attack = Attack(stage, hand, dice, start)
        for name in chosen:
            hand.door = dice.choice(DOORS)
            with suppress(ObjectDoesNotExist, MultipleObjectsReturned):  # an earlier trick took its row, or added one
                TRICKS[name][2](attack)
            sums.by_trick[name] += 1
            sums.by_door[hand.door if TRICKS[name][0] not in SLOW else "page"] += 1
        _push(attack)
        _work(attack)
        rows, deletes = judge.verdict(stage.wire.deletes)
        rows += judge.gone()
        sums.attempts += 1
        sums.by_kind[TRICKS[chosen[0]][0]] += 1
        sums.refused += bool(hand.refused)
        sums.unheeded += not hand.refused
        sums.attempt_rows += rows
        sums.deletes += deletes
        if rows or deletes:
            sums.troubles.append(f"number {number}: {start}, {' + '.join(chosen)} by {hand.door}: {rows} rows")


def _chosen(stage: Stage, dice: random.Random) -> tuple[str, list[str]]:
    """Where it starts, and one to three tricks that fit there."""
    family = dice.choice(sorted({family for family, _, _ in TRICKS.values()} - set(SLOW)))
    if dice.random() < 0.06:
        family = SLOW[0]
    name = dice.choice([name for name, (of, _, _) in TRICKS.items() if of == family])
    start = dice.choice(TRICKS[name][1])
    fitting = [other for other, (of, starts, _) in TRICKS.items() if start in starts and of not in SLOW]
    return start, [name, *dice.sample(fitting, dice.choice([0, 0, 1, 1, 2]))]


def _push(attack: Attack) -> None:
    """The last shove: the request moved on by hand as far as it goes, and its calls made due."""
    now, hand, dice = db_now(), attack.hand, attack.random
    hand.door = dice.choice(DOORS)
    if attack.start not in ON_ITS_WAY and dice.random() < 0.7:
        hand.change(attack.request, state="approved", starts_at=now, expires_at=now + timedelta(days=1))
        hand.change(attack.request, state="running", started_at=now)
    if attack.start not in ON_ITS_WAY and dice.random() < 0.3:
        TRICKS["an_attempt_by_hand"][2](attack)
    attack.stage.make_due(attack.request.pk)


def _work(attack: Attack) -> None:
    """The worker as it is; and then the send alone, as if its checks were not there."""
    agenda.work(20)
    call = DeletionCall.objects.filter(request=attack.request, state="planned").first()
    if call is not None:
        attack.hand.does(lambda: _send_at_once(call))


def _send_at_once(call: DeletionCall) -> None:
    call.claimed_until = db_now() + timedelta(seconds=60)
    DeletionCall.objects.filter(pk=call.pk).update(claimed_until=call.claimed_until)
    running._send(DeletionCall.objects.select_related("request__account", "version").get(pk=call.pk))


def _control(stage: Stage, sums: Sums, dice: random.Random, number: int) -> None:
    """What was properly approved does get its one attempt, and one delete leaves: the generator has teeth."""
    with _undone(stage):
        judge = Judge()
        start = dice.choice([*ON_ITS_WAY, "one vote of two", "one team of two", "voted on before"])
        pk = stage.requests[start]
        if start not in ON_ITS_WAY:
            _approve(stage, judge, pk)
        stage.make_due(pk)
        agenda.work(20)
        if start not in ON_ITS_WAY and not stage.wire.deletes:
            call = DeletionCall.objects.filter(request=pk, version__number=_number(pk), state="planned").first()
            assert call is not None
            _send_at_once(call)
        rows, deletes = judge.verdict(stage.wire.deletes)
        made = DeletionRequest.objects.get(pk=pk).attempts.count()
        sums.controls += 1
        good = (made, len(stage.wire.deletes), rows, deletes) == (1, 1, 0, 0)
        sums.sent += good
        if not good:
            left = f"{made} attempts, {len(stage.wire.deletes)} deletes, {rows} bad; {_as_it_stands(pk)}"
            sums.troubles.append(f"control {number} on {start}: {left}")


def _approve(stage: Stage, judge: Judge, pk: int) -> None:
    vote(stage.people["dana"], DeletionRequest.objects.get(pk=pk))
    skip_wait(DeletionRequest.objects.get(pk=pk))
    agenda.tend()
    judge.approve(pk)


def _as_it_stands(pk: int) -> str:
    request = DeletionRequest.objects.get(pk=pk)
    calls = [
        f"{call.state} from {call.not_before or 'now'}, tries {call.tries}, {call.note!r}"
        for call in request.calls.order_by("pk")
    ]
    return f"{request.state} {request.attention!r}; calls {'; '.join(calls)}"


def _number(pk: int) -> int:
    return DeletionRequest.objects.get(pk=pk).version_number


@contextmanager
def _undone(stage: Stage) -> Iterator[None]:
    """Everything inside is rolled back."""
    stage.at_the_door = None
    stage.wire.deletes.clear()
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
