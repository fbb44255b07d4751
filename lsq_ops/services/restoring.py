"""From a backup to a portal again, whole or not at all: looked at, loaded into an empty database, and made safe before
anybody can use it. What happened behind the backup is not known here; nothing is sent on what is.

Made safe means: every account is paused, every unfinished request waits for an operator, the day's calls count as
used up, sessions have ended, and whoever was erased since is erased again.
"""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.db.migrations.loader import MigrationLoader
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lsq_ops.health import migrations_wait
from lsq_ops.models import Account, AuditHead, Restoration, audited, db_now, guards, record

from . import accounts, backup, budget, erasure, erasures_outside, notices, postgresql, restored, trail
from .backup import Manifest
from .erasures_outside import Line
from .may import Barred

BESIDE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Wish:
    """`into`: another SQLite file than the settings'; `erasures`: files besides the settings' own; `calls_today`: what
    LeadSquared was asked today, where somebody knows it; `unsigned`: the manifest's signature is not asked for."""

    by: str
    into: Path | None = None
    erasures: tuple[Path, ...] = ()
    calls_today: int | None = None
    unsigned: bool = False


def restore(path: Path, wish: Wish) -> list[str]:
    """What was done, in sentences. Barred where it can't be; then nothing was changed."""
    manifest = backup.check(path, unsigned=wish.unsigned)
    _fits(manifest, wish)
    lines, strange = erasures_outside.known(wish.erasures)
    told = [_about(manifest)]
    with ENGINES[manifest["engine"]](path, manifest, wish):
        told += _look(manifest)
        with audited():
            told += _make_safe(manifest, wish, lines, strange)
        while erasure.step():
            pass
        told += _after(manifest)
    return told


def _fits(manifest: Manifest, wish: Wish) -> None:
    engine = manifest["engine"]
    if wish.into and connection.vendor != "sqlite":
        raise Barred(_("--into names a SQLite file, and DATABASE_URL is none: leave one of them out."))
    if engine != connection.vendor:
        raise Barred(
            _("This is a backup of a {engine} database; point DATABASE_URL at an empty one of that kind.").format(
                engine=engine
            )
        )
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    if newer := sorted(set(manifest["migrations"]) - known):
        raise Barred(
            _(
                "The backup was taken by a newer version of the portal ({version}), with tables that this one doesn't"
                " know ({one}). Install that version, then restore."
            ).format(version=manifest["portal"], one=newer[-1])
        )


# --- Into an empty database -------------------------------------------------------------------------------------


@contextmanager
def _sqlite(path: Path, manifest: Manifest, wish: Wish) -> Iterator[None]:
    """Into a file that gets its name when all is done; meanwhile nobody finds it."""
    usual = connection.settings_dict["NAME"]
    target = (wish.into or Path(usual)).absolute()
    connections.close_all()
    _refuse_file(target)
    number, name = tempfile.mkstemp(prefix=backup.PART, dir=target.parent)  # 0600
    try:
        with os.fdopen(number, "wb") as part:
            for chunk in backup.contents(path, manifest):
                part.write(chunk)
        connection.settings_dict["NAME"] = name
        _count(manifest)
        _migrate()
        yield
        connections.close_all()  # the last one writes what is beside it into it
        _refuse_file(target)
        target.unlink(missing_ok=True)
        backup.on_the_disk(Path(name))
        os.rename(name, target)
    finally:
        connections.close_all()
        connection.settings_dict["NAME"] = usual
        for ending in ("", *BESIDE):
            Path(f"{name}{ending}").unlink(missing_ok=True)


def _refuse_file(target: Path) -> None:
    """Only where nothing is, or a database without a table. What SQLite leaves beside a file would be played into the
    new one."""
    if not target.parent.is_dir():
        raise Barred(_("There is no folder {folder}; make it first.").format(folder=target.parent))
    if target.exists() and not _is_empty(target):
        raise Barred(
            _(
                "{path} is no empty database, and nothing is overwritten. Stop the portal and move the file away (with"
                " what is beside it), or restore with --into into a new one."
            ).format(path=target)
        )
    if beside := [f"{target}{ending}" for ending in BESIDE if Path(f"{target}{ending}").exists()]:
        raise Barred(
            _("{path} is left of an earlier database. Stop the portal and move it away too.").format(path=beside[0])
        )


def _is_empty(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as found:
            return not found.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.Error:
        return False


@contextmanager
def _postgresql(path: Path, manifest: Manifest, wish: Wish) -> Iterator[None]:
    """In one transaction: nobody sees it before all is done."""
    server = postgresql.server(connection)
    if server < manifest["server"]:
        raise Barred(
            _(
                "The backup is of PostgreSQL {theirs}, and this server is {ours}: it needs the same or a newer one."
            ).format(theirs=manifest["server"], ours=server)
        )
    program, _version = postgresql.program("pg_restore", at_least=manifest["pg_dump"])
    if not postgresql.is_empty(connection):
        raise Barred(
            _(
                "The database is not empty, and nothing is overwritten. Make a new one, like CREATE DATABASE portal2,"
                " and point DATABASE_URL at it."
            )
        )
    with tempfile.NamedTemporaryFile(prefix=backup.PART) as part, transaction.atomic():  # 0600
        for chunk in backup.contents(path, manifest):
            part.write(chunk)
        part.flush()
        postgresql.load(program, Path(part.name))
        _count(manifest)
        _migrate()
        yield


ENGINES = {"sqlite": _sqlite, "postgresql": _postgresql}


def _count(manifest: Manifest) -> None:
    with connection.cursor() as cursor:
        for table, rows in manifest["rows"].items():
            cursor.execute(f"SELECT COUNT(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608 # nosec B608 # signed, and quoted
            if (found := cursor.fetchone()[0]) != rows:
                raise Barred(
                    _("{table} has {found:,} rows, and the manifest says {rows:,}. Take another backup.").format(
                        table=table, found=found, rows=rows
                    )
                )


def _migrate() -> None:
    """A backup of an older version becomes one of this; the database's own rules are put back where some are gone."""
    if migrations_wait():
        call_command("migrate", verbosity=0, interactive=False)
    elif guards.compare(connection):
        guards.install(connection)


# --- Made safe --------------------------------------------------------------------------------------------------


def _look(manifest: Manifest) -> list[str]:
    """Is it what the manifest tells of, and does the trail hold?"""
    head = AuditHead.objects.get(pk=1)
    if manifest["audit_head"] != {"seq": head.seq, "hash": head.hash}:
        raise Barred(_("The audit trail ends elsewhere than the manifest says. Take another backup."))
    accounts.refuse_foreign_database()
    return [_("The audit trail: {sentence}").format(sentence=trail.by_itself().sentence)]


def _make_safe(manifest: Manifest, wish: Wish, lines: list[Line], strange: int) -> list[str]:
    at, taken_at = db_now(), datetime.fromisoformat(manifest["taken_at"])
    why = _("Restored from a backup of {at:%d %b %Y %H:%M} UTC.").format(at=taken_at)
    Session.objects.all().delete()
    for account in Account.objects.all():
        accounts.pause_restored(account, by=wish.by, reason=why)
        budget.calls_elsewhere(account, wish.calls_today)
    waiting = restored.make_wait(at, taken_at, by=wish.by)
    repeated = erasure.repeat(lines, by=wish.by)
    head, sha256 = manifest["audit_head"]["seq"], manifest["database"]["sha256"]
    facts = {"requests": waiting, "erasures": repeated}
    made = Restoration.objects.create(at=at, by=wish.by, taken_at=taken_at, sha256=sha256, head_seq=head, facts=facts)
    details = {"taken_at": manifest["taken_at"], "head": head, "sha256": sha256, **facts}
    record("backup.restored", made, actor=wish.by, **details)
    notices.tell(notices.operators(), None, _("restored from a backup"), why)
    return [
        _("Paused: {why} Nothing is sent before an operator resumes.").format(why=why),
        ngettext(
            "{n:,} unfinished request waits until an operator confirms it after the restore.",
            "{n:,} unfinished requests wait until an operator confirms each of them after the restore.",
            waiting,
        ).format(n=waiting),
        _today(wish),
        *_about_erasures(repeated, strange, known=bool(lines)),
        _("Everybody signs in anew, with the password and second factor of that time."),
    ]


# --- What is said -----------------------------------------------------------------------------------------------


def _about(manifest: Manifest) -> str:
    return _("A backup of {at} by {host}, with {n:,} events in the audit trail.").format(
        at=manifest["taken_at"], host=manifest["host"], n=manifest["audit_head"]["seq"]
    )


def _today(wish: Wish) -> str:
    if budget.daily_cap() is None:
        return _("No daily limit is kept, so calls that were made today and are not known here don't matter.")
    if wish.calls_today is None:
        return _(
            "Nobody knows here how many calls were made today: all count as used up until midnight UTC. Where you know"
            " better, restore with --calls-today."
        )
    return _("{n:,} calls of today count as used up.").format(n=wish.calls_today)


def _about_erasures(repeated: dict[str, int], strange: int, *, known: bool) -> Iterator[str]:
    if not known:
        yield _(
            "No list of erasures was found (ERASURES_FILE, or --erasures): whoever was erased since the backup is here"
            " again. Run repeat_erasures with the list, or erase them once more."
        )
    else:
        yield _("Erased since, and now again: {again:,}; not known here and kept out: {unknown:,}.").format(**repeated)
    if repeated["refused"]:
        yield _(
            "{n:,} could not be erased again: a hold or an open request stands against it, see Erasures. Run"
            " repeat_erasures when that is over."
        ).format(n=repeated["refused"])
    if strange:
        yield _("{n:,} lines of the list are not signed with this AUDIT_KEY and were left out.").format(n=strange)


def _after(manifest: Manifest) -> list[str]:
    head, until = manifest["audit_head"]["seq"], restored.anchored_until()
    if until <= head:
        return [_("No anchor is at hand of an event behind the backup; the log and mails may have one.")]
    return [
        _(
            "Anchors know of the trail up to event {until:,}: {first:,} to {until:,} are missing here for good, and"
            " every check will say so. Keep AUDIT_ANCHOR_FILE for the auditors, move it aside, and a new one begins."
        ).format(first=head + 1, until=until)
    ]
