"""`manage.py restore FILE`: a portal out of a backup, in an empty database; it starts paused."""

import getpass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from lsq_ops.services import restoring
from lsq_ops.services.may import Barred


class Command(BaseCommand):
    help = (
        "Make a portal out of a backup, in the empty database that DATABASE_URL names. Nothing is sent before an"
        " operator resumes the account and confirms each unfinished request. docs/backup.md has the order of things."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="what manage.py backup wrote")
        parser.add_argument("--into", type=Path, metavar="FILE", help="a new SQLite file instead of DATABASE_URL's")
        parser.add_argument(
            "--erasures",
            type=Path,
            metavar="FILE",
            action="append",
            default=[],
            help="a list of erasures besides ERASURES_FILE: they are made once more",
        )
        parser.add_argument(
            "--calls-today",
            type=int,
            metavar="N",
            help="calls that LeadSquared was asked today; else all count as used",
        )
        parser.add_argument("--unsigned", action="store_true", help="take a backup that another AUDIT_KEY has signed")

    def handle(self, *args: Any, **options: Any) -> None:
        if (options["calls_today"] or 0) < 0:
            raise CommandError("--calls-today is a number of calls.")
        wish = restoring.Wish(
            by=f"shell:{getpass.getuser()}",
            into=options["into"],
            erasures=tuple(options["erasures"]),
            calls_today=options["calls_today"],
            unsigned=options["unsigned"],
        )
        try:
            told = restoring.restore(options["file"], wish)
        except Barred as no:
            raise CommandError(f"{no} Nothing was restored.") from None
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}. Nothing was restored.") from None
        except DatabaseError as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CommandError(f"The database refused: {why} Nothing was restored.") from None
        self.stdout.write("\n".join(told))
