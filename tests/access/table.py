"""The table of who gets what at which address: computed here, kept in matrix.txt, compared by test_matrix.py."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from .addresses import Address, every_address
from .examples import example
from .scene import Scene, rolled_back

FILE = Path(__file__).with_name("matrix.txt")
METHODS = ("GET", "POST")
WIDE, NARROW = 68, 11
HEAD = """\
# Who gets what at which address. Written by `.venv/bin/python -m tests.access`; read what differs before you commit it.
#
# 200, 302, 403, 404, 405, 409   what the portal answers; 403 is "not you", with the sentence that says why
# >login                         shown the way to the sign-in page
# a + behind it                  something was written into the database; nothing was where there is none
# -                              not asked: an action of a list has no page of its own
#
# looks: no role · approver: with a grant · no_grant: an approver without · root: a superuser without a role ·
# django: every permission of Django's own and no role · locked: had roles and a grant, and was locked out
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """One answer, and whether anything was written for it."""

    response: HttpResponse
    wrote: bool

    def __str__(self) -> str:
        where = self.response.get("Location", "")
        if self.response.status_code == 302 and where.startswith("/admin/login/"):
            return ">login"
        return f"{self.response.status_code}{'+' if self.wrote else ''}"


class Visitors:
    """Everybody signed in once; each visit is a client of its own, so that signing out ends none of the others."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.handler = Client().handler  # one for all: making the middleware costs more than most answers
        self.sessions = {name: _session(user) for name, user in scene.people.items() if user}

    def client(self, name: str) -> Client:
        client = Client()
        client.handler = self.handler
        if name in self.sessions:
            client.cookies[settings.SESSION_COOKIE_NAME] = self.sessions[name]
        return client

    def visit(self, name: str, address: Address, method: str) -> Cell:
        """Raises what the portal raises: there is no 500 in the table."""
        client, user = self.client(name), self.scene.people[name] or self.scene.world.rita
        with rolled_back():
            path, data = example(self.scene, user, address)
            with writes() as written:
                response = client.post(path, data) if method == "POST" else client.get(path)
            return Cell(response, bool(written))


def _session(user: User) -> str:
    client, active = Client(), user.is_active
    User.objects.filter(pk=user.pk).update(is_active=True)  # who is locked out had signed in before
    client.force_login(User.objects.get(pk=user.pk))
    User.objects.filter(pk=user.pk).update(is_active=active)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@contextmanager
def writes() -> Iterator[list[str]]:
    """Each statement that would change a row, other than the sessions of whoever looks."""
    seen: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.split(None, 1)[0] in ("INSERT", "UPDATE", "DELETE") and "django_session" not in sql:
            seen.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield seen


def rows(visitors: Visitors, names: list[str], watch: Callable[..., None] | None = None) -> dict[str, list[str]]:
    """Row name -> its cells, one for each of `names`. `watch` sees each row, name and response."""
    found: dict[str, list[str]] = {}
    for address in every_address():
        for method in METHODS:
            if method == "POST" or not address.action:
                row = found[f"{method:<5} {address.name}"] = []
                for name in names:
                    cell = visitors.visit(name, address, method)
                    row.append(str(cell))
                    if watch:
                        watch(f"{method} {address.name}", name, cell.response)
    return found


def text_of(found: dict[str, list[str]], names: list[str]) -> str:
    lines = [_line("", names), *(_line(name, cells) for name, cells in found.items())]
    return HEAD + "\n" + "\n".join(lines) + "\n"


def _line(name: str, cells: list[str]) -> str:
    return (f"{name:<{WIDE}} " + "".join(f"{cell:<{NARROW}}" for cell in cells)).rstrip()


def kept() -> tuple[list[str], dict[str, list[str]]]:
    """The people of the file's columns, and its rows."""
    lines = [line for line in FILE.read_text().splitlines() if line and not line.startswith("#")]
    names = lines[0].split()
    parted = [line.split() for line in lines[1:]]
    return names, {" ".join(_first(parts[: -len(names)])): parts[-len(names) :] for parts in parted}


def _first(parts: list[str]) -> list[str]:
    return [f"{parts[0]:<5}", *parts[1:]]
