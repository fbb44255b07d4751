"""`manage.py repeat_erasures [--erasures FILE]`: erase once more whom a restored database doesn't know to be erased."""

import getpass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from lsq_ops.services import erasure, erasures_outside
from lsq_ops.services.may import Barred


class Command(BaseCommand):
    help = "Erase once more whom the list of erasures knows and this database doesn't; the workers do it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--erasures", type=Path, metavar="FILE", action="append", default=[], help="a list besides ERASURES_FILE"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lines, strange = erasures_outside.known(options["erasures"])
            told = erasure.repeat(lines, by=f"shell:{getpass.getuser()}")
        except Barred as no:
            raise CommandError(str(no)) from None
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}.") from None
        words = _("Erased again: {again:,}; kept out, nothing known of them: {unknown:,}; refused: {refused:,}.")
        self.stdout.write(words.format(**told))
        if strange:
            says = _("{n:,} lines are not signed with this AUDIT_KEY and were left out.")
            self.stdout.write(says.format(n=strange))
