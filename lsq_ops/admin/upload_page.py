"""An uploaded file of ids, line by line: what was taken, what not and why, and where to go with the rest."""

from typing import Any, BinaryIO, cast

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from lsq_ops import kinds
from lsq_ops.admin import drafting
from lsq_ops.services import accounts, uploads
from lsq_ops.services import drafting as drafts

REASONS = ("twice", "not an id", "not in the mirror", "on hold")


class UploadForm(forms.Form):
    file = forms.FileField(
        label="File",
        allow_empty_file=True,  # the reader says what an empty file is, and what was expected
        help_text="CSV or XLSX, one column of ids; other columns are left alone. At most 200 MB.",
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,.xlsx"}),
    )


def verdict_page(admin: Any, request: HttpRequest, file: UploadedFile, record_type: str) -> HttpResponse:
    """Reads the file and freezes its good ids; the page leads on. Raises Barred where it is no list at all."""
    account = accounts.current_account()
    upload = uploads.read_ids(cast(BinaryIO, file), file.name or "file", record_type=record_type)
    known = uploads.check_known(upload, account, record_type=record_type)
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "title": known.name,
        "upload": known,
        "record_type": record_type,
        "counts": [(reason, known.counts[reason]) for reason in REASONS if reason in known.counts],
        "more": sum(known.counts.values()) - len(known.refused),
        "ways": _ways(request, known, record_type),
        "adding": _adding(request, known, record_type),
        "back": admin.address(None),
        "again": reverse(f"admin:lsq_ops_{admin.opts.model_name}_upload"),
    }
    return TemplateResponse(request, "lsq_ops/upload.html", context)


def _ways(request: HttpRequest, upload: uploads.Upload, record_type: str) -> list[tuple[str, str]]:
    """(title, address) for each kind that takes such records."""
    if not upload.ids:
        return []
    selection = drafts.select(request.user, record_type, upload.ids, upload.source)
    taking = [kind for kind in kinds.every() if kind.picks == record_type]
    return [(kind.action, drafting.draft_url(selection, kind)) for kind in taking]


def _adding(request: HttpRequest, upload: uploads.Upload, record_type: str) -> str:
    """The address that reads the leads which the mirror doesn't have."""
    if record_type != "lead" or not upload.unknown:
        return ""
    selection = drafts.select(request.user, record_type, upload.unknown, upload.source)
    return reverse("admin:lsq_ops_selection_read_leads", args=[selection.pk])
