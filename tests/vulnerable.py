"""Two parts of lint that look for known dangers: bandit in our own code, and pip-audit in the packages that are pinned,
by the OSV service. Where that service can't be reached, nothing is known, and that is what is said."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
SOURCES = ["lsq_ops", "portal", "dev", "manage.py"]
REQUIREMENTS = "requirements.txt"
DEADLINE = 60  # seconds
PASSED, FAILED, NOT_LOOKED_UP = "passed", "failed", "not looked up"


def code() -> tuple[str, str]:
    """(verdict, what to say of it)."""
    command = [str(BIN / "bandit"), "--quiet", "--configfile", "pyproject.toml", "--recursive", *SOURCES]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    # It warns of each `nosec` at each line of a statement where it had nothing to do.
    said = [line for line in ran.stderr.splitlines() if "nosec encountered" not in line]
    return (PASSED, "") if ran.returncode == 0 else (FAILED, "\n".join([ran.stdout, *said]))


def packages(requirements: str = REQUIREMENTS, service: list[str] | None = None, deadline: float = DEADLINE):
    """(verdict, what to say of it): of every pinned package, whether a vulnerability is known."""
    command = [str(BIN / "pip-audit"), "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    command += ["--timeout", "10", "--format", "json", "--requirement", requirements]
    command += service or ["--vulnerability-service", "osv"]
    try:
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=deadline)
    except subprocess.TimeoutExpired:
        return NOT_LOOKED_UP, f"no answer within {deadline:g} s"
    try:
        found = json.loads(ran.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = [line for line in ran.stderr.splitlines() if line.strip()][-1:] or ["no reason was given"]
        # What is wrong with the file itself is no matter of the network.
        broken = "ConnectionError" not in ran.stderr and "Timeout" not in ran.stderr and "HTTPError" not in ran.stderr
        return FAILED if broken else NOT_LOOKED_UP, last[0][:300]
    return verdict(found)


def verdict(found: list[dict]) -> tuple[str, str]:
    bad = [f"{one['name']} {one['version']}: {_ids(one['vulns'])}" for one in found if one.get("vulns")]
    if bad:
        return FAILED, "\n".join(bad)
    passed_over = [one["name"] for one in found if "skip_reason" in one]
    if passed_over or not found:
        return NOT_LOOKED_UP, f"{len(passed_over)} of {len(found)} packages were not known to the service"
    return PASSED, f"{len(found)} packages, no vulnerability known"


def _ids(vulns: list[dict]) -> str:
    fixed = sorted({version for one in vulns for version in one.get("fix_versions", [])})
    return ", ".join(one["id"] for one in vulns) + (f" (mended in {', '.join(fixed)})" if fixed else "")
