"""Rows of a list without what Unfold renders again for each of them: the heads, and the box to tick.

Both are templates of their own; fifty rows of them took as long as everything else on the page.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.utils.safestring import SafeString, mark_safe
from unfold import admin as unfold_admin
from unfold.templatetags import unfold_list

_HERE = "row-of-the-box"


def tick_all() -> SafeString:
    """The head of the boxes' column, as Unfold makes it."""
    return SafeString(unfold_admin.checkbox.render("action_toggle_all", 1))  # nosec B703 # what Unfold rendered, and it escapes


def tick(pk: Any) -> SafeString:
    """The box of one row: rendered once, and from then on with another number in it."""
    if not isinstance(pk, int):
        return SafeString(unfold_admin.checkbox.render(ACTION_CHECKBOX_NAME, str(pk)))  # nosec B703 # what Unfold rendered, and it escapes
    return mark_safe(_box().replace(_HERE, str(pk)))  # noqa: S308  (a number, in what Unfold rendered)  # nosec B308, B703 # a number, in what Unfold rendered


@cache
def _box() -> str:
    return unfold_admin.checkbox.render(ACTION_CHECKBOX_NAME, _HERE)


def once(heads: Callable[[Any], Iterable[dict[str, Any]]]) -> Callable[[Any], list[dict[str, Any]]]:
    """The heads of one list of one answer, reckoned once: Unfold asks for them with every row."""

    def result_headers(cl: Any) -> list[dict[str, Any]]:
        if not hasattr(cl, "lsq_heads"):
            cl.lsq_heads = list(heads(cl))
        return cl.lsq_heads

    return result_headers


unfold_list.result_headers = once(unfold_list.result_headers)
