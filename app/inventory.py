"""Which models the upstreams have: asked now and then, shared by everyone who wants to know."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.contracts import ModelCard, Source
from app.errors import UpstreamFailure

FRESH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Stock:
    """What one upstream listed last, when (event loop's clock), and why it did not the last time it was asked."""

    cards: Sequence[ModelCard] = ()
    asked: float = float("-inf")
    failure: UpstreamFailure | None = None


class Inventory:
    """Asks an upstream at most every `FRESH_SECONDS`; what it listed before stays while it does not answer.

    `sources` are the upstreams that there are now.
    """

    def __init__(self, sources: Callable[[], Mapping[str, Source]]) -> None:
        self._now = sources
        self._sources: Mapping[str, Source] = {}
        self._stocks: dict[str, Stock] = {}
        self._asking = asyncio.Lock()

    async def stocks(self) -> Mapping[str, Stock]:
        """Every upstream's stock, none of them older than `FRESH_SECONDS`."""
        async with self._asking:
            self._look()
            now = asyncio.get_running_loop().time()
            old = [name for name, stock in self._stocks.items() if now - stock.asked > FRESH_SECONDS]
            await asyncio.gather(*(self._ask(name, now) for name in old))
        return self._stocks

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
