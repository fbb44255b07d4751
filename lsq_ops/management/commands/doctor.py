"""`manage.py doctor`: are the database's own rules in place, as written?"""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from lsq_ops.models import guards, powers


class Command(BaseCommand):
    help = "Compare the database's guards with what they should be, and say what to do."

    def handle(self, *args: Any, **options: Any) -> None:
        troubles = guards.compare(connection)
        for trouble in troubles:
            self.stdout.write(f"guard: {trouble}")
        if troubles:
            self.stdout.write("Run manage.py migrate to put them back, and ask who took them away.")
            sys.exit(1)
        self.stdout.write(f"All {len(guards.statements(connection.vendor))} guards are in place.")
        if connection.vendor == "postgresql" and powers.owns_its_tables(connection):
            self.stdout.write(
                "Note: the portal runs as the owner of its tables, who could drop the guards. With a role of its own"
                " it can't: docs/postgresql.md."
            )
