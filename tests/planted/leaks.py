"""Each `leaks_…` puts a marker where it must not stand; each `keeps_…` does what is allowed."""

import logging
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client
from django.urls import path

from lsq_ops.models import audited, record
from lsq_ops.services import people
from portal.urls import urlpatterns as ours

log = logging.getLogger("lsq_ops.planted")


def plainly(request: Any) -> HttpResponse:
    return HttpResponse(f"<p>{settings.AUDIT_KEY}</p>")


def in_parts(request: Any) -> StreamingHttpResponse:
    half = len(settings.AUDIT_KEY) // 2
    return StreamingHttpResponse([settings.AUDIT_KEY[:half].encode(), settings.AUDIT_KEY[half:].encode()])


urlpatterns = [*ours, path("plainly", plainly), path("in-parts", in_parts)]


@pytest.fixture
def unmasked(monkeypatch: Any) -> None:
    """As if the hiding were broken."""
    from portal.hiding import Hiding

    monkeypatch.setattr(Hiding, "text", lambda self, text: text)


def test_leaks_a_secret_into_the_log(unmasked: None) -> None:
    log.warning("key %s", settings.AUDIT_KEY)


def test_leaks_a_lead_into_the_log(unmasked: None, some_lead: str) -> None:
    log.warning("lead %s", some_lead)


@pytest.mark.urls("tests.planted.leaks")
def test_leaks_a_secret_onto_a_page() -> None:
    assert Client().get("/plainly").status_code == 200


@pytest.mark.urls("tests.planted.leaks")
def test_leaks_a_secret_into_a_file() -> None:
    assert len(b"".join(Client().get("/in-parts").streaming_content))


def test_leaks_a_lead_into_the_trail(people: Any, some_lead: str) -> None:
    with audited():
        record("lead.added", ("lead", some_lead), actor="rita")


def test_leaks_a_password_into_a_table(people: Any) -> None:
    people.rita.set_password("only-rita-knows-it")
    people.rita.last_name = "only-rita-knows-it"
    people.rita.save()


def test_leaks_a_lead_by_mail(some_lead: str) -> None:
    mail.send_mail("s", f"about {some_lead}", None, ["a@example.org"])


def test_keeps_what_is_logged_behind_the_hiding(some_lead: str) -> None:
    log.warning("key %s of %s", settings.AUDIT_KEY, some_lead)


def test_keeps_a_lead_in_the_mirror(world: Any) -> None:
    (lead,) = world.mirror_leads("asha")
    assert lead.email
    assert people.DEMO_PASSWORD


@pytest.fixture
def some_lead(seeded: Any) -> str:
    return str(seeded._rows("SELECT email FROM leads WHERE email <> '' LIMIT 1")[0][0])
