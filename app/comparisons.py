"""Comparisons on their way into the database."""

import asyncio
import logging
from collections import deque

from app.store.faults import StoreUnavailable
from app.store.shadows import Comparison, Shadows

MOST_WAITING = 1000
"""Comparisons that wait for the database; beyond them the oldest is given up."""

_log = logging.getLogger("hyperbridge")


class Comparisons:
    """Takes them one by one, and the task that writes them together once in a while."""

    def __init__(self, shadows: Shadows, flush_seconds: float) -> None:
        self._shadows = shadows
        self._flush_seconds = flush_seconds
        self._waiting: deque[Comparison] = deque(maxlen=MOST_WAITING)

    def add(self, comparison: Comparison) -> None:
        self._waiting.append(comparison)

    async def keep(self) -> None:
        """Write every `flush_seconds`, until cancelled."""
        while True:
            await asyncio.sleep(self._flush_seconds)
            await self.flush()

    async def flush(self) -> None:
        """Write what there is by now; what is not taken waits. That nothing is taken is told by the ledger."""
        batch = list(self._waiting)
        try:
            await self._shadows.add(batch)
        except StoreUnavailable as unavailable:
            _log.debug("%d comparisons wait: %s", len(batch), unavailable)
            return
        written = {each.id for each in batch}
        self._waiting = deque((each for each in self._waiting if each.id not in written), MOST_WAITING)
