"""Holds replicas against other workers and gateways while they are given adapters, by the database that they share."""

import secrets
import time
from collections.abc import Callable

from app.loras.leases import Leases
from app.loras.shared import Shared
from app.loras.unusable import Unusable

MOST_TRIES = 10


class Leasing:
    """One worker's leases on the replicas of a fleet. Where the database does not answer, each acts as if it were alone."""

    def __init__(self, shared: Shared, fleet: str) -> None:
        self._shared = shared
        self._document = f"{fleet}/leases"
        self._holder = secrets.token_hex(8)

    @property
    def is_shared(self) -> bool:
        """Whether there may be others."""
        return self._shared.is_shared

    async def hold(self, replica: str, seconds: float) -> bool:
        """Hold it for so long at most; False where somebody else does."""
        try:
            return await self._change(
                lambda leases: leases.taken(replica, self._holder, time.time(), seconds)
            )
        except Unusable:
            return True

    async def release(self, replica: str) -> None:
        try:
            await self._change(lambda leases: leases.released(replica, self._holder))
        except Unusable:
            return  # it ends by itself

    async def others(self) -> frozenset[str]:
        """The replicas that others hold now. Raises Unusable."""
        _, text = await self._shared.read(self._document)
        return Leases.of(text).others(self._holder, time.time())

    async def _change(self, change: Callable[[Leases], Leases | None]) -> bool:
        for _ in range(MOST_TRIES):
            revision, text = await self._shared.read(self._document)
            leases = change(Leases.of(text))
            if leases is None:
                return False
            if await self._shared.write(self._document, revision, leases.text()):
                return True
        return False
