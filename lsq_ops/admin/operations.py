"""The operations page: lamp, lanes, budget, what waits, what went wrong; and the same as JSON."""

from dataclasses import asdict

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from lsq_ops.admin import face
from lsq_ops.admin.pages import framed
from lsq_ops.services import operations
from lsq_ops.services.may import may


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    account = face.current_account(request)
    alarms = [(alarm, _button(request, alarm)) for alarm in operations.alarms(account)]
    waits, waiting = operations.what_waits(account)
    lanes = operations.lanes(account)
    context = {
        "at": face.now(),
        "alarms": alarms,
        "lamp": operations.lamp(),
        "parts": operations.parts(),
        "busy": [lane for lane in lanes if lane.now or lane.later],
        "idle": [lane.name.lower() for lane in lanes if not (lane.now or lane.later)],
        "rings": operations.rings(),
        "gauge": operations.gauge(account) if account else None,
        "closed": operations.closed(account),
        "waits": waits,
        "waiting": waiting,
        "failures": operations.failures(account),
    }
    response = TemplateResponse(request, "lsq_ops/operations/page.html", framed(request, _("Operations"), **context))
    response["X-Live"] = "1"
    return response


@require_safe
def as_json(request: HttpRequest) -> HttpResponse:
    """What the page says, for programs of somebody who is signed in. Times are UTC, ages are left to the reader."""
    account = face.current_account(request)
    waits, waiting = operations.what_waits(account)
    closed = operations.closed(account)
    return JsonResponse(
        {
            "at": face.now(),
            "works": operations.lamp().works,
            "parts": [asdict(part) for part in operations.parts()],
            "paused": bool(account and account.is_paused),
            "paused_kinds": account.paused_kinds if account else {},
            "closed": asdict(closed) if closed else None,
            "lanes": [asdict(lane) for lane in operations.lanes(account)],
            "rings": operations.rings(),
            "budget": asdict(operations.gauge(account)) if account else None,
            "alarms": [_told(alarm) for alarm in operations.alarms(account)],
            "waiting": waiting,
            "waits": [{"request": str(one.request), "since": one.since, "next": one.next} for one in waits],
            "failures": [asdict(failure) for failure in operations.failures(account)],
        }
    )


def _told(alarm: operations.Alarm) -> dict[str, str]:
    return {
        "name": alarm.name,
        "says": alarm.says,
        "nothing_is_lost": _("yes") if alarm.lost else _("not said"),
        "if_you_do_nothing": alarm.if_nothing,
        "press": alarm.press,
        "do": alarm.do,
        "where": _url(alarm) if alarm.about else "",
    }


def _button(request: HttpRequest, alarm: operations.Alarm) -> dict[str, str] | None:
    """Where to press, and why this person may not; None where there is nothing to press."""
    if alarm.about is None:
        return None
    action = getattr(admin.site.get_model_admin(type(alarm.about)), alarm.action, None) if alarm.action else None
    spec = getattr(action, "spec", None)
    return {"url": _url(alarm), "why": may(request.user, spec.verb, alarm.about).why if spec else ""}


def _url(alarm: operations.Alarm) -> str:
    about: Model = alarm.about  # type: ignore[assignment]
    name = f"admin:{about._meta.app_label}_{about._meta.model_name}_{alarm.action or 'change'}"
    return reverse(name, args=[] if alarm.action == "changelist" else [about.pk])
