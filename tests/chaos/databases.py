"""Databases for scenarios: one is prepared with people and a proven account, and every scenario gets a copy of it.
Nothing is cleaned up by deleting rows: the guards would refuse."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from django.db import connection, connections

from .clock import make_postgres_clock


class Databases:
    """`base` is a migrated database with its guards, named by the running connection."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.base = folder, str(connection.settings_dict["NAME"])
        self.vendor = connection.vendor
        self.made: list[str] = []

    def copy(self, original: str, name: str) -> str:
        """A copy under that name, and the connection on it; returns what to call it in `copy` and `drop`."""
        connections.close_all()
        target = str(self.folder / f"{name}.sqlite3") if self.vendor == "sqlite" else f"chaos_{name}"
        if self.vendor == "sqlite":
            self._copy_file(original, target)
        else:
            with self._server() as server:
                server.execute(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')
                server.execute(f'CREATE DATABASE "{target}" TEMPLATE "{original}" STRATEGY FILE_COPY')
        connection.settings_dict["NAME"] = target
        self.made.append(target)
        return target

    def drop(self, name: str) -> None:
        connections.close_all()
        self.made.remove(name)
        if self.vendor == "sqlite":
            for end in ("", "-wal", "-shm"):
                Path(name + end).unlink(missing_ok=True)
        else:
            with self._server() as server:
                server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _copy_file(self, original: str, target: str) -> None:
        with closing(sqlite3.connect(original)) as source:
            source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copyfile(original, target)

    def prepare(self, name: str) -> str:
        """The first copy of the base, with the harness's clock in it."""
        target = self.copy(self.base, name)
        if self.vendor == "postgresql":
            with self._server(target) as raw:
                make_postgres_clock(raw)
        return target

    def close(self) -> None:
        for name in list(self.made):
            self.drop(name)
        connection.settings_dict["NAME"] = self.base

    @contextmanager
    def _server(self, name: str = "postgres") -> Iterator[Any]:
        import psycopg

        wanted = connection.settings_dict
        with psycopg.connect(
            host=wanted["HOST"], port=wanted["PORT"], user=wanted["USER"], dbname=name, autocommit=True
        ) as raw:
            yield raw
