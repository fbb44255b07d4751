"""The code of a second factor, asked for where it is needed: in the form itself, so that nothing typed is lost."""

from datetime import UTC, datetime
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.mfa.base.forms import ReauthenticateForm
from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _


class CodeField(forms.CharField):
    def __init__(self, **kwargs: Any) -> None:
        look = {"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"}
        given = {"label": _("Code"), "max_length": 20, "widget": forms.TextInput(attrs=look)}
        given["help_text"] = _("The six digits that your authenticator shows now, or one of your recovery codes.")
        super().__init__(**{**given, **kwargs})


class CodeForm(forms.Form):
    """Asks for a code where `code_for` is a request. It is checked last, when all else is right: a code works once."""

    def __init__(self, *args: Any, code_for: HttpRequest | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.code_for = code_for
        if code_for is not None:
            self.fields["code"] = CodeField()

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if self.code_for is not None and not self.errors:
            try:
                check(self.code_for, given["code"])
            except ValidationError as wrong:
                self.add_error("code", wrong)
            else:
                del self.fields["code"]  # should the rest be refused, it need not be typed again
        return given


def check(request: HttpRequest, code: str) -> None:
    """By allauth: within its limit on wrong ones, and each code once. The session remembers when."""
    form = ReauthenticateForm(user=request.user, data={"code": code})
    if not form.is_valid():
        raise form.errors.as_data()["code"][0]
    form.save()


def checked_at(request: HttpRequest) -> datetime | None:
    """When this session's person last gave a right code."""
    records = get_authentication_records(request, request.user)
    times = [record["at"] for record in records if record["method"] == "mfa"]
    return datetime.fromtimestamp(max(times), UTC) if times else None
