"""Why LeadSquared did not do what was asked, in words for the person who reads them, with the way out."""

from lsq_ops.leadsquared.errors import Cause, LeadSquaredError

# Cause -> (what it means, what to do).
WORDS: dict[str, tuple[str, str]] = {
    Cause.KEYS: (
        "LeadSquared refused the keys (401): wrong keys, an inactive user, another region's host, or this machine's IP"
        " is not allowed.",
        "Check LSQ_ACCESS_KEY, LSQ_SECRET_KEY and LSQ_HOST.",
    ),
    Cause.FORBIDDEN: (
        "LeadSquared says that the keys' user may not do this (403).",
        "Check the user's permissions.",
    ),
    Cause.RATE: (
        "LeadSquared takes no more calls right now.",
        "Wait a few seconds and try again.",
    ),
    Cause.DNS: ("The host's name was not found.", "Check LSQ_HOST."),
    Cause.CONNECT: ("No connection to LeadSquared.", "Check LSQ_HOST and the network."),
    Cause.TLS: ("No safe connection to LeadSquared (TLS).", "Check LSQ_HOST."),
    Cause.TIMEOUT: ("LeadSquared did not answer in time.", "Try again."),
    Cause.DEADLINE: ("LeadSquared did not answer in time.", "Try again."),
}
# The same of a delete that was sent: it is never tried again by itself where it may have been carried out.
READ = "Nothing: it is read back, and a reading decides."
OF_SENDS: dict[str, tuple[str, str]] = {
    Cause.RATE: (
        "LeadSquared took no more calls just then.",
        "Nothing: it goes again by itself. If it comes often, other integrations use the same limit: raise"
        " LSQ_RESERVE.",
    ),
    Cause.TIMEOUT: ("LeadSquared did not answer in time.", READ),
    Cause.DEADLINE: ("LeadSquared's answer did not end in time.", READ),
    Cause.RESET: ("The connection broke after something was sent.", READ),
    Cause.SERVER_ERROR: ("LeadSquared answered with an error of its own (5xx).", READ),
    Cause.REDIRECT: ("LeadSquared pointed to another address.", f"{READ} Check LSQ_HOST if it comes again."),
    Cause.NOT_JSON: ("The answer was not LeadSquared's: a page, or broken JSON.", f"{READ} Is a proxy in between?"),
    Cause.TOO_LARGE: ("The answer was too large to be read.", READ),
    Cause.INPUT: ("LeadSquared refused it as wrong input.", f"{READ} LeadSquared's own words stand at the call."),
    Cause.BAD_REQUEST: ("LeadSquared refused it (400).", f"{READ} LeadSquared's own words stand at the call."),
    Cause.NOT_FOUND: ("LeadSquared knows no such call (404).", f"{READ} Check LSQ_HOST."),
    Cause.METHOD: ("LeadSquared takes no such call (405).", f"{READ} Check LSQ_HOST."),
    Cause.ERROR_STATUS: ("LeadSquared answered with an error.", f"{READ} LeadSquared's own words stand at the call."),
    "lease": ("A worker ended between being about to send and keeping the answer.", READ),
}


def in_words(error: LeadSquaredError) -> str:
    """What a failed read means, and the way out."""
    answer = error.answer
    if answer.cause in WORDS:
        return " ".join(WORDS[answer.cause])
    status = f", HTTP {answer.status}" if answer.status else ""
    return f"LeadSquared's answer could not be used ({answer.cause.value.replace('_', ' ')}{status}). Try again."


def of_send(cause: str) -> tuple[str, str]:
    """(what it means, what to do) of a delete that came to nothing, or to no clear answer."""
    return (
        OF_SENDS.get(cause) or WORDS.get(cause) or (cause.replace("_", " ").capitalize() or "No cause is known.", READ)
    )
