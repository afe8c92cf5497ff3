"""API keys: who a request comes from. Only hashes are held, and nothing is asked while a call waits."""

from collections.abc import Mapping
from typing import Protocol

from app.contracts import Caller


class Callers(Protocol):
    def identify(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Who sent these headers; raises InvalidKey, ForbiddenHost or ForbiddenOrigin."""
