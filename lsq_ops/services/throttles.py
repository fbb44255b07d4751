"""What strangers may cost: webhooks to addresses that nobody was given, and wrong tries at signing in.

Each web process counts for itself, in memory: a count that is shared would cost a query, and that is what is saved.
"""

import logging
import time
from collections.abc import Callable, Hashable
from ipaddress import IPv6Address, ip_address, ip_network
from threading import Lock

from lsq_ops.models import timing

from .tokens import is_signed

KEYS = 10_000  # that are remembered; whoever comes from more addresses makes room for himself
LONGEST_TOKEN = 100
SAID_APART = 60.0  # seconds
log = logging.getLogger(__name__)


class Throttle:
    """So many at once, and so many a second after that, for each key. `cap` names both in timing.py."""

    def __init__(self, cap: str, now: Callable[[], float] = time.monotonic) -> None:
        self.cap, self.now = cap, now
        self.left: dict[Hashable, tuple[float, float]] = {}  # key -> (how many, as of when)
        self.lock = Lock()

    def take(self, key: Hashable = "") -> bool:
        """One of them, if one is left."""
        with self.lock:
            left, now = self._left(key)
            self.left.pop(key, None)  # to the end: the first ones have not come for the longest time
            self.left[key] = (left - 1 if left >= 1 else left, now)
            if len(self.left) > KEYS:
                del self.left[next(iter(self.left))]
            return left >= 1

    def is_empty(self, key: Hashable) -> bool:
        with self.lock:
            return self._left(key)[0] < 1

    def _left(self, key: Hashable) -> tuple[float, float]:
        burst, a_second = getattr(timing(), self.cap)
        now = self.now()
        left, then = self.left.get(key, (burst, now))
        return min(burst, left + (now - then) * a_second), now


_strangers, _all_strangers = Throttle("strangers_of_address"), Throttle("strangers_of_all")
_arrivals, _repeats = Throttle("arrivals_of_token"), Throttle("arrivals_of_body")
_wrong_tries = Throttle("wrong_tries_of_address")
_unsaid = [0, -SAID_APART]  # how many were left unsaid, and when the last line was written


def forget() -> None:
    """As after a start."""
    for throttle in (_strangers, _all_strangers, _arrivals, _repeats, _wrong_tries):
        throttle.left.clear()
    _unsaid[:] = [0, -SAID_APART]


def network_of(address: str | None) -> str:
    """Whom an address belongs to: of IPv6 everybody has a network full."""
    try:
        known = ip_address(address or "")
    except ValueError:
        return str(address)
    return str(ip_network((known, 64), strict=False)) if isinstance(known, IPv6Address) else str(known)


# --- Webhooks --------------------------------------------------------------------------------------------------------


def may_look_up(token: str, address: str | None) -> bool:
    """Whether the database is asked about a token. Always about one that we signed: a flood from anywhere, from
    LeadSquared's own address too, must not cost a receipt, which may come but once. About others (a stranger's, or one
    from before a change of SECRET_KEY) as often as the throttles allow."""
    if is_signed(token):
        return True
    if len(token) <= LONGEST_TOKEN and _strangers.take(network_of(address)) and _all_strangers.take():
        return True
    _say_strangers()
    return False


def may_keep(token_hash: str, body_hash: str) -> bool:
    """Whether an arrival is written. The same body over and over is counted no further; it is kept already."""
    return _repeats.take((token_hash, body_hash)) and _arrivals.take(token_hash)


def _say_strangers() -> None:
    """One line a minute: a log that a stranger can fill is a disk that a stranger can fill."""
    _unsaid[0] += 1
    if time.monotonic() - _unsaid[1] >= SAID_APART:
        log.warning("%d webhooks to unknown addresses were answered without a look", _unsaid[0])
        _unsaid[:] = [0, time.monotonic()]


# --- Signing in ------------------------------------------------------------------------------------------------------


def tried_wrong(address: str | None) -> None:
    """A wrong password or code, whatever the name was: who tries many names is counted here, not by django-axes."""
    _wrong_tries.take(network_of(address))


def tried_too_often(address: str | None) -> bool:
    return _wrong_tries.is_empty(network_of(address))
