"""Signing in: the one way there is. Name and password here, then the second factor where the person has one."""

import logging
from typing import Any

from allauth.account.utils import perform_login
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.signals import authentication_failed
from axes.handlers.proxy import AxesProxyHandler
from axes.signals import user_locked_out
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import authenticate, update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.contrib.auth.views import LoginView
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.generic.edit import FormView

from lsq_ops.admin import gate
from lsq_ops.admin.pages import framed
from lsq_ops.models import VotingSuspension, db_now
from lsq_ops.models.timing import span, timing
from lsq_ops.services import sign_in, throttles
from lsq_ops.services.may import Barred

logger = logging.getLogger(__name__)


class SignInForm(AdminAuthenticationForm):
    def clean_username(self) -> str:
        """Nobody has a longer name, and it would not fit where wrong tries are kept."""
        if len(self.cleaned_data["username"]) > 150:
            raise self.get_invalid_login_error()
        return str(self.cleaned_data["username"])


class SignIn(LoginView):
    form_class = SignInForm
    template_name = "lsq_ops/sign_in/sign_in.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if admin.site.has_permission(request):
            return redirect("admin:index")
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Before the password is looked at, which costs a tenth of a second."""
        if throttles.tried_too_often(address_of(request)):
            return blocked(request, None, {})
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        return perform_login(self.request, form.get_user(), redirect_url=self.get_success_url())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return framed(self.request, _("Sign in"), **super().get_context_data(**kwargs))


class SecondStep(AuthenticateView):
    """Right name and password are not enough for who has a second factor."""

    template_name = "lsq_ops/sign_in/second_step.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        name = {"username": self.stage.login.user.username}
        if not AxesProxyHandler.is_allowed(request, name):
            return blocked(request, None, name)
        return super().post(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return framed(self.request, _("Second factor"), **super().get_context_data(**kwargs))


def blocked(request: HttpRequest, original: HttpResponse | None, credentials: Any) -> HttpResponse:
    """django-axes shows this in place of the page after too many wrong tries."""
    clock = timing()
    more = {"minutes": span(clock.sign_in_blocked), "tries": clock.sign_in_tries, "whole_place": not credentials}
    context = framed(request, _("Sign-in is blocked"), **more)
    answer = render(request, "lsq_ops/sign_in/blocked.html", context, status=429)
    answer.headers["Retry-After"] = str(clock.sign_in_blocked)
    return answer


def address_of(request: HttpRequest) -> str | None:
    """As portal/proxies.py has found it; what a visitor says of himself is gone by then."""
    return request.META.get("REMOTE_ADDR")


# --- One's own password ----------------------------------------------------------------------------------------------


def is_own_password(request: HttpRequest, password: str) -> bool:
    """A wrong one counts as a wrong try at signing in."""
    return authenticate(request, username=request.user.get_username(), password=password) == request.user


class OwnPasswordForm(PasswordChangeForm):
    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(request.user, *args, **kwargs)  # type: ignore[arg-type]
        self.request = request
        self.fields["new_password1"].help_text = _("At least 12 characters, not a common one, not like your name.")
        self.fields["new_password2"].help_text = ""

    def clean_old_password(self) -> str:
        given = self.cleaned_data["old_password"]
        if not is_own_password(self.request, given):
            raise forms.ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return str(given)


class Password(FormView):
    form_class = OwnPasswordForm
    template_name = "lsq_ops/sign_in/own.html"

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    def form_valid(self, form: Any) -> HttpResponse:
        user = form.user
        try:
            change = sign_in.change_password(user, form.cleaned_data["new_password1"])
        except Barred as no:
            form.add_error("new_password1", str(no))
            return self.form_invalid(form)
        update_session_auth_hash(self.request, user)
        gate.keep(self.request.session, change)
        messages.success(
            self.request,
            _("Your password is changed; your other sessions are over. {waits}").format(waits=waits(user, change)),
        )
        return redirect("admin:index")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        say = _("Your other sessions end with the change. {will_wait}").format(will_wait=will_wait(self.request.user))
        more = {"say": say, "button": _("Change the password"), "form_kind": "password"}
        return framed(self.request, _("Change password"), **more, **super().get_context_data(**kwargs))


def will_wait(user: Any) -> str:
    """What a change would do to votes; nothing where none would wait."""
    seconds = sign_in.votes_would_wait(user)
    return _("New votes of yours then wait {seconds}.").format(seconds=span(seconds)) if seconds else ""


def waits(user: Any, change: VotingSuspension) -> str:
    """What a change did to votes."""
    return (
        _("Your votes count again from {until:%d %b %Y %H:%M} UTC.").format(until=change.until)
        if sign_in.votes_would_wait(user)
        else ""
    )


# --- What Django, allauth and django-axes tell -----------------------------------------------------------------------


@receiver(user_logged_in)
def signed_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    gate.begin(request.session, db_now())
    logger.info("Signed in: %s", user.username)


@receiver(user_logged_out)
def signed_out(user: User | None, **kwargs: Any) -> None:
    if user is not None:
        logger.info("Signed out: %s", user.username)


@receiver(user_login_failed)
def not_signed_in(credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any) -> None:
    """A name that nobody has is not written: it may be a password, typed in the wrong field."""
    if request is not None:
        throttles.tried_wrong(address_of(request))
    known = User.objects.filter(username=credentials.get("username") or "").values_list("username", flat=True).first()
    logger.warning("Sign-in failed: %s", known or "an unknown name")


@receiver(authentication_failed)
def wrong_code(request: HttpRequest, user: User, reauthentication: bool = False, **kwargs: Any) -> None:
    """At the sign-in a wrong code is a wrong try like a wrong password."""
    if not reauthentication:
        user_login_failed.send(__name__, credentials={"username": user.username}, request=request)


@receiver(user_locked_out)
def locked_out(username: str | None, **kwargs: Any) -> None:
    sign_in.note_blocked(username or "")
