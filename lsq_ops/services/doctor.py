"""What ails the portal, and what to do: the settings' checks, and those that need the portal, its database, its account
and its own address to answer."""

import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from urllib.request import Request, urlopen

from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connection
from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lsq_ops import __version__, checks_stores
from lsq_ops.health import migrations_wait
from lsq_ops.models import (
    AuditAnchor,
    AuditEvent,
    AuditHead,
    Beat,
    DeletionRequest,
    TrailCheck,
    db_now,
    guards,
    powers,
    timing,
)
from lsq_ops.models.timing import span
from lsq_ops.wording import marked

from . import (
    accounts,
    anchors,
    backup,
    doctor_https,
    erasure,
    erasures_outside,
    policies,
    preview,
    proofs,
    restored,
    waiting,
)
from .may import Barred

OK, WARNING, WRONG, UNKNOWN = "ok", "warning", "wrong", "unknown"
FREE_LEAST = 2 * 1024**3  # bytes
CLOCK_MOST = 2.0  # seconds
ITS_CLOCK_MOST = 60.0  # seconds; LeadSquared's, whose answers name whole ones
ENDED = 50  # requests that are over, the newest, whose digests are computed again
BACKUP_LATE = 25 * 3600  # seconds: once a day is the least
PATIENCE = 10  # seconds that our own address may take


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `state`: ok, warning, wrong, or unknown where it could not be looked at; `do`: the
    way out, "" where all is well."""

    name: str
    state: str
    says: str
    do: str = ""


QUICK = ("tables", "guards", "worker", "disk", "trail", "anchors", "erasures")
Check = Callable[[], Iterator[Finding]]


def examine(only: str = "", everything: bool = False) -> Iterator[Finding]:
    """Each check in turn, or the one that is named `only`; what can't be looked at is a finding itself. With
    `everything` what is else looked at by samples is looked at whole, which takes its time."""
    for name, check in {**CHECKS, **(THOROUGH if everything else {})}.items():
        if only and name != only:
            continue
        try:
            yield from check()
        except Exception as error:
            how = (
                _("Is the database reachable and migrated?") if isinstance(error, DatabaseError) else _("See the log.")
            )
            yield Finding(name, UNKNOWN, _("Could not be looked at: {name}.").format(name=type(error).__name__), how)


def exit_code(findings: Iterable[Finding]) -> int:
    """0: nothing is wrong, though there may be warnings; 1: something is; 2: something could not be looked at."""
    states = {finding.state for finding in findings}
    return 1 if WRONG in states else 2 if UNKNOWN in states else 0


def red() -> list[Finding]:
    """What is wrong at a quick look: nothing that asks LeadSquared, our own address, or all rows of something."""
    return [finding for name in QUICK for finding in examine(name) if finding.state == WRONG]


def _settings() -> Iterator[Finding]:
    found = checks.run_checks(include_deployment_checks=not settings.SANDBOX_MODE)
    told = [one for one in found if one.level >= checks.WARNING and not one.is_silenced()]
    for one in told:
        yield Finding("settings", WRONG if one.is_serious() else WARNING, f"{one.id}: {one.msg}", one.hint or "")
    if not told:
        yield Finding("settings", OK, _("Every check of the settings is clean."))


def _tables() -> Iterator[Finding]:
    if migrations_wait():
        yield Finding("tables", WRONG, _("Migrations wait."), _("Stop the workers and run manage.py migrate."))
    else:
        says = _("LSQ Ops {version} on {vendor}: every migration is there.")
        yield Finding("tables", OK, says.format(version=__version__, vendor=connection.vendor))


def _guards() -> Iterator[Finding]:
    troubles = guards.compare(connection)
    for trouble in troubles:
        yield Finding(
            "guards", WRONG, trouble, _("Run manage.py migrate to put them back, and ask who took them away.")
        )
    if not troubles:
        yield Finding(
            "guards", OK, _("All {count} guards are in place.").format(count=len(guards.statements(connection.vendor)))
        )
    if connection.vendor == "postgresql" and powers.owns_its_tables(connection):
        yield Finding(
            "guards",
            WARNING,
            _("The portal runs as the owner of its tables, who could drop the guards."),
            _("Give it a role of its own: docs/postgresql.md."),
        )


def _worker() -> Iterator[Finding]:
    for warning in checks_stores.one_machine(None, databases=["default"]):
        yield Finding("worker", WRONG, f"{warning.id}: {warning.msg}", warning.hint or "")
    newest = Beat.newest("worker")
    if newest is None:
        yield Finding("worker", WRONG, _("No worker was ever seen."), _("Start one: ./dev up, or manage.py worker."))
        return
    age = (db_now() - newest).total_seconds()
    if age > timing().beat_stale:
        yield Finding(
            "worker",
            WRONG,
            _("Last seen {age} ago.").format(age=span(age)),
            _("Start one: ./dev up, or manage.py worker."),
        )
    else:
        yield Finding("worker", OK, _("Seen {age} ago.").format(age=span(age)))


def _leadsquared() -> Iterator[Finding]:
    account = accounts.current_account()
    try:
        facts, apart = accounts.keys_and_clock(account)
    except Barred as no:
        yield Finding("leadsquared", WRONG, str(no), _("Then press Test connection in the portal, under Account."))
        return
    if account.org_id and facts.org_id != account.org_id:
        yield Finding(
            "leadsquared",
            WRONG,
            _("The keys belong to another account ({org_short_code}) than the connection was tested with.").format(
                org_short_code=facts.org_short_code
            ),
            _("Put the right keys back, or have an operator test the connection: it becomes an account of its own."),
        )
    elif account.is_paused:
        yield Finding(
            "leadsquared",
            WARNING,
            _("It answers, but the account is paused, by {paused_by}: {pause_reason}").format(
                paused_by=account.paused_by, pause_reason=account.pause_reason
            ),
            _("An operator resumes it in the portal, under Account."),
        )
    else:
        yield Finding(
            "leadsquared", OK, _("It answers; the key's role is {role}.").format(role=facts.role or _("not told"))
        )
    if apart is not None:
        yield _its_clock(apart)


def _its_clock(apart: float) -> Finding:
    if abs(apart) <= ITS_CLOCK_MOST:
        return Finding("leadsquared", OK, _("Its clock is {apart:.1f} s from this machine's.").format(apart=abs(apart)))
    says = _("Its clock is {apart:.0f} s {way} of this machine's: windows would end too early or too late.")
    way = _("ahead") if apart > 0 else _("behind")
    do = _("Let this machine and the database's follow a time server; if they do, tell LeadSquared's support.")
    return Finding("leadsquared", WARNING, says.format(apart=abs(apart), way=way), do)


def _clock() -> Iterator[Finding]:
    """This machine's against the database's, which is the one that counts."""
    before = time.time()
    there = db_now()
    here = datetime.fromtimestamp((before + time.time()) / 2, UTC)
    apart = abs((here - there).total_seconds())
    if apart > CLOCK_MOST:
        yield Finding(
            "clock",
            WARNING,
            _(
                "This machine's clock and the database's are {apart:.1f} s apart. Decisions use the database's; "
                "log lines and second factors use this machine's."
            ).format(apart=apart),
            _("Let both machines follow a time server."),
        )
    else:
        yield Finding("clock", OK, _("{apart:.2f} s from the database's.").format(apart=apart))


def _webhook() -> Iterator[Finding]:
    """A report to an address that no attempt has, sent the way LeadSquared would send it."""
    if not settings.PUBLIC_URL:
        yield Finding(
            "webhook",
            WARNING,
            _("PUBLIC_URL is not set: no report is asked for, readings alone decide, and requests take longer."),
            _("Set PUBLIC_URL to the address that the world sees."),
        )
        return
    address = f"{settings.PUBLIC_URL}/webhooks/leadsquared/{secrets.token_urlsafe(32)}/"
    trouble = _round_trip(address)
    if trouble:
        do = _("The proxy must hand /webhooks/leadsquared/ on to the portal, by POST, without signing in.")
        yield Finding(
            "webhook",
            WRONG,
            _("A report to {public_url} did not come back: {trouble}.").format(
                public_url=settings.PUBLIC_URL, trouble=trouble
            ),
            do,
        )
    else:
        yield Finding(
            "webhook",
            OK,
            _("A report to {public_url} arrives, as seen from this machine.").format(public_url=settings.PUBLIC_URL),
        )


def _round_trip(address: str) -> str:
    """What is wrong with it, "" if nothing is."""
    request = Request(address, data=b'{"Status":"Success"}', headers={"Content-Type": "application/json"})  # noqa: S310
    try:
        with urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310  (settings let only http and https through)  # nosec B310 # settings let only http and https through
            text = answer.read(1000)
    except (OSError, ValueError) as error:
        status = getattr(error, "code", None)
        return _("HTTP {status}").format(status=status) if status else type(getattr(error, "reason", error)).__name__
    try:
        return "" if json.loads(text)["Status"] == "Success" else _("somebody else answers there")
    except (ValueError, KeyError, TypeError):
        return _("somebody else answers there")


def _disk() -> Iterator[Finding]:
    free = shutil.disk_usage(settings.DATA_DIR).free
    says = _("{free:.1f} GB free where {data_dir} lies.").format(free=free / 1024**3, data_dir=settings.DATA_DIR)
    if free < FREE_LEAST:
        yield Finding(
            "disk", WRONG, says, _("Make room: on a full disk nothing is sent, because nothing can be written.")
        )
    else:
        yield Finding("disk", OK, says)


def _trail() -> Iterator[Finding]:
    """The head, the daily check and the anchors; the whole chain is checked by verify_audit."""
    head = AuditHead.objects.get(pk=1)
    last = AuditEvent.objects.filter(seq=head.seq).first()
    newest = AuditEvent.objects.aggregate(n=Max("seq"))["n"] or 0
    if newest != head.seq or (last is not None and last.hash != head.hash):
        says = _("The head says {seq:,}, the newest event is {newest:,}, or its hash is another one.").format(
            seq=head.seq, newest=newest
        )
        yield Finding("trail", WRONG, says, _("Run manage.py verify_audit, and keep a copy of the database as it is."))
    else:
        yield Finding("trail", OK, _("{seq:,} events; the head fits the last one.").format(seq=head.seq))
    yield from _daily_check()


def _daily_check() -> Iterator[Finding]:
    done = TrailCheck.objects.filter(done_at__isnull=False).first()
    told = AuditEvent.objects.filter(action="trail.verified").order_by("-seq").first()
    facts = told.facts() if told else {}
    if facts.get("ok") is False:
        yield Finding(
            "trail",
            WRONG,
            _("The last check failed: {get}").format(get=facts.get("sentence")),
            _("Keep a copy; tell audit."),
        )
    elif done is None or db_now() - done.begun_at > 2 * timedelta(seconds=timing().trail_check_every):
        yield Finding(
            "trail", WARNING, _("It was not checked lately."), _("The worker checks it daily; is one running?")
        )
    else:
        yield Finding("trail", OK, _("Checked {age} ago.").format(age=span((db_now() - done.begun_at).total_seconds())))


def _anchors() -> Iterator[Finding]:
    if not (settings.AUDIT_ANCHOR_FILE or settings.AUDIT_ANCHOR_MAIL) and not settings.SANDBOX_MODE:
        yield Finding(
            "anchors",
            WARNING,
            _("Anchors go to the log only: whoever can write the database here could write the log, too."),
            _("Set AUDIT_ANCHOR_MAIL, or AUDIT_ANCHOR_FILE to a place that only adds."),
        )
    waiting = AuditAnchor.objects.filter(made_at__lt=db_now() - timedelta(hours=1))
    stuck = {
        "AUDIT_ANCHOR_FILE": settings.AUDIT_ANCHOR_FILE and waiting.filter(filed_at__isnull=True).count(),
        "AUDIT_ANCHOR_MAIL": settings.AUDIT_ANCHOR_MAIL and waiting.filter(mailed_at__isnull=True).count(),
    }
    for name, count in stuck.items():
        if count:
            yield Finding(
                "anchors",
                WRONG,
                _("{count} anchors could not leave by {name}.").format(count=count, name=name),
                _("See the worker's log."),
            )
    newest = anchors.newest()
    if newest is None:
        yield Finding(
            "anchors", WARNING, _("None was made yet."), _("The worker makes one every hour; is one running?")
        )
    elif not any(stuck.values()):
        yield Finding("anchors", OK, _("The last one is of event {seq:,}.").format(seq=newest.seq))


def _https() -> Iterator[Finding]:
    """As visitors see it."""
    found = list(doctor_https.troubles())
    for says, do in found:
        yield Finding("https", WRONG, says, do)
    if not found:
        where = settings.PUBLIC_URL if settings.PUBLIC_URL.startswith("https://") else ""
        on = _("{url} answers over HTTPS, and holds browsers to it.").format(url=where)
        yield Finding("https", OK, on if where else _("Nobody is told to come from elsewhere."))


def _hashes(everything: bool = False) -> Iterator[Finding]:
    """What was kept beside its hash; a sample, or every row."""
    for outcome in proofs.again(everything):
        if outcome.wrong:
            named = ", ".join(outcome.wrong[: proofs.NAMED])
            says = _("{of}: {wrong} of {count} are not what their hashes say (rows {named}).")
            says = says.format(of=outcome.of.capitalize(), wrong=len(outcome.wrong), count=outcome.count, named=named)
            do = _("Keep a copy of the database, ask who wrote into it, and run manage.py verify_audit.")
            yield Finding("hashes", WRONG, says, do)
        else:
            says = _("{of}: {count} computed again, all fit.")
            yield Finding("hashes", OK, says.format(of=outcome.of.capitalize(), count=f"{outcome.count:,}"))


def _all_hashes() -> Iterator[Finding]:
    return _hashes(everything=True)


def _all_digests() -> Iterator[Finding]:
    return _digests(last=None)


def _digests(last: int | None = ENDED) -> Iterator[Finding]:
    """What people approved, computed again from the rows: of every open request, and of the last ones that ended."""
    submitted = DeletionRequest.objects.filter(account__current=True, versions__submitted_at__isnull=False).distinct()
    open_ones = submitted.filter(state__in=DeletionRequest.open_states()).order_by("pk")
    ended = submitted.exclude(state__in=DeletionRequest.open_states()).order_by("-pk")[:last]
    count = 0
    for request in chain(open_ones, ended.iterator(chunk_size=100)):
        version = request.version
        if not version.digest or version.calls.filter(body__text="").exists():
            continue
        count += 1
        if preview.digest_of(version) != version.digest:
            yield Finding(
                "digests",
                WRONG,
                _("DR-{number} is not what was approved: its digest does not fit its rows.").format(number=request.pk),
                _("It is not sent. Stop it, keep a copy of the database, and ask who wrote into it."),
            )
    yield Finding("digests", OK, _("{count} computed again from their rows.").format(count=count))


def _erasures() -> Iterator[Finding]:
    if unknown := erasure.unknown_key():
        yield Finding(
            "erasures",
            WRONG,
            _("{unknown} erasures were made under another AUDIT_KEY: whoever was erased there comes in again.").format(
                unknown=unknown
            ),
            _("Put that AUDIT_KEY back, or erase these persons once more."),
        )
    elif again := len(erasures_outside.missing(erasures_outside.known()[0])) if restored.last() else 0:
        says = _("{n:,} persons were erased behind the backup that this database came out of, and are here again.")
        do = _("Run manage.py repeat_erasures; see under Erasures what stands against it.")
        yield Finding("erasures", WRONG, says.format(n=again), do)
    elif settings.ERASURES_FILE and (unfiled := erasures_outside.unfiled()):
        says = _("{n:,} erasures have not left by ERASURES_FILE: a restore would bring these persons back.")
        yield Finding("erasures", WARNING, says.format(n=unfiled), _("The worker writes them; see its log."))
    else:
        yield Finding("erasures", OK, _("Whoever was erased is kept out."))


def _people() -> Iterator[Finding]:
    tiers = policies.coverage()
    if not tiers:
        yield Finding("people", WRONG, _("No approval policy is in force."), _("Run manage.py setup_roles."))
        return
    thin = [one for one in tiers if one.spare < 1]
    for one in thin:
        yield Finding(
            "people", WARNING, f"{one.tier['name']}: {one}", _("A policy admin gives more grants, in People.")
        )
    if not thin:
        yield Finding("people", OK, _("Every tier can be decided while somebody is away."))


def _mail() -> Iterator[Finding]:
    if "console" in settings.EMAIL_BACKEND and not settings.SANDBOX_MODE:
        yield Finding("mail", WARNING, _("Mails only go to the worker's log."), _("Set EMAIL_URL."))
    else:
        yield Finding(
            "mail", OK, _("Mails are sent.") if not settings.SANDBOX_MODE else _("Mails go to the worker's log.")
        )


def _backup() -> Iterator[Finding]:
    if not settings.BACKUP_DIR:
        if settings.SANDBOX_MODE:
            yield Finding("backup", OK, _("The sandbox needs none."))
        else:
            do = _("Set BACKUP_DIR and run manage.py backup every hour or day: docs/backup.md.")
            yield Finding("backup", WARNING, _("Nobody knows here of a backup: BACKUP_DIR is not set."), do)
    else:
        yield from _newest_backup(Path(settings.BACKUP_DIR))
    yield from _restored()


def _newest_backup(folder: Path) -> Iterator[Finding]:
    do = _("Run manage.py backup, and see why it did not run by itself: docs/backup.md.")
    if not folder.is_dir():
        yield Finding("backup", WRONG, _("BACKUP_DIR, {folder}, is no folder.").format(folder=folder), do)
        return
    newest = next(iter(backup.known(folder)), None)
    if newest is None:
        yield Finding("backup", WRONG, _("No backup is in {folder}.").format(folder=folder), do)
        return
    age = (db_now() - backup.taken_at(newest)).total_seconds()
    late, says = age > BACKUP_LATE, _("The last one was taken {age} ago.").format(age=span(age))
    yield Finding("backup", WARNING if late else OK, says, do if late else "")


def _restored() -> Iterator[Finding]:
    """Only of a portal that came out of a backup: what still waits, and what auditors must know."""
    if made := restored.last():
        says = _("Restored by {by} from a backup of {at:%Y-%m-%d %H:%M} UTC.")
        yield Finding("backup", OK, says.format(by=made.by, at=made.taken_at))
    if count := waiting.restored().count():
        yield Finding(
            "backup",
            WARNING,
            ngettext(
                "{n:,} request waits to be confirmed after the restore.",
                "{n:,} requests wait to be confirmed after the restore.",
                count,
            ).format(n=count),
            _("An operator presses Confirm after the restore, on the page of each."),
        )
    if until := restored.lost_until():
        assert made
        yield Finding(
            "backup",
            WARNING,
            _(
                "Anchors know of events {first:,} to {until:,}, which the restore lost; each check of the trail fails."
            ).format(first=made.head_seq + 1, until=until),
            _("Keep AUDIT_ANCHOR_FILE for the auditors, move it aside, and a new one begins: docs/backup.md."),
        )


CHECKS: dict[str, Check] = {
    marked("settings"): _settings,
    marked("tables"): _tables,
    marked("guards"): _guards,
    marked("worker"): _worker,
    marked("leadsquared"): _leadsquared,
    marked("clock"): _clock,
    marked("webhook"): _webhook,
    marked("https"): _https,
    marked("disk"): _disk,
    marked("backup"): _backup,
    marked("trail"): _trail,
    marked("anchors"): _anchors,
    marked("digests"): _digests,
    marked("hashes"): _hashes,
    marked("erasures"): _erasures,
    marked("people"): _people,
    marked("mail"): _mail,
}
# In place of those: every row.
THOROUGH: dict[str, Check] = {"digests": _all_digests, "hashes": _all_hashes}
