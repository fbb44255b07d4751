"""Bringing leads in: find them in LeadSquared, read their facts now, and order the reading of what is on them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from lsq_ops.leadsquared.client import Client
from lsq_ops.leadsquared.errors import LeadSquaredError
from lsq_ops.leadsquared.records import LeadRecord
from lsq_ops.models import Account, ActivitySnapshot, ActivityType, Lead, audited, db_now, record
from lsq_ops.wording import lazy

from . import accounts, erased_ids, mirror, reading
from .budget import BudgetSpent
from .may import Barred, Person, need

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
AT_ONCE = 200
ERASED = lazy("was erased from the portal; a policy admin can let it come in again")
LONGEST_QUERY = 200  # it travels in an address
Subject = ActivitySnapshot.Subject


@dataclass(frozen=True, slots=True)
class Found:
    """A lead that LeadSquared found; not yet in the mirror unless it says so."""

    prospect_id: str
    number: str
    name: str
    email: str
    phone: str
    in_mirror: bool


@dataclass(slots=True)
class Added:
    """The leads that were read, and a sentence for each id that was not."""

    taken: list[Lead] = field(default_factory=list)
    verdicts: list[tuple[str, str]] = field(default_factory=list)


def search(user: Person, query: str) -> list[Found]:
    """Leads in LeadSquared by prospect id, e-mail, phone or name. Barred, with the cause, when it can't be asked."""
    need(user, "refresh_mirror")
    query = query.strip()
    if len(query) < 3:
        raise Barred(_("Type at least three characters: a prospect id, an e-mail, a phone number or a name."))
    if len(query) > LONGEST_QUERY:
        raise Barred(
            _("Type at most {longest_query} characters: a prospect id, an e-mail, a phone number or a name.").format(
                longest_query=LONGEST_QUERY
            )
        )
    account = accounts.current_account()
    with accounts.told():
        leads = _look_up(accounts.client(account), query)
    unique = {lead.prospect_id: lead for lead in leads}
    known = set(Lead.objects.filter(account=account, prospect_id__in=unique).values_list("prospect_id", flat=True))
    return [_found(lead, lead.prospect_id in known) for lead in unique.values()]


def add_leads(user: Person, prospect_ids: list[str]) -> Added:
    """Read these leads' facts now, at most 200 at once; their activities and tasks are read by the worker."""
    need(user, "refresh_mirror")
    added, wanted = Added(), list(dict.fromkeys(text.strip().strip("{}").lower() for text in prospect_ids))
    ids = [text for text in wanted if GUID.fullmatch(text)]
    expected = _("is not a prospect id; expected something like 3aee22bd-8419-422a-8242-c510df9af021")
    added.verdicts = [(text, expected) for text in wanted if text not in ids]
    if len(ids) > AT_ONCE:
        raise Barred(
            _("{count} leads at once are too many; add at most {at_once}, the rest after them.").format(
                count=len(ids), at_once=AT_ONCE
            )
        )
    account = accounts.current_account()
    with accounts.told():
        found = {lead.prospect_id: lead for lead in _fetch(accounts.client(account), ids)}
    erased = erased_ids.among(account, found)
    added.verdicts += [(text, ERASED) for text in ids if text in erased]
    lost = [text for text in ids if text not in found]
    added.verdicts += [(text, _("LeadSquared knows no such lead: deleted, merged or mistyped")) for text in lost]
    with audited():
        mirror.mark_gone(account, lost)
        added.taken = mirror.write_leads(account, found.values())
        for lead in added.taken:
            record("lead.added", lead, actor=str(user), prospect_id=lead.prospect_id)
    if added.taken and not ActivityType.objects.filter(account=account).exists():
        _read_types_and_users(account)
    subjects = [
        (kind.value, lead.prospect_id) for lead in added.taken for kind in (Subject.LEAD_ACTIVITIES, Subject.LEAD_TASKS)
    ]
    reading.order(account, subjects, reading.Lane.MIRROR, since=db_now())
    return added


def refresh(user: Person, prospect_ids: list[str]) -> Added:
    """Read any number of leads anew, in parts that LeadSquared takes. Barred says how far it came."""
    done = Added()
    for first in range(0, len(prospect_ids), AT_ONCE):
        try:
            part = add_leads(user, prospect_ids[first : first + AT_ONCE])
        except Barred as no:
            if not done.taken:
                raise
            read = _("{count:,} of {count2:,} leads were read before; press again to go on.").format(
                count=len(done.taken), count2=len(prospect_ids)
            )
            raise Barred(f"{no} {read}") from None
        done.taken += part.taken
        done.verdicts += part.verdicts
    return done


def refresh_owner(user: Person, *owner_ids: str) -> None:
    """Order the reading of all tasks of these owners, open and completed."""
    need(user, "refresh_mirror")
    account = accounts.current_account()
    subjects = [(Subject.OWNER_TASKS.value, owner_id) for owner_id in owner_ids]
    reading.order(account, subjects, reading.Lane.MIRROR, since=db_now())


def _look_up(client: Client, query: str) -> list[LeadRecord]:
    guid = query.strip("{}").lower()
    if GUID.fullmatch(guid):
        lead = client.lead(guid)
        return [lead] if lead else []
    if "@" in query:
        return client.leads_by_email(query)
    digits = re.sub(r"\D", "", query)
    if len(digits) >= 6 and re.fullmatch(r"[+\d\s()./-]+", query):
        return client.leads_by_phone(query) or client.quick_search(query) or client.quick_search(digits)
    return client.quick_search(query)


def _fetch(client: Client, ids: list[str]) -> Iterable[LeadRecord]:
    if len(ids) == 1:
        lead = client.lead(ids[0])
        return [lead] if lead else []
    return client.leads(ids) if ids else []


def _found(lead: LeadRecord, in_mirror: bool) -> Found:
    name = f"{lead.first_name} {lead.last_name}".strip()
    return Found(lead.prospect_id, lead.number, name, lead.email, lead.phone or lead.mobile, in_mirror)


def _read_types_and_users(account: Account) -> None:
    """The account's activity types and users; where LeadSquared doesn't give them, forms offer what the mirror has
    seen."""
    try:
        client = accounts.client(account)
        mirror.write_types(account, client.activity_types())
        mirror.write_users(account, client.users())
    except (LeadSquaredError, BudgetSpent):
        return
