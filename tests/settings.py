"""The portal's settings for tests: nothing of the developer's own environment or .env reaches a test."""

import atexit
import os
import re
import shutil
import tempfile
from pathlib import Path

# Set in place of the tests' own where tests/markers.py looks for them.
MARKED = {
    "SECRET_KEY": "marker-of-SECRET-KEY-1a7f93c2e5b84d60",
    "AUDIT_KEY": "marker-of-AUDIT-KEY-84d60b1a7f93c2e5",
    "EMAIL_URL": "smtp://ops:marker-of-EMAIL-PASSWORD-5b84d@mail.invalid:25",
}
EXAMPLE = Path(__file__).resolve().parent.parent / ".env.example"


def forget_own_environment() -> None:
    for name in re.findall(r"^([A-Z_]+)=", EXAMPLE.read_text(), re.M):
        os.environ.pop(name, None)
        os.environ.pop(f"{name}_FILE", None)


def settle() -> None:
    """Once, in the first process: xdist's workers and the processes that tests start inherit it."""
    folder = tempfile.mkdtemp(prefix="lsq-ops-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    forget_own_environment()
    os.environ.update(
        LSQ_OPS_TESTS="1",
        ENV_FILE=os.devnull,
        DATA_DIR=folder,
        SECRET_KEY="secret-of-the-tests",
        AUDIT_KEY="audit-key-of-the-tests",
        LSQ_HOST="http://127.0.0.1:9",  # nobody listens there: a test that wants a LeadSquared starts one
        DATABASE_URL=os.environ.get("TEST_DATABASE_URL", f"sqlite:///{folder}/unused.sqlite3"),
    )
    if os.environ.get("LSQ_OPS_MARKERS"):
        os.environ.update(MARKED)


if "LSQ_OPS_TESTS" not in os.environ:
    settle()
if os.environ.get("TEST_REDIS_URL"):
    # One Redis database for each xdist worker: their queues must not mix.
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    os.environ["REDIS_URL"] = f"{os.environ['TEST_REDIS_URL']}/{int(worker) % 16}"

from portal.settings import *  # noqa: E402, F403
from portal.settings import DATA_DIR, DATABASES, SILENCED_SYSTEM_CHECKS  # noqa: E402

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: committed-data tests copy it, and other processes open it.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SILENCED_SYSTEM_CHECKS = [*SILENCED_SYSTEM_CHECKS, "lsq_ops.E010", "lsq_ops.E029"]  # secrets and hashes of tests
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
