"""People, worker, LeadSquared and clock as rules in any order; what must always hold is asked after every step, and at
the end that it ends.

MODEL_EXAMPLES=500 plays longer, MODEL_SEED=7 something else, MODEL_STEPS=60 with more steps each. What is found is told
as it was played; MODEL_SHRINK=1 looks for the shortest way to it, which takes minutes.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lsq_ops.models import Decision, DeletionCall

from .book import Wish
from .by_hand import by_hand
from .ending import see_to_the_end
from .others import OTHERS, meddle
from .people import CAST, OPERATORS, OVER, REQUESTERS, VOTERS
from .stage import Fate
from .theatre import DAY, KINDS, Theatre, asked, picked, the_usual
from .wire import MISLEADING, NOT_SENT, REFUSED, TURNED_AWAY, UNCLEAR, Mood

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "18"))
SEED = int(os.environ.get("MODEL_SEED", "1"))
STEPS = int(os.environ.get("MODEL_STEPS", "30"))
SHRINK = bool(os.environ.get("MODEL_SHRINK"))
# After its tenth example Hypothesis mostly varies what it has played; short rounds play something new each time.
IN_A_ROUND = 9
MOST = 3  # requests in one example
STAGES = ("sent", "sent", "days later", "days later", "running", "approved", "pending", "draft")
ASKERS = ("rita", "arun", "olga")
ANYBODY = tuple(CAST)
JUMPS = (1.0, 11.0, 61.0, 95.0, 125.0, 600.0, 3600.0, 4 * 3600.0, DAY)

which = st.integers(0, MOST - 1)
ANSWERS = ("", *UNCLEAR, "", *TURNED_AWAY, "", *REFUSED, "", *NOT_SENT)
EFFECTS = ("all", "neighbour", "nothing", "other code", "part", "lead gone")
moods = st.builds(
    Mood,
    answer=st.just("") | st.sampled_from(ANSWERS),
    done=st.sampled_from((True, True, False)),
    effect=st.just("all") | st.sampled_from(EFFECTS) | st.sampled_from(EFFECTS),
    delay=st.sampled_from((3.0, 3.0, 3.0, 0.05, 90.0, 7000.0, 1.1 * DAY)),
    report=st.sampled_from(("honest", "honest", "never", "twice", "lying", "both", "early")),
)
accidents = st.tuples(
    st.sampled_from(("left", "entered")),
    st.sampled_from(("dies", "dies", "second worker", "two hours", "meddles", "revokes", "pauses", "stops")),
)
fates = st.one_of(
    st.none(),
    st.builds(Fate, what=st.sampled_from(("dies", "dies", "locked")), after=st.integers(1, 120)),
    st.builds(
        Fate,
        what=st.sampled_from(("overtaken", "stalled")),
        after=st.integers(1, 12),
        seconds=st.sampled_from((20.0, 62.0, 95.0, 7200.0)),
    ),
)


class Model(RuleBasedStateMachine):
    theatre: Theatre

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stage, self.people = self.stack.enter_context(self.theatre.play())
        self.book = self.stage.book

    def teardown(self) -> None:
        """It ends, and then everything adds up; unless a step has failed already."""
        try:
            if sys.exc_info()[0] is None:
                see_to_the_end(self.stage, self.people)
                self.stage.judge.at_the_end()
        finally:
            self.stack.close()

    @invariant()
    def what_must_always_hold(self) -> None:
        self.stage.judge.after_a_step()

    def wish(self, number: int) -> Wish:
        wishes = list(self.book.wishes.values())
        return wishes[number % len(wishes)]

    def call(self, wish: Wish, number: int) -> DeletionCall | None:
        with self.stage.looking():
            calls = list(DeletionCall.objects.filter(request=wish.pk, state="verifying").order_by("pk"))
        return calls[number % len(calls)] if calls else None

    def any(self, *states: str) -> bool:
        """Is one of the requests in one of these states? By the trail, so that no rule costs a query to be left out."""
        told = self.stage.judge.states
        return any(told.get(("request", str(pk)), "draft") in states for pk in self.book.wishes)

    # --- Requesters ------------------------------------------------------------------------------------------

    @initialize(
        kind=st.sampled_from(KINDS),
        days=st.sampled_from((9, 5, 4)),
        asked_by=st.sampled_from(ASKERS),
        stage=st.sampled_from(STAGES),
        mood=moods,
        accident=st.none() | accidents,
        public=st.sampled_from((True, True, True, False)),
    )
    def begins(
        self,
        kind: str,
        days: int,
        asked_by: str,
        stage: str,
        mood: Mood,
        accident: tuple[str, str] | None,
        public: bool,
    ) -> None:
        """Some way along, so that thirty steps come to where it matters; sometimes no webhook is asked for."""
        if not public:
            self.stack.enter_context(override_settings(PUBLIC_URL=""))
        self.stage.wire.moods.append(mood)
        self._draft("rita", kind, days, 3, asked_by)
        if accident:
            self.at_the_next_send(accident, 0)
        self._bring(self.wish(0), stage)

    def _draft(self, name: str, kind: str, days: int, leads: int, asked_by: str) -> Wish | None:
        there = [lead for number, lead in enumerate(self.stage.crm.leads) if leads >> number & 1]
        chosen = picked(self.stage.crm, kind, there, 3)
        if not chosen[1]:
            return None
        return self.people.draft(name, kind, chosen, asked(kind, days * DAY, self.stage.clock.now), asked_by)

    def _bring(self, wish: Wish, stage: str) -> None:
        """The usual way, as far as asked; then to where an unclear answer leads."""
        wanted = ("sent", "verifying", "gone") if stage in ("sent", "days later") else (stage,)
        for _ in range(9):
            request = self.people.see(wish)
            with self.stage.looking():
                states = {request.state, *request.calls.values_list("state", flat=True)}
            if states & {*wanted, *OVER}:
                break
            the_usual(self.stage, self.people, wish)
        for pause in (60.0, 1800.0, DAY) if stage == "days later" else ():
            self.stage.pass_time(pause)
            self.stage.work(20)

    @precondition(lambda self: len(self.book.wishes) < MOST)
    @rule(
        name=st.sampled_from((*REQUESTERS, "omar")),
        kind=st.sampled_from(KINDS),
        days=st.sampled_from((9, 5, 4)),
        leads=st.sampled_from((3, 1, 2)),
        asked_by=st.sampled_from(ASKERS),
        stage=st.sampled_from(("sent", "sent", "running", "approved", "pending", "draft")),
    )
    def drafts(self, name: str, kind: str, days: int, leads: int, asked_by: str, stage: str) -> None:
        wish = self._draft(name, kind, days, leads, asked_by)
        if wish:
            self._bring(wish, stage)

    @rule(
        what=st.sampled_from(("submit", "submit", "edit", "rest", "clone", "submit", "cancel", "withdraw", "stop")),
        name=st.sampled_from((*REQUESTERS, *REQUESTERS, "dana", "olga", "pia")),
        number=which,
    )
    def a_requester_may(self, what: str, name: str, number: int) -> None:
        wish, room = self.wish(number), len(self.book.wishes) < MOST
        if what in ("clone", "rest"):
            if room:
                self.people.again(name, wish, rest=what == "rest")
        else:
            getattr(self.people, what)(name, wish)

    # --- Approvers and operators -------------------------------------------------------------------------------

    @precondition(lambda self: self.any("pending", "approved", "running"))
    @rule(
        name=st.sampled_from((*VOTERS, *ANYBODY)),
        number=which,
        decision=st.sampled_from(("approve", "approve", "approve", "changes", "reject")),
    )
    def votes(self, name: str, number: int, decision: str) -> None:
        self.people.vote(name, self.wish(number), decision)

    @precondition(lambda self: self.any("pending"))
    @rule(number=which, decision=st.sampled_from(("approve", "reject")))
    def who_is_involved_votes(self, number: int, decision: str) -> None:
        wish = self.wish(number)
        for name in sorted(wish.involved):
            self.people.vote(name, wish, decision)

    @precondition(lambda self: self.any("pending", "approved", "running", "needs_attention"))
    @rule(
        what=st.sampled_from(
            ("confirm_vote", "confirm_vote", "confirm_vote", "take_back", "take_back", "cancel", "stop")
        ),
        name=st.sampled_from((*VOTERS, "rita")),
        number=which,
    )
    def an_approver_may(self, what: str, name: str, number: int) -> None:
        getattr(self.people, what)(name, self.wish(number))

    @rule(
        what=st.sampled_from(("resume_all", "resume_all", "pause", "resume", "reverify")),
        name=st.sampled_from((*OPERATORS, "rita")),
        number=which,
    )
    def an_operator_may(self, what: str, name: str, number: int) -> None:
        acts: dict[str, Any] = {
            "resume_all": self.people.resume_all,
            "pause": partial(self.people.pause, name),
            "resume": partial(self.people.resume, name),
            "reverify": partial(self.people.reverify, name, self.wish(number)),
        }
        acts[what]()

    @precondition(lambda self: self.any("running", "needs_attention"))
    @rule(
        name=st.sampled_from(("omar", "omar", "olga", "rita")),
        second=st.sampled_from(("odin", "odin", "olga", "omar", "rita", "")),
        number=which,
        call=which,
        choice=st.sampled_from(("resend", "resend", "resend", "end", "close")),
    )
    def operators_decide(self, name: str, second: str, number: int, call: int, choice: str) -> None:
        """One proposes, and somebody confirms; it may be one and the same, or somebody who may not."""
        wish = self.wish(number)
        self.people.propose(name, wish, self.call(wish, call), choice)
        with self.stage.looking():
            decision = Decision.objects.filter(request=wish.pk, confirmed_at__isnull=True).first()
        if decision and second:
            self.people.confirm(second, wish, decision)

    # --- The policy admin --------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(VOTERS), what=st.sampled_from(("revoke", "revoke", "grant", "lock", "let in")))
    def changes_who_may(self, name: str, what: str) -> None:
        acts: dict[str, Any] = {
            "revoke": self.people.revoke,
            "grant": self.people.grant,
            "lock": partial(self.people.lock, out=True),
            "let in": partial(self.people.lock, out=False),
        }
        acts[what](name)

    @rule(number=which)
    def sets_a_hold(self, number: int) -> None:
        lead = list(self.stage.crm.leads)[number % 2] if len(self.stage.crm.leads) > 1 else ""
        if lead:
            self.people.hold("lead", lead)

    # --- Worker and clock ------------------------------------------------------------------------------------

    @rule(pieces=st.sampled_from((20, 5, 2, 1)), fate=fates)
    def works(self, pieces: int, fate: Fate | None) -> None:
        self.stage.work(pieces, fate)

    @rule(fate=fates)
    def catches_up(self, fate: Fate | None) -> None:
        self.stage.beat()
        self.stage.work(20, fate)

    @rule(number=which, times=st.sampled_from((5, 2, 1)))
    def goes_on_as_usual(self, number: int, times: int) -> None:
        for _ in range(times):
            the_usual(self.stage, self.people, self.wish(number))

    @rule(seconds=st.sampled_from(JUMPS))
    def time_passes(self, seconds: float) -> None:
        self.stage.pass_time(seconds)

    @rule(seconds=st.sampled_from(JUMPS))
    def time_passes_and_work_is_done(self, seconds: float) -> None:
        self.stage.pass_time(seconds)
        self.stage.work(20)

    # --- LeadSquared -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.any("pending", "approved", "running", "needs_attention"))
    @rule(mood=moods)
    def next_delete_goes_like_this(self, mood: Mood) -> None:
        self.stage.wire.moods.append(mood)

    @rule(faults=st.lists(st.sampled_from((*MISLEADING, *UNCLEAR, *TURNED_AWAY, *NOT_SENT)), min_size=1, max_size=4))
    def next_readings_go_wrong(self, faults: list[str]) -> None:
        self.stage.wire.reads = list(faults)

    @rule(number=which, success=st.booleans())
    def a_webhook_comes_again(self, number: int, success: bool) -> None:
        hooks = self.stage.wire.hooks or ["https://portal.example.invalid/webhooks/leadsquared/strange/"]
        self.stage.wire.post(hooks[number % len(hooks)], success=success)

    @rule(number=which, item=st.integers(0, 9), what=st.sampled_from(OTHERS))
    def others_meddle(self, number: int, item: int, what: str) -> None:
        meddle(self.stage, self.wish(number), item, what)

    @precondition(lambda self: self.any("pending", "approved", "running", "needs_attention"))
    @rule(accident=accidents, number=which)
    def at_the_next_send(self, accident: tuple[str, str], number: int) -> None:
        """Somebody does something while a delete is on its way."""
        where, what = accident
        wish = self.wish(number)
        acts: dict[str, Any] = {
            "second worker": partial(self.stage.work, 5),
            "dies": self.stage.die,
            "stops": partial(self.people.stop, "rita", wish),
            "pauses": partial(self.people.pause, "omar"),
            "revokes": partial(self.people.revoke, "dana"),
            "two hours": partial(self.stage.pass_time, 7200.0),
            "meddles": partial(meddle, self.stage, wish, number, "item goes"),
        }
        self.stage.at_send.append((where, acts[what]))

    # --- By hand ---------------------------------------------------------------------------------------------

    @rule(number=which, act=st.integers(0, 60))
    def somebody_tries_by_hand(self, number: int, act: int) -> None:
        by_hand(self.stage, self.people.see(self.wish(number)), act)


@pytest.fixture(scope="module")
def theatre(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Theatre]:
    with django_db_blocker.unblock():
        made = Theatre(tmp_path_factory.mktemp("model"))
        yield made
        made.close()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", range(-(-EXAMPLES // IN_A_ROUND)))
def test_whatever_happens_the_rules_hold_and_it_ends(theatre: Theatre, number: int) -> None:
    machine = seed(SEED + number)(type("Played", (Model,), {"theatre": theatre}))
    phases = [Phase.generate, Phase.shrink] if SHRINK else [Phase.generate]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=IN_A_ROUND,
            stateful_step_count=STEPS,
            database=None,
            deadline=None,
            phases=phases,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
