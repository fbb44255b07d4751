"""Between signing in and the pages: a session that is too old is over, a password that somebody else made opens one
page, and who needs a second factor sets it up before anything else."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from lsq_ops.models.timing import span, timing
from lsq_ops.services import sign_in

BEGAN, SEEN, TRUSTED_FROM = "lsq_began", "lsq_seen", "lsq_trusted_from"
OFTEN = 60  # seconds: a session is written no more often, however much somebody clicks
OPEN = ("admin:login", "admin:logout", "admin:jsi18n")


def begin(session: Any, now: datetime) -> None:
    """At signing in. A session without these marks is over at its first request."""
    session[BEGAN] = session[SEEN] = session[TRUSTED_FROM] = now.timestamp()


def keep(session: Any, change: Any) -> None:
    """The session that changed the password or the second factor goes on; the person's others end."""
    session[TRUSTED_FROM] = change.at.timestamp()


class Gate:
    """Middleware, after Django's authentication."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(reverse("admin:index")) and request.user.is_authenticated:
            answer = _led_elsewhere(request)
            if answer is not None:
                return answer
        return self.get_response(request)


def _led_elsewhere(request: HttpRequest) -> HttpResponse | None:
    standing = sign_in.standing(request.user)
    if why := _over(request, standing):
        logout(request)
        messages.warning(request, _("{why} Sign in again to go on.").format(why=why))
        return redirect_to_login(request.get_full_path(), reverse("admin:login"))
    _touch(request, standing.now.timestamp())
    if request.path in map(reverse, OPEN):
        return None
    if standing.password_is_anothers:
        why = _("Your password was made by somebody else. Choose your own first.")
        return _first(request, "admin:password_change", why)
    if not standing.has_factor and sign_in.factor_required(request.user):
        return _first(request, "mfa_activate_totp", _("Your role needs a second factor. Set it up first."))
    return None


def _first(request: HttpRequest, page: str, why: str) -> HttpResponse | None:
    if request.path == reverse(page):
        return None
    messages.warning(request, why)
    return redirect(page)


def _over(request: HttpRequest, standing: sign_in.Standing) -> str:
    """Why this session is over; empty where it stands."""
    session, now = request.session, standing.now.timestamp()
    idle = sign_in.may_be_idle(request.user)
    if now - session.get(BEGAN, 0) > timing().session_longest:
        return _("You signed in more than {session_longest} ago.").format(
            session_longest=span(timing().session_longest)
        )
    if now - session.get(SEEN, 0) > idle:
        return _("Nothing was done here for more than {idle}.").format(idle=span(idle))
    if standing.changed_at and standing.changed_at.timestamp() > session.get(TRUSTED_FROM, 0):
        return _("Your password or your second factor was changed.")
    return ""


def _touch(request: HttpRequest, now: float) -> None:
    """A page that asks for its own news is no sign of a person."""
    if now - request.session[SEEN] > OFTEN and not request.path.endswith("/live/"):
        request.session[SEEN] = now
