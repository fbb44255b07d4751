"""`manage.py verify_audit`: exit 0 where every link holds, 1 with the first bad number and its kind,
2 where it can't check."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from lsq_ops.services import trail


class Command(BaseCommand):
    help = "Check the audit trail's chain from its first event to its head."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = trail.verify()
        except DatabaseError as error:
            self.stderr.write(f"Can't check: {type(error).__name__}. Is the database migrated and reachable?")
            sys.exit(2)
        self.stdout.write(report.sentence)
        if report.ok is not True:
            sys.exit(2 if report.ok is None else 1)
