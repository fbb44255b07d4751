"""The verifier's own door: what is wrong, in words, with number and kind."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from lsq_ops.chain import Anchor, anchors_in

from .bundle import FORMAT, MANIFEST, Bundle, CannotCheck, Finding, check_files, check_seal, wrong
from .facts import check_request, events_of
from .trail import check_trail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ABOUT = """Checks a deletion evidence report: that its files are as its manifest says, that its part of the audit trail
is whole, and that versions, votes, calls and outcomes agree with each other and with the trail. Exit 0: nothing is
wrong. 1: something is, and what. 2: it can't be checked."""
BROKEN = (ValueError, KeyError, TypeError, AttributeError, LookupError, OSError, EOFError)


def main(arguments: list[str] | None = None) -> int:
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal may know few characters
    given = _parser().parse_args(arguments)
    try:
        bundle = Bundle(given.report)
        about = _about(bundle)
        key = _contents_of(given.key_file).strip() if given.key_file else ""
        outside = [anchor for path in given.anchors for anchor in anchors_in(_contents_of(path).splitlines())]
        return _say(about, list(examine(bundle, about, key, outside)))
    except CannotCheck as why:
        print(f"Can't check: {why}")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=ABOUT)
    parser.add_argument("report", nargs="?", default=os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--key-file", metavar="FILE", help="a file with the portal's AUDIT_KEY")
    anchors = "anchors that were kept elsewhere: a file, a log, a saved mail; may be given several times"
    parser.add_argument("--anchors", metavar="FILE", action="append", default=[], help=anchors)
    return parser


def _contents_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        raise CannotCheck(f"{path} can't be read: {error.strerror}.") from None


def _about(bundle: Bundle) -> dict[str, Any]:
    try:
        about, listed = bundle.json("report.json"), bundle.json(MANIFEST)
        known = about["format"] == listed["format"] == FORMAT
    except BROKEN:
        raise CannotCheck(f"report.json or {MANIFEST} can't be read.") from None
    if not known:
        raise CannotCheck("It is of a format that this verifier doesn't know; use the one inside it.")
    return about


def examine(bundle: Bundle, about: dict[str, Any], key: str, outside: list[Anchor]) -> Iterator[Finding]:
    """All that is found; what can't even be read is a finding too."""
    steps: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        (MANIFEST, lambda: check_files(bundle)),
        (MANIFEST, lambda: check_seal(bundle, key)),
        ("the audit trail", lambda: check_trail(bundle, about, key, outside)),
    ]
    for name, step in steps:
        yield from _safely(name, step)
    yield from _safely("requests", lambda: _requests(bundle, about))


def _requests(bundle: Bundle, about: dict[str, Any]) -> Iterator[Finding]:
    told = events_of(bundle, about["requests"])
    for number in about["requests"]:
        yield from _safely(f"DR-{number}", partial(check_request, bundle, about, number, told[number]))


def _safely(name: str, step: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from step()
    except BROKEN:
        yield wrong(name, "unreadable", f"{name} can't be read: a part is missing or broken.")


def _say(about: dict[str, Any], findings: list[Finding]) -> int:
    what = f"lead {about['lead']}" if about["lead"] else ", ".join(f"DR-{number}" for number in about["requests"])
    made = about["made_at"][:19].replace("T", " ")
    print(f"Deletion evidence report on {what}, made {made} UTC by {about['made_by']}.\n")
    faults = [finding for finding in findings if finding.ok is False]
    for finding in findings:
        if finding.ok is not False:
            print(f"{'ok   ' if finding.ok else 'note '} {finding.sentence}")
    for finding in faults:
        print(f"WRONG {finding.sentence} [{finding.about}: {finding.kind}]")
    print(f"\n{VERDICTS[bool(faults)]}")
    return 1 if faults else 0


VERDICTS = {
    False: "Nothing is wrong. What it doesn't prove stands in READ ME FIRST.",
    True: "Something is wrong: what is marked WRONG was changed, or never was so.",
}


if __name__ == "__main__":
    sys.exit(main())
