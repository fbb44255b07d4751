"""LeadSquared's webhooks: the portal's own view, called as the web server would call it, well or badly."""

import json
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.test import RequestFactory
from django.urls import resolve

if TYPE_CHECKING:
    from .ledger import Ledger
    from .scene import Scene

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
NASTY = (
    b"\xff\xfe\x00", b"[" * 5000, b'{"Status": NaN}', b'{"Status": "Success", "Status": "Error"}', b"\x00" * 64,
    '{"Status": "Success"}'.encode("utf-16"), b'{"Status": {"a": [1]}}', b"Status=Success&Status=", b"null", b"[]",
    b'{"Status": "Success", "DeletedTasksCount": 1e999}', b"x" * 70_000, b'"\\ud800"', b"<xml/>",
)  # fmt: skip


def report(scene: "Scene", ledger: "Ledger", path: str, how: str, asked: int, removed: int, delay: float) -> None:
    """Post what a job says of itself, in one of the ways of plan.WEBHOOKS."""
    honest = _body(asked, removed)
    lie = _body(asked, 0 if removed >= asked else asked)
    posts: list[tuple[float, bytes, str]] = [(delay, honest, JSON)]
    if how == "late":
        posts = [(delay + scene.random.uniform(600, 90_000), honest, JSON)]
    elif how == "twice":
        posts *= 2
    elif how == "contradicting":
        posts += [(delay + 1, lie, JSON)]
    elif how == "lying":
        posts = [(delay, lie, FORM)]
    elif how == "malformed":
        posts = [(delay + n / 10, body, JSON) for n, body in enumerate(scene.random.sample(NASTY, 4))] + posts
    elif how == "flood":
        posts += [(delay, b'{"Status": "Success", "n": %d}' % n, JSON) for n in range(200)]
    elif how == "forged":
        path = path.rstrip("/")[:-4] + "AAAA/"
    for when, body, kind in posts:
        scene.later(when, partial(deliver, scene, ledger, path, body, kind))


def _body(asked: int, removed: int) -> bytes:
    status = "Success" if removed >= asked else "Error"
    return json.dumps({"Status": status, "TasksCount": asked, "DeletedTasksCount": removed}).encode()


def deliver(scene: "Scene", ledger: "Ledger", path: str, body: bytes, kind: str) -> None:
    if kind == FORM:
        body = urlencode(json.loads(body)).encode()
    request = RequestFactory().post(path, data=body, content_type=kind)
    found = resolve(path)
    actor, answer = scene.act("door", lambda: found.func(request, **found.kwargs))
    status = getattr(answer, "status_code", 0)
    ledger.posted(found.kwargs["token"], body, status=status, harmed=actor.hit)
