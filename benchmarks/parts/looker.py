"""Opens every list of the portal, each of its filters and each kind of search, and the pages that are no list; says how
long each took.

python -m benchmarks.parts.looker LEADS [TEXT]   TEXT: only those whose name holds it
"""

import json
import logging
import re
import sys
import time
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, quote

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib import admin  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.signals import request_started  # noqa: E402
from django.db import connection, reset_queries  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.urls import reverse  # noqa: E402

from benchmarks.parts import filler  # noqa: E402
from lsq_ops.models import DeletionRequest, Lead  # noqa: E402

PAGE = "page: "  # begins the names of pages that are no list
NOT_ASKED = {"_facets", "o", "p", "all", "q", "_popup", "_to_field"}


def searches(leads: int) -> dict[str, dict[str, str]]:
    """What people type into the box of each list; of a lead from the middle, as in a list of any size."""
    one = leads // 2 + 1
    facts = filler._facts(one)
    return {
        "lead": {
            "id": filler.guid(1, one),
            "activity's id": filler.guid(3, one),
            "task's id": filler.guid(4, leads // 4),
            "number": facts["number"],
            "e-mail": facts["email"].upper(),
            "phone": facts["phone"].replace("-", " "),
            "end of phone": facts["phone"][-7:],
            "name": f"{facts['first_name']} {facts['last_name']}",
            "first name": "asha",
            "a letter": "a",
            "two words of many": "asha pillai",
            "nobody": "zzz nobody",
        },
        "activity": {"id": filler.guid(3, one), "lead's id": filler.guid(1, one), "nothing": "zzz"},
        "task": {
            "id": filler.guid(4, leads // 4),
            "lead's id": filler.guid(1, one // 2 * 2 + 1),
            "owner's id": filler.guid(2, 7),
            "name": "call back about offer 77",
            "beginning of all": "call",
            "owner's name": "owner 7",
            "nothing": "zzz",
        },
        "crmuser": {"name": "owner 7", "nothing": "zzz"},
        "deletionrequest": {"number": "DR-7", "ticket": "OPS-9", "words": "week 7", "nothing": "zzz"},
        "auditevent": {"actor": "rita", "request": "DR-7", "action": "call.gone", "number": "#17", "nobody": "zzz"},
        "hold": {"id": filler.guid(1, 1), "words": "court", "nothing": "zzz"},
        "user": {"name": "rita", "nobody": "zzz"},
    }


def addresses(client: Client, leads: int) -> dict[str, str]:
    """What is opened -> its address."""
    found = {}
    for model in admin.site._registry:
        name = model._meta.model_name or ""
        try:
            base = reverse(f"admin:{model._meta.app_label}_{name}_changelist")
        except Exception:
            continue
        answer = client.get(base)
        if answer.status_code != 200:
            continue
        found[name] = base
        for link in sorted(set(re.findall(r'href="(\?[^"]+)"', answer.content.decode()))):
            asked = dict(parse_qsl(unescape(link)[1:], keep_blank_values=True))
            if len(asked) == 1 and not NOT_ASKED & set(asked):
                key, value = next(iter(asked.items()))
                found[f"{name}, {key}={value}"] = base + unescape(link)
        found[f"{name}, page 2"] = f"{base}?p=2"
        found[f"{name}, last counted page"] = f"{base}?p=1000"
        for what, text in searches(leads).get(name, {}).items():
            found[f"{name}, search: {what}"] = f"{base}?q={quote(text)}"
    return found


def pages(leads: int) -> dict[str, str]:
    """Pages that are no list: the large request's, one that waits, a lead from the middle."""
    lead = Lead.objects.get(pk=leads // 2 + 1)
    pending, running = (DeletionRequest.objects.filter(state=state).first() for state in ("pending", "running"))
    own = {"Home": "admin:index", "Operations": "operations", "Operations as JSON": "operations_json"}
    found = {name: reverse(address) for name, address in {**own, "Set-up": "set_up"}.items()}
    for name, row in {"a large request": DeletionRequest.objects.get(pk=1), "a lead": lead}.items():
        found[name] = reverse(f"admin:lsq_ops_{row._meta.model_name}_change", args=[row.pk])
    for name, request in {"a request that waits": pending, "a request on its way": running}.items():
        if request:
            found[name] = reverse("admin:lsq_ops_deletionrequest_change", args=[request.pk])
    return {PAGE + name: address for name, address in found.items()}


def look(client: Client, address: str) -> dict[str, Any]:
    begun, worked = time.perf_counter(), time.process_time()
    answer = client.get(address, follow=True)
    took, worked = (time.perf_counter() - begun) * 1000, (time.process_time() - worked) * 1000
    if answer.status_code != 200:
        raise RuntimeError(f"{address} answered {answer.status_code}")
    return {"ms": took, "cpu_ms": worked, "kb": round(len(answer.content) / 1000)}


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as asked:
        client.get(address, follow=True)
    return len(asked)


def main(leads: int, text: str = "") -> None:
    logging.disable(logging.CRITICAL)
    settings.ALLOWED_HOSTS = ["testserver"]
    request_started.disconnect(reset_queries)  # or nothing is left to count
    client = Client()
    client.force_login(User.objects.get(username="arun"), "django.contrib.auth.backends.ModelBackend")
    every = addresses(client, leads) | pages(leads)
    wanted = {name: address for name, address in every.items() if text.lower() in name.lower()}
    print(json.dumps({name: queries(client, address) for name, address in wanted.items()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(look(client, wanted[json.loads(line)[0]])), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
