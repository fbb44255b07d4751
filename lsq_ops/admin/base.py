"""What every page of the staff's door has in common: it shows, and changes nothing except through dialogs."""

import re
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList

from lsq_ops.admin import dialogs, lists
from lsq_ops.admin.quick_rows import tick, tick_all
from lsq_ops.services.may import may
from lsq_ops.wording import lazy

LONGEST_SEARCH = 1000
NOTHING = SafeString("–")
_PERMISSION = re.compile(r"has_(\w+)_permission")
_NUMBER = re.compile(r"[0-9]{1,18}")


def by_post(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """What a button does. Who signs in again is led back to its address, and finds a page there, not a blank."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST":
            return view(request, *args, **kwargs)
        return TemplateResponse(request, "405.html", status=405, headers={"Allow": "POST"})

    return guarded


class PlainList(ChangeList):
    """The foot says how many rows there are; a second, unfiltered count would cost more than the page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count


class BaseAdmin(ModelAdmin):
    """Read-only. A subclass gives `facts()` (or a `page_template` and `page_context()`) and its dialogs."""

    page_template = "lsq_ops/record.html"
    polls = False  # whether the page asks for itself while something goes on
    list_before_template = "lsq_ops/lists/chips.html"
    list_after_template = "lsq_ops/lists/take.html"
    empty_says = lazy("There is none yet.")  # where the list has no row at all: what to do next
    file_verb = "look"  # who may take the list away as a file
    show_full_result_count = False
    list_per_page = 40
    list_fullwidth = True
    list_filter_submit = True
    actions_on_top = True
    show_facets = ShowFacets.NEVER  # to count each choice of each filter is to read the whole table for each

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(may(request.user, "look"))

    has_module_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_change_permission = has_delete_permission = has_add_permission

    def __getattr__(self, name: str) -> Any:
        # Django and Unfold ask `has_<verb>_permission` for each verb that an action names; may() knows them.
        if match := _PERMISSION.fullmatch(name):
            return partial(self._may, match[1])
        raise AttributeError(name)

    def _may(self, verb: str, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(may(request.user, verb, self.get_object(request, unquote(object_id)) if object_id else None))

    @display(description=tick_all())
    def action_checkbox(self, obj: models.Model) -> str:
        return tick(obj.pk)

    def get_empty_value_display(self) -> SafeString:
        return NOTHING  # asked for three times for each cell

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        """Django's own, but what it would hand to the database unseen is a sentence here."""
        if why := _odd_address(request):
            messages.warning(request, _("{why} This is the list without it.").format(why=why))
            return redirect(request.path)
        if why := self._barred_action(request):
            raise PermissionDenied(why)
        if ticked := request.POST.getlist(ACTION_CHECKBOX_NAME):
            post = request.POST.copy()
            post.setlist(ACTION_CHECKBOX_NAME, [one for one in ticked if _NUMBER.fullmatch(one)])
            request.POST = post  # type: ignore[assignment]
        response = super().changelist_view(request, extra_context)
        if (about := getattr(response, "context_data", None)) and (shown := about.get("cl")):
            about |= {"chips": lists.chips(shown, request), "may_take": may(request.user, self.file_verb)}
        return response

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_file"
        return [path("file/", self.admin_site.admin_view(by_post(self.as_file)), name=name), *super().get_urls()]

    def as_file(self, request: HttpRequest) -> HttpResponseBase:
        """The list as CSV or XLSX. By POST, because the trail remembers it."""
        if why := _odd_address(request):
            messages.warning(request, why)
            return redirect("..")
        try:
            return lists.file_of(self, request)
        except IncorrectLookupParameters:
            return redirect("..")

    def _barred_action(self, request: HttpRequest) -> str:
        """Why this person may not run the list's action that was posted; Django would leave it out in silence."""
        for action in self.actions or ():
            made = getattr(self, action) if isinstance(action, str) else action
            if made.__name__ == request.POST.get("action"):
                return may(request.user, made.allowed_permissions[0]).why
        return ""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PlainList

    def found(self, request: HttpRequest, object_id: str) -> Any:
        """The object of an address, or a 404 that says what was looked for."""
        obj = self.get_object(request, unquote(str(object_id)))
        if obj is None:
            raise Http404(_("There is no {verbose_name} with this number.").format(verbose_name=self.opts.verbose_name))
        return obj

    def address(self, obj: models.Model | None) -> str:
        """The page of `obj`; of the list where there is none."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        return reverse(f"{name}_change", args=[obj.pk]) if obj and obj.pk else reverse(f"{name}_changelist")

    def facts(self, request: HttpRequest, obj: Any) -> list[tuple[str, Any]]:
        """(label, value) rows of the page; a model or a datetime is shown the way every page shows it."""
        return []

    def headline(self, obj: Any) -> str:
        return str(obj)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict | None = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        obj = self.found(request, object_id)
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        response = self.shown(request, obj, **(extra_context or {}))
        if self.polls:
            response["X-Live"] = "1"  # a page of a session that has ended lacks it
        return response

    def shown(self, request: HttpRequest, obj: Any, **extra: Any) -> HttpResponse:
        """The page of `obj`."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": self.headline(obj),
            "original": obj,
            "facts": self.facts(request, obj),
            "buttons": dialogs.buttons(self, request, obj, self.actions_detail),
            **self.page_context(request, obj),
            **extra,
        }
        return TemplateResponse(request, self.page_template, context)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # Django's own way to a form that saves; nothing here has one.
        return HttpResponseNotAllowed(["GET"])

    def history_view(self, request: HttpRequest, object_id: str, extra_context: dict | None = None) -> HttpResponse:
        raise Http404(_("The audit trail keeps the history."))


def _odd_address(request: HttpRequest) -> str:
    """What no database takes: SQLite no pattern of 50,000 characters, PostgreSQL no NUL."""
    if len(request.GET.get(SEARCH_VAR, "")) > LONGEST_SEARCH:
        return _("The search is longer than {longest_search:,} characters.").format(longest_search=LONGEST_SEARCH)
    if any("\0" in value for __, values in request.GET.lists() for value in values):
        return _("The address holds a character that no text has (NUL).")
    return ""
