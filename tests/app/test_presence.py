"""A block that ends when the client leaves: told by the server, or found out by `receive`."""

import asyncio

import pytest

from app.errors import ClientLeft
from app.leaving import EXTENSION, Leaving
from app.presence import Presence


class Connection:
    """A client's connection as an application sees it."""

    def __init__(self, *, tells: bool) -> None:
        self._leaving = Leaving()
        self.scope = {"type": "http"} | ({"extensions": {EXTENSION: self._leaving}} if tells else {})
        self._lost = asyncio.Event()

    async def receive(self):
        await self._lost.wait()
        return {"type": "http.disconnect"}

    def lose(self) -> None:
        self._lost.set()
        self._leaving.come()

    def presence(self) -> Presence:
        return Presence(self.scope, self.receive)


@pytest.fixture(params=[True, False], ids=["told", "found out"])
async def connection(request):
    return Connection(tells=request.param)


async def held(presence: Presence, entered: asyncio.Event) -> None:
    async with presence:
        entered.set()
        await asyncio.Event().wait()


async def test_the_block_ends_when_the_client_leaves(connection):
    entered = asyncio.Event()
    task = asyncio.ensure_future(held(connection.presence(), entered))
    await entered.wait()

    connection.lose()

    with pytest.raises(ClientLeft) as left:
        await task
    assert task.cancelling() == 0
    assert left.value.let_go_seconds > 0


async def test_a_cancellation_from_outside_stays_one(connection):
    entered = asyncio.Event()
    task = asyncio.ensure_future(held(connection.presence(), entered))
    await entered.wait()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_from_outside_wins_over_a_client_that_leaves_at_the_same_time(connection):
    entered = asyncio.Event()
    task = asyncio.ensure_future(held(connection.presence(), entered))
    await entered.wait()

    connection.lose()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_has_the_whole_answer_may_leave(connection):
    async with connection.presence() as presence:
        presence.end()
        connection.lose()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_a_block_that_is_over_leaves_the_connection_to_the_next(connection):
    async with connection.presence() as first:
        first.end()
        entered = asyncio.Event()
        following = asyncio.ensure_future(held(connection.presence(), entered))
        await entered.wait()

    connection.lose()

    with pytest.raises(ClientLeft):
        await following


async def test_a_client_that_has_left_already_ends_the_block(connection):
    connection.lose()

    with pytest.raises(ClientLeft):
        await held(connection.presence(), asyncio.Event())


async def test_nothing_waits_beside_a_block_whose_server_tells():
    before = asyncio.all_tasks()

    async with Connection(tells=True).presence():
        assert asyncio.all_tasks() == before
