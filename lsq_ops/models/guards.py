"""The database's own rules: what no page, shell or raw SQL gets past. Written once, rendered per engine.

Dropped at `pre_migrate` and created at `post_migrate`: Django's SQLite rebuild loses triggers, and PostgreSQL
refuses to change a type under them. `compare()` tells what is missing or was changed; `manage.py doctor` prints it.

`!==` in a condition means "differs, NULL counted as a value"; `{now}` is the database's clock.
"""

from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper

from .calls import Attempt, DeletionCall
from .clock import NOW
from .requests import DeletionRequest

DIFFERS = {"sqlite": " IS NOT ", "postgresql": " IS DISTINCT FROM "}


@dataclass(frozen=True, slots=True)
class Guard:
    """Refuse `event` on a row of `table` when the condition holds."""

    table: str
    event: str
    rule: str
    when: str
    says: str

    @property
    def name(self) -> str:
        return f"guard_{self.table.removeprefix('lsq_ops_')}_{self.event.lower()}_{self.rule}"

    def condition(self, vendor: str) -> str:
        return self.when.replace("{now}", NOW[vendor]).replace(" !== ", DIFFERS[vendor])


def _never(table: str, event: str) -> Guard:
    return Guard(table, event, "never", "1 = 1", f"{table}: {event.lower()} is never allowed")


def _new_key(table: str, *keys: str) -> Guard:
    """INSERT OR REPLACE removes the row it meets without firing a delete trigger, so an existing key is refused."""
    taken = " OR ".join(
        f"EXISTS (SELECT 1 FROM {table} x WHERE {' AND '.join(part.strip() for part in key.split(','))})"
        for key in keys
    )
    return Guard(table, "INSERT", "new_key", taken, f"{table}: this row exists already")


def _frozen(table: str, columns: str, when: str = "1 = 1", rule: str = "frozen") -> Guard:
    changed = " OR ".join(f"NEW.{column} !== OLD.{column}" for column in columns.split())
    return Guard(table, "UPDATE", rule, f"({when}) AND ({changed})", f"{table}: what is frozen stays")


def _once(table: str, columns: str) -> Guard:
    """Written once: NULL or empty may become a value, a value never changes."""
    changed = " OR ".join(f"(OLD.{c} IS NOT NULL AND NEW.{c} !== OLD.{c})" for c in columns.split())
    return Guard(table, "UPDATE", "once", changed, f"{table}: what was written once stays")


def _listed(states: tuple[str, ...]) -> str:
    return ", ".join(f"'{state}'" for state in states)


def _moves(model: type[DeletionRequest] | type[DeletionCall] | type[Attempt], table: str) -> Guard:
    ways = " OR ".join(
        f"(OLD.state = '{state}' AND NEW.state IN ({_listed(to)}))" for state, to in model.MOVES.items() if to
    )
    return Guard(
        table,
        "UPDATE",
        "moves",
        f"NEW.state <> OLD.state AND NOT ({ways})",
        f"{table}: there is no such way between these states",
    )


VALID_VOTE = """
    {v}.decision IN ('approve', 'confirm')
    AND NOT EXISTS (SELECT 1 FROM lsq_ops_vote back WHERE back.takes_back_id = {v}.id)
    AND EXISTS (SELECT 1 FROM auth_user u WHERE u.id = {v}.voter_id AND u.is_active)
    AND EXISTS (SELECT 1 FROM lsq_ops_approvergrant g WHERE g.id = {v}.grant_id AND g.user_id = {v}.voter_id
                AND g.revoked_at IS NULL AND g.counts_from <= {now})
""".replace("{v}", "vote")


def _enough_votes(version: str) -> str:
    """True where the version (an SQL expression for its id) has its frozen number of valid votes and teams."""
    return f"""EXISTS (
    SELECT 1 FROM lsq_ops_requestversion ver
    WHERE ver.id = {version} AND ver.approvals_needed > 0
      AND (SELECT COUNT(DISTINCT vote.voter_id) FROM lsq_ops_vote vote
           WHERE vote.version_id = ver.id AND vote.digest = ver.digest AND {VALID_VOTE}) >= ver.approvals_needed
      AND (SELECT COUNT(DISTINCT vote.team_id) FROM lsq_ops_vote vote
           WHERE vote.version_id = ver.id AND vote.digest = ver.digest AND {VALID_VOTE}) >= ver.teams_needed)"""


def _is_involved(person: str, request: str) -> str:
    """The person made, edited, submitted or asked for the request, in any of its versions."""
    return f"""(EXISTS (SELECT 1 FROM lsq_ops_deletionrequest r WHERE r.id = {request} AND r.requester_id = {person})
    OR EXISTS (SELECT 1 FROM lsq_ops_requestversion ver WHERE ver.request_id = {request}
               AND (ver.editor_id = {person} OR ver.asked_by_id = {person} OR ver.submitted_by_id = {person})))"""


SUBMITTED = (
    "EXISTS (SELECT 1 FROM lsq_ops_requestversion v WHERE v.id = {row}.version_id AND v.submitted_at IS NOT NULL)"
)
VERSION_FACTS = (
    "request_id number editor_id asked_by_id made_at parameters category reason ticket source reading reading_from "
    "reading_note read_at items_count leads_count kept_count left_out_count calls_count kept_hash shares digest "
    "submitted_at submitted_by_id tier tier_reason approvals_needed teams_needed wait_seconds"
)


def _part_of_version(table: str, facts: str) -> list[Guard]:
    """Rows that belong to a version: free while it is a draft, frozen from its submission on."""
    says = f"{table}: the version is submitted"
    return [
        _new_key(table, "x.id = NEW.id"),
        Guard(table, "INSERT", "submitted", SUBMITTED.replace("{row}", "NEW"), says),
        Guard(table, "DELETE", "submitted", SUBMITTED.replace("{row}", "OLD"), says),
        _frozen(table, "id version_id " + facts),
    ]


def _content(table: str, owner_table: str, owner: str, columns: str) -> list[Guard]:
    """Contents may be emptied once, after the end of their request; never changed, never removed once submitted."""
    over = _listed(DeletionRequest.terminal_states())
    submitted = f"""EXISTS (SELECT 1 FROM {owner_table} o JOIN lsq_ops_requestversion v ON v.id = o.version_id
        WHERE o.id = OLD.{owner} AND v.submitted_at IS NOT NULL)"""
    ended = f"""EXISTS (SELECT 1 FROM {owner_table} o JOIN lsq_ops_requestversion v ON v.id = o.version_id
        JOIN lsq_ops_deletionrequest r ON r.id = v.request_id WHERE o.id = OLD.{owner} AND r.state IN ({over}))"""
    emptied = " AND ".join(f"NEW.{c} IS NULL" if c == "raw" else f"NEW.{c} = ''" for c in columns.split())
    return [
        _new_key(table, f"x.{owner} = NEW.{owner}"),
        Guard(table, "DELETE", "submitted", submitted, f"{table}: the version is submitted"),
        Guard(
            table,
            "UPDATE",
            "emptied_once",
            f"NEW.{owner} !== OLD.{owner} OR ({submitted} AND NOT ({ended} AND {emptied}))",
            f"{table}: contents are only emptied, after the end",
        ),
    ]


AUDIT = [
    _never("lsq_ops_auditevent", "UPDATE"),
    _never("lsq_ops_auditevent", "DELETE"),
    _new_key("lsq_ops_auditevent", "x.seq = NEW.seq"),
    Guard(
        "lsq_ops_auditevent",
        "INSERT",
        "next_link",
        "NEW.seq <> 1 + COALESCE((SELECT MAX(x.seq) FROM lsq_ops_auditevent x), 0) OR (NEW.seq > 1 AND NEW.prev_hash"
        " <> (SELECT x.hash FROM lsq_ops_auditevent x WHERE x.seq = NEW.seq - 1))",
        "audit trail: the next link continues the chain",
    ),
    _never("lsq_ops_audithead", "DELETE"),
    _new_key("lsq_ops_audithead", "x.id = NEW.id"),
    Guard(
        "lsq_ops_audithead",
        "UPDATE",
        "forward",
        "NEW.seq < OLD.seq OR NEW.id <> OLD.id",
        "audit head: only forward",
    ),
]

VOTES = [
    _never("lsq_ops_vote", "UPDATE"),
    _never("lsq_ops_vote", "DELETE"),
    _new_key(
        "lsq_ops_vote",
        "x.id = NEW.id",
        "x.version_id = NEW.version_id, x.voter_id = NEW.voter_id, x.takes_back_id IS NULL, NEW.takes_back_id IS NULL",
        "x.takes_back_id = NEW.takes_back_id",
    ),
    Guard(
        "lsq_ops_vote",
        "INSERT",
        "own",
        _is_involved("NEW.voter_id", "NEW.request_id"),
        "vote: nobody votes on a request that they made, edited or asked for",
    ),
    Guard(
        "lsq_ops_vote",
        "INSERT",
        "pending",
        "NOT EXISTS (SELECT 1 FROM lsq_ops_deletionrequest r WHERE r.id = NEW.request_id AND (r.state = 'pending' OR"
        " (NEW.decision = 'confirm' AND r.state IN ('approved', 'running', 'needs_attention'))))",
        "vote: the request is not waiting for votes",
    ),
    Guard(
        "lsq_ops_vote",
        "INSERT",
        "current",
        """NOT EXISTS (SELECT 1 FROM lsq_ops_requestversion ver JOIN lsq_ops_deletionrequest r ON r.id = ver.request_id
        WHERE ver.id = NEW.version_id AND r.id = NEW.request_id AND ver.number = r.version_number
          AND ver.submitted_at IS NOT NULL AND ver.digest = NEW.digest AND ver.digest <> '')""",
        "vote: only on the current version and its digest",
    ),
    Guard(
        "lsq_ops_vote",
        "INSERT",
        "grant",
        """NOT EXISTS (SELECT 1 FROM lsq_ops_approvergrant g JOIN auth_user u ON u.id = g.user_id
        WHERE g.id = NEW.grant_id AND g.user_id = NEW.voter_id AND g.team_id = NEW.team_id AND u.is_active
          AND g.revoked_at IS NULL AND g.counts_from <= {now})""",
        "vote: only under a grant in force",
    ),
    Guard(
        "lsq_ops_vote",
        "INSERT",
        "take_back",
        """NEW.takes_back_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM lsq_ops_vote x WHERE x.id = NEW.takes_back_id
        AND x.voter_id = NEW.voter_id AND x.version_id = NEW.version_id AND x.takes_back_id IS NULL)""",
        "vote: a person takes back their own vote",
    ),
]

REQUESTS = [
    _never("lsq_ops_deletionrequest", "DELETE"),
    _new_key("lsq_ops_deletionrequest", "x.id = NEW.id"),
    Guard(
        "lsq_ops_deletionrequest",
        "INSERT",
        "draft",
        "NEW.state <> 'draft'",
        "deletion request: it begins as a draft",
    ),
    _frozen("lsq_ops_deletionrequest", "id account_id kind requester_id created_at"),
    _moves(DeletionRequest, "lsq_ops_deletionrequest"),
    Guard(
        "lsq_ops_deletionrequest",
        "UPDATE",
        "quorum",
        "NEW.state = 'approved' AND OLD.state <> 'approved' AND NOT {votes}".replace(
            "{votes}",
            _enough_votes(
                "(SELECT cur.id FROM lsq_ops_requestversion cur WHERE cur.request_id = NEW.id"
                " AND cur.number = NEW.version_number)"
            ),
        ),
        "deletion request: approved needs its votes",
    ),
    _new_key("lsq_ops_requestversion", "x.id = NEW.id", "x.request_id = NEW.request_id, x.number = NEW.number"),
    _frozen("lsq_ops_requestversion", "id request_id number editor_id", rule="key"),
    _frozen("lsq_ops_requestversion", VERSION_FACTS, "OLD.submitted_at IS NOT NULL"),
    Guard(
        "lsq_ops_requestversion",
        "DELETE",
        "submitted",
        "OLD.submitted_at IS NOT NULL",
        "request version: what was submitted stays",
    ),
    *_part_of_version("lsq_ops_requesttarget", "record_type record_id lead_id owner_id"),
    *_part_of_version("lsq_ops_keptneighbour", "record_id lead_id event_code at why"),
    *_part_of_version("lsq_ops_deletionitem", "call_id record_id lead_id owner_id event_code at content_hash odd"),
    Guard(
        "lsq_ops_deletionitem",
        "UPDATE",
        "one_outcome",
        "OLD.outcome <> '' AND NEW.outcome <> OLD.outcome",
        "deletion item: an outcome is written once",
    ),
    *_content("lsq_ops_itemcontent", "lsq_ops_deletionitem", "item_id", "salt raw"),
]

CALLS = [
    *_part_of_version(
        "lsq_ops_deletioncall",
        "request_id number path lead_id owner_id size window_from window_to codes body_hash",
    ),
    _moves(DeletionCall, "lsq_ops_deletioncall"),
    *_content("lsq_ops_callbody", "lsq_ops_deletioncall", "call_id", "text"),
    _never("lsq_ops_attempt", "DELETE"),
    _new_key(
        "lsq_ops_attempt",
        "x.id = NEW.id",
        "x.token_hash = NEW.token_hash",
        "x.call_id = NEW.call_id, x.number = NEW.number",
        "x.call_id = NEW.call_id, x.resolved_at IS NULL",
        "x.account_id = NEW.account_id, x.lead_id = NEW.lead_id, NEW.lead_id <> '', x.resolved_at IS NULL",
    ),
    Guard(
        "lsq_ops_attempt",
        "INSERT",
        "gate",
        f"""NOT (NEW.state = 'intent' AND NEW.resolved_at IS NULL AND EXISTS (
        SELECT 1 FROM lsq_ops_deletionrequest r
        JOIN lsq_ops_requestversion cur ON cur.request_id = r.id AND cur.number = r.version_number
        JOIN lsq_ops_deletioncall c ON c.version_id = cur.id
        WHERE r.id = NEW.request_id AND r.state = 'running' AND r.account_id = NEW.account_id
          AND cur.id = NEW.version_id AND cur.digest = NEW.digest AND cur.digest <> ''
          AND c.id = NEW.call_id AND c.state = 'planned' AND c.lead_id = NEW.lead_id AND c.body_hash = NEW.body_hash)
        AND {_enough_votes("NEW.version_id")})""",
        "attempt: the gate is shut (running, digest, call, votes in force)",
    ),
    Guard(
        "lsq_ops_attempt",
        "INSERT",
        "second_send",
        """EXISTS (SELECT 1 FROM lsq_ops_attempt x WHERE x.call_id = NEW.call_id
          AND x.state NOT IN ('turned_away', 'not_sent') AND NOT EXISTS (
            SELECT 1 FROM lsq_ops_decision d WHERE d.call_id = NEW.call_id AND d.choice = 'resend'
              AND d.confirmed_by_id IS NOT NULL AND d.confirmed_at > x.intent_at))""",
        "attempt: no second send without the decision of two people",
    ),
    _frozen(
        "lsq_ops_attempt",
        "id account_id request_id version_id call_id number lead_id digest body_hash token_hash intent_at",
    ),
    _once("lsq_ops_attempt", "answered_at http_status resolved_at"),
    _moves(Attempt, "lsq_ops_attempt"),
    _never("lsq_ops_webhookreceipt", "DELETE"),
    _new_key(
        "lsq_ops_webhookreceipt",
        "x.id = NEW.id",
        "x.attempt_id = NEW.attempt_id, x.body_hash = NEW.body_hash",
    ),
    _frozen("lsq_ops_webhookreceipt", "id attempt_id body_hash first_at"),
]

DECISIONS = [
    _never("lsq_ops_decision", "DELETE"),
    _new_key("lsq_ops_decision", "x.id = NEW.id"),
    _frozen("lsq_ops_decision", "id request_id call_id choice proposed_by_id proposed_at"),
    _once("lsq_ops_decision", "confirmed_by_id confirmed_at"),
    Guard(
        "lsq_ops_decision",
        "INSERT",
        "open",
        f"NEW.confirmed_by_id IS NOT NULL OR {_is_involved('NEW.proposed_by_id', 'NEW.request_id')}",
        "decision: proposed by somebody who isn't involved, confirmed later",
    ),
    Guard(
        "lsq_ops_decision",
        "UPDATE",
        "second_person",
        "NEW.confirmed_by_id IS NOT NULL AND (NEW.confirmed_by_id = NEW.proposed_by_id OR"
        f" {_is_involved('NEW.confirmed_by_id', 'NEW.request_id')})",
        "decision: confirmed by a second person who isn't involved",
    ),
    _never("lsq_ops_approvergrant", "DELETE"),
    _new_key("lsq_ops_approvergrant", "x.id = NEW.id", "x.user_id = NEW.user_id, x.revoked_at IS NULL"),
    _frozen("lsq_ops_approvergrant", "id user_id team_id counts_from given_at"),
    _once("lsq_ops_approvergrant", "revoked_at"),
    _never("lsq_ops_activitysnapshot", "DELETE"),
    _new_key("lsq_ops_activitysnapshot", "x.id = NEW.id"),
    _frozen(
        "lsq_ops_activitysnapshot",
        "id account_id request_id subject subject_id ordered_at started_at read_at complete lead_gone records sha256",
        "OLD.read_at IS NOT NULL",
    ),
]

TALK = [
    _never("lsq_ops_strikeout", "UPDATE"),
    _never("lsq_ops_strikeout", "DELETE"),
    _new_key(
        "lsq_ops_strikeout",
        "x.id = NEW.id",
        "x.vote_id = NEW.vote_id, x.record_type = NEW.record_type, x.record_id = NEW.record_id",
    ),
    Guard(
        "lsq_ops_strikeout",
        "INSERT",
        "with_its_vote",
        """NOT EXISTS (SELECT 1 FROM lsq_ops_vote v JOIN lsq_ops_deletionrequest r ON r.id = v.request_id
        JOIN lsq_ops_requestversion ver ON ver.id = v.version_id
        WHERE v.id = NEW.vote_id AND v.decision = 'changes' AND r.state = 'pending'
          AND ver.number = r.version_number)""",
        "strike-out: only with the vote that asks for changes",
    ),
    Guard(
        "lsq_ops_strikeout",
        "INSERT",
        "of_the_request",
        """(NEW.record_type = 'lead' AND NOT EXISTS (SELECT 1 FROM lsq_ops_deletionitem i
          WHERE i.lead_id = NEW.record_id
          AND i.version_id = (SELECT v.version_id FROM lsq_ops_vote v WHERE v.id = NEW.vote_id)))
        OR (NEW.record_type <> 'lead' AND NOT EXISTS (SELECT 1 FROM lsq_ops_deletionitem i
          WHERE i.record_id = NEW.record_id
          AND i.version_id = (SELECT v.version_id FROM lsq_ops_vote v WHERE v.id = NEW.vote_id)))""",
        "strike-out: only what the request would delete",
    ),
    _never("lsq_ops_message", "UPDATE"),
    _never("lsq_ops_message", "DELETE"),
    _new_key("lsq_ops_message", "x.id = NEW.id"),
    Guard(
        "lsq_ops_message",
        "INSERT",
        "current",
        """NOT EXISTS (SELECT 1 FROM lsq_ops_requestversion ver JOIN lsq_ops_deletionrequest r ON r.id = ver.request_id
        WHERE ver.id = NEW.version_id AND r.id = NEW.request_id AND ver.number = r.version_number)""",
        "message: about the current version of its request",
    ),
    Guard(
        "lsq_ops_message",
        "INSERT",
        "answers",
        """NEW.answers_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM lsq_ops_message x WHERE x.id = NEW.answers_id
        AND x.request_id = NEW.request_id AND x.answers_id IS NULL)""",
        "message: an answer belongs to a question about the same request",
    ),
]

GUARDS: tuple[Guard, ...] = (*AUDIT, *VOTES, *REQUESTS, *CALLS, *DECISIONS, *TALK)
NO_TRUNCATE = tuple(sorted({guard.table for guard in GUARDS}))


def statements(vendor: str) -> dict[str, list[str]]:
    """Guard name -> the SQL that makes it on this engine."""
    made = {guard.name: _render(guard, vendor) for guard in GUARDS}
    if vendor == "postgresql":
        for table in NO_TRUNCATE:
            made[f"guard_{table.removeprefix('lsq_ops_')}_truncate_never"] = _no_truncate(table)
    return made


def _render(guard: Guard, vendor: str) -> list[str]:
    condition = guard.condition(vendor)
    if vendor == "sqlite":
        return [
            f"CREATE TRIGGER {guard.name} BEFORE {guard.event} ON {guard.table} FOR EACH ROW WHEN {condition}"
            f" BEGIN SELECT RAISE(ABORT, '{_quoted(guard.says)}'); END"
        ]
    row = "OLD" if guard.event == "DELETE" else "NEW"
    return [
        f"CREATE OR REPLACE FUNCTION {guard.name}() RETURNS trigger LANGUAGE plpgsql AS $guard$ BEGIN IF {condition}"
        f" THEN RAISE EXCEPTION '{_quoted(guard.says)}' USING ERRCODE = 'check_violation'; END IF; RETURN {row}; END"
        " $guard$",
        f"CREATE TRIGGER {guard.name} BEFORE {guard.event} ON {guard.table} FOR EACH ROW"
        f" EXECUTE FUNCTION {guard.name}()",
    ]


def _no_truncate(table: str) -> list[str]:
    name = f"guard_{table.removeprefix('lsq_ops_')}_truncate_never"
    return [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $guard$ BEGIN RAISE EXCEPTION"
        f" '{table}: truncate is never allowed' USING ERRCODE = 'check_violation'; END $guard$",
        f"CREATE TRIGGER {name} BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {name}()",
    ]


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def installed(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """Guard name -> its definition as the database keeps it."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'guard!_%' ESCAPE '!'"
            )
        else:
            cursor.execute(
                "SELECT t.tgname, p.prosrc || t.tgenabled::text FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
                " JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE NOT t.tgisinternal AND n.nspname = current_schema() AND t.tgname LIKE 'guard!_%' ESCAPE '!'"
            )
        return dict(cursor.fetchall())


def compare(connection: BaseDatabaseWrapper) -> list[str]:
    """Sentences: each guard that is missing, switched off, or not as written here. Empty when all is well."""
    found, troubles = installed(connection), []
    for name, sql in statements(connection.vendor).items():
        if name not in found:
            troubles.append(f"{name} is missing")
        elif connection.vendor == "sqlite" and found[name] != sql[0]:
            troubles.append(f"{name} was changed")
        elif connection.vendor == "postgresql" and not _same_function(found[name], sql[0]):
            troubles.append(f"{name} was changed or switched off")
    return troubles


def _same_function(found: str, sql: str) -> bool:
    return found == sql.split("$guard$")[1] + "O"


def drop(connection: BaseDatabaseWrapper) -> None:
    tables = {guard.name: guard.table for guard in GUARDS}
    with connection.cursor() as cursor:
        for name in installed(connection):
            if connection.vendor == "sqlite":
                cursor.execute(f"DROP TRIGGER {name}")
            else:
                table = tables.get(name) or f"lsq_ops_{name.removeprefix('guard_').rsplit('_truncate', 1)[0]}"
                cursor.execute(f"DROP TRIGGER {name} ON {table}")


def install(connection: BaseDatabaseWrapper) -> None:
    """Create what is missing or changed, and the head of the audit chain."""
    drop(connection)
    with connection.cursor() as cursor:
        for parts in statements(connection.vendor).values():
            for sql in parts:
                cursor.execute(sql)
        cursor.execute(
            "INSERT INTO lsq_ops_audithead (id, seq, hash) SELECT 1, 0, %s"
            " WHERE NOT EXISTS (SELECT 1 FROM lsq_ops_audithead WHERE id = 1)",
            ["0" * 64],
        )
