"""Who was erased doesn't come in again: keyed hashes of ids, asked wherever something of LeadSquared is kept."""

import hmac
from collections.abc import Iterable

from django.conf import settings
from django.utils.translation import gettext as _

from lsq_ops.models import Account, ErasedId

from .parts import parts


def among(account: Account, ids: Iterable[str]) -> set[str]:
    """Those of the leads or tasks that were erased, and not let in again since."""
    if not ErasedId.objects.exists():
        return set()  # so in most portals, at the price of one look
    marks = {mark(account, one): one for one in ids}
    found: set[str] = set()
    for part in parts(marks):
        found |= {marks[one] for one in ErasedId.objects.filter(mark__in=part).values_list("mark", flat=True)}
    return found


def mark(account: Account, one: str) -> str:
    """HMAC-SHA256 of an id, hex. Who reads the database and doesn't know AUDIT_KEY can't try all ids that they know."""
    return _hash(f"{account.pk} {one}")


def key_mark() -> str:
    """Tells another AUDIT_KEY: under it nobody who was erased is known again."""
    return _hash(_("which key"))[:16]


def _hash(text: str) -> str:
    return hmac.digest(
        settings.AUDIT_KEY.encode(), _("lsq-ops-erased {text}").format(text=text).encode(), "sha256"
    ).hex()
