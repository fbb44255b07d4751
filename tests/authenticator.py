"""An authenticator app, by RFC 6238: what the portal's pages show is all that it knows."""

import base64
import hashlib
import hmac
import re
import struct
import time


class Authenticator:
    def __init__(self, key: str) -> None:
        self.key = base64.b32decode(key.replace(" ", ""))

    @classmethod
    def scanning(cls, page: str) -> "Authenticator":
        """The key that a set-up page (its HTML, or its text) shows."""
        shown = re.search(r"\b(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}\b", page)
        assert shown, page
        return cls(shown.group(0))

    def code(self, steps: int = 0) -> str:
        """The six digits of now, or of so many half minutes later."""
        counter = struct.pack(">Q", int(time.time()) // 30 + steps)
        digest = hmac.new(self.key, counter, hashlib.sha1).digest()
        at = digest[-1] & 0x0F
        number = struct.unpack(">I", digest[at : at + 4])[0] & 0x7FFFFFFF
        return f"{number % 10**6:06}"

    def wrong_code(self) -> str:
        return f"{(int(self.code()) + 1) % 10**6:06}"


def not_at_the_edge() -> None:
    """Wait for the next half minute where this one is nearly over: a test must not fail by the clock."""
    left = 30 - time.time() % 30
    if left < 3:
        time.sleep(left)


def recovery_codes(page: str) -> list[str]:
    return re.findall(r"<li>(\d{8})</li>", page)
