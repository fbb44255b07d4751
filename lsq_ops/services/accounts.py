"""The LeadSquared account: one per deployment, found by its host and OrgId, paused and resumed with a reason."""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from zoneinfo import available_timezones

from django.conf import settings
from django.db.models import F
from django.utils.translation import gettext as _

from lsq_ops.leadsquared.client import Client
from lsq_ops.leadsquared.errors import KeysRefused, LeadSquaredError
from lsq_ops.leadsquared.paging import OffsetMeaning
from lsq_ops.leadsquared.records import KeyUser
from lsq_ops.leadsquared.transport import Transport
from lsq_ops.models import Account, ActivitySnapshot, DeletionRequest, Lead, audited, db_now, record, timing
from lsq_ops.models.accounts import FIRST_PAUSE
from lsq_ops.queue import ring
from lsq_ops.wording import lazy

from . import notices
from .budget import Budget, BudgetSpent
from .causes import in_words
from .may import Barred, Person, need
from .tape import Tape

# What LeadSquared calls a time zone (Windows names) -> IANA; others are taken if they are IANA names already.
ZONES = {
    "India Standard Time": "Asia/Kolkata",
    "Singapore Standard Time": "Asia/Singapore",
    "SE Asia Standard Time": "Asia/Jakarta",
    "Arabian Standard Time": "Asia/Dubai",
    "GMT Standard Time": "Europe/London",
    "W. Europe Standard Time": "Europe/Berlin",
    "Romance Standard Time": "Europe/Paris",
    "Eastern Standard Time": "America/New_York",
    "Central Standard Time": "America/Chicago",
    "Mountain Standard Time": "America/Denver",
    "Pacific Standard Time": "America/Los_Angeles",
    "South Africa Standard Time": "Africa/Johannesburg",
    "E. Africa Standard Time": "Africa/Nairobi",
    "AUS Eastern Standard Time": "Australia/Sydney",
    "UTC": "UTC",
}
# What is changed on the account's row; the application's own role on PostgreSQL may not write the columns beside it.
LEARNT = ("org_id", "org_name", "key_user", "key_role", "time_zone", "tested_at", "keys_mark")
PAUSE = ("paused_at", "paused_by", "pause_reason", "paused_kinds", "not_sent_in_a_row")
PROBE_NEEDS = 8  # activities on the lead that the probe reads
KEYS_CHANGED = lazy("The keys or the host have changed since the connection was tested; an operator tests it again.")
NOTHING_LOST = lazy("Nothing is lost: what is approved waits until somebody resumes.")


def ensure_account() -> Account:
    """The current account's row, made at the first start. With keys it starts paused; the sandbox does not."""
    account = Account.objects.filter(current=True).first()
    if account and account.host != settings.LSQ_HOST and not (account.sandbox and settings.SANDBOX_MODE):
        _retire(account)
        account = None
    if account is None:
        return _create()
    _follow_settings(account)
    return account


def current_account() -> Account:
    """The account that this deployment works on."""
    account = Account.objects.filter(current=True).first()
    if account is None:
        raise Barred(_("No account yet: start the portal with ./dev up, or run manage.py setup_roles."))
    return account


def client(account: Account, *, until: float | None = None) -> Client:
    """The API client for the account, every read within its budget (and before `until`, else OutOfTime).

    Barred where the keys or the host are not those that the connection was tested with: in another account every lead
    of this one looks deleted."""
    _check_keys(account)
    return _connect(account, until=until)


def reader(snapshot: ActivitySnapshot, *, until: float | None = None) -> tuple[Client, Tape]:
    """A client for one reading, and the tape of its answers; Barred as above."""
    _check_keys(snapshot.account)
    tape = Tape(snapshot, _transport(), Budget(snapshot.account_id, until=until))
    return Client(tape, gate=tape), tape


def _check_keys(account: Account) -> None:
    if account.keys_mark and not hmac.compare_digest(account.keys_mark, keys_mark()):
        raise Barred(KEYS_CHANGED)


def keys_mark() -> str:
    """A mark of the host and keys in the environment that gives neither away."""
    host = "sandbox" if settings.SANDBOX_MODE else settings.LSQ_HOST
    text = f"{host} {settings.LSQ_ACCESS_KEY} {settings.LSQ_SECRET_KEY}"
    return hmac.new(settings.SECRET_KEY.encode(), text.encode(), "sha256").hexdigest()


def _connect(account: Account, *, until: float | None = None) -> Client:
    return Client(_transport(), gate=Budget(account.pk, until=until))


def _transport() -> Transport:
    return Transport(
        settings.LSQ_HOST, settings.LSQ_ACCESS_KEY, settings.LSQ_SECRET_KEY, deadline=timing().http_deadline
    )


def test_connection(user: Person) -> Account:
    """Ask LeadSquared whose keys these are, and keep what it says. Barred with the cause when it doesn't answer."""
    need(user, "test_connection")
    account = current_account()
    with told():
        account = learn(account, _connect(account).connection_test(), actor=str(user))
        probe_offset(account)
    return account


def whose_keys(account: Account) -> KeyUser:
    """What LeadSquared says of the keys just now; nothing is kept of it. Barred with the cause where it doesn't
    answer."""
    return keys_and_clock(account)[0]


def keys_and_clock(account: Account) -> tuple[KeyUser, float | None]:
    """The same call, and by how many seconds LeadSquared's clock is ahead of this machine's; None where it names no
    time."""
    transport = _transport()
    with told():
        return Client(transport, gate=Budget(account.pk)).connection_test(), transport.apart


@contextmanager
def told() -> Iterator[None]:
    """What goes wrong between us and LeadSquared, as a sentence for the person who waits for it."""
    try:
        yield
    except LeadSquaredError as error:
        raise Barred(in_words(error)) from None
    except BudgetSpent as spent:
        raise Barred(str(spent)) from None


def probe_offset(account: Account) -> None:
    """Find out what `Offset` means on this account, by a lead with enough activities; asked again at each test."""
    lead = Lead.objects.filter(account=account, gone_at__isnull=True, activity_count__gte=PROBE_NEEDS)
    prospect_id = lead.order_by("-activity_count").values_list("prospect_id", flat=True).first()
    if prospect_id is None:
        return
    Account.objects.filter(pk=account.pk).update(probed_at=db_now())
    meaning = client(account).probe_offset(prospect_id)
    if meaning.value in (OffsetMeaning.UNKNOWN, account.offset_meaning):
        return
    with audited():
        Account.objects.filter(pk=account.pk).update(offset_meaning=meaning.value)
        record("account.learnt", account, actor="system", offset=meaning.value)


def learn_by_itself() -> None:
    """What needs no operator: the sandbox's facts as soon as it answers, and once a day what `Offset` means if that is
    not known yet."""
    account = Account.objects.filter(current=True).first()
    if account is None:
        return
    with suppress(LeadSquaredError, BudgetSpent, Barred):
        if account.sandbox and account.tested_at is None:
            learn(account, client(account).connection_test(), actor="system")
        yesterday = db_now() - timedelta(days=1)
        if account.offset_meaning == OffsetMeaning.UNKNOWN and (account.probed_at or yesterday) <= yesterday:
            probe_offset(account)


def learn(account: Account, facts: KeyUser, *, actor: str) -> Account:
    """Keep what LeadSquared says of the keys. Another OrgId is another account: a row of its own, paused; the old one
    is read-only from then on."""
    with audited():
        if account.org_id and facts.org_id and facts.org_id != account.org_id:
            account = _switch(account, facts.org_id)
        account = Account.locked(account.pk)
        account.org_id, account.org_name = facts.org_id or account.org_id, facts.org_short_code[:200]
        account.key_user, account.key_role = facts.name[:200], facts.role[:100]
        account.time_zone = settings.LSQ_TIME_ZONE or iana_zone(facts.time_zone) or account.time_zone
        account.tested_at, account.keys_mark = db_now(), keys_mark()
        account.save(update_fields=LEARNT)
        record("account.tested", account, actor=actor, role=account.key_role, time_zone=account.time_zone)
    return account


def pause(user: Person, reason: str) -> None:
    need(user, "pause")
    if not reason.strip():
        raise Barred(_("Say why: everybody whose calls wait will read it."))
    account = current_account()
    if account.is_paused:
        raise Barred(
            _("The account is paused already, by {paused_by}: {pause_reason}").format(
                paused_by=account.paused_by, pause_reason=account.pause_reason
            )
        )
    pause_account(account, by=str(user), reason=reason.strip())


def pause_account(account: Account, *, by: str, reason: str) -> None:
    """Nothing is sent until somebody resumes. Calls that LeadSquared has taken can't be called back."""
    with audited():
        paused = Account.objects.filter(pk=account.pk, paused_at__isnull=True)
        if paused.update(paused_at=db_now(), paused_by=by, pause_reason=reason[:300]):
            record("account.paused", account, actor=by, cause=reason[:300])
            notices.tell(
                notices.operators(),
                None,
                "paused",
                _("By {by}: {reason} {nothing_lost}").format(by=by, reason=reason, nothing_lost=NOTHING_LOST),
            )


def pause_restored(account: Account, *, by: str, reason: str) -> None:
    """Out of a backup, perhaps one of a paused account: paused for this reason now. The time that approvals lost since
    is given back as after any pause."""
    with audited():
        account = Account.locked(account.pk)
        if account.is_paused:
            _give_back(account)
        Account.objects.filter(pk=account.pk).update(paused_at=db_now(), paused_by=by, pause_reason=reason[:300])
        record("account.paused", account, actor=by, cause=reason[:300])


def pause_kind(account: Account, kind: str, *, by: str, reason: str) -> None:
    with audited():
        account = Account.locked(account.pk)
        if kind not in account.paused_kinds:
            account.paused_kinds[kind] = reason
            account.save(update_fields=["paused_kinds"])
            record("account.kind_paused", account, actor=by, kind=kind, cause=reason)
            notices.tell(
                notices.operators(),
                None,
                _("{kind} paused").format(kind=kind),
                _("By {by}: {reason} {nothing_lost}").format(by=by, reason=reason, nothing_lost=NOTHING_LOST),
            )


def resume(user: Person, kind: str = "") -> None:
    """Resume the account, or one kind. With keys the connection must have been tested first."""
    need(user, "resume")
    resume_account(current_account(), by=str(user), kind=kind)


def resume_account(account: Account, *, by: str, kind: str = "") -> None:
    with audited():
        account = Account.locked(account.pk)
        if kind:
            if account.paused_kinds.pop(kind, None) is None:
                raise Barred(_("The kind {kind} is not paused.").format(kind=kind))
            record("account.kind_resumed", account, actor=by, kind=kind)
        elif account.paused_at is None:
            raise Barred(_("The account is not paused."))
        elif account.tested_at is None and not account.sandbox:
            raise Barred(
                _("Test the connection first: then it is known whose keys these are and which time zone counts.")
            )
        else:
            _give_back(account)
            account.paused_at, account.paused_by, account.pause_reason, account.not_sent_in_a_row = (
                None,
                "",
                "",
                0,
            )
            record("account.resumed", account, actor=by)
        account.save(update_fields=PAUSE)
        ring("work")


def _give_back(account: Account) -> None:
    """A pause doesn't count against approvals that wait for their start."""
    now = db_now()
    assert account.paused_at is not None
    for request in DeletionRequest.objects.filter(account=account, state="approved", expires_at__isnull=False):
        paused = now - max(account.paused_at, request.state_at)
        DeletionRequest.objects.filter(pk=request.pk, state="approved").update(expires_at=F("expires_at") + paused)


def diagnose_refusal(account: Account, kind: str) -> str:
    """A delete was refused for its keys: ask whose they are. If they answer, only this kind may not be done."""
    try:
        client(account).connection_test()
    except KeysRefused as error:
        pause_account(account, by="system", reason=in_words(error))
        return "account"
    except (LeadSquaredError, BudgetSpent):
        pause_account(account, by="system", reason=_("Keys refused, and LeadSquared could not be asked why."))
        return "account"
    pause_kind(account, kind, by="system", reason=_("The key's user may not do this in LeadSquared."))
    return "kind"


def refuse_foreign_database() -> None:
    """With keys: never on a database that held sandbox rows. Without: never on a real account's, where the demo
    people's known passwords would open the door. Barred with the way out."""
    if not Account.objects.filter(sandbox=not settings.SANDBOX_MODE).exists():
        return
    if settings.SANDBOX_MODE:
        raise Barred(
            _(
                "This database belongs to a real LeadSquared account, but LSQ_ACCESS_KEY and"
                " LSQ_SECRET_KEY are not set."
                " Set them, or leave DATABASE_URL blank for the sandbox."
            )
        )
    raise Barred(_("This database has held sandbox data. Point DATABASE_URL at a new one for the real account."))


def _create() -> Account:
    calls, seconds = settings.LSQ_RATE_LIMIT
    now = db_now()
    with audited():
        account = Account.objects.create(
            host=settings.LSQ_HOST,
            sandbox=settings.SANDBOX_MODE,
            created_at=now,
            time_zone=settings.LSQ_TIME_ZONE or "UTC",
            rate_calls=calls,
            rate_seconds=seconds,
            paused_at=None if settings.SANDBOX_MODE else now,
            paused_by="" if settings.SANDBOX_MODE else "system",
            pause_reason="" if settings.SANDBOX_MODE else FIRST_PAUSE,
        )
        record("account.created", account, actor="system", sandbox=account.sandbox)
    return account


def _switch(account: Account, org_id: str) -> Account:
    _retire(account)
    known = Account.objects.filter(host=account.host, org_id=org_id)
    if known.update(current=True):
        return known.get()
    return _create()


def _retire(account: Account) -> None:
    with audited():
        Account.objects.filter(pk=account.pk).update(current=False)
        pause_account(account, by="system", reason=_("Another account is configured now; this one is read-only."))


def _follow_settings(account: Account) -> None:
    calls, seconds = settings.LSQ_RATE_LIMIT
    Account.objects.filter(pk=account.pk).update(host=settings.LSQ_HOST, rate_calls=calls, rate_seconds=seconds)
    if settings.LSQ_TIME_ZONE:
        Account.objects.filter(pk=account.pk).update(time_zone=settings.LSQ_TIME_ZONE)
    account.refresh_from_db()


def iana_zone(name: str) -> str:
    """IANA name for what LeadSquared says, "" where it is unknown."""
    if name in ZONES:
        return ZONES[name]
    plain = name.removeprefix("(").split(")")[-1].strip() or name
    return next((zone for zone in (name, plain) if zone in _zones()), "")


@cache
def _zones() -> set[str]:
    """Each look reads the whole folder of zones, file by file."""
    return available_timezones()
