"""What was told to whom by mail, and what could not be sent."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from lsq_ops.admin import face
from lsq_ops.admin.base import BaseAdmin
from lsq_ops.admin.dialogs import dialog
from lsq_ops.admin.paging import LongListAdmin
from lsq_ops.models import Notice
from lsq_ops.services import notices


@admin.register(Notice)
class NoticeAdmin(LongListAdmin, BaseAdmin):
    list_display = ("made", "whom", "subject", "how")
    list_select_related = ("user",)
    empty_says = "Nobody was told anything by mail yet."
    actions_detail = ("send_again",)

    @admin.display(description="Written")
    def made(self, obj: Notice) -> str:
        return face.when(obj.made_at)

    @admin.display(description="To")
    def whom(self, obj: Notice) -> str:
        return face.person(obj.user)

    @admin.display(description="State")
    def how(self, obj: Notice) -> str:
        return notices.state_of(obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("user")

    def headline(self, obj: Notice) -> str:
        return face.plain(obj.subject)

    def facts(self, request: HttpRequest, obj: Notice) -> list[tuple[str, Any]]:
        return [
            ("To", face.person(obj.user)),
            ("Written", face.both(obj.made_at)),
            ("State", notices.state_of(obj)),
            ("Sent", face.both(obj.sent_at) if obj.sent_at else "not yet"),
            ("Next try", face.both(obj.not_before) if obj.not_before and not notices.is_over(obj) else "–"),
            ("It says", face.plain(obj.text)),
        ]

    @dialog(
        verb="send_again",
        label="Send once more",
        icon="forward_to_inbox",
        offered=lambda request, obj: notices.is_over(obj) and not obj.sent_at,
        question="The worker tries it again, as often as at first. Has its person an address by now, and does the mail"
        " server answer? Set-up sends a mail to try it.",
        button="Send once more",
    )
    def send_again(self, request: HttpRequest, obj: Notice, form: None) -> str:
        notices.send_again(request.user, obj)
        return "The worker tries it again now."
