"""Django on a database of a command's own, SQLite or PostgreSQL, migrated; nothing of it is left behind."""

import contextlib
import os
import time
from collections.abc import Iterator

DATABASES = ("sqlite", "postgresql")


@contextlib.contextmanager
def django_on(database: str) -> Iterator[None]:
    """Django on a migrated database of this run's own."""
    with contextlib.ExitStack() as stack:
        if database == "postgresql":
            os.environ["TEST_DATABASE_URL"] = stack.enter_context(_postgres())
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0)
        yield
        connections.close_all()


@contextlib.contextmanager
def _postgres() -> Iterator[str]:
    import psycopg

    from tests import servers

    with servers.postgres() as url:
        while True:
            # It takes connections a little before it takes questions.
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, autocommit=True) as server:
                server.execute("CREATE DATABASE base")
                break
            time.sleep(0.1)
        yield f"{url.rpartition('/')[0]}/base"
