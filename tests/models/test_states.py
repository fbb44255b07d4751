"""The three machines as tables: complete, with a way into every state and a way out of every open one."""

import threading

import pytest
from django.db import connections

from lsq_ops.models import (
    Attempt,
    AuditEvent,
    DeletionCall,
    DeletionRequest,
    IllegalMove,
    LostRace,
    MirrorSync,
    db_now,
)
from lsq_ops.models.audit import ACTIONS

MACHINES = [DeletionRequest, DeletionCall, Attempt, MirrorSync]
FIRST = {DeletionRequest: "draft", DeletionCall: "planned", Attempt: "intent", MirrorSync: "running"}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_table_names_every_state_and_only_those(machine):
    assert set(machine.MOVES) == set(machine.State.values)
    assert {to for ways in machine.MOVES.values() for to in ways} <= set(machine.State.values)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_can_be_reached(machine):
    reached, edge = set(), [FIRST[machine]]
    while edge:
        state = edge.pop()
        reached.add(state)
        edge += [to for to in machine.MOVES[state] if to not in reached]
    assert reached == set(machine.State.values)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_open_state_leads_to_an_end(machine):
    ends = set(machine.terminal_states())
    for state in machine.open_states():
        reached, edge = set(), [state]
        while edge:
            here = edge.pop()
            reached.add(here)
            edge += [to for to in machine.MOVES[here] if to not in reached]
        assert reached & ends, state


@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_has_its_audit_action(machine):
    assert {f"{machine.NOUN}.{state}" for state in machine.MOVES} <= ACTIONS


def test_a_move_that_the_table_does_not_know_is_a_bug(people):
    request = bare_request(people)
    with pytest.raises(IllegalMove):
        request.move("completed", actor="test")


def test_of_two_stale_copies_only_one_moves(people):
    request = bare_request(people)
    twin = DeletionRequest.objects.get(pk=request.pk)
    request.move("withdrawn", actor="test")
    with pytest.raises(LostRace):
        twin.move("withdrawn", actor="test")
    assert AuditEvent.objects.filter(action="request.withdrawn").count() == 1


def test_of_ten_threads_at_once_only_one_moves(committed_db):
    from tests.world import make_world

    request = bare_request(make_world())
    won: list[int] = []

    def try_it(number: int) -> None:
        try:
            DeletionRequest.objects.get(pk=request.pk).move("withdrawn", actor=str(number))
            won.append(number)
        except (LostRace, IllegalMove):
            pass
        finally:
            connections.close_all()

    threads = [threading.Thread(target=try_it, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert AuditEvent.objects.filter(action="request.withdrawn").count() == 1


def bare_request(people) -> DeletionRequest:
    now = db_now()
    return DeletionRequest.objects.create(
        account=people.account, kind="activities", requester=people.rita, created_at=now, state_at=now
    )
