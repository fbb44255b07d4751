"""`manage.py doctor`: what ails the portal, and what to do. Exit 0 where nothing is wrong, 1 where something is, 2
where something could not be looked at."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from lsq_ops.services import doctor


class Command(BaseCommand):
    help = "Look at settings, database, worker, LeadSquared, webhook, disk and audit trail, and say what to do."
    requires_system_checks = ()  # they are its findings

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="a list of objects: name, state, says, do")
        parser.add_argument("--all", action="store_true", help="every stored hash and digest, not a sample of them")
        parser.add_argument("--only", choices=[*doctor.CHECKS], default="", help="one of them")

    def handle(self, *args: Any, **options: Any) -> None:
        found = []
        for finding in doctor.examine(options["only"], options["all"]):
            found.append(finding)
            if not options["json"]:
                self.stdout.write(f"{finding.state:8} {finding.name:12} {finding.says}")
                if finding.do:
                    self.stdout.write(f"{'':21} {finding.do}")
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in found], indent=1))
        if code := doctor.exit_code(found):
            sys.exit(code)
