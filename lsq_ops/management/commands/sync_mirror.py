"""`manage.py sync_mirror`: bring the mirror in step with LeadSquared, and keep it so."""

import getpass
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from lsq_ops.models import ActivitySnapshot, MirrorSync, db_now
from lsq_ops.models.timing import span
from lsq_ops.services import accounts, leads, reading, syncing
from lsq_ops.services.may import Barred

Subject = ActivitySnapshot.Subject


class Command(BaseCommand):
    help = (
        "Begin to keep the mirror's leads in step with LeadSquared: users, activity types, changed leads, and once a"
        " day the leads that may be gone. The workers do it, behind all other work. What is on a lead, and an owner's"
        " tasks, are read where they are named."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--stop", action="store_true", help="stop; the next run goes on where this one stood")
        what.add_argument("--status", action="store_true", help="say how far it is, and begin nothing")
        what.add_argument("--lead", action="append", metavar="ID", help="read what is on this lead instead")
        what.add_argument("--owner", action="append", metavar="ID", help="read this user's tasks instead")
        parser.add_argument("--wait", action="store_true", help="stay until the run has ended, and say how far it is")

    def handle(self, *args: Any, **options: Any) -> None:
        by = f"shell:{getpass.getuser()}"
        try:
            account = accounts.current_account()
            if options["lead"] or options["owner"]:
                return self._read(account, options["lead"] or [], options["owner"] or [])
            if options["stop"]:
                syncing.end(account, by=by)
            elif not options["status"]:
                if account.tested_at is None:
                    raise Barred("Test the connection first: an operator does it on the account's page.")
                syncing.start(account, by=by)
        except Barred as no:
            raise CommandError(str(no)) from None
        self._say(syncing.standing(account))
        while options["wait"] and (known := syncing.standing(account)).run:
            if known.run.state == MirrorSync.State.ASKING:
                raise CommandError(known.run.question)
            time.sleep(2)
            self._say(known)

    def _read(self, account: Any, lead_ids: list[str], owner_ids: list[str]) -> None:
        ids = [one.strip().strip("{}").lower() for one in (*lead_ids, *owner_ids)]
        if wrong := [one for one in ids if not leads.GUID.fullmatch(one)]:
            raise CommandError(f"“{wrong[0]}” is no id; expected something like 3aee22bd-8419-422a-8242-c510df9af021.")
        lead_subjects = (Subject.LEAD_ACTIVITIES, Subject.LEAD_TASKS)
        subjects = [(kind.value, one) for one in ids if lead_ids for kind in lead_subjects]
        subjects += [(Subject.OWNER_TASKS.value, one) for one in ids if owner_ids]
        ordered = reading.order(account, subjects, reading.Lane.MIRROR, since=db_now())
        self.stdout.write(f"{len(ordered)} readings are ordered; the workers do them.")

    def _say(self, known: syncing.Standing) -> None:
        self.stdout.write(sentence(known))


def sentence(known: syncing.Standing) -> str:
    run = known.run
    if run is None:
        as_of = f"In step as of {known.as_of:%Y-%m-%d %H:%M:%S} UTC" if known.as_of else "Never synced"
        return f"{as_of}; {'looked again by itself' if known.on else 'not kept in step'}."
    if run.state == MirrorSync.State.ASKING:
        return f"It asks: {run.question} An operator answers on the portal's page of syncs."
    legs = {"users": "Reading users", "changed": "Reading leads", "there": "Looking for leads that may be gone"}
    far = f": {known.done:,} of {known.total:,}" if known.total else ""
    left = f", about {span(known.seconds)} left" if known.seconds is not None else ""
    return f"{legs[run.leg]}{far}{left}.{f' {run.why}' if run.why else ''}"
