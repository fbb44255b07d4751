"""Questions and answers about a request: who may, who hears of it, and that no vote is touched."""

import json
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction

from lsq_ops.models import AuditEvent, Message, Notice, RequestVersion, db_now, timing
from lsq_ops.services import approval, people, preview, talk
from lsq_ops.services.may import Barred, may, valid_votes

SECRET = "Is this Asha Menon's visit? <b>asha@example.com</b>"


@pytest.fixture
def pending(world):
    return world.pending("activities", "bruno")


def told(request, part):
    rows = Notice.objects.filter(request=request, subject__contains=part)
    return set(rows.values_list("user__username", flat=True))


def test_a_question_and_its_answer_stand_in_one_thread(world, pending):
    asked = talk.write(world.arun, pending, SECRET)
    answer = talk.write(world.rita, pending, "Yes, entered twice.", answers=asked)
    [shown] = talk.thread(pending)
    assert (shown, list(shown.replies.all())) == (asked, [answer])
    assert (shown.author_name, shown.version) == ("Arun Iyer", pending.version)


def test_a_question_voids_nothing(world, pending):
    version = pending.version
    approval.vote(world.arun, pending, "approve", digest=version.digest, count=version.items_count)
    frozen = RequestVersion.objects.values().get(pk=version.pk)
    talk.write(world.dana, pending, "Why all of them?")
    talk.write(world.rita, pending, "Entered twice.", answers=Message.objects.get())
    pending.refresh_from_db()
    assert (pending.state, pending.version_number, len(valid_votes(pending))) == ("pending", 1, 1)
    assert RequestVersion.objects.values().get(pk=version.pk) == frozen
    assert preview.digest_of(version) == version.digest
    assert may(world.dana, "vote", pending)  # asking takes nobody's vote either


def test_who_is_concerned_gets_a_mail_without_the_text(world, pending):
    asked = talk.write(world.arun, pending, SECRET)
    assert told(pending, "question from Arun Iyer") == {"rita"}
    talk.write(world.dana, pending, "And mine?", answers=asked)
    assert told(pending, "answer from Dana Levi") == {"rita", "arun"}
    talk.write(world.rita, pending, "Anything else?")
    assert told(pending, "question from Rita Rao") == {"arun", "dana"}
    for notice in Notice.objects.filter(request=pending):
        assert "Asha" not in notice.subject + notice.text
        assert "example.com" not in notice.text
    assert f"/deletionrequest/{pending.pk}/" in Notice.objects.latest("id").text


def test_the_trail_holds_the_texts_hash_and_not_the_text(world, pending):
    asked = talk.write(world.arun, pending, SECRET)
    event = AuditEvent.objects.get(action="request.asked")
    assert json.loads(event.details) == {"message": asked.pk, "text": talk.text_hash(asked), "version": 1}
    assert (event.actor, event.object_id) == ("arun", str(pending.pk))
    talk.write(world.rita, pending, "Yes", answers=asked)
    assert AuditEvent.objects.get(action="request.answered").actor == "rita"
    assert not AuditEvent.objects.filter(details__contains="Asha").exists()


def test_who_may_take_part(world, pending):
    people.set_roles(world.pia, world.vera, {"Requester"})
    vera = type(world.vera).objects.get(pk=world.vera.pk)
    assert all(may(user, "ask", pending) for user in (world.rita, world.arun, world.omar))
    assert "Only a requester or an approver or an operator" in may(world.aida, "ask", pending).why
    assert "whoever made or asked for the request" in may(vera, "ask", pending).why
    with pytest.raises(Barred, match="whoever made or asked for"):
        talk.write(vera, pending, "Mine?")


def test_it_goes_on_while_the_request_runs_and_ends_with_it(world):
    request = world.running("activities", "asha")
    talk.write(world.omar, request, "Why now?")
    talk.write(world.rita, request, "The report is due.")
    assert told(request, "question from Rita Rao") == {"omar", "olga", "arun"}
    approval.stop(world.omar, request)
    request.refresh_from_db()
    assert request.is_over
    with pytest.raises(Barred, match="possible only while"):
        talk.write(world.rita, request, "Too late?")


def test_twenty_a_day_of_one_person_on_one_request(world, pending):
    most = timing().messages_a_day
    for number in range(most):
        talk.write(world.arun, pending, f"question {number}")
    with pytest.raises(Barred, match=f"written {most} times"):
        talk.write(world.arun, pending, "one more")
    talk.write(world.dana, pending, "I may still ask")
    assert Message.objects.count() == most + 1


def test_yesterdays_do_not_count(world, pending):
    version, long_ago = pending.version, db_now() - timedelta(days=1, seconds=5)
    rows = {"request": pending, "version": version, "author": world.arun, "author_name": "Arun", "salt": ""}
    Message.objects.bulk_create(Message(**rows, text=str(n), at=long_ago) for n in range(timing().messages_a_day))
    talk.write(world.arun, pending, "a new day")


@pytest.mark.parametrize(("text", "says"), [(" \n ", "Write something"), ("x" * 1001, "At most 1,000 characters")])
def test_what_is_no_question_is_a_sentence(world, pending, text, says):
    with pytest.raises(Barred, match=says):
        talk.write(world.arun, pending, text)
    assert not Message.objects.exists()


def test_a_second_press_writes_nothing_twice(world, pending):
    talk.write(world.arun, pending, "Why?")
    with pytest.raises(Barred, match="a moment ago"):
        talk.write(world.arun, pending, "Why? ")
    assert Message.objects.count() == 1


def test_an_answer_belongs_to_a_question_about_the_same_request(world, pending):
    other = world.pending("activities", "asha")
    asked = talk.write(world.arun, other, "Why?")
    answer = talk.write(world.rita, other, "So.", answers=asked)
    for wrong in (asked, answer):
        with pytest.raises(Barred, match="no question about"):
            talk.write(world.rita, pending, "Here?", answers=wrong)
    with pytest.raises(Barred, match="no question about"):
        talk.write(world.arun, other, "And?", answers=answer)


# --- The database's own rules ------------------------------------------------------------------------------


def test_what_was_said_stays(world, pending):
    asked = talk.write(world.arun, pending, "Why?")
    for change in (lambda: Message.objects.update(text="x"), lambda: Message.objects.filter(pk=asked.pk).delete()):
        with pytest.raises(DatabaseError, match="never"), transaction.atomic():
            change()
    again = {"pk": asked.pk, "request": pending, "version": pending.version, "author": world.rita, "at": db_now()}
    with pytest.raises(DatabaseError, match="exists already"), transaction.atomic():
        Message.objects.create(**again, author_name="Rita", text="x", salt="")


def test_the_database_lets_nobody_answer_across_requests(world, pending):
    other = world.pending("activities", "asha")
    asked = talk.write(world.arun, other, "Why?")
    row = {"author": world.rita, "author_name": "Rita", "text": "x", "salt": "", "at": db_now()}
    with pytest.raises(DatabaseError, match="belongs to a question"), transaction.atomic():
        Message.objects.create(**row, request=pending, version=pending.version, answers=asked)
    with pytest.raises(DatabaseError, match="current version"), transaction.atomic():
        Message.objects.create(**row, request=pending, version=other.version)
