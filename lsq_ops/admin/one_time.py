"""A password that somebody else made opens one page: the one that changes it."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from lsq_ops.services.people import must_change_password


class OneTimePasswordFirst:
    """Middleware, after Django's authentication."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(reverse("admin:index")) and self._held(request):
            messages.warning(request, "Your password was made by somebody else. Choose your own first.")
            return redirect("admin:password_change")
        return self.get_response(request)

    def _held(self, request: HttpRequest) -> bool:
        open_pages = ("admin:password_change", "admin:logout", "admin:login", "admin:jsi18n")
        if not request.user.is_authenticated or request.path in map(reverse, open_pages):
            return False
        return must_change_password(request.user)
