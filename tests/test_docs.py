"""What the documents say is so: names, addresses, commands, people, states, times, links; and what no file may hold."""

import re
import subprocess
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import get_commands
from django.urls import resolve

from lsq_ops.models import Attempt, AuditEvent, DeletionCall, DeletionRequest, MirrorSync
from lsq_ops.models.timing import DAY, HOUR, MINUTE, SANDBOX, SHIPPED
from lsq_ops.sandbox.world import WELL_KNOWN
from lsq_ops.services import people
from lsq_ops.services.may import ROLES
from portal.environment import REGIONS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
EXAMPLE = dict(re.findall(r"^([A-Z][A-Z_]*)=(.*)$", (ROOT / ".env.example").read_text(encoding="utf-8"), re.M))
SETTINGS = (ROOT / "portal" / "settings.py").read_text(encoding="utf-8")
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
FOR_PEOPLE = sorted((ROOT / "docs" / "people").glob("*.md"))
GUIDES = sorted((ROOT / "docs" / "guide").glob("*.md"))
MACHINES = {"Request": DeletionRequest, "Call": DeletionCall, "Attempt": Attempt, "Sync": MirrorSync}
MODELS = (
    "Account ActivityType Lead Activity Task ActivitySnapshot DeletionRequest RequestVersion DeletionCall DeletionItem "
    "KeptNeighbour Attempt TaskClaim Policy Team ApproverGrant Vote Hold WebhookReceipt BudgetSlot AuditEvent"
).split()


def section(text: str, title: str) -> str:
    """What stands under a heading, to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", text, re.M | re.S)
    assert found, f"no section {title}"
    return found.group(1)


def table(text: str) -> list[list[str]]:
    """Cells of the table rows whose first cell is a `name`."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in text.splitlines() if "|" in line]
    return [[row[0].strip("`"), *row[1:]] for row in rows if re.fullmatch(r"`[^`]+`", row[0])]


# --- The environment -------------------------------------------------------------------------------------


def test_the_readme_has_every_environment_name_and_only_those():
    read = set(re.findall(r'(?:env\.\w+|_own_secret)\("([A-Z_]+)"', SETTINGS))
    assert {row[0] for row in table(section(README, "Environment"))} == set(EXAMPLE) == read


def test_the_readme_tells_the_defaults_of_the_example():
    told = {row[0]: row[1].strip("`") for row in table(section(README, "Environment"))}
    assert {name: told[name] for name, value in EXAMPLE.items() if value} == {n: v for n, v in EXAMPLE.items() if v}


def test_the_readme_tells_what_may_come_from_a_file():
    paragraph = section(README, "Environment").partition("These may also come from a file")[2].partition(":")[2]
    secrets = set(re.findall(r'(?:env\.secret|_own_secret)\("([A-Z_]+)"', SETTINGS))
    assert set(re.findall(r"`([A-Z_]+)`", paragraph)) == secrets


def test_the_readme_has_the_regions():
    rows = table(section(README, "The real account"))
    assert {host.removeprefix("https://"): region for host, region in rows} == REGIONS


# --- Addresses, commands, names --------------------------------------------------------------------------


def test_addresses_of_the_readme_exist():
    addresses = set(re.findall(r"`(/[\w/<>-]+)`", README))
    assert {"/admin/", "/webhooks/leadsquared/<token>/", "/health/live", "/health/ready"} <= addresses
    for address in addresses:
        resolve(address.replace("<token>", "t0ken"))


def test_the_readme_has_every_management_command_and_only_those():
    ours = {name for name, app in get_commands().items() if app == "lsq_ops"}
    assert {row[0] for row in table(section(README, "Commands"))} == ours


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_are_named_exist(document):
    text, dev = document.read_text(encoding="utf-8"), (ROOT / "dev").read_text(encoding="utf-8")
    known = set(re.findall(r'"(\w+)": \w+', dev.partition("commands = {")[2].partition("}")[0]))
    assert set(re.findall(r"\./dev ([a-z]\w*)", text)) <= known | {"alone"}
    assert set(re.findall(r"(?:manage\.py|\./dev manage) ([a-z]\w*)", text)) <= set(get_commands())


@pytest.mark.parametrize("name", MODELS)
def test_models_have_the_names_that_programs_rely_on(name):
    assert apps.get_model("lsq_ops", name)


def test_an_audit_event_has_the_columns_that_programs_rely_on():
    columns = "seq at actor action object_type object_id details prev_hash hash".split()
    assert [field.attname for field in AuditEvent._meta.concrete_fields] == columns


# --- People and the sandbox ------------------------------------------------------------------------------


def test_the_people_of_the_sandbox_are_those_of_the_readme():
    demo = [[name, people._may_words(roles, team)] for name, _, _, roles, team in people.DEMO]
    assert table(section(README, "Try it: the sandbox")) == demo
    assert f"`{people.DEMO_PASSWORD}`" in README


def test_the_leads_of_the_first_walk_exist():
    walk = section(README, "Try it: the sandbox")
    assert re.findall(r"^[0-9a-f-]{36}$", walk, re.M) == list(WELL_KNOWN.values())


# --- The design ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("title", MACHINES)
def test_the_state_tables_are_those_of_the_code(title):
    lines = section(DESIGN, title).split("```")[1].strip().splitlines()
    drawn = {line.split()[0]: tuple(re.findall(r"\w+", line.partition("->")[2])) for line in lines}
    assert drawn == MACHINES[title].MOVES


def test_times_and_caps_are_those_of_the_code():
    for name, real, sandbox, _ in table(section(DESIGN, "Times and caps")):
        words = in_words if "items" not in name else "{:,}".format
        assert (real, sandbox) == (words(getattr(SHIPPED, name)), words(getattr(SANDBOX, name))), name


def in_words(seconds: int) -> str:
    if seconds > 2 * DAY:
        return f"{seconds // DAY} days"
    size, unit = next((s, u) for s, u in ((HOUR, "h"), (MINUTE, "min"), (1, "s")) if seconds >= s or s == 1)
    return f"{seconds // size} {unit}"


def test_the_tiers_are_those_of_the_code():
    drawn = section(DESIGN, "Approval")
    for tier in people.SHIPPED_TIERS:
        row = re.search(rf"^\| {tier['name']} \|(.*)\|(.*)\|$", drawn, re.M)
        assert row, tier["name"]
        teams = ", from two teams" if tier["teams"] == 2 else ""
        assert row[2].strip() == f"{tier['approvals']}{teams}"
        assert tier["max_items"] is None or f"up to {tier['max_items']:,} items" in row[1]


# --- Every document and every file -----------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_something(document):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert missing == []


def test_files_that_are_named_exist():
    text = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    named = set(re.findall(r"`((?:lsq_ops|portal|docs|tests|templates)/[\w/.-]+)`", text))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("document", [*FOR_PEOPLE, *GUIDES], ids=lambda path: path.stem)
def test_what_people_are_told_to_press_is_there_to_be_pressed(document):
    """Bold is what stands on a page: a button's label, a menu's entry, a word of a template."""
    files = [*(ROOT / "lsq_ops" / "admin").glob("*.py"), *(ROOT / "templates").rglob("*.html")]
    files += [ROOT / "lsq_ops" / "services" / "operations.py"]
    shown = "\n".join(file.read_text(encoding="utf-8") for file in files)
    said = set(re.findall(r"\*\*([^*]+)\*\*", document.read_text(encoding="utf-8")))
    buttons = {words.strip() for words in said if not words.endswith(".")}  # with a full stop it only stresses
    buttons -= {"Run"}  # Unfold's, at each list
    missing = {words for words in buttons if not re.search(rf"[\"“>] ?{re.escape(words)}[\"” <{{]", shown)}
    assert missing == set()
    assert len(buttons) > (0 if document in GUIDES else 3)


def test_there_is_a_page_for_each_role():
    assert {path.stem.replace("-", " ") for path in FOR_PEOPLE} == {role.lower() for role in ROLES}


def test_each_picture_is_shown_somewhere_and_made_by_the_browser_tests():
    shown = {
        Path(name).name for d in DOCUMENTS for name in re.findall(r"\(([^)]*\.png)\)", d.read_text(encoding="utf-8"))
    }
    made = set(re.findall(r'\("[\w-]+", \d+\): "([\w-]+)"', (ROOT / "tests" / "test_the_whole_job.py").read_text()))
    assert {path.name for path in (ROOT / "docs" / "pictures").iterdir()} == shown == {f"{name}.png" for name in made}


def test_pictures_are_small():
    assert [p.name for p in (ROOT / "docs").rglob("*.png") if p.stat().st_size >= 200_000] == []


# In parts, so that this file doesn't hold what it looks for.
FORBIDDEN = {
    "a package registry": "|".join(
        re.escape(".".join(parts))
        for parts in (("pypi", "org"), ("files", "pythonhosted"), ("registry", "npmjs"), ("registry", "yarnpkg"))
    ),
    "somebody's home": r"(?<![\w.<])/(?:home|Users)/" + r"[a-z][\w.-]*/|(?<![\w./])/root" + r"/\w",
    "a private key": "-----BEGIN [A-Z ]*PRIVATE " + "KEY-----",
    "a LeadSquared access key": r"u\$r" + r"[0-9a-f]{32}",
    "a token of a code host or cloud": "gh[pousr]_" + "[A-Za-z0-9]{36}|AKIA" + "[A-Z0-9]{16}|xox[abp]-" + r"\d{6}",
}


def tracked_texts() -> dict[str, str]:
    """Path -> text of every file that is, or would be, in the repository; pictures and other binaries left out."""
    listing = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    files = {name: (ROOT / name).read_bytes() for name in names if name and (ROOT / name).is_file()}
    return {name: content.decode("utf-8") for name, content in files.items() if b"\0" not in content}


def test_no_file_holds_what_belongs_elsewhere():
    texts = tracked_texts()
    assert "README.md" in texts
    found = [
        f"{name} holds {what}" for name, text in texts.items() for what, p in FORBIDDEN.items() if re.search(p, text)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a package registry", "https://pypi" + ".org/simple"),
        ("somebody's home", "/home" + "/ada/portal"),
        ("a LeadSquared access key", "u$r" + "0123456789abcdef" * 2),
    ],
)
def test_it_would_be_found(what, text):
    assert re.search(FORBIDDEN[what], text)
