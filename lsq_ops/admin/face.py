"""How the portal shows itself: the environment, the navigation, the account; and the words of its pages."""

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _

from lsq_ops.admin import masking
from lsq_ops.models import Account, DeletionRequest
from lsq_ops.services import waiting
from lsq_ops.templatetags.lsq_ops import (
    ago,
    badge,
    both,
    clock,
    minute,
    now,
    person,
    plain,
    pretty,
    pretty_text,
    short,
    span,
    use_account,
    when,
    zone,
)

__all__ = [
    "ago",
    "badge",
    "both",
    "clock",
    "minute",
    "now",
    "person",
    "plain",
    "pretty",
    "pretty_text",
    "short",
    "span",
    "when",
    "zone",
]


def current_account(request: HttpRequest) -> Account | None:
    """Asked for once a page, by whoever needs it first."""
    if not hasattr(request, "lsq_account"):
        request.lsq_account = Account.objects.filter(current=True).first()  # type: ignore[attr-defined]
    return request.lsq_account  # type: ignore[attr-defined]


def frame(request: HttpRequest) -> dict[str, Any]:
    """What every page gets: the account, and from here on its local time."""
    account = current_account(request)
    use_account(account)
    return {"account": account, "sandbox_mode": settings.SANDBOX_MODE}


def waiting_for(request: HttpRequest) -> list[DeletionRequest]:
    """What waits for the one who looks; the menu's number and a page itself ask for it."""
    if not hasattr(request, "lsq_waiting"):
        request.lsq_waiting = waiting.waiting_for(request.user)  # type: ignore[attr-defined]
    return request.lsq_waiting  # type: ignore[attr-defined]


def environment(request: HttpRequest) -> tuple[str, str]:
    if settings.SANDBOX_MODE:
        return _("Sandbox"), "info"
    if settings.DEBUG or _is_near(settings.LSQ_HOST):
        return _("Test"), "warning"
    return _("Production"), "danger"


def environment_prefix(request: HttpRequest) -> str:
    name, tone = environment(request)
    return "" if tone == "danger" else f"[{name}]"


def _is_near(host: str) -> bool:
    name = urlsplit(host).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def account_name(request: HttpRequest) -> str:
    account = current_account(request)
    return str(account) if account else _("no account yet")


def mark(request: HttpRequest) -> str:
    return static("lsq_ops/mark.svg")


def stylesheet(request: HttpRequest) -> str:
    return static("lsq_ops/lsq_ops.css")


def script(request: HttpRequest) -> str:
    return static("lsq_ops/lsq_ops.js")


def keys(request: HttpRequest) -> str:
    return static("lsq_ops/keys.js")


def forms(request: HttpRequest) -> str:
    return static("lsq_ops/forms.js")


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    count = len(waiting_for(request))
    requests = _list("deletionrequest")
    on_mine = request.path == requests and request.GET.get("whose") == "waiting"
    return [
        {
            "items": [
                _item(_("Home"), "home", reverse("admin:index")),
                _item(
                    _("Waiting for me"),
                    "how_to_vote",
                    f"{requests}?whose=waiting",
                    on_mine,
                    badge=str(count or ""),
                ),
                _item(_("Requests"), "delete_sweep", requests, request.path.startswith(requests) and not on_mine),
            ]
        },
        {
            "title": _("Mirror"),
            "separator": True,
            "items": [
                _item(_("Leads"), "contacts", _list("lead")),
                _item(_("Activities"), "event_note", _list("activity")),
                _item(_("Tasks"), "task_alt", _list("task")),
                _item(_("LeadSquared users"), "badge", _list("crmuser")),
                _item(_("Uploads"), "upload_file", _list("uploadedlist")),
            ],
        },
        {
            "title": _("Control"),
            "separator": True,
            "items": [
                _item(_("Audit trail"), "fact_check", _list("auditevent")),
                _item(_("Operations"), "monitor_heart", reverse("operations")),
                _item(_("Set-up"), "checklist", reverse("set_up")),
                _item(_("Account"), "cloud_sync", _list("account")),
                _item(_("People"), "group", reverse("admin:auth_user_changelist")),
                _item(_("Approval policy"), "rule", _list("policy")),
                _item(_("Holds"), "back_hand", _list("hold")),
                _item(_("Retention"), "auto_delete", _list("retentionrun")),
                _item(_("Erasures"), "person_remove", _list("erasure")),
                _item(_("Mails"), "mail", _list("notice")),
            ],
        },
    ]


def own_pages(request: HttpRequest) -> list[dict[str, str]]:
    """The menu beside one's name."""
    return [
        {"title": _("Change password"), "link": reverse("admin:password_change")},
        {"title": _("Second factor"), "link": reverse("mfa_index")},
        {"title": _("My mails"), "link": reverse("my_mails")},
        {"title": _("Words"), "link": reverse("glossary")},
    ]


def _list(model: str) -> str:
    return reverse(f"admin:lsq_ops_{model}_changelist")


def _item(title: str, icon: str, link: str, active: bool | None = None, **rest: str) -> dict[str, Any]:
    item: dict[str, Any] = {
        "title": title,
        "icon": icon,
        "link": link,
        **{k: v for k, v in rest.items() if v},
    }
    return item if active is None else {**item, "active": active}


def lead_name(lead: Any) -> str:
    """Enough to tell two leads apart: the masked name and the number."""
    return f"{masking.name(lead.first_name, lead.last_name)} · {lead.number or lead.prospect_id[:8]}"
