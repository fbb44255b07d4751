"""The mistakes: where, what stands there, what somebody could have written instead, and which tests must notice.

Each is one that a tired person makes: a condition dropped, a bound moved, a filter missing, a lock forgotten, a wrong
default, an error swallowed. One whose `old` no longer stands exactly once in its file is stale: mend it here.
"""

from typing import NamedTuple


class Mistake(NamedTuple):
    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]
    postgres: bool = False  # SQLite has one writer at a time, so that a forgotten lock shows on PostgreSQL only

    def stale(self, text: str) -> str:
        """Why it can't be made in this text any more; empty where it can."""
        found = text.count(self.old)
        return "" if found == 1 else f"stale: its text stands {found} times in {self.path}"


MODELS, SERVICES = "lsq_ops/models/", "lsq_ops/services/"
STATES = "tests/models/test_states.py::"
AUDIT = "tests/models/test_audit.py::"
GUARDS = "tests/models/test_guards.py::"
SENDING = "tests/services/test_branches_sending.py::"
ENDING = "tests/services/test_branches_ending.py::"
VOTING = "tests/services/test_branches_voting.py::"
RUNNING = "tests/services/test_running.py::"
VERIFYING = "tests/services/test_verifying.py::"
DECIDING = "tests/services/test_deciding.py::"
RECEIVING = "tests/services/test_receiving.py::"
READING = "tests/services/test_reading.py::"
BUDGET = "tests/services/test_budget.py::"
TAPE = "tests/services/test_tape.py::"
LATER = "tests/services/test_afterwards.py::"
AGENDA = "tests/services/test_agenda.py::"
HOLDS = "tests/services/test_holds.py::"
SUSPENDED = "tests/services/test_suspensions.py::"
DOOR = "tests/admin/test_sign_in.py::"
SIGHT = "tests/services/test_sight.py::"
PAGING = "tests/leadsquared/test_paging.py::"
MIRROR = "tests/services/test_mirror.py::"
UPLOADED = "tests/services/test_uploaded.py::"
JUDGING = "tests/services/test_judging.py::"
RETENTION = "tests/services/test_retention.py::"
ERASURE = "tests/services/test_erasure.py::"
BACKUP = "tests/services/test_backup.py::"
FACTOR = "tests/admin/test_second_factor.py::"
SECURITY = "tests/test_security.py::"
LOGS = "tests/test_logs.py::"
HEARTBEAT = "tests/services/test_heartbeat.py::"
WINDOWS = "tests/services/test_run_windows.py::"
CLOSED = "tests/services/test_closed_hours.py::"

STATE_MACHINES = [
    Mistake(
        "move-wherever-it-is",
        MODELS + "machine.py",
        "rows.filter(pk=self.pk, state=seen)",
        "rows.filter(pk=self.pk)",
        (STATES + "test_of_two_stale_copies_only_one_moves",),
    ),
    Mistake(
        "move-without-its-fields",
        MODELS + "machine.py",
        ".update(state=to, **fields)",
        ".update(state=to)",
        (
            SENDING + "test_nothing_starts_within_the_undo_time",
            RUNNING + "test_what_never_left_is_planned_again_later_and_later_then_the_account_pauses",
        ),
    ),
    Mistake(
        "move-any-way",
        MODELS + "machine.py",
        "if to not in self.MOVES[seen]:",
        "if to not in self.MOVES:",
        (STATES + "test_a_move_that_the_table_does_not_know_is_a_bug",),
    ),
    Mistake(
        "move-lost-race-unsaid",
        MODELS + "machine.py",
        '                raise LostRace(f"{self.NOUN} {self.pk} is no longer {seen}")',
        "                return",
        (STATES + "test_of_two_stale_copies_only_one_moves",),
    ),
    Mistake(
        "moves-unknown-to-not-sent",
        MODELS + "calls.py",
        '"unknown": ("accepted",),',
        '"unknown": ("accepted", "not_sent"),',
        ("tests/test_docs.py::test_the_state_tables_are_those_of_the_code",),
    ),
    Mistake(
        "acted-not-when-refused",
        MODELS + "calls.py",
        'MAY_HAVE_ACTED = ("intent", "accepted", "refused", "unknown")',
        'MAY_HAVE_ACTED = ("intent", "accepted", "unknown")',
        (RUNNING + "test_what_was_refused_but_done_all_the_same_is_gone",),
    ),
    Mistake(
        "lock-not-taken",
        MODELS + "requests.py",
        'cls.objects.select_for_update(of=("self",), no_key=True).select_related',
        "cls.objects.select_related",
        (VOTING + "test_two_last_votes_at_once_approve_it",),
        postgres=True,
    ),
]

AUDIT_CHAIN = [
    Mistake(
        "audit-tells-what-was-rolled-back",
        MODELS + "audit.py",
        "            del _local.events[mark:]",
        "            pass",
        (AUDIT + "test_what_is_rolled_back_is_not_told",),
    ),
    Mistake(
        "audit-after-the-transaction",
        MODELS + "audit.py",
        "            yield\n            if outermost:\n                _append(_local.events)",
        "            yield\n        if outermost:\n            _append(_local.events)",
        (AUDIT + "test_a_change_whose_event_can_not_be_written_does_not_happen",),
    ),
    Mistake(
        "audit-head-keeps-its-hash",
        MODELS + "audit.py",
        "SET seq = %s, hash = %s WHERE id = 1",
        "SET seq = %s, hash = CASE WHEN %s = '' THEN hash ELSE hash END WHERE id = 1",
        (AUDIT + "test_numbers_have_no_gap_and_the_chain_verifies", AUDIT + "test_many_writers_at_once_make_one_chain"),
    ),
    Mistake(
        "audit-details-not-hashed",
        "lsq_ops/chain.py",
        ',"details":{_text(event["details"])},"object_id"',
        ',"object_id"',
        (AUDIT + "test_tampering_is_found_with_its_number_and_kind",),
    ),
    Mistake(
        "audit-head-not-locked",
        MODELS + "audit.py",
        " WHERE id = 1 FOR UPDATE",
        " WHERE id = 1",
        (AUDIT + "test_many_writers_at_once_make_one_chain",),
        postgres=True,
    ),
    Mistake(
        "trail-tail-not-missed",
        "lsq_ops/chain.py",
        "        if until > self.last:",
        "        if until > self.last + 99:",
        (AUDIT + "test_tampering_is_found_with_its_number_and_kind",),
    ),
    Mistake(
        "anchors-not-compared",
        "lsq_ops/chain.py",
        '        if anchor.hash == row["hash"]:',
        "        if True:",
        ("tests/test_chain.py::test_two_thousand_tampered_trails_are_found_with_their_number_and_kind",),
    ),
    Mistake(
        "anchors-of-anybody-believed",
        "lsq_ops/services/anchors.py",
        "        if anchor.is_signed_with(settings.AUDIT_KEY):",
        "        if True:",
        ("tests/services/test_anchors.py::test_an_anchor_that_somebody_else_signed_says_nothing",),
    ),
]

THE_GATE = [
    Mistake(
        "gate-any-call",
        MODELS + "guards.py",
        "AND c.id = NEW.call_id AND c.state = 'planned' AND",
        "AND c.id = NEW.call_id AND",
        (GUARDS + "test_the_gate_is_shut_for_a_call_that_is_over",),
    ),
    Mistake(
        "gate-any-state",
        MODELS + "guards.py",
        "WHERE r.id = NEW.request_id AND r.state = 'running' AND r.account_id",
        "WHERE r.id = NEW.request_id AND r.account_id",
        (GUARDS + "test_the_gate_is_shut_until_the_undo_time_is_over",),
    ),
    Mistake(
        "gate-any-digest",
        MODELS + "guards.py",
        "AND cur.id = NEW.version_id AND cur.digest = NEW.digest AND cur.digest <> ''",
        "AND cur.id = NEW.version_id AND cur.digest <> ''",
        (GUARDS + "test_a_wrong_digest_does_not_pass_the_gate",),
    ),
    Mistake(
        "gate-any-bytes",
        MODELS + "guards.py",
        " AND c.lead_id = NEW.lead_id AND c.body_hash = NEW.body_hash)",
        " AND c.lead_id = NEW.lead_id)",
        (GUARDS + "test_bytes_that_were_not_approved_do_not_pass_the_gate",),
    ),
    Mistake(
        "gate-without-votes",
        MODELS + "guards.py",
        '        AND {_enough_votes("NEW.version_id")})',
        "        )",
        (GUARDS + "test_the_gate_is_shut_for_a_state_set_by_hand",),
    ),
    Mistake(
        "gate-voters-who-left",
        MODELS + "guards.py",
        "WHERE u.id = {v}.voter_id AND u.is_active)",
        "WHERE u.id = {v}.voter_id)",
        (GUARDS + "test_the_gate_shuts_when_a_voter_leaves_or_loses_the_grant",),
    ),
    Mistake(
        "gate-revoked-grants",
        MODELS + "guards.py",
        '                AND g.revoked_at IS NULL AND g.counts_from <= {now})\n"""',
        '                AND g.counts_from <= {now})\n"""',
        (GUARDS + "test_the_gate_shuts_when_a_voter_leaves_or_loses_the_grant",),
    ),
    Mistake(
        "gate-votes-taken-back",
        MODELS + "guards.py",
        "    AND NOT EXISTS (SELECT 1 FROM lsq_ops_vote back WHERE back.takes_back_id = {v}.id)\n",
        "",
        (GUARDS + "test_a_vote_that_was_taken_back_does_not_approve",),
    ),
    Mistake(
        "gate-people-for-teams",
        MODELS + "guards.py",
        "COUNT(DISTINCT vote.team_id)",
        "COUNT(DISTINCT vote.voter_id)",
        (GUARDS + "test_two_votes_of_one_team_do_not_stand_for_two_teams",),
    ),
    Mistake(
        "guard-second-send-of-an-unknown",
        MODELS + "guards.py",
        "AND x.state NOT IN ('turned_away', 'not_sent') AND",
        "AND x.state NOT IN ('turned_away', 'not_sent', 'unknown') AND",
        (GUARDS + "test_no_second_send_without_two_people",),
    ),
    Mistake(
        "guard-old-decision-opens-a-third",
        MODELS + "guards.py",
        "AND d.confirmed_by_id IS NOT NULL AND d.confirmed_at > x.intent_at))",
        "AND d.confirmed_by_id IS NOT NULL))",
        (GUARDS + "test_a_proposal_alone_opens_no_second_send_and_a_decision_opens_one",),
    ),
    Mistake(
        "guard-editors-vote",
        MODELS + "guard.py",
        "AND (ver.editor_id = {person} OR ver.asked_by_id",
        "AND (ver.asked_by_id",
        (GUARDS + "test_who_edited_it_does_not_vote_on_it",),
    ),
    Mistake(
        "guard-confirmed-by-anybody",
        MODELS + "guards.py",
        'NEW.confirmed_by_id IS NOT NULL AND (NEW.confirmed_by_id = NEW.proposed_by_id OR"\n'
        "        f\" {is_involved('NEW.confirmed_by_id', 'NEW.request_id')})\"",
        'NEW.confirmed_by_id IS NOT NULL AND (NEW.confirmed_by_id = NEW.proposed_by_id)"',
        (GUARDS + "test_nobody_confirms_their_own_decision_or_one_on_their_own_request",),
    ),
    Mistake(
        "guard-attempt-open-again",
        MODELS + "guards.py",
        'once("lsq_ops_attempt", "answered_at http_status resolved_at")',
        'once("lsq_ops_attempt", "answered_at http_status")',
        (GUARDS + "test_what_an_attempt_and_its_receipts_say_stays",),
    ),
    Mistake(
        "guard-receipts-removable",
        MODELS + "guards_aside.py",
        '    never("lsq_ops_webhookreceipt", "DELETE"),\n',
        "",
        (GUARDS + "test_what_an_attempt_and_its_receipts_say_stays",),
    ),
    Mistake(
        "guard-outcomes-overwritten",
        MODELS + "guards.py",
        "\"OLD.outcome <> '' AND NEW.outcome <> OLD.outcome\"",
        "\"OLD.outcome <> '' AND NEW.outcome = ''\"",
        (GUARDS + "test_an_outcome_is_written_once",),
    ),
]

BEFORE_THE_SEND = [
    Mistake(
        "start-within-the-undo-time",
        SERVICES + "running.py",
        " or request.starts_at is None or request.starts_at > now:",
        " or request.starts_at is None:",
        (SENDING + "test_nothing_starts_within_the_undo_time",),
    ),
    Mistake(
        "start-after-it-expired",
        SERVICES + "running.py",
        "        if approval.is_late(request, now):\n            return",
        "        if request.expires_at is None:\n            return",
        (RUNNING + "test_a_start_that_comes_too_late_is_refused_by_the_start_itself",),
    ),
    Mistake(
        "next-while-paused",
        SERVICES + "running.py",
        "Account.objects.filter(current=True, paused_at__isnull=True).first()",
        "Account.objects.filter(current=True).first()",
        (SENDING + "test_where_it_is_paused_there_is_no_call_to_look_at",),
    ),
    Mistake(
        "next-of-a-paused-kind",
        SERVICES + "running.py",
        "    ).exclude(request__kind__in=list(account.paused_kinds))\n",
        "    )\n",
        (SENDING + "test_where_it_is_paused_there_is_no_call_to_look_at",),
    ),
    Mistake(
        "next-beside-the-first",
        SERVICES + "running.py",
        '    first = ~Exists(smaller) & ~Exists(same.filter(state__in=("sent", "verifying")))',
        "    first = ~Exists(smaller)",
        (RUNNING + "test_the_smallest_call_goes_alone_first_and_the_rest_when_it_is_gone",),
    ),
    Mistake(
        "claim-without-looking",
        SERVICES + "running.py",
        "        if ours.filter(free).update(claimed_until=lease):",
        "        if ours.update(claimed_until=lease):",
        (SENDING + "test_a_call_that_another_worker_claims_between_look_and_claim_is_theirs",),
    ),
    Mistake(
        "claim-of-the-dead-stays",
        SERVICES + "running.py",
        "    calls = calls.filter(Q(claimed_until__isnull=True) | Q(claimed_until__lt=now))",
        "    calls = calls.filter(claimed_until__isnull=True)",
        (RUNNING + "test_a_worker_killed_at_a_step_neither_loses_nor_doubles_a_send",),
    ),
    Mistake(
        "claim-not-checked-at-the-send",
        SERVICES + "running.py",
        "    if claimed is None or call.claimed_until != claimed or claimed <= now:",
        "    if claimed is None or call.claimed_until != claimed:",
        (SENDING + "test_a_worker_that_slept_until_its_claim_was_over_does_not_send_although_nobody_took_the_call",),
    ),
    Mistake(
        "put-off-what-is-others",
        SERVICES + "running.py",
        'filter(pk=call.pk, state="planned", claimed_until=call.claimed_until)',
        'filter(pk=call.pk, state="planned")',
        (SENDING + "test_a_worker_that_gives_up_late_does_not_take_the_claim_of_the_next_one",),
    ),
    Mistake(
        "look-at-the-preview",
        SERVICES + "running.py",
        "request.started_at or request.created_at)\n    resolved",
        "request.created_at)\n    resolved",
        (RUNNING + "test_an_item_that_changed_since_the_approval_is_not_sent_and_what_remains_can_be_asked_for_again",),
    ),
    Mistake(
        "look-before-the-other-deletion",
        SERVICES + "running.py",
        'resolved.filter(Q(call=call) | (Q(lead_id=call.lead_id) & ~Q(lead_id="")))',
        "resolved.filter(call=call)",
        (SENDING + "test_a_reading_from_before_another_deletion_on_the_lead_is_not_the_one_before_the_send",),
    ),
    Mistake(
        "look-at-half-a-reading",
        SERVICES + "running.py",
        'for snapshot in readings if not snapshot.complete), ""',
        'for snapshot in readings if snapshot.lead_gone), ""',
        (SENDING + "test_a_reading_just_before_the_send_that_is_not_whole_is_not_enough",),
    ),
    Mistake(
        "drift-one-may-change",
        SERVICES + "running.py",
        "    elif changed:\n",
        "    elif len(changed) > 1:\n",
        (RUNNING + "test_an_item_that_changed_since_the_approval_is_not_sent_and_what_remains_can_be_asked_for_again",),
    ),
    Mistake(
        "drift-the-second-beside-the-window",
        "lsq_ops/kinds/activities.py",
        "            and _inside(record.at, call, NEAR)",
        "            and _inside(record.at, call)",
        (RUNNING + "test_a_record_that_came_within_a_second_of_the_window_is_too_near_to_send",),
    ),
    Mistake(
        "drift-holds-of-items-only",
        SERVICES + "running.py",
        "[*(i.record_id for i in items), *{i.lead_id for i in items}]",
        "[i.record_id for i in items]",
        (RUNNING + "test_a_record_on_hold_is_not_sent",),
    ),
    Mistake(
        "holds-never-end",
        MODELS + "mirror.py",
        "Q(ends_at=None) | Q(ends_at__gt=now or db_now()), lifted_at=None",
        "lifted_at=None",
        (HOLDS + "test_a_hold_ends_by_itself_and_can_be_set_again",),
    ),
    Mistake(
        "holds-of-any-account",
        SERVICES + "holds.py",
        "rows = Hold.objects.filter(account_id=version.request.account_id).in_force()",
        "rows = Hold.objects.in_force()",
        (HOLDS + "test_a_hold_of_another_account_is_none_here",),
    ),
    Mistake(
        "holds-of-leads-only",
        SERVICES + "holds.py",
        'for column in ("lead_id", "record_id"):\n        of_items',
        'for column in ("lead_id",):\n        of_items',
        (HOLDS + "test_a_task_s_own_hold_and_its_lead_s_both_count",),
    ),
    Mistake(
        "vote-on-hold",
        SERVICES + "approval.py",
        '        if decision == "approve":\n            _check_holds(request.version)\n',
        '        if decision == "approve":\n',
        (HOLDS + "test_what_was_put_on_hold_is_neither_submitted_nor_approved",),
    ),
    Mistake(
        "lapsed-not-asked",
        SERVICES + "running.py",
        "    if not enough(request, valid_votes(request)):",
        "    if not request.votes.exists():",
        (RUNNING + "test_a_run_waits_when_an_approval_lapses_until_another_approver_confirms",),
    ),
    Mistake(
        "caps-one-call-late",
        SERVICES + "running.py",
        "        if items and items + call.size > cap:",
        "        if items > cap:",
        (RUNNING + "test_the_cap_of_an_hour_makes_the_rest_wait_and_it_goes_on_by_itself",),
    ),
    Mistake(
        "caps-no-day",
        SERVICES + "running.py",
        '(3600, clock.items_per_hour, _("an hour")), (86400, clock.items_per_day, _("a day"))):',
        '(3600, clock.items_per_hour, _("an hour")),):',
        (SENDING + "test_the_cap_of_a_day_makes_the_rest_wait_too",),
    ),
    Mistake(
        "caps-count-what-was-not-sent",
        SERVICES + "running.py",
        'sent.exclude(state__in=("not_sent", "turned_away")).aggregate',
        "sent.aggregate",
        (SENDING + "test_what_was_turned_away_does_not_use_up_the_cap",),
    ),
    Mistake(
        "caps-not-under-the-lock",
        SERVICES + "running.py",
        "    _check_caps(call)\n    text = call.body.text",
        "    text = call.body.text",
        (RUNNING + "test_two_workers_at_once_do_not_overshoot_the_cap",),
    ),
    Mistake(
        "open-while-paused",
        SERVICES + "running.py",
        "    if account.is_paused or request.kind in account.paused_kinds:",
        "    if request.kind in account.paused_kinds:",
        (RUNNING + "test_a_pause_between_claim_and_send_holds_the_call_back",),
    ),
    Mistake(
        "open-a-paused-kind",
        SERVICES + "running.py",
        "    if account.is_paused or request.kind in account.paused_kinds:",
        "    if account.is_paused:",
        (SENDING + "test_what_is_not_sent_after_all_gives_its_place_in_the_budget_back",),
    ),
    Mistake(
        "open-another-digest",
        SERVICES + "running.py",
        " != call.body_hash or digest != request.version.digest:",
        " != call.body_hash:",
        (RUNNING + "test_bytes_that_are_not_what_was_approved_never_leave_and_somebody_is_told",),
    ),
    Mistake(
        "send-with-a-lease-almost-over",
        SERVICES + "running.py",
        "    in_time = db_now() + timedelta(seconds=timing().http_deadline) < attempt.lease_until",
        "    in_time = db_now() < attempt.lease_until",
        (RUNNING + "test_a_worker_that_woke_up_with_too_little_of_its_lease_left_does_not_send",),
    ),
    Mistake(
        "send-in-a-place-that-was-lost",
        SERVICES + "running.py",
        "    if in_time and gate.is_in_time(ticket):",
        "    if in_time:",
        (RUNNING + "test_a_worker_that_was_held_up_longer_than_its_place_in_the_budget_does_not_send",),
    ),
    Mistake(
        "call-in-a-place-that-was-lost",
        SERVICES + "budget.py",
        "            if self.is_in_time(ticket):",
        "            if True:",
        (BUDGET + "test_who_was_stopped_while_waiting_for_a_slot_takes_another_one",),
    ),
    Mistake(
        "slot-not-given-back",
        SERVICES + "running.py",
        "    except BaseException:\n        gate.leave(ticket, None)\n        raise",
        "    except BaseException:\n        raise",
        (SENDING + "test_what_is_not_sent_after_all_gives_its_place_in_the_budget_back",),
    ),
    Mistake(
        "tasks-not-claimed",
        SERVICES + "running.py",
        "    if not call.lead_id:\n        ids = call.items.values_list",
        "    if not call.owner_id:\n        ids = call.items.values_list",
        (RUNNING + "test_a_task_is_claimed_by_one_attempt_at_a_time_and_given_back",),
    ),
    Mistake(
        "token-in-clear",
        SERVICES + "running.py",
        "        token_hash=token_hash(token),",
        "        token_hash=token,",
        (RECEIVING + "test_no_token_stands_anywhere_but_in_the_address_that_leadsquared_got",),
    ),
    Mistake(
        "under-way-for-ever",
        SERVICES + "running.py",
        "Attempt.objects.filter(account=call.request.account, resolved_at__isnull=True).exclude(call=call)",
        "Attempt.objects.filter(account=call.request.account).exclude(call=call)",
        (RUNNING + "test_two_requests_on_one_lead_take_turns_and_the_second_says_for_whom_it_waits",),
    ),
]

WHAT_AN_ANSWER_MEANS = [
    Mistake(
        "answer-believed-against-the-webhook",
        SERVICES + "answering.py",
        "doubtful = answer.outcome in NOTHING_DONE and attempt.receipts.exists()",
        "doubtful = False",
        (RECEIVING + "test_a_call_that_was_turned_away_but_whose_webhook_came_is_not_sent_again",),
    ),
    Mistake(
        "answer-late-moves",
        SERVICES + "answering.py",
        '        if attempt.state != "intent":',
        "        if attempt.is_over:",
        (RUNNING + "test_an_answer_after_the_lease_is_kept_beside_and_moves_nothing",),
    ),
    Mistake(
        "claims-of-what-was-turned-away",
        SERVICES + "answering.py",
        "    verifying.release(attempt)\n",
        "",
        (SENDING + "test_tasks_that_were_turned_away_are_free_again_and_sent_again",),
    ),
    Mistake(
        "stop-forgotten",
        SERVICES + "answering.py",
        "    if request.stop_asked_at:\n",
        "    if request.is_over:\n",
        (RUNNING + "test_a_call_that_is_turned_away_after_the_stop_is_not_planned_again",),
    ),
    Mistake(
        "lease-makes-it-ready-again",
        SERVICES + "answering.py",
        'attempt.move("unknown", actor="system", details={"call": attempt.call_id, "cause": "lease"}, cause="lease")',
        'attempt.move("not_sent", actor="system", details={"call": attempt.call_id, "cause": "lease"}, cause="lease")',
        (RUNNING + "test_an_attempt_whose_lease_ran_out_is_unclear_and_never_ready_again",),
    ),
    Mistake(
        "lease-not-waited-for",
        SERVICES + "answering.py",
        "open_ones.filter(lease_until__lt=now)",
        "open_ones",
        (SENDING + "test_an_attempt_within_its_lease_is_left_alone",),
    ),
    Mistake(
        "lease-never-noticed",
        SERVICES + "agenda.py",
        "    (answering.past_lease, answering.expire_lease),\n",
        "",
        (RUNNING + "test_an_attempt_whose_lease_ran_out_is_unclear_and_never_ready_again",),
    ),
    Mistake(
        "refused-read-on-schedule",
        SERVICES + "answering.py",
        "    soon = answer.outcome == Outcome.REFUSED or attempt.receipts.exists()",
        "    soon = attempt.receipts.exists()",
        (SENDING + "test_what_is_refused_is_read_at_once",),
    ),
    Mistake(
        "retries-do-not-grow",
        SERVICES + "answering.py",
        "clock.send_retries[min(call.tries, len(clock.send_retries) - 1)]",
        "clock.send_retries[0]",
        (RUNNING + "test_what_never_left_is_planned_again_later_and_later_then_the_account_pauses",),
    ),
    Mistake(
        "unreachable-one-too-many",
        SERVICES + "answering.py",
        ".not_sent_in_a_row >= NOT_SENT_PAUSES_AT",
        ".not_sent_in_a_row > NOT_SENT_PAUSES_AT",
        (RUNNING + "test_what_never_left_is_planned_again_later_and_later_then_the_account_pauses",),
    ),
    Mistake(
        "unreachable-counted-for-ever",
        SERVICES + "answering.py",
        "    Account.objects.filter(pk=attempt.account_id).update(not_sent_in_a_row=0)\n",
        "",
        (SENDING + "test_a_call_that_got_through_ends_the_count_of_those_that_did_not",),
    ),
    Mistake(
        "forbidden-is-no-matter-of-keys",
        SERVICES + "answering.py",
        "answer.cause in (Cause.KEYS, Cause.FORBIDDEN)",
        "answer.cause == Cause.KEYS",
        (RUNNING + "test_keys_that_may_read_but_not_delete_pause_only_the_kind",),
    ),
]

VERIFICATION = [
    Mistake(
        "judged-by-an-old-reading",
        SERVICES + "verifying.py",
        "    done = reading.finished(call.request, call.read_from, of=subjects)",
        "    done = reading.finished(call.request, call.request.created_at, of=subjects)",
        (ENDING + "test_a_call_is_not_judged_by_a_reading_from_before_it_was_due",),
    ),
    Mistake(
        "judged-by-half-a-reading",
        SERVICES + "verifying.py",
        'why = next((snapshot.why for snapshot in used if not snapshot.complete), "") or blank(call, used)',
        "why = blank(call, used)",
        (VERIFYING + "test_nothing_is_concluded_from_a_reading_that_is_not_whole",),
    ),
    Mistake(
        "an-empty-list-believed",
        SERVICES + "verifying.py",
        'why = next((snapshot.why for snapshot in used if not snapshot.complete), "") or blank(call, used)',
        'why = next((snapshot.why for snapshot in used if not snapshot.complete), "")',
        (VERIFYING + "test_a_list_that_shows_nothing_at_all_after_the_send_is_not_believed",),
    ),
    Mistake(
        "an-empty-list-never-believed",
        SERVICES + "verifying.py",
        "        if earlier and earlier.records > ours:",
        "        if earlier and earlier.records >= ours:",
        (VERIFYING + "test_an_owner_without_any_task_left_is_believed_where_all_of_them_were_to_go",),
    ),
    Mistake(
        "ordered-twice",
        SERVICES + "verifying.py",
        'DeletionCall.objects.filter(pk=call.pk, state="verifying", not_before=call.not_before)',
        'DeletionCall.objects.filter(pk=call.pk, state="verifying")',
        (ENDING + "test_two_workers_order_the_readings_of_a_call_once",),
    ),
    Mistake(
        "judged-although-over",
        SERVICES + "verifying.py",
        '            if call.state != "verifying":\n                return\n',
        "",
        (ENDING + "test_a_call_that_another_worker_ended_meanwhile_is_left_as_it_is",),
    ),
    Mistake(
        "a-part-gone-is-gone",
        SERVICES + "verifying.py",
        "    elif not left:\n",
        "    elif len(left) < len(items):\n",
        (VERIFYING + "test_a_fifth_that_stays_makes_it_partial_and_what_remains_is_one_click_away",),
    ),
    Mistake(
        "neighbours-the-wrong-way-round",
        SERVICES + "verifying.py",
        "    lost = vanished(call, before, found)\n    nobody",
        "    lost = vanished(call, found, before)\n    nobody",
        (VERIFYING + "test_a_neighbour_that_went_too_is_an_alarm_and_pauses_the_account",),
    ),
    Mistake(
        "refused-calls-explain-what-went",
        SERVICES + "verifying.py",
        'if state != "refused"]',
        "]",
        (VERIFYING + "test_a_deletion_that_was_refused_explains_no_neighbour_that_went",),
    ),
    Mistake(
        "tasks-of-a-lead-that-is-gone-are-gone",
        SERVICES + "verifying.py",
        "    return {item.record_id for item in items if item.lead_id in gone and item.record_id not in there}",
        "    return set()",
        (VERIFYING + "test_a_task_in_no_list_that_can_be_asked_for_is_not_called_gone_already",),
    ),
    Mistake(
        "neighbours-by-code-and-window",
        "lsq_ops/kinds/activities.py",
        "record.lead_id == call.lead_id and (record.code in call.codes or _inside(record.at, call))",
        "record.lead_id == call.lead_id and record.code in call.codes and _inside(record.at, call)",
        (VERIFYING + "test_a_neighbour_that_came_after_the_approval_is_missed_as_well",),
    ),
    Mistake(
        "neighbours-measured-by-the-last-send",
        SERVICES + "verifying.py",
        'filter(state__in=Attempt.MAY_HAVE_ACTED).order_by("number").first()',
        'filter(state__in=Attempt.MAY_HAVE_ACTED).order_by("-number").first()',
        (ENDING + "test_what_the_first_send_took_late_is_missed_by_the_second_as_well",),
    ),
    Mistake(
        "neighbours-measured-after-the-send",
        SERVICES + "verifying.py",
        "reading.finished(call.request, since, until=first.intent_at, of=subjects_of(call), whole=True)",
        "reading.finished(call.request, since, of=subjects_of(call), whole=True)",
        (VERIFYING + "test_a_neighbour_that_went_too_is_an_alarm_and_pauses_the_account",),
    ),
    Mistake(
        "neighbours-explained-by-a-draft",
        SERVICES + "verifying.py",
        "DeletionItem.objects.filter(ours, record_id__in=missing[start : start + 500])",
        "DeletionItem.objects.filter(record_id__in=missing[start : start + 500])",
        (ENDING + "test_a_draft_that_names_the_neighbour_explains_nothing",),
    ),
    Mistake(
        "neighbours-alarm-themselves",
        SERVICES + "verifying.py",
        "Q(version=call.version_id) | Q(call__attempts__state__in=taken)",
        "Q(version=call.version_id)",
        (VERIFYING + "test_a_neighbour_that_another_request_was_sent_to_delete_is_no_alarm",),
    ),
    Mistake(
        "strange-forgotten",
        SERVICES + "verifying.py",
        '    call.strange, call.contradiction = True, note\n    call.save(update_fields=["strange", "contradiction"])',
        '    call.strange, call.contradiction = True, note\n    call.save(update_fields=["contradiction"])',
        (VERIFYING + "test_what_vanished_is_not_forgotten_by_the_next_reading",),
    ),
    Mistake(
        "unknown-ends-after-a-day",
        SERVICES + "verifying.py",
        '(attempt.state == "accepted" and _schedule_over(call))',
        "_schedule_over(call)",
        (ENDING + "test_an_unclear_call_that_is_still_there_after_a_day_does_not_end_by_itself",),
    ),
    Mistake(
        "unknown-ends-unread",
        SERVICES + "verifying.py",
        '    if attempt.state != "unknown" and _schedule_over(call)',
        "    if _schedule_over(call)",
        (ENDING + "test_an_unclear_call_that_can_not_be_read_for_a_day_does_not_end_by_itself",),
    ),
    Mistake(
        "sent-once-called-not-sent",
        SERVICES + "verifying.py",
        "call.attempts.filter(state__in=Attempt.MAY_HAVE_ACTED).exists()\n    readings",
        "call.attempts.filter(resolved_at__isnull=True).exists()\n    readings",
        (DECIDING + "test_stopping_before_the_second_send_does_not_call_the_first_one_not_sent",),
    ),
    Mistake(
        "webhook-while-reading-missed",
        SERVICES + "verifying.py",
        "        when = now  # it came while we were reading, and was not read for",
        "        pass",
        (ENDING + "test_a_webhook_that_another_worker_took_while_it_was_being_read_has_it_read_once_more",),
    ),
    Mistake(
        "schedule-from-its-end",
        SERVICES + "verifying.py",
        "    when = later[0] if later else",
        "    when = later[-1] if later else",
        (VERIFYING + "test_it_is_read_on_its_schedule_and_then_again_and_again",),
    ),
    Mistake(
        "resolved-keeps-its-claims",
        SERVICES + "verifying.py",
        "call=attempt.call_id)\n    release(attempt)",
        "call=attempt.call_id)",
        (RUNNING + "test_a_task_is_claimed_by_one_attempt_at_a_time_and_given_back",),
    ),
    Mistake(
        "contradiction-not-of-a-part",
        SERVICES + "verifying.py",
        'if state in ("still_present", "partial") and True in said:',
        'if state == "still_present" and True in said:',
        (ENDING + "test_a_webhook_that_told_of_success_where_a_part_stayed_is_shown",),
    ),
]

SETTLING = [
    Mistake(
        "over-deleted-is-no-matter",
        SERVICES + "settling.py",
        '        if call.state == "over_deleted":',
        '        if call.state == "over_deleted" and not call.is_over:',
        (VERIFYING + "test_a_neighbour_that_went_too_is_an_alarm_and_pauses_the_account",),
    ),
    Mistake(
        "asked-before-it-was-read",
        SERVICES + "settling.py",
        '    if attempt is None or attempt.state != "unknown" or call.reads == 0:',
        '    if attempt is None or attempt.state != "unknown":',
        (ENDING + "test_nobody_is_asked_before_it_was_read_once",),
    ),
    Mistake(
        "asked-about-what-was-accepted",
        SERVICES + "settling.py",
        '    if attempt is None or attempt.state != "unknown" or call.reads == 0:',
        "    if attempt is None or call.reads == 0:",
        (ENDING + "test_what_was_accepted_is_only_read_on_however_long_the_grace_is_over",),
    ),
    Mistake(
        "grace-of-half-of-the-calls",
        SERVICES + "settling.py",
        "math.ceil(len(seconds) * 0.95) - 1",
        "math.ceil(len(seconds) * 0.5) - 1",
        (DECIDING + "test_the_grace_is_learnt_from_what_calls_needed_until_they_were_seen_done",),
    ),
    Mistake(
        "grace-without-its-least",
        SERVICES + "settling.py",
        "min(max(learnt, clock.grace_least), clock.grace)",
        "min(learnt, clock.grace)",
        (DECIDING + "test_the_grace_is_learnt_from_what_calls_needed_until_they_were_seen_done",),
    ),
    Mistake(
        "grace-learnt-too-late",
        SERVICES + "settling.py",
        "    if len(took) < clock.grace_learns_from:",
        "    if len(took) <= clock.grace_learns_from:",
        (DECIDING + "test_the_grace_is_learnt_from_what_calls_needed_until_they_were_seen_done",),
    ),
    Mistake(
        "completed-with-some-left",
        SERVICES + "settling.py",
        '"completed" if done == total else',
        '"completed" if done else',
        (VERIFYING + "test_a_fifth_that_stays_makes_it_partial_and_what_remains_is_one_click_away",),
    ),
    Mistake(
        "stopped-is-told-as-partial",
        SERVICES + "settling.py",
        '"stopped" if request.stop_asked_at else "failed"',
        '"failed"',
        (RUNNING + "test_stopping_sends_nothing_more_and_says_how_many_were_taken",),
    ),
    Mistake(
        "first-call-not-gone-goes-on",
        SERVICES + "settling.py",
        '    if sent and not any(call.state == "gone" for call in sent) and any',
        "    if not sent and any",
        (RUNNING + "test_a_first_call_that_does_not_end_as_gone_stops_the_rest_until_people_decide",),
    ),
    Mistake(
        "later-only-with-both",
        SERVICES + "settling.py",
        "(left.exists() or not sent.filter(receipts__isnull=False).exists())",
        "(left.exists() and not sent.filter(receipts__isnull=False).exists())",
        (LATER + "test_without_a_receipt_it_is_read_once_more_and_nothing_has_changed",),
    ),
    Mistake(
        "later-by-the-old-reading",
        SERVICES + "afterwards.py",
        "        done = reading.finished(request, since, of=subjects)\n        missing",
        "        done = reading.finished(request, request.created_at, of=subjects)\n        missing",
        (LATER + "test_what_acted_after_the_end_is_appended_and_moves_nothing",),
    ),
    Mistake(
        "later-by-half-a-reading",
        SERVICES + "afterwards.py",
        "_compare(request, since) if all(s.complete for s in done.values()) else None",
        "_compare(request, since)",
        (LATER + "test_what_can_not_be_read_then_is_said",),
    ),
    Mistake(
        "later-an-empty-list-believed",
        SERVICES + "afterwards.py",
        " or verifying.blank(call, done.values()):",
        ":",
        (ENDING + "test_a_day_later_a_list_that_shows_nothing_at_all_is_not_believed",),
    ),
    Mistake(
        "later-again-and-again",
        SERVICES + "afterwards.py",
        "update(later=later, look_again_at=None)",
        "update(later=later)",
        (LATER + "test_without_a_receipt_it_is_read_once_more_and_nothing_has_changed",),
    ),
]

DECISIONS = [
    Mistake(
        "propose-within-the-grace",
        SERVICES + "deciding.py",
        "(call is None or not is_open_question(call))",
        "call is None",
        (DECIDING + "test_nothing_is_decided_before_the_grace_is_over",),
    ),
    Mistake(
        "confirm-by-anybody",
        SERVICES + "deciding.py",
        'need(user, "close" if decision.choice == Decision.Choice.CLOSE else "confirm_decision", request)',
        'need(user, "look", request)',
        (DECIDING + "test_nobody_confirms_their_own_proposal_or_without_being_an_operator",),
    ),
    Mistake(
        "confirm-alone",
        SERVICES + "deciding.py",
        "    if decision.proposed_by_id == user.pk:",
        "    if decision.confirmed_by_id == user.pk:",
        (DECIDING + "test_nobody_confirms_their_own_proposal_or_without_being_an_operator",),
    ),
    Mistake(
        "confirm-although-stopped",
        SERVICES + "deciding.py",
        "        _check_not_stopped(request, decision.choice)\n",
        "",
        (ENDING + "test_a_stop_in_between_bars_the_second_send_at_its_confirmation",),
    ),
    Mistake(
        "confirm-although-answered",
        SERVICES + "deciding.py",
        "    if not is_open_question(call):\n",
        '    if call.state != "verifying":\n',
        (ENDING + "test_a_webhook_after_the_proposal_answers_the_question_and_nothing_is_sent_again",),
    ),
    Mistake(
        "end-without-ending",
        SERVICES + "deciding.py",
        "verifying.decide(call, used, final=True)",
        "verifying.decide(call, used)",
        (DECIDING + "test_two_operators_end_it_as_it_was_last_read",),
    ),
    Mistake(
        "close-over-a-call-on-its-way",
        SERVICES + "deciding.py",
        '    if request.version.calls.filter(state="sent").exists():',
        '    if request.version.calls.filter(state="planned").exists():',
        (DECIDING + "test_a_call_on_its_way_this_very_moment_is_not_closed_over",),
    ),
]

RECEIPTS = [
    Mistake(
        "receipts-one-too-many",
        MODELS + "calls.py",
        "WHERE attempt_id = %s) < %s",
        "WHERE attempt_id = %s) <= %s",
        (RECEIVING + "test_a_flood_of_different_bodies_is_cut_off",),
    ),
    Mistake(
        "receipts-not-counted",
        MODELS + "calls.py",
        'update(last_at=now, count=F("count") + 1)',
        "update(last_at=now)",
        (RECEIVING + "test_the_same_body_twice_is_one_receipt_with_a_count",),
    ),
    Mistake(
        "receipts-of-any-length",
        SERVICES + "receiving.py",
        "kept, now = body[:KEPT_BYTES], db_now()",
        "kept, now = body, db_now()",
        (ENDING + "test_of_a_long_body_the_beginning_is_kept",),
    ),
    Mistake(
        "receipts-taken-twice",
        SERVICES + "receiving.py",
        "filter(pk=receipt.pk, taken_at__isnull=True)",
        "filter(pk=receipt.pk)",
        (ENDING + "test_two_workers_draw_the_conclusions_of_a_receipt_once",),
    ),
    Mistake(
        "receipts-unheard",
        SERVICES + "receiving.py",
        "        heard(attempt)\n",
        "",
        (RECEIVING + "test_a_webhook_makes_an_unclear_answer_an_accepted_one",),
    ),
    Mistake(
        "receipts-fewer-is-success",
        SERVICES + "receiving.py",
        'int(fields["DeletedTasksCount"]) < int(fields["TasksCount"])',
        'int(fields["DeletedTasksCount"]) > int(fields["TasksCount"])',
        (RECEIVING + "test_whatever_comes_is_kept_as_it_came",),
    ),
    Mistake(
        "receipts-the-last-word-counts",
        SERVICES + "receiving.py",
        "    if SAID_TWICE in fields:\n        success = None\n",
        "",
        (RECEIVING + "test_whatever_comes_is_kept_as_it_came",),
    ),
]

THE_BUDGET = [
    Mistake(
        "slot-stamped-without-its-window",
        SERVICES + "budget.py",
        "_epoch() + (account.rate_seconds if answer else 0)",
        "_epoch()",
        (BUDGET + "test_nobody_queues_behind_a_call_under_way",),
    ),
    Mistake(
        "slot-behind-a-call-under-way",
        SERVICES + "budget.py",
        'idle = slots.filter(Q(ticket="") | Q(free_at__lte=now))',
        "idle = slots.all()",
        (BUDGET + "test_nobody_queues_behind_a_call_under_way",),
    ),
    Mistake(
        "slot-of-the-dead-stays",
        SERVICES + "budget.py",
        'idle = slots.filter(Q(ticket="") | Q(free_at__lte=now))',
        'idle = slots.filter(ticket="")',
        (BUDGET + "test_an_answer_after_its_slot_was_taken_over_frees_nothing",),
    ),
    Mistake(
        "slot-freed-by-anybody",
        SERVICES + "budget.py",
        'filter(pk=ticket.slot_id, ticket=ticket.key).update(free_at=free_at, ticket="")',
        'filter(pk=ticket.slot_id).update(free_at=free_at, ticket="")',
        (BUDGET + "test_an_answer_after_its_slot_was_taken_over_frees_nothing",),
    ),
    Mistake(
        "slot-fallback-too-early",
        SERVICES + "budget.py",
        "fallback = at + timing().begins_within + timing().http_deadline + account.rate_seconds",
        "fallback = at + account.rate_seconds",
        (BUDGET + "test_a_slot_whose_process_died_comes_back_by_itself",),
    ),
    Mistake(
        "hold-not-kept",
        SERVICES + "budget.py",
        "at = max(now, slot.free_at, account.hold_until)",
        "at = max(now, slot.free_at)",
        (BUDGET + "test_nobody_calls_while_leadsquared_wants_us_to_wait",),
    ),
    Mistake(
        "hold-shortened",
        SERVICES + "budget.py",
        "account.hold_until = max(account.hold_until, _epoch() + seconds)",
        "account.hold_until = _epoch() + seconds",
        (BUDGET + "test_a_shorter_wait_does_not_end_a_longer_one",),
    ),
    Mistake(
        "a-lesson-for-each-refusal",
        SERVICES + "budget.py",
        "                return  # one burst of refusals is one lesson",
        "                pass",
        (BUDGET + "test_one_burst_of_refusals_is_one_lesson",),
    ),
    Mistake(
        "never-recovered",
        SERVICES + "budget.py",
        "account.learnt_calls + recovered",
        "account.learnt_calls",
        (BUDGET + "test_what_was_learnt_is_recovered_slowly",),
    ),
    Mistake(
        "reserve-forgotten",
        SERVICES + "budget.py",
        "    ours = _ours(account.rate_calls)",
        "    ours = account.rate_calls",
        (BUDGET + "test_what_was_learnt_is_recovered_slowly",),
    ),
    Mistake(
        "day-one-too-many",
        SERVICES + "budget.py",
        "rows.filter(calls__lt=cap)",
        "rows.filter(calls__lte=cap)",
        (BUDGET + "test_the_day_is_over_when_its_calls_are_used",),
    ),
]

READINGS = [
    Mistake(
        "reading-finished-since",
        SERVICES + "reading.py",
        "filter(request=request, started_at__gte=since, read_at__isnull=False)",
        "filter(request=request, read_at__gte=since)",
        (ENDING + "test_a_reading_that_began_before_and_ended_after_it_was_due_does_not_count",),
    ),
    Mistake(
        "reading-the-oldest",
        SERVICES + "reading.py",
        'snapshots.order_by("read_at", "id")',
        'snapshots.order_by("-read_at", "id")',
        (READING + "test_of_two_readings_the_later_one_counts",),
    ),
    Mistake(
        "reading-whole-or-not",
        SERVICES + "reading.py",
        "    if whole:\n        snapshots = snapshots.filter(complete=True)\n",
        "",
        (ENDING + "test_the_last_whole_reading_decides_what_two_people_end",),
    ),
    Mistake(
        "reading-half-is-there-already",
        SERVICES + "reading.py",
        "(Q(started_at__gte=since) & (Q(read_at__isnull=True) | Q(complete=True)))",
        "Q(started_at__gte=since)",
        (READING + "test_a_reading_that_was_not_whole_is_ordered_anew",),
    ),
    Mistake(
        "reading-claimed-twice",
        SERVICES + "reading.py",
        "if _leased(snapshot).update(claimed_until=leases.end(now)",
        "if Snapshot.objects.filter(pk=snapshot.pk).update(claimed_until=leases.end(now)",
        (READING + "test_a_reading_that_another_worker_claims_between_look_and_claim_is_theirs",),
    ),
    Mistake(
        "reading-filled-by-the-late-one",
        SERVICES + "leases.py",
        "rows.filter(pk=row.pk, claimed_until=row.claimed_until)",
        "rows.filter(pk=row.pk)",
        (READING + "test_a_worker_that_was_given_up_does_not_take_the_claim_of_the_next_one",),
    ),
    Mistake(
        "reading-a-lead-that-is-gone-is-empty",
        SERVICES + "reading.py",
        "    gone = not listing.records and client.lead(lead) is None",
        "    gone = False",
        (READING + "test_an_empty_list_may_be_that_of_a_lead_that_is_gone",),
    ),
    Mistake(
        "reading-denied-is-whole",
        SERVICES + "reading.py",
        '        return [], gone, "" if gone else',
        '        return [], True, "" if gone else',
        (READING + "test_a_lead_that_one_page_denies_and_another_shows_is_neither_gone_nor_empty",),
    ),
    Mistake(
        "reading-open-tasks-only",
        SERVICES + "reading.py",
        "    for status in (0, 1, 0):",
        "    for status in (0, 0):",
        (READING + "test_an_owners_task_is_found_open_completed_or_reopened_in_between",),
    ),
    Mistake(
        "reading-a-torn-list-is-whole",
        SERVICES + "reading.py",
        "            return list(found.values()), False, listing.why, False",
        "            break",
        (ENDING + "test_an_owners_list_of_which_a_part_is_missing_says_so",),
    ),
    Mistake(
        "tape-any-answer",
        SERVICES + "tape.py",
        "            if page.asked == asked:",
        "            if page.asked:",
        (TAPE + "test_another_question_gets_no_old_answer",),
    ),
    Mistake(
        "tape-not-cut",
        SERVICES + "tape.py",
        "            self._forget()\n",
        "",
        (TAPE + "test_another_question_gets_no_old_answer",),
    ),
    Mistake(
        "tape-keeps-refusals",
        SERVICES + "tape.py",
        "        if answer.outcome == Outcome.ACCEPTED:",
        "        if answer.body:",
        (TAPE + "test_a_rate_answer_is_no_failed_try_and_loses_nothing",),
    ),
    Mistake(
        "tape-of-any-age",
        SERVICES + "reading.py",
        "        if now - snapshot.started_at < KEPT:",
        "        if snapshot.started_at < now:",
        (TAPE + "test_pages_that_are_too_old_are_read_anew",),
    ),
    Mistake(
        "tape-pays-for-what-it-plays",
        SERVICES + "tape.py",
        "return None if self.played < len(self.stored) else self.gate.enter()",
        "return self.gate.enter()",
        (TAPE + "test_a_long_list_is_read_over_many_turns_and_no_page_twice",),
    ),
]

VOTES_AND_RIGHTS = [
    Mistake(
        "vote-on-what-was-not-shown",
        SERVICES + "approval.py",
        "        _check_shown(request, digest)\n        if request.expires_at",
        "        if request.expires_at",
        (VOTING + "test_a_vote_counts_only_on_what_the_voter_was_shown",),
    ),
    Mistake(
        "vote-when-expired",
        SERVICES + "approval.py",
        "        if request.expires_at and request.expires_at <= db_now():\n            raise",
        "        if request.expires_at is None:\n            raise",
        (READING + "test_a_pending_request_expires_and_a_late_vote_does_not_count",),
    ),
    Mistake(
        "vote-without-the-number",
        SERVICES + "approval.py",
        "    if asks_count(version) and count != version.items_count:",
        "    if asks_count(version) and count and count != version.items_count:",
        (VOTING + "test_above_the_low_tier_an_approver_types_the_number",),
    ),
    Mistake(
        "vote-on-an-old-reading",
        SERVICES + "approval.py",
        "    if _reading_is_old(request):",
        "    if _reading_is_old(request) and request.version.recheck_from:",
        (READING + "test_before_a_vote_on_an_old_reading_the_leads_are_read_again_and_unchanged_the_votes_stand",),
    ),
    Mistake(
        "votes-taken-back-count",
        SERVICES + "may.py",
        '        decision__in=("approve", "confirm"),\n        taken_back_by__isnull=True,\n',
        '        decision__in=("approve", "confirm"),\n',
        (VOTING + "test_a_vote_that_was_taken_back_counts_no_more_and_can_not_be_given_again",),
    ),
    Mistake(
        "votes-of-one-team",
        SERVICES + "may.py",
        "return len(votes) >= max(1, version.approvals_needed) and len(teams) >= version.teams_needed",
        "return len(votes) >= max(1, version.approvals_needed)",
        (VOTING + "test_the_quorum_counts_teams_and_not_only_people",),
    ),
    Mistake(
        "votes-of-who-left",
        SERVICES + "may.py",
        "        voter__is_active=True,\n",
        "",
        (RUNNING + "test_a_run_waits_when_an_approval_lapses_until_another_approver_confirms",),
    ),
    Mistake(
        "grants-that-do-not-count-yet",
        SERVICES + "may.py",
        "filter(user=user, revoked_at__isnull=True, counts_from__lte=db_now()).first()",
        "filter(user=user, revoked_at__isnull=True).first()",
        (VOTING + "test_a_grant_counts_from_its_date_on_and_says_so_before",),
    ),
    Mistake(
        "editors-are-not-involved",
        SERVICES + "may.py",
        "user.pk in (version.editor_id, version.submitted_by_id)",
        "user.pk in (version.submitted_by_id,)",
        (VOTING + "test_who_submitted_or_edited_any_version_is_involved",),
    ),
    Mistake(
        "approvers-confirm-decisions",
        SERVICES + "may.py",
        '    "confirm_decision": (OPERATOR,),',
        '    "confirm_decision": (OPERATOR, APPROVER),',
        (DECIDING + "test_nobody_confirms_their_own_proposal_or_without_being_an_operator",),
    ),
    Mistake(
        "undo-time-of-nothing",
        SERVICES + "approval.py",
        "starts_at=now + timedelta(seconds=request.version.wait_seconds),",
        "starts_at=now,",
        (SENDING + "test_nothing_starts_within_the_undo_time",),
    ),
    Mistake(
        "confirmed-although-nothing-lapsed",
        SERVICES + "approval.py",
        "        if enough(request, valid_votes(request)):\n            raise",
        "        if not valid_votes(request):\n            raise",
        (VOTING + "test_a_confirmation_is_refused_while_no_approval_has_lapsed",),
    ),
    Mistake(
        "expired-while-paused",
        SERVICES + "approval.py",
        '        if request.state == "approved" and request.account.is_paused:\n            return\n',
        "",
        (VOTING + "test_a_pause_that_comes_just_before_it_expires_keeps_an_approval_alive",),
    ),
    Mistake(
        "repeat-that-is-not-whole-decides",
        SERVICES + "approval.py",
        "    if not all(snapshot.complete for snapshot in done.values()):",
        "    if not all(snapshot.read_at for snapshot in done.values()):",
        (READING + "test_a_repeat_that_is_not_whole_decides_nothing",),
    ),
    Mistake(
        "unsettled-windows-submitted",
        SERVICES + "approval.py",
        "    settled = now - timedelta(seconds=clock.window_settled)",
        "    settled = now",
        (VOTING + "test_a_window_that_ends_less_than_an_hour_ago_is_not_submitted",),
    ),
    Mistake(
        "database-away-swallowed",
        SERVICES + "agenda.py",
        "    except (OperationalError, InterfaceError):\n        raise\n",
        "",
        (AGENDA + "test_where_the_database_is_away_all_wait",),
    ),
]

SIGNING_IN = [
    Mistake(
        "guard-forgets-suspensions",
        MODELS + "guards.py",
        '"NEW.takes_back_id IS NULL AND EXISTS (SELECT 1 FROM lsq_ops_votingsuspension s"',
        '"NEW.takes_back_id IS NOT NULL AND EXISTS (SELECT 1 FROM lsq_ops_votingsuspension s"',
        (SUSPENDED + "test_the_database_refuses_a_vote_of_a_suspended_person_and_of_nobody_else",),
    ),
    Mistake(
        "reset-password-suspends-nothing",
        SERVICES + "people.py",
        "        sign_in.suspend(user, sign_in.Why.PASSWORD_RESET, by=str(by))\n",
        "",
        (SUSPENDED + "test_a_change_suspends_new_votes_for_a_day",),
    ),
    Mistake(
        "suspended-people-counted",
        SERVICES + "policies.py",
        "(grant := grant_in_force(user)) and not suspension(user)",
        "grant := grant_in_force(user)",
        (SUSPENDED + "test_who_is_suspended_is_not_counted_and_not_asked",),
    ),
    Mistake(
        "vote-without-a-fresh-factor",
        SERVICES + "approval.py",
        "        second_factor.need_fresh(user, request.version, factor_at)\n        if decision",
        "        if decision",
        (SUSPENDED + "test_a_high_request_is_decided_with_a_second_factor_of_just_now",),
    ),
    Mistake(
        "confirmed-without-a-fresh-factor",
        SERVICES + "approval.py",
        "        second_factor.need_fresh(user, request.version, factor_at)\n        if enough",
        "        if enough",
        (SUSPENDED + "test_a_confirmation_of_a_high_request_asks_for_it_too",),
    ),
    Mistake(
        "code-of-a-vote-not-checked",
        "lsq_ops/admin/codes.py",
        'check(self.code_for, given["code"])',
        "pass",
        (FACTOR + "test_a_vote_on_a_high_request_asks_for_a_code_in_the_form_itself",),
    ),
    Mistake(
        "needed-factor-removed",
        SERVICES + "second_factor.py",
        "    if factor_required(user):\n        raise Barred(NEEDED)\n",
        "",
        (FACTOR + "test_who_needs_one_is_told_that_it_stays",),
    ),
    Mistake(
        "own-factor-reset",
        SERVICES + "second_factor.py",
        "    if by.pk == user.pk:",
        "    if by is user:",
        (FACTOR + "test_a_policy_admin_resets_somebody_elses_by_post_and_never_their_own",),
    ),
    Mistake(
        "no-factor-needed",
        "lsq_ops/admin/gate.py",
        "    if not standing.has_factor and sign_in.factor_required(request.user):",
        "    if standing.has_factor and sign_in.factor_required(request.user):",
        (DOOR + "test_with_keys_who_decides_operates_or_rules_sets_it_up_first",),
    ),
    Mistake(
        "sessions-never-idle",
        "lsq_ops/admin/gate.py",
        "    if now - session.get(SEEN, 0) > idle:",
        "    if now - session.get(BEGAN, 0) > idle:",
        (DOOR + "test_a_session_ends_when_nothing_is_done",),
    ),
    Mistake(
        "other-sessions-go-on",
        "lsq_ops/admin/gate.py",
        "standing.changed_at.timestamp() > session.get(TRUSTED_FROM, 0):",
        "standing.changed_at.timestamp() < session.get(TRUSTED_FROM, 0):",
        (DOOR + "test_a_change_of_password_or_second_factor_ends_the_others",),
    ),
    Mistake(
        "second-step-left-out",
        "lsq_ops/admin/adapters.py",
        'return ["allauth.mfa.stages.AuthenticateStage"]',
        "return []",
        (DOOR + "test_who_has_a_second_factor_is_not_in_before_its_code",),
    ),
]

CLEAR_SIGHT = [
    Mistake(
        "snapshot-for-everybody",
        SERVICES + "sight.py",
        '    need(user, "see" if snapshot.request else "reveal", snapshot.request or snapshot)\n',
        '    need(user, "look")\n',
        (SIGHT + "test_a_snapshot_goes_with_its_request_and_one_of_the_mirror_with_the_auditor",),
    ),
    Mistake(
        "content-for-everybody",
        SERVICES + "sight.py",
        '    need(user, "see", request)\n',
        '    need(user, "look")\n',
        (SIGHT + "test_a_requests_items_are_seen_by_who_works_on_it_or_decides",),
    ),
    Mistake(
        "content-for-every-requester",
        SERVICES + "may.py",
        "not roles_of(user) & {APPROVER, OPERATOR, AUDITOR} and not took_part",
        "not roles_of(user) & {APPROVER, OPERATOR, AUDITOR, REQUESTER} and not took_part",
        (SIGHT + "test_another_requester_does_not_see_them",),
    ),
    Mistake(
        "revealed-untold",
        SERVICES + "sight.py",
        '            "record.revealed",\n            one,\n            actor=str(user),',
        '            "snapshot.downloaded",\n            one,\n            actor=str(user),',
        (SIGHT + "test_revealing_takes_an_auditor_and_a_reason_and_is_told",),
    ),
]

PAGES = [
    Mistake(
        "pages-read-once",
        "lsq_ops/leadsquared/paging.py",
        "            pages[offset] = keys\n        self.same_again(pages)\n",
        "            pages[offset] = keys\n",
        (PAGING + "test_a_count_does_not_notice_what_comes_while_something_leaves",),
    ),
    Mistake(
        "full-page-is-all",
        "lsq_ops/leadsquared/paging.py",
        "                self.same_again({0: first})",
        "                pass",
        (PAGING + "test_a_full_page_that_was_emptied_from_the_front_is_not_all",),
    ),
    Mistake(
        "owner-wipes-the-lead",
        SERVICES + "mirror.py",
        'rows[False], keep=("lead_id",))',
        "rows[False])",
        (MIRROR + "test_an_owners_list_that_names_no_lead_does_not_wipe_the_lead",),
    ),
]

UPLOADS = [
    Mistake(
        "lines-of-a-lost-lease",
        SERVICES + "uploaded.py",
        "        if not _ours(upload).update(claimed_until=lease, **facts):\n            return False\n",
        "        UploadedList.objects.filter(pk=upload.pk).update(claimed_until=lease, **facts)\n",
        (UPLOADED + "test_whoever_lost_the_lease_writes_no_line",),
    ),
    Mistake(
        "forgets-what-earlier-parts-took",
        SERVICES + "uploaded.py",
        "    judge = _judge(upload, _parts(upload), _seen(upload))",
        "    judge = _judge(upload, _parts(upload))",
        (UPLOADED + "test_the_worker_reads_on_where_it_stood",),
    ),
    Mistake(
        "a-broken-list-is-used",
        SERVICES + "uploaded.py",
        "        _end(upload, str(no))",
        "        _end(upload, str(no), _seen(upload))",
        (UPLOADED + "test_a_list_that_is_too_long_is_not_used_at_all",),
    ),
    Mistake(
        "anybodys-upload",
        SERVICES + "uploaded.py",
        "    if upload.user_id != user.pk:",
        "    if not user.pk:",
        (UPLOADED + "test_nobody_else_works_with_it",),
    ),
    Mistake(
        "a-gone-twin-is-meant",
        SERVICES + "judging.py",
        "if one in known and not known[one].gone]",
        "if one in known]",
        (JUDGING + "test_of_two_leads_with_one_number_the_one_that_is_still_there_is_meant",),
    ),
    Mistake(
        "the-day-after-too",
        SERVICES + "judging.py",
        "if start <= at < end]",
        "if start <= at <= end]",
        (JUDGING + "test_a_lead_and_a_day_mean_its_activities_of_that_local_day",),
    ),
    Mistake(
        "a-leads-hold-spares-no-task",
        SERVICES + "judging.py",
        "Known(pk, gone is not None, (lead,) if lead else ())",
        "Known(pk, gone is not None)",
        (JUDGING + "test_a_task_is_on_hold_by_itself_or_by_its_lead",),
    ),
]

KEEPING = [
    Mistake(
        "erases-what-is-on-hold",
        SERVICES + "retention.py",
        "if locked.contents_erased_at or any(holds.on_version(version) for version in locked.versions.all()):",
        "if locked.contents_erased_at:",
        (RETENTION + "test_a_hold_beats_it_until_it_is_lifted",),
    ),
    Mistake(
        "erases-before-the-last-look",
        SERVICES + "retention.py",
        "contents_erased_at__isnull=True, look_again_at__isnull=True)",
        "contents_erased_at__isnull=True)",
        (RETENTION + "test_what_will_be_looked_at_once_more_waits",),
    ),
    Mistake(
        "keeps-the-salt",
        SERVICES + "retention.py",
        '.update(raw=None, salt="")',
        ".update(raw=None)",
        (RETENTION + "test_of_a_request_that_is_over_the_skeleton_stays",),
    ),
    Mistake(
        "keeps-what-webhooks-said",
        SERVICES + "retention.py",
        '        WebhookReceipt.objects.filter(attempt__request=locked.pk).update(body=b"")\n',
        "",
        (RETENTION + "test_of_a_request_that_is_over_the_skeleton_stays",),
    ),
    Mistake(
        "removes-held-leads",
        SERVICES + "retention.py",
        "        free = [row.pk for row in rows if row.pk not in held]",
        "        free = [row.pk for row in rows]",
        (RETENTION + "test_what_leadsquared_no_longer_shows_leaves_the_mirror",),
    ),
    Mistake(
        "two-erase-at-once",
        SERVICES + "leases.py",
        "    row = due.filter(free(now)).first()",
        "    row = due.first()",
        (RETENTION + "test_a_run_goes_on_where_it_stood_and_one_worker_does_it",),
    ),
    Mistake(
        "erases-who-is-on-hold",
        SERVICES + "erasure.py",
        'if holds.reasons(account, [person["prospect_id"], *person["ids"]]):',
        'if holds.reasons(account, [person["prospect_id"]]):',
        (ERASURE + "test_a_hold_beats_it_and_the_refusal_is_kept",),
    ),
    Mistake(
        "erases-under-an-open-request",
        SERVICES + "erasure.py",
        "if names := [str(request) for request in rows[:5]]:",
        "if names := [str(request) for request in rows[:0]]:",
        (ERASURE + "test_an_open_request_stands_against_it",),
    ),
    Mistake(
        "leaves-an-owners-list",
        SERVICES + "erasure.py",
        'rows.filter(of_owner | Q(snapshot__subject_id=run.person["prospect_id"]))',
        'rows.filter(Q(snapshot__subject_id=run.person["prospect_id"]))',
        (ERASURE + "test_an_owners_list_says_nothing_of_the_tasks_of_who_was_erased",),
    ),
    Mistake(
        "leaves-lines-that-take-their-records",
        SERVICES + "uploaded.py",
        "if names(line.text, line.ids)}",
        "if names(line.text, ())}",
        (ERASURE + "test_a_line_that_names_them_by_number_goes_too",),
    ),
    Mistake(
        "a-sync-brings-them-back",
        SERVICES + "mirror.py",
        "    for one in erased_ids.among(account, unique):\n        del unique[one]\n",
        "",
        (ERASURE + "test_a_sync_an_addition_and_a_reading_bring_nothing_back",),
    ),
    Mistake(
        "a-reading-under-way-brings-them-back",
        SERVICES + "reading.py",
        "erased, bare = _erased(snapshot, records), set[str]()",
        "erased, bare = set[str](), set[str]()",
        (ERASURE + "test_what_was_being_read_when_it_began_is_not_kept",),
    ),
    Mistake(
        "an-erasure-looks-like-a-loss",
        SERVICES + "reading.py",
        "[_bare(found) if found.id in bare else found for found in records]",
        "[found for found in records if found.id not in bare]",
        (ERASURE + "test_a_request_under_way_misses_no_task_of_who_is_erased_meanwhile",),
    ),
    Mistake(
        "keeps-who-it-was",
        SERVICES + "erasure.py",
        "    Erasure.objects.filter(pk=run.pk).update(person={})\n",
        "",
        (ERASURE + "test_nothing_of_the_person_is_left_but_the_skeleton",),
    ),
]

MEASURING = [
    Mistake(
        "beats-pile-up-behind-busy-workers",
        "lsq_ops/queue.py",
        """if broker.queue_size() >= (ENOUGH if job == "work" else MOST):""",
        """if job == "work" and broker.queue_size() >= ENOUGH:""",
        ("tests/test_queue.py::test_rings_of_either_kind_do_not_pile_up_where_nobody_takes_them",),
    ),
    Mistake(
        "a-benchmark-that-was-not-run-is-met",
        "benchmarks/all.py",
        """yield Row(*about, "–", NOT_RUN)""",
        """yield Row(*about, "–", MET)""",
        ("tests/test_benchmarks.py::test_what_was_not_run_or_broke_is_not_met",),
    ),
]

FLOODS_AND_CHECKS = [
    Mistake(
        "throttle-our-own-tokens-too",
        SERVICES + "throttles.py",
        "    if is_signed(token):\n        return True\n",
        "",
        (SECURITY + "test_a_flood_of_strangers_costs_few_queries_and_no_receipt_even_from_the_same_address",),
    ),
    Mistake(
        "take-any-signature",
        SERVICES + "tokens.py",
        "constant_time_compare(token[RANDOM:], _signature(token[:RANDOM]))",
        "bool(_signature(token[:RANDOM]))",
        (SECURITY + "test_a_signature_is_of_this_token_under_this_key",),
    ),
    Mistake(
        "believe-the-whole-world",
        "lsq_ops/checks_web.py",
        "prefixlen < WIDEST",
        "prefixlen < 0",
        ("tests/test_checks.py::test_it_comes_and_goes",),
    ),
    Mistake(
        "pass-what-was-not-looked-up",
        "tests/vulnerable.py",
        "    if passed_over or not found:\n",
        "    if not found:\n",
        ("tests/test_vulnerable.py::test_packages_that_the_service_does_not_know_are_no_pass",),
    ),
]

WATCHING = [
    Mistake(
        "logs-the-secrets-it-knows",
        "portal/hiding.py",
        "            text = self._known.sub(GONE, text)\n",
        "            text = str(text)\n",
        (LOGS + "test_a_hostile_call",),
    ),
    Mistake(
        "figures-for-everybody",
        "lsq_ops/metrics.py",
        'return same and scheme.lower() == "bearer"',
        'return bool(token) and scheme.lower() == "bearer"',
        ("tests/test_metrics.py::test_another_token_gets_nothing",),
    ),
    Mistake(
        "all-is-well",
        SERVICES + "heartbeat.py",
        "_remember(_ping(not doctor.red()))",
        "_remember(_ping(True))",
        (HEARTBEAT + "test_it_tells_of_good_and_of_bad",),
    ),
]

AFTER_A_RESTORE = [
    Mistake(
        "sends-what-came-out-of-a-backup",
        SERVICES + "running.py",
        "    calls = calls.exclude(request__restored_at__isnull=False, request__restore_confirmed_at__isnull=True)\n",
        "",
        (BACKUP + "test_what_was_unfinished_sends_nothing_until_it_is_confirmed_and_what_was_sent_is_read",),
    ),
    Mistake(
        "guard-forgets-the-backup",
        MODELS + "guards_restored.py",
        '" AND r.restored_at IS NOT NULL AND r.restore_confirmed_at IS NULL)",',
        '" AND r.restored_at IS NULL AND r.restore_confirmed_at IS NOT NULL)",',
        (BACKUP + "test_what_was_unfinished_sends_nothing_until_it_is_confirmed_and_what_was_sent_is_read",),
    ),
    Mistake(
        "restores-who-was-erased",
        SERVICES + "erasures_outside.py",
        "return [line for mark, line in erased.items() if mark not in here]",
        "return [line for mark, line in erased.items() if mark in here]",
        (BACKUP + "test_who_was_erased_since_is_erased_again_and_kept_out",),
    ),
    Mistake(
        "takes-a-changed-backup",
        SERVICES + "backup.py",
        "    if not (signed or unsigned):",
        "    if not (signed or not unsigned):",
        (BACKUP + "test_what_is_cut_off_changed_or_signed_by_another_key_is_refused_and_nothing_is_made",),
    ),
]

HOSTS = (
    Mistake(
        "a hanging worker is hidden by those of other machines",
        "lsq_ops/watchdog.py",
        "        elif now - self.own_moved > OWN_SILENCE * timing().beat_stale:",
        "        elif now - self.own_moved > 1e9:",
        ("tests/test_dev.py::test_the_watchdog_revives_a_worker_that_is_hidden_by_those_of_other_machines",),
    ),
    Mistake(
        "the whole row of the account is written",
        SERVICES + "accounts.py",
        "        account.save(update_fields=LEARNT)",
        "        account.save()",
        ("tests/models/test_powers.py::test_the_whole_job_is_done_by_the_application",),
        postgres=True,
    ),
    Mistake(
        "compose kills a worker before it has finished",
        "deploy/compose.yaml",
        "    stop_grace_period: 60s  # longer",
        "    stop_grace_period: 30s  # longer",
        ("tests/deployed/test_files.py::test_a_worker_is_given_the_time_it_takes_itself",),
    ),
    Mistake(
        "compose starts workers without a watchdog",
        "deploy/compose.yaml",
        '"worker", "--watched"]',
        '"worker"]',
        ("tests/deployed/test_files.py::test_what_keeps_running_is_started_again_and_ends_its_group",),
    ),
)

RUN_WINDOWS = [
    Mistake(
        "run-window-not-asked-at-the-last-moment",
        SERVICES + "running.py",
        "    if closed := run_windows.of(account).waits(now):\n        raise Wait(closed)\n",
        "",
        (WINDOWS + "test_one_that_is_set_after_the_last_look_holds_the_call_back",),
    ),
    Mistake(
        "starts-in-a-blackout",
        SERVICES + "running.py",
        "if request.waits_after_restore or run_windows.of(request.account).closed_until(now):",
        "if request.waits_after_restore:",
        (WINDOWS + "test_what_is_approved_does_not_start_and_can_be_undone",),
    ),
    Mistake(
        "gate-forgets-blackouts",
        MODELS + "guards_aside.py",
        "b.account_id = NEW.account_id AND b.lifted_at IS NULL",
        "b.account_id = NEW.account_id AND b.lifted_at IS NOT NULL",
        (WINDOWS + "test_the_database_refuses_a_send_in_a_period_that_the_service_forgot",),
    ),
    Mistake(
        "a-blackout-eats-the-time-to-start",
        SERVICES + "approval.py",
        "request.expires_at + run_windows.closed_time(request.account, request.state_at, now)",
        "request.expires_at",
        (WINDOWS + "test_an_approval_does_not_expire_in_a_blackout_and_starts_behind_it",),
    ),
    Mistake(
        "a-night-ends-on-the-day-it-began",
        SERVICES + "closed_hours.py",
        "ends = day if rule.to_time > rule.from_time else day + DAY",
        "ends = day",
        (CLOSED + "test_when_it_opens",),
    ),
    Mistake(
        "nobody-gets-a-turn",
        SERVICES + "agenda.py",
        "        take_turns(until)\n",
        "",
        (AGENDA + "test_mails_go_out_however_many_leads_there_are_to_refresh",),
    ),
]

MISTAKES: tuple[Mistake, ...] = (
    *STATE_MACHINES,
    *AUDIT_CHAIN,
    *THE_GATE,
    *BEFORE_THE_SEND,
    *WHAT_AN_ANSWER_MEANS,
    *VERIFICATION,
    *SETTLING,
    *DECISIONS,
    *RECEIPTS,
    *THE_BUDGET,
    *READINGS,
    *VOTES_AND_RIGHTS,
    *SIGNING_IN,
    *CLEAR_SIGHT,
    *PAGES,
    *UPLOADS,
    *KEEPING,
    *MEASURING,
    *FLOODS_AND_CHECKS,
    *WATCHING,
    *AFTER_A_RESTORE,
    *HOSTS,
    *RUN_WINDOWS,
)
