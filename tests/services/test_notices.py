"""Mails: to whom and when they chose, some together, tried again, and never twice."""

from datetime import datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection

from lsq_ops.models import Account, Notice, NoticeChoice, Topic, db_now
from lsq_ops.services import notices
from lsq_ops.services.may import Barred

When = NoticeChoice.When


def tell(world, topic, subject="something", people=None, request=None):
    notices.tell(people or [world.rita], request, subject, "It happened.", topic)
    return Notice.objects.order_by("-id").first()


def age():
    Notice.objects.filter(not_before__isnull=False).update(not_before=db_now() - timedelta(seconds=1))


def send():
    while notices.send_due():
        pass


def test_at_once_where_nothing_else_was_chosen(people, mailoutbox):
    Notice.objects.all().delete()
    tell(people, Topic.MINE)
    send()
    assert [(mail.to, mail.subject) for mail in mailoutbox] == [([people.rita.email], "LSQ Ops: something")]
    assert Notice.objects.get().sent_at


def test_what_was_turned_off_is_not_written(people):
    Notice.objects.all().delete()
    notices.choose(people.rita, {Topic.TALK: When.NEVER})
    tell(people, Topic.TALK, people=[people.rita, people.arun])
    assert [notice.user for notice in Notice.objects.all()] == [people.arun]


@pytest.mark.parametrize(
    ("topic", "when"),
    [
        (Topic.TROUBLE, When.NEVER),
        (Topic.TROUBLE, When.DAILY),
        (Topic.VOTE, When.NEVER),
        (Topic.RULES, When.NEVER),
        (Topic.SIGN_IN, When.HOURLY),
        (Topic.MINE, "whenever"),
    ],
)
def test_what_waits_for_people_can_not_be_turned_off(people, topic, when):
    with pytest.raises(Barred):
        notices.choose(people.rita, {Topic.MINE: When.NEVER, topic: when})
    assert not NoticeChoice.objects.exists()


def test_a_choice_is_ones_own_and_can_be_taken_back(people):
    notices.choose(people.rita, {Topic.MINE: When.DAILY, Topic.TALK: When.AT_ONCE})
    assert notices.choices_of(people.rita)[Topic.MINE] == When.DAILY
    assert set(notices.choices_of(people.arun).values()) == {When.AT_ONCE}
    notices.choose(people.rita, {Topic.MINE: When.AT_ONCE})
    assert not NoticeChoice.objects.exists()


def test_what_goes_together_is_one_mail_that_says_how_each_request_stands(world, mailoutbox):
    request = world.pending()
    Notice.objects.all().delete()
    notices.choose(world.arun, {Topic.VOTE: When.HOURLY, Topic.RULES: When.DAILY})
    tell(world, Topic.VOTE, "please decide", [world.arun], request)
    tell(world, Topic.RULES, "the policy", [world.arun])
    mailoutbox.clear()
    send()
    assert mailoutbox == []
    age()
    send()
    (mail,) = mailoutbox
    assert mail.subject == "LSQ Ops: 2 messages"
    assert f"{request}: please decide (now: waiting for approval)" in mail.body
    assert "LSQ Ops: the policy\n" in mail.body
    assert not Notice.objects.filter(sent_at__isnull=True).exists()


def test_what_comes_at_once_does_not_wait_for_what_goes_together(people, mailoutbox):
    Notice.objects.all().delete()
    notices.choose(people.rita, {Topic.TALK: When.HOURLY})
    tell(people, Topic.TALK, "an answer")
    tell(people, Topic.TROUBLE, "trouble")
    send()
    assert [mail.subject for mail in mailoutbox] == ["LSQ Ops: trouble"]


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-30T02:29:00+00:00", "2026-11-30T02:30:00+00:00"),  # 07:59 in Kolkata
        ("2026-11-30T02:30:00+00:00", "2026-12-01T02:30:00+00:00"),
        ("2026-11-30T20:00:00+00:00", "2026-12-01T02:30:00+00:00"),
    ],
)
def test_morning_is_the_accounts_morning(people, now, due):
    Account.objects.update(time_zone="Asia/Kolkata")
    assert notices._due(When.DAILY, datetime.fromisoformat(now)) == datetime.fromisoformat(due)


def test_an_hour_is_the_next_full_one():
    assert notices._due(When.HOURLY, datetime.fromisoformat("2026-11-30T02:30:10+00:00")) == datetime.fromisoformat(
        "2026-11-30T03:00:00+00:00"
    )


def test_a_server_that_refuses_is_tried_again_later_and_given_up_at_last(people, monkeypatch):
    Notice.objects.all().delete()
    monkeypatch.setattr(notices, "send_mail", refuse)
    notices.choose(people.rita, {Topic.TALK: When.HOURLY})
    for topic in (Topic.TALK, Topic.TALK, Topic.MINE):
        tell(people, topic)
    for tries in range(1, notices.GIVE_UP_AFTER + 1):
        age()
        send()
        assert set(Notice.objects.values_list("tries", flat=True)) == {tries}
    assert notices.given_up().count() == 3
    age()
    assert not notices.send_due()


def refuse(*args, **kwargs):
    raise ConnectionRefusedError


def test_who_has_no_address_gets_none_and_it_is_said(people, mailoutbox):
    Notice.objects.all().delete()
    type(people.rita).objects.filter(pk=people.rita.pk).update(email="")
    notice = tell(people, Topic.MINE)
    send()
    notice.refresh_from_db()
    assert mailoutbox == []
    assert notices.state_of(Notice.objects.get()) == "not sent: this person has no address"


@pytest.mark.parametrize("together", [False, True])
def test_two_workers_send_each_mail_once(committed_world, monkeypatch, together):
    Notice.objects.update(sent_at=db_now())
    if together:
        notices.choose(committed_world.rita, {Topic.MINE: When.HOURLY})
    for number in range(6):
        tell(committed_world, Topic.MINE, f"mail {number}")
    age()
    sent, start = [], Barrier(3)
    monkeypatch.setattr(notices, "send_mail", lambda subject, text, *rest: sent.append(text if together else subject))

    def work():
        start.wait()
        send()
        connection.close()

    workers = [Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    said = "".join(sent)
    assert [said.count(f"mail {number}") for number in range(6)] == [1] * 6
    assert len(sent) == (1 if together else 6)
