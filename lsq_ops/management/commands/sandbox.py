"""`manage.py sandbox`: a LeadSquared of our own, to try and to test with."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lsq_ops.sandbox import SANDBOX_ACCESS_KEY, SANDBOX_SECRET_KEY
from lsq_ops.sandbox.faults import Faults
from lsq_ops.sandbox.server import serve
from lsq_ops.sandbox.webhooks import is_local
from lsq_ops.sandbox.world import World

SHORT = {"latency": "latency", "rate": "rate_limit", "window": "rate_window"}


class Command(BaseCommand):
    help = "Starts the LeadSquared stand-in. docs/sandbox.md lists its switches."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
        parser.add_argument("--port", type=int, default=9000, help="0 takes a free one")
        parser.add_argument("--world", default=":memory:", metavar="FILE", help="keeps the world; made if missing")
        parser.add_argument("--seed", type=int, default=1, help="of a new world")
        parser.add_argument("--fault", action="append", default=[], metavar="NAME=VALUE", help="turns a switch")
        parser.add_argument("--latency", metavar="MS", help="of every call: 40, or 20-300")
        parser.add_argument("--rate", metavar="N/SECONDS", help="rate limit: 25/5, or off")
        parser.add_argument("--access-key", default=SANDBOX_ACCESS_KEY, help="that it takes")
        parser.add_argument("--secret-key", default=SANDBOX_SECRET_KEY, help="that belongs to it")
        parser.add_argument("--window", help="how the rate limit counts: sliding or fixed")

    def handle(self, *args: Any, **options: Any) -> None:
        if not is_local(f"http://{options['host']}"):
            raise CommandError("The sandbox's keys are known to everybody, so --host must be a loopback address.")
        faults = Faults()
        pairs = [given.partition("=")[::2] for given in options["fault"]]
        pairs += [(name, options[option]) for option, name in SHORT.items() if options[option] is not None]
        try:
            for name, value in pairs:
                faults.set(name, value)
        except ValueError as wrong:
            raise CommandError(str(wrong)) from None
        keys = (options["access_key"], options["secret_key"])
        serve(options["host"], options["port"], World(options["world"], seed=options["seed"]), faults, keys)
