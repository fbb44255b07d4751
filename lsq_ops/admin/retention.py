"""Retention: what goes, what stays and why, what is due now, and what past runs erased."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _

from lsq_ops.admin import face
from lsq_ops.admin.base import BaseAdmin
from lsq_ops.admin.dialogs import dialog
from lsq_ops.admin.paging import AtLeast, LongListAdmin
from lsq_ops.models import RetentionRun
from lsq_ops.services import batches, retention
from lsq_ops.wording import lazy

COUNTED = 1_000  # of each; more are "or more"


def what_would_go(request: HttpRequest, obj: None) -> str:
    """The dry run, above the button that does it."""
    told = [f"{_count(one.count)} {_(one.rule.name)}" for one in retention.due(COUNTED) if one.count]
    if not told:
        return _("Nothing is due: nothing would be erased.")
    return _("Due now: {told}. It can't be brought back. What is on hold stays.").format(told=", ".join(told))


def _count(number: int) -> str:
    return f"{number:,}" if number < COUNTED else str(AtLeast(number))


@admin.register(RetentionRun)
class RetentionRunAdmin(LongListAdmin, BaseAdmin):
    change_list_template = "lsq_ops/retention/list.html"
    list_display = ("begun", "by_whom", "until_", "erased", "kept")
    actions_list = ("begin",)

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> Any:
        rows = [(one.rule, _count(one.count)) for one in retention.due(COUNTED)]
        context = {"days": settings.CONTENTS_KEPT_DAYS, "until": retention.until(), "rules": rows}
        return super().changelist_view(request, context)

    @admin.display(description=lazy("Begun"))
    def begun(self, obj: RetentionRun) -> str:
        return face.when(obj.begun_at)

    @admin.display(description=lazy("By"))
    def by_whom(self, obj: RetentionRun) -> str:
        return _("by itself") if obj.by == "system" else obj.by

    @admin.display(description=lazy("What ended before"))
    def until_(self, obj: RetentionRun) -> str:
        return face.when(obj.until)

    @admin.display(description=lazy("Erased"))
    def erased(self, obj: RetentionRun) -> str:
        erased = batches.in_words(obj.counts, retention.RULES)
        return erased if obj.ended_at else _("{erased} so far").format(erased=erased)

    @admin.display(description=lazy("Kept back by holds"))
    def kept(self, obj: RetentionRun) -> str:
        return batches.in_words(obj.kept_back, retention.RULES)

    def headline(self, obj: RetentionRun) -> str:
        return _("Retention run of {when}").format(when=face.minute(obj.begun_at))

    def facts(self, request: HttpRequest, obj: RetentionRun) -> list[tuple[str, Any]]:
        return [
            (_("Begun"), face.both(obj.begun_at)),
            (_("By"), self.by_whom(obj)),
            (_("What ended before"), face.both(obj.until)),
            (_("Ended"), face.both(obj.ended_at) if obj.ended_at else _("not yet")),
            (_("Erased"), self.erased(obj)),
            (_("Kept back by holds"), self.kept(obj)),
        ]

    @dialog(
        verb="erase",
        label=lazy("Erase what is due"),
        icon="auto_delete",
        danger=True,
        question=what_would_go,
        button=lazy("Erase it"),
    )
    def begin(self, request: HttpRequest, obj: None, form: None) -> str:
        retention.begin(request.user)
        return _("The worker erases it now; the list below says how far it is.")
