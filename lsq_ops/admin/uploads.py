"""Uploaded lists: how far one is read, the verdict of each line, and the ways on with what it takes."""

from typing import Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from lsq_ops import kinds
from lsq_ops.admin import downloads, drafting, face, syncs
from lsq_ops.admin.base import BaseAdmin, by_post
from lsq_ops.admin.dialogs import dialog
from lsq_ops.admin.paging import LongListAdmin
from lsq_ops.models import UploadedList
from lsq_ops.services import judging, uploaded
from lsq_ops.services.may import Barred, may
from lsq_ops.wording import lazy

ROWS = 100
# Where more files of that sort are uploaded.
WHERE = {"lead": "lead", "activity": "activity", "day": "activity", "task": "task"}


@admin.register(UploadedList)
class UploadedListAdmin(LongListAdmin, BaseAdmin):
    """Everybody's own: a file may hold what only its owner has seen."""

    page_template = "lsq_ops/uploads/page.html"
    polls = True  # while the file is being read
    change_list_template = "lsq_ops/uploads/list.html"
    list_display = ("file", "made", "what", "lines_", "taken", "state")
    list_select_related = ("account",)
    actions_detail = ("outcome", "read_again", "throw_away")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).filter(user=request.user)

    @admin.display(description=lazy("File"))
    def file(self, obj: UploadedList) -> str:
        return format_html("<bdi>{}</bdi>", face.plain(obj.name))

    @admin.display(description=lazy("Uploaded"))
    def made(self, obj: UploadedList) -> str:
        return face.when(obj.made_at)

    @admin.display(description=lazy("A line names"))
    def what(self, obj: UploadedList) -> str:
        return obj.get_names_display()

    @admin.display(description=lazy("Lines"))
    def lines_(self, obj: UploadedList) -> str:
        return f"{obj.lines:,}"

    @admin.display(description=lazy("Taken"))
    def taken(self, obj: UploadedList) -> str:
        return f"{obj.counts.get(judging.TAKEN, 0):,}"

    @admin.display(description=lazy("State"))
    def state(self, obj: UploadedList) -> str:
        if obj.thrown_at:
            return _("file thrown away")
        if obj.read_at is None:
            return _("being read")
        return face.badge("partial", _("not read to its end")) if obj.why else _("read")

    # --- A list ---

    def headline(self, obj: UploadedList) -> str:
        return _("Upload of {when}").format(when=face.minute(obj.made_at))

    def page_context(self, request: HttpRequest, obj: UploadedList) -> dict[str, Any]:
        verdict = request.GET.get("verdict", "")
        if verdict not in obj.counts:
            verdict = ""
        lines = Paginator(obj.judged.filter(verdict=verdict) if verdict else obj.judged.all(), ROWS)
        lines.count = obj.counts[verdict] if verdict else obj.lines  # it stands in the upload
        missing = obj.read_at and any(obj.counts.get(one) for one in (judging.UNKNOWN, judging.NOT_READ))
        fresh = syncs.strip(request) if missing else {}  # the other way to have those leads read
        as_of = getattr(fresh.get("sync"), "as_of", None)
        return {
            **fresh,
            "unknown": obj.counts.get(judging.UNKNOWN, 0) if missing else 0,
            "newer": bool(as_of and obj.read_at and as_of > obj.read_at),
            "counts": [(name, obj.counts[name]) for name in judging.VERDICTS if name in obj.counts],
            "verdict": verdict,
            "page": lines.get_page(request.GET.get("page")),
            "ways": _ways(request, obj),
            "to_read": uploaded.to_read(obj) if obj.read_at and may(request.user, "refresh_mirror", obj) else 0,
            "asked": uploaded.requests_of(obj) if obj.read_at else (),
            "again": reverse(f"admin:lsq_ops_{WHERE[obj.names]}_upload"),
        }

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(by_post(self.add_missing))
        return [path("<int:pk>/add_missing/", view, name="lsq_ops_uploadedlist_missing"), *super().get_urls()]

    def add_missing(self, request: HttpRequest, pk: int) -> HttpResponse:
        """To the page that reads the leads which must be read first."""
        obj = self.found(request, str(pk))
        try:
            selection = uploaded.select_to_read(request.user, obj)
        except Barred as no:
            messages.error(request, str(no))
            return redirect(self.address(obj))
        return redirect("admin:lsq_ops_selection_read_leads", selection.pk)

    # --- Dialogs ---

    @dialog(
        verb="draft",
        label=lazy("The file with outcomes"),
        icon="download",
        offered=lambda request, obj: obj.read_at and obj.unpacked and not obj.thrown_at,
        question=lazy(
            "The file comes back as CSV. Before its own columns stand each line's number, verdict, the requests"
            " that were made from it, and what became of its records.\nIt holds what you uploaded; that you took it is"
            " written into the audit trail."
        ),
        button=lazy("Download the file"),
    )
    def outcome(self, request: HttpRequest, obj: UploadedList, form: None) -> FileResponse:
        name = f"upload-{obj.pk}-outcomes.csv"
        return downloads.made(name, "text/csv", lambda file: uploaded.outcome_file(request.user, obj, file))

    @dialog(
        verb="draft",
        label=lazy("Read the file again"),
        icon="refresh",
        offered=lambda request, obj: obj.read_at and not obj.thrown_at,
        question=lazy(
            "Each line is judged again by what the mirror has now. Requests that were made from it stay as they are."
        ),
        button=lazy("Read it again"),
    )
    def read_again(self, request: HttpRequest, obj: UploadedList, form: None) -> HttpResponse:
        uploaded.read_again(request.user, obj)
        return redirect(self.address(obj))

    @dialog(
        verb="draft",
        label=lazy("Throw the file away"),
        icon="delete",
        offered=lambda request, obj: not obj.thrown_at,
        question=lazy(
            "The file and its lines are not kept any more, and can't come back with outcomes. What was picked and"
            " asked from it stays, with the file's name and hash."
        ),
        button=lazy("Throw it away"),
        danger=True,
    )
    def throw_away(self, request: HttpRequest, obj: UploadedList, form: None) -> str:
        uploaded.throw_away(request.user, obj)
        return _("The file is not kept any more.")


def _ways(request: HttpRequest, upload: UploadedList) -> list[tuple[str, str]]:
    """(title, address) for each kind that takes such records."""
    if upload.selection is None or not may(request.user, "draft", upload):
        return []
    taking = [kind for kind in kinds.every() if drafting.takes(kind, upload.record_type)]
    if len(taking) == 1:
        return [
            (
                _("Use {picked}").format(picked=drafting.picked(upload.selection)),
                drafting.draft_url(upload.selection, taking[0]),
            )
        ]
    return [(kind.action, drafting.draft_url(upload.selection, kind)) for kind in taking]
