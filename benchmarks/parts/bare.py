"""The portal's addresses, and a bare view beside them: what the webhook receiver is measured against.

It reads the body and gives the receiver's answer, in the same server, behind the same middleware, without a database.
"""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from lsq_ops import webhooks
from portal import urls

handler400 = urls.handler400


@csrf_exempt
def bare(request: HttpRequest, token: str) -> HttpResponse:
    request.read(webhooks.CAP)
    return JsonResponse({"Status": "Success", "StatusReason": ""})


urlpatterns = [*urls.urlpatterns, path("bare/leadsquared/<str:token>/", bare)]
