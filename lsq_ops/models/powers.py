"""What PostgreSQL lets the application's own role do, where another role owns the tables: it never needs to change or
remove what the guards keep, so it can't, even where somebody has taken the guards away. docs/postgresql.md tells how it
is used."""

import re
from collections.abc import Iterator

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext as _

from .guards import GUARDS

ROLE = re.compile(r"[a-z_][a-z0-9_]{0,62}")
OWNERS_ONLY = ("django_migrations",)  # to write there would be to say that something was migrated


def grants(role: str) -> Iterator[str]:
    """The SQL that gives `role` what the portal needs, and nothing else. ValueError where it is no plain name."""
    if not ROLE.fullmatch(role):
        raise ValueError(f"{role!r} is no plain name of a role: small letters, digits and _ only.")
    yield _("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}").format(role=role)
    yield _("GRANT USAGE ON SCHEMA public TO {role}").format(role=role)
    yield f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}"
    yield f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    for table in sorted({model._meta.db_table for model in apps.get_models(include_auto_created=True)}):
        if table not in OWNERS_ONLY:
            yield from _of_table(table, role)


def _of_table(table: str, role: str) -> Iterator[str]:
    yield f"GRANT INSERT ON {table} TO {role}"
    if columns := _changing(table):
        yield f"GRANT UPDATE ({', '.join(columns)}) ON {table} TO {role}"
    if not any(guard.table == table and guard.event == "DELETE" and guard.rule == "never" for guard in GUARDS):
        yield _("GRANT DELETE ON {table} TO {role}").format(table=table, role=role)


def _changing(table: str) -> list[str]:
    """Its columns but for those that no guard ever lets change."""
    kept = {
        column.strip('"')
        for guard in GUARDS
        if guard.table == table and guard.event == "UPDATE" and guard.always
        for column in guard.keeps.split()
    }
    model = next(model for model in apps.get_models(include_auto_created=True) if model._meta.db_table == table)
    names = [field.column for field in model._meta.local_concrete_fields]
    return [] if "*" in kept else [f'"{name}"' for name in names if name not in kept]


def owns_its_tables(connection: BaseDatabaseWrapper) -> bool:
    """The role that the portal runs as could drop the guards; always so on SQLite, where there are no roles."""
    if connection.vendor == "sqlite":
        return True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_has_role(current_user, c.relowner, 'USAGE') FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = current_schema() AND c.relname = 'lsq_ops_vote'"
        )
        row = cursor.fetchone()
    return bool(row and row[0])
