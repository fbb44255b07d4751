"""`manage.py worker`: the workers of this machine. django-q2's own `qcluster` is slower to end on TERM."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from lsq_ops.queue import run_cluster
from lsq_ops.supervisor import Child, Supervisor, ends_by_signal, environment_with
from lsq_ops.watchdog import Watchdog, silent_here


class Command(BaseCommand):
    help = "Runs the workers of this machine. TERM or Ctrl-C ends them when what is under way is finished."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--watched", action="store_true", help="with the watchdog beside them, as `up` has it")
        parser.add_argument(
            "--alive", action="store_true", help="start nothing: exit 0 where this machine's are at work"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["alive"]:
            if trouble := silent_here():
                raise CommandError(trouble)
        elif options["watched"]:
            watch()
        else:
            run_cluster()


def watch() -> None:
    """Where `up` doesn't run: without a watchdog nothing rings, and what only waits for its time waits for good."""
    ends_by_signal()
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "worker"]
    cluster = Child("worker", command, None, environment_with(), settings.BASE_DIR, patience())
    supervisor = Supervisor(sys.stdout)
    try:
        supervisor.start(cluster)
        supervisor.run(Watchdog(lambda why: supervisor.restart(cluster, why)).look)
    except KeyboardInterrupt:
        supervisor.say("Ending; work under way is finished first.")
    finally:
        supervisor.stop()


def patience() -> float:
    """Seconds between asking the workers to end and killing them: a call to LeadSquared may be under way."""
    return 10.0 if settings.SANDBOX_MODE else 45.0
