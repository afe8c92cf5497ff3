"""API keys: who a request comes from. Only hashes are held; they are compared in constant time."""

import hmac
import secrets
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Protocol

from app.contracts import Caller
from app.errors import ForbiddenHost, ForbiddenOrigin, InvalidKey

LOOPBACK_NAMES = frozenset({b"localhost", b"127.0.0.1", b"[::1]"})


class Keys(Protocol):
    def identify(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Who sent these headers; raises InvalidKey, ForbiddenHost or ForbiddenOrigin."""


def new_key(name: str) -> tuple[str, str]:
    """A new key `hb-<name>-<secret>` (192 random bits) and the SHA-256 that the configuration holds."""
    key = f"hb-{name}-{secrets.token_hex(24)}"
    return key, sha256(key.encode()).hexdigest()


class Configured:
    """The keys of the configuration file."""

    def __init__(self, callers: Mapping[str, Caller]) -> None:
        self._callers = {bytes.fromhex(digest): caller for digest, caller in callers.items()}

    def identify(self, headers: Mapping[bytes, bytes]) -> Caller:
        key = _presented(headers)
        if not key:
            raise InvalidKey("No API key was sent: send it as 'Authorization: Bearer <key>'.")
        digest = sha256(key).digest()
        caller = self._callers.get(digest)
        # A digest cannot be chosen by who does not know a key, so the look-up tells nothing about one;
        # the comparison stays constant-time all the same.
        known = next(iter(self._callers)) if caller is None else digest
        if not hmac.compare_digest(digest, known) or caller is None:
            raise InvalidKey("The API key is not known to this gateway.")
        return caller


class SingleUser:
    """No keys: everyone who reaches the loopback address is the one user.

    The Host header must be a loopback name, so that a web page cannot reach the gateway under a name of its
    own that resolves to this machine (DNS rebinding). A page from elsewhere says so in its Origin, and may call
    only where that is allowed: a browser sends its request even if it may not read the answer.
    """

    _caller = Caller("local")

    def __init__(self, origins: Iterable[str] = ()) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def identify(self, headers: Mapping[bytes, bytes]) -> Caller:
        if not self._may_call(headers.get(b"origin")):
            raise ForbiddenOrigin(
                "Web pages from other places may not use this gateway; server.cors_origins can allow one."
            )
        if _host_name(headers.get(b"host", b"")) not in LOOPBACK_NAMES:
            raise ForbiddenHost(
                "Without keys this gateway answers on loopback names only: use 127.0.0.1 or localhost, "
                "or configure keys."
            )
        return self._caller

    def _may_call(self, origin: bytes | None) -> bool:
        if origin is None or origin in self._origins:
            return True
        return _host_name(origin.partition(b"://")[2]) in LOOPBACK_NAMES


def _host_name(authority: bytes) -> bytes:
    """An authority without its port."""
    host = authority.lower()
    return host[: host.index(b"]") + 1] if b"]" in host else host.partition(b":")[0]


def _presented(headers: Mapping[bytes, bytes]) -> bytes:
    """The key as OpenAI's clients send it, or as Anthropic's do."""
    scheme, _, value = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return value.strip()
    return headers.get(b"x-api-key", b"").strip()
