"""Work that goes on beside a block, until the block ends."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

_log = logging.getLogger("hyperbridge")


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None], loss: str) -> AsyncGenerator[asyncio.Future[None]]:
    """Hold this work: it is cancelled with the block's end. Where it ends by itself the log says what is lost by that,
    and why, and the block goes on.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda ended: _tell(ended, loss))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def _tell(ended: asyncio.Future[None], loss: str) -> None:
    if not ended.cancelled():
        _log.critical("%s", loss, exc_info=ended.exception())
