"""Another configuration comes into force while calls run: at one moment for all calls that begin then."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
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

    @asynccontextmanager
    async def prepared(self, settings: config.Config) -> AsyncGenerator[Callable[[], None]]:
        """Hold a setup of this configuration ready: what the block gets puts it into force, at once.

        Raises CannotStart and ValueError.
        """
        before = self._in_force.setup
        setup = await asyncio.to_thread(self._make, settings, before)
        new = _only_in(setup, before)
        await _started(new)
        try:
            yield lambda: self._commit(before, setup)
        finally:
            if self._in_force.setup is not setup:
                await _closed(new)

    def _commit(self, before: Setup, setup: Setup) -> None:
        term = self._in_force.replace(setup)
        for told in self._told:
            told(before, setup)
        self._terms = [each for each in (*self._terms, term) if each.has_calls]
        closing = asyncio.ensure_future(
            _close_after(_only_in(before, setup), self._terms, setup.settings.server.drain_seconds)
        )
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _close(self) -> None:
        for closing in self._closing:
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await _closed(self._in_force.setup.sources.values())


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
        await _closed(sources)


async def _closed(sources: Iterable[Source]) -> None:
    for source in sources:
        await source.close()


def _only_in(setup: Setup, other: Setup) -> list[Source]:
    kept = {id(source) for source in other.sources.values()}
    return [source for source in setup.sources.values() if id(source) not in kept]
