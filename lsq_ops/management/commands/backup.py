"""`manage.py backup [--folder …] [--keep N]`, or `--check FILE`: one file with the whole database, and whether it is
whole."""

import getpass
import sqlite3
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils.translation import gettext as _

from lsq_ops.services import backup
from lsq_ops.services.may import Barred


class Command(BaseCommand):
    help = "Write the whole database into one file, while the portal runs. docs/backup.md says what belongs to it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--folder", type=Path, help="where it goes; else BACKUP_DIR")
        parser.add_argument("--keep", type=int, default=0, metavar="N", help="remove all but the N newest of there")
        parser.add_argument("--check", type=Path, metavar="FILE", help="only say whether this backup is whole")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["check"]:
                self.stdout.write(_whole(options["check"]))
            else:
                self._take(options)
        except Barred as no:
            raise CommandError(str(no)) from None
        except OSError as error:
            raise CommandError(f"{error.filename or 'The backup'}: {error.strerror}.") from None
        except (DatabaseError, sqlite3.Error) as error:
            raise CommandError(
                _("The database can't be read ({error}). Is it reachable and migrated?").format(error=error)
            ) from None

    def _take(self, options: dict[str, Any]) -> None:
        folder = options["folder"] or (Path(settings.BACKUP_DIR) if settings.BACKUP_DIR else None)
        if folder is None:
            raise CommandError(_("Name a folder with --folder, or set BACKUP_DIR."))
        if options["keep"] < 0:
            raise CommandError(_("--keep is a number of backups; 0 keeps all."))
        path, manifest, removed = backup.take(folder, by=f"shell:{getpass.getuser()}", keep=options["keep"])
        self.stdout.write(_("{path} is written and was read back. {what}").format(path=path, what=_about(manifest)))
        for one in removed:
            self.stdout.write(_("Removed: {path}").format(path=one))


def _whole(path: Path) -> str:
    return _("{path} is whole. {what}").format(path=path, what=_about(backup.check(path)))


def _about(manifest: backup.Manifest) -> str:
    return _("Taken at {at} by {host}: {rows:,} rows, the audit trail up to event {head:,}, SHA-256 {sha256}.").format(
        at=manifest["taken_at"],
        host=manifest["host"],
        rows=sum(manifest["rows"].values()),
        head=manifest["audit_head"]["seq"],
        sha256=manifest["database"]["sha256"],
    )
