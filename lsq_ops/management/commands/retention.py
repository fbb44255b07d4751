"""`manage.py retention`: erase what was kept long enough, or say what would be."""

import getpass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from lsq_ops.services import retention
from lsq_ops.services.may import Barred


class Command(BaseCommand):
    help = (
        "Erase what deleted records held, old readings, uploads, and what LeadSquared no longer shows, once it is older"
        " than CONTENTS_KEPT_DAYS. The workers do it, and by themselves once a day. What is on hold stays."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would be erased, and erase nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        before = retention.until()
        if before is None:
            self.stdout.write("CONTENTS_KEPT_DAYS is 0: everything is kept.")
            return
        said = f"What ended before {before:%Y-%m-%d %H:%M} UTC ({settings.CONTENTS_KEPT_DAYS} days ago):"
        self.stdout.write(said)
        for one in retention.due():
            self.stdout.write(f"{one.count:9,}  {one.rule.what}; stays: {one.rule.stays}")
        if options["dry_run"]:
            self.stdout.write("Nothing was erased. What is on hold would stay.")
            return
        try:
            retention.start(actor=f"shell:{getpass.getuser()}")
        except Barred as no:
            raise CommandError(str(no)) from None
        self.stdout.write("The workers erase it now.")
