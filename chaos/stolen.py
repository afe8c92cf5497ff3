"""Time that other processes took from this one: what is no fault of what is measured, and must not count against it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import process_time

TICK_SECONDS = 0.005
COARSE_SECONDS = 0.001
"""What a timer of the event loop may be late by itself."""


class Watch:
    """Sleeps shortly, again and again: what a sleep takes beyond its time, less the CPU time that this process used
    meanwhile, was somebody else's. (Two cores shared by several suites stood still for up to 0.26 s.)
    """

    def __init__(self) -> None:
        self._stolen: list[tuple[float, float]] = []

    def between(self, begun: float, ended: float) -> float:
        """Seconds that were taken between two moments of the event loop's clock."""
        return sum(seconds for moment, seconds in self._stolen if begun <= moment <= ended + TICK_SECONDS)

    async def run(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            moment, used = loop.time(), process_time()
            await asyncio.sleep(TICK_SECONDS)
            now = loop.time()
            taken = now - moment - TICK_SECONDS - (process_time() - used)
            if taken > COARSE_SECONDS:
                self._stolen.append((now, taken))


@asynccontextmanager
async def watching() -> AsyncGenerator[Watch]:
    """Hold a watch that runs."""
    watch = Watch()
    task = asyncio.ensure_future(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.wait([task])
