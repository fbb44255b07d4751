"""What we keep. One module per story; this page only gathers the names."""

from .accounts import Account, Beat, BudgetDay, BudgetSlot
from .audit import AuditAnchor, AuditEvent, AuditHead, TrailCheck, audited, record
from .blackouts import Blackout
from .calls import Attempt, CallBody, DeletionCall, TaskClaim, WebhookReceipt
from .clock import db_now, durable
from .erasing import ErasedId, ErasingRun, Erasure, RetentionRun
from .evidence import ActivitySnapshot, SnapshotContent, SnapshotPage
from .machine import IllegalMove, LostRace, StateMachine
from .mirror import Activity, ActivityType, CrmUser, Hold, Lead, SearchTerm, Task
from .people import ApproverGrant, Decision, Notice, NoticeChoice, OneTimePassword, Policy, Team, Topic, Vote
from .requests import (
    DeletionItem,
    DeletionRequest,
    ItemContent,
    KeptNeighbour,
    RequestTarget,
    RequestVersion,
    Selection,
)
from .restored import Restoration
from .sign_in import CacheEntry, VotingSuspension
from .syncing import MirrorSync
from .talk import Message, StrikeOut
from .timing import timing
from .uploads import UploadedLine, UploadedList, UploadedPart

__all__ = [
    "Account",
    "Activity",
    "ActivitySnapshot",
    "ActivityType",
    "ApproverGrant",
    "Attempt",
    "AuditAnchor",
    "AuditEvent",
    "AuditHead",
    "Beat",
    "Blackout",
    "BudgetDay",
    "BudgetSlot",
    "CacheEntry",
    "CallBody",
    "CrmUser",
    "Decision",
    "DeletionCall",
    "DeletionItem",
    "DeletionRequest",
    "ErasedId",
    "ErasingRun",
    "Erasure",
    "Hold",
    "IllegalMove",
    "ItemContent",
    "KeptNeighbour",
    "Lead",
    "LostRace",
    "Message",
    "MirrorSync",
    "Notice",
    "NoticeChoice",
    "OneTimePassword",
    "Policy",
    "RequestTarget",
    "RequestVersion",
    "Restoration",
    "RetentionRun",
    "SearchTerm",
    "Selection",
    "SnapshotContent",
    "SnapshotPage",
    "StateMachine",
    "StrikeOut",
    "Task",
    "TaskClaim",
    "Team",
    "Topic",
    "TrailCheck",
    "UploadedLine",
    "UploadedList",
    "UploadedPart",
    "Vote",
    "VotingSuspension",
    "WebhookReceipt",
    "audited",
    "db_now",
    "durable",
    "record",
    "timing",
]
