"""Reports as tests have them: written, checked by their own verifier, taken apart and packed anew."""

import hashlib
import json
import subprocess
import sys
import zipfile
from datetime import timedelta

from lsq_ops import verifier
from lsq_ops.models import AuditAnchor, db_now
from lsq_ops.services import anchors, report


def anchored():
    """The hour is over: an anchor speaks for all that happened so far."""
    AuditAnchor.objects.update(made_at=db_now() - timedelta(hours=2))
    anchors.keep()


def exported(subject, path, **options):
    with open(path, "w+b") as file:
        report.write(file, subject, by="shell:tester", **options)
    return path


def verify(path, *arguments):
    """The report's own verifier, in a process that knows neither this project nor any package."""
    script = path.with_name("verify.py")
    if not script.exists():
        script.write_text(verifier.script(), encoding="utf-8")
    command = [sys.executable, "-I", "-S", script.name, path.name, *arguments]
    ran = subprocess.run(command, cwd=path.parent, capture_output=True, text=True)
    assert ran.stderr == ""
    return ran.returncode, ran.stdout


def parts_of(path):
    with zipfile.ZipFile(path) as made:
        return {name: made.read(name).decode() for name in made.namelist()}


def zipped(path, parts, *, manifest=True):
    """The parts as a zip; with a manifest made anew, as a forger would."""
    if manifest:
        listed = {name: of(text) for name, text in parts.items() if name not in ("manifest.json", "signature.txt")}
        parts = parts | {"manifest.json": json.dumps({"format": "lsq-ops-evidence-1", "files": listed})}
    with zipfile.ZipFile(path, "w") as made:
        for name, text in parts.items():
            made.writestr(name, text)
    return path


def of(text):
    return {"sha256": hashlib.sha256(text.encode()).hexdigest(), "size": len(text.encode())}


def rows_of(parts, name):
    return [json.loads(line) for line in parts[named(parts, name)].splitlines()]


def with_rows(parts, name, rows):
    return parts | {named(parts, name): "".join(json.dumps(row) + "\n" for row in rows)}


def named(parts, name):
    """`votes.jsonl` is that of the only request."""
    return next(one for one in parts if one == name or (one.startswith("requests/") and one.endswith(f"/{name}")))
