"""Texts that people read, where gettext alone is not enough.

Inside a function a text is `_(""
"…")`, gettext's own: it is translated then and there. What is written down before anybody
asks for it, at a module's or a class's level, is `lazy("…")`. What is kept or compared in English is `marked("…")`, and
translated by `_()` where it is shown.
"""

from typing import cast

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext


def lazy(text: str) -> str:
    """`text`, translated each time that it is shown. It passes for a str, but has no place in `in` or `join`."""
    return cast(str, gettext_lazy(text))


def marked(text: str) -> str:
    """`text` as it is; the mark is for the catalog."""
    return text


def counted(number: int, noun: str) -> str:
    """1 lead, 1,112 leads. Nouns: those below; KeyError for another."""
    return _COUNTED[noun](number).format(number=number)


_COUNTED = {
    "activity": lambda n: ngettext("{number:,} activity", "{number:,} activities", n),
    "approval": lambda n: ngettext("{number:,} approval", "{number:,} approvals", n),
    "call": lambda n: ngettext("{number:,} call", "{number:,} calls", n),
    "deletion": lambda n: ngettext("{number:,} deletion", "{number:,} deletions", n),
    "item": lambda n: ngettext("{number:,} item", "{number:,} items", n),
    "lead": lambda n: ngettext("{number:,} lead", "{number:,} leads", n),
    "reading": lambda n: ngettext("{number:,} reading", "{number:,} readings", n),
    "record": lambda n: ngettext("{number:,} record", "{number:,} records", n),
    "row": lambda n: ngettext("{number:,} row", "{number:,} rows", n),
    "task": lambda n: ngettext("{number:,} task", "{number:,} tasks", n),
    "team": lambda n: ngettext("{number:,} team", "{number:,} teams", n),
}


def listed(words: list[str]) -> str:
    """a; a and b; a, b and c."""
    if len(words) < 2:
        return "".join(words)
    return _("{first} and {last}").format(first=", ".join(words[:-1]), last=words[-1])
