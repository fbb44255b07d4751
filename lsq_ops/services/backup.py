"""A backup: the whole database in one zip, as it was at one moment while others went on writing, with a manifest that
says what is in it. It is read back before it gets its name. restoring.py makes a portal of it again.

SQLite is copied by its online backup API; PostgreSQL by pg_dump, on the very snapshot that the manifest tells of. The
manifest is signed with AUDIT_KEY: who can write the file but doesn't know the key can't pass another one off.
"""

import hashlib
import hmac
import json
import os
import re
import socket
import sqlite3
import tempfile
import time
import tomllib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from lsq_ops.chain import canonical
from lsq_ops.models import audited, db_now, record
from lsq_ops.models.clock import one_moment

from . import postgresql
from .may import Barred

FORMAT = 1
MANIFEST, MAC = "manifest.json", "manifest.hmac"
DATABASE = {"sqlite": "database.sqlite3", "postgresql": "database.pgdump"}
MANIFEST_MOST = 4 * 1024**2  # bytes; a larger one is none of ours
CHUNK = 1024**2
LEFTOVER_AFTER = 24 * 3600  # seconds after which a part is nobody's any more
PART = ".lsq-ops-part-"
BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, KeyError, ValueError, RuntimeError, NotImplementedError)

Manifest = dict[str, Any]


# --- Taking one -------------------------------------------------------------------------------------------------


def take(folder: Path, *, by: str, keep: int = 0) -> tuple[Path, Manifest, list[Path]]:
    """(the new file, its manifest, the older ones that were removed: all but the `keep` newest; 0 keeps all)."""
    if not folder.is_dir():
        raise Barred(_("{folder} is no folder. Make it, or mount the disk that it is on.").format(folder=folder))
    taken_at = db_now()
    path = folder / f"{_prefix()}{taken_at:%Y%m%dT%H%M%SZ}.zip"
    with new_file(path) as part:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as bundle:
            facts = ENGINES[connection.vendor](bundle, folder)
            _write_manifest(bundle, {**_about(taken_at), **facts})
        manifest = check(part)  # what can't be read back is no backup
    with audited():
        facts = {"sha256": manifest["database"]["sha256"], "head": manifest["audit_head"]["seq"]}
        record("backup.taken", ("backup", path.name), actor=by, **facts)
    return path, manifest, _remove_older(folder, keep) if keep else []


def known(folder: Path) -> list[Path]:
    """This portal's backups in the folder, the newest first; by their names, which end in the time."""
    whole = re.compile(re.escape(_prefix()) + r"\d{8}T\d{6}Z\.zip")
    return sorted((path for path in folder.iterdir() if whole.fullmatch(path.name)), reverse=True)


def taken_at(path: Path) -> datetime:
    """As its name says."""
    return datetime.strptime(path.stem.rpartition("-")[2], "%Y%m%dT%H%M%S%z")


def _prefix() -> str:
    return f"lsq-ops-{'sandbox' if settings.SANDBOX_MODE else 'portal'}-"


def _remove_older(folder: Path, keep: int) -> list[Path]:
    for part in folder.glob(f"{PART}*"):
        if time.time() - part.stat().st_mtime > LEFTOVER_AFTER:
            part.unlink(missing_ok=True)  # of one that was killed
    older = known(folder)[keep:]
    for path in older:
        path.unlink(missing_ok=True)
    return older


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A file that nobody else can read, and that gets its name when it is whole and on the disk; it replaces none."""
    if path.exists():
        raise Barred(_("{path} is there already; nothing is overwritten.").format(path=path))
    number, name = tempfile.mkstemp(prefix=PART, dir=path.parent)  # 0600
    os.close(number)
    try:
        yield Path(name)
        on_the_disk(Path(name))
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # the name is ours, or it was taken
        os.replace(name, path)
    except FileExistsError:
        raise Barred(_("{path} is there already; nothing is overwritten.").format(path=path)) from None
    finally:
        Path(name).unlink(missing_ok=True)


def on_the_disk(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _about(taken_at: datetime) -> Manifest:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "format": FORMAT,
        "portal": project["version"],
        "taken_at": taken_at.isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "sandbox": settings.SANDBOX_MODE,
        "engine": connection.vendor,
    }


def _write_manifest(bundle: zipfile.ZipFile, manifest: Manifest) -> None:
    text = json.dumps(manifest, indent=1, sort_keys=True)
    bundle.writestr(MANIFEST, text)
    bundle.writestr(MAC, _mac(manifest))


def _mac(manifest: Manifest) -> str:
    return hmac.digest(settings.AUDIT_KEY.encode(), f"lsq-ops-backup {canonical(manifest)}".encode(), "sha256").hex()


# --- What each engine gives -------------------------------------------------------------------------------------


def _sqlite(bundle: zipfile.ZipFile, folder: Path) -> Manifest:
    """A copy of one moment: in WAL, writers go on meanwhile."""
    with tempfile.NamedTemporaryFile(prefix=PART, dir=folder) as part:  # 0600
        live = sqlite3.connect(str(connection.settings_dict["NAME"]), timeout=20)
        with closing(live), closing(sqlite3.connect(part.name)) as copy:
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without another one beside it
            if (sound := copy.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
                raise Barred(_("The database is damaged: {what}. Keep a copy of it as it is.").format(what=sound))
            tables = [row[0] for row in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            facts = _facts(lambda sql: copy.execute(sql).fetchall(), tables)
        with open(part.name, "rb") as copied:
            return {**facts, **_pack(bundle, DATABASE["sqlite"], copied, zipfile.ZIP_DEFLATED)}


def _postgresql(bundle: zipfile.ZipFile, folder: Path) -> Manifest:
    program, version = postgresql.program("pg_dump", at_least=postgresql.server(connection))
    with one_moment(), connection.cursor() as cursor:

        def ask(sql: str) -> list[Any]:
            cursor.execute(sql)
            return list(cursor.fetchall())

        facts = _facts(ask, connection.introspection.table_names(cursor))
        ((snapshot,),) = ask("SELECT pg_export_snapshot()")
        with postgresql.dumped(program, snapshot) as dump:
            packed = _pack(bundle, DATABASE["postgresql"], dump, zipfile.ZIP_STORED)  # it is compressed already
    return {**facts, **packed, "server": postgresql.server(connection), "pg_dump": version}


ENGINES: dict[str, Callable[[zipfile.ZipFile, Path], Manifest]] = {"sqlite": _sqlite, "postgresql": _postgresql}


def _facts(ask: Callable[[str], list[Any]], tables: list[str]) -> Manifest:
    """What can be held against a restored database."""
    ((seq, hash),) = ask("SELECT seq, hash FROM lsq_ops_audithead WHERE id = 1")
    ours = sorted(table for table in tables if not table.startswith("sqlite_"))
    counted = {table: ask(f'SELECT COUNT(*) FROM "{table}"')[0][0] for table in ours}  # noqa: S608 # nosec B608 # the database's own
    migrated = ask("SELECT app, name FROM django_migrations")
    return {
        "audit_head": {"seq": seq, "hash": hash},
        "migrations": sorted(f"{app}.{name}" for app, name in migrated),
        "rows": counted,
    }


def _pack(bundle: zipfile.ZipFile, name: str, source: IO[bytes], how: int) -> Manifest:
    digest, size = hashlib.sha256(), 0
    entry = zipfile.ZipInfo(name, time.gmtime()[:6])
    entry.compress_type = how
    with bundle.open(entry, "w", force_zip64=True) as target:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
    return {"database": {"name": name, "bytes": size, "sha256": digest.hexdigest()}}


# --- Reading one ------------------------------------------------------------------------------------------------


def check(path: Path, *, unsigned: bool = False) -> Manifest:
    """The manifest of a backup that is whole; Barred with what is wrong otherwise. `unsigned`: the signature is not
    asked for."""
    manifest, signed = _manifest(path)
    if not (signed or unsigned):
        raise Barred(
            _(
                "The manifest of {path} was not signed with this AUDIT_KEY: the backup is of a portal with another one,"
                " or somebody changed it. Set the AUDIT_KEY that the portal had; where it is lost, --unsigned takes the"
                " file as it is."
            ).format(path=path)
        )
    for _chunk in contents(path, manifest):
        pass
    return manifest


def _manifest(path: Path) -> tuple[Manifest, bool]:
    """(the manifest, is it signed with our key)."""
    if not path.is_file():
        raise Barred(_("There is no file {path}.").format(path=path))
    try:
        with zipfile.ZipFile(path) as bundle:
            if bundle.getinfo(MANIFEST).file_size > MANIFEST_MOST:
                raise ValueError("too large")
            manifest = json.loads(bundle.read(MANIFEST))
            mac = bundle.read(MAC).decode()
        known = manifest["format"] == FORMAT and manifest["database"]["name"] == DATABASE[manifest["engine"]]
        datetime.fromisoformat(manifest["taken_at"])
        int(manifest["audit_head"]["seq"])
    except (*BROKEN, TypeError):
        raise Barred(_damaged(path)) from None
    if not known:
        raise Barred(_("{path} was made by another version of the portal, which can restore it.").format(path=path))
    return manifest, hmac.compare_digest(mac, _mac(manifest))


def contents(path: Path, manifest: Manifest) -> Iterator[bytes]:
    """The database in it, piece by piece; Barred at the end where it is not what the manifest says."""
    facts, digest, size = manifest["database"], hashlib.sha256(), 0
    try:
        with zipfile.ZipFile(path) as bundle, bundle.open(facts["name"]) as source:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                yield chunk
    except BROKEN:
        raise Barred(_damaged(path)) from None
    if (size, digest.hexdigest()) != (facts["bytes"], facts["sha256"]):
        raise Barred(_damaged(path))


def _damaged(path: Path) -> str:
    return _("{path} is no whole backup: it was cut off or changed, or is something else. Take another one.").format(
        path=path
    )
