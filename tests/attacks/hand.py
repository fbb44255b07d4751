"""The attacker's hand: the same change through one door or another. Each write stands in a savepoint of its own, and it
is counted whether it was refused."""

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, connection, models, transaction
from django.db.models.deletion import ProtectedError, RestrictedError

from lsq_ops.models.audit import OutsideAudited
from lsq_ops.models.machine import IllegalMove, LostRace
from lsq_ops.services.may import Barred
from lsq_ops.services.running import Tampered, Wait

REFUSALS = (
    DatabaseError,
    ObjectDoesNotExist,  # what an earlier trick took away, where nothing stood in its way
    Barred,
    IllegalMove,
    LostRace,
    OutsideAudited,
    ProtectedError,
    RestrictedError,
    Wait,
    Tampered,
)
ORM = ("orm update", "orm save", "orm bulk")
SQL = ("sql", "sql replace")
DOORS = (*ORM, *SQL)


class Hand:
    """`door` is how it writes; `refused` counts the noes, `passed` what went through."""

    def __init__(self, random: Random) -> None:
        self.random, self.door = random, "sql"
        self.refused = self.passed = 0

    def does(self, act: Callable[[], Any]) -> Any:
        """Anything at all, with its savepoint; None where it was refused."""
        try:
            with transaction.atomic():
                made = act()
        except REFUSALS:
            self.refused += 1
            return None
        self.passed += 1
        return made

    def sql(self, text: str, *values: Any) -> Any:
        return self.does(lambda: _execute(text, values))

    # --- The same, through each door -------------------------------------------------------------------------

    def change(self, row: models.Model | None, **values: Any) -> None:
        """Columns by their names in the database, so that a wrong id needs no object."""
        if row is not None:
            self.does(lambda: self._change(row, values))

    def insert(self, model: type[models.Model], **values: Any) -> Any:
        return self.does(lambda: self._insert(model, values))

    def again(self, row: models.Model | None, **values: Any) -> None:
        """The same row once more, with other values, under its own key: it takes the place of what is there."""
        if row is not None:
            self.does(lambda: _replace(row, {**_columns(row), **values}))

    def remove(self, row: models.Model | None) -> None:
        if row is not None:
            self.does(lambda: self._remove(row))

    def _change(self, row: models.Model, values: dict[str, Any]) -> Any:
        rows = type(row)._base_manager.filter(pk=row.pk)
        if self.door == "orm update":
            return rows.update(**values)
        if self.door in ("orm save", "orm bulk"):
            fresh = rows.get()
            for name, value in values.items():
                setattr(fresh, name, value)
            if self.door == "orm save" or type(row)._meta.pk.attname in values:
                return fresh.save(force_update=fresh.pk == row.pk)
            return type(row)._base_manager.bulk_update([fresh], [type(row)._meta.get_field(n).name for n in values])
        if self.door == "sql replace" and self.random.random() < 0.5:
            return _replace(row, {**_columns(row), **values})
        return _update(row, values, "OR REPLACE " if _is_sqlite() and self.door == "sql replace" else "")

    def _insert(self, model: type[models.Model], values: dict[str, Any]) -> Any:
        if self.door == "orm bulk":
            return model._base_manager.bulk_create([model(**values)], ignore_conflicts=self.random.random() < 0.3)
        if self.door in ORM:
            return model._base_manager.create(**values)
        how = "INSERT OR REPLACE" if self.door == "sql replace" and _is_sqlite() else "INSERT"
        full = _defaults(model) | values
        return _insert_row(model, full, how)

    def _remove(self, row: models.Model) -> Any:
        rows = type(row)._base_manager.filter(pk=row.pk)
        if self.door in ORM:
            return row.delete() if self.door == "orm save" else rows._raw_delete(rows.db)
        table, key = type(row)._meta.db_table, type(row)._meta.pk.column
        if self.door == "sql replace" and not _is_sqlite():
            return _execute(f"TRUNCATE {table} CASCADE", ())
        return _execute(f"DELETE FROM {table} WHERE {key} = %s", (row.pk,))


def _is_sqlite() -> bool:
    return connection.vendor == "sqlite"


def _execute(text: str, values: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(text, values)
        return int(cursor.rowcount)


def _stored(model: type[models.Model], name: str, value: Any) -> Any:
    field = next(f for f in model._meta.concrete_fields if name in (f.attname, f.name))
    return field.get_db_prep_save(value, connection)


def _columns(row: models.Model) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def _defaults(model: type[models.Model]) -> dict[str, Any]:
    """What the ORM would have written into the columns that nobody names."""
    bare = model()
    return {f.attname: getattr(bare, f.attname) for f in model._meta.concrete_fields if not f.primary_key}


def _insert_row(model: type[models.Model], values: dict[str, Any], how: str, behind: str = "") -> int:
    names = ", ".join(f'"{name}"' for name in values)
    places = ", ".join(["%s"] * len(values))
    stored = [_stored(model, name, value) for name, value in values.items()]
    return _execute(f"{how} INTO {model._meta.db_table} ({names}) VALUES ({places}){behind}", stored)


def _update(row: models.Model, values: dict[str, Any], how: str = "") -> int:
    model = type(row)
    sets = ", ".join(f'"{name}" = %s' for name in values)
    stored = [_stored(model, name, value) for name, value in values.items()]
    key = model._meta.pk.column
    return _execute(f"UPDATE {how}{model._meta.db_table} SET {sets} WHERE {key} = %s", [*stored, row.pk])


def _replace(row: models.Model, values: dict[str, Any]) -> int:
    """INSERT OR REPLACE on SQLite, INSERT … ON CONFLICT DO UPDATE on PostgreSQL."""
    if _is_sqlite():
        return _insert_row(type(row), values, "INSERT OR REPLACE")
    sets = ", ".join(f'"{name}" = EXCLUDED."{name}"' for name in values)
    return _insert_row(type(row), values, "INSERT", f" ON CONFLICT ({row._meta.pk.column}) DO UPDATE SET {sets}")


def first(rows: models.QuerySet[Any]) -> Any:
    with suppress(IndexError):
        return rows[0]
    return None
