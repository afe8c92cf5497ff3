"""Waiting for what must come about."""

import asyncio
from collections.abc import Awaitable, Callable


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
