"""One rule of the database: its condition, written once, and the trigger that it becomes on each engine.

`!==` in a condition means "differs, NULL counted as a value"; `{now}` is the database's clock.
"""

from collections.abc import Container
from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper

from .calls import Attempt, DeletionCall
from .clock import NOW
from .requests import DeletionRequest

# Measured from NOW, and not by a clock of its own: there is one.
FROM_NOW = {
    "sqlite": "datetime(julianday({now}) + {minutes} / 1440.0)",
    "postgresql": "({now} + {minutes} * interval '1 minute')",
}
TIMES = {"{lately}": -10, "{almost a day on}": 23 * 60}
DIFFERS = {"sqlite": " IS NOT ", "postgresql": " IS DISTINCT FROM "}


@dataclass(frozen=True, slots=True)
class Guard:
    """Refuse `event` on a row of `table` when the condition holds. `keeps`: the columns that it watches over;
    `always`: they never change at all."""

    table: str
    event: str
    rule: str
    when: str
    says: str
    keeps: str = ""
    always: bool = False

    @property
    def name(self) -> str:
        return f"guard_{self.table.removeprefix('lsq_ops_')}_{self.event.lower()}_{self.rule}"

    def condition(self, vendor: str) -> str:
        text = self.when
        for word, minutes in TIMES.items():
            text = text.replace(word, FROM_NOW[vendor].replace("{minutes}", str(minutes)))
        return text.replace("{now}", NOW[vendor]).replace(" !== ", DIFFERS[vendor])


def never(table: str, event: str) -> Guard:
    keeps = "*" if event == "UPDATE" else ""
    return Guard(table, event, "never", "1 = 1", f"{table}: {event.lower()} is never allowed", keeps, bool(keeps))


def new_key(table: str, *keys: str) -> Guard:
    """INSERT OR REPLACE removes the row it meets without firing a delete trigger, so an existing key is refused."""
    taken = " OR ".join(
        f"EXISTS (SELECT 1 FROM {table} x WHERE {' AND '.join(part.strip() for part in key.split(','))})"  # nosec B608 # the guards' own words
        for key in keys
    )
    return Guard(table, "INSERT", "new_key", taken, f"{table}: this row exists already")


def frozen(table: str, columns: str, when: str = "1 = 1", rule: str = "frozen") -> Guard:
    says = f"{table}: what is frozen stays"
    return Guard(table, "UPDATE", rule, f"({when}) AND ({_differ(columns)})", says, columns, when == "1 = 1")


def once(table: str, columns: str) -> Guard:
    """Written once: NULL may become a value, a value never changes."""
    changed = " OR ".join(f"(OLD.{c} IS NOT NULL AND NEW.{c} !== OLD.{c})" for c in columns.split())
    return Guard(table, "UPDATE", "once", changed, f"{table}: what was written once stays", columns)


def _differ(columns: str) -> str:
    return " OR ".join(f"NEW.{column} !== OLD.{column}" for column in columns.split())


def listed(states: tuple[str, ...]) -> str:
    return ", ".join(f"'{state}'" for state in states)


def moves(model: type[DeletionRequest] | type[DeletionCall] | type[Attempt], table: str) -> Guard:
    ways = " OR ".join(
        f"(OLD.state = '{state}' AND NEW.state IN ({listed(to)}))" for state, to in model.MOVES.items() if to
    )
    no_way = f"NEW.state <> OLD.state AND NOT ({ways})"
    return Guard(table, "UPDATE", "moves", no_way, f"{table}: there is no such way between these states", "state")


def is_involved(person: str, request: str) -> str:
    """The person made, edited, submitted or asked for the request, in any of its versions."""
    return f"""(EXISTS (SELECT 1 FROM lsq_ops_deletionrequest r WHERE r.id = {request} AND r.requester_id = {person})
    OR EXISTS (SELECT 1 FROM lsq_ops_requestversion ver WHERE ver.request_id = {request}
               AND (ver.editor_id = {person} OR ver.asked_by_id = {person} OR ver.submitted_by_id = {person})))"""  # nosec B608 # this file's own words


def is_operator(person: str) -> str:
    return f"""EXISTS (SELECT 1 FROM auth_user u JOIN auth_user_groups m ON m.user_id = u.id
    JOIN auth_group g ON g.id = m.group_id WHERE u.id = {person} AND u.is_active AND g.name = 'Operator')"""  # nosec B608 # this file's own words


# --- As each engine wants it -----------------------------------------------------------------------------


def render(guard: Guard, vendor: str, schema: str) -> list[str]:
    """The statements that make it. On PostgreSQL the function looks for tables nowhere but in our schema (a temporary
    table of the same name would be found first), and fires for whoever calls himself a replica too."""
    condition = guard.condition(vendor)
    if vendor == "sqlite":
        return [
            f"CREATE TRIGGER {guard.name} BEFORE {guard.event} ON {guard.table} FOR EACH ROW WHEN {condition}"
            f" BEGIN SELECT RAISE(ABORT, '{_quoted(guard.says)}'); END"
        ]
    row = "OLD" if guard.event == "DELETE" else "NEW"
    body = f" BEGIN IF {condition} THEN {_refuse(guard.says)} END IF; RETURN {row}; END "
    return _on_postgres(guard.name, guard.table, f"BEFORE {guard.event}", "ROW", body, schema)


def no_truncate(table: str, schema: str) -> list[str]:
    body = f" BEGIN {_refuse(f'{table}: truncate is never allowed')} END "
    return _on_postgres(truncate_name(table), table, "BEFORE TRUNCATE", "STATEMENT", body, schema)


def truncate_name(table: str) -> str:
    return f"guard_{table.removeprefix('lsq_ops_')}_truncate_never"


def search_path(schema: str) -> str:
    return f"pg_catalog, {schema}, pg_temp"


def _on_postgres(name: str, table: str, event: str, each: str, body: str, schema: str) -> list[str]:
    return [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path = {search_path(schema)}"
        f" AS $guard${body}$guard$",
        f"CREATE TRIGGER {name} {event} ON {table} FOR EACH {each} EXECUTE FUNCTION {name}()",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}",
    ]


def _refuse(says: str) -> str:
    return f"RAISE EXCEPTION '{_quoted(says)}' USING ERRCODE = 'check_violation';"


def _quoted(text: str) -> str:
    return text.replace("'", "''")


# --- As each engine keeps it -----------------------------------------------------------------------------


def installed(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """Guard name -> its definition as the database keeps it."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'guard!_%' ESCAPE '!'"
            )
        else:
            cursor.execute(
                "SELECT t.tgname, concat(p.prosrc, t.tgenabled, array_to_string(p.proconfig, ';')) FROM pg_trigger t"
                " JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid"
                " JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE NOT t.tgisinternal AND n.nspname = current_schema() AND t.tgname LIKE 'guard!_%' ESCAPE '!'"
            )
        return dict(cursor.fetchall())


def strangers(connection: BaseDatabaseWrapper, known: Container[str]) -> list[str]:
    """Triggers on the portal's tables whose names are not among those of the guards."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'lsq_ops_%'"
            )
        else:
            cursor.execute(
                "SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
                " JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE NOT t.tgisinternal AND n.nspname = current_schema() AND c.relname LIKE 'lsq_ops_%'"
            )
        return sorted(f"{name} on {table}" for name, table in cursor.fetchall() if name not in known)


def schema_of(connection: BaseDatabaseWrapper) -> str:
    if connection.vendor == "sqlite":
        return "main"
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        return str(cursor.fetchone()[0])
