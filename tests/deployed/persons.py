"""People at the portal's pages, over HTTP and through the proxy. Where a host goes down under them, they look again."""

import html
import re
import time
from collections import Counter
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin

import requests

CSRF = "lsq_ops_csrf"
TRIES = 20


class Person:
    def __init__(self, portal: str, name: str, password: str, met: Counter[str]) -> None:
        self.portal, self.name, self.met = portal, name, met
        self.session = requests.Session()
        self.session.trust_env = False
        self.get("/admin/login/")
        answer = self.post("/admin/login/", {"username": name, "password": password})
        assert answer.status_code == 302, f"{name} could not sign in: {answer.status_code}"

    def get(self, path: str) -> str:
        return self._tried("GET", path).text

    def post(self, path: str, data: dict[str, Any]) -> requests.Response:
        """A POST that a host's end cut short is sent again by hand: what was done already is refused then."""
        return self._tried("POST", path, data)

    def _tried(self, method: str, path: str, data: dict[str, Any] | None = None) -> requests.Response:
        for _ in range(TRIES):
            body = {**data, "csrfmiddlewaretoken": self.session.cookies.get(CSRF, "")} if data is not None else None
            try:
                answer = self.session.request(
                    method, urljoin(self.portal, path), data=body, timeout=60, allow_redirects=method == "GET"
                )
            except requests.RequestException as trouble:
                self.met[f"{method} {type(trouble).__name__}"] += 1
            else:
                if answer.status_code not in (502, 504):
                    assert answer.status_code < 500, f"{method} {path}: {answer.status_code}"
                    return answer
                self.met[f"{method} {answer.status_code}"] += 1
            time.sleep(0.5)
        raise AssertionError(f"{method} {path} was not answered in {TRIES} tries")

    def sees(self, path: str, pattern: str, seconds: float) -> re.Match[str]:
        until = time.monotonic() + seconds
        while not (found := re.search(pattern, page := self.get(path), re.S)):
            assert time.monotonic() < until, f"{self.name} never saw {pattern!r} at {path}:\n{words(page)[:1500]}"
            time.sleep(0.5)
        return found


def words(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", page, flags=re.S)))


# --- Rita ------------------------------------------------------------------------------------------------


def brings_in(rita: Person, leads: list[str]) -> dict[str, str]:
    """The leads, read into the mirror; id -> row."""
    assert rita.post("/admin/lsq_ops/lead/add_leads/", {"ids": "\n".join(leads)}).status_code == 302
    rows = {}
    for lead in leads:
        listed = f"/admin/lsq_ops/lead/?q={lead}"
        found = rita.sees(listed, r'name="_selected_action" value="(\d+)"', 60)
        rita.sees(listed, r"_selected_action(?!.*(?:being|not) read)", 120)
        rows[lead] = found[1]
    return rows


def asks(rita: Person, rows: list[str], now: Any) -> str:
    """A request for some types of activities on these leads, submitted; its address."""
    ticked = rita.post("/admin/lsq_ops/lead/", {"action": "request_activities", "_selected_action": rows})
    answers = {
        "codes": ["201", "202"],
        "from_time": f"{now - timedelta(days=40):%Y-%m-%dT%H:%M:%S}",
        "to_time": f"{now - timedelta(days=1):%Y-%m-%dT%H:%M:%S}",
        "category": "duplicate",
        "reason": "entered twice",
    }
    made = rita.post(ticked.headers["Location"], answers)
    assert made.status_code == 302, words(made.text)[:1500]
    address = made.headers["Location"].removesuffix("change/")
    rita.sees(f"{address}change/", f'href="{re.escape(address)}submit/"', 120)
    submitted = rita.post(f"{address}submit/", {})
    assert submitted.status_code == 302, words(submitted.text)[:1500]
    return address


def approves(person: Person, address: str) -> None:
    """What the page shows is what is approved; refused where it is decided already."""
    page = person.get(f"{address}approve/")
    digest = re.search(r'name="digest"[^>]*value="(\w+)"|value="(\w+)"[^>]*name="digest"', page)
    if digest is None:
        return
    count = re.search(r"Approve ([\d,]+) deletion", words(page))
    shown = {"digest": digest[1] or digest[2], "count": count[1].replace(",", "") if count else ""}
    answer = person.post(f"{address}approve/", shown)
    assert answer.status_code in (302, 403, 409), f"{answer.status_code}: {words(answer.text)[:1000]}"
