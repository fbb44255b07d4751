"""`manage.py setup_roles`: groups, teams, the shipped policy and the account's row. Runs any number of times."""

from typing import Any

from django.core.management.base import BaseCommand

from lsq_ops.services import accounts, people


class Command(BaseCommand):
    help = "Make the roles, teams, the shipped policy and the account, where they are missing."

    def handle(self, *args: Any, **options: Any) -> None:
        people.setup_roles()
        account = accounts.ensure_account()
        self.stdout.write(f"Roles: {', '.join(people.ROLES)}. Account: {account}.")
