"""The one hinge on which a state turns: compare-and-set, and its audit event in the same transaction."""

from typing import Any, ClassVar

from django.db import models

from .audit import audited, record


class LostRace(Exception):
    """Somebody else moved the row first; read it again, theirs stands."""


class IllegalMove(Exception):
    """The table of states has no such way. A bug in the caller, never a user's fault."""


class StateMachine(models.Model):
    """A row with a `state`. `MOVES` is the whole table: state -> states it may move to; no way out = terminal."""

    state: Any  # each machine declares its own field, with its own words
    NOUN: ClassVar[str]
    MOVES: ClassVar[dict[str, tuple[str, ...]]]

    class Meta:
        abstract = True

    @classmethod
    def terminal_states(cls) -> tuple[str, ...]:
        return tuple(state for state, ways in cls.MOVES.items() if not ways)

    @classmethod
    def open_states(cls) -> tuple[str, ...]:
        return tuple(state for state, ways in cls.MOVES.items() if ways)

    @property
    def is_over(self) -> bool:
        return not self.MOVES[self.state]

    def move(self, to: str, *, actor: str, details: dict[str, Any] | None = None, **fields: Any) -> None:
        """Move this row to `to` if it still is where we saw it; LostRace otherwise. `fields` are set with it."""
        seen = self.state
        if to not in self.MOVES[seen]:
            raise IllegalMove(f"{self.NOUN} {self.pk}: {seen} -> {to}")
        with audited():
            # An update, not a save: the WHERE is the lock.
            rows: Any = type(self)._default_manager
            won = rows.filter(pk=self.pk, state=seen).update(state=to, **fields)
            if not won:
                raise LostRace(f"{self.NOUN} {self.pk} is no longer {seen}")
            self.state = to
            for name, value in fields.items():
                setattr(self, name, value)
            record(f"{self.NOUN}.{to}", self, actor=actor, before=seen, after=to, **(details or {}))
