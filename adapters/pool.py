"""Connections to one origin: kept alive, bounded in number, replaced when the upstream has closed them."""

import asyncio
import os
import ssl
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import certifi

from adapters.http1 import Connection
from app.errors import UpstreamUnavailable


@dataclass(frozen=True, slots=True)
class Origin:
    """Where to connect, and what to call it in the Host header."""

    scheme: str
    host: str
    port: int
    authority: str

    @classmethod
    def of(cls, url: str) -> "Origin":
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(parts.scheme, parts.hostname or "", port, parts.netloc)


def trust(ca_file: Path | None = None) -> ssl.SSLContext:
    """The certificates an upstream must be signed by: the named file, the environment's, or certifi's."""
    if ca_file is not None:
        return ssl.create_default_context(cafile=str(ca_file))
    if "SSL_CERT_FILE" in os.environ or "SSL_CERT_DIR" in os.environ:
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=certifi.where())


class Pool:
    """Hands out connections; at most `limit` are open, the most recently used idle one goes first.

    Who finds none waits in a line, and gets what becomes free: a connection, or the place to open one.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        limit: int = 1000,
        idle_seconds: float = 60.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.origin = origin
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._tls = tls if origin.scheme == "https" else None
        self._idle: deque[Connection] = deque()
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._open = 0
        self._closed = False
        self._reaper: asyncio.TimerHandle | None = None

    @property
    def open_connections(self) -> int:
        """Connections in use or idle."""
        return self._open - sum(not connection.open for connection in self._idle)

    async def take(self, deadline: float, *, fresh: bool = False) -> Connection:
        """A connection for one exchange; give it back with `put`, always.

        A `fresh` one has carried nothing yet. Raises UpstreamUnavailable.
        """
        found = None if fresh or self._waiting else self._take_idle()
        if found is None and not self._take_place():
            found = await self._turn(deadline)
        if found is not None and (fresh or not found.open):
            found.close()  # its place is kept
            found = None
        return found if found is not None else await self._connect(deadline)

    def put(self, connection: Connection) -> None:
        """Take a connection back: kept if it may be used again, closed if not."""
        if self._closed or not connection.reusable:
            connection.close()
            self._release()
            return
        connection.asking = False
        if not self._hand(connection):
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
            self._watch_idle(self._idle_seconds)

    def close(self) -> None:
        """Close what is idle; what is in use closes when it is put back."""
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
        while self._idle:
            self._drop(self._idle.pop())

    def _take_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                return connection
            self._drop(connection)
        return None

    def _take_place(self) -> bool:
        """Whether there is a place for one more, which is then taken; the oldest idle one makes room."""
        if self._waiting:
            return False
        if self._open >= self._limit:
            if not self._idle:
                return False
            self._drop(self._idle.popleft())
        self._open += 1
        return True

    def _drop(self, connection: Connection) -> None:
        connection.close()
        self._open -= 1

    def _hand(self, found: Connection | None) -> bool:
        """Give a connection, or the place for one (None), to who waits longest; False where nobody does."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(found)
                return True
        return False

    def _release(self) -> None:
        """A place has become free."""
        if not self._hand(None):
            self._open -= 1

    async def _turn(self, deadline: float) -> Connection | None:
        """Wait for a connection, or for the place to open one."""
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout_at(deadline):
                return await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # it was this one's turn, but nobody is left to take it
                self._give_up(turn.result())
            if isinstance(error, TimeoutError):
                raise self._full() from None
            raise

    def _full(self) -> UpstreamUnavailable:
        failure = UpstreamUnavailable(
            "All connections to the upstream are in use.", detail=f"{self._limit} to {self.origin.authority}"
        )
        failure.blameless = True
        return failure

    def _give_up(self, found: Connection | None) -> None:
        if found is None:
            self._release()
        else:
            self.put(found)

    async def _connect(self, deadline: float) -> Connection:
        """Open a connection in a place that was taken."""
        loop = asyncio.get_running_loop()
        where = f"connect to {self.origin.authority}"
        try:
            async with asyncio.timeout_at(deadline):
                _, connection = await loop.create_connection(
                    lambda: Connection(loop), self.origin.host, self.origin.port, ssl=self._tls
                )
        except BaseException as error:
            self._release()
            if isinstance(error, TimeoutError):
                raise UpstreamUnavailable(
                    "The upstream did not accept a connection in time.", detail=where
                ) from None
            if isinstance(error, OSError):
                raise UpstreamUnavailable(
                    "The upstream cannot be reached.", detail=f"{where}: {error}"
                ) from None
            raise
        return connection

    def _watch_idle(self, seconds: float) -> None:
        if self._reaper is None:
            self._reaper = asyncio.get_running_loop().call_later(seconds, self._reap)

    def _reap(self) -> None:
        """Close what has been idle for too long; the longest stand first."""
        self._reaper = None
        oldest = asyncio.get_running_loop().time() - self._idle_seconds
        while self._idle and (self._idle[0].idle_since <= oldest or not self._idle[0].open):
            self._drop(self._idle.popleft())
        if self._idle:
            self._watch_idle(max(self._idle[0].idle_since - oldest, 0.01))
