"""Pages of the scene in Chromium without a server: what Django answers is put behind the browser's requests, so that
nothing is committed, and a request to any other host is seen."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.contrib.staticfiles import finders
from django.http import HttpResponse

HOME = "http://localhost"
TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "woff2": "font/woff2", "png": "image/png"}


class Glass:
    """One browser page. `show` renders an answer at its address; `outside` are requests to other hosts."""

    def __init__(self, page: Any) -> None:
        self.page, self.outside, self.troubles = page, set[str](), list[str]()
        self.answer: tuple[str, HttpResponse] | None = None
        page.route("**/*", self._serve)
        page.on("console", self._note)

    def show(self, path: str, answer: HttpResponse) -> None:
        self.answer = path, answer
        self.page.goto(HOME + path, wait_until="load")

    def _serve(self, route: Any) -> None:
        address = urlsplit(route.request.url)
        if f"{address.scheme}://{address.netloc}" != HOME:
            self.outside.add(route.request.url)
            route.abort()
        elif address.path.startswith("/static/"):
            found = finders.find(address.path.removeprefix("/static/"))
            if found:
                kind = TYPES.get(Path(str(found)).suffix[1:], "application/octet-stream")
                route.fulfill(body=Path(str(found)).read_bytes(), content_type=kind)
            else:
                route.fulfill(status=404)
        elif route.request.is_navigation_request() and self.answer:
            _, answer = self.answer
            route.fulfill(status=answer.status_code, headers=dict(answer.items()), body=answer.content)
        else:
            route.fulfill(
                status=204, headers={"X-Live": "1"}
            )  # what the page asks for by itself; and the words of Django's own scripts

    def _note(self, message: Any) -> None:
        if message.type == "error" and "404" not in message.text and "403" not in message.text:
            self.troubles.append(message.text)


@contextmanager
def glass(browser: Any, width: int = 1280) -> Iterator[Glass]:
    context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    yield Glass(context.new_page())
    context.close()
