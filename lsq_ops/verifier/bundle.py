"""A report as a file: its parts, whether they are as its manifest says, and who sealed it."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import os
import zipfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "lsq-ops-evidence-1"
SEAL = "lsq-ops-report"
MANIFEST, SIGNATURE = "manifest.json", "signature.txt"
NOT_OURS = ("__pycache__/", "__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")
MOST = 2_000_000_000  # bytes of one part; a bomb is larger


class CannotCheck(Exception):
    """There is nothing here that could be checked, and why."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `ok` is None where it can't be told, or is worth knowing; `about` says which
    number it is, and `kind` what is wrong with it."""

    ok: bool | None
    sentence: str
    about: str = ""
    kind: str = ""


def wrong(about: str, kind: str, sentence: str) -> Finding:
    return Finding(False, sentence, about, kind)


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


class Bundle:
    """A report: the zip itself, or the folder that it was unpacked into."""

    def __init__(self, path: str) -> None:
        self.path, self._zip = path, None
        try:
            if not os.path.isdir(path):
                self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise CannotCheck(f"{path} can't be opened: {error}.") from None
        self.names = sorted(self._zip.namelist() if self._zip else _files(path))
        if MANIFEST not in self.names or "report.json" not in self.names:
            raise CannotCheck(f"{path} is no deletion evidence report: it has no {MANIFEST} or no report.json.")

    def open(self, name: str) -> IO[bytes]:
        if self._zip:
            if self._zip.getinfo(name).file_size > MOST:
                raise CannotCheck(f"{name} is too large.")
            return self._zip.open(name)
        return open(os.path.join(self.path, *name.split("/")), "rb")

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            return file.read()

    def json(self, name: str) -> Any:
        return json.loads(self.read(name))

    def lines(self, name: str) -> Iterator[str]:
        """Nothing where there is no such part: it is missing from the manifest then, or said to be."""
        if name in self.names:
            with self.open(name) as file:
                yield from io.TextIOWrapper(file, encoding="utf-8")

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        for line in self.lines(name):
            yield json.loads(line)

    def sha256(self, name: str) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        with self.open(name) as file:
            while block := file.read(1 << 20):
                digest.update(block)
                size += len(block)
        return digest.hexdigest(), size


def _files(folder: str) -> Iterator[str]:
    for where, _, names in os.walk(folder):
        for name in names:
            yield os.path.relpath(os.path.join(where, name), folder).replace(os.sep, "/")


def seal(key: str, manifest_sha256: str) -> str:
    """The line that says: whoever holds AUDIT_KEY wrote this report, as it is."""
    mac = hmac.new(key.encode(), f"{SEAL}\n{manifest_sha256}".encode(), hashlib.sha256).hexdigest()
    return f"{SEAL} sha256={manifest_sha256} mac={mac}"


def check_files(bundle: Bundle) -> Iterator[Finding]:
    """Each file of the manifest is there and as it says, and there is no other one."""
    listed = bundle.json(MANIFEST)["files"]
    found = [name for name in bundle.names if not name.endswith("/") and not name.startswith(NOT_OURS)]
    bad = 0
    for name in sorted({*listed, *found} - {MANIFEST, SIGNATURE}):
        said = _file_fault(bundle, name, listed.get(name), found.count(name))
        if said:
            bad += 1
            yield wrong(name, *said)
    if not bad:
        yield Finding(True, f"{plural(len(listed), 'file')}, each as the manifest says.")


def _file_fault(bundle: Bundle, name: str, listed: dict[str, Any] | None, times: int) -> tuple[str, str] | None:
    if listed is None:
        return "added", f"The file {name} is not in the manifest: it was added."
    if not times:
        return "missing", f"The file {name} is missing; the manifest lists it."
    if times > 1:
        return "twice", f"The file {name} stands in the zip more than once."
    if bundle.sha256(name) != (listed["sha256"], listed["size"]):
        return "changed", f"The file {name} was changed: the manifest lists another content for it."
    return None


def check_seal(bundle: Bundle, key: str) -> Iterator[Finding]:
    if not key:
        yield Finding(
            None, "Without AUDIT_KEY (--key-file) it is not checked who made this report: anybody can write a manifest."
        )
        return
    said = bundle.read(SIGNATURE).decode("utf-8", "replace").strip() if SIGNATURE in bundle.names else ""
    if hmac.compare_digest(said.encode(), seal(key, bundle.sha256(MANIFEST)[0]).encode()):
        yield Finding(True, "The manifest is sealed with this key: the report is as the portal wrote it.")
    else:
        yield wrong(MANIFEST, "not sealed", "The manifest is not sealed with this key: the portal did not write it so.")
