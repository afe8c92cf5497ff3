"""What was put beneath questions, so that it is put there again in every later turn, word for word."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Protocol

MOST_HELD = 16 * 1024 * 1024
"""Bytes that a worker holds where there is no database."""


class Pins(Protocol):
    """By tenant and the key of a message. Raises StoreUnavailable where a database does not answer."""

    async def of(self, tenant: str, keys: Sequence[str]) -> Mapping[str, str]:
        """Those that are there."""

    async def put(self, tenant: str, key: str, block: str) -> None: ...


class HeldPins:
    """In this process, what was put last. Nothing of it came from a memory, where there is no database."""

    def __init__(self, most_bytes: int = MOST_HELD) -> None:
        self._most_bytes = most_bytes
        self._held: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._bytes = 0

    async def of(self, tenant: str, keys: Sequence[str]) -> Mapping[str, str]:
        found = {key: self._held[tenant, key].decode() for key in keys if (tenant, key) in self._held}
        for key in found:
            self._held.move_to_end((tenant, key))
        return found

    async def put(self, tenant: str, key: str, block: str) -> None:
        before = self._held.pop((tenant, key), b"")
        self._held[tenant, key] = held = block.encode("utf-8", "replace")
        self._bytes += len(held) - len(before)
        while self._bytes > self._most_bytes:
            _, forgotten = self._held.popitem(last=False)
            self._bytes -= len(forgotten)
