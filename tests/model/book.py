"""What the model believes: who may vote and who did, who is involved in what, what reached LeadSquared. Written from
what was done and seen, never copied from the portal's own conclusions."""

from dataclasses import dataclass, field
from math import inf

REQUESTER, APPROVER, OPERATOR, POLICY_ADMIN = "Requester", "Approver", "Operator", "Policy admin"
FOR = ("approve", "confirm")
CUSTOM_SHARE, HEAVY_SHARE, LONG_HISTORY = 20, 60, 10


@dataclass
class Spell:
    """A stretch of time; without an end so far."""

    start: float
    end: float = inf

    def covers(self, at: float) -> bool:
        return self.start <= at < self.end


@dataclass
class Person:
    name: str
    roles: frozenset[str]
    team: str = ""
    grants: list[Spell] = field(default_factory=list)
    locked: list[Spell] = field(default_factory=list)

    def active(self, at: float) -> bool:
        return not any(spell.covers(at) for spell in self.locked)

    def grant(self, at: float) -> Spell | None:
        return next((spell for spell in self.grants if spell.covers(at)), None)


@dataclass
class Ballot:
    """One person's word on one version, under the grant of that moment."""

    who: Person
    decision: str
    at: float
    grant: Spell
    taken_back: float = inf

    def counts(self, at: float) -> bool:
        mine = self.decision in FOR and self.at <= at < self.taken_back
        return mine and self.who.active(at) and self.grant.covers(at)


@dataclass
class Version:
    """What approvers were shown when it was submitted: how many of whom it needs, and the very calls."""

    pk: int
    digest: str
    read_at: float
    votes: int
    teams: int
    items: dict[str, int] = field(default_factory=dict)  # record -> call
    bodies: dict[int, str] = field(default_factory=dict)  # call -> its JSON
    ballots: list[Ballot] = field(default_factory=list)

    def enough(self, at: float) -> bool:
        standing = [ballot.who for ballot in self.ballots if ballot.counts(at)]
        teams = {person.team for person in standing}
        return len({p.name for p in standing}) >= max(1, self.votes) and len(teams) >= self.teams


@dataclass
class Wish:
    """A request: who is involved, which versions were submitted, when somebody stopped it."""

    pk: int
    kind: str
    involved: set[str]
    versions: dict[int, Version] = field(default_factory=dict)
    stopped: float = inf


@dataclass
class Arrival:
    """A delete that reached LeadSquared."""

    number: int
    at: float
    path: str
    token: str
    attempt: int
    call: int
    request: int
    turned_away: bool


@dataclass
class Book:
    people: dict[str, Person] = field(default_factory=dict)
    wishes: dict[int, Wish] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)  # when anything of ours reached LeadSquared
    shown: dict[str, list[float]] = field(default_factory=dict)  # record -> when LeadSquared showed it to us
    changed: dict[str, float] = field(default_factory=dict)  # record -> when others last changed it
    paused: list[Spell] = field(default_factory=list)  # by operators; the portal may pause itself too
    resends: list[tuple[int, float]] = field(default_factory=list)  # call, when two people decided
    decisions: dict[int, tuple[str, str]] = field(default_factory=dict)  # decision -> who proposed, who confirmed

    def version(self, pk: int) -> Version | None:
        return next((v for wish in self.wishes.values() for v in wish.versions.values() if v.pk == pk), None)

    # --- Who may ---------------------------------------------------------------------------------------------

    def may(self, name: str, role: str, at: float) -> bool:
        person = self.people[name]
        return role in person.roles and person.active(at)

    def may_vote(self, name: str, wish: Wish, version: Version, at: float) -> bool:
        person = self.people[name]
        if name in wish.involved or not self.may(name, APPROVER, at) or person.grant(at) is None:
            return False
        return all(ballot.who is not person for ballot in version.ballots)

    def may_decide(self, name: str, wish: Wish, at: float) -> bool:
        return self.may(name, OPERATOR, at) and name not in wish.involved

    # --- What was done ---------------------------------------------------------------------------------------

    def voted(self, name: str, version: Version, decision: str, at: float) -> None:
        person = self.people[name]
        grant = person.grant(at)
        assert grant is not None, f"{name} voted without a grant in force"
        version.ballots.append(Ballot(person, decision, at, grant))

    def resumed(self, at: float) -> None:
        for spell in self.paused:
            spell.end = min(spell.end, at)


def needs(kind: str, items: dict[str, int], history: dict[str, int]) -> tuple[int, int]:
    """Votes and teams by the policy as shipped: `items` and all records of the history, by lead."""
    if kind in ("owner_history", "stage_history"):
        return 2, 2
    long = {lead: n for lead, n in history.items() if n >= LONG_HISTORY and items.get(lead)}
    shares = [items[lead] * 100 / n for lead, n in long.items()] if kind == "activities" else []
    heavy = sum(share >= HEAVY_SHARE for share in shares)
    if heavy and (heavy * 20 > len(items) or len(items) == 1):
        return 2, 2
    small = sum(items.values()) <= 50 and len(items) <= 5
    return (1, 1) if small and not any(share >= CUSTOM_SHARE for share in shares) else (2, 1)
