"""What goes wrong in one scenario: faults drawn from its seed, each armed until its occasion comes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

# How an answer may fail. The first group says that nothing was done, the last one that nothing left this machine.
CLEAR_NO = (
    "429", "403 rate", "200 rate", "401", "403", "400", "404", "405", "200 error", "500 input",
)  # fmt: skip
UNCLEAR = (
    "500 generic", "502", "302", "html", "broken json", "too large", "timeout", "reset", "deadline",
)  # fmt: skip
NOT_SENT = ("dns", "refused", "tls")
ANSWERS = (*CLEAR_NO, *UNCLEAR, *NOT_SENT)
LISTS = ("list hides some", "list moves", "count too high", "empty list", "lead unknown")
EFFECTS = (
    "nothing", "keeps 20 %", "takes a neighbour", "takes another code", "late by hours", "late by a day", "lead gone",
)  # fmt: skip
WEBHOOKS = (
    "early", "before the work", "late", "twice", "never", "contradicting", "lying", "forged", "malformed", "flood",
)  # fmt: skip
STATEMENTS = ("kill before", "kill after", "locked", "connection lost", "disk full", "stop", "second worker")
COMMITS = ("kill before commit", "kill after commit", "disk full at commit", "lost after commit")
STEPS = ("entered", "left", "answered")
RINGS = ("ring lost", "ring 20 times", "rings in reverse", "ring late", "kill at ring")
OTHERS = (
    "task completed", "task reassigned", "neighbour deleted", "item deleted", "item changed", "new in the window",
    "lead removed", "rate eaten", "keys withdrawn",
)  # fmt: skip
PEOPLE = (
    "stop", "pause", "cancel", "hold", "voter locked out", "grant revoked", "double click", "both vote at once",
    "status by hand", "frozen row by hand", "reverify", "request the rest", "impatient decision",
)  # fmt: skip

Match = Callable[[dict[str, Any]], bool]


@dataclass
class Fault:
    hook: str
    name: str
    after: int = 1
    match: Match = lambda facts: True
    data: float = 0


@dataclass
class Plan:
    """`take(hook, …)` gives the fault whose occasion this is, once; most of the time None."""

    random: Random
    faults: list[Fault] = field(default_factory=list)
    fired: list[str] = field(default_factory=list)

    def take(self, hook: str, **facts: Any) -> Fault | None:
        for fault in self.faults:
            if fault.hook != hook or not fault.match(facts):
                continue
            fault.after -= 1
            if fault.after <= 0:
                self.faults.remove(fault)
                self.fired.append(fault.name)
                return fault
        return None

    def disarm(self) -> None:
        self.faults = []

    def has(self, hook: str) -> bool:
        return any(fault.hook == hook for fault in self.faults)

    # --- Drawing ---------------------------------------------------------------------------------------------

    def draw(self, count: int) -> None:
        """That many faults; most often those of the sends, without which the others have less to spoil."""
        makers = {
            self._answer: 4, self._effect: 4, self._webhook: 4, self._step: 3, self._statement: 3, self._door: 2,
            self._list: 1, self._commit: 1, self._ring: 1, self._others: 1, self._people: 1, self._sleep: 1,
        }  # fmt: skip
        for make in self.random.choices(list(makers), list(makers.values()), k=count):
            self.faults.append(make())

    def _pick(self, names: tuple[str, ...]) -> str:
        return self.random.choice(names)

    def _answer(self) -> Fault:
        name, write = self._pick(ANSWERS), self.random.random() < 0.6
        after = 1 if write else self.random.randint(1, 8)
        kind = "delete" if write else "read"
        return Fault("answer", f"{name} to a {kind}", after, lambda facts: facts["write"] == write)

    def _list(self) -> Fault:
        return Fault("list", self._pick(LISTS), self.random.randint(1, 6))

    def _effect(self) -> Fault:
        return Fault("effect", self._pick(EFFECTS))

    def _webhook(self) -> Fault:
        return Fault("webhook", f"webhook {self._pick(WEBHOOKS)}")

    def _statement(self) -> Fault:
        name = self._pick(STATEMENTS)
        actor = "person" if self.random.random() < 0.15 and name not in ("stop", "second worker") else "worker"
        outside = name in ("stop", "second worker")

        def match(facts: dict[str, Any]) -> bool:
            return bool(facts["actor"] == actor and not (outside and facts["inside"]))

        return Fault("statement", f"{name} a statement of a {actor}", self._some(), match, self._jump())

    def _door(self) -> Fault:
        name = self._pick(("kill before", "kill after", "locked", "connection lost", "disk full"))
        return Fault(
            "statement",
            f"{name} a statement of the webhook door",
            self.random.randint(1, 12),
            lambda facts: facts["actor"] == "door",
        )

    def _commit(self) -> Fault:
        return Fault("commit", self._pick(COMMITS), self.random.randint(1, 60))

    def _step(self) -> Fault:
        """At a named step of a send: killed, stopped, or overtaken by a second worker."""
        name, step = self._pick(("kill", "stop", "second worker")), self._pick(STEPS)
        write = self.random.random() < 0.7
        after = 1 if write else self.random.randint(1, 8)

        def match(facts: dict[str, Any]) -> bool:
            return bool(facts["step"] == step and facts["write"] == write)

        kind = "delete" if write else "read"
        return Fault("step", f"{name} when a {kind} has {step}", after, match, self._jump())

    def _sleep(self) -> Fault:
        return Fault("sleep", f"{self._pick(('kill', 'stop'))} in the budget's sleep", self.random.randint(1, 6))

    def _ring(self) -> Fault:
        return Fault("ring", self._pick(RINGS), self.random.randint(1, 6))

    def _others(self) -> Fault:
        return Fault("others", self._pick(OTHERS), data=self._when())

    def _people(self) -> Fault:
        return Fault("people", self._pick(PEOPLE), data=self._when())

    def _some(self) -> int:
        """A number of statements: small ones as often as large ones."""
        return int(10 ** self.random.uniform(0, 2.6))

    def _jump(self) -> float:
        """Seconds that a stopped process is away."""
        return self.random.choice((20, 32, 45, 62, 95, 600, 7200))

    def _when(self) -> float:
        """Seconds from the beginning of the run."""
        return float(10 ** self.random.uniform(0, 3.7))
