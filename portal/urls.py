"""The addresses that people, LeadSquared and watchers rely on."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from lsq_ops import health, metrics, webhooks
from portal import refusals

handler400 = "portal.refusals.not_understood"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    # Parts of the admin that no page here uses: fewer doors, and the search fails on a page that is no number.
    path("admin/search/", refusals.nowhere),
    path("admin/autocomplete/", refusals.nowhere),
    path("admin/r/<path:content_type_id>/<path:object_id>/", refusals.nowhere),
    path("admin/", include("lsq_ops.admin.doors")),  # first: these stand in place of Django's own
    path("admin/", admin.site.urls),
    # Either way, because a redirect would lose the body of a POST.
    re_path(r"^webhooks/leadsquared/(?P<token>[\s\S]+?)/?$", webhooks.receive),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", metrics.metrics),
]
