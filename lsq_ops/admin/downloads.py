"""Zips as downloads: the deletion evidence report, restore help. By POST: who took one stands in the audit trail."""

import tempfile
from collections.abc import Callable
from typing import BinaryIO, cast

from django.http import FileResponse

from lsq_ops.wording import lazy

QUESTION = lazy(
    "A zip with versions, votes, calls, readings and outcomes of this request, and its part of the audit trail. Whoever"
    " gets it checks it with Python or a browser, without this portal. What the deleted records held is not in it.\n"
    "That you took it, and its SHA-256, are written into the audit trail."
)
QUESTION_OF_LEAD = lazy(
    "A zip with everything that was asked, decided, sent and read about this lead, and nobody else's data. What the"
    " deleted records held is not in it.\nThat you took it, and its SHA-256, are written into the audit trail."
)


def zipped(name: str, export: Callable[[BinaryIO], object]) -> FileResponse:
    return made(f"{name}.zip", "application/zip", export)


def made(name: str, content_type: str, export: Callable[[BinaryIO], object]) -> FileResponse:
    """`export` writes into a file that is gone when the answer has been sent."""
    file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115  (the response closes it)
    try:
        export(file)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    response = FileResponse(file, as_attachment=True, filename=name, content_type=content_type)
    response["Cache-Control"] = "no-store"
    return response
