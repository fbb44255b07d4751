"""One process that calls LeadSquared over and over: `python -m benchmarks.parts.caller WAY URL`.

It says it is ready, is told when to begin and to end (seconds since 1970), and answers with the ends of its calls
that came through, with how many calls it made, and with the seconds that these were on the wire.

    ring     ours: the API client behind the account's budget
    plain    requests in a loop; after a refusal it waits the window
    sleep    requests in a loop with `sleep(0.2)` after each call
    backoff  requests with urllib3's retries, which wait twice as long after each refusal
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from lsq_ops.sandbox import SANDBOX_KEYS

WINDOW = 5.0
WHAT = "Authentication.svc/UserByAccessKey.Get"


class Caller:
    """`call` makes one call and says whether it came through; `ends`, `calls` and `seconds` add up."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.calls, self.seconds = 0, 0.0

    def run(self, call: Callable[[], bool]) -> None:
        while True:
            if call():
                self.ends.append(time.time())

    def timed(self, send: Callable[..., Any]) -> Callable[..., Any]:
        def sent(*args: Any, **kwargs: Any) -> Any:
            begun = time.monotonic()
            answer = send(*args, **kwargs)
            self.seconds, self.calls = self.seconds + time.monotonic() - begun, self.calls + 1
            return answer

        return sent


def ring(caller: Caller, url: str) -> Callable[[], bool]:
    import django

    django.setup()
    from lsq_ops.leadsquared.client import Client
    from lsq_ops.leadsquared.errors import LeadSquaredError
    from lsq_ops.leadsquared.transport import Transport
    from lsq_ops.models import BudgetSlot
    from lsq_ops.services import accounts, budget

    BudgetSlot.objects.all().delete()  # another run's calls went to another sandbox
    transport = Transport(url, *SANDBOX_KEYS)
    transport.send = caller.timed(transport.send)  # type: ignore[method-assign]
    client = Client(transport, gate=budget.Budget(accounts.current_account().pk))

    def call() -> bool:
        try:
            client.connection_test()
        except LeadSquaredError:
            return False
        return True

    return call


def script(way: str) -> Callable[[Caller, str], Callable[[], bool]]:
    def prepared(caller: Caller, url: str) -> Callable[[], bool]:
        session = requests.Session()
        session.headers.update(zip(("x-LSQ-AccessKey", "x-LSQ-SecretKey"), SANDBOX_KEYS, strict=True))
        if way == "backoff":
            retry = Retry(total=10, backoff_factor=0.5, status_forcelist=[429], raise_on_status=False)
            session.mount("http://", HTTPAdapter(max_retries=retry))
        get = caller.timed(session.get)

        def call() -> bool:
            good = get(f"{url}/v2/{WHAT}", timeout=30).status_code == 200
            if way == "sleep":
                time.sleep(0.2)
            elif way == "plain" and not good:
                time.sleep(WINDOW)
            return good

        return call

    return prepared


WAYS = {"ring": ring, **{way: script(way) for way in ("plain", "sleep", "backoff")}}


def main(way: str, url: str) -> None:
    caller = Caller()
    call = WAYS[way](caller, url)
    print(json.dumps("ready"), flush=True)
    begin, end = json.loads(sys.stdin.readline())
    time.sleep(max(0.0, begin - time.time()))
    threading.Thread(target=caller.run, args=(call,), daemon=True).start()
    time.sleep(max(0.0, end - time.time()))
    print(json.dumps([caller.ends, caller.calls, caller.seconds]), flush=True)
    os._exit(0)  # whoever waits for a slot would wait on


if __name__ == "__main__":
    main(*sys.argv[1:])
