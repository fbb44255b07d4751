"""Every text of every page goes through gettext: in a language of brackets, only data stands outside them."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import models

from tests.pseudo import WORD, spoken, untranslated

from .addresses import every_address
from .examples import example
from .scene import rolled_back
from .table import Visitors, kept

pytestmark = pytest.mark.once

EVERYBODY = ("requester", "approver", "operator", "auditor", "policy", "nobody")
# Names and marks that are the same in every language.
NAMES = re.compile(
    r"LSQ Ops|LeadSquared|DR-\d+|UTC|IST|CSV|XLSX|JSON|SHA-256|SQLite|PostgreSQL|Redis|HTTP|TLS|[Dd]jango|"
    r"esc\b|Select record|"  # Unfold's own
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{8,}…?|(?:[A-Z2-7]{4} ){3,}[A-Z2-7]{4}|"
    r"[A-Z][A-Z0-9]*_[A-Z0-9_]+|https?://\S+|[\w./-]+/[\w./-]*|[\w-]+\.(?:py|md|svc|com|zip|html|csv|env)\S*|\S*@\S*|"
    r"[a-z_]+\.[a-z_]+|\d+ ?(?:ms|s|min|h|kB|MB|GB)\b|"
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*|Asia|Kolkata"
)


TYPED = {"because", "a subject", "a text", "nobody"}  # by the examples


@pytest.fixture(scope="module")
def visitors(there):
    return Visitors(there)


def pages(there: Any, visitors: Visitors) -> Iterator[tuple[str, str, set[str]]]:
    """(name, html, data) of each page, as the first of each kind of answer shows it, in the language of brackets."""
    names, table = kept()
    for address in every_address():
        cells = table.get(f"GET   {address.name}", [])
        for who in EVERYBODY:
            if address.action or not cells or cells[names.index(who)] not in ("200", "403"):
                continue
            with rolled_back():
                path, _ = example(there, there.people[who], address)
                with spoken():
                    answer = visitors.client(who).get(path)
                if answer.streaming or b"<title" not in answer.content:
                    continue
                yield f"{address.name} ({who})", answer.content.decode(), data()
            if who not in ("requester", "approver") or "change" not in address.name:
                break


def data() -> set[str]:
    """Every text that the database holds, and every word of it that a page may show alone."""
    found: set[str] = set(TYPED)
    for model in apps.get_models():
        names = [field.name for field in model._meta.concrete_fields if isinstance(field, _TEXTS) and not field.choices]
        if names and model._meta.managed:
            for row in model._base_manager.values_list(*names):
                for value in row:
                    _gather(value, found)
    return found


_TEXTS = (models.CharField, models.TextField, models.JSONField)


def _gather(value: Any, found: set[str]) -> None:
    if isinstance(value, str):
        text = " ".join(value.split())
        found |= {text, f"{text[:1].upper()}{text[1:]}"}
    elif isinstance(value, dict):
        for inner in value.values():
            _gather(inner, found)
    elif isinstance(value, list):
        for inner in value:
            _gather(inner, found)


def test_every_text_of_every_page_goes_through_gettext(there, visitors):
    found, looked = {}, 0
    for name, html, known in pages(there, visitors):
        looked += 1
        for piece in untranslated(html):
            rest = own_words(piece, known)
            if WORD.search(rest):
                found.setdefault(piece, f"{name}: {rest}")
    assert looked > 120
    for piece, where in found.items():
        print(f"{piece}  <- {where}")
    assert not found


def own_words(piece: str, known: set[str]) -> str:
    """What is left of a piece without what the database holds, names and numbers."""
    for value in sorted((one for one in known if len(one) > 2 and one in piece), key=len, reverse=True):
        piece = piece.replace(value, " ")
    return NAMES.sub(" ", piece)
