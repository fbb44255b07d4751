"""`manage.py worker`: the workers of this machine. django-q2's own `qcluster` is slower to end on TERM."""

from typing import Any

from django.core.management.base import BaseCommand

from lsq_ops.queue import run_cluster


class Command(BaseCommand):
    help = "Runs the workers of this machine. TERM or Ctrl-C ends them when what is under way is finished."

    def handle(self, *args: Any, **options: Any) -> None:
        run_cluster()
