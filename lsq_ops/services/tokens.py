"""The address that a webhook comes back to: 256 random bits, signed, so that a stranger's is known without a query."""

import secrets
from base64 import urlsafe_b64encode

from django.utils.crypto import constant_time_compare, salted_hmac

RANDOM = 43  # characters
SIGNATURE = 12  # characters: 72 bits


def make() -> str:
    token = secrets.token_urlsafe(32)
    return token + _signature(token)


def is_signed(token: str) -> bool:
    """Whether we made it, under this SECRET_KEY. An older one may still be of an attempt."""
    if len(token) != RANDOM + SIGNATURE or not token.isascii():
        return False
    return constant_time_compare(token[RANDOM:], _signature(token[:RANDOM]))


def _signature(token: str) -> str:
    mac = salted_hmac("lsq_ops.webhook", token, algorithm="sha256")
    return urlsafe_b64encode(mac.digest()).decode()[:SIGNATURE]
