"""Asks the database what was used; None where there is none."""

import asyncio
from collections.abc import Callable, Sequence

from app.errors import BadRequest, NoStore
from app.store.faults import StoreUnavailable
from app.store.usage import MAX_ROWS, Query, Row, Usage


class Reporter:
    """Asks the store, one question at a time: it has other things to do. `usage` is None where there is none.

    `prices` says the version of the prices that are in force.
    """

    def __init__(self, usage: Usage | None, delay_seconds: float, prices: Callable[[], str]) -> None:
        self.delay_seconds = delay_seconds
        self.prices = prices
        self._usage = usage
        self._alone = asyncio.Lock()

    async def rows(self, query: Query) -> Sequence[Row]:
        """Raises NoStore, and BadRequest where there are too many."""
        if self._usage is None:
            raise NoStore("This gateway keeps no usage: store.url names no database.")
        try:
            async with self._alone:
                rows = await self._usage.report(query)
        except StoreUnavailable as unavailable:
            raise NoStore(
                "The database of usage does not answer: ask again.", detail=str(unavailable)
            ) from None
        if len(rows) > MAX_ROWS:
            raise BadRequest(f"More than {MAX_ROWS} rows: ask for fewer columns or hours.", param="by")
        return rows
