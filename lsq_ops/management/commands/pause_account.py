"""`manage.py pause_account --reason …`: nothing more is sent until the account is resumed."""

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from lsq_ops import kinds
from lsq_ops.services import accounts
from lsq_ops.services.may import Barred


class Command(BaseCommand):
    help = "Pause the account, or one kind of deletion."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", required=True, help="why; everybody whose calls wait will read it")
        parser.add_argument("--kind", choices=[kind.name for kind in kinds.every()], help="only this kind")

    def handle(self, *args: Any, **options: Any) -> None:
        by = f"shell:{getpass.getuser()}"
        try:
            account = accounts.current_account()
        except Barred as no:
            raise CommandError(str(no)) from None
        if options["kind"]:
            accounts.pause_kind(account, options["kind"], by=by, reason=options["reason"])
        else:
            accounts.pause_account(account, by=by, reason=options["reason"])
        self.stdout.write("Paused. What LeadSquared has taken can't be called back; nothing more is sent.")
