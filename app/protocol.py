"""uvicorn's HTTP/1.1, held to bounds: what it reads of a head, how long a client may do nothing."""

import asyncio
import re

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.errors import BadRequest, ClientTooSlow, Failure, HeadTooLarge
from app.leaving import EXTENSION, Leaving
from app.request_id import new_id

MAX_HEAD_BYTES = 64 * 1024
"""Bound of a request's line and headers; the parser itself has none."""

STOP_SECONDS = 0.5
"""How long a stopping server waits for the request of a connection that it has just taken."""

_UPGRADE = re.compile(rb"\nupgrade:", re.IGNORECASE)


class Settings(uvicorn.Config):
    """uvicorn's settings, how long a client may stop reading its answer or sending its request, and how long
    running calls may finish when the server stops.
    """

    client_gap_seconds = 60.0
    drain_seconds = 30.0


class Protocol(HttpToolsProtocol):
    """One client's connection.

    A second request that is sent before the first one's answer is not answered, and the connection is closed
    behind that answer: to queue it, uvicorn stops reading, and would not see the client leave.
    """

    config: Settings
    _head_bytes: int | None = 0
    """How much of an unfinished head has come; None while a body is read."""
    _surplus = False
    """Whether what is read now is a request that will not be answered."""
    _sending = True
    """Whether the client has a request to finish."""
    _heard = 0.0
    _watch: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None
    _leaving: Leaving

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._leaving = Leaving()
        self._expect_more()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._watch, self._stall):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)
        self._leaving.come()

    def data_received(self, data: bytes) -> None:
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            data = _without_upgrade(data)
        super().data_received(data)
        if self._head_bytes is not None and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HeadTooLarge(f"The request's headers are larger than {MAX_HEAD_BYTES} bytes."))
        elif self._sending:
            self._expect_more()

    @property
    def _running(self) -> RequestResponseCycle | None:
        """The request that is being answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return None if cycle is None or cycle.response_complete else cycle

    # What the parser calls

    def on_message_begin(self) -> None:
        self._sending = True
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: self._leaving}  # type: ignore[dict-item] # its value is no mapping

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_bytes is not None:  # a trailer is no header, and there is no bound on trailers
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        running = self._running
        if running is not None:
            self._surplus = True
            running.keep_alive = False
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._surplus:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._head_bytes = 0
        self._sending = False
        self.flow.resume_reading()  # while nothing is read, the client's leaving is not seen
        if not self._surplus:
            super().on_message_complete()

    # What the transport and the server call

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self.loop.call_later(self.config.client_gap_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        super().resume_writing()

    def shutdown(self) -> None:
        if self.cycle is None:  # its request may be on its way
            self.loop.call_later(STOP_SECONDS, self._leave)
        else:
            super().shutdown()

    def _leave(self) -> None:
        super().shutdown()

    def send_400_response(self, msg: str) -> None:
        self._refuse(BadRequest("This is not an HTTP/1.1 request."))

    def _expect_more(self) -> None:
        """More of a request must come within the client's time."""
        self._heard = self.loop.time()
        if self._watch is None:
            self._watch = self.loop.call_later(self.config.client_gap_seconds, self._look)

    def _look(self) -> None:
        self._watch = None
        if not self._sending or self.transport.is_closing():
            return
        left = self._heard + self.config.client_gap_seconds - self.loop.time()
        if self.flow.read_paused:  # what has come is not read yet: that is not the client's fault
            left = self.config.client_gap_seconds
        if left > 0:
            self._watch = self.loop.call_later(left, self._look)
        elif self._head_bytes == 0:
            self.transport.close()
        else:
            self._refuse(ClientTooSlow("The rest of the request did not come in time."))

    def _refuse(self, failure: Failure) -> None:
        """Answer below ASGI, unless that would stand in another request's answer, and close."""
        running = self._running
        if running is None or (running.more_body and not running.response_started):
            body = failure.body()
            self.transport.write(
                b"HTTP/1.1 %d \r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
                b"x-request-id: %b\r\nconnection: close\r\n\r\n%b"
                % (failure.status, len(body), new_id(), body)
            )
        self.transport.close()


def _without_upgrade(data: bytes) -> bytes:
    """Rename the header by which a client offers another protocol.

    It may be ignored (RFC 9110, 7.8), but the parser would take the body for that protocol's. Java's own client
    offers HTTP/2 with every request.
    """
    if _UPGRADE.search(data) is None:
        return data
    head, end, body = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"\nx-upgrd:", head) + end + body
