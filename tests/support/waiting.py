"""Waiting for what must come about."""

import asyncio
from collections.abc import Awaitable, Callable
from threading import enumerate as enumerate_threads


async def eventually(condition: Callable[[], bool], seconds: float = 1.0) -> None:
    """Until the condition holds; fails after this time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition():
        assert loop.time() < end, "it did not come about"
        await asyncio.sleep(0.005)


async def answered(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Until what has to be asked for holds; fails after this time."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.03)


async def no_database_is_opened(seconds: float = 10.0) -> None:
    """Until the threads have ended that tried to open one in vain: they still tell the event loop of it."""
    await eventually(
        lambda: not any("_connection_worker" in each.name for each in enumerate_threads()), seconds
    )
