"""A stop in order: first nothing new is begun, then what runs comes to its end, then the server stops.

uvicorn closes its sockets first, so that a load balancer learns of a stop by refused connections. Here it goes on
listening while calls run: `/readyz` says 503, and so does every new call.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn

from app.readiness import Readiness

STOP_FILE = "HYPERBRIDGE_STOP_FILE"
"""The variable that names a file which is there once all workers stop. A worker that stops before that is being
replaced: it leaves new connections to the others at once.
"""

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LOOK_SECONDS = 0.02


class Draining:
    """Stands between a signal and the server's own handler of it, for at most so many seconds."""

    def __init__(self, readiness: Readiness, open_calls: Callable[[], int], seconds: float) -> None:
        self._readiness = readiness
        self._open_calls = open_calls
        self._seconds = seconds
        self._finishing: asyncio.Task[None] | None = None

    @contextmanager
    def holding_signals(self) -> Generator[None]:
        """Take the signals over where the server handles them; an application that is only embedded has none."""
        loop = asyncio.get_running_loop()
        handler = signal.getsignal(signal.SIGTERM)
        server = getattr(handler, "__self__", None)
        if not isinstance(server, uvicorn.Server):
            yield
            return

        def come(number: int, _: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._begin, server, number)

        for number in SIGNALS:
            signal.signal(number, come)
        try:
            yield
        finally:
            if self._finishing is not None:
                self._finishing.cancel()

    def _begin(self, server: uvicorn.Server, number: int) -> None:
        self._readiness.stop()
        if self._finishing is not None:  # a second signal: whoever sends it does not want to wait
            self._finishing.cancel()
            server.config.timeout_graceful_shutdown = 0
            server.handle_exit(number, None)
        elif _is_replaced():
            server.handle_exit(number, None)
        else:
            self._finishing = asyncio.ensure_future(self._finish(server, number))

    async def _finish(self, server: uvicorn.Server, number: int) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._seconds
        while self._open_calls() and loop.time() < end:  # noqa: ASYNC110 - a number tells nobody that it changed
            await asyncio.sleep(_LOOK_SECONDS)
        server.config.timeout_graceful_shutdown = max(round(end - loop.time()), 0)
        server.handle_exit(number, None)


def _is_replaced() -> bool:
    file = os.environ.get(STOP_FILE)
    return file is not None and not Path(file).exists()
