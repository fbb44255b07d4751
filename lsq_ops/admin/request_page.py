"""The one page of a request's whole life: what goes, who decides, what comes next, and the evidence in tabs.

Everything is cut into pages on the server: 12,000 items weigh no more than 50.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from lsq_ops import kinds
from lsq_ops.admin import dialogs, difference_page, face
from lsq_ops.admin.request_forms import number_in
from lsq_ops.models import DeletionItem, DeletionRequest, Lead, RequestVersion, Task, Vote
from lsq_ops.services import items as item_service
from lsq_ops.services import policy, preview, story, striking, talk
from lsq_ops.services import versions as version_service
from lsq_ops.services.may import lapsed_votes, may

ROWS = 50
TOLD = 40  # events of the timeline on the page itself; the tab has them all


def parts(admin: Any, request: HttpRequest, obj: DeletionRequest) -> dict[str, Callable[[], dict[str, Any]]]:
    """Each part of the page that can change by itself, by its template's name; called only where it is shown."""
    return {
        "head": lambda: head(admin, request, obj),
        "what": lambda: what(request, obj),
        "next": lambda: coming(request, obj),
        "panel": lambda: panel(request, obj),
        "talk": lambda: spoken(request, obj),
        "story": lambda: told(obj),
    }


def stage(obj: DeletionRequest) -> str:
    """What the heavy parts depend on: they are sent again only when this changes."""
    version = obj.version
    return f"{obj.state}-{version.number}-{version.reading}"


def head(admin: Any, request: HttpRequest, obj: DeletionRequest) -> dict[str, Any]:
    version = obj.version
    return {
        "kind": kinds.get(obj.kind),
        "asked": kinds.get(obj.kind).describe(version.parameters, obj.account),
        "closing": story.closing_sentence(obj) if obj.ended_at else "",
        **proposed(request, obj),
        "buttons": dialogs.buttons(admin, request, obj, admin.actions_detail),
    }


def proposed(request: HttpRequest, obj: DeletionRequest) -> dict[str, Any]:
    """What an approver proposes to leave out, and whether this person may do so with one click."""
    vote = striking.proposal(obj)
    if vote is None:
        return {}
    why = may(request.user, "leave_out", obj).why
    return {"proposal": vote, "proposal_words": striking.in_words(vote), "proposal_why": why}


def what(request: HttpRequest, obj: DeletionRequest) -> dict[str, Any]:
    source = obj.version.source
    names_file = "upload" in source and bool(may(request.user, "see", obj))  # a file's name may name people
    return {"facts": preview.facts(obj), "source": source, "names_file": names_file}


def coming(request: HttpRequest, obj: DeletionRequest) -> dict[str, Any]:
    """Who decides, what comes next and when."""
    version = obj.version
    reading = version.reading == RequestVersion.Reading.READING or version.recheck_from
    planned = version.items_count and not version.submitted_at
    return {
        "tier": policy.tier_of(obj) if planned else None,
        "eligible": len(policy.eligible(obj)),
        "shortage": policy.shortage(obj, policy.tier_of(obj)) if planned else "",
        "next": story.next_step(obj),
        "reading": preview.progress(obj) if reading else None,
        "outcomes": story.outcome_counts(obj) if obj.started_at else {},
        "phases": story.phases(obj) if obj.started_at else [],
        "seats": (taken := seats(obj)),
        "empty_seats": range(max(0, version.approvals_needed - sum(1 for one in taken if one.counts))),
        "vote_why": may(request.user, "vote", obj).why,
    }


def spoken(request: HttpRequest, obj: DeletionRequest) -> dict[str, Any]:
    verdict = may(request.user, "ask", obj)
    return {"thread": talk.thread(obj), "may_ask": bool(verdict)}


def told(obj: DeletionRequest) -> dict[str, Any]:
    events = story.timeline(obj)
    return {"timeline": events[-TOLD:], "earlier": max(0, len(events) - TOLD)}


@dataclass(frozen=True, slots=True)
class Seat:
    """A vote that stands on this version; an approval whose giver left or lost the grant counts no more."""

    vote: Vote
    counts: bool
    lapsed: bool
    lapsed_at: datetime | None


def seats(obj: DeletionRequest) -> list[Seat]:
    standing = obj.version.votes.filter(takes_back__isnull=True, taken_back_by__isnull=True)
    lapsed = {vote.pk: story.lapsed_at(vote) for vote in lapsed_votes(obj)}
    for_it = (Vote.Decision.APPROVE, Vote.Decision.CONFIRM)
    return [
        Seat(vote, vote.decision in for_it and vote.pk not in lapsed, vote.pk in lapsed, lapsed.get(vote.pk))
        for vote in standing.select_related("voter", "team")
    ]


# --- The tabs ---


@dataclass(frozen=True, slots=True)
class Tab:
    name: str
    title: str
    count: int | None
    rows: Callable[[HttpRequest, DeletionRequest], dict[str, Any]]


def tabs(obj: DeletionRequest) -> list[Tab]:
    version = obj.version
    return [
        Tab("items", _("Items"), version.items_count, items),
        Tab("leads", _("Leads"), version.leads_count, leads),
        Tab("kept", _("What stays"), version.kept_count, kept),
        Tab("calls", _("Calls"), version.calls_count, calls),
        Tab("votes", _("Votes"), obj.votes.count(), votes),
        Tab("snapshots", _("Snapshots"), obj.snapshots.count(), snapshots),
        *([Tab("versions", _("Versions"), obj.version_number, versions)] if obj.version_number > 1 else []),
        Tab("timeline", _("Timeline"), None, timeline),
    ]


def panel(request: HttpRequest, obj: DeletionRequest) -> dict[str, Any]:
    """The open tab: its rows on one page, and the template that shows them."""
    every = tabs(obj)
    tab = next((one for one in every if one.name == request.GET.get("tab")), every[0])
    return {
        "tabs": every,
        "tab": tab.name,
        "tab_template": f"lsq_ops/request/tab_{tab.name}.html",
        "query": query_of(request, "page", "seen"),
        **tab.rows(request, obj),
    }


def query_of(request: HttpRequest, *without: str) -> str:
    query = request.GET.copy()
    for name in without:
        query.pop(name, None)
    return query.urlencode()


def _page(request: HttpRequest, rows: Any) -> Page:
    return Paginator(rows, ROWS).get_page(request.GET.get("page"))


def items(request: HttpRequest, obj: DeletionRequest) -> dict[str, Any]:
    """The odd ones first, then in the order of the calls; above them a few to look at before all others."""
    wanted, sees = wanted_items(request, obj), may(request.user, "see", obj)
    page = _page(request, item_service.chosen(request.user, obj.version, wanted).select_related("call"))
    types = obj.version.items.order_by("event_code").values_list("event_code", "label").distinct()[:100]
    first = {} if wanted or page.number > 1 or obj.version.items_count <= ROWS else _first_looks(request, obj)
    return {
        "page": page,
        "codes": [(number, label) for number, label in types if number is not None],
        "outcomes": DeletionItem.Outcome.choices,
        "wanted": wanted,
        "first_looks": first,
        "known": mirrored(obj, [*page, *(item for few in first.values() for item in few)]),
        "of_owners": obj.kind == "tasks",
        "barred": sees.why,
        "item_query": (query := item_query(wanted)),
        "strike_query": query if may(request.user, "vote", obj) else None,
    }


def _first_looks(request: HttpRequest, obj: DeletionRequest) -> dict[str, list[DeletionItem]]:
    drawn = item_service.first_looks(request.user.pk, obj.version)
    named = {"Five odd ones": drawn["odd"], "Five at random": drawn["random"]}
    return {name: few for name, few in named.items() if few}


def chosen_items(request: HttpRequest, obj: DeletionRequest) -> QuerySet[DeletionItem]:
    """Those that the address asks for."""
    return item_service.chosen(request.user, obj.version, wanted_items(request, obj))


def wanted_items(request: HttpRequest, obj: DeletionRequest) -> item_service.Wanted:
    """The address's filter; garbage in it asks for nothing, and a text only counts for who may see the contents."""
    outcome, text = _text_in(request, "outcome"), _text_in(request, "text")[:100]
    return item_service.Wanted(
        lead=_text_in(request, "lead").lower(),
        owner=_text_in(request, "owner").lower(),
        call=number_in(request, "call"),
        code=number_in(request, "code"),
        outcome=outcome if outcome in DeletionItem.Outcome.values else "",
        odd=request.GET.get("odd") == "1",
        since=_day_in(request, "since"),
        until=_day_in(request, "until"),
        text=text if may(request.user, "see", obj) else "",
    )


def item_query(wanted: item_service.Wanted) -> str:
    """The filter as an address has it."""
    given = {name: 1 if value is True else value for name, value in wanted.given().items()}
    return urlencode(given)


def _text_in(request: HttpRequest, name: str) -> str:
    return request.GET.get(name, "").replace("\0", "").strip()


def _day_in(request: HttpRequest, name: str) -> date | None:
    try:
        return date.fromisoformat(_text_in(request, name))
    except ValueError:
        return None


def mirrored(obj: DeletionRequest, rows: Any) -> dict[str, tuple[int, str]]:
    """prospect id -> (the mirror's row, what to call the lead), for the rows of one page."""
    ids = {row["lead_id"] if isinstance(row, dict) else row.lead_id for row in rows}
    found = Lead.objects.filter(account=obj.account, prospect_id__in=ids)
    return {lead.prospect_id: (lead.pk, face.lead_name(lead)) for lead in found}


def leads(request: HttpRequest, obj: DeletionRequest) -> dict[str, Any]:
    grouped = obj.version.items.order_by().values("lead_id").annotate(n=Count("pk")).order_by("-n", "lead_id")
    page = _page(request, grouped)
    for row in page:
        row["all"] = (obj.version.shares.get(row["lead_id"]) or (None, None))[1]
    return {"page": page, "known": mirrored(obj, page)}


def kept(request: HttpRequest, obj: DeletionRequest) -> dict[str, Any]:
    rows = obj.version.kept.all()
    show = request.GET.get("show", "")
    if show == "left_out":
        rows = rows.exclude(why="")
    else:
        rows = rows.filter(near=True) if show == "near" else rows
        rows = rows.order_by("lead_id", "at", "id")
    page = _page(request, rows)
    return {"page": page, "show": show, "known": mirrored(obj, page)}


def calls(request: HttpRequest, obj: DeletionRequest) -> dict[str, Any]:
    people = ("decisions__proposed_by", "decisions__confirmed_by")
    page = _page(request, obj.version.calls.prefetch_related("attempts__receipts", *people))
    closing = obj.decisions.filter(call__isnull=True).select_related("proposed_by", "confirmed_by")
    owners = {call.owner_id: owner_name(obj, call.owner_id) for call in page if call.owner_id}
    return {"page": page, "closing_decisions": closing, "owners": owners, "known": mirrored(obj, page)}


def owner_name(obj: DeletionRequest, owner_id: str) -> str:
    tasks = Task.objects.filter(account=obj.account, owner_id=owner_id)
    return tasks.values_list("owner_name", flat=True).first() or ""


def votes(request: HttpRequest, obj: DeletionRequest) -> dict[str, Any]:
    page = _page(request, obj.votes.select_related("voter", "team", "version").order_by("id"))
    for vote in page:
        if vote.decision == Vote.Decision.CHANGES:
            vote.out, vote.out_words = vote.strike_outs.all()[:ROWS], striking.in_words(vote)
    return {"page": page}


def snapshots(request: HttpRequest, obj: DeletionRequest) -> dict[str, Any]:
    page = _page(request, obj.snapshots.order_by("id"))
    barred = may(request.user, "see", obj).why
    return {"page": page, "barred": barred, "earlier": {} if barred else difference_page.earlier(obj, list(page))}


def versions(request: HttpRequest, obj: DeletionRequest) -> dict[str, Any]:
    return {"steps": version_service.steps(obj)}


def timeline(request: HttpRequest, obj: DeletionRequest) -> dict[str, Any]:
    return {"page": _page(request, story.timeline(obj))}
