"""What was told to whom by mail, what could not be sent, and when one's own mails come."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from lsq_ops.admin import face
from lsq_ops.admin.base import BaseAdmin
from lsq_ops.admin.dialogs import dialog
from lsq_ops.admin.pages import FormPage
from lsq_ops.admin.paging import LongListAdmin
from lsq_ops.models import Notice, Topic
from lsq_ops.services import notices
from lsq_ops.wording import lazy


@admin.register(Notice)
class NoticeAdmin(LongListAdmin, BaseAdmin):
    list_display = ("made", "whom", "subject", "how")
    list_select_related = ("user",)
    empty_says = lazy("Nobody was told anything by mail yet.")
    actions_detail = ("send_again",)

    @admin.display(description=lazy("Written"))
    def made(self, obj: Notice) -> str:
        return face.when(obj.made_at)

    @admin.display(description=lazy("To"))
    def whom(self, obj: Notice) -> str:
        return face.person(obj.user)

    @admin.display(description=lazy("State"))
    def how(self, obj: Notice) -> str:
        return notices.state_of(obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("user")

    def headline(self, obj: Notice) -> str:
        return face.plain(obj.subject)

    def facts(self, request: HttpRequest, obj: Notice) -> list[tuple[str, Any]]:
        return [
            (_("To"), face.person(obj.user)),
            (_("About"), obj.get_topic_display()),
            (_("Written"), face.both(obj.made_at)),
            (_("State"), notices.state_of(obj)),
            (_("Sent"), face.both(obj.sent_at) if obj.sent_at else _("not yet")),
            (_("Next try"), face.both(obj.not_before) if obj.not_before and not notices.is_over(obj) else "–"),
            (_("It says"), face.plain(obj.text)),
        ]

    @dialog(
        verb="send_again",
        label=lazy("Send once more"),
        icon="forward_to_inbox",
        offered=lambda request, obj: notices.is_over(obj) and not obj.sent_at,
        question=lazy(
            "The worker tries it again, as often as at first. Has its person an address by now, and does the mail"
            " server answer? Set-up sends a mail to try it."
        ),
        button=lazy("Send once more"),
    )
    def send_again(self, request: HttpRequest, obj: Notice, form: None) -> str:
        notices.send_again(request.user, obj)
        return _("The worker tries it again now.")


HELP = {
    Topic.TROUBLE: lazy(
        "Requests that need attention, pauses, syncs that ask, the audit trail. It can't be turned off."
    ),
    Topic.VOTE: lazy("Also the reminders before one expires. The page Home shows them at any time."),
    Topic.MINE: lazy("Approved, changes needed, finished, expired."),
}


class ChoiceForm(forms.Form):
    def __init__(self, *args: Any, chosen: dict[Topic, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for topic, offered in notices.OFFERED.items():
            if len(offered) > 1:
                self.fields[topic.value] = forms.ChoiceField(
                    label=topic.label,
                    choices=[(when.value, when.label.capitalize()) for when in offered],
                    initial=chosen[topic],
                    help_text=HELP.get(topic, ""),
                )


class MyMails(FormPage):
    form_class = ChoiceForm
    title, button, back = lazy("My mails"), lazy("Keep this"), "admin:index"

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "chosen": notices.choices_of(self.request.user)}

    def deed(self, user: User, form: ChoiceForm) -> HttpResponse:
        notices.choose(user, {Topic(name): when for name, when in form.cleaned_data.items()})
        messages.success(self.request, _("Kept. It counts from the next mail on."))
        return redirect("my_mails")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        email = getattr(self.request.user, "email", "")
        where = (
            _("They go to {email}.").format(email=email)
            if email
            else _("You have no address: a policy admin writes one down, in People.")
        )
        say = _(
            "When do mails of the portal come to you? {where} Mails about your own password always come at once."
        ).format(where=where)
        return super().get_context_data(say=say, **kwargs)
