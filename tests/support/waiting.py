"""Waiting for what must come about."""

import asyncio
import time
from collections.abc import Callable


async def eventually(condition: Callable[[], bool], seconds: float = 1.0) -> None:
    """Until the condition holds; fails after this time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition():
        assert loop.time() < end, "it did not come about"
        await asyncio.sleep(0.005)


def waited(condition: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """The same where no event loop runs."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not come about: {what}"
        time.sleep(0.02)
