"""Who the visitor is, when a proxy stands in front."""

from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_network
from typing import Any

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class BehindProxies:
    """WSGI: takes X-Forwarded-For and -Proto over from trusted proxies, and drops everybody else's.

    The visitor's address is the last one in the list that is not a proxy of ours: what stands left of it
    was written by the visitor.
    """

    def __init__(self, application: Application, trusted: list[str]) -> None:
        self.application = application
        self.networks = [ip_network(word) for word in trusted]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        chain = environ.pop("HTTP_X_FORWARDED_FOR", "")
        proto = environ.pop("HTTP_X_FORWARDED_PROTO", "")
        if self.trusts(environ.get("REMOTE_ADDR", "")):
            visitors = [word.strip() for word in chain.split(",") if not self.trusts(word.strip())]
            environ["REMOTE_ADDR"] = visitors[-1] if chain and visitors else environ["REMOTE_ADDR"]
            environ["wsgi.url_scheme"] = "https" if proto.strip().lower() == "https" else "http"
        return self.application(environ, start_response)

    def trusts(self, address: str) -> bool:
        try:
            return any(ip_address(address) in network for network in self.networks)
        except ValueError:
            return False
