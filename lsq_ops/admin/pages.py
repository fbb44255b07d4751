"""Pages that are about no row: the frame, and the form that asks, does one thing and says what came of it."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.generic.edit import FormView

from lsq_ops.services.may import Barred


def framed(request: HttpRequest, title: str, **more: Any) -> dict[str, Any]:
    return {**admin.site.each_context(request), "title": title, **more}


class FormPage(FormView):
    """A subclass does its `deed`; a rule that says no becomes a sentence above the form."""

    template_name = "lsq_ops/sign_in/own.html"
    title = say = button = back = ""

    def deed(self, user: User, form: Any) -> HttpResponse:
        raise NotImplementedError

    def done(self, said: str) -> HttpResponse:
        messages.success(self.request, said)
        return redirect(self.back)

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            return self.deed(self.request.user, form)  # type: ignore[arg-type]
        except Barred as no:
            form.add_error(None, str(no))
            return self.form_invalid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        more = {"say": self.say, "button": self.button, "back": self.back}
        return framed(self.request, self.title, **{**more, **super().get_context_data(**kwargs)})
