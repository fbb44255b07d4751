"""Hashes that were kept, computed again from what they are of: items, calls, what stays, readings, receipts. What
retention or an erasure emptied can't be computed again, and is passed over."""

import gzip
import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.db.models import QuerySet

from lsq_ops.models import CallBody, ItemContent, RequestVersion, SnapshotContent, WebhookReceipt

from .preview import content_hash, kept_hash

SAMPLE = 200  # of each kind: half of them the newest, half from anywhere
BATCH = 200
NAMED = 5  # that don't fit are named


@dataclass(frozen=True, slots=True)
class Proof:
    """`rows`: what can be computed again. `fits`: whether a row's hash is that of its content."""

    of: str
    rows: Callable[[], QuerySet[Any]]
    fits: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Outcome:
    of: str
    count: int
    wrong: tuple[str, ...]


def again(everything: bool = False) -> Iterator[Outcome]:
    """One outcome for each kind of row; of a sample, or of every row."""
    for proof in PROOFS:
        rows = proof.rows()
        count, wrong = 0, []
        for row in _all(rows) if everything else _sample(rows):
            count += 1
            if not proof.fits(row):
                wrong.append(str(row.pk))
        yield Outcome(proof.of, count, tuple(wrong))


def _sample(rows: QuerySet[Any]) -> Iterator[Any]:
    newest = list(rows.order_by("-pk")[: SAMPLE // 2])
    last = newest[0].pk if newest else 0
    seen = {row.pk for row in newest}
    elsewhere = rows.filter(pk__gte=secrets.randbelow(last + 1)).order_by("pk")[: SAMPLE // 2]
    return chain(newest, (row for row in elsewhere if row.pk not in seen))


def _all(rows: QuerySet[Any]) -> Iterator[Any]:
    """In batches: a cursor over everything would have the server lay everything ready first."""
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk")[:BATCH]):
        yield from batch
        last = batch[-1].pk


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _items() -> QuerySet[ItemContent]:
    return ItemContent.objects.filter(raw__isnull=False).exclude(salt="").select_related("item")


def _calls() -> QuerySet[CallBody]:
    return CallBody.objects.exclude(text="").select_related("call")


def _kept() -> QuerySet[RequestVersion]:
    return RequestVersion.objects.exclude(kept_hash="")


def _kept_fits(version: RequestVersion) -> bool:
    return kept_hash(version.kept.values_list("record_id", flat=True)) == version.kept_hash


def _readings() -> QuerySet[SnapshotContent]:
    whole = SnapshotContent.objects.filter(snapshot__contents_erased_at__isnull=True, snapshot__read_at__isnull=False)
    return whole.exclude(snapshot__sha256="").select_related("snapshot")


def _reading_fits(content: SnapshotContent) -> bool:
    try:
        return _sha(gzip.decompress(bytes(content.packed))) == content.snapshot.sha256
    except (OSError, EOFError):
        return False


def _receipts() -> QuerySet[WebhookReceipt]:
    return WebhookReceipt.objects.exclude(body=b"")


PROOFS = (
    Proof("items", _items, lambda one: content_hash(one.salt, one.raw) == one.item.content_hash),
    Proof("calls", _calls, lambda one: _sha(one.text.encode()) == one.call.body_hash),
    Proof("what stays", _kept, _kept_fits),
    Proof("readings", _readings, _reading_fits),
    Proof("receipts", _receipts, lambda one: _sha(bytes(one.body)) == one.body_hash),
)
