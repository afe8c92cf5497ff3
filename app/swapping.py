"""Another configuration comes into force while calls run: at one moment for all calls that begin then."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from app import config
from app.contracts import Source
from app.setup import InForce, Setup, Term

Told = Callable[[Setup, Setup], None]
"""Hears of the setup before and of the one that has come into force, at that moment."""


class Swapping:
    """Starts and closes the upstreams of setups; puts one in the place of the other."""

    def __init__(
        self, make: Callable[[config.Config, Setup], Setup], in_force: InForce, told: Sequence[Told]
    ) -> None:
        self._make = make
        self._in_force = in_force
        self._told = told
        self._terms: list[Term] = []
        """Those that have ended, and may still have calls."""
        self._closing: set[asyncio.Future[None]] = set()

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None]:
        """Hold the upstreams of the setup in force started. Raises CannotStart."""
        await _started(list(self._in_force.setup.sources.values()))
        try:
            yield
        finally:
            await self._close()

    async def swap(self, settings: config.Config) -> None:
        """Put this configuration into force. Raises CannotStart, ValueError; then all is as it was."""
        before = self._in_force.setup
        setup = await asyncio.to_thread(self._make, settings, before)
        await _started(_only_in(setup, before))
        term = self._in_force.replace(setup)
        for told in self._told:
            told(before, setup)
        self._terms = [each for each in (*self._terms, term) if each.has_calls]
        gone = _only_in(before, setup)
        if gone:
            closing = asyncio.ensure_future(_close_after(gone, self._terms, settings.server.drain_seconds))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _close(self) -> None:
        for closing in self._closing:
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        for source in self._in_force.setup.sources.values():
            await source.close()


async def _started(sources: Sequence[Source]) -> None:
    """Start them all, or none."""
    async with AsyncExitStack() as undone:
        for source in sources:
            undone.push_async_callback(source.close)
            await source.start()
        undone.pop_all()


async def _close_after(sources: Sequence[Source], terms: Sequence[Term], seconds: float) -> None:
    """Close them when no call of these terms is left, at the latest after so long."""
    try:
        await asyncio.gather(*(term.over(seconds) for term in terms))
    finally:
        for source in sources:
            await source.close()


def _only_in(setup: Setup, other: Setup) -> list[Source]:
    kept = {id(source) for source in other.sources.values()}
    return [source for source in setup.sources.values() if id(source) not in kept]
