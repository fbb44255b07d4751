"""`manage.py database_roles ROLE`: the SQL that gives the application's role what it needs on PostgreSQL."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction

from lsq_ops.models import powers


class Command(BaseCommand):
    help = "Print what the role that the portal runs as may do on PostgreSQL; --apply does it, as the tables' owner."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role", help="the role that web and worker sign in to the database as; it must be there")
        parser.add_argument("--apply", action="store_true", help="run it, instead of printing it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            statements = list(powers.grants(options["role"]))
        except ValueError as error:
            raise CommandError(str(error)) from None
        if not options["apply"]:
            self.stdout.write(";\n".join([*statements, ""]))
            return
        if connection.vendor != "postgresql":
            raise CommandError("Only PostgreSQL has roles; on SQLite whoever can write the file can write everything.")
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        self.stdout.write(
            f"{options['role']} may do what the portal needs, and nothing else: {len(statements)} grants."
        )
