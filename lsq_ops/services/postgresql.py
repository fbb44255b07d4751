"""PostgreSQL's own tools: pg_dump writes a backup, pg_restore turns it into SQL again. Passwords go by the environment
of the one process that needs them, never among its arguments, which everybody on the machine can read."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.client import DatabaseClient
from django.utils.translation import gettext as _

from .may import Barred

# What newer tools write at the beginning, and older servers don't know; and what only psql understands.
NOT_SQL = re.compile(rb"SET transaction_timeout |\\(un)?restrict ")
COPY = re.compile(rb"COPY .* FROM stdin;\n")
COPIED = b"\\.\n"


def server(connection: BaseDatabaseWrapper) -> int:
    """Its major version."""
    connection.ensure_connection()
    return int(connection.pg_version) // 10_000  # type: ignore[attr-defined]


def program(name: str, at_least: int) -> tuple[str, int]:
    """(its path, its major version); Barred where there is none, or only one that is too old."""
    path = shutil.which(name, path=settings.PG_BIN or None)
    if path is None:
        where = settings.PG_BIN or "PATH"
        raise Barred(
            _(
                "There is no {name} in {where}. Install PostgreSQL's client programs of version {version} or newer, or"
                " set PG_BIN to the folder that holds them."
            ).format(name=name, where=where, version=at_least)
        )
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+", said)
    version = int(found[0]) if found else 0
    if version < at_least:
        raise Barred(
            _(
                "{path} is version {version}, and version {needed} or newer is needed. Install PostgreSQL's client"
                " programs of that version, or set PG_BIN to the folder that holds them."
            ).format(path=path, version=version, needed=at_least)
        )
    return path, version


@contextmanager
def dumped(program: str, snapshot: str) -> Iterator[IO[bytes]]:
    """What pg_dump writes about the database as the snapshot shows it; Barred at the end where it failed."""
    command = [program, "--format=custom", "--no-owner", "--no-privileges", "--no-password", f"--snapshot={snapshot}"]
    with _running(command, {**os.environ, **_where()}) as output:
        yield output


@contextmanager
def _running(command: list[str], environment: dict[str, str]) -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=told, env=environment
        )
        assert process.stdout
        try:
            yield process.stdout
        except BaseException:
            process.kill()
            raise
        finally:
            process.stdout.close()
            code = process.wait()
        if code:
            told.seek(0)
            last = told.read().decode(errors="replace").strip().splitlines()[-1:]
            name = Path(command[0]).name
            raise Barred(_("{name} failed: {why}").format(name=name, why="".join(last) or f"exit code {code}"))


def _where() -> dict[str, str]:
    """Server, database, user and password as libpq reads them from the environment; certificates and the like too."""
    _arguments, environment = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    given = connection.get_connection_params()
    names = {"PGDATABASE": "dbname", "PGHOST": "host", "PGPORT": "port", "PGUSER": "user"}
    return {**(environment or {}), **{name: str(given[key]) for name, key in names.items() if given.get(key)}}


def is_empty(connection: BaseDatabaseWrapper) -> bool:
    """No table, view or sequence of anybody's."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT NOT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg!_%' ESCAPE '!')"
        )
        return bool(cursor.fetchone()[0])


def load(program: str, dump: Path) -> None:
    """Everything that is in the dump, inside the running transaction: pg_restore only writes it down as SQL."""
    command = [program, "--no-owner", "--no-privileges", "--file=-", str(dump)]
    with _running(command, dict(os.environ)) as sql:
        _run(sql)
    with connection.cursor() as cursor:  # what the dump set for the whole session
        for name in ("search_path", "check_function_bodies", "row_security", "client_min_messages", "xmloption"):
            cursor.execute(f"RESET {name}")


def _run(sql: Iterable[bytes]) -> None:
    raw: Any = connection.connection
    lines = iter(sql)
    statements: list[bytes] = []
    with raw.cursor() as cursor:
        for line in lines:
            if COPY.fullmatch(line):
                cursor.execute(b"".join(statements))
                statements = []
                with cursor.copy(line) as copy:
                    for row in iter(lines.__next__, COPIED):
                        copy.write(row)
            elif not NOT_SQL.match(line):
                statements.append(line)
        cursor.execute(b"".join(statements))
