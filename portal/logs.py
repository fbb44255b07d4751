"""What a log line may not say."""

import logging
import re

# A webhook's address is a password for one attempt, and a query string holds what somebody searched for.
_TOKEN = re.compile(r"(/webhooks/leadsquared/)[^/\s?\"']+")
_QUERY = re.compile(r"((?:https?://|/)[^\s?\"']*)\?[^\s\"']+")


def without_secrets(text: str) -> str:
    """The text without webhook tokens and query strings."""
    return _QUERY.sub(r"\1?…", _TOKEN.sub(r"\1…", text))


class HideSecrets(logging.Formatter):
    """The formatter of every handler: works on the finished text, so tracebacks are covered too."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))
