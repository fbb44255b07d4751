"""Virtual time: one clock that nobody waits for. The portal asks its database what time it is, so the database is
told; what sleeps is let go at once, and the time that it would have slept passes for everybody else."""

import time as real_time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pkgutil import iter_modules
from typing import Any
from unittest.mock import patch

from django.db import connection
from django.db.backends.signals import connection_created

START = datetime(2027, 3, 1, 9, 0, tzinfo=UTC).timestamp()  # a Monday
TICK = 0.001  # seconds that a statement takes: no two moments are the same

# What SQLite's own clock is asked; PostgreSQL gets a function of this name before its own, in the guards too.
_POSTGRES_CLOCK = """
CREATE SCHEMA IF NOT EXISTS chaos;
CREATE OR REPLACE FUNCTION chaos.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ SELECT to_timestamp(current_setting('chaos.now')::double precision) $$;
DO $$ DECLARE guard regprocedure; BEGIN
  FOR guard IN SELECT oid FROM pg_proc WHERE proname LIKE 'guard!_%' ESCAPE '!' LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = chaos, pg_catalog, public', guard);
  END LOOP;
END $$;
"""


class Clock:
    """Stands in for the module `time` too: `sleep` and `monotonic` are what the services use of it."""

    def __init__(self) -> None:
        self.now = START
        self.pass_time: Callable[[float], None] = self._just_pass

    def _just_pass(self, seconds: float) -> None:
        self.now += seconds

    def tick(self) -> None:
        self.now += TICK

    def sleep(self, seconds: float) -> None:
        self.pass_time(max(seconds, TICK))

    def monotonic(self) -> float:
        return self.now

    def datetime(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    def text(self, form: str, when: str) -> str:
        """SQLite's strftime, as far as the portal and its guards use it."""
        assert (form, when) == ("%Y-%m-%d %H:%M:%f", "now"), f"strftime({form!r}, {when!r})"
        return self.datetime().isoformat(" ", "milliseconds")[:23]


def make_postgres_clock(raw: Any) -> None:
    raw.execute(_POSTGRES_CLOCK)


def tell(clock: Clock, raw: Any) -> None:
    """PostgreSQL is told the time before each statement that may ask for it."""
    raw.execute(f"SET chaos.now = '{clock.now:.6f}'")


@contextmanager
def installed(clock: Clock) -> Iterator[None]:
    """Every new connection, and every service that sleeps or looks at a clock, goes by `clock`."""

    def begin(sender: Any, connection: Any, **kwargs: Any) -> None:
        if connection.vendor == "sqlite":
            connection.connection.create_function("strftime", 2, clock.text)
        else:
            with connection.connection.cursor() as raw:
                raw.execute("SET search_path = chaos, pg_catalog, public")
                tell(clock, raw)

    connection_created.connect(begin)
    connection.close()
    try:
        with ExitStack() as patches:
            for module in _services():
                for name, substitute in _clocks_of(module, clock).items():
                    patches.enter_context(patch.object(module, name, substitute))
            yield
    finally:
        connection_created.disconnect(begin)
        connection.close()


def _services() -> Iterator[Any]:
    package = import_module("lsq_ops.services")
    for found in iter_modules(package.__path__):
        yield import_module(f"lsq_ops.services.{found.name}")


def _clocks_of(module: Any, clock: Clock) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if getattr(module, "time", None) is real_time:
        found["time"] = clock
    if module.__name__.endswith(".budget") and getattr(module, "datetime", None) is datetime:
        found["datetime"] = type("VirtualDatetime", (datetime,), {"now": lambda zone=None: clock.datetime()})
    return found


def epoch(value: Any) -> float:
    """A time as the database's driver gives it."""
    when = datetime.fromisoformat(value) if isinstance(value, str) else value
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
