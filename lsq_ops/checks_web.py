"""System checks of what browsers, proxies and mail servers meet. Of a real account alone, unless said otherwise: the
sandbox listens on this machine, over plain http, and holds nobody's data. docs/checks.md has all ids."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.utils.translation import gettext as _

KNOWN_SECRETS = ("only-for-debugging", "changeme", "change-me", "secret", "password", "django-insecure")
FEWEST_SIGNS = 5  # different ones in a secret; as Django's own check of SECRET_KEY
WIDEST = 8  # the prefix of 10.0.0.0/8 and fd00::/8; a network of proxies that is wider than this is the world
MIDDLEWARE = (
    "django.middleware.security.SecurityMiddleware",
    "portal.headers.MoreHeaders",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "lsq_ops.admin.gate.Gate",
    "axes.middleware.AxesMiddleware",
)
# What a page may load, and no more. `unsafe-eval`: Unfold's Alpine evaluates its attributes.
MOST = {
    "default-src": {"'self'", "'none'"},
    "script-src": {"'self'", "'unsafe-eval'"},
    "style-src": {"'self'", "'unsafe-inline'"},
    "img-src": {"'self'", "data:"},
    "object-src": {"'none'"},
    "base-uri": {"'none'"},
    "form-action": {"'self'"},
    "frame-ancestors": {"'none'"},
}
WEAK_HASHERS = ("MD5", "SHA1")
UPLOAD_MOST = 500 * 1024 * 1024
FORM_MOST = 16 * 1024 * 1024
FIELDS_MOST = 50_000
OF_ONE_PROCESS = ("locmem", "dummy")  # caches that other processes don't see


def is_here(host: str | None) -> bool:
    """Whether what is sent there never leaves this machine: loopback, or a socket's path."""
    if not host or host == "localhost" or host.startswith(("/", "@")):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_public() -> bool:
    """Whether people come from elsewhere, by the address that they are told."""
    return bool(settings.PUBLIC_URL) and not is_here(urlsplit(settings.PUBLIC_URL).hostname)


@register(Tags.security)
def guessable_secrets(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.E010: a secret that stands in a document, or in no more than a few signs, is none."""
    if settings.SANDBOX_MODE:
        return []
    return [
        Error(
            _("{name} can be guessed: whoever knows it signs in as anybody, or signs anchors.").format(name=name),
            hint=_("Take it out of .env and run ./dev up once, which writes a random one; then sign in again."),
            id="lsq_ops.E010",
        )
        for name in ("SECRET_KEY", "AUDIT_KEY")
        if _guessable(getattr(settings, name))
    ]


def _guessable(secret: str) -> bool:
    return len(set(secret)) < FEWEST_SIGNS or any(secret.lower().startswith(known) for known in KNOWN_SECRETS)


@register(Tags.security, deploy=True)
def way_in(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.W011 and W012: without an address of HTTPS, and the proxy that it leads to, nothing is encrypted."""
    if settings.SANDBOX_MODE:
        return []
    if not settings.PUBLIC_URL:
        return [
            Warning(
                _("PUBLIC_URL is not set: cookies may travel over plain http, and browsers are not held to HTTPS."),
                hint=_("Set PUBLIC_URL to the https:// address at which people reach the portal."),
                id="lsq_ops.W011",
            )
        ]
    if is_public() and not settings.TRUSTED_PROXIES:
        return [
            Warning(
                _("TRUSTED_PROXIES is not set: everybody seems to come from the proxy's address, over plain http."),
                hint=_(
                    "Set TRUSTED_PROXIES to the address of the proxy in front. Until then wrong tries of one visitor"
                    " count for all, and browsers are not held to HTTPS."
                ),
                id="lsq_ops.W012",
            )
        ]
    return []


@register(Tags.security)
def who_is_believed(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.E013, E014 and E015: what a visitor says of himself must not count."""
    return [] if settings.SANDBOX_MODE else list(_believed())


def _believed() -> Iterator[CheckMessage]:
    for word in settings.TRUSTED_PROXIES:
        if ip_network(word).prefixlen < WIDEST:
            yield Error(
                _("TRUSTED_PROXIES holds {word}: nearly anybody may say where they come from.").format(word=word),
                hint=_("Name the proxies' own addresses, or their network alone."),
                id="lsq_ops.E013",
            )
    for host in settings.ALLOWED_HOSTS:
        if "*" in host or host.startswith("."):
            yield Error(
                _("ALLOWED_HOSTS holds {host}: links could be made that lead elsewhere.").format(host=host),
                hint=_("Name each host. PUBLIC_URL's own host counts anyway."),
                id="lsq_ops.E014",
            )
    if settings.SECURE_PROXY_SSL_HEADER or settings.USE_X_FORWARDED_HOST:
        yield Error(
            _("Django is told to believe X-Forwarded-… headers, whoever sends them."),
            hint=_("Take SECURE_PROXY_SSL_HEADER and USE_X_FORWARDED_HOST out: TRUSTED_PROXIES does that."),
            id="lsq_ops.E015",
        )


@register(Tags.security)
def cookies(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.E016: a cookie that can be read on the way, by a script or from elsewhere is a session given away."""
    if settings.SANDBOX_MODE:
        return []
    wrong = [
        name
        for name in ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_HSTS_SECONDS")
        if settings.PUBLIC_URL.startswith("https://") and not getattr(settings, name)
    ]
    wrong += [name for name in ("SESSION_COOKIE_HTTPONLY", "CSRF_COOKIE_HTTPONLY") if not getattr(settings, name)]
    wrong += [
        name
        for name in ("SESSION_COOKIE_SAMESITE", "CSRF_COOKIE_SAMESITE")
        if getattr(settings, name) not in ("Lax", "Strict")
    ]
    return [
        Error(
            _("{name} is {value}.").format(name=name, value=repr(getattr(settings, name))),
            hint=_("Leave it as portal/settings.py ships it; it follows from PUBLIC_URL."),
            id="lsq_ops.E016",
        )
        for name in wrong
    ]


@register(Tags.security, deploy=True)
def mail_goes_out(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.W022 and W023: mails are how people hear that they must decide, and that a password was changed."""
    if settings.SANDBOX_MODE:
        return []
    if "console" in settings.EMAIL_BACKEND or "dummy" in settings.EMAIL_BACKEND:
        return [
            Warning(
                _("Mails reach nobody: they are written to the worker's log."),
                hint=_("Set EMAIL_URL, like smtp+tls://user:password@host:587."),
                id="lsq_ops.W022",
            )
        ]
    if "smtp" not in settings.EMAIL_BACKEND or is_here(settings.EMAIL_HOST):
        return []
    if settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL:
        return []
    return [
        Warning(
            _("Mails, and the mail server's password, go to {host} in clear.").format(host=settings.EMAIL_HOST),
            hint=_("Begin EMAIL_URL with smtp+tls:// (port 587) or smtp+ssl:// (port 465)."),
            id="lsq_ops.W023",
        )
    ]


@register(Tags.security)
def upload_limits(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.E024: in the sandbox too; without limits one request fills memory or disk."""
    limits: dict[str, int] = {
        "UPLOAD_CAP": UPLOAD_MOST,
        "DATA_UPLOAD_MAX_MEMORY_SIZE": FORM_MOST,
        "DATA_UPLOAD_MAX_NUMBER_FIELDS": FIELDS_MOST,
        "DATA_UPLOAD_MAX_NUMBER_FILES": 100,
    }
    return [
        Error(
            _("{name} is {value}; at most {most} is safe.").format(name=name, value=value, most=most),
            hint=_("Leave it as portal/settings.py ships it."),
            id="lsq_ops.E024",
        )
        for name, most in limits.items()
        if (value := getattr(settings, name)) is None or value > most
    ]


@register(Tags.security)
def password_hashes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.E029: whoever reads the database must not read passwords out of it."""
    if settings.SANDBOX_MODE or not any(weak in settings.PASSWORD_HASHERS[0] for weak in WEAK_HASHERS):
        return []
    return [
        Error(
            _("Passwords are kept by {hasher}, which is undone in seconds.").format(
                hasher=settings.PASSWORD_HASHERS[0]
            ),
            hint=_("Take PASSWORD_HASHERS out of the settings; everybody's is renewed at their next sign-in."),
            id="lsq_ops.E029",
        )
    ]


@register(Tags.security)
def layers(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.E030: in the sandbox too; without one of them pages open that must not."""
    return [
        Error(
            _("{name} is missing in MIDDLEWARE.").format(name=name),
            hint=_("Put it back where portal/settings.py has it."),
            id="lsq_ops.E030",
        )
        for name in MIDDLEWARE
        if name not in settings.MIDDLEWARE
    ]


@register(Tags.security)
def page_policy(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.E031: in the sandbox too; a page shows what LeadSquared says, and must run nothing of it."""
    directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    wider = [name for name, most in MOST.items() if not set(directives.get(name) or ("missing",)) <= most]
    wider += [name for name in directives if name not in MOST and set(directives[name]) - {"'self'", "'none'"}]
    return [
        Error(
            _("CONTENT_SECURITY_POLICY lets more through than pages need: {name}.").format(name=name),
            hint=_("Leave it as portal/settings.py ships it."),
            id="lsq_ops.E031",
        )
        for name in wider
    ]


@register(Tags.security)
def codes_are_remembered(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.E032: a second factor's code that was used must be known to every process, or it is used twice."""
    backend = settings.CACHES["default"]["BACKEND"]
    if settings.SANDBOX_MODE or not any(word in backend.lower() for word in OF_ONE_PROCESS):
        return []
    return [
        Error(
            _("CACHES['default'] is {backend}, which other processes don't see.").format(backend=backend),
            hint=_("Keep it in the database, as portal/settings.py ships it."),
            id="lsq_ops.E032",
        )
    ]


@register(Tags.security)
def sandbox_in_the_open(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """lsq_ops.W033: everybody knows the passwords of the sandbox's people."""
    if not settings.SANDBOX_MODE or not is_public():
        return []
    return [
        Warning(
            _("The sandbox can be reached from elsewhere, and its people's password stands in the README."),
            hint=_("Take PUBLIC_URL out, or set the keys of a real account."),
            id="lsq_ops.W033",
        )
    ]
