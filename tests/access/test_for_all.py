"""Every page for everybody: WCAG 2.2 AA by axe in light and dark, on a phone and at 200 % zoom, by keys alone; and none
asks another host for anything.

CI looks at one page of each template; `EVERY_PAGE=1` looks at all (five minutes).
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from .addresses import every_address
from .examples import example
from .glass import HOME, Glass, glass
from .scene import rolled_back
from .table import Visitors, kept

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.long]

# Whose look is tried: whoever sees most of it.
ORDER = ("operator", "requester", "approver", "auditor", "policy", "looks", "nobody")
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "rules": {"landmark-unique": {"enabled": False}},  # Unfold's scroll boxes all have one name, and are no landmarks
}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
HEAVIEST = 500_000  # bytes of HTML
WIDTHS = {390: "a phone", 640: "200 % zoom on a desk"}


@pytest.fixture(scope="module")
def visitors(there):
    return Visitors(there)


def pages(there: Any, visitors: Visitors) -> Iterator[tuple[str, str, Any]]:
    """(name, path, answer) of what is a page: one for each template, or all. The scene is as the answer left it."""
    names, table = kept()
    seen: set[str] = set()
    for address in every_address():
        cells = table.get(f"GET   {address.name}", [])
        who = next((one for one in ORDER if cells and cells[names.index(one)] in ("200", "403", "404")), None)
        who = next((one for one in ORDER if cells and cells[names.index(one)] == "200"), who)
        if who is None or address.action:
            continue
        with rolled_back():
            path, _ = example(there, there.people[who] or there.world.rita, address)
            answer = visitors.client(who).get(path)
            if answer.streaming or b"<title" not in answer.content:
                continue
            template = answer.templates[0].name if answer.templates else ""
            if template in seen and not os.environ.get("EVERY_PAGE"):
                continue
            seen.add(template)
            yield address.name, path, answer


def violations(axe: Axe, shown: Glass, rules: dict[str, Any]) -> list[str]:
    found = axe.run(shown.page, options=rules).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


@pytest.mark.timeout(1500)
def test_axe_finds_nothing_and_every_page_fits(there, visitors, browser):
    axe, found, looked = Axe(), [], 0
    with glass(browser) as shown:
        for name, path, answer in pages(there, visitors):
            shown.page.set_viewport_size({"width": 1280, "height": 900})
            shown.page.emulate_media(color_scheme="light")
            shown.show(path, answer)
            found += [(name, one) for one in violations(axe, shown, RULES)]
            shown.page.emulate_media(color_scheme="dark")
            found += [(name, f"dark, {one}") for one in violations(axe, shown, COLOURS)]
            for width, what in WIDTHS.items():
                shown.page.set_viewport_size({"width": width, "height": 850})
                wide = shown.page.evaluate("document.documentElement.scrollWidth")
                found += [(name, f"{wide} px wide on {what}")] if wide > width else []
            if len(answer.content) > HEAVIEST:
                found.append((name, f"{len(answer.content):,} bytes"))
            looked += 1
        assert shown.outside == set()
        assert shown.troubles == []
    assert looked > (120 if os.environ.get("EVERY_PAGE") else 30)
    assert found == []


# --- Keys ---------------------------------------------------------------------------------------------------


@pytest.fixture
def requests(there, visitors, browser):
    """The list of requests, which has all that a list can have, in the browser."""
    path = reverse("admin:lsq_ops_deletionrequest_changelist")
    with glass(browser) as shown:
        shown.show(path, visitors.client("operator").get(path))
        yield shown.page


def focused(page: Any, inside: str) -> bool:
    return bool(page.evaluate("(where) => !!document.activeElement.closest(where)", inside))


def wait_for_focus(page: Any, inside: str) -> None:
    page.wait_for_function("(where) => document.activeElement.closest(where)", arg=inside, timeout=3000)


def tab_to(page: Any, name: str) -> None:
    """As often as it takes, as somebody without a mouse would."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if name in page.evaluate("`${document.activeElement.innerText} ${document.activeElement.ariaLabel}`"):
            return
    raise AssertionError(f"no way by keys to {name!r}")


def test_the_first_key_leads_past_the_menu(requests):
    requests.keyboard.press("Tab")
    assert requests.evaluate("document.activeElement.className") == "skip"
    requests.keyboard.press("Enter")
    assert requests.evaluate("document.activeElement.id") == "content"
    requests.keyboard.press("Tab")
    assert focused(requests, "main")


def test_the_menu_of_ones_own_opens_by_keys_and_closes_by_escape(requests):
    tab_to(requests, "Olga")
    requests.keyboard.press("Enter")
    wait_for_focus(requests, "nav")
    tab_to(requests, "Second factor")
    requests.keyboard.press("Escape")
    assert focused(requests, "[x-on\\:click*=openUserLinks]")
    requests.get_by_text("Second factor").wait_for(state="hidden", timeout=3000)


def test_filters_open_by_keys_and_give_the_focus_back(requests):
    tab_to(requests, "Filters")
    requests.keyboard.press("Enter")
    wait_for_focus(requests, "#changelist-filter")
    requests.keyboard.press("Escape")
    requests.wait_for_function("document.activeElement.innerText.includes('Filters')", timeout=3000)
    requests.locator("#changelist-filter").wait_for(state="hidden", timeout=3000)


def test_the_menu_on_a_narrow_screen_opens_by_keys(requests):
    requests.set_viewport_size({"width": 640, "height": 850})
    tab_to(requests, "Menu")
    requests.keyboard.press("Space")
    wait_for_focus(requests, "#nav-sidebar")
    requests.keyboard.press("Escape")
    assert focused(requests, "[x-on\\:click*=sidebarMobileOpen]")


def test_the_way_in_has_no_other_host(visitors, browser):
    with glass(browser) as shown:
        path = reverse("admin:login")
        shown.show(path, visitors.client("nobody").get(path))
        assert shown.page.url == HOME + path
        assert shown.outside == set()
