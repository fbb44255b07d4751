"""The database's own rules: what no page, shell or raw SQL gets past.

Dropped at `pre_migrate` and created at `post_migrate`: Django's SQLite rebuild loses triggers, and PostgreSQL
refuses to change a type under them. `compare()` tells what is missing or was changed; `manage.py doctor` prints it.
Here are those of requests, votes, calls and attempts, and all of them together; guards_aside.py and guards_talk.py
have the other tables', guards_restored.py what holds after a restore, and guard.py says how one is written and what
becomes of it.
"""

from django.db.backends.base.base import BaseDatabaseWrapper

from .calls import Attempt, DeletionCall
from .guard import (
    Guard,
    frozen,
    installed,
    is_involved,
    is_operator,
    listed,
    moves,
    never,
    new_key,
    no_truncate,
    once,
    render,
    schema_of,
    search_path,
    strangers,
    truncate_name,
)
from .guards_aside import ASIDE
from .guards_restored import RESTORED
from .guards_talk import TALK
from .requests import DeletionRequest

VALID_VOTE = """
    {v}.decision IN ('approve', 'confirm')
    AND NOT EXISTS (SELECT 1 FROM lsq_ops_vote back WHERE back.takes_back_id = {v}.id)
    AND EXISTS (SELECT 1 FROM auth_user u WHERE u.id = {v}.voter_id AND u.is_active)
    AND EXISTS (SELECT 1 FROM lsq_ops_approvergrant g WHERE g.id = {v}.grant_id AND g.user_id = {v}.voter_id
                AND g.revoked_at IS NULL AND g.counts_from <= {now})
""".replace("{v}", "vote")  # nosec B608 # this file's own words


def _enough_votes(version: str) -> str:
    """True where the version (an SQL expression for its id) has its frozen number of valid votes and teams."""
    return f"""EXISTS (
    SELECT 1 FROM lsq_ops_requestversion ver
    WHERE ver.id = {version} AND ver.approvals_needed > 0
      AND (SELECT COUNT(DISTINCT vote.voter_id) FROM lsq_ops_vote vote
           WHERE vote.version_id = ver.id AND vote.digest = ver.digest AND {VALID_VOTE}) >= ver.approvals_needed
      AND (SELECT COUNT(DISTINCT vote.team_id) FROM lsq_ops_vote vote
           WHERE vote.version_id = ver.id AND vote.digest = ver.digest AND {VALID_VOTE}) >= ver.teams_needed)"""  # nosec B608 # this file's own words


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
        new_key(table, "x.id = NEW.id"),
        Guard(table, "INSERT", "submitted", SUBMITTED.replace("{row}", "NEW"), says),
        Guard(table, "DELETE", "submitted", SUBMITTED.replace("{row}", "OLD"), says),
        frozen(table, "id version_id " + facts),
    ]


def _content(table: str, owner_table: str, owner: str, columns: str) -> list[Guard]:
    """Contents may be emptied once, after the end of their request; never changed, never removed once submitted."""
    over = listed(DeletionRequest.terminal_states())
    submitted = f"""EXISTS (SELECT 1 FROM {owner_table} o JOIN lsq_ops_requestversion v ON v.id = o.version_id
        WHERE o.id = OLD.{owner} AND v.submitted_at IS NOT NULL)"""  # nosec B608 # this file's own words
    ended = f"""EXISTS (SELECT 1 FROM {owner_table} o JOIN lsq_ops_requestversion v ON v.id = o.version_id
        JOIN lsq_ops_deletionrequest r ON r.id = v.request_id WHERE o.id = OLD.{owner} AND r.state IN ({over}))"""  # nosec B608 # this file's own words
    emptied = " AND ".join(f"NEW.{c} IS NULL" if c == "raw" else f"NEW.{c} = ''" for c in columns.split())
    return [
        new_key(table, f"x.{owner} = NEW.{owner}"),
        Guard(table, "DELETE", "submitted", submitted, f"{table}: the version is submitted"),
        Guard(
            table,
            "UPDATE",
            "emptied_once",
            f"NEW.{owner} !== OLD.{owner} OR ({submitted} AND NOT ({ended} AND {emptied}))",
            f"{table}: contents are only emptied, after the end",
            f"{owner} {columns}",
        ),
    ]


VOTES = [
    never("lsq_ops_vote", "UPDATE"),
    never("lsq_ops_vote", "DELETE"),
    new_key(
        "lsq_ops_vote",
        "x.id = NEW.id",
        "x.version_id = NEW.version_id, x.voter_id = NEW.voter_id, x.takes_back_id IS NULL, NEW.takes_back_id IS NULL",
        "x.takes_back_id = NEW.takes_back_id",
    ),
    Guard(
        "lsq_ops_vote",
        "INSERT",
        "own",
        is_involved("NEW.voter_id", "NEW.request_id"),
        "vote: nobody votes on a request that they made, edited or asked for",
    ),
    Guard(
        "lsq_ops_vote",
        "INSERT",
        "pending",
        """NOT EXISTS (SELECT 1 FROM lsq_ops_deletionrequest r WHERE r.id = NEW.request_id
        AND ((r.state = 'pending' AND (r.expires_at IS NULL OR r.expires_at > {now}))
          OR (NEW.decision = 'confirm' AND r.state IN ('approved', 'running', 'needs_attention'))))""",
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
        "suspended",
        "NEW.takes_back_id IS NULL AND EXISTS (SELECT 1 FROM lsq_ops_votingsuspension s"
        " WHERE s.user_id = NEW.voter_id AND s.until > {now})",
        "vote: new votes of this person are suspended",
    ),
    Guard(
        "lsq_ops_vote",
        "INSERT",
        "take_back",
        """NEW.takes_back_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM lsq_ops_vote x WHERE x.id = NEW.takes_back_id
        AND x.voter_id = NEW.voter_id AND x.version_id = NEW.version_id AND x.takes_back_id IS NULL)""",
        "vote: a person takes back their own vote",
    ),
    never("lsq_ops_votingsuspension", "UPDATE"),
    never("lsq_ops_votingsuspension", "DELETE"),
    new_key("lsq_ops_votingsuspension", "x.id = NEW.id"),
]

REQUESTS = [
    never("lsq_ops_deletionrequest", "DELETE"),
    new_key("lsq_ops_deletionrequest", "x.id = NEW.id"),
    Guard(
        "lsq_ops_deletionrequest",
        "INSERT",
        "draft",
        "NEW.state <> 'draft'",
        "deletion request: it begins as a draft",
    ),
    frozen("lsq_ops_deletionrequest", "id account_id kind requester_id created_at cloned_from_id"),
    moves(DeletionRequest, "lsq_ops_deletionrequest"),
    frozen(
        "lsq_ops_deletionrequest",
        "state_at starts_at expires_at started_at ended_at stop_asked_at stop_asked_by",
        f"OLD.state IN ({listed(DeletionRequest.terminal_states())})",
        rule="over",
    ),
    Guard(
        "lsq_ops_deletionrequest",
        "UPDATE",
        "stop_stays",
        "OLD.stop_asked_at IS NOT NULL AND NEW.stop_asked_at IS NULL",
        "deletion request: who stopped it can't be unsaid",
    ),
    Guard(
        "lsq_ops_deletionrequest",
        "UPDATE",
        "next_version",
        """NEW.version_number <> OLD.version_number AND NOT (NEW.state = 'draft'
        AND NEW.version_number = OLD.version_number + 1 AND EXISTS (SELECT 1 FROM lsq_ops_requestversion ver
          WHERE ver.request_id = NEW.id AND ver.number = NEW.version_number AND ver.submitted_at IS NULL))""",
        "deletion request: a draft goes on to its next version, and never back to one that was voted on",
        "version_number",
    ),
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
    new_key("lsq_ops_requestversion", "x.id = NEW.id", "x.request_id = NEW.request_id, x.number = NEW.number"),
    Guard(
        "lsq_ops_requestversion",
        "INSERT",
        "draft",
        "NEW.submitted_at IS NOT NULL OR NEW.digest <> '' OR NEW.approvals_needed <> 0",
        "request version: it begins as a draft",
    ),
    frozen("lsq_ops_requestversion", "id request_id number editor_id", rule="key"),
    frozen("lsq_ops_requestversion", VERSION_FACTS, "OLD.submitted_at IS NOT NULL"),
    never("lsq_ops_requestversion", "DELETE"),  # who edited a draft is barred from voting on what comes of it
    *_part_of_version("lsq_ops_requesttarget", "record_type record_id lead_id owner_id"),
    *_part_of_version("lsq_ops_keptneighbour", "record_id lead_id event_code label at why near"),
    *_part_of_version(
        "lsq_ops_deletionitem", "call_id record_id lead_id owner_id event_code label at content_hash odd"
    ),
    Guard(
        "lsq_ops_deletionitem",
        "UPDATE",
        "one_outcome",
        "OLD.outcome <> '' AND NEW.outcome <> OLD.outcome",
        "deletion item: an outcome is written once",
        "outcome",
    ),
    *_content("lsq_ops_itemcontent", "lsq_ops_deletionitem", "item_id", "salt raw"),
]

CALLS = [
    *_part_of_version(
        "lsq_ops_deletioncall",
        "request_id number path lead_id owner_id size window_from window_to codes body_hash",
    ),
    moves(DeletionCall, "lsq_ops_deletioncall"),
    *_content("lsq_ops_callbody", "lsq_ops_deletioncall", "call_id", "text"),
    never("lsq_ops_attempt", "DELETE"),
    new_key(
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
        f"""NOT (NEW.state = 'intent' AND NEW.resolved_at IS NULL AND NEW.answered_at IS NULL AND EXISTS (
        SELECT 1 FROM lsq_ops_deletionrequest r
        JOIN lsq_ops_requestversion cur ON cur.request_id = r.id AND cur.number = r.version_number
        JOIN lsq_ops_deletioncall c ON c.version_id = cur.id
        WHERE r.id = NEW.request_id AND r.state = 'running' AND r.account_id = NEW.account_id
          AND r.stop_asked_at IS NULL
          AND cur.id = NEW.version_id AND cur.digest = NEW.digest AND cur.digest <> ''
          AND c.id = NEW.call_id AND c.state = 'planned' AND c.lead_id = NEW.lead_id AND c.body_hash = NEW.body_hash)
        AND {_enough_votes("NEW.version_id")})""",  # nosec B608 # this file's own words
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
    frozen(
        "lsq_ops_attempt",
        "id account_id request_id version_id call_id number lead_id digest body_hash token_hash intent_at",
    ),
    once("lsq_ops_attempt", "answered_at http_status resolved_at"),
    moves(Attempt, "lsq_ops_attempt"),
    frozen("lsq_ops_attempt", "cause message seconds", "OLD.state <> 'intent'", rule="answered"),
    frozen("lsq_ops_attempt", "late_answer", "OLD.late_answer <> ''", rule="late"),
]

DECISIONS = [
    never("lsq_ops_decision", "DELETE"),
    new_key("lsq_ops_decision", "x.id = NEW.id"),
    frozen("lsq_ops_decision", "id request_id call_id choice reason proposed_by_id proposed_at"),
    once("lsq_ops_decision", "confirmed_by_id confirmed_at"),
    Guard(
        "lsq_ops_decision",
        "INSERT",
        "open",
        f"NEW.confirmed_by_id IS NOT NULL OR {is_involved('NEW.proposed_by_id', 'NEW.request_id')}",
        "decision: proposed by somebody who isn't involved, confirmed later",
    ),
    Guard(
        "lsq_ops_decision",
        "INSERT",
        "call",
        "NEW.call_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM lsq_ops_deletioncall c WHERE c.id = NEW.call_id"
        " AND c.request_id = NEW.request_id)",
        "decision: on a call of its own request",
    ),
    Guard(
        "lsq_ops_decision",
        "INSERT",
        "operator",
        f"NOT {is_operator('NEW.proposed_by_id')}",
        "decision: proposed by an operator",
    ),
    Guard(
        "lsq_ops_decision",
        "UPDATE",
        "operator",
        f"NEW.confirmed_by_id !== OLD.confirmed_by_id AND NOT {is_operator('NEW.confirmed_by_id')}",
        "decision: confirmed by an operator",
    ),
    Guard(
        "lsq_ops_decision",
        "UPDATE",
        "second_person",
        "NEW.confirmed_by_id IS NOT NULL AND (NEW.confirmed_by_id = NEW.proposed_by_id OR"
        f" {is_involved('NEW.confirmed_by_id', 'NEW.request_id')})",
        "decision: confirmed by a second person who isn't involved",
    ),
]

GUARDS: tuple[Guard, ...] = (*VOTES, *REQUESTS, *CALLS, *DECISIONS, *RESTORED, *TALK, *ASIDE)
NO_TRUNCATE = tuple(sorted({guard.table for guard in GUARDS}))


def statements(vendor: str, schema: str = "public") -> dict[str, list[str]]:
    """Guard name -> the SQL that makes it on this engine."""
    made = {guard.name: render(guard, vendor, schema) for guard in GUARDS}
    if vendor == "postgresql":
        made |= {truncate_name(table): no_truncate(table, schema) for table in NO_TRUNCATE}
    return made


def compare(connection: BaseDatabaseWrapper) -> list[str]:
    """Sentences: each guard that is missing, switched off, or not as written here, and each trigger on our tables that
    somebody else has put there. Empty when all is well."""
    found, troubles, schema = installed(connection), [], schema_of(connection)
    for name, sql in statements(connection.vendor, schema).items():
        if name not in found:
            troubles.append(f"{name} is missing")
        elif connection.vendor == "sqlite" and found[name] != sql[0]:
            troubles.append(f"{name} was changed")
        elif connection.vendor == "postgresql" and not _same_function(found[name], sql[0], schema):
            troubles.append(f"{name} was changed or switched off")
    return troubles + [f"{other} is none of ours" for other in strangers(connection, found)]


def _same_function(found: str, sql: str, schema: str) -> bool:
    """Its body, that it always fires, and where it looks for tables."""
    return found == f"{sql.split('$guard$')[1]}Asearch_path={search_path(schema)}"


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
        for parts in statements(connection.vendor, schema_of(connection)).values():
            for sql in parts:
                cursor.execute(sql)
        cursor.execute(
            "INSERT INTO lsq_ops_audithead (id, seq, hash) SELECT 1, 0, %s"
            " WHERE NOT EXISTS (SELECT 1 FROM lsq_ops_audithead WHERE id = 1)",
            ["0" * 64],
        )
