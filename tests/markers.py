"""The marker run: `./dev test -p tests.markers`. The suite runs with secrets of its own that stand nowhere else, and a
test fails at whose end a secret, or what LeadSquared says about a lead, is found where it must not be.

Looked at: every log line as the portal's own handler writes it, what was printed, every answer and file that a view
gave, every text in every table at the end of a test, mails, and what the queue keeps. Three kinds are told apart:

- secrets of the settings and webhook tokens: nowhere at all;
- passwords, second factors and recovery codes: not in logs, mails and tables; pages show some of them once;
- e-mail addresses and phone numbers of leads: only in the tables of `THEIRS`, never in logs, mails or the trail.

What it can't see: what tests print from processes of their own, and names, which look like other words.
"""

import io
import logging
import os
import re
import secrets
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

# Told to the processes that come after: tests/settings.py sets these in place of its own.
os.environ["LSQ_OPS_MARKERS"] = "1"
PASTED = "/admin/set-up/keys/"  # shows the lines for .env once, of the keys that its visitor typed there
FOUND_AS = {"u$rsandbox0access": "LSQ_ACCESS_KEY", "sandbox0secret": "LSQ_SECRET_KEY"}  # what -> what it is
# Tables that hold what LeadSquared says about people: it is what they are for.
THEIRS = {
    "lsq_ops_lead",
    "lsq_ops_activity",
    "lsq_ops_task",
    "lsq_ops_searchterm",
    "lsq_ops_itemcontent",
    "lsq_ops_snapshotcontent",
    "lsq_ops_snapshotpage",
    "lsq_ops_uploadedlist",
    "lsq_ops_uploadedpart",
    "lsq_ops_uploadedline",
    "lsq_ops_webhookreceipt",
}
PASSWORD = 30  # signs of the marked one in an address
SHORTEST = 10  # a shorter password is part of ordinary words
MOST_ROWS = 5_000
_EMAIL = re.compile(r"[\w.+-]+@[\w.-]+\w")
_DIGITS = re.compile(r"\+?\d[\d() .-]{7,18}\d")


class Seen:
    """What was said since the last look, and what is looked for."""

    def __init__(self) -> None:
        self.logs = io.StringIO()
        self.hits: list[str] = []
        self.tokens: set[str] = set()
        self.shown_once: set[str] = set()
        self.emails: set[str] = set()
        self.phones: set[str] = set()

    def strict(self, text: str) -> list[str]:
        names = [name for secret, name in FOUND_AS.items() if secret in text]
        return names + ["a webhook token" for token in self.tokens if token in text]

    def once(self, text: str) -> list[str]:
        return [f"a password, code or second factor ({one[:2]}…)" for one in self.shown_once if one in text]

    def personal(self, text: str) -> list[str]:
        if any(found.lower() in self.emails for found in _EMAIL.findall(text)):
            return ["a lead's e-mail"]
        digits = ("".join(filter(str.isdigit, found)) for found in _DIGITS.findall(text))
        return ["a lead's phone"] if any(one[-10:] in self.phones for one in digits if len(one) >= 10) else []

    def note(self, where: str, what: Iterable[str]) -> None:
        self.hits += [f"{one} in {where}" for one in what]


seen = Seen()


# --- What is listened to ---------------------------------------------------------------------------------------------


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    from django.conf import settings

    from tests.settings import MARKED

    FOUND_AS.update((value.rpartition("@")[0][-PASSWORD:] or value, name) for name, value in MARKED.items())
    handler = logging.StreamHandler(seen.logs)
    formatter = dict(settings.LOGGING["formatters"]["ours"])
    handler.setFormatter(formatter.pop("()")(**formatter))
    logging.getLogger().addHandler(handler)
    _listen_to_secrets()
    _listen_to_answers()
    _learn_leads()


def _listen_to_secrets() -> None:
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
    from allauth.mfa.totp.internal import auth as totp
    from django.contrib.auth.hashers import MD5PasswordHasher

    encode, generate, codes, token = (
        MD5PasswordHasher.encode,
        totp.generate_totp_secret,
        RecoveryCodes.generate_codes,
        secrets.token_urlsafe,
    )

    def encoding(self: Any, password: str, salt: str) -> str:
        seen.shown_once |= {password} if len(password) >= SHORTEST else set()
        return encode(self, password, salt)

    def generating(*args: Any) -> str:
        secret = generate(*args)
        seen.shown_once.add(secret)
        return secret

    def coding(self: Any) -> list[str]:
        made = codes(self)
        seen.shown_once |= {code for code in made if len(code) >= SHORTEST}
        return made

    def making(size: int | None = None) -> str:
        made = token(size)
        if sys._getframe(1).f_globals.get("__name__") == "lsq_ops.services.running":
            seen.tokens.add(made)
        return made

    MD5PasswordHasher.encode = encoding
    totp.generate_totp_secret = generating
    RecoveryCodes.generate_codes = coding
    secrets.token_urlsafe = making


def _listen_to_answers() -> None:
    """Below every client: the test client, a browser and a program alike."""
    from django.core.handlers.base import BaseHandler

    answer = BaseHandler.get_response

    def answering(self: Any, request: Any) -> Any:
        response = answer(self, request)
        where = f"the answer of {request.method} {request.path.partition('leadsquared/')[0]}"
        if response.streaming:
            response.streaming_content = _passing(response.streaming_content, where)
        elif request.path != PASTED:
            seen.note(where, seen.strict(_as_text(response.content)))
        seen.note(f"the headers of {where}", seen.strict(str(response.headers)))
        return response

    BaseHandler.get_response = answering


def _passing(parts: Iterable[bytes], where: str) -> Iterator[bytes]:
    whole = b""
    for part in parts:
        whole += part
        yield part
    seen.note(where, seen.strict(_as_text(whole)))


def _as_text(content: bytes) -> str:
    """A zip, and so a workbook, is opened."""
    if not content.startswith(b"PK\x03\x04"):
        return content.decode("utf-8", "replace")
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        return "\n".join(packed.read(name).decode("utf-8", "replace") for name in packed.namelist())


def _learn_leads() -> None:
    from lsq_ops.sandbox.world import World

    for email, digits in World()._rows("SELECT email, digits FROM leads"):
        seen.emails |= {email.lower()} if email else set()
        seen.phones |= {digits[-10:]} if len(digits or "") >= 10 else set()


# --- The end of each test --------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Innermost, so that the test's rows are still there, and what it printed is its own."""
    try:
        yield
    finally:
        written = seen.logs.getvalue()
        seen.logs.seek(0)
        seen.logs.truncate()
        _look(written, "a log line")
        _look_at_mails()
        if {"db", "transactional_db", "committed_db"} & set(getattr(item, "fixturenames", ())):
            _look_at_tables()
        hits, seen.hits = sorted(set(seen.hits)), []
    if hits:
        pytest.fail("MARKED: " + "; ".join(hits), pytrace=False)


@pytest.hookimpl
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What was printed is known when the test is over: it is told of with the next one."""
    printed = "\n".join(text for name, text in report.sections if "stdout" in name or "stderr" in name)
    seen.note(f"what {report.nodeid} printed", seen.strict(printed))


def _look(text: str, where: str) -> None:
    for look in (seen.strict, seen.once, seen.personal):
        seen.note(where, look(text))


def _look_at_mails() -> None:
    from django.core import mail

    for one in getattr(mail, "outbox", []):
        _look(f"{one.subject}\n{one.body}\n{one.to}", "a mail")


def _look_at_tables() -> None:
    from django.db import DatabaseError, connection

    if connection.needs_rollback:
        return
    for table, columns in _texts():
        names = ", ".join(map(connection.ops.quote_name, columns))
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT {names} FROM {connection.ops.quote_name(table)} LIMIT {MOST_ROWS}")
                text = "\n".join(str(value) for row in cursor.fetchall() for value in row if value)
        except DatabaseError:
            return  # the test itself broke it
        looks: tuple[Callable[[str], list[str]], ...] = (seen.strict, seen.once)
        for look in looks if table in THEIRS else (*looks, seen.personal):
            seen.note(f"the table {table}", look(text))
    _look_at_queue()


_known: list[tuple[str, list[str]]] = []


def _texts() -> list[tuple[str, list[str]]]:
    """Each table with its columns of texts."""
    from django.apps import apps
    from django.db import models

    kinds = (models.CharField, models.TextField, models.JSONField)
    if not _known:
        for model in apps.get_models(include_auto_created=True):
            columns = [f.column for f in model._meta.concrete_fields if isinstance(f, kinds)]
            if columns and model._meta.managed:
                _known.append((model._meta.db_table, columns))
    return _known


def _look_at_queue() -> None:
    """Its rows are packed: results of jobs, and jobs that wait."""
    from django_q.models import OrmQ, Task

    results = [f"{task.args} {task.kwargs} {task.result}" for task in Task.objects.all()[:MOST_ROWS]]
    waiting = [str(row.task) for row in OrmQ.objects.all()[:MOST_ROWS]]
    _look("\n".join([*results, *waiting]), "the queue")
