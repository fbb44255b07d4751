"""`manage.py prepare`: the database as `up` prepares it, for hosts that start the parts by themselves."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lsq_ops.services.may import Barred

from .up import make_folders, prepare


class Command(BaseCommand):
    help = "Migrates where something waits, makes roles and the first people, says who can sign in, and ends."

    def handle(self, *args: Any, **options: Any) -> None:
        make_folders()
        try:
            lines = prepare()
        except Barred as reason:
            raise CommandError(str(reason)) from None
        self.stdout.write("\n".join(lines))
