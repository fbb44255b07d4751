"""Set-up is tried out before it counts, and nothing of a pasted key stays anywhere."""

import smtplib

import pytest
from django.core import mail
from django.db import connection

from lsq_ops.models import AuditEvent
from lsq_ops.sandbox import SANDBOX_ACCESS_KEY, SANDBOX_SECRET_KEY
from lsq_ops.services import accounts, doctor, set_up
from lsq_ops.services.may import Barred
from portal.environment import Environment

NOWHERE = "http://127.0.0.1:9"


def tried(world, host, access=SANDBOX_ACCESS_KEY, secret=SANDBOX_SECRET_KEY, by=None):
    return set_up.try_keys(by or world.omar, host, access, secret, "25/5")


def test_keys_that_are_right_say_whose_they_are(world):
    keys = tried(world, world.sandbox.url)
    assert (keys.host, keys.time_zone, keys.zone_known) == (world.sandbox.url, "Asia/Kolkata", True)
    assert keys.user and keys.role == "Administrator" and keys.org
    assert set_up.trials()["keys_tried"].ok


def test_the_host_is_found_behind_one_that_is_away(world, settings):
    settings.LSQ_HOSTS = {NOWHERE: "Nowhere", world.sandbox.url: "Here"}
    assert tried(world, set_up.FIND).host == world.sandbox.url


def test_keys_that_are_wrong_everywhere_are_refused_in_words(world, settings):
    settings.LSQ_HOSTS = {NOWHERE: "Nowhere", world.sandbox.url: "Here"}
    with pytest.raises(Barred, match="refused the keys"):
        tried(world, set_up.FIND, access="u$rwrong")
    assert (set_up.trials()["keys_tried"].ok, set_up.trials()["keys_tried"].says) == (False, "keys")
    with pytest.raises(Barred, match="No connection"):
        tried(world, NOWHERE)


def test_keys_go_to_known_hosts_only_and_only_an_operator_tries_them(world):
    calls = world.sandbox.stats["calls"]
    with pytest.raises(Barred, match="published hosts only"):
        tried(world, "https://api.leadsquared.com.evil.test")
    with pytest.raises(Barred, match="Only an operator"):
        tried(world, world.sandbox.url, by=world.rita)
    assert world.sandbox.stats["calls"] == calls


def test_a_key_that_no_header_can_hold_is_a_sentence(world):
    with pytest.raises(Barred, match="can't stand in a header"):
        tried(world, world.sandbox.url, access="schlüssel")


def test_a_time_zone_that_nobody_knows_is_said(world):
    world.sandbox.faults.set("time_zone", "Zone of Nowhere")
    keys = tried(world, world.sandbox.url)
    assert (keys.time_zone, keys.zone_known) == ("Zone of Nowhere", False)
    assert "LSQ_TIME_ZONE=" in keys.lines


@pytest.mark.parametrize("secret", ["$x", "a b", "a#b", "a=b", "'x'", '"x"', "a\\b", "$$", "x$SECRET"])
def test_the_lines_mean_the_same_when_they_are_read(world, tmp_path, monkeypatch, secret):
    """The sandbox takes one pair of keys only: the lines of any other are made by the same hand."""
    known = accounts.whose_keys(world.account)
    monkeypatch.setattr(set_up, "_ask", lambda *asked: (world.sandbox.url, known))
    lines = tried(world, world.sandbox.url, access="u$r1", secret=secret).lines
    file = tmp_path / ".env"
    file.write_text("\n".join(lines) + "\n")
    for name in ("LSQ_ACCESS_KEY", "LSQ_SECRET_KEY", "LSQ_HOST", "LSQ_TIME_ZONE", "LSQ_RATE_LIMIT"):
        monkeypatch.setenv(name, "so that it is gone again afterwards")
        monkeypatch.delenv(name)
    env = Environment(file)
    assert (env.secret("LSQ_ACCESS_KEY"), env.secret("LSQ_SECRET_KEY")) == ("u$r1", secret)


def test_nothing_of_a_pasted_key_is_kept(world):
    secret = "unmistakable-secret"
    with pytest.raises(Barred):
        tried(world, world.sandbox.url, access="unmistakable-access", secret=secret)
    tables = connection.introspection.table_names()
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}"')
            assert "unmistakable" not in str(cursor.fetchall())
    assert AuditEvent.objects.filter(action="set_up.keys_tried").count() == 1


def test_the_webhooks_way_is_tried_and_the_try_is_remembered(committed_world, portal_server, settings):
    assert set_up.try_webhook(committed_world.omar).state == doctor.OK
    assert set_up.trials()["webhook_tried"].ok
    settings.PUBLIC_URL = NOWHERE
    assert set_up.try_webhook(committed_world.omar).state == doctor.WRONG
    assert not set_up.trials()["webhook_tried"].ok


def test_a_mail_goes_to_oneself(world):
    assert set_up.try_mail(world.omar) == world.omar.email
    assert [(one.to, one.subject) for one in mail.outbox] == [([world.omar.email], "LSQ Ops: a mail to try it")]
    assert set_up.trials()["mail_tried"].ok


def test_a_mail_server_that_refuses_is_a_sentence_without_its_words(world, monkeypatch):
    def refuse(*args, **kwargs):
        raise smtplib.SMTPAuthenticationError(535, b"user somebody password hunter2")

    monkeypatch.setattr(set_up, "send_mail", refuse)
    with pytest.raises(Barred, match="Check EMAIL_URL") as barred:
        set_up.try_mail(world.omar)
    assert "hunter2" not in str(barred.value)
    assert (set_up.trials()["mail_tried"].ok, set_up.trials()["mail_tried"].says) == (False, "SMTPAuthenticationError")


def test_who_has_no_address_is_told_how_to_get_one(world):
    world.omar.email = ""
    with pytest.raises(Barred, match="no address"):
        set_up.try_mail(world.omar)


def test_findings_name_no_part_twice_with_another_meaning_and_ask_nobody_outside(world):
    calls = world.sandbox.stats["calls"]
    found = set_up.findings()
    assert {finding.name for finding in found} == set(set_up.LOCAL)
    assert world.sandbox.stats["calls"] == calls
