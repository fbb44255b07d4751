"""Every address that the portal answers, found by walking its own tables: nothing is listed by hand."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.admindocs.views import simplify_regex
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern


@dataclass(frozen=True, slots=True)
class Address:
    """`route` is also the name of its row: admin/auth/user/<object_id>/lock/. `one` is the admin it belongs to, `verb`
    what a dialog or an action of a list asks may() for, `action` the name of the latter."""

    route: str
    one: Any = None
    verb: str = ""
    action: str = ""

    @property
    def name(self) -> str:
        return f"{self.route or '/'} {self.action}".strip()

    def path(self, values: dict[str, Any]) -> str:
        return "/" + re.sub(r"<(\w+)>", lambda found: str(values.get(found[1], "1")), self.route)


def every_address() -> list[Address]:
    """Sorted by name; an address that stands in the tables twice counts once."""
    found = {address.name: address for address in [*_pages(), *_list_actions()]}
    return [found[name] for name in sorted(found)]


def _pages() -> Iterator[Address]:
    owners = {
        pattern.name: one
        for one in admin.site._registry.values()
        for pattern in one.get_urls()
        if isinstance(pattern, URLPattern) and pattern.name
    }
    for route, pattern in _walk(get_resolver()):
        one = owners.get(pattern.name)
        yield Address(route, one, _verb(one, pattern.name))


def _walk(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for part in resolver.url_patterns:
        route = before + _readable(part.pattern)
        if isinstance(part, URLPattern):
            yield route, part
        else:
            yield from _walk(part, route)


def _readable(pattern: Any) -> str:
    if isinstance(pattern, RoutePattern):
        return re.sub(r"<\w+:(\w+)>", r"<\1>", str(pattern))
    return simplify_regex(str(pattern)).lstrip("/").replace("/?", "/")


def _verb(one: Any, name: str) -> str:
    if one is None:
        return ""
    view = getattr(type(one), name.removeprefix(f"{one.opts.app_label}_{one.opts.model_name}_"), None)
    return view.spec.verb if hasattr(view, "spec") else ""


def _list_actions() -> Iterator[Address]:
    for one in admin.site._registry.values():
        route = f"admin/{one.opts.app_label}/{one.opts.model_name}/"
        for action in one.actions or ():
            made = getattr(one, action) if isinstance(action, str) else action
            yield Address(route, one, made.allowed_permissions[0], made.__name__)
