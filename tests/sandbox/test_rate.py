"""The rate limit, in both windows and three shapes."""

import time

import pytest

from lsq_ops.sandbox.answers import Limit
from lsq_ops.sandbox.rate import RateCounter

USERS = "UserManagement.svc/Users.Get"


@pytest.mark.parametrize(("shape", "status"), [("429", 429), ("403", 403), ("200", 200)])
def test_a_call_over_the_limit_is_told_the_limit(caller, sandbox, shape, status):
    sandbox.faults.set("rate_limit", "3/60")
    sandbox.faults.set("rate_shape", shape)
    for _ in range(3):
        assert isinstance(caller.get(USERS).json(), list)
    answer = caller.get(USERS)
    assert answer.status_code == status
    assert answer.json()["ExceptionMessage"] == "API calls exceeded the limit of 3 in 60 second(s)"
    assert sandbox.stats["rate_limited"] == 1


def test_a_delete_over_the_limit_is_not_done(caller, sandbox):
    sandbox.faults.set("rate_limit", "1/60")
    caller.get(USERS)
    assert caller.delete_site_visits().status_code == 429
    assert not sandbox.stats["busy"]


def test_shipped_limit(caller, sandbox):
    sandbox.faults.reset()
    assert [caller.get(USERS).status_code for _ in range(26)] == [200] * 25 + [429]


def clock(monkeypatch, now):
    monkeypatch.setattr(time, "monotonic", lambda: now)


def test_a_sliding_window_looks_back(monkeypatch):
    counter, limit = RateCounter(), Limit(2, 5)
    for now, expected in [
        (99, True),
        (100, True),
        (103.9, False),
        (104.1, True),
        (104.9, False),
        (105.1, True),
    ]:
        clock(monkeypatch, now)
        assert counter.admit(limit, "sliding") is expected


def test_a_fixed_window_starts_anew(monkeypatch):
    counter, limit = RateCounter(), Limit(2, 5)
    for now, expected in [
        (103, True),
        (104.9, True),
        (104.95, False),
        (105, True),
        (105.1, True),
        (106, False),
    ]:
        clock(monkeypatch, now)
        assert counter.admit(limit, "fixed") is expected


def test_no_limit():
    assert all(RateCounter().admit(Limit.parse("off"), "sliding") for _ in range(100))


def test_latency_is_felt(caller, sandbox):
    sandbox.faults.set("latency", "100-120")
    started = time.monotonic()
    caller.get(USERS)
    assert 0.1 <= time.monotonic() - started < 0.5
