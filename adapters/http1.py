"""One HTTP/1.1 connection to an upstream, on asyncio's protocols and llhttp's parser.

A general client costs more per request than all the rest of the gateway (docs/decisions/0003); this one does
only what the exchange path needs: send a whole request, read the head, read the body piece by piece, know
whether the answer came to its end. Memory is bounded: past `HIGH_WATER` unread bytes the socket is not read.
"""

import asyncio
from collections.abc import Sequence
from typing import cast

import httptools

from app.contracts import Headers

HIGH_WATER = 256 * 1024
"""Unread body bytes at which reading from the socket pauses."""
MAX_HEAD_BYTES = 64 * 1024
"""Bound of status line and headers; llhttp itself has none."""


class ConnectionBroken(Exception):
    """The connection failed. `untouched` says that no byte of an answer had arrived."""

    def __init__(self, reason: str, *, untouched: bool = False) -> None:
        super().__init__(reason)
        self.untouched = untouched


class TimedOut(Exception):
    """Nothing arrived until the deadline."""


class Connection(asyncio.Protocol):
    """Carries one exchange at a time; `reusable` says whether it may carry another."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._timer_at = 0.0
        self._late = False
        self._writing_paused = False
        self._broken = ""
        self._paused = False
        self.idle_since = 0.0
        self.used = 0
        self._begin()

    def _begin(self) -> None:
        """Forget the last answer."""
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._head_done = False
        self._framed = False
        self._keeps_alive = False
        self._surplus = False
        self._pieces: list[bytes] = []
        self._buffered = 0
        self.complete = False
        self.asking = False

    # What the exchange calls

    @property
    def reusable(self) -> bool:
        """Whether the answer ended and another request may follow."""
        whole = self.complete and not self._pieces and not self._writing_paused
        return whole and self._keeps_alive and self.open

    @property
    def open(self) -> bool:
        return not self._broken and self._transport is not None and not self._transport.is_closing()

    async def ask(self, pieces: Sequence[bytes], deadline: float) -> None:
        """Send one request; returns when the transport took it, or when it is answered before that."""
        if not self.open or self._transport is None:
            raise ConnectionBroken(self._broken or "closed", untouched=True)
        self._begin()
        self.asking = True
        self.used += 1
        self._transport.writelines(pieces)
        while self._writing_paused and not self._head_done:
            self._raise_failure()
            await self._arrival(deadline)

    async def head(self, deadline: float) -> tuple[int, Headers]:
        """Wait for status and headers."""
        while not self._head_done:
            self._raise_failure()
            await self._arrival(deadline)
        return self.status, self.headers

    async def read(self, deadline: float) -> bytes:
        """The body bytes that arrived, at least one; b"" when the answer has ended."""
        while not self._pieces:
            if self.complete:
                return b""
            self._raise_failure()
            await self._arrival(deadline)
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._buffered = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    def close(self) -> None:
        """Close at once, unsent bytes are dropped: what the upstream was doing for us must stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()

    def _raise_failure(self) -> None:
        if self._broken:
            raise ConnectionBroken(self._broken, untouched=self._head_bytes == 0)

    async def _arrival(self, deadline: float) -> None:
        """Wait until something happens. One timer serves all waits: it is set anew only when it fires."""
        self._waiter = self._loop.create_future()
        self._deadline = deadline
        self._late = False
        if self._timer is None or self._timer_at > deadline:
            self._set_timer(deadline)
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._late:
            raise TimedOut

    def _set_timer(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = moment  # uvloop's handle of a moment that has passed does not know it
        self._timer = self._loop.call_at(moment, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() >= self._deadline - 0.001:  # uvloop's timers have a resolution of 1 ms
            self._late = True
            self._wake()
        else:
            self._set_timer(self._deadline)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if not self.asking:  # nobody asked: an answer to nothing would be taken for the next one's
            self._fail("bytes without a request")
            return
        if not self._head_done:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("answered with a protocol upgrade")
        except httptools.HttpParserError as error:
            self._fail(f"not HTTP: {error}")
        if not self._head_done and self._head_bytes > MAX_HEAD_BYTES:
            self._fail("headers too long")
        self._wake()

    def eof_received(self) -> None:
        if self._head_done and not self.complete and not self._framed:
            self.complete = True  # a body without length ends with the connection (RFC 9112, 6.3)
            self._keeps_alive = False
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("reset" if exc is not None else "closed")
        self._wake()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        del (
            self._parser
        )  # it knows this connection: only the collector, which comes seldom, would free the two

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._wake()

    def _fail(self, reason: str) -> None:
        if not self._broken:
            self._broken = reason
            if self._transport is not None:
                self._transport.abort()

    # What the parser calls

    def on_message_begin(self) -> None:
        if self.complete:  # a second answer to one request: nobody's, and neither is what follows it
            self._surplus = True
            self._keeps_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._surplus or self._head_done:  # nobody reads trailers, and they have no bound
            return
        name = name.lower()
        if name in {b"content-length", b"transfer-encoding"}:
            self._framed = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._surplus:
            return
        self.status = self._parser.get_status_code()
        if self.status >= 200:  # 1xx only announces the answer
            self._head_done = True

    def on_body(self, body: bytes) -> None:
        if self._surplus:
            return
        self._pieces.append(body)
        self._buffered += len(body)
        if self._buffered > HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._surplus:
            return
        if not self._head_done:  # the end of a 1xx: the answer itself is still to come
            self.headers.clear()
            self._framed = False
            return
        self.complete = True
        self._keeps_alive = self._parser.should_keep_alive()
