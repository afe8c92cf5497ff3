"""Whether the client is still there: a block that ends when it leaves."""

import asyncio
from types import TracebackType
from typing import Self

from starlette.types import Receive

from app.errors import ClientLeft


class Presence:
    """Cancels its block as soon as the client closes the connection; the block then ends with ClientLeft.

    It takes over `receive`, so the request's body must have been read before. Works like asyncio.timeout: the
    cancellation that it started itself is told apart from one that came from outside.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = False

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._watch = asyncio.get_running_loop().create_task(self._wait())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.cancel()
        if self._left and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise ClientLeft("The client closed the connection.") from None

    def end(self) -> None:
        """From here the client may leave: it has, or is about to have, the whole answer."""
        self._watch.cancel()

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left = True
        self._task.cancel()
