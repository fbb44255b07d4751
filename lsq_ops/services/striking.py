"""Strike-outs: who asks for changes may propose to leave out leads or single records; the requester's click makes that
version, so that the approver stays one who may vote on it."""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from django.utils.translation import gettext as _

from lsq_ops.models import (
    DeletionRequest,
    RequestTarget,
    RequestVersion,
    StrikeOut,
    Vote,
    audited,
    record,
    timing,
)
from lsq_ops.wording import counted, listed

from . import drafting, uploads
from .may import Barred, Person, need

Strike = tuple[str, str]  # (lead, activity or task; its id)
BATCH = 500


def read(version: RequestVersion, text: str) -> tuple[list[Strike], list[str]]:
    """What pasted lines name, and a sentence for each line that names nothing which the request would delete."""
    upload = uploads.read_text(text, record_type="any")
    found = dict(named(version, upload.ids))
    wrong = [
        (r.line, _("line {line}: {sentence}.").format(line=r.line, sentence=r.sentence))
        for r in upload.refused
        if not uploads.normal_id(r.text)
    ]
    for one in upload.ids:
        if one not in found:
            line = upload.line_of[one]
            wrong.append(
                (
                    line,
                    _("line {line}: {request} deletes no lead or item {one}.").format(
                        line=line, request=version.request, one=one
                    ),
                )
            )
    return [(found[one], one) for one in upload.ids if one in found], [sentence for __, sentence in sorted(wrong)]


def named(version: RequestVersion, ids: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(id, lead, activity or task) of those ids that are a lead or an item of the version."""
    of_items = record_type(version)
    for part in _parts(list(ids)):
        for lead in version.items.filter(lead_id__in=part).order_by().values_list("lead_id", flat=True).distinct():
            yield lead, "lead"
        for item in version.items.filter(record_id__in=part).values_list("record_id", flat=True):
            yield item, of_items


def record_type(version: RequestVersion) -> str:
    return "task" if version.request.kind == "tasks" else "activity"


def covered(version: RequestVersion, strikes: Iterable[Strike]) -> set[str]:
    """The items that would stay if these were left out."""
    ids: set[str] = set()
    for part in _parts([one for __, one in strikes]):
        ids.update(version.items.filter(lead_id__in=part).values_list("record_id", flat=True))
        ids.update(version.items.filter(record_id__in=part).values_list("record_id", flat=True))
    return ids


def told(strikes: Collection[Strike]) -> dict[str, Any]:
    """What the audit trail says of a proposal: counts, and the hash of the sorted list."""
    if not strikes:
        return {}
    leads = sum(1 for kind, __ in strikes if kind == "lead")
    text = "\n".join(f"{kind} {one}" for kind, one in sorted(set(strikes)))
    hashed = hashlib.sha256(text.encode()).hexdigest()
    return {"leads_out": leads, "records_out": len(strikes) - leads, "out": hashed}


def propose(vote: Vote, strikes: Collection[Strike]) -> None:
    """Keep the proposal with its vote; in the vote's own transaction, while the request is still pending."""
    if not strikes:
        return
    version, most = vote.version, timing().strike_outs
    if vote.decision != Vote.Decision.CHANGES:
        raise Barred(_("Only who asks for changes proposes what to leave out."))
    if len(strikes) > most:
        raise Barred(
            _("More than {most:,} leads and items to leave out; say in words what should be asked instead.").format(
                most=most
            )
        )
    if set(strikes) - {(kind, one) for one, kind in named(version, [one for __, one in strikes])}:
        raise Barred(
            _("{request} deletes nothing of some of these ids; look at its items again.").format(request=vote.request)
        )
    if len(covered(version, strikes)) >= version.items_count:
        raise Barred(_("That would leave nothing to delete. Reject the request instead."))
    rows = [StrikeOut(vote=vote, record_type=kind, record_id=one) for kind, one in dict.fromkeys(strikes)]
    StrikeOut.objects.bulk_create(rows, batch_size=BATCH)


def strikes_of(vote: Vote) -> list[Strike]:
    return list(vote.strike_outs.values_list("record_type", "record_id"))


def in_words(vote: Vote) -> str:
    """What a vote proposes to leave out: "2 leads and 3 items"; empty where nothing."""
    leads, every = vote.strike_outs.filter(record_type="lead").count(), vote.strike_outs.count()
    parts = [(leads, "lead"), (every - leads, "item")]
    return listed([counted(n, noun) for n, noun in parts if n])


def proposes(vote: Vote) -> str:
    words = in_words(vote)
    return _(" and proposes to leave out {words}").format(words=words) if words else ""


def proposal(request: DeletionRequest) -> Vote | None:
    """The vote whose proposal the requester can still follow: on what was last submitted, and not followed yet."""
    if request.state != DeletionRequest.State.DRAFT:
        return None
    last = request.versions.filter(submitted_at__isnull=False).order_by("-number").first()
    asked = Vote.objects.filter(version=last, decision=Vote.Decision.CHANGES, strike_outs__isnull=False)
    vote = asked.select_related("version__request").first() if last else None
    return vote if vote and _differs(request.version, *_without(request.version, vote)) else None


def leave_out(user: Person, request: DeletionRequest, vote: Vote) -> RequestVersion:
    """The requester's click: a new version without what was proposed, to be read anew and submitted."""
    with audited():
        request = DeletionRequest.locked(request.pk)
        need(user, "leave_out", request)
        if proposal(request) != vote:
            raise Barred(_("This proposal is not open any more; look at the request as it is now."))
        old, strikes = request.version, strikes_of(vote)
        targets, parameters = _without(old, vote)
        if not targets:
            raise Barred(_("Nothing would be left to delete. Withdraw the request instead."))
        made = drafting.edit(
            user,
            request,
            parameters=parameters,
            category=old.category,
            reason=old.reason,
            ticket=old.ticket,
            asked_by=old.asked_by,
            targets=targets,
        )
        record("request.left_out", request, actor=str(user), version=made.number, by=vote.voter_name, **told(strikes))
        done = _("Left out, as {voter_name} proposed: {in_words}. {voter_name} wrote: {reason}").format(
            voter_name=vote.voter_name, in_words=in_words(vote), reason=vote.reason
        )
        DeletionRequest.objects.filter(pk=request.pk).update(attention=done[:500])
    return made


def _without(version: RequestVersion, vote: Vote) -> tuple[list[RequestTarget], dict[str, Any]]:
    """Targets and parameters of `version` with the vote's strike-outs left out. A lead or a picked record is simply no
    target any more; what was chosen by type and window has to be named."""
    strikes = strikes_of(vote)
    leads = {one for kind, one in strikes if kind == "lead"}
    stays = covered(vote.version, strikes)
    targets = drafting.copied(version)
    by_lead = any(target.record_type == "lead" for target in targets)
    left = [t for t in targets if (t.lead_id not in leads if t.record_type == "lead" else t.record_id not in stays)]
    parameters, records = version.parameters, {one for kind, one in strikes if kind != "lead"}
    if by_lead and records:
        parameters = {**parameters, "without": sorted(records.union(parameters.get("without", ())))}
    return left, parameters


def _differs(version: RequestVersion, targets: list[RequestTarget], parameters: dict[str, Any]) -> bool:
    return len(targets) != version.targets.count() or parameters != version.parameters


def _parts(ids: list[str]) -> Iterator[list[str]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
