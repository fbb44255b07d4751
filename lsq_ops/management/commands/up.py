"""`manage.py up`: prepare everything, then web server, worker, watchdog and (without keys) the sandbox."""

import fcntl
import io
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connection

from lsq_ops.health import migrations_wait
from lsq_ops.models import guards
from lsq_ops.services import accounts, people
from lsq_ops.services.may import Barred
from lsq_ops.supervisor import Child, Supervisor, ends_by_signal, environment_with
from lsq_ops.watchdog import Watchdog

from .worker import patience

HERE = "127.0.0.1"
READY_WITHIN = 60.0


class Command(BaseCommand):
    help = "Prepares and runs the portal: web server, worker, watchdog and, without keys, the sandbox."

    def handle(self, *args: Any, **options: Any) -> None:
        make_folders()
        with only_one() as lock:
            choose_addresses()
            lock.write(f"{os.getpid()} {own_url()}\n")
            lock.flush()
            ends_by_signal()
            try:
                sign_in = prepare()
            except Barred as reason:
                raise CommandError(str(reason)) from None
            self.run_until_ended(sign_in)

    def run_until_ended(self, sign_in: list[str]) -> None:
        supervisor = Supervisor(sys.stdout)
        try:
            cluster = start_all(supervisor)
            supervisor.say("\n".join([f"LSQ Ops answers at {own_url()}/", *sign_in, "Ctrl-C ends it."]))
            supervisor.run(Watchdog(lambda why: supervisor.restart(cluster, why)).look)
        except KeyboardInterrupt:
            supervisor.say("Ending; work under way is finished first. Ctrl-C again ends at once.")
        finally:
            supervisor.stop()


# --- Before anything runs --------------------------------------------------------------------------------


def make_folders() -> None:
    """data/ is for its owner only: it holds what LeadSquared says about people."""
    try:
        (settings.DATA_DIR / "log").mkdir(parents=True, exist_ok=True)
        settings.DATA_DIR.chmod(0o700)
    except OSError as trouble:
        raise CommandError(
            f"{settings.DATA_DIR} can't be used ({trouble.strerror}): does it belong to another user?"
        ) from None


def only_one() -> IO[str]:
    """A lock that ends with this process, however it ends."""
    lock = open(settings.DATA_DIR / "up.lock", "a+", encoding="utf-8")  # noqa: SIM115  (held while the portal runs)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        pid, _, url = lock.read().strip().partition(" ")
        raise CommandError(f"The portal already runs from this folder: {url}/ (process {pid}).") from None
    lock.truncate(0)
    return lock


def choose_addresses() -> None:
    """Ports that are free now. Other processes, and later commands, find the addresses in data/."""
    settings.PORT = free_port(settings.PORT)
    if not settings.SANDBOX_MODE:
        return
    # The sandbox keeps its port where it can: another host would be another account.
    port = free_port(urlsplit(settings.LSQ_HOST).port or 8765, besides=settings.PORT)
    settings.LSQ_HOST = f"http://{HERE}:{port}"
    (settings.DATA_DIR / "sandbox.url").write_text(settings.LSQ_HOST + "\n")
    if not os.environ.get("PUBLIC_URL", "").strip():
        settings.PUBLIC_URL = own_url()
        (settings.DATA_DIR / "portal.url").write_text(settings.PUBLIC_URL + "\n")


def own_url() -> str:
    return f"http://{HERE}:{settings.PORT}"


def free_port(first: int, besides: int = 0) -> int:
    for port in (p for p in range(first, min(first + 100, 65536)) if p != besides):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HERE, port))
            except OSError:
                continue
            return port
    raise CommandError(f"No port from {first} to {first + 99} is free on {HERE}.")


def prepare() -> list[str]:
    """Tables, roles, people; returns what to say about signing in."""
    # To migrate takes the guards down and puts them back, which the application's own role on PostgreSQL may not do.
    if migrations_wait() or guards.compare(connection):
        call_command("migrate", verbosity=0, interactive=False)
    accounts.refuse_foreign_database()
    call_command("setup_roles", stdout=io.StringIO())  # the address is to be the first thing said
    lines = demo_sign_in() if settings.SANDBOX_MODE else first_sign_in()
    connection.close()
    return lines


def demo_sign_in() -> list[str]:
    rows = people.make_demo_people()
    wide = max(len(name) for name, _, _ in rows)
    longest = max(len(password) for _, password, _ in rows)
    head = ["Sandbox mode: no LeadSquared keys are set, so a made-up LeadSquared is used.", "Sign in as:"]
    return head + [f"  {name:{wide}}  {password:{longest}}  {role}" for name, password, role in rows]


def first_sign_in() -> list[str]:
    made = people.make_first_admin()
    if made is None:
        return ["Sign in with your own name."]
    return [f"Sign in as {made[0]} with the one-time password {made[1]} (shown only now)."]


# --- The processes ---------------------------------------------------------------------------------------


def start_all(supervisor: Supervisor) -> Child:
    """The worker comes last: it calls LeadSquared at once. Returns it when the portal answers."""
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    web = child("web", [sys.executable, *web_arguments()])
    supervisor.start(web)
    if settings.SANDBOX_MODE:
        sandbox = child("sandbox", [*manage, *sandbox_arguments()])
        supervisor.start(sandbox)
        wait_until(lambda: accepts(urlsplit(settings.LSQ_HOST).port or 0), sandbox)
    worker = child("worker", [*manage, "worker"], patience=patience())
    supervisor.start(worker)
    wait_until(lambda: answers(f"{own_url()}/health/ready"), web)
    return worker


def child(name: str, command: list[str], patience: float = 5.0) -> Child:
    log: Path = settings.DATA_DIR / "log" / f"{name}.log"
    settled = {"PORT": str(settings.PORT), "LSQ_HOST": settings.LSQ_HOST, "PUBLIC_URL": settings.PUBLIC_URL}
    return Child(name, command, log, environment_with(**settled), settings.BASE_DIR, patience)


def sandbox_arguments() -> list[str]:
    world = settings.DATA_DIR / "sandbox-world.sqlite3"
    return [
        "sandbox",
        "--port",
        str(urlsplit(settings.LSQ_HOST).port),
        "--world",
        str(world),
        "--rate",
        "25/5",
    ]


def web_arguments() -> list[str]:
    """waitress; who the visitor behind a proxy is, portal/proxies.py says for every server alike."""
    return [
        *["-m", "waitress", f"--listen={HERE}:{settings.PORT}", "--threads=8", "--ident=LSQ Ops"],
        f"--max-request-body-size={settings.UPLOAD_CAP + 50 * 1024 * 1024}",
        "--no-clear-untrusted-proxy-headers",
        "portal.wsgi:application",
    ]


def wait_until(ready: Callable[[], bool], process: Child) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not ready():
        if not process.alive() or time.monotonic() > deadline:
            tail = "\n".join(process.news()[-15:])
            raise CommandError(f"{process.name} did not start; the end of {process.log}:\n{tail}")
        time.sleep(0.1)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HERE, port)) == 0


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):  # noqa: S310  (our own loopback address)  # nosec B310 # our own loopback address
            return True
    except HTTPError as answer:
        return answer.code < 500
    except (URLError, OSError):
        return False
