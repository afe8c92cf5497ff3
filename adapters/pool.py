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
from app.errors import UpstreamTimeout, UpstreamUnavailable


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
    """Hands out connections; at most `limit` are open, the most recently used idle one goes first."""

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
        self._idle: list[Connection] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._open = 0

    @property
    def open_connections(self) -> int:
        """Connections in use or idle."""
        return self._open

    async def take(self, deadline: float, *, fresh: bool = False) -> Connection:
        """A connection for one exchange; give it back with `put`, always.

        A `fresh` one has carried nothing yet. Raises UpstreamUnavailable or UpstreamTimeout.
        """
        loop = asyncio.get_running_loop()
        while True:
            idle = None if fresh else self._take_idle(loop.time())
            if idle is not None:
                return idle
            if self._open < self._limit or self._drop_oldest():
                return await self._connect(loop, deadline)
            await self._turn(loop, deadline)

    def put(self, connection: Connection) -> None:
        """Take a connection back: kept if it may be used again, closed if not."""
        if connection.reusable:
            connection.asking = False
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.close()
            self._open -= 1
        self._next()

    def close(self) -> None:
        """Close what is idle; what is in use closes when it is put back."""
        while self._idle:
            self._idle.pop().close()
            self._open -= 1

    def _take_idle(self, now: float) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.open and now - connection.idle_since < self._idle_seconds:
                return connection
            connection.close()
            self._open -= 1
        return None

    def _drop_oldest(self) -> bool:
        if not self._idle:
            return False
        self._idle.pop(0).close()
        self._open -= 1
        return True

    async def _connect(self, loop: asyncio.AbstractEventLoop, deadline: float) -> Connection:
        self._open += 1
        try:
            async with asyncio.timeout_at(deadline):
                _, connection = await loop.create_connection(
                    lambda: Connection(loop), self.origin.host, self.origin.port, ssl=self._tls
                )
        except TimeoutError:
            self._release()
            raise UpstreamTimeout(
                "The upstream did not accept a connection in time.",
                detail=f"connect to {self.origin.authority}",
            ) from None
        except OSError as error:
            self._release()
            raise UpstreamUnavailable(
                "The upstream cannot be reached.", detail=f"connect to {self.origin.authority}: {error}"
            ) from None
        except BaseException:
            self._release()
            raise
        return connection

    def _release(self) -> None:
        self._open -= 1
        self._next()

    async def _turn(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        """Wait until a connection may have become free."""
        turn = loop.create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout_at(deadline):
                await turn
        except BaseException as error:
            if turn in self._waiting:
                self._waiting.remove(turn)
            if turn.done() and not turn.cancelled():
                self._next()  # it was this one's turn, but nobody is left to take it
            if isinstance(error, TimeoutError):
                raise UpstreamUnavailable(
                    "All connections to the upstream are in use.",
                    detail=f"{self._limit} to {self.origin.authority}",
                ) from None
            raise

    def _next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
