"""`manage.py resume_account [--kind …]`: what waits goes on."""

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from lsq_ops import kinds
from lsq_ops.services import accounts
from lsq_ops.services.may import Barred


class Command(BaseCommand):
    help = "Resume the account, or one kind of deletion."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--kind", choices=[kind.name for kind in kinds.every()], default="", help="only this kind")

    def handle(self, *args: Any, **options: Any) -> None:
        by = f"shell:{getpass.getuser()}"
        try:
            accounts.resume_account(accounts.current_account(), by=by, kind=options["kind"])
        except Barred as no:
            raise CommandError(str(no)) from None
        self.stdout.write("Resumed.")
