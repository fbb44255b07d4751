"""`manage.py verify_audit`: exit 0 where every link holds, 1 with the first bad number and its kind,
2 where it can't check."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from lsq_ops.services import trail


class Command(BaseCommand):
    help = "Check the audit trail's chain from its first event to its head, and against the anchors that left it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--anchors",
            metavar="FILE",
            action="append",
            default=[],
            help="a file, log or saved mail with anchors; the one that AUDIT_ANCHOR_FILE names is always asked",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = trail.verify(options["anchors"])
        except DatabaseError as error:
            self._cannot(f"{type(error).__name__}. Is the database migrated and reachable?")
        except OSError as error:
            self._cannot(f"{error.filename}: {error.strerror}.")
        self.stdout.write(report.sentence)
        if report.ok is not True:
            sys.exit(2 if report.ok is None else 1)

    def _cannot(self, why: str) -> None:
        self.stderr.write(f"Can't check: {why}")
        sys.exit(2)
