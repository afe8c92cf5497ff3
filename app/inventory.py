"""Which models the upstreams have: asked now and then, shared by everyone who wants to know."""

import asyncio
from collections.abc import Mapping, Sequence
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
    """Asks an upstream at most every `FRESH_SECONDS`; what it listed before stays while it does not answer."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self._stocks = dict.fromkeys(sources, Stock())
        self._asking = asyncio.Lock()

    async def stocks(self) -> Mapping[str, Stock]:
        """Every upstream's stock, none of them older than `FRESH_SECONDS`."""
        async with self._asking:
            now = asyncio.get_running_loop().time()
            old = [name for name, stock in self._stocks.items() if now - stock.asked > FRESH_SECONDS]
            await asyncio.gather(*(self._ask(name, now) for name in old))
        return self._stocks

    async def _ask(self, name: str, now: float) -> None:
        try:
            cards = await self._sources[name].models()
        except UpstreamFailure as failure:
            self._stocks[name] = Stock(self._stocks[name].cards, now, failure)
        else:
            self._stocks[name] = Stock(cards, now)
