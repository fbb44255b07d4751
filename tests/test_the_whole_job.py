"""The whole job in Chromium, for every kind, on a desk and on a phone, on what ./dev up starts."""

import csv
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lsq_ops.sandbox.world import BULK_OWNER_ID, MOSTLY_SITE_VISITS, WELL_KNOWN
from lsq_ops.services.people import DEMO_PASSWORD

ROOT = Path(__file__).resolve().parent.parent
WIDTHS = {"desk": 1440, "phone": 390}
LEADS = {"desk": [WELL_KNOWN["asha"], WELL_KNOWN["bruno"], WELL_KNOWN["chen"]], "phone": [MOSTLY_SITE_VISITS]}
IN_DOCS = {
    ("draft", 1440): "draft",
    ("pending", 1440): "pending",
    ("pending", 390): "phone",
    ("running", 1440): "running",
    ("operations", 1440): "operations",
    ("set-up", 1440): "set-up",
}
LEAD_NUMBERS = {"desk": ["1001", "1002", "1003"], "phone": ["1004"]}

pytestmark = [pytest.mark.browser, pytest.mark.long]


@pytest.fixture(scope="module")
def portal_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("portal")


@pytest.fixture(scope="module")
def portal(portal_folder: Path) -> Iterator[str]:
    """What ./dev up starts: supervisor, sandbox, web server, worker cluster, watchdog; its address."""
    folder = portal_folder
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    left_out = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "LSQ_OPS_TESTS", "LSQ_HOST")
    environment = {k: v for k, v in os.environ.items() if k not in left_out}
    environment |= {
        "DATA_DIR": str(folder),
        "PORT": str(port),
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "s",
        "AUDIT_KEY": "a",
    }
    with open(folder / "up.log", "wb") as log:
        up = subprocess.Popen(
            [sys.executable, "manage.py", "up"], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield wait_until_ready(f"http://127.0.0.1:{port}", up, folder / "up.log")
        finally:
            up.terminate()
            up.wait(30)


def wait_until_ready(address: str, up: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + 180  # seven processes start at once, on a machine that runs other tests too
    while time.monotonic() < until and up.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health/ready", timeout=2):
                return address
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


class Person:
    """Somebody at a browser of a given width."""

    def __init__(self, browser: Any, portal: str, name: str, width: int, colours: str = "light") -> None:
        context = browser.new_context(
            viewport={"width": width, "height": 850}, base_url=portal, color_scheme=colours, reduced_motion="reduce"
        )
        self.page = context.new_page()
        self.page.set_default_timeout(15_000)
        self.troubles: list[str] = []
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("console", lambda said: self.troubles.append(said.text) if said.type == "error" else None)
        self.page.on("response", lambda r: self.troubles.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        self.page.on(
            "request", lambda r: None if r.url.startswith((portal, "data:", "blob:")) else self.troubles.append(r.url)
        )
        self.page.goto("/admin/login/")
        self.signs_in(name)
        self.sees("Waiting for me")

    def signs_in(self, name: str) -> None:
        self.page.fill("#id_username", name)
        self.page.fill("#id_password", DEMO_PASSWORD)
        self.page.get_by_role("button", name=re.compile("log in|sign in", re.I)).click()

    def picture(self, name: str) -> None:
        """Kept where PICTURES names a folder: pages are looked at, not only asserted. With PICTURES=docs the pictures
        of the documents are made anew."""
        folder, width = os.environ.get("PICTURES"), self.page.viewport_size["width"]
        if folder == "docs" and (own := IN_DOCS.get((name, width))):
            self.page.screenshot(path=ROOT / "docs" / "pictures" / f"{own}.png")
        elif folder and folder != "docs":
            self.page.screenshot(path=f"{folder}/{name}-{width}.png", full_page=True)

    def sees(self, pattern: str, seconds: float = 30) -> str:
        """Wait for the text to appear, by itself or by looking again; what was seen."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = re.search(pattern, self.page.inner_text("body"))
            if found:
                return found.group(0)
            self.page.wait_for_timeout(500)
        raise AssertionError(f"never saw {pattern!r} in:\n{self.page.inner_text('body')[:3000]}")

    def presses(self, name: str | re.Pattern[str], seconds: float = 15) -> None:
        """The link or button of that name that is in sight, or comes in sight: a list shows what it can run only once
        something is ticked."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if found := self.in_sight(name):
                found.click()
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"no button {name} in:\n{self.page.inner_text('body')[:2000]}")

    def in_sight(self, name: str | re.Pattern[str]) -> Any:
        for role in ("link", "button"):
            for found in self.page.get_by_role(role, name=name).all():
                if found.is_visible():
                    return found
        menu = self.page.get_by_text("more_horiz", exact=True)  # a phone folds a list's actions into a menu
        if menu.count() and menu.first.is_visible():
            menu.first.click()
        return None

    def confirms(self, button: str | re.Pattern[str]) -> None:
        """The dialog's own button, by POST."""
        self.page.locator("form[method=post] button[type=submit]").filter(has_text=button).last.click()
        self.page.wait_for_load_state()

    def mirrors(self, ids: list[str]) -> None:
        self.page.goto("/admin/lsq_ops/lead/")
        self.presses("Add leads")
        self.page.fill("textarea[name=ids]", "\n".join(ids))
        self.presses("Add these leads")
        self.page.goto("/admin/lsq_ops/lead/")
        until = time.monotonic() + 120
        while "being read" in self.page.inner_text("body") and time.monotonic() < until:
            self.page.wait_for_timeout(1000)
            self.page.reload()

    def ticks_and_asks(self, listing: str, action: str, keys: list[str]) -> None:
        """Tick the rows that the search finds for each key, and run the list's action on them."""
        self.page.goto(listing)
        for row in self.page.locator("tr", has=self.page.locator("input[name=_selected_action]")).all():
            if not keys or any(key in row.inner_html() for key in keys):
                row.locator("input[name=_selected_action]").check()
        self.page.select_option("select[name=action]", label=action)
        self.presses("Run")
        self.page.wait_for_url("**/draft/**")

    def says_why(self) -> None:
        self.page.select_option("select[name=category]", "duplicate")
        self.page.fill("textarea[name=reason]", "Site visits of last week, entered twice")
        self.page.fill("input[name=ticket]", "OPS-4711")
        self.picture("drafting")
        self.page.locator("form[method=post] button[type=submit]").last.click()
        self.page.wait_for_url("**/deletionrequest/**")

    def chooses_window(self, days: int) -> None:
        now = datetime.now()
        self.page.fill("input[name=from_time]", (now - timedelta(days=days)).strftime("%Y-%m-%dT00:00:00"))
        self.page.fill("input[name=to_time]", (now - timedelta(days=1)).strftime("%Y-%m-%dT00:00:00"))

    def approves(self, address: str) -> None:
        self.page.goto(address)
        count = re.search(r"Approve ([\d,]+) deletion", self.page.inner_text("body"))
        assert count, self.page.inner_text("body")[:2000]
        self.picture("pending")
        self.presses(re.compile("^Approve"))
        self.page.wait_for_url("**/approve/**")  # what follows looks at once, and must not look at the page it left
        self.picture("approve")
        if self.page.locator("input[name=count]").count():
            self.page.fill("input[name=count]", count.group(1).replace(",", ""))
        self.confirms("Approve")
        self.sees("Recorded: you approved")


class WithoutMouse(Person):
    """Somebody who has keys only, and finds things by pressing Tab."""

    def signs_in(self, name: str) -> None:
        self.writes("#id_username", name)
        self.writes("#id_password", DEMO_PASSWORD)
        self.page.keyboard.press("Enter")

    def goes_to(self, what: str) -> None:
        """To what has this name, or fits this selector."""
        script = """(what) => {
            const here = document.activeElement;
            const said = `${here.innerText || ""} ${here.ariaLabel || ""} ${here.labels?.[0]?.innerText || ""}`;
            if (/^[#.\\[]|^\\w+\\[/.test(what)) return here.matches(what);
            return here.matches("a, button, input, select, textarea, [role=button]") && said.includes(what);
        }"""
        for _ in range(250):
            if self.page.evaluate(script, what):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"no way by keys to {what!r} in:\n{self.page.inner_text('body')[:2000]}")

    def presses_key_on(self, what: str, key: str = "Enter") -> None:
        self.goes_to(what)
        self.page.keyboard.press(key)
        self.page.wait_for_timeout(700)  # a page that comes has begun to come
        self.page.wait_for_load_state()

    def writes(self, what: str, text: str) -> None:
        self.goes_to(what)
        self.page.keyboard.insert_text(text)

    def chooses(self, what: str, beginning: str) -> None:
        """In a select box, by its first letters."""
        self.goes_to(what)
        self.page.keyboard.type(beginning)


@pytest.fixture(params=["desk", "phone"])
def size(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def people(browser: Any, portal: str, size: str) -> Iterator[dict[str, Person]]:
    made: dict[str, Person] = {}

    class Arriving(dict):  # type: ignore[type-arg]
        def __missing__(self, name: str) -> Person:
            colours = "dark" if size == "phone" else "light"
            self[name] = made[name] = Person(browser, portal, name, WIDTHS[size], colours)
            return self[name]

    yield Arriving()
    for person in made.values():
        assert person.troubles == []
        person.page.context.close()


HISTORIES = {
    "activities": ("Request deletion of activities…", 10),
    "owner_history": ("Request deletion of owner-change history…", 120),
    "stage_history": ("Request deletion of stage-change history…", 120),
}


@pytest.mark.parametrize(
    ("size", "kind"),
    [*(("desk", kind) for kind in HISTORIES), ("phone", "activities")],  # the pages of all kinds are the same ones
    indirect=["size"],
)
def test_history_of_leads(people, size, kind):
    action, days = HISTORIES[kind]
    rita = people["rita"]
    rita.mirrors(LEADS[size])
    rita.ticks_and_asks("/admin/lsq_ops/lead/", action, LEAD_NUMBERS[size])
    if kind == "activities":
        rita.page.get_by_label(re.compile("Site visit")).check()
    rita.chooses_window(days)
    rita.says_why()
    ends_completed(people, tiers={"activities": None}.get(kind, "high"))


def test_tasks(people, size, portal_folder, tmp_path):
    rita = people["rita"]
    if size == "phone":
        rita.mirrors(LEADS[size])
        rita.ticks_and_asks(f"/admin/lsq_ops/task/?q={LEADS[size][0]}", "Request deletion of tasks…", [])
        rita.says_why()
        ends_completed(people)
        return
    # All 12,000 are on so many leads that reading them takes minutes within the rate limit.
    asked, leads = bulk(portal_folder / "sandbox-world.sqlite3", int(os.environ.get("TASKS_ASKED", "1000")))
    rita.mirrors(leads)
    rita.page.goto("/admin/lsq_ops/task/")
    rita.presses("Upload task ids")
    rita.page.set_input_files("input[type=file]", write_csv(tmp_path / "tasks.csv", asked))
    rita.presses("Read the file")
    rita.sees(f"{len(asked):,}")
    rita.presses(re.compile(f"^Use {len(asked):,}"))
    rita.says_why()
    ends_completed(people, tiers="high", seconds=300)
    assert re.search(rf"Calls\s*{-(-len(asked) // 500)}", rita.page.inner_text("body"))


def test_the_job_is_done_by_keys_alone(browser, portal, portal_folder):
    """From signing in to the end, in the dark: nobody touches a mouse."""
    lead, lead_number = visited_last_week(portal_folder / "sandbox-world.sqlite3")
    rita = WithoutMouse(browser, portal, "rita", 1280, "dark")
    rita.presses_key_on("Leads")
    rita.presses_key_on("Add leads")
    rita.writes("textarea[name=ids]", lead)
    rita.presses_key_on("Add these leads")
    rita.presses_key_on("Leads")
    until = time.monotonic() + 60
    while "being read" in rita.page.inner_text("body") and time.monotonic() < until:
        rita.page.wait_for_timeout(1000)
        rita.page.reload()
    number = rita.page.get_by_role("row").filter(has_text=str(lead_number)).locator("input[name=_selected_action]")
    rita.presses_key_on(f"[value='{number.get_attribute('value')}'][name=_selected_action]", "Space")
    rita.chooses("select[name=action]", "Request deletion of act")
    rita.presses_key_on("Run")
    rita.page.wait_for_url("**/draft/**")
    rita.presses_key_on("Site visit", "Space")
    rita.goes_to("input[name=window]")
    for _ in range(2):
        rita.page.keyboard.press("ArrowDown")  # past yesterday, to last week
    rita.chooses("select[name=category]", "Entered")
    rita.writes("textarea[name=reason]", "Entered twice")
    rita.presses_key_on("form[method=post] button[type=submit]")
    rita.page.wait_for_url("**/deletionrequest/**")
    rita.sees("Look at what would go", 120)
    rita.page.reload()
    rita.presses_key_on("Submit for approval")
    rita.presses_key_on("form[method=post] button[type=submit]")
    rita.sees("is submitted")
    address = rita.page.url
    for name in ("arun", "dana"):
        approver = WithoutMouse(browser, portal, name, 1280, "dark")
        approver.page.goto(address)
        if "waiting for approval" in approver.page.inner_text("body"):
            approver.presses_key_on("Waiting for me")
            approver.presses_key_on(f"[href*='{address.split('/')[-3]}/change']")
            approver.presses_key_on("Approve ")
            approver.page.wait_for_url("**/approve/**")
            if count := approver.page.locator("input[name=count]").count():
                count = re.search(r"Approve ([\d,]+) deletion", approver.page.inner_text("body")).group(1)
                approver.writes("input[name=count]", count.replace(",", ""))
            approver.presses_key_on("form[method=post] button[type=submit]")
            approver.sees("Recorded: you approved")
        assert approver.troubles == []
    rita.page.goto(address)
    rita.sees(r"([\d,]+) of ([\d,]+) gone from what LeadSquared's API shows", 120)
    assert rita.troubles == []


def test_an_operators_day(people):
    """The lamp, a pause and its way out, and what Set-up tries."""
    olga = people["olga"]
    olga.page.goto("/admin/operations/")
    olga.sees("at work")
    olga.page.goto("/admin/lsq_ops/account/")
    olga.presses("Pause")
    olga.page.fill("[name=reason]", "Looking at the keys")
    olga.confirms("Pause")
    olga.page.goto("/admin/operations/")
    olga.sees("The worker is at work; the account is paused")
    olga.sees("Nothing is lost. If you do nothing")
    olga.picture("operations")
    olga.presses("Resume")
    olga.page.wait_for_url("**/resume/**")
    olga.confirms("Resume")
    olga.sees("Resumed")
    olga.page.goto("/admin/set-up/")
    olga.presses("Send me a mail")
    olga.page.wait_for_url("**/set-up/mail/**")
    olga.confirms("Send me a mail")
    olga.sees("took a mail to olga@example.com")
    olga.presses("Try the webhook")
    olga.page.wait_for_url("**/set-up/webhook/**")
    olga.confirms("Send a report")
    olga.sees("arrives, as seen from this machine")
    olga.picture("set-up")


def test_a_form_survives_a_new_sign_in(people):
    olga = people["olga"]
    olga.page.goto("/admin/lsq_ops/account/")
    olga.presses("Pause")
    olga.page.wait_for_url("**/pause/**")
    olga.page.fill("[name=reason]", "The keys were rotated")
    olga.page.context.clear_cookies(name="lsq_ops_session")
    olga.confirms("Pause")
    olga.page.wait_for_url("**/login/**")
    olga.signs_in("olga")
    olga.page.wait_for_url("**/pause/**")
    olga.sees("What you typed is back; nothing was done yet.")
    assert olga.page.input_value("[name=reason]") == "The keys were rotated"
    olga.page.goto("/admin/")
    olga.page.goto("/admin/lsq_ops/account/")
    olga.presses("Pause")
    olga.page.wait_for_url("**/pause/**")
    assert olga.page.input_value("[name=reason]") == ""  # only on the way back from signing in
    assert olga.page.evaluate("sessionStorage.length") == 0


def test_an_auditors_day(people):
    """The chain is read, the trail leaves as a file, and what is masked is seen for a reason that stays."""
    aida = people["aida"]
    people["rita"].mirrors([WELL_KNOWN["bruno"]])
    aida.page.goto("/admin/lsq_ops/auditevent/")
    aida.presses("Verify now")
    aida.page.wait_for_url("**/verify/**")
    aida.confirms("Verify now")
    aida.sees("Verified")
    with aida.page.expect_download() as download:
        aida.page.get_by_role("button", name="CSV").click()
    assert "taken by aida" in Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()[-1]
    aida.page.goto("/admin/lsq_ops/activity/")
    aida.page.locator("#result_list a[href*='/activity/']").first.click()
    aida.presses("Show what it holds")
    aida.page.wait_for_url("**/reveal/**")
    aida.page.fill("[name=reason]", "Complaint of 12 November")
    aida.confirms("Show it")
    aida.sees("As LeadSquared gave it")
    aida.page.goto("/admin/lsq_ops/auditevent/?about=record")
    aida.sees("Complaint of 12 November")


def test_a_policy_admins_day(people, size):
    """A new person, with a role and a grant; a hold that is set and lifted."""
    pia, name = people["pia"], f"nina-{size}"
    pia.page.goto("/admin/auth/user/new_person/")
    pia.page.fill("input[name=username]", name)
    pia.page.fill("input[name=password]", "a-long-first-password")
    pia.page.check("input[name=roles][value=Approver]")
    pia.page.locator("form[method=post] button[type=submit]").last.click()
    pia.sees(name)
    pia.presses("Give a grant")
    pia.page.select_option("select[name=team]", label="Business")
    pia.confirms("Give")
    pia.sees("Business")
    pia.page.goto("/admin/lsq_ops/hold/set_holds/")
    pia.page.fill("textarea[name=ids]", WELL_KNOWN["chen"])
    pia.page.fill("[name=reason]", "Court case")
    pia.page.locator("form[method=post] button[type=submit]").last.click()
    pia.sees("Court case")
    pia.picture("holds")
    pia.page.locator("#result_list a[href*='/hold/']").first.click()
    pia.presses("Lift")
    pia.confirms("Lift")
    pia.sees("ifted")


def ends_completed(people: dict[str, Person], tiers: str | None = None, seconds: float = 120) -> None:
    """From the fresh draft on: submit, decide, watch it run by itself, and find it in the trail."""
    rita = people["rita"]
    rita.sees("Look at what would go", 120)
    rita.page.reload()
    rita.picture("draft")
    rita.presses("Submit for approval")
    rita.picture("submit")
    rita.confirms("Submit")
    rita.sees("is submitted")
    address = rita.page.url
    for approver in ("arun", "dana"):
        people[approver].page.goto(address)
        if "waiting for approval" in people[approver].page.inner_text("body"):
            people[approver].approves(address)
    rita.page.goto(address)
    rita.picture("approved")
    rita.sees("Reading back|Sending|gone from")
    rita.picture("running")
    end = rita.sees(r"([\d,]+) of ([\d,]+) gone from what LeadSquared's API shows, read at \d\d:\d\d:\d\d", seconds)
    gone, asked = re.findall(r"[\d,]+(?= of| gone)", end)[:2]
    assert gone == asked != "0"
    number = re.search(r"DR-\d+", rita.page.inner_text("body"))
    assert number
    aida = people["aida"]
    aida.page.goto(f"/admin/lsq_ops/auditevent/?q={number.group(0)}")
    aida.sees(f"{number.group(0)}")
    aida.sees("ompleted")
    rita.page.goto(address)
    rita.picture("completed")
    aida.picture("trail")


def bulk(world_file: Path, count: int) -> tuple[list[str], list[str]]:
    """So many of the 12,000 tasks of the inactive owner and the leads that they are on, from the sandbox's own file."""
    with sqlite3.connect(world_file) as world:
        query = "SELECT id, lead FROM tasks WHERE owner = ? ORDER BY lead, id LIMIT ?"
        rows = world.execute(query, [BULK_OWNER_ID, count]).fetchall()
    return [row[0] for row in rows], sorted({row[1] for row in rows})


def visited_last_week(world_file: Path) -> tuple[str, int]:
    """(prospect id, number) of a lead with site visits in the week before this one that no other test here takes."""
    today = datetime.now(ZoneInfo("Asia/Kolkata")).replace(hour=0, minute=0, second=0, microsecond=0)
    monday = today - timedelta(days=today.weekday())
    week = [at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") for at in (monday - timedelta(days=7), monday)]
    query = """SELECT leads.id, leads.number FROM activities JOIN leads ON leads.id = lead
               WHERE code = 201 AND activities.created_on >= ? AND activities.created_on < ?
               GROUP BY leads.id ORDER BY COUNT(*), leads.number"""
    with sqlite3.connect(world_file) as world:
        rows = world.execute(query, week).fetchall()
    return next(row for row in rows if not any(row[0] in ids for ids in LEADS.values()))


def write_csv(path: Path, ids: list[str]) -> Path:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Task id", "Note"])
        writer.writerows([task_id, "left behind"] for task_id in ids)
    return path
