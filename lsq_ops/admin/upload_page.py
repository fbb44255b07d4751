"""An uploaded file of ids, line by line: what was taken, what not and why, and where to go with the rest."""

from typing import Any, BinaryIO, cast

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from lsq_ops import kinds
from lsq_ops.admin import drafting
from lsq_ops.services import accounts, lookups, uploads
from lsq_ops.services import drafting as drafts

REASONS = ("twice", "not an id", *(f"no {key.noun}" for key in lookups.KEYS.values()), "several match")
REASONS += ("not in the mirror", "gone", "on hold")


class UploadForm(forms.Form):
    file = forms.FileField(
        label="File",
        allow_empty_file=True,  # the reader says what an empty file is, and what was expected
        help_text="CSV or XLSX, one line for each record; other columns are left alone. At most 200 MB.",
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,.xlsx"}),
    )


class LeadsForm(UploadForm):
    by = forms.ChoiceField(
        label="A lead is named by",
        choices=[("id", "Prospect id"), *((name, key.title) for name, key in lookups.KEYS.items())],
        widget=forms.RadioSelect,
        initial="id",
        required=False,
        help_text="Numbers, e-mails and phones are looked for in the mirror; a phone in any notation, by its last ten"
        " digits.",
    )
    column = forms.CharField(
        label="Column",
        required=False,
        max_length=200,
        help_text="Its letter or heading, for numbers, e-mails and phones. Empty: it is found by what it holds.",
    )

    def clean_by(self) -> str:
        return self.cleaned_data["by"] or "id"


def verdict_page(
    admin: Any, request: HttpRequest, file: UploadedFile, record_type: str, by: str = "id", column: str = ""
) -> HttpResponse:
    """Reads the file and freezes its good ids; the page leads on. Raises Barred where it is no list at all."""
    account, name = accounts.current_account(), file.name or "file"
    if by == "id":
        upload = uploads.read_ids(cast(BinaryIO, file), name, record_type=record_type)
    else:
        upload = lookups.read(cast(BinaryIO, file), name, account, by=by, column=column)
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
