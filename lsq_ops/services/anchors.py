"""Anchors: number and hash of the trail's last event, signed, and taken to where nobody can write who can write the
database: a file, the log, a mail. Only they show that a tail was cut off or the whole chain written anew."""

import logging
import os
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.mail import send_mail
from django.utils.translation import gettext as _

from lsq_ops import chain
from lsq_ops.chain import Anchor
from lsq_ops.models import AuditAnchor, AuditHead, Beat, db_now, timing

log = logging.getLogger("lsq_ops.anchors")
AT_ONCE = 100
MAIL_EVERY = timedelta(minutes=1)


def keep() -> None:
    """Make an anchor where one is due, and take out what hasn't left yet. Cheap where nothing is due."""
    _make()
    if settings.AUDIT_ANCHOR_FILE:
        _file()
    if settings.AUDIT_ANCHOR_MAIL:
        _mail()


def newest() -> AuditAnchor | None:
    return AuditAnchor.objects.first()


def known(files: Iterable[str] = ()) -> tuple[dict[int, Anchor], int]:
    """(the anchors by number that are signed with AUDIT_KEY, how many are not): from these files, from the one of the
    settings, and from the database's own list. Of two for one number the one from further outside counts.

    OSError where one of `files` can't be read; the settings' own may not be there yet."""
    own = Path(settings.AUDIT_ANCHOR_FILE) if settings.AUDIT_ANCHOR_FILE else None
    outside = [*map(Path, files), *([own] if own and own.exists() else [])]
    found: dict[int, Anchor] = {}
    unsigned = 0
    for anchor in [*_read(outside), *_listed()]:
        if anchor.is_signed_with(settings.AUDIT_KEY):
            found.setdefault(anchor.seq, anchor)
        else:
            unsigned += 1
    return found, unsigned


def _read(files: Iterable[Path]) -> Iterator[Anchor]:
    for path in files:
        with open(path, encoding="utf-8", errors="replace") as lines:
            yield from chain.anchors_in(lines)


def _listed() -> Iterator[Anchor]:
    for row in AuditAnchor.objects.order_by("seq").iterator():
        yield Anchor(row.seq, row.hash, row.at, row.mac)


def _make() -> None:
    head, last = AuditHead.objects.filter(pk=1).first(), newest()
    new = (head.seq if head else 0) - (last.seq if last else 0)
    now, clock = db_now(), timing()
    if head is None or new <= 0:
        return
    if last and new < clock.anchor_events and now - last.made_at < timedelta(seconds=clock.anchor_every):
        return
    signed = chain.sign(settings.AUDIT_KEY, head.seq, head.hash, now.isoformat(timespec="seconds"))
    facts = {"hash": signed.hash, "at": signed.at, "mac": signed.mac, "made_at": now}
    if AuditAnchor.objects.get_or_create(seq=signed.seq, defaults=facts)[1]:
        log.info("%s", signed)


def _file() -> None:
    """Append to the file, and believe it only when it is on the disk. Twice after a crash, never not at all."""
    rows = list(AuditAnchor.objects.filter(filed_at__isnull=True).order_by("seq")[:AT_ONCE])
    if not rows:
        return
    try:
        with open(settings.AUDIT_ANCHOR_FILE, "a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in _lines(rows))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        log.error("AUDIT_ANCHOR_FILE can't be written: %s. It is tried again.", error.strerror)
        return
    AuditAnchor.objects.filter(pk__in=[row.pk for row in rows]).update(filed_at=db_now())


def _mail() -> None:
    """One mail with all that are new; a mail server that is away is asked again a minute later."""
    now = db_now()
    rows = list(AuditAnchor.objects.filter(mailed_at__isnull=True).order_by("seq")[:AT_ONCE])
    if not rows:
        return
    tried, made = Beat.objects.get_or_create(name="anchor mail", defaults={"at": now})
    if not made and not Beat.objects.filter(pk=tried.pk, at=tried.at, at__lte=now - MAIL_EVERY).update(at=now):
        return
    subject = _("LSQ Ops: anchor of the audit trail at event {seq}").format(seq=rows[-1].seq)
    text = _(
        "Keep this mail: with it `manage.py verify_audit --anchors FILE` shows whether the trail was changed since."
    )
    try:
        send_mail(subject, "\n".join([text, "", *_lines(rows), ""]), None, [settings.AUDIT_ANCHOR_MAIL])
    except OSError as error:
        log.error("The mail to AUDIT_ANCHOR_MAIL failed: %s. It is tried again.", type(error).__name__)
        return
    AuditAnchor.objects.filter(pk__in=[row.pk for row in rows]).update(mailed_at=db_now())


def _lines(rows: Iterable[AuditAnchor]) -> list[str]:
    return [str(Anchor(row.seq, row.hash, row.at, row.mac)) for row in rows]
