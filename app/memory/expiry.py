"""Deletes scenes whose time is over, once in a while."""

import asyncio
import logging
import random
import time
from collections.abc import Callable

from app.memory.memory import Memory
from app.store.faults import StoreUnavailable

PAUSE_SECONDS = 60.0
"""About so long after their time scenes are gone; nobody is told of them from that moment on."""

_log = logging.getLogger(__name__)


async def expiring(
    memory: Memory, pause_seconds: float = PAUSE_SECONDS, clock: Callable[[], float] = time.time
) -> None:
    """Never ends. Where the database does not answer, the next time does."""
    while True:
        await asyncio.sleep(pause_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - workers at different moments
        try:
            await memory.expire(clock())
        except StoreUnavailable as unavailable:
            _log.warning("scenes whose time is over are not deleted yet: %s", unavailable)
