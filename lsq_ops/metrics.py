"""The door for Prometheus, and the only import of its client. Nothing is counted in this process: each look reads the
tables, so it says the same whichever web process answers."""

import hmac
from collections.abc import Iterator

from django.conf import settings
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from lsq_ops.services.figures import figures

PREFIX = "lsq_ops_"


class Tables(Collector):
    def describe(self) -> list[GaugeMetricFamily]:
        return []  # else the registry would read the tables once more to find the names

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for figure in figures():
            family = GaugeMetricFamily(
                f"{PREFIX}{figure.name}", f"{figure.says}.", labels=[figure.label] if figure.label else []
            )
            for label, value in figure.values:
                family.add_metric([label] if figure.label else [], value)
            yield family


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """With METRICS_TOKEN as a bearer; where none is set, there is no such page."""
    if not settings.METRICS_TOKEN:
        raise Http404
    if not _may(request):
        return _plain("The token is missing or another one.", 401, **{"WWW-Authenticate": "Bearer"})
    registry = CollectorRegistry()
    registry.register(Tables())
    try:
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
    except DatabaseError:
        return _plain("The database does not answer.", 503)


def _may(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    same = hmac.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
    return same and scheme.lower() == "bearer"


def _plain(text: str, status: int, **headers: str) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8", headers=headers)
