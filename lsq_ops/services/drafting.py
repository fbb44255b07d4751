"""Drafts: what was picked is frozen as a selection, a request is made from it, and its leads are read by the worker."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from lsq_ops import kinds
from lsq_ops.models import (
    Activity,
    DeletionRequest,
    RequestTarget,
    RequestVersion,
    Selection,
    Task,
    audited,
    db_now,
    record,
)

from . import accounts, holds, preview
from .may import Barred, Person, need

BATCH = 500


def select(user: Person, record_type: str, ids: list[str], source: dict[str, Any] | None = None) -> Selection:
    """Freeze what was picked: prospect ids, activity ids or task ids. What is shown is what will be asked."""
    need(user, "draft")
    ids = list(dict.fromkeys(ids))
    if not ids:
        raise Barred(_("Nothing is picked: tick some rows first."))
    return Selection.objects.create(
        account=accounts.current_account(),
        user=user,
        record_type=record_type,
        ids=ids,
        source=source or {},
        made_at=db_now(),
    )


def draft(
    user: Person,
    *,
    kind: str,
    selection: Selection,
    parameters: dict[str, Any],
    category: str,
    reason: str,
    ticket: str = "",
    asked_by: User | None = None,
) -> DeletionRequest:
    """A new request, in version 1; its leads are read next."""
    need(user, "draft", selection)
    targets = _targets(selection)
    _check(category, reason)
    with audited():
        now = db_now()
        request = DeletionRequest.objects.create(
            account=selection.account, kind=kinds.get(kind).name, requester=user, created_at=now, state_at=now
        )
        record("request.draft", request, actor=str(user), kind=kind, category=category)
        _version(request, user, targets, parameters, category, reason, ticket, asked_by or user, selection.source)
    return request


def edit(
    user: Person,
    request: DeletionRequest,
    *,
    parameters: dict[str, Any],
    category: str,
    reason: str,
    ticket: str = "",
    asked_by: User | None = None,
    targets: list[RequestTarget] | None = None,
    keep_out: bool = True,
) -> RequestVersion:
    """A new version without votes, with the same targets unless others are given; whoever makes it can't vote on the
    request. What was struck out stays out unless `keep_out` is taken away."""
    _check(category, reason)
    with audited():
        # Under the lock: a draft that is being submitted in another tab is no draft any more.
        need(user, "edit", DeletionRequest.locked(request.pk))
        request.refresh_from_db()
        old = request.version
        if keep_out and "without" in old.parameters:
            parameters = {"without": old.parameters["without"], **parameters}
        targets = copied(old) if targets is None else targets
        return _version(
            request, user, targets, parameters, category, reason, ticket, asked_by or old.asked_by, old.source
        )


def reread(user: Person, request: DeletionRequest) -> RequestVersion:
    """The same again with a fresh reading."""
    old = request.version
    return edit(
        user,
        request,
        parameters=old.parameters,
        category=old.category,
        reason=old.reason,
        ticket=old.ticket,
        asked_by=old.asked_by,
    )


def go_on_without(user: Person, request: DeletionRequest) -> RequestVersion:
    """A new version without what is on hold, to be read anew and submitted; what was pending is a draft again."""
    with audited():
        request = DeletionRequest.locked(request.pk)
        need(user, "go_on_without", request)
        version = request.version
        held = holds.on_version(version)
        if not held:
            raise Barred(_("Nothing of it is on hold any more."))
        if holds.covered(version, held) >= version.items_count:
            raise Barred(_("All of it is on hold: nothing would be left to delete. Withdraw the request instead."))
        if request.state == "pending":
            request.move("draft", actor=str(user), state_at=db_now(), expires_at=None)
        made = reread(user, request)
        record("request.went_on_without", request, actor=str(user), version=made.number, on_hold=len(held))
        said = _("Left out, because it is on hold: {count:,} of the leads or tasks.").format(count=len(held))
        DeletionRequest.objects.filter(pk=request.pk).update(attention=said)
    return made


def clone(user: Person, request: DeletionRequest) -> DeletionRequest:
    """A new draft with the same targets and questions."""
    need(user, "clone", request)
    return _again(user, request, copied(request.version), request.version.parameters)


def request_remaining(user: Person, request: DeletionRequest) -> DeletionRequest:
    """A new draft for what this one did not get done."""
    need(user, "clone", request)
    left = request.version.items.filter(outcome__in=("still_present", "skipped", "unverifiable"))
    record_type = "task" if request.kind == "tasks" else "activity"
    if not left.exists():
        raise Barred(_("Nothing remains: every item is gone."))
    targets = [
        RequestTarget(record_type=record_type, record_id=i.record_id, lead_id=i.lead_id, owner_id=i.owner_id)
        for i in left
    ]
    parameters = request.version.parameters
    if request.kind == "activities":
        parameters = {"picked": True}
    return _again(user, request, targets, parameters)


def back_to_draft(request: DeletionRequest, difference: str) -> None:
    """What was submitted is no longer what LeadSquared shows: the same questions, read anew, without votes."""
    old = request.version
    with audited():
        request.move(
            "draft",
            actor="system",
            state_at=db_now(),
            attention=difference[:500],
            expires_at=None,
            starts_at=None,
        )
        _version(
            request,
            old.editor,
            copied(old),
            old.parameters,
            old.category,
            old.reason,
            old.ticket,
            old.asked_by,
            old.source,
        )


def selection_of(version: RequestVersion) -> Selection:
    """A selection, not saved, with a version's targets: what the kind's form wants to know."""
    first = version.targets.first()
    return Selection(account=version.request.account, record_type=first.record_type if first else "lead", ids=[])


def _again(
    user: Person, request: DeletionRequest, targets: list[RequestTarget], parameters: dict[str, Any]
) -> DeletionRequest:
    old = request.version
    with audited():
        now = db_now()
        new = DeletionRequest.objects.create(
            account=accounts.current_account(),
            kind=request.kind,
            requester=user,
            created_at=now,
            state_at=now,
            cloned_from=request,
        )
        record(
            "request.draft",
            new,
            actor=str(user),
            kind=new.kind,
            category=old.category,
            cloned_from=request.pk,
        )
        # Who asked for the first one asked for this too, and doesn't decide on it.
        asked_by = user if old.asked_by_id == request.requester_id else old.asked_by
        _version(new, user, targets, parameters, old.category, old.reason, old.ticket, asked_by, old.source)
    return new


def _version(
    request: DeletionRequest,
    editor: User,
    targets: Iterable[RequestTarget],
    parameters: dict[str, Any],
    category: str,
    reason: str,
    ticket: str,
    asked_by: User,
    source: dict[str, Any],
) -> RequestVersion:
    now = db_now()
    last = request.versions.order_by("-number").first()
    version = RequestVersion.objects.create(
        request=request,
        number=last.number + 1 if last else 1,
        editor=editor,
        asked_by=asked_by,
        made_at=now,
        parameters=parameters,
        category=category,
        reason=reason.strip(),
        ticket=ticket.strip(),
        source=source,
        reading_from=now,
    )
    rows = list(targets)
    for row in rows:
        row.version = version
    RequestTarget.objects.bulk_create(rows, batch_size=BATCH)
    DeletionRequest.objects.filter(pk=request.pk).update(version_number=version.number)
    request.refresh_from_db()
    record("request.version", request, actor=str(editor), version=version.number, targets=len(rows))
    preview.begin(request)
    return version


def copied(version: RequestVersion) -> list[RequestTarget]:
    fields = ("record_type", "record_id", "lead_id", "owner_id")
    return [RequestTarget(**row) for row in version.targets.values(*fields)]


def _check(category: str, reason: str) -> None:
    if category not in dict(RequestVersion.CATEGORIES):
        raise Barred(_("Choose a category for the reason."))
    if not reason.strip():
        raise Barred(_("Say why: approvers and auditors will read it."))


def _targets(selection: Selection) -> list[RequestTarget]:
    if selection.record_type == "lead":
        return [RequestTarget(record_type="lead", record_id=i, lead_id=i) for i in selection.ids]
    if selection.record_type == "activity":
        return _known(selection, "activity", Activity, "activity_id", "lead__prospect_id", None)
    return _known(selection, "task", Task, "task_id", "lead_id", "owner_id")


def _known(
    selection: Selection, record_type: str, model: Any, key: str, lead: str, owner: str | None
) -> list[RequestTarget]:
    """Targets with the lead and owner that the mirror knows: by these they are read."""
    targets, fields = [], [key, lead, *([owner] if owner else [])]
    for start in range(0, len(selection.ids), BATCH):
        ids = selection.ids[start : start + BATCH]
        for row in model.objects.filter(account=selection.account, **{f"{key}__in": ids}).values_list(*fields):
            targets.append(
                RequestTarget(
                    record_type=record_type,
                    record_id=row[0],
                    lead_id=row[1],
                    owner_id=row[2] if owner else "",
                )
            )
    unknown = len(selection.ids) - len(targets)
    if unknown:
        raise Barred(
            _(
                "{unknown} of the chosen {record_type}s are not in the mirror; refresh their owner or lead first."
            ).format(unknown=unknown, record_type=record_type)
        )
    ownerless = sum(1 for target in targets if record_type == "task" and not target.owner_id)
    if ownerless:
        raise Barred(
            _("{ownerless} of the tasks have no known owner; refresh their owner first.").format(ownerless=ownerless)
        )
    return targets
