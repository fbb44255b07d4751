"""The one machinery for actions that change something: GET asks the question, POST does the deed.

A dialog is a page of its own, so it works without JavaScript, in a second tab and on a phone. It asks may(),
calls one service and says what happened; a rule that says no becomes a sentence on the page, never a traceback.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib import messages
from django.db import models
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from unfold.enums import ActionVariant

from lsq_ops.models import LostRace
from lsq_ops.services.may import ROLE_OF, STATES_OF, Barred, may, roles_of

Text = str | Callable[[HttpRequest, Any], str]
Deed = Callable[[Any, HttpRequest, Any, Any], str | HttpResponseBase]


@dataclass(frozen=True, slots=True)
class Spec:
    """What a dialog says. `form` is a Form class, or a callable (request, obj) that returns one.

    `primary`: may be the one strong button of a page. `offered`: whether there is anything to do on this object.
    `about`: more for the dialog's own template.
    """

    verb: str
    label: Text
    form: Any = None
    question: Text = ""
    button: Text = ""
    danger: bool = False
    icon: str = ""
    primary: bool = False
    offered: Callable[[HttpRequest, Any], bool] | None = None
    about: Callable[[HttpRequest, Any], dict[str, Any]] | None = None
    template: str = "lsq_ops/dialog.html"

    def text(self, part: str, request: HttpRequest, obj: Any) -> str:
        value: Text = getattr(self, part) or self.label
        return value(request, obj) if callable(value) else str(value)

    def bound(self, request: HttpRequest, obj: Any) -> BaseForm | None:
        if self.form is None:
            return None
        make = self.form if isinstance(self.form, type) else self.form(request, obj)
        return make(request.POST, request.FILES) if request.method == "POST" else make()


def dialog(*, verb: str, label: Text, **rest: Any) -> Callable[[Deed], Any]:
    """Turns `deed(admin, request, obj, form) -> message or response` into an Unfold action with its own page.

    Listed in `actions_detail` it gets the object, listed in `actions_list` it gets None.
    """
    spec = Spec(verb=verb, label=label, **rest)
    name = verb if callable(label) else label

    def decorate(deed: Deed) -> Any:
        @wraps(deed)
        def view(admin: Any, request: HttpRequest, object_id: str | None = None) -> HttpResponseBase:
            obj = admin.found(request, object_id) if object_id else None
            return _respond(spec, deed, admin, request, obj)

        # The marks that Unfold's own decorator makes. Its check is a bare 403; ours says why.
        marks = {"spec": spec, "allowed_permissions": (verb,), "short_description": name, "attrs": {}}
        marks |= {"icon": spec.icon or None, "original_function_name": deed.__name__}
        marks["variant"] = ActionVariant.DANGER if spec.danger else ActionVariant.DEFAULT
        view.__dict__.update(marks)
        return view

    return decorate


def _respond(spec: Spec, deed: Deed, admin: Any, request: HttpRequest, obj: Any) -> HttpResponseBase:
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "POST"])
    verdict = may(request.user, spec.verb, obj)
    if not verdict:
        return _page(spec, admin, request, obj, None, barred=verdict.why, status=403)
    form = spec.bound(request, obj)
    if request.method == "POST" and (form is None or form.is_valid()):
        try:
            return _done(admin, request, obj, deed(admin, request, obj, form))
        except Barred as no:
            return _page(spec, admin, request, obj, form, error=str(no), status=409)
        except LostRace:
            messages.warning(
                request, _("Somebody else was quicker; nothing was done twice. This is how it stands now.")
            )
            return redirect(admin.address(obj))
    return _page(spec, admin, request, obj, form)


def _done(admin: Any, request: HttpRequest, obj: Any, said: str | HttpResponseBase) -> HttpResponseBase:
    if isinstance(said, HttpResponseBase):
        return said
    messages.success(request, said)
    return redirect(admin.address(obj))


def _page(
    spec: Spec, admin: Any, request: HttpRequest, obj: Any, form: Any, *, status: int = 200, **extra: str
) -> HttpResponse:
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "title": spec.text("label", request, obj),
        "original": obj,
        "form": form,
        "question": spec.text("question", request, obj) if spec.question and "barred" not in extra else "",
        "button": spec.text("button", request, obj),
        "danger": spec.danger,
        "back": admin.address(obj),
        **(spec.about(request, obj) if spec.about and "barred" not in extra else {}),
        **extra,
    }
    return TemplateResponse(request, spec.template, context, status=status)


@dataclass(frozen=True, slots=True)
class Button:
    label: str
    url: str
    icon: str = ""
    why: str = ""
    danger: bool = False
    primary: bool = False


def buttons(admin: Any, request: HttpRequest, obj: models.Model, names: Iterable[str]) -> list[Button]:
    """The dialogs `names` as buttons on `obj`'s page; the first `primary` one that may be pressed stands out.

    What the state doesn't allow, or is another role's business, is left out; what only this person may not do
    stays, grey, with the reason.
    """
    made: list[Button] = []
    for name in names:
        spec: Spec = getattr(admin, name).spec
        verdict = may(request.user, spec.verb, obj)
        if not verdict and not _almost(request.user, spec.verb, obj):
            continue
        if spec.offered and not spec.offered(request, obj):
            continue
        url = reverse(f"admin:{admin.opts.app_label}_{admin.opts.model_name}_{name}", args=[obj.pk])
        strong = spec.primary and bool(verdict) and not any(button.primary for button in made)
        made.append(Button(spec.text("label", request, obj), url, spec.icon, verdict.why, spec.danger, strong))
    return made


def _almost(user: Any, verb: str, obj: Any) -> bool:
    in_time = getattr(obj, "state", None) in STATES_OF.get(verb, ())
    return in_time and bool(roles_of(user) & set(ROLE_OF[verb]))
