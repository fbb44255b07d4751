"""Rules of the database for what votes and sends rest on (teams, grants, policies, holds, the account), for what was
read, received and claimed on the way, and for the audit trail."""

from .accounts import FIRST_PAUSE
from .guard import Guard, frozen, listed, never, new_key, once
from .requests import DeletionRequest

OVER = listed(DeletionRequest.terminal_states())
A_REAL_ACCOUNT_RAN = (
    f"EXISTS (SELECT 1 FROM lsq_ops_account a WHERE a.current AND NOT a.sandbox AND a.pause_reason <> '{FIRST_PAUSE}')"  # nosec B608 # this file's own words
)


def _counts_later(table: str) -> Guard:
    """Never from before it was written; and on a real account that was resumed once, from a day later on: whoever
    could give a right at once could use it before anybody has heard of it."""
    return Guard(
        table,
        "INSERT",
        "counts_later",
        "NEW.counts_from < {lately} OR (NEW.counts_from < {almost a day on} AND {ran})".replace(
            "{ran}", A_REAL_ACCOUNT_RAN
        ),
        f"{table}: it counts from a day later on",
    )


def _emptied(table: str, column: str, over: str) -> Guard:
    """Bytes that are only ever emptied, and only where the condition holds."""
    return Guard(
        table,
        "UPDATE",
        "emptied",
        f"NEW.{column} !== OLD.{column} AND NOT (length(NEW.{column}) = 0 AND {over})",
        f"{table}: contents are only emptied, after the end",
        column,
    )


RIGHTS = [
    never("lsq_ops_team", "DELETE"),
    new_key("lsq_ops_team", "x.id = NEW.id", "x.name = NEW.name"),
    frozen("lsq_ops_team", "id name"),
    never("lsq_ops_approvergrant", "DELETE"),
    new_key("lsq_ops_approvergrant", "x.id = NEW.id", "x.user_id = NEW.user_id, x.revoked_at IS NULL"),
    _counts_later("lsq_ops_approvergrant"),
    frozen("lsq_ops_approvergrant", "id user_id team_id counts_from given_by given_at"),
    once("lsq_ops_approvergrant", "revoked_at"),
    frozen("lsq_ops_approvergrant", "revoked_by", "OLD.revoked_at IS NOT NULL", rule="revoked"),
    never("lsq_ops_policy", "DELETE"),
    new_key("lsq_ops_policy", "x.id = NEW.id"),
    _counts_later("lsq_ops_policy"),
    frozen("lsq_ops_policy", "id name tiers counts_from set_by"),
    frozen("lsq_ops_policy", "retired_at", "OLD.retired_at <= {now}", rule="retired"),
    never("lsq_ops_hold", "DELETE"),
    new_key("lsq_ops_hold", "x.id = NEW.id"),
    frozen("lsq_ops_hold", "id account_id record_type record_id reason set_by set_at ends_at"),
    once("lsq_ops_hold", "lifted_at"),
    frozen("lsq_ops_hold", "lifted_by", "OLD.lifted_at IS NOT NULL", rule="lifted"),
]

# Hours of the week go by the account's local clock, and SQLite knows no time zones: that no call is sent in them is the
# service's rule alone. A period is two moments, and its rule stands at the gate of attempts too.
BLACKOUTS = [
    never("lsq_ops_blackout", "DELETE"),
    new_key("lsq_ops_blackout", "x.id = NEW.id"),
    frozen(
        "lsq_ops_blackout",
        "id account_id weekdays from_time to_time begins_at ends_at reason set_by set_at",
    ),
    once("lsq_ops_blackout", "lifted_at"),
    frozen("lsq_ops_blackout", "lifted_by", "OLD.lifted_at IS NOT NULL", rule="lifted"),
    Guard(
        "lsq_ops_attempt",
        "INSERT",
        "blackout",
        "EXISTS (SELECT 1 FROM lsq_ops_blackout b WHERE b.account_id = NEW.account_id AND b.lifted_at IS NULL"
        " AND b.begins_at <= {now} AND b.ends_at > {now})",
        "attempt: no deletion call is sent in a blackout",
    ),
]

ACCOUNT = [
    never("lsq_ops_account", "DELETE"),
    new_key("lsq_ops_account", "x.id = NEW.id", "x.host = NEW.host, x.org_id = NEW.org_id"),
    frozen("lsq_ops_account", "id created_at"),
    Guard(
        "lsq_ops_account",
        "UPDATE",
        "whose",
        "NOT OLD.sandbox AND (NEW.sandbox OR NEW.host <> OLD.host OR (OLD.org_id <> '' AND NEW.org_id <> OLD.org_id))",
        "account: whose it is stays; another host or OrgId is another account",
        "sandbox host org_id",
    ),
]

READINGS = [
    never("lsq_ops_activitysnapshot", "DELETE"),
    new_key("lsq_ops_activitysnapshot", "x.id = NEW.id"),
    frozen("lsq_ops_activitysnapshot", "id", rule="key"),
    frozen(
        "lsq_ops_activitysnapshot",
        "account_id request_id subject subject_id lane ordered_at started_at read_at complete lead_gone why records "
        "sha256",
        "OLD.read_at IS NOT NULL",
    ),
    never("lsq_ops_snapshotcontent", "DELETE"),
    new_key("lsq_ops_snapshotcontent", "x.snapshot_id = NEW.snapshot_id"),
    frozen("lsq_ops_snapshotcontent", "snapshot_id"),
    _emptied(
        "lsq_ops_snapshotcontent",
        "packed",
        "NOT EXISTS (SELECT 1 FROM lsq_ops_activitysnapshot s JOIN lsq_ops_deletionrequest r ON r.id = s.request_id"
        f" WHERE s.id = OLD.snapshot_id AND r.state NOT IN ({OVER}))",  # nosec B608 # this file's own words
    ),
]

RECEIPTS = [
    never("lsq_ops_webhookreceipt", "DELETE"),
    new_key("lsq_ops_webhookreceipt", "x.id = NEW.id", "x.attempt_id = NEW.attempt_id, x.body_hash = NEW.body_hash"),
    frozen("lsq_ops_webhookreceipt", "id attempt_id body_hash content_type first_at"),
    frozen("lsq_ops_webhookreceipt", "says says_success taken_at", "OLD.taken_at IS NOT NULL", rule="taken"),
    _emptied(
        "lsq_ops_webhookreceipt",
        "body",
        "EXISTS (SELECT 1 FROM lsq_ops_attempt a JOIN lsq_ops_deletionrequest r ON r.id = a.request_id"
        f" WHERE a.id = OLD.attempt_id AND r.state IN ({OVER}))",  # nosec B608 # this file's own words
    ),
]

CLAIMS = [
    never("lsq_ops_taskclaim", "UPDATE"),
    new_key("lsq_ops_taskclaim", "x.id = NEW.id", "x.account_id = NEW.account_id, x.task_id = NEW.task_id"),
    Guard(
        "lsq_ops_taskclaim",
        "DELETE",
        "held",
        "EXISTS (SELECT 1 FROM lsq_ops_attempt a WHERE a.id = OLD.attempt_id AND a.resolved_at IS NULL)",
        "task claim: held until its attempt is resolved",
    ),
]

TRAIL = [
    never("lsq_ops_auditevent", "UPDATE"),
    never("lsq_ops_auditevent", "DELETE"),
    new_key("lsq_ops_auditevent", "x.seq = NEW.seq"),
    Guard(
        "lsq_ops_auditevent",
        "INSERT",
        "next_link",
        "NEW.seq <> 1 + COALESCE((SELECT MAX(x.seq) FROM lsq_ops_auditevent x), 0) OR (NEW.seq > 1 AND NEW.prev_hash"
        " <> (SELECT x.hash FROM lsq_ops_auditevent x WHERE x.seq = NEW.seq - 1))",
        "audit trail: the next link continues the chain",
    ),
    never("lsq_ops_audithead", "DELETE"),
    new_key("lsq_ops_audithead", "x.id = NEW.id"),
    Guard(
        "lsq_ops_audithead",
        "UPDATE",
        "forward",
        "NEW.id <> OLD.id OR NEW.seq < OLD.seq OR NOT EXISTS (SELECT 1 FROM lsq_ops_auditevent x"
        " WHERE x.seq = NEW.seq AND x.hash = NEW.hash)",
        "audit head: only forward, to an event that is there",
        "id seq hash",
    ),
    Guard("lsq_ops_audithead", "INSERT", "one", "NEW.id <> 1", "audit head: there is one"),
    never("lsq_ops_auditanchor", "DELETE"),
    new_key("lsq_ops_auditanchor", "x.seq = NEW.seq"),
    frozen("lsq_ops_auditanchor", "seq hash at mac"),
    once("lsq_ops_auditanchor", "filed_at mailed_at"),
    never("lsq_ops_trailcheck", "DELETE"),
    new_key("lsq_ops_trailcheck", "x.id = NEW.id"),
    frozen("lsq_ops_trailcheck", 'id "by" head_seq head_hash', rule="key"),
    frozen("lsq_ops_trailcheck", "last prev anchored done_at", "OLD.done_at IS NOT NULL"),
]

ASIDE = (*RIGHTS, *BLACKOUTS, *ACCOUNT, *READINGS, *RECEIPTS, *CLAIMS, *TRAIL)

# What may change at any time, by table: work in progress, notes for people, and what is only ever added to. Every other
# column of a guarded table is watched over by a rule; a test compares.
FREE = {
    "lsq_ops_deletionrequest": "attention look_again_at later contents_erased_at",
    "lsq_ops_requestversion": "recheck_from rechecked_at reminded",
    "lsq_ops_deletionitem": "outcome_at",
    "lsq_ops_deletioncall": "not_before claimed_until tries sent_at read_from reads ended_at note contradiction "
    "strange",
    "lsq_ops_attempt": "lease_until",
    "lsq_ops_activitysnapshot": "not_before claimed_until tries contents_erased_at",
    "lsq_ops_webhookreceipt": "last_at count",
    "lsq_ops_auditanchor": "made_at",
    "lsq_ops_trailcheck": "begun_at",
    "lsq_ops_account": "org_name current sync_on time_zone offset_meaning probed_at key_user key_role tested_at "
    "keys_mark rate_calls rate_seconds learnt_calls learnt_at hold_until paused_at paused_by pause_reason paused_kinds "
    "not_sent_in_a_row",
}
