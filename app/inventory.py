"""Which models the upstreams have: asked now and then, shared by everyone who wants to know."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.background import background
from app.contracts import ModelCard, Source
from app.errors import UpstreamFailure
from app.routing.listed import NOTHING, Listed

FRESH_SECONDS = 10.0
START_SECONDS = 1.0
"""How long a start waits for the first lists: names that an upstream alone gives are known then."""
JITTER = 0.2
"""By how much a pause is longer or shorter, so that workers which began together do not go on asking together."""

Stocks = Mapping[str, "Stock"]


@dataclass(frozen=True, slots=True)
class Stock:
    """What one upstream listed last, when (event loop's clock), and why it did not the last time it was asked."""

    cards: Sequence[ModelCard] = ()
    asked: float = float("-inf")
    failure: UpstreamFailure | None = None


class Inventory:
    """Asks an upstream at most every `FRESH_SECONDS`; what it listed before stays while it does not answer.

    `sources` are the upstreams that there are now, `every_seconds` how often they are asked by itself, 0 is never.
    """

    def __init__(
        self,
        sources: Callable[[], Mapping[str, Source]],
        every_seconds: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._now = sources
        self._every_seconds = every_seconds
        self._sources: Mapping[str, Source] = {}
        self._stocks: dict[str, Stock] = {}
        self._listed = NOTHING
        self._asking = asyncio.Lock()
        self._begun = asyncio.Event()
        self._woken = asyncio.Event()

    def known(self) -> Stocks:
        """Every upstream's stock as it was heard last; nobody is asked."""
        return self._stocks

    def listed(self) -> Listed:
        """The same by the names of models."""
        return self._listed

    async def stocks(self) -> Stocks:
        """Every upstream's stock, none of them older than `FRESH_SECONDS`."""
        async with self._asking:
            self._look()
            now = asyncio.get_running_loop().time()
            old = [name for name, stock in self._stocks.items() if now - stock.asked > FRESH_SECONDS]
            if old:
                await asyncio.gather(*(self._ask(name, now) for name in old))
                self._listed = Listed.of({name: stock.cards for name, stock in self._stocks.items()})
        return self._stocks

    @asynccontextmanager
    async def held(self, heard: Callable[[Stocks], None]) -> AsyncGenerator[None]:
        """Ask by itself until the block ends: at once, when woken, and now and then; what was heard is told each time."""
        async with background(self._run(heard), "upstreams are not asked for their models any more"):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(START_SECONDS):
                    await self._begun.wait()
            yield

    def wake(self) -> None:
        """The upstreams are others now: ask them soon."""
        self._woken.set()

    async def _run(self, heard: Callable[[Stocks], None]) -> None:
        while True:
            self._woken.clear()
            every_seconds = self._every_seconds()
            if every_seconds:
                heard(await self.stocks())
            self._begun.set()
            pause = every_seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - not a secret
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause or None):
                    await self._woken.wait()

    def _look(self) -> None:
        """Forget the stocks of upstreams that are gone or others now."""
        before, self._sources = self._sources, self._now()
        self._stocks = {
            name: self._stocks[name] if before.get(name) is source else Stock()
            for name, source in self._sources.items()
        }

    async def _ask(self, name: str, now: float) -> None:
        try:
            cards = await self._sources[name].models()
        except UpstreamFailure as failure:
            self._stocks[name] = Stock(self._stocks[name].cards, now, failure)
        else:
            self._stocks[name] = Stock(cards, now)
