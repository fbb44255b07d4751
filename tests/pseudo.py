"""A language in which every translated text stands in brackets, so that a page shows which of its texts are not."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any

from django.utils import translation

OPEN, CLOSE = "⟦", "⟧"
READ = {"title", "aria-label", "placeholder", "alt", "data-label", "aria-description"}
UNREAD = {"script", "style", "template", "code", "pre"}
EMPTY = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
ICON = "material-symbols"  # its text is the name of a picture
WORD = re.compile(r"[A-Za-z]{2,}")


@contextmanager
def spoken() -> Iterator[None]:
    """Inside, gettext answers with the text in brackets."""
    kept = translation._trans
    translation._trans = _Brackets(kept)
    try:
        yield
    finally:
        translation._trans = kept


class _Brackets:
    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def gettext(self, message: str) -> str:
        return f"{OPEN}{message}{CLOSE}" if message else ""

    def pgettext(self, context: str, message: str) -> str:
        return self.gettext(message)

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return self.gettext(singular if number == 1 else plural)

    def npgettext(self, context: str, singular: str, plural: str, number: int) -> str:
        return self.ngettext(singular, plural, number)


def untranslated(html: str) -> list[str]:
    """The pieces of what people read on a page that stand in no bracket and hold a word."""
    page = _Page()
    page.feed(html)
    page.close()
    return [piece for text in page.texts for piece in bare(text) if WORD.search(piece)]


def bare(text: str) -> Iterator[str]:
    """What of `text` stands outside its brackets, which may hold others."""
    depth, piece = 0, ""
    for sign in text:
        if sign == OPEN:
            depth += 1
        elif sign == CLOSE:
            depth -= 1
        elif not depth:
            piece += sign
            continue
        if piece.strip():
            yield " ".join(piece.split())
        piece = ""
    if piece.strip():
        yield " ".join(piece.split())


class _Page(HTMLParser):
    """The texts between the tags, one for each run without a tag of a block, and the attributes that are read."""

    INLINE = {"a", "b", "bdi", "strong", "em", "span", "time", "br", "del", "ins"}

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self._unread, self._run = 0, ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        told = READ | {name for name, _ in attrs} if given.get("id") == "words" else READ  # the words of the scripts
        self.texts += [value for name, value in attrs if name in told - {"id"} and value]
        if tag == "input" and given.get("type") in ("submit", "button"):
            self.texts.append(given.get("value") or "")
        self._end_run(tag)
        if self._unread or tag in UNREAD or ICON in (given.get("class") or ""):
            self._unread += tag not in EMPTY

    def handle_endtag(self, tag: str) -> None:
        self._unread -= bool(self._unread)
        self._end_run(tag)

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self._run += data

    def close(self) -> None:
        super().close()
        self._end_run("p")

    def _end_run(self, tag: str) -> None:
        # A sentence may hold a link in its brackets: they are counted over the whole run.
        if tag in self.INLINE:
            self._run += "\n"
        else:
            self.texts.append(self._run)
            self._run = ""
