"""`manage.py export_evidence DR-118` or `--lead ID`: the deletion evidence report, a zip that proves itself."""

import getpass
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from lsq_ops.models import DeletionRequest, Lead
from lsq_ops.services import report
from lsq_ops.services.report import Subject


class Command(BaseCommand):
    help = "Write the deletion evidence report on a request, or on one lead in all requests that it is in."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("request", nargs="?", metavar="REQUEST", help="DR-118 or 118")
        parser.add_argument(
            "--lead", metavar="ID", help="a prospect id: everything about this lead, nobody else's data"
        )
        parser.add_argument(
            "--output", metavar="FILE", type=Path, help="a new file; NAME-evidence.zip where none is named"
        )
        parser.add_argument("--with-contents", action="store_true", help="also what the deleted records held")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["request"]) == bool(options["lead"]):
            raise CommandError("Name a request, like DR-118, or a lead with --lead.")
        subject = _of_lead(options["lead"]) if options["lead"] else _of_request(options["request"])
        path = options["output"] or Path(f"{subject.name}-evidence.zip")
        try:
            # Only for whoever asked: it says what people did, and with contents what LeadSquared knew of a lead.
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")
        except OSError as error:
            raise CommandError(f"{path} can't be made: {error.strerror}.") from None
        try:
            with file:
                by = f"shell:{getpass.getuser()}"
                sha256 = report.write(file, subject, by=by, contents=options["with_contents"])
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self.stdout.write(f"{path} is written; its SHA-256 {sha256} stands in the audit trail.")


def _of_request(text: str) -> Subject:
    number = text.upper().removeprefix("DR-")
    found = DeletionRequest.objects.filter(pk=int(number)) if number.isascii() and number.isdigit() else None
    request = found.select_related("account", "requester").first() if found is not None and len(number) < 18 else None
    if request is None:
        raise CommandError(f"There is no request {text}; it is named by its number, like DR-118.")
    return Subject((request,))


def _of_lead(text: str) -> Subject:
    lead = Lead.objects.filter(prospect_id=text.strip().lower()).select_related("account").order_by("-account").first()
    if lead is None:
        raise CommandError(f"The mirror has no lead {text}; it is named by its prospect id.")
    return report.about_lead(lead)
