"""Attacks through the portal's own doors: people press what they may not, forms are replayed and made up."""

from django.urls import reverse

from lsq_ops.models import ApproverGrant, DeletionRequest, Vote

from .stage import HONEST, INVOLVED, RIGHTLESS
from .tricks import ANY, ON_ITS_WAY, WAITING, Attack, trick


def _post(a: Attack, who: str, address: str, **form: object) -> None:
    """A page refuses by its answer; it went through where it sends the browser on."""
    answer = a.stage.doors[who].post(address, form)
    if answer.status_code == 302 and "login" not in answer["Location"]:
        a.hand.passed += 1
    else:
        a.hand.refused += 1


def _dialog(request: DeletionRequest, name: str) -> str:
    return reverse(f"admin:lsq_ops_deletionrequest_{name}", args=[request.pk])


@trick("page", *WAITING)
def a_vote_by_the_page(a: Attack) -> None:
    request, who = a.request, a.random.choice([*INVOLVED, *RIGHTLESS])
    _post(a, who, _dialog(request, "approve"), digest=request.version.digest, count=request.version.items_count)


@trick("page", "voted on before")
def a_stale_form(a: Attack) -> None:
    request = a.request
    old = request.versions.get(number=2)
    _post(a, a.random.choice(HONEST), _dialog(request, "approve"), digest=old.digest, count=old.items_count)


@trick("page", "one vote of two", "one team of two")
def a_double_click(a: Attack) -> None:
    request = a.request
    for _ in range(2):
        _post(a, "arun", _dialog(request, "approve"), digest=request.version.digest, count=request.version.items_count)


@trick("page", *ON_ITS_WAY, "cancelled", "draft")
def a_button_of_another_time(a: Attack) -> None:
    request, who = a.request, a.random.choice([*INVOLVED, *RIGHTLESS, *HONEST])
    name = a.random.choice(["approve", "confirm_vote", "submit"])
    if name == "submit" and request.state == "draft":
        name = "approve"
    _post(a, who, _dialog(request, name), digest=request.version.digest, count=request.version.items_count)


@trick("page", *ANY)
def djangos_own_forms(a: Attack) -> None:
    who = a.random.choice(["root", *INVOLVED])
    row = a.random.choice([a.request, Vote.objects.first(), ApproverGrant.objects.first()])
    name = f"admin:{row._meta.label_lower.replace('.', '_')}"
    try:
        address = reverse(f"{name}_{a.random.choice(['change', 'delete'])}", args=[row.pk])
    except Exception:
        address = f"/admin/lsq_ops/{row._meta.model_name}/{row.pk}/change/"
    _post(a, who, address, state="approved", version_number=1, post="yes", _save="Save")
