"""One's own second factor: set up, recovery codes, removed. Each form asks for what makes it safe: password or code."""

import base64
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from allauth.mfa.adapter import get_adapter
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import clear_totp_secret
from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from lsq_ops.admin import gate
from lsq_ops.admin.codes import CodeField, CodeForm, check
from lsq_ops.admin.pages import FormPage, framed
from lsq_ops.admin.sign_in import is_own_password, waits, will_wait
from lsq_ops.services import second_factor, sign_in
from lsq_ops.wording import lazy


def page(request: HttpRequest) -> HttpResponse:
    factor, codes = second_factor.of(request.user)
    required = sign_in.factor_required(request.user)
    context = framed(request, _("Second factor"), factor=factor, left=len(codes), required=required)
    return TemplateResponse(request, "lsq_ops/second_factor/page.html", context)


def show_codes(request: HttpRequest, codes: list[str], said: str) -> HttpResponse:
    """In the answer itself: they are kept nowhere to be shown again."""
    text = (
        _("LSQ Ops: recovery codes of {get_username}. Each works once.\n\n").format(
            get_username=request.user.get_username()
        )
        + "\n".join(codes)
        + "\n"
    )
    context = framed(request, _("Recovery codes"), codes=codes, said=said, file=f"data:text/plain,{quote(text)}")
    return TemplateResponse(request, "lsq_ops/second_factor/codes.html", context)


class SetUpForm(ActivateTOTPForm):
    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, user=request.user, **kwargs)
        self.request = request
        self.fields["code"] = CodeField(help_text=_("The six digits that the app shows for LSQ Ops now."))
        self.fields["password"] = forms.CharField(
            label=_("Your password"),
            max_length=4096,
            strip=False,
            widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        )
        self.order_fields(["password", "code"])

    def clean_password(self) -> str:
        if not is_own_password(self.request, self.cleaned_data["password"]):
            raise forms.ValidationError(_("This is not your password."))
        return str(self.cleaned_data["password"])


class _Own(FormPage):
    """A form about one's own second factor."""

    back = "mfa_index"
    danger, suspends = False, True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        say = f"{self.say} {will_wait(self.request.user) if self.suspends else ''}"
        return super().get_context_data(say=say.strip(), danger=self.danger, **kwargs)


class SetUp(_Own):
    form_class = SetUpForm
    template_name = "lsq_ops/second_factor/set_up.html"
    title, button = lazy("Set up the second factor"), lazy("Set it up")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if second_factor.has(request.user):
            return redirect("mfa_index")
        return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    def deed(self, user: User, form: Any) -> HttpResponse:
        codes, change = second_factor.set_up(user, form.secret)
        clear_totp_secret(self.request)
        gate.keep(self.request.session, change)
        with suppress(ValidationError):  # the code is used up with it, unless its half minute is just over
            check(self.request, form.cleaned_data["code"])
        return show_codes(
            self.request, codes, _("Your second factor is set up. {waits}").format(waits=waits(user, change))
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        secret, adapter = context["form"].secret, get_adapter()
        drawn = adapter.build_totp_svg(adapter.build_totp_url(self.request.user, secret))
        image = base64.b64encode(drawn.encode()).decode()
        in_fours = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
        return {**context, "image": f"data:image/svg+xml;base64,{image}", "secret": in_fours}


class _WithCode(_Own):
    form_class = CodeForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not second_factor.has(request.user):
            return redirect("mfa_index")
        return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "code_for": self.request}


class NewCodes(_WithCode):
    title, button = lazy("New recovery codes"), lazy("Make ten new codes")
    say = lazy("The codes that you have now stop working. The new ones are shown once.")
    suspends = False

    def deed(self, user: User, form: Any) -> HttpResponse:
        return show_codes(self.request, second_factor.new_codes(user), _("These are your new recovery codes."))


class Remove(_WithCode):
    title, button, danger = lazy("Remove the second factor"), lazy("Remove it"), True
    say = lazy("From then on your password alone signs you in. Your other sessions end.")

    def deed(self, user: User, form: Any) -> HttpResponse:
        change = second_factor.remove(user)
        gate.keep(self.request.session, change)
        messages.success(self.request, _("Your second factor is removed. {waits}").format(waits=waits(user, change)))
        return redirect("mfa_index")
