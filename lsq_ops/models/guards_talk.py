"""Rules of the database for what people say to one another about a request: it is only ever added to."""

from .guard import Guard, never, new_key

TALK = [
    never("lsq_ops_strikeout", "UPDATE"),
    never("lsq_ops_strikeout", "DELETE"),
    new_key(
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
    never("lsq_ops_message", "UPDATE"),
    never("lsq_ops_message", "DELETE"),
    new_key("lsq_ops_message", "x.id = NEW.id"),
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
