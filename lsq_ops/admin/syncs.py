"""Keeping the mirror's leads in step: the runs, what one asks, and the buttons that begin and end them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from lsq_ops.admin import face
from lsq_ops.admin.base import BaseAdmin
from lsq_ops.admin.dialogs import dialog
from lsq_ops.admin.paging import LongListAdmin
from lsq_ops.models import MirrorSync, timing
from lsq_ops.services import syncing
from lsq_ops.services.may import may
from lsq_ops.wording import lazy

State = MirrorSync.State


def strip(request: HttpRequest) -> dict[str, Any]:
    """What a list of the mirror says of its leads' age, and what can be done about it."""
    account = face.current_account(request)
    if account is None:
        return {}
    known = syncing.standing(account)
    return {
        "sync": known,
        "sync_every": face.span(timing().sync_every),
        "sync_url": reverse("admin:lsq_ops_mirrorsync_change", args=[known.run.pk]) if known.run else "",
        "may_sync": bool(may(request.user, "sync")),
        "may_answer": bool(may(request.user, "answer_sync")),
    }


@admin.register(MirrorSync)
class MirrorSyncAdmin(LongListAdmin, BaseAdmin):
    change_list_template = "lsq_ops/syncs/list.html"
    list_display = ("begun", "how", "taken_", "looked_", "gone_", "by_whom")
    list_select_related = ("account",)
    actions_list = ("begin", "stop")
    actions_detail = ("missing_are_gone", "missing_are_not_gone", "stop_this")

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> Any:
        return super().changelist_view(request, strip(request))

    @admin.display(description=lazy("Begun"))
    def begun(self, obj: MirrorSync) -> str:
        return face.when(obj.begun_at)

    @admin.display(description=lazy("State"))
    def how(self, obj: MirrorSync) -> str:
        return obj.get_state_display()

    @admin.display(description=lazy("Leads read"))
    def taken_(self, obj: MirrorSync) -> str:
        return f"{obj.taken:,}"

    @admin.display(description=lazy("Looked for"))
    def looked_(self, obj: MirrorSync) -> str:
        return f"{obj.looked:,}" if obj.whole else "–"

    @admin.display(description=lazy("Gone"))
    def gone_(self, obj: MirrorSync) -> str:
        return f"{obj.gone:,}" if obj.whole else "–"

    @admin.display(description=lazy("By"))
    def by_whom(self, obj: MirrorSync) -> str:
        return _("by itself") if obj.by == "system" else obj.by

    # --- A run ---

    def headline(self, obj: MirrorSync) -> str:
        return _("Sync of leads, begun {when}").format(when=face.minute(obj.begun_at))

    def facts(self, request: HttpRequest, obj: MirrorSync) -> list[tuple[str, Any]]:
        waits = obj.state == State.RUNNING and obj.not_before and obj.not_before > face.now()
        rows = [
            (_("State"), obj.get_state_display()),
            (_("It asks"), face.plain(obj.question) if obj.question else None),
            (
                _("Answered"),
                _("{allowed_by}: they are gone").format(allowed_by=obj.allowed_by) if obj.allowed_by else None,
            ),
            (_("Why"), face.plain(obj.why) or None),
            (_("Goes on"), face.both(obj.not_before) if waits else None),
            (_("Begun by"), _("itself, as it is due") if obj.by == "system" else obj.by),
            (
                _("Reads"),
                _("all leads")
                if obj.since is None
                else _("leads that changed since {when}").format(when=face.minute(obj.since)),
            ),
            (
                _("Leads read"),
                _("{taken:,} of {total:,}").format(taken=obj.taken, total=obj.total)
                if obj.total is not None
                else f"{obj.taken:,}",
            ),
            (_("Looks for the others"), _others(obj)),
            (_("Ended"), face.both(obj.ended_at) if obj.ended_at else None),
        ]
        return [(label, value) for label, value in rows if value is not None]

    # --- Dialogs ---

    @dialog(
        verb="sync",
        label=lazy("Keep leads in step"),
        icon="sync",
        question=lambda request, obj: _(
            "All leads of the account are read, a thousand a call, and from then on those that changed, "
            "every {sync_every}. What is on a lead is read when somebody asks for it. It goes behind all "
            "other work, can be stopped at any time, and goes on where it stood."
        ).format(sync_every=face.span(timing().sync_every)),
        button=lazy("Begin"),
    )
    def begin(self, request: HttpRequest, obj: None, form: None) -> str:
        syncing.begin(request.user)
        return _("The sync has begun. How far it is stands above the list of leads.")

    @dialog(
        verb="sync",
        label=lazy("Stop syncing"),
        icon="sync_disabled",
        question=lazy("What was read stays, and shows its age. Whoever begins again goes on where this stood."),
        button=lazy("Stop"),
    )
    def stop(self, request: HttpRequest, obj: None, form: None) -> str:
        syncing.stop(request.user)
        return _("Stopped. Leads are read one by one, until somebody begins again.")

    @dialog(
        verb="sync",
        label=lazy("Stop syncing"),
        icon="sync_disabled",
        offered=lambda request, obj: not obj.is_over,
        question=lazy("What was read stays, and shows its age. Whoever begins again goes on where this stood."),
        button=lazy("Stop"),
    )
    def stop_this(self, request: HttpRequest, obj: MirrorSync, form: None) -> str:
        syncing.stop(request.user)
        return _("Stopped. Leads are read one by one, until somebody begins again.")

    @dialog(
        verb="answer_sync",
        label=lazy("They are gone"),
        primary=True,
        icon="check",
        offered=lambda request, obj: obj.state == State.ASKING,
        question=lambda request, obj: _("{question} They are marked, and stay in the mirror.").format(
            question=obj.question
        ),
        button=lazy("They are gone: go on"),
    )
    def missing_are_gone(self, request: HttpRequest, obj: MirrorSync, form: None) -> str:
        syncing.answer(request.user, obj, gone=True)
        return _("The sync goes on.")

    @dialog(
        verb="answer_sync",
        label=lazy("They are not gone"),
        icon="close",
        offered=lambda request, obj: obj.state == State.ASKING,
        question=lazy(
            "Nothing is marked, and no sync begins by itself any more. Look at the rights of the key's user."
        ),
        button=lazy("They are not gone: stop"),
    )
    def missing_are_not_gone(self, request: HttpRequest, obj: MirrorSync, form: None) -> str:
        syncing.answer(request.user, obj, gone=False)
        return _("Stopped; no lead was marked as gone.")


def _others(obj: MirrorSync) -> str | None:
    if not obj.whole:
        return None
    if obj.leg != MirrorSync.Leg.THERE:
        return _("after the changed ones")
    return _("{looked:,} of {to_look:,} looked for, {gone:,} gone").format(
        looked=obj.looked, to_look=obj.to_look, gone=obj.gone
    )
