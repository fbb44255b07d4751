"""The account's rate limit, counted when a call arrives, as the server does."""

from __future__ import annotations

import threading
import time
from collections import deque

from .answers import Limit


class RateCounter:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrivals: deque[float] = deque()

    def admit(self, limit: Limit | None, window: str) -> bool:
        """Whether a call that arrives now may pass; only those that pass are counted."""
        if limit is None:
            return True
        with self._lock:
            now = time.monotonic()
            # A fixed window starts at a multiple of its length, a sliding one so long ago.
            start = now - now % limit.seconds if window == "fixed" else now - limit.seconds
            while self._arrivals and self._arrivals[0] < start:
                self._arrivals.popleft()
            if len(self._arrivals) >= limit.calls:
                return False
            self._arrivals.append(now)
            return True
