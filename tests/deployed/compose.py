"""What deploy/ says, as data: the services of compose.yaml, and what the image holds."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")


@dataclass(frozen=True)
class Service:
    name: str
    command: list[str]
    environment: dict[str, str]
    env_files: list[str]
    test: list[str]  # the health check's command
    grace: float  # seconds between TERM and KILL
    needs: dict[str, str]
    plain: dict[str, Any]


def services() -> dict[str, Service]:
    with open(DEPLOY / "compose.yaml", encoding="utf-8") as file:
        plain = yaml.safe_load(file)
    return {name: _service(name, one) for name, one in plain["services"].items()}


def _service(name: str, plain: dict[str, Any]) -> Service:
    test = plain.get("healthcheck", {}).get("test", [])
    return Service(
        name,
        plain.get("command", []),
        {key: str(value) for key, value in plain.get("environment", {}).items()},
        [one["path"] for one in plain.get("env_file", [])],
        test[1:],
        float(plain.get("stop_grace_period", "10s").removesuffix("s")),
        {other: how["condition"] for other, how in plain.get("depends_on", {}).items()},
        plain,
    )


def example(name: str) -> dict[str, str]:
    """Of `portal.env`: the names that its example has, and what stands behind them."""
    return read_env((DEPLOY / f"{name}.example").read_text(encoding="utf-8"))


def read_env(text: str) -> dict[str, str]:
    """As `format: raw` reads it: whatever stands behind the first = is the value."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


# --- The image -------------------------------------------------------------------------------------------


def copied() -> list[tuple[list[str], str]]:
    """What the last stage takes from the repository: (from, to)."""
    last = CONTAINERFILE.rpartition("\nFROM ")[2]
    lines = [line.split()[1:] for line in last.splitlines() if line.startswith("COPY ") and "--from" not in line]
    return [(words[:-1], words[-1]) for words in lines]


def image_environment() -> dict[str, str]:
    found = re.search(r"^ENV (.*)$", CONTAINERFILE, re.M)
    assert found
    return dict(pair.split("=", 1) for pair in found[1].split())


def unpack(folder: Path) -> None:
    """A folder as the image has it under /opt/lsq-ops: what is not copied there must not be needed."""
    for sources, target in copied():
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, folder / target, dirs_exist_ok=True)
            else:
                (folder / target).mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / source, folder / target)
