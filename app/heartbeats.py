"""Comments in a stream whose first content is not here yet, so that nobody on the way takes it for dead."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

COMMENT = b": waiting\n\n"
"""An event stream's comment (WHATWG HTML, 9.2.6): a client of events passes it over."""


class Heartbeats:
    """Beats every so many seconds until it is ended, or its block is left; 0 is never."""

    def __init__(self, beat: Callable[[], Awaitable[None]], seconds: float) -> None:
        self._beat = beat
        self._seconds = seconds
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        if self._seconds:
            self._beating = asyncio.get_running_loop().create_task(self._go_on())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._beating is not None:
            await self.end()

    async def end(self) -> None:
        """No beat comes after this."""
        beating, self._beating = self._beating, None
        if beating is not None:
            beating.cancel()
            await asyncio.wait([beating])

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            await self._beat()
