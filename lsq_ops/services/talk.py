"""Questions about a request, and their answers. They void nothing: no state, no vote and no digest depends on them."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from lsq_ops.models import DeletionRequest, Message, Topic, audited, db_now, record, timing

from . import notices, policy
from .may import Barred, Person, need


def questions(request: DeletionRequest) -> QuerySet[Message]:
    return request.messages.filter(answers__isnull=True)


def thread(request: DeletionRequest) -> list[Message]:
    """The questions, oldest first, each with its `replies`."""
    return list(questions(request).select_related("version").prefetch_related("replies__version"))


def write(user: Person, request: DeletionRequest, text: str, *, answers: Message | None = None) -> Message:
    """Ask, or answer a question. The text stays here: the trail keeps its hash, the mail only says that it is there."""
    with audited():
        # Under the request's lock: of two presses of a button the second one sees the first.
        request = DeletionRequest.locked(request.pk)
        need(user, "ask", request)
        text = text.strip()
        _check(user, request, text, answers)
        made = Message.objects.create(
            request=request,
            version=request.version,
            author=user,
            author_name=user.get_full_name() or user.username,
            text=text,
            salt=secrets.token_hex(16),
            at=db_now(),
            answers=answers,
        )
        record(
            "request.answered" if answers else "request.asked",
            request,
            actor=str(user),
            version=request.version.number,
            message=made.pk,
            text=text_hash(made),
        )
        _tell(made)
    return made


def text_hash(message: Message) -> str:
    """The salt keeps a short text from being guessed from its hash."""
    return hashlib.sha256((message.salt + message.text).encode()).hexdigest()


def _check(user: Person, request: DeletionRequest, text: str, answers: Message | None) -> None:
    if not text:
        raise Barred(_("Write something first."))
    if len(text) > 1000:
        raise Barred(_("At most 1,000 characters; these are {count:,}.").format(count=len(text)))
    if answers and (answers.request_id != request.pk or answers.answers_id):
        raise Barred(_("That is no question about {request}.").format(request=request))
    now, most = db_now(), timing().messages_a_day
    mine = request.messages.filter(author=user, at__gt=now - timedelta(days=1))
    if mine.filter(text=text, answers=answers, at__gt=now - timedelta(seconds=timing().same_message)).exists():
        raise Barred(_("You wrote just that a moment ago; it is on the page."))
    if mine.count() >= most:
        raise Barred(
            _("You have written {most} times about this request since yesterday; talk to each other directly.").format(
                most=most
            )
        )


def _tell(message: Message) -> None:
    request = message.request
    people = {user.pk: user for user in _concerned(message) if user.is_active and user.pk != message.author_id}
    said = _("answer") if message.answers_id else _("question")
    notices.tell(
        people.values(),
        request,
        _("{said} from {author_name}").format(said=said, author_name=message.author_name),
        _("There is a new {said} about {request}. Its text is on the request's page only.").format(
            said=said, request=request
        ),
        Topic.TALK,
    )


def _concerned(message: Message) -> Iterable[User]:
    """Whose request it is, who has a part in this talk or voted; and of a requester's words those who could act."""
    request, asked = message.request, message.answers
    owners = notices.owners(request)
    yield from owners
    talk = [asked, *asked.replies.select_related("author")] if asked else []
    yield from (one.author for one in talk)
    yield from (vote.voter for vote in message.version.votes.select_related("voter"))
    if message.author in owners and not asked:
        yield from policy.eligible(request) if request.state == "pending" else notices.operators()
