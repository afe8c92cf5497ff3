"""A stop in order: first nothing new is begun, then what runs comes to its end, then the server stops.

uvicorn stops listening first, so that a load balancer learns of a stop by refused connections. Here it goes on
listening while calls run: `/readyz` says 503, and so does every new call.
"""

import asyncio
import math
import signal
from collections.abc import Collection, Generator
from contextlib import contextmanager
from socket import socket
from types import FrameType

import uvicorn

from app.protocol import Settings
from app.readiness import READINESS, Readiness


class Draining(uvicorn.Server):
    """uvicorn's server, with the phase that drains it in front of its stop.

    SIGTERM (and SIGINT, where nobody stands above it) drains for `drain_seconds`; a second one stops it now.
    SIGHUP is for a worker that another one has replaced: it leaves new connections to the others at once, and
    stops when the calls that it has are over; each has its own deadline.
    """

    config: Settings
    _calls: Collection[asyncio.Task[None]] = ()
    """What ran when the stop was asked for, and is waited for."""
    _end = math.inf
    _replaced = False
    _listening = True

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Take the signals, until the process ends: whoever sends one in its last moments changes nothing."""
        signal.signal(signal.SIGTERM, self.handle_exit)
        if self.config.workers == 1:
            signal.signal(signal.SIGINT, self.handle_exit)
        else:  # Ctrl-C reaches all processes, and the one above passes it on
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, self._replace)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True

    def _replace(self, sig: int, frame: FrameType | None) -> None:
        self._replaced = True

    async def on_tick(self, counter: int) -> bool:
        stops = await super().on_tick(counter)
        if stops and self._end == math.inf:
            self._begin()
        if self._replaced and self._listening:
            self._close_door()
        if self.force_exit or self._seconds_left() == 0:
            return True
        if self._replaced:
            return not (self.server_state.tasks or self.server_state.connections)
        return stops and all(call.done() for call in self._calls)

    def _begin(self) -> None:
        """From here nothing new is begun."""
        readiness: Readiness = self.lifespan.state[READINESS]
        readiness.stop()
        self._calls = set(self.server_state.tasks)
        self._end = asyncio.get_running_loop().time() + self.config.drain_seconds

    def _close_door(self) -> None:
        self._listening = False
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()

    def _seconds_left(self) -> float:
        return max(self._end - asyncio.get_running_loop().time(), 0)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """What uvicorn does to stop, in the time that is left; what still runs then is told so."""
        left = 0.0 if self.force_exit else min(self._seconds_left(), self.config.drain_seconds)
        self.config.timeout_graceful_shutdown = left  # type: ignore[assignment] # asyncio takes fractions
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn leaves this out then
            for call in self.server_state.tasks:
                if not call.cancelling():
                    call.cancel()
            await self.lifespan.shutdown()
