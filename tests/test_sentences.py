"""What is said in the code goes through gettext, and each sentence gets the values that its braces name."""

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted(
    path
    for floor in ("admin", "services", "kinds")
    for path in (ROOT / "lsq_ops" / floor).glob("*.py")
    if not path.name.startswith("report")  # the evidence report is English wherever it goes
)
# Whose arguments people read.
SAYING = {"Barred", "Verdict", "ValidationError", "PermissionDenied", "Alarm", "Finding", "Failure", "tell"}
SAYING |= {"success", "warning", "error", "message_user"}
GETTEXT = {"_", "lazy", "marked", "ngettext", "gettext", "format_lazy"}


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def said(path: Path) -> Iterator[tuple[str, str]]:
    """(where, text) of each text with a blank that is handed to somebody and goes through no gettext."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and name_of(call) in SAYING and not _logs(call):
            for part in [*call.args, *(keyword.value for keyword in call.keywords)]:
                text = _text(part)
                if " " in text.strip() and any(sign.isalpha() for sign in text):
                    yield f"{path.name}:{part.lineno}", text


def _logs(call: ast.Call) -> bool:
    of = getattr(call.func.value, "id", "") if isinstance(call.func, ast.Attribute) else ""
    return name_of(call) in ("success", "warning", "error") and of != "messages"


def _text(part: ast.expr) -> str:
    if isinstance(part, ast.JoinedStr):
        return "".join(value.value for value in part.values if isinstance(value, ast.Constant))
    return part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_is_said_goes_through_gettext(path: Path) -> None:
    assert list(said(path)) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_each_sentence_gets_what_its_braces_name(path: Path) -> None:
    wrong = []
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(call, ast.Call) and name_of(call) == "format" and isinstance(call.func, ast.Attribute)):
            continue
        inner = call.func.value
        if not (isinstance(inner, ast.Call) and name_of(inner) in GETTEXT):
            continue
        if any(keyword.arg is None for keyword in call.keywords):
            continue
        given = {keyword.arg for keyword in call.keywords}
        for text in (one.value for one in inner.args if isinstance(one, ast.Constant) and isinstance(one.value, str)):
            named = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
            if {name for name in named if name} - given or len([n for n in named if not n]) > len(call.args):
                wrong.append(f"{path.name}:{call.lineno}: {text}")
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_value_is_put_in_before_it_is_translated(path: Path) -> None:
    """`_(f"…")` looks for a sentence that is in no catalog."""
    calls = [call for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(call, ast.Call)]
    found = [
        call for call in calls if name_of(call) in GETTEXT and any(isinstance(a, ast.JoinedStr) for a in call.args)
    ]
    assert [f"{path.name}:{one.lineno}" for one in found] == []
