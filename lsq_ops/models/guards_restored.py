"""Rules of the database after a restore: what came out of a backup unfinished is not sent before an operator has
confirmed it, because calls may have been sent that the backup knows nothing of."""

from .guard import Guard, is_involved, is_operator, never, new_key

REQUEST = "lsq_ops_deletionrequest"

RESTORED = [
    Guard(
        "lsq_ops_attempt",
        "INSERT",
        "restored",
        f"EXISTS (SELECT 1 FROM {REQUEST} r WHERE r.id = NEW.request_id"  # nosec B608 # this file's own words
        " AND r.restored_at IS NOT NULL AND r.restore_confirmed_at IS NULL)",
        "attempt: its request came out of a backup, and nobody has confirmed it since",
    ),
    Guard(
        REQUEST,
        "UPDATE",
        "restored",
        "OLD.restored_at IS NOT NULL AND (NEW.restored_at IS NULL OR NEW.restored_at < OLD.restored_at)",
        "deletion request: that it came out of a backup can't be unsaid",
        "restored_at",
    ),
    Guard(
        REQUEST,
        "UPDATE",
        "restore_confirmed",
        "(NEW.restore_confirmed_at !== OLD.restore_confirmed_at"
        " OR NEW.restore_confirmed_by_id !== OLD.restore_confirmed_by_id)"
        # It is taken away by the next restore, and by nothing else.
        " AND NOT (NEW.restore_confirmed_at IS NULL AND NEW.restore_confirmed_by_id IS NULL"
        " AND NEW.restored_at !== OLD.restored_at)"
        " AND (OLD.restore_confirmed_at IS NOT NULL OR NEW.restore_confirmed_at IS NULL"
        " OR NEW.restore_confirmed_by_id IS NULL"
        f" OR NOT {is_operator('NEW.restore_confirmed_by_id')}"
        f" OR {is_involved('NEW.restore_confirmed_by_id', 'NEW.id')})",
        "deletion request: confirmed once after a restore, by an operator who isn't involved",
        "restore_confirmed_at restore_confirmed_by_id",
    ),
    never("lsq_ops_restoration", "UPDATE"),
    never("lsq_ops_restoration", "DELETE"),
    new_key("lsq_ops_restoration", "x.id = NEW.id"),
]
