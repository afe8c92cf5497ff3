"""Comparisons wait for a database that does not take them."""

import asyncio
from collections.abc import Sequence

from app.comparisons import MOST_WAITING, Comparisons
from app.store.faults import StoreUnavailable
from app.store.shadows import Comparison, Side

SIDE = Side("twin", "twin", "ok")


def comparison(number: int) -> Comparison:
    return Comparison(str(number), float(number), "main", "chat", SIDE, SIDE)


class InMemory:
    """Keeps them in a list, while it is up."""

    def __init__(self) -> None:
        self.up = True
        self.kept: list[Comparison] = []

    async def add(self, comparisons: Sequence[Comparison]) -> None:
        await asyncio.sleep(0)
        if not self.up:
            raise StoreUnavailable("it is down")
        self.kept += comparisons

    async def since(self, at: float, alias: str | None) -> Sequence[Comparison]:
        return [each for each in self.kept if each.at >= at and alias in {None, each.alias}]


async def test_what_is_not_taken_is_written_later_and_once():
    store = InMemory()
    comparisons = Comparisons(store, 1.0)
    comparisons.add(comparison(1))
    store.up = False
    await comparisons.flush()
    comparisons.add(comparison(2))
    store.up = True
    for _ in range(2):
        await comparisons.flush()
    assert [each.id for each in store.kept] == ["1", "2"]


async def test_what_comes_while_it_is_written_is_written_next():
    store = InMemory()
    comparisons = Comparisons(store, 1.0)
    comparisons.add(comparison(1))
    writing = asyncio.ensure_future(comparisons.flush())
    await asyncio.sleep(0)
    comparisons.add(comparison(2))
    await writing
    await comparisons.flush()
    assert [each.id for each in store.kept] == ["1", "2"]


async def test_so_many_wait_the_newest_of_them():
    store = InMemory()
    store.up = False
    comparisons = Comparisons(store, 1.0)
    for number in range(MOST_WAITING + 5):
        comparisons.add(comparison(number))
    store.up = True
    await comparisons.flush()
    assert [each.id for each in store.kept] == [str(number) for number in range(5, MOST_WAITING + 5)]


async def test_they_are_written_by_themselves_until_that_is_ended():
    store = InMemory()
    comparisons = Comparisons(store, 0.01)
    keeping = asyncio.ensure_future(comparisons.keep())
    comparisons.add(comparison(1))
    async with asyncio.timeout(5):
        while not store.kept:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    keeping.cancel()
    await asyncio.wait([keeping])
    assert keeping.cancelled()
