"""`manage.py policy_coverage`: what needs how many approvals, and whether enough people could give them. Exit 1 where a
tier can't be decided while one of them is away."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from lsq_ops.services import policies


class Command(BaseCommand):
    help = "Show what needs how many approvals, and whether enough people could give them if one of them is away."

    def handle(self, *args: Any, **options: Any) -> None:
        covered = policies.coverage()
        for one in covered:
            tier = one.tier
            when, needs = policies.limits_in_words(tier), policies.approvals_in_words(tier)
            self.stdout.write(f"{tier['name']:7} {when}: {needs}. {one}")
        if any(one.spare < 1 for one in covered):
            sys.exit(1)
