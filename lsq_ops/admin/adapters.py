"""What allauth asks the portal: which steps signing in has, and how second factors are kept."""

import base64
import hashlib
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.totp.internal.auth import generate_totp_secret
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.http import HttpRequest

from lsq_ops.wording import lazy

_TOO_MANY = lazy("Too many wrong codes. Try again in a quarter of an hour.")


class Account(DefaultAccountAdapter):
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "too_many_login_attempts": _TOO_MANY,
        "rate_limited": _TOO_MANY,
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_stages(self) -> list[str]:
        return ["allauth.mfa.stages.AuthenticateStage"]

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """The portal's pages say what happened."""


class SecondFactor(DefaultMFAAdapter):
    """Secrets are kept encrypted with a key made of SECRET_KEY: who only reads the database can't make codes."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": lazy("This code is wrong, too old, or was used already. Type the one that is shown now."),
    }

    def get_totp_label(self, user: Any) -> str:
        return str(user.get_username())

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        try:
            return _cipher().decrypt(encrypted_text).decode()
        except InvalidToken:  # another SECRET_KEY: no code fits any more, rather than one that can be guessed
            return generate_totp_secret()


def _cipher() -> Fernet:
    key = hashlib.sha256(b"second factor:" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
