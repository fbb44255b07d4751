"""The switches by which the sandbox misbehaves. One table: name -> (default, sentence, values)."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import NamedTuple

from .answers import CANNED


class Switch(NamedTuple):
    default: str | float
    sentence: str
    values: tuple[str, ...] = ()
    pattern: str = ""


def one_of(values: str, sentence: str) -> Switch:
    """A switch with these values, parted by blanks; the first is the default."""
    return Switch(values.split()[0], sentence, tuple(values.split()))


SWITCHES: dict[str, Switch] = {
    # The HTTP answer
    "answer": one_of(" ".join(CANNED), "The HTTP answer to any call; see the table of answers."),
    "takes_effect": one_of("auto yes no", "Is a delete with a faulty answer done? auto = if that is unclear."),
    "slow_for": Switch(10.0, "Seconds that answer=slow waits; answer=drip takes a tenth of it for a byte."),
    "latency": Switch("0", "Milliseconds, half before a call counts: 40, or 20-300.", (), r"\d+(-\d+)?"),
    # Keys, rate limit, account
    "allow_query_keys": one_of("no yes", "Take the keys from the URL as well, as LeadSquared does."),
    "rate_limit": Switch("25/5", "Calls per seconds, or off.", (), r"[1-9]\d*/[1-9]\d*|off"),
    "rate_window": one_of("sliding fixed", "How calls are counted."),
    "rate_shape": one_of("429 403 200", "The status of a call over the limit."),
    "time_zone": Switch("Asia/Kolkata", "The key user's zone, e.g. India Standard Time."),
    # Readings
    "offset": one_of("pages0 pages1 rows", "What Retrieve takes Offset for."),
    "row_cap": Switch(1000.0, "The most rows of one page, whatever RowCount asks."),
    "record_count": one_of("total page zero", "What RecordCount counts."),
    "order": one_of("newest oldest unstable", "Order of Retrieve; unstable = another one each time."),
    "reading": one_of(
        "normal hides empty grows",
        "hides = every fifth activity of a page is missing; empty = no activity at all; grows = a new activity "
        "appears before each page but the first.",
    ),
    "lead_gone": one_of("no yes", "yes = leads whose id holds `match` are unknown."),
    # Deletes
    "delay": Switch(0.5, "Seconds from queued to done."),
    "late_by": Switch(5.0, "Seconds more for effect=late and webhook=late."),
    "effect": one_of(
        "normal nothing keep_20_percent delete_neighbour delete_other_code late lead_gone task_done task_moved",
        "What a delete does. delete_neighbour = a record of the same code, or task of the same owner, goes too; "
        "lead_gone = the lead goes too; task_done, task_moved = tasks are completed, or moved to another owner.",
    ),
    "window": one_of("created_on modified_on inserted_on", "The column that the dates are held against."),
    "ends": one_of("inclusive half_open exclusive", "Which bounds belong to the window."),
    "subseconds": one_of("no yes", "Compare hidden fractions too: 10:00:00.4 is after ToDate 10:00:00."),
    "tasks_answer": one_of("queued result", "What DeleteTasks answers at once."),
    "webhook": one_of(
        "json form text empty never twice early premature late lying contradicting head_first chunked forged "
        "wrong_count slash broken deep huge",
        "How the status webhook comes. early = before the answer to the delete; premature = before the work; "
        "lying = the opposite; contradicting = both; forged = one to another token first; slash = with a slash at "
        "the end where none was asked for, or without.",
    ),
}


@dataclass(slots=True)
class Rule:
    value: str | float
    match: str | None
    times: int | None


class Faults:
    """The switches' state, safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: dict[str, list[Rule]] = {}

    def set(self, name: str, value: object, *, match: str | None = None, times: int | None = None) -> None:
        """Turns a switch. `match` limits it to calls with that text in path, query or body, `times` to so
        many of them; the youngest rule that fits counts. ValueError for what the table doesn't have."""
        rule = Rule(checked(name, value), match or None, times)
        with self._lock:
            rules = self._rules.setdefault(name, [])
            if match is None and times is None:
                rules[:] = [old for old in rules if old.match is not None]
            rules.insert(0, rule)

    def take(self, name: str, subject: str = "") -> str:
        return str(self._take(name, subject))

    def number(self, name: str, subject: str = "") -> float:
        return float(self._take(name, subject))

    def _take(self, name: str, subject: str) -> str | float:
        if name not in self._rules:
            return SWITCHES[name].default
        with self._lock:
            for rule in self._rules.get(name, []):
                if rule.match is None or rule.match in subject:
                    self._use(name, rule)
                    return rule.value
        return SWITCHES[name].default

    def _use(self, name: str, rule: Rule) -> None:
        if rule.times is None:
            return
        rule.times -= 1
        if rule.times <= 0:
            self._rules[name].remove(rule)

    def reset(self) -> None:
        with self._lock:
            self._rules.clear()

    def active(self) -> list[dict[str, object]]:
        with self._lock:
            return [
                {"name": name, "value": rule.value, "match": rule.match, "times": rule.times}
                for name, rules in self._rules.items()
                for rule in rules
            ]


def checked(name: str, value: object) -> str | float:
    switch = SWITCHES.get(name)
    if switch is None:
        raise ValueError(f"There is no switch {name!r}; there are {', '.join(SWITCHES)}.")
    text = str(value)
    if isinstance(switch.default, float):
        if not re.fullmatch(r"\d{1,9}(\.\d+)?", text):
            raise ValueError(f"{name} is a number, not {text!r}.")
        return float(text)
    if switch.values and text not in switch.values:
        raise ValueError(f"{name} is one of {', '.join(switch.values)}, not {text!r}.")
    if switch.pattern and not re.fullmatch(switch.pattern, text):
        raise ValueError(f"{name} can't be {text!r}. {switch.sentence}")
    return text
