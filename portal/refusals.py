"""What a request gets that can't even be read."""

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.template.loader import render_to_string


def not_understood(request: HttpRequest, exception: Exception) -> HttpResponseBadRequest:
    """Django's own view looks for the token against forgery first, in the body that it has just failed to read."""
    return HttpResponseBadRequest(render_to_string("400.html"))


def nowhere(request: HttpRequest, **kwargs: str) -> HttpResponse:
    raise Http404
