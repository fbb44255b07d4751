"""What a run adds up to: one number for each thing that must never happen, and the sentences behind each."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

INVARIANTS = ("lost", "unapproved", "unrecorded", "double", "false_verified", "stuck", "over_limit")


@dataclass
class Sums:
    seed: int
    faults: int = 0
    lost: int = 0
    unapproved: int = 0
    unrecorded: int = 0
    double: int = 0
    false_verified: int = 0
    stuck: int = 0
    over_limit: int = 0
    audit: str = "ok"
    by_kind: dict[str, int] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    def fault(self, name: str) -> None:
        """One fault really happened."""
        self.faults += 1
        self.by_kind[name] = self.by_kind.get(name, 0) + 1

    def trouble(self, invariant: str, what: str) -> None:
        """One of the numbers grows, and why; `invariant` is a name of INVARIANTS."""
        setattr(self, invariant, getattr(self, invariant) + 1)
        self.troubles.append(f"{invariant}: {what}")

    def add(self, other: "Sums") -> None:
        for name in ("faults", *INVARIANTS):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.audit = other.audit if self.audit == "ok" else self.audit
        self.by_kind = dict(Counter(self.by_kind) + Counter(other.by_kind))
        self.troubles += other.troubles

    @property
    def clean(self) -> bool:
        return self.audit == "ok" and not any(getattr(self, name) for name in INVARIANTS)

    def line(self) -> str:
        numbers = " ".join(f"{name}={getattr(self, name)}" for name in ("faults", *INVARIANTS))
        return f"{numbers} audit={self.audit} seed={self.seed}"

    def stored(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def restored(cls, data: dict[str, Any]) -> "Sums":
        return cls(**data)
