"""What a deployment decides. All of it comes from the environment or `.env`; `.env.example` names it."""

import os
import sys
from pathlib import Path
from socket import gethostname
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from lsq_ops.sandbox import SANDBOX_ACCESS_KEY, SANDBOX_SECRET_KEY
from portal import environment, logs
from portal.hiding import Hiding

BASE_DIR = Path(__file__).resolve().parent.parent
ENV_FILE = Path(os.environ.get("ENV_FILE") or BASE_DIR / ".env")
env = environment.Environment(ENV_FILE)

DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "data")))
DEBUG = env.flag("DEBUG")
MACHINE = env.str("MACHINE", default=gethostname())

# --- Secrets ---------------------------------------------------------------------------------------------

_HINT = "{name} is not set. Run ./dev up, which writes one into .env, or set it in the environment."


def _own_secret(name: str) -> str:
    value = env.secret(name, "only-for-debugging" if DEBUG else "")
    if not value:
        raise ImproperlyConfigured(_HINT.format(name=name))
    return value


SECRET_KEY = _own_secret("SECRET_KEY")
AUDIT_KEY = _own_secret("AUDIT_KEY")

# --- LeadSquared -----------------------------------------------------------------------------------------

LSQ_ACCESS_KEY = env.secret("LSQ_ACCESS_KEY")
LSQ_SECRET_KEY = env.secret("LSQ_SECRET_KEY")
LSQ_EXTRA_HOSTS = env.words("LSQ_EXTRA_HOSTS")
SANDBOX_MODE = not LSQ_ACCESS_KEY
_host = env.str("LSQ_HOST", default="")

if bool(LSQ_ACCESS_KEY) != bool(LSQ_SECRET_KEY):
    raise ImproperlyConfigured(
        "LSQ_ACCESS_KEY and LSQ_SECRET_KEY belong together: set both, or neither for the sandbox."
    )
if SANDBOX_MODE:
    LSQ_ACCESS_KEY, LSQ_SECRET_KEY = SANDBOX_ACCESS_KEY, SANDBOX_SECRET_KEY
    _host = _host or environment.read_line(DATA_DIR / "sandbox.url") or "http://127.0.0.1:8765"
elif not _host:
    raise ImproperlyConfigured(
        "LSQ_HOST is not set: with keys, name your region, like https://api-in21.leadsquared.com."
    )

LSQ_HOST = environment.lsq_host(_host, LSQ_EXTRA_HOSTS)
LSQ_HOSTS = environment.lsq_hosts(LSQ_EXTRA_HOSTS)  # address -> region: where keys may be tried
if SANDBOX_MODE and not environment.is_loopback(urlsplit(LSQ_HOST).hostname or ""):
    raise ImproperlyConfigured("LSQ_HOST is set but the keys are not: set LSQ_ACCESS_KEY and LSQ_SECRET_KEY too.")

LSQ_RATE_LIMIT = environment.rate(env.str("LSQ_RATE_LIMIT", default="25/5"))
LSQ_DAILY_LIMIT = env.count("LSQ_DAILY_LIMIT", 0, 0, 100_000_000) or None
LSQ_RESERVE = env.number("LSQ_RESERVE", 0.2, 0.0, 0.95)
LSQ_TIME_ZONE = environment.time_zone(env.str("LSQ_TIME_ZONE", default=""))
LSQ_TASKS_PER_CALL = env.count("LSQ_TASKS_PER_CALL", 500, 1, 5000)

AUDIT_ANCHOR_FILE = env.str("AUDIT_ANCHOR_FILE", default="")
AUDIT_ANCHOR_MAIL = env.str("AUDIT_ANCHOR_MAIL", default="")

BACKUP_DIR = env.str("BACKUP_DIR", default="")
# Where the backups go, a restore finds it; who can lose both loses it.
ERASURES_FILE = env.str("ERASURES_FILE", default=f"{BACKUP_DIR}/erasures.jsonl" if BACKUP_DIR else "")
PG_BIN = env.str("PG_BIN", default="")

# --- Addresses -------------------------------------------------------------------------------------------

PORT = env.count("PORT", 8000, 1, 65535)
PUBLIC_URL = env.str("PUBLIC_URL", default="")
if SANDBOX_MODE and not PUBLIC_URL:
    PUBLIC_URL = environment.read_line(DATA_DIR / "portal.url")
if PUBLIC_URL:
    PUBLIC_URL = environment.checked_url("PUBLIC_URL", PUBLIC_URL)
_public_host = urlsplit(PUBLIC_URL).hostname

ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]", *env.words("ALLOWED_HOSTS")]
if _public_host:
    ALLOWED_HOSTS.append(_public_host)
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
TRUSTED_PROXIES = environment.proxies(env.words("TRUSTED_PROXIES"))
HEARTBEAT_URL = env.secret("HEARTBEAT_URL")
if HEARTBEAT_URL and not HEARTBEAT_URL.startswith(("http://", "https://")):
    raise ImproperlyConfigured("HEARTBEAT_URL must begin with https:// or http://.")

# --- The application -------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_q",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
    "lsq_ops",  # last: it takes the others' admin pages away, and one of them runs any code
]

MIDDLEWARE = [
    "lsq_ops.request_ids.RequestIds",
    "django.middleware.security.SecurityMiddleware",
    "portal.headers.MoreHeaders",
    # Above all that may answer by itself, so that refusals and files have these headers too.
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "lsq_ops.admin.gate.Gate",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["django.templatetags.i18n"],  # every text is translated
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Signing in ------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]

# One page signs in, lsq_ops/admin/sign_in.py; allauth brings the step of the second factor and checks its codes.
ACCOUNT_ADAPTER = "lsq_ops.admin.adapters.Account"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]  # nobody signs up; allauth's own check compares the two
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_RATE_LIMITS = {"login_failed": "5/15m/key"}  # wrong codes of one person; as sign_in_tries in timing.py
MFA_ADAPTER = "lsq_ops.admin.adapters.SecondFactor"
MFA_TOTP_ISSUER = "LSQ Ops"
MFA_REAUTHENTICATION_REQUIRED = False  # the pages ask for the password or a code in their own forms

# Wrong tries of one name from one address; counted in the database, so all web processes know.
AXES_FAILURE_LIMIT = "lsq_ops.services.sign_in.tries"
AXES_COOLOFF_TIME = "lsq_ops.services.sign_in.blocked_for"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "lsq_ops.admin.sign_in.blocked"
AXES_CLIENT_IP_CALLABLE = "lsq_ops.admin.sign_in.address_of"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True  # the audit trail and the log say it; no list of addresses is kept
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# Shared by all web processes: a code that was used must be known to each of them. The queue has no need of that.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "lsq_ops_cache"},
    "queue": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="en")
LOCALE_PATHS = [BASE_DIR / "lsq_ops" / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True

# --- Database and queue ----------------------------------------------------------------------------------

_SQLITE = {
    # A writer that reads first and then upgrades its lock gets "database is locked" at once, whatever the
    # time-out; IMMEDIATE takes the write lock at the start and waits for it.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000; PRAGMA foreign_keys=ON"
    ),
}


def _database(url: str) -> dict:
    config: dict = environ.Env.db_url_config(url)
    if config["ENGINE"] == "django.db.backends.sqlite3":
        config["OPTIONS"] = {**_SQLITE, **config.get("OPTIONS", {})}
        config["CONN_MAX_AGE"] = 60  # a new connection with its pragmas costs more than most requests
    elif config["ENGINE"] == "django.db.backends.postgresql":
        config.update(CONN_MAX_AGE=60, CONN_HEALTH_CHECKS=True)
    else:
        raise ImproperlyConfigured(
            "DATABASE_URL must begin with sqlite:/// or postgres://; no other database is known."
        )
    return config


_default_database = DATA_DIR / ("sandbox.sqlite3" if SANDBOX_MODE else "portal.sqlite3")
DATABASES = {"default": _database(env.secret("DATABASE_URL", f"sqlite:///{_default_database}"))}

# The queue only rings; the tables are the truth. lsq_ops/checks.py refuses other values and says why.
REDIS_URL = env.secret("REDIS_URL")
Q_CLUSTER = {
    "name": "lsq_ops",
    "workers": env.count("Q_WORKERS", 4, 1, 64),
    "queue_limit": 1,
    "bulk": 1,
    "timeout": 60,
    "retry": 600,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "scheduler": False,
    "save_limit": -1,
    "cache": "queue",
    **({"redis": REDIS_URL} if REDIS_URL else {"orm": "default", "poll": 0.2}),
}

# --- What browsers and proxies are told ------------------------------------------------------------------

_https = PUBLIC_URL.startswith("https://")
# A browser takes a __Host- cookie only over HTTPS and from this very host: no neighbour under the same domain sets it.
_of_this_host = "__Host-" if _https else ""
SESSION_COOKIE_NAME = f"{_of_this_host}lsq_ops_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_AGE = 12 * 3600  # as session_longest in timing.py; lsq_ops/admin/gate.py ends idle ones sooner
CSRF_COOKIE_NAME = f"{_of_this_host}lsq_ops_csrf"
CSRF_COOKIE_HTTPONLY = True  # scripts take the token out of the form
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 30 * 24 * 3600 if _https else 0
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = [
    # Redirecting http to https is the reverse proxy's work: behind it the portal speaks plain http on loopback, where
    # a redirect would break the health checks.
    "security.W008",
    # HSTS for the domain's other hosts, and in the browsers' own list, is for the owner of the domain to decide.
    "security.W005",
    "security.W021",
]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'", "'unsafe-eval'"],  # Unfold's Alpine evaluates its attributes
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "frame-src": ["'none'"],
        "worker-src": ["'none'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    },
}

CONTENTS_KEPT_DAYS = env.int("CONTENTS_KEPT_DAYS", default=90)
if CONTENTS_KEPT_DAYS < 0:
    raise ImproperlyConfigured("CONTENTS_KEPT_DAYS is a number of days; 0 keeps all contents.")
UPLOAD_CAP = 200 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024  # form fields; pasted ids are at most a few MB
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000
DATA_UPLOAD_MAX_NUMBER_FILES = 10
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]

STATIC_URL = "static/"
STATICFILES_DIRS = [path for path in [BASE_DIR / "static"] if path.is_dir()]
# Served straight out of the packages: no collectstatic step between a clone and a running portal.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# --- Mail and logs ---------------------------------------------------------------------------------------

vars().update(environ.Env.email_url_config(env.secret("EMAIL_URL", "consolemail://")))
EMAIL_TIMEOUT = 10  # a mail server that doesn't answer must not hold up the worker
DEFAULT_FROM_EMAIL = f"LSQ Ops <lsq-ops@{_public_host or 'localhost'}>"

METRICS_TOKEN = env.secret("METRICS_TOKEN")
SENTRY_DSN = env.secret("SENTRY_DSN")
LOG_FORMAT = env.one_of("LOG_FORMAT", logs.FORMATS, "text")

LOGGING_CONFIG = "portal.logs.configure"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    # Below each secret that is read: what stands in this list goes out of every line.
    "formatters": {"ours": {"()": logs.FORMATS[LOG_FORMAT], "secrets": [*env.secrets, LSQ_ACCESS_KEY, LSQ_SECRET_KEY]}},
    "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": sys.stdout, "formatter": "ours"}},
    "root": {"handlers": ["stdout"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django-q": {"level": "WARNING"},  # four lines for every ring, and the watchdog rings all day
        "axes": {"level": "ERROR"},  # it writes people's addresses; lsq_ops/admin/sign_in.py logs without
    },
}

if SENTRY_DSN:
    environment.report_to_sentry(SENTRY_DSN, Hiding([*env.secrets, LSQ_ACCESS_KEY, LSQ_SECRET_KEY]))

# --- The admin's face ------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "LSQ Ops",
    "SITE_HEADER": "LSQ Ops",
    "SITE_SUBHEADER": "lsq_ops.admin.face.account_name",
    "SITE_ICON": "lsq_ops.admin.face.mark",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "lsq_ops.admin.face.mark"}],
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "lsq_ops.admin.face.environment",
    "ENVIRONMENT_TITLE_PREFIX": "lsq_ops.admin.face.environment_prefix",
    "GLOBAL_CALLBACK": "lsq_ops.admin.face.frame",
    "DASHBOARD_CALLBACK": "lsq_ops.admin.home.dashboard",
    "STYLES": ["lsq_ops.admin.face.stylesheet"],
    "SCRIPTS": ["lsq_ops.admin.face.script", "lsq_ops.admin.face.keys", "lsq_ops.admin.face.forms"],
    "ACCOUNT": {"navigation": "lsq_ops.admin.face.own_pages"},
    "SIDEBAR": {"show_search": False, "navigation": "lsq_ops.admin.face.navigation"},
    "COLORS": {
        "primary": {
            "50": "oklch(97.1% .014 195)",
            "100": "oklch(94.2% .033 195)",
            "200": "oklch(89.2% .058 195)",
            "300": "oklch(81.5% .085 196)",
            "400": "oklch(71.5% .105 197)",
            "500": "oklch(60.2% .100 199)",
            "600": "oklch(50.2% .085 202)",
            "700": "oklch(43.2% .073 205)",
            "800": "oklch(37.6% .062 207)",
            "900": "oklch(33.2% .052 209)",
            "950": "oklch(25.5% .042 211)",
        },
    },
}
