"""One's own choice of mails, by its page; and the list of what was told."""

from django.core import mail
from django.test import Client
from django.urls import reverse

from lsq_ops.models import Notice, NoticeChoice, Topic, db_now
from lsq_ops.services import notices


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def test_a_person_chooses_when_mails_come(people):
    client, url = client_of(people.rita), reverse("my_mails")
    page = client.get(url).content.decode()
    assert "What becomes of my requests" in page
    assert people.rita.email in page
    assert "My own password" not in page  # always at once: nothing to choose
    wanted = {"trouble": "hourly", "vote": "at_once", "talk": "never", "mine": "daily", "rules": "at_once"}
    page = client.post(url, wanted, follow=True).content.decode()
    assert "Kept. It counts from the next mail on." in page
    assert dict(NoticeChoice.objects.values_list("topic", "when")) == {
        "trouble": "hourly",
        "talk": "never",
        "mine": "daily",
    }


def test_a_choice_that_is_not_offered_keeps_the_form(people):
    wanted = {"trouble": "never", "vote": "at_once", "talk": "never", "mine": "daily", "rules": "at_once"}
    page = client_of(people.rita).post(reverse("my_mails"), wanted)
    assert page.status_code == 200
    assert "Select a valid choice" in page.content.decode()
    assert not NoticeChoice.objects.exists()


def test_a_mails_page_says_how_it_stands_and_has_the_button_where_it_was_given_up(people):
    notice = Notice.objects.create(
        user=people.rita, topic=Topic.TALK, subject="<b>bold</b>", text="t", made_at=db_now(), tries=3
    )
    url = reverse("admin:lsq_ops_notice_change", args=[notice.pk])
    page = client_of(people.omar).get(url).content.decode()
    assert "tried 3 times, goes on" in page
    assert "Send once more" not in page
    assert "<b>bold</b>" not in page
    Notice.objects.update(tries=notices.GIVE_UP_AFTER)
    assert "Send once more" in client_of(people.omar).get(url).content.decode()
    client_of(people.omar).post(reverse("admin:lsq_ops_notice_send_again", args=[notice.pk]))
    while notices.send_due():
        pass
    assert "<b>bold</b>" in {one.subject for one in mail.outbox}
