"""Why LeadSquared did not do what was asked, in words for the person who reads them, with the way out."""

from django.utils.translation import gettext as _

from lsq_ops.leadsquared.errors import Cause, LeadSquaredError
from lsq_ops.wording import lazy

# Cause -> (what it means, what to do).
WORDS: dict[str, tuple[str, str]] = {
    Cause.KEYS: (
        lazy(
            "LeadSquared refused the keys (401): wrong keys, an inactive user, another region's"
            " host, or this machine's IP"
            " is not allowed."
        ),
        lazy("Check LSQ_ACCESS_KEY, LSQ_SECRET_KEY and LSQ_HOST."),
    ),
    Cause.FORBIDDEN: (
        lazy("LeadSquared says that the keys' user may not do this (403)."),
        lazy("Check the user's permissions."),
    ),
    Cause.RATE: (
        lazy("LeadSquared takes no more calls right now."),
        lazy("Wait a few seconds and try again."),
    ),
    Cause.DNS: (lazy("The host's name was not found."), lazy("Check LSQ_HOST.")),
    Cause.CONNECT: (lazy("No connection to LeadSquared."), lazy("Check LSQ_HOST and the network.")),
    Cause.TLS: (lazy("No safe connection to LeadSquared (TLS)."), lazy("Check LSQ_HOST.")),
    Cause.TIMEOUT: (lazy("LeadSquared did not answer in time."), lazy("Try again.")),
    Cause.DEADLINE: (lazy("LeadSquared did not answer in time."), lazy("Try again.")),
}
# The same of a delete that was sent: it is never tried again by itself where it may have been carried out.
READ = lazy("Nothing: it is read back, and a reading decides.")
OF_SENDS: dict[str, tuple[str, str]] = {
    Cause.RATE: (
        lazy("LeadSquared took no more calls just then."),
        lazy(
            "Nothing: it goes again by itself. If it comes often, other integrations use the same limit: raise"
            " LSQ_RESERVE."
        ),
    ),
    Cause.TIMEOUT: (lazy("LeadSquared did not answer in time."), READ),
    Cause.DEADLINE: (lazy("LeadSquared's answer did not end in time."), READ),
    Cause.RESET: (lazy("The connection broke after something was sent."), READ),
    Cause.SERVER_ERROR: (lazy("LeadSquared answered with an error of its own (5xx)."), READ),
    Cause.REDIRECT: (
        lazy("LeadSquared pointed to another address."),
        lazy("Nothing: it is read back, and a reading decides. Check LSQ_HOST if it comes again."),
    ),
    Cause.NOT_JSON: (
        lazy("The answer was not LeadSquared's: a page, or broken JSON."),
        lazy("Nothing: it is read back, and a reading decides. Is a proxy in between?"),
    ),
    Cause.TOO_LARGE: (lazy("The answer was too large to be read."), READ),
    Cause.INPUT: (
        lazy("LeadSquared refused it as wrong input."),
        lazy("Nothing: it is read back, and a reading decides. LeadSquared's own words stand at the call."),
    ),
    Cause.BAD_REQUEST: (
        lazy("LeadSquared refused it (400)."),
        lazy("Nothing: it is read back, and a reading decides. LeadSquared's own words stand at the call."),
    ),
    Cause.NOT_FOUND: (
        lazy("LeadSquared knows no such call (404)."),
        lazy("Nothing: it is read back, and a reading decides. Check LSQ_HOST."),
    ),
    Cause.METHOD: (
        lazy("LeadSquared takes no such call (405)."),
        lazy("Nothing: it is read back, and a reading decides. Check LSQ_HOST."),
    ),
    Cause.ERROR_STATUS: (
        lazy("LeadSquared answered with an error."),
        lazy("Nothing: it is read back, and a reading decides. LeadSquared's own words stand at the call."),
    ),
    "lease": (lazy("A worker ended between being about to send and keeping the answer."), READ),
}


def in_words(error: LeadSquaredError) -> str:
    """What a failed read means, and the way out."""
    answer = error.answer
    if answer.cause in WORDS:
        return " ".join(str(sentence) for sentence in WORDS[answer.cause])
    status = _(", HTTP {status}").format(status=answer.status) if answer.status else ""
    return _("LeadSquared's answer could not be used ({cause}{status}). Try again.").format(
        cause=answer.cause.value.replace("_", " "), status=status
    )


def of_send(cause: str) -> tuple[str, str]:
    """(what it means, what to do) of a delete that came to nothing, or to no clear answer."""
    return (
        OF_SENDS.get(cause)
        or WORDS.get(cause)
        or (cause.replace("_", " ").capitalize() or _("No cause is known."), READ)
    )
