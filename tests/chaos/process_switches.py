"""What LeadSquared, its webhooks and other people do wrong, drawn by the seed: switches of the sandbox, forged posts,
colleagues who change records meanwhile."""

import contextlib
import http.client
import random
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from lsq_ops.sandbox.answers import CANNED, Limit
from lsq_ops.sandbox.faults import SWITCHES

from .process_crm import RememberingSandbox, RememberingWebhooks

DELETES, READS = "svc/Delete", "etrieve"  # ProspectActivity.svc/Retrieve, RetrieveTaskByLeadId, Task.svc/Retrieve
RARE = ("huge", "gzip_bomb", "hang", "drip")  # each of them costs seconds
EFFECTS = [value for value in SWITCHES["effect"].values if value != "normal"]
WEBHOOKS = [value for value in SWITCHES["webhook"].values if value != "json"]
READINGS = (("reading", "hides"), ("reading", "grows"), ("reading", "empty"), ("order", "unstable"),
            ("record_count", "page"), ("record_count", "zero"), ("row_cap", "7"), ("latency", "300-900"))  # fmt: skip
BODIES = (
    b"\x00\xff\xfe" * 20,
    '{"Status":"Success"}'.encode("utf-16"),
    b'{"Status":NaN,"TasksCount":1e999}',
    b'{"Status":"Error","Status":"Success"}',
    b"[" * 30_000,
    b"Status=Success&Status=Error&=&&",
    b'{"Status":"\\ud800\\u0000"}',
    b"x" * 70_000,
)


class Trouble:
    """LeadSquared's and everybody else's part in the faults. Each method does one and says what it was, or ""."""

    def __init__(self, crm: RememberingSandbox, port: int, asked: Callable[[], list[str]], rng: random.Random) -> None:
        self.crm, self.port, self.asked, self.rng = crm, port, asked, rng

    # --- LeadSquared (a switch counts when it meets a call, see CountingFaults) -----------------------------

    def answer_to_delete(self) -> str:
        self.crm.faults.set("answer", self._answer(), match=DELETES, times=1)
        return ""

    def answer_to_reading(self) -> str:
        self.crm.faults.set("answer", self._answer(), match=READS, times=1)
        return ""

    def _answer(self) -> str:
        names = [name for name in CANNED if name not in ("normal", *RARE)]
        return self.rng.choice(RARE if self.rng.random() < 0.05 else names)

    def effect(self) -> str:
        self.crm.faults.set("effect", self.rng.choice(EFFECTS), match=DELETES, times=1)
        return ""

    def webhook(self) -> str:
        self.crm.faults.set("webhook", self.rng.choice(WEBHOOKS), match=DELETES, times=1)
        return ""

    def delayed(self) -> str:
        self.crm.faults.set("delay", f"{self.rng.choice((1, 4, 10, 20))}", match=DELETES, times=1)
        return ""

    def reading(self) -> str:
        self.crm.faults.set(*self.rng.choice(READINGS), match=READS, times=1)
        return ""

    def lead_unknown(self) -> str:
        """LeadSquared says once that it knows no such lead, although it does."""
        self.crm.faults.set("lead_gone", "yes", match=self._lead(), times=1)
        return ""

    def down(self) -> str:
        """Every connection is cut, and for a moment nobody listens."""
        self.crm.stop()
        time.sleep(self.rng.uniform(0.3, 2.0))
        self.crm.start()
        return "crm down"

    def rate_eaten(self) -> str:
        """Another integration calls too."""
        limit = Limit.parse(self.crm.faults.take("rate_limit"))
        for _ in range(limit.calls if limit else 0):
            self.crm.app._rate.admit(limit, "sliding")
        return "crm rate eaten by others"

    # --- Webhooks ------------------------------------------------------------------------------------------

    def flood(self) -> str:
        """Distinct bodies to one live token."""
        token = self._live_token()
        for number in range(200 if token else 0):
            self.post(token, b'{"Status":"Success","Number":%d}' % number)
        return "webhook flood" if token else ""

    def malformed(self) -> str:
        token = self._live_token()
        for body in self.rng.sample(BODIES, 3) if token else ():
            self.post(token, body, self.rng.choice(("application/json", "text/plain", "", "\tcharset=\xff")))
        return "webhook malformed" if token else ""

    def forged(self) -> str:
        for _ in range(20):
            self.post(secrets.token_urlsafe(32), b'{"Status":"Success"}')
        return "webhook forged"

    def replayed(self) -> str:
        """An old, a young or the same report once more, long after or in the middle of the work."""
        token = self._live_token()
        for status in (b"Success", b"Error") if token else ():
            self.post(token, b'{"Status":"%s"}' % status)
        return "webhook replayed" if token else ""

    def _live_token(self) -> str:
        young = [arrival.token for arrival in self.crm.app.deletes()[-15:] if arrival.token]
        return self.rng.choice(young) if young else ""

    def post(self, token: str, body: bytes, content_type: str = "application/json") -> None:
        webhooks: RememberingWebhooks = self.crm.app.webhooks
        headers = {"Content-Type": content_type.strip()} if content_type.isascii() else {}
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            webhooks._send("POST", f"http://127.0.0.1:{self.port}/webhooks/leadsquared/{token}/", body, headers)

    # --- Colleagues in LeadSquared's web app ---------------------------------------------------------------

    def neighbour_deleted(self) -> str:
        ids = self.crm.world.activity_ids(self._lead())
        self.crm.world.remove_activities(self.rng.sample(ids, min(len(ids), 1)))
        return "others delete a neighbour" if ids else ""

    def record_added(self) -> str:
        at = datetime.now(UTC) - timedelta(days=self.rng.uniform(0.2, 10))
        self.crm.world.add_activity(self._lead(), self.rng.choice((201, 202, 3001)), f"{at:%Y-%m-%d %H:%M:%S}")
        return "others add a record"

    def record_edited(self) -> str:
        ids = self.crm.world.activity_ids(self._lead())
        if ids:
            self.crm.world.edit_activity(self.rng.choice(ids), "changed by a colleague")
        return "others edit a record" if ids else ""

    def task_done(self) -> str:
        ids = self._tasks()
        self.crm.world.complete_tasks(ids)
        return "others complete tasks" if ids else ""

    def task_moved(self) -> str:
        ids = self._tasks()
        self.crm.world.move_tasks(ids)
        return "others move tasks" if ids else ""

    def task_deleted(self) -> str:
        ids = self._tasks()[:1]
        self.crm.world.remove_tasks(ids)
        return "others delete a task" if ids else ""

    def _tasks(self) -> list[str]:
        tasks, _ = self.crm.world.tasks({"lead": self._lead()})
        return [task["id"] for task in tasks[:2]]

    def _lead(self) -> str:
        """One that somebody has lately asked about."""
        return self.rng.choice(self.asked() or self.crm.world.lead_ids())
