"""No keys: everyone who reaches the loopback address is the one user."""

from collections.abc import Iterable, Mapping

from app.contracts import Caller
from app.errors import ForbiddenHost, ForbiddenOrigin
from app.keys.presented import is_loopback_name

LOCAL = Caller("local", admin=True)


class SingleUser:
    """The Host header must be a loopback name, so that a web page cannot reach the gateway under a name of its
    own that resolves to this machine (DNS rebinding). A page from elsewhere says so in its Origin, and may call
    only where that is allowed: a browser sends its request even if it may not read the answer.
    """

    def __init__(self, origins: Iterable[str] = ()) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def identify(self, headers: Mapping[bytes, bytes]) -> Caller:
        """The one user; raises ForbiddenHost or ForbiddenOrigin."""
        if not self._may_call(headers.get(b"origin")):
            raise ForbiddenOrigin(
                "Without keys, web pages from other places may not use this gateway: name the page's origin in "
                "server.cors_origins, or make a key."
            )
        if not is_loopback_name(headers.get(b"host", b"")):
            raise ForbiddenHost(
                "Without keys this gateway answers on loopback names only: use 127.0.0.1 or localhost, "
                "or make a key."
            )
        return LOCAL

    def _may_call(self, origin: bytes | None) -> bool:
        if origin is None or origin in self._origins:
            return True
        return is_loopback_name(origin.partition(b"://")[2])
