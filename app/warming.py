"""What `auto` needs is read when the first call asks for it, and in a thread.

numpy and the classifier take 0.3 s and 25 MiB, which who never asks for `auto` shall not spend. Read where calls are answered
they would hold all others up so long; beside them, at most 20 ms at a time.
"""

import asyncio

from app.contracts import Call
from app.routing.router import Router


class Warming:
    """Lets calls wait until their router can decide; all for the same reading."""

    def __init__(self, routing: Router) -> None:
        self._routing = routing
        self._reading: asyncio.Future[None] | None = None

    async def before(self, call: Call) -> None:
        """Return when a decision on this call waits for nothing. One that is cancelled leaves the reading to the others;
        where it fails, those who wait fail with it, and the next one reads again.
        """
        if not self._routing.must_read(call):
            return
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(asyncio.to_thread(self._routing.read))
        await asyncio.shield(self._reading)
