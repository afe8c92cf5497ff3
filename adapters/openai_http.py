"""Any OpenAI-compatible server over HTTP: asks, waits for the first content, hands on the bytes.

An answer is given out only when something of it has arrived that could be shown to a user: a whole plain body
that is JSON, or a stream's first event with content. Until then any failure is still a status.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from adapters import encodings
from adapters.http1 import Connection, ConnectionBroken, TimedOut
from adapters.pool import Pool
from adapters.refusals import refusal, refusal_within
from app import ratelimit_headers, sse
from app.contracts import Answer, Headers, Outbound, Timeouts
from app.errors import UpstreamBroken, UpstreamFailure, UpstreamTimeout
from app.reading import Malformed, Reading

MAX_REFUSAL_BYTES = 256 * 1024
"""How much of an error answer is read."""

LAST_SECONDS = 0.5
"""How long the end of the body may take once the answer has ended, so that the connection can be kept."""

MAX_HELD_BYTES = 256 * 1024
"""How much of a stream without content is held back before it is handed on as it is."""

PASSED_ON = frozenset({b"content-type", b"openai-processing-ms", b"openai-version", b"x-inference-id"})
"""Answer headers that may reach the client."""


@dataclass(frozen=True, slots=True)
class Address:
    """An upstream's base URL cut into what a request line needs, and the headers sent with every request."""

    authority: str
    base_path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    api_key: str | None = field(default=None, repr=False)

    def request_head(self, path: str, *, rooted: bool) -> bytes:
        """The request line and the constant headers of one operation."""
        base = self.base_path.removesuffix("/v1") if rooted else self.base_path
        lines = [
            f"POST {base}{path} HTTP/1.1",
            f"host: {self.authority}",
            "user-agent: hyperbridge",
            "content-type: application/json",
            "accept-encoding: identity",
        ]
        if self.api_key:
            lines.append(f"authorization: Bearer {self.api_key}")
        lines += [f"{name.lower()}: {value}" for name, value in self.headers.items()]
        return "".join(f"{line}\r\n" for line in lines).encode("latin-1")


class OpenAIHttp:
    """One server. Its quirks (Nebius, vLLM) are in what prepares the request, not in here."""

    def __init__(
        self, address: Address, pool: Pool, timeouts: Timeouts, *, max_answer_bytes: int = 64 * 1024 * 1024
    ) -> None:
        self._address = address
        self._pool = pool
        self._timeouts = timeouts
        self._max_answer_bytes = max_answer_bytes
        self._heads: dict[str, bytes] = {}

    @asynccontextmanager
    async def open(self, outbound: Outbound) -> AsyncGenerator[Answer]:
        clock = _Clock(self._timeouts, self._first(outbound), outbound.deadline)
        connection = await self._ask(outbound, clock)
        try:
            yield await self._answer(connection, outbound, clock)
        finally:
            self._pool.put(connection)

    def close(self) -> None:
        self._pool.close()

    def _first(self, outbound: Outbound) -> float:
        """When something must be here: of an answer that is not streamed nothing comes before it is whole."""
        latest = min(outbound.first_by, outbound.deadline)
        if not outbound.stream:
            return latest
        return min(asyncio.get_running_loop().time() + self._timeouts.first_content, latest)

    async def _ask(self, outbound: Outbound, clock: "_Clock") -> Connection:
        """A connection on which the head of the answer has arrived.

        An upstream may close an idle connection at the moment it is used; then, if no byte of an answer came,
        the request goes once more on a fresh one.
        """
        pieces = self._request(outbound)
        fresh = False
        while True:
            now = asyncio.get_running_loop().time()
            connection = await self._pool.take(min(now + self._timeouts.connect, clock.first), fresh=fresh)
            reused = connection.used > 0
            try:
                await connection.ask(pieces, clock.first)
                outbound.sent()
                await connection.head(clock.first)
            except ConnectionBroken as error:
                self._pool.put(connection)
                if error.untouched and reused and not fresh:
                    fresh = True
                    continue
                raise _broken(error) from None
            except TimedOut:
                self._pool.put(connection)
                raise clock.late(started=False) from None
            except BaseException:
                self._pool.put(connection)
                raise
            return connection

    def _request(self, outbound: Outbound) -> Sequence[bytes]:
        operation = outbound.operation
        head = self._heads.get(operation.name)
        if head is None:
            head = self._address.request_head(operation.resource, rooted=operation.rooted)
            self._heads[operation.name] = head
        own = b"".join([name + b": " + value + b"\r\n" for name, value in outbound.headers])
        length = b"content-length: %d\r\n\r\n" % len(outbound.body)
        return [head + own + length, outbound.body]

    async def _answer(self, connection: Connection, outbound: Outbound, clock: "_Clock") -> Answer:
        found = dict(connection.headers)
        encoding = found.get(b"content-encoding", b"")
        if connection.status >= 400:
            told = await _told(connection, clock, encoding)
            failure = refusal(connection.status, connection.headers, told, outbound.operation.dialect)
            failure.limits = ratelimit_headers.told(connection.headers)
            raise failure
        body = _Body(connection, clock, encoding)
        if connection.status != 200:  # nothing else answers a POST of this interface
            raise UpstreamBroken(
                "The upstream's answer was not understood.", detail=f"status {connection.status}"
            )
        kind = found.get(b"content-type", b"").split(b";")[0].strip().lower()
        reading = Reading(outbound.operation.dialect, keeps_text=outbound.keeps_text)
        reading.limits = ratelimit_headers.told(connection.headers)
        kept = [header for header in connection.headers if header[0] in PASSED_ON]
        if kind == b"text/event-stream":
            stream = Stream(body, kept, reading)
            await stream.start()
            return stream
        return await self._plain(body, kind, kept, reading)

    async def _plain(self, body: "_Body", kind: bytes, kept: Headers, reading: Reading) -> "Whole":
        if kind != b"application/json" and not kind.endswith(b"+json"):
            raise UpstreamBroken("The upstream's answer was not JSON.", detail=f"content-type {kind[:80]!r}")
        data = await body.whole(self._max_answer_bytes)
        try:
            reading.whole(data)
        except Malformed:
            raise UpstreamBroken("The upstream's answer was not JSON.", detail="malformed JSON") from None
        if reading.failed:
            raise refusal_within(data, reading.dialect, "an error object with status 200")
        return Whole(data, kept, reading)


class Whole:
    """A plain answer."""

    streams = False

    def __init__(self, body: bytes, headers: Headers, reading: Reading) -> None:
        self.headers = headers
        self.reading = reading
        self._body = body

    async def read(self) -> bytes:
        body, self._body = self._body, b""
        return body


class Stream:
    """A stream of events: whole events only, from the first with content on."""

    streams = True

    def __init__(self, body: "_Body", headers: Headers, reading: Reading) -> None:
        self.headers = headers
        self.reading = reading
        self._body = body
        self._framer = sse.Framer()
        self._held: list[bytes] = []
        self._fault = ""
        """What is wrong behind the events that were handed on."""
        self._over = False

    async def start(self) -> None:
        """Hold events back until one has content; an error before it is a failure, not a stream."""
        held_bytes = 0
        while not self.reading.started and held_bytes < MAX_HELD_BYTES:
            events = await self._next()
            if self.reading.failed:
                told = self.reading.told
                raise refusal_within(told, self.reading.dialect, "an error event before any content")
            if not events:
                raise UpstreamBroken("The upstream's answer ended before any content.", detail="empty stream")
            self._held.append(events)
            held_bytes += len(events)
        self._body.started()

    async def read(self) -> bytes:
        if self._held:
            held, self._held = b"".join(self._held), []
            return held
        return await self._next()

    async def _next(self) -> bytes:
        """The next whole events; b"" when the stream has ended as it should."""
        if self._fault:
            raise _malformed(self._fault)
        while True:
            piece = await self._piece()
            events = self._frame(piece) if piece else self._last()
            if events:
                try:
                    self._body.heard = self.reading.events(events)
                except Malformed as error:
                    return self._before(error)
                return events
            if not piece:
                return b""
            self._body.heard = not (piece.startswith(b":") or piece.isspace())

    async def _piece(self) -> bytes:
        """The next bytes. Behind the answer's finish no failure takes anything from it: it is the end."""
        if self._over:
            return b""
        if self.reading.ended and not self._body.hurry():
            self._end()
            return b""
        try:
            return await self._body.read()
        except UpstreamFailure:
            if not (self.reading.finished or self.reading.ended):
                raise
            self._end()
            return b""

    def _frame(self, piece: bytes) -> bytes:
        try:
            return self._framer.feed(piece)
        except sse.EventTooLong:
            if not self.reading.finished:
                raise _malformed("event too long") from None
            self._end()
            return b""

    def _before(self, error: Malformed) -> bytes:
        """What stands before a malformed event."""
        if self.reading.finished:
            self._end()
            return error.before
        if not error.before:
            raise _malformed(str(error)) from None
        self._fault = str(error)
        return error.before

    def _end(self) -> None:
        self._over = True
        self._framer = sse.Framer()

    def _last(self) -> bytes:
        """At the end: an event whose blank line is missing is let through if it is whole in itself, and has data."""
        rest, self._framer = self._framer.rest(), sse.Framer()
        if sse.data(rest):
            return rest.rstrip(b"\r\n") + b"\n\n"
        if self.reading.started and not self.reading.finished and not self.reading.failed:
            raise UpstreamBroken("The upstream's answer was cut.", detail="stream ended without a finish")
        return b""


@dataclass(frozen=True, slots=True)
class _Clock:
    """The deadlines of one answer, as moments of the event loop's clock: for the first content, for all of it."""

    timeouts: Timeouts
    first: float
    deadline: float

    def late(self, *, started: bool) -> UpstreamTimeout:
        """Which bound was passed."""
        if asyncio.get_running_loop().time() >= self.deadline - 0.001:
            return UpstreamTimeout("The answer took longer than its deadline.", detail="total")
        if started:
            return UpstreamTimeout("The upstream stopped answering.", detail=f"gap of {self.timeouts.gap} s")
        return UpstreamTimeout("The upstream did not answer in time.", detail="first content")


class _Body:
    """An answer's body, content-encoding undone, each read held to its bound.

    `heard` says whether what was read last said anything: where it did not, the gap goes on.
    """

    def __init__(self, connection: Connection, clock: _Clock, encoding: bytes) -> None:
        self._connection = connection
        self._clock = clock
        self._started = False
        self._until = 0.0
        self._latest = clock.deadline
        self._hurries = False
        self.heard = True
        try:
            self._decompressor = encodings.decompressor(encoding)
        except encodings.Malformed as error:
            raise UpstreamBroken("The upstream's answer was not understood.", detail=str(error)) from None

    def started(self) -> None:
        """From here the gap between reads is bounded, not the time to the first content."""
        self._started = self.heard = True

    def hurry(self) -> bool:
        """Only the end of the body is still worth waiting for, and not long; False where that time is over."""
        now = asyncio.get_running_loop().time()
        if not self._hurries:
            self._hurries = True
            self._latest = min(self._latest, now + LAST_SECONDS)
        return now < self._latest

    async def read(self) -> bytes:
        while True:
            piece = await self._read()
            if self._decompressor is None or not piece:
                return piece
            try:
                data = self._decompressor.feed(piece)
            except encodings.Malformed as error:
                raise UpstreamBroken("The upstream's answer was not understood.", detail=str(error)) from None
            if data:
                return data

    async def whole(self, limit: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while piece := await self.read():
            self.started()
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise UpstreamBroken("The upstream's answer is too large.", detail=f"over {limit} bytes")
        return b"".join(pieces)

    async def _read(self) -> bytes:
        clock = self._clock
        if not self._started:
            self._until = clock.first
        elif self.heard:
            self._until = asyncio.get_running_loop().time() + clock.timeouts.gap
        try:
            return await self._connection.read(min(self._until, self._latest))
        except ConnectionBroken as error:
            raise _broken(error) from None
        except TimedOut:
            raise clock.late(started=self._started) from None


async def _told(connection: Connection, clock: _Clock, encoding: bytes) -> bytes:
    """The body of an error answer; b"" where it cannot be had, since its status says enough."""
    try:
        body = _Body(connection, clock, encoding)
        body.started()
        body.hurry()
        return await body.whole(MAX_REFUSAL_BYTES)
    except UpstreamFailure:
        return b""


def _broken(error: ConnectionBroken) -> UpstreamBroken:
    return UpstreamBroken("The connection to the upstream broke.", detail=str(error))


def _malformed(detail: str) -> UpstreamBroken:
    return UpstreamBroken("The upstream sent a malformed event.", detail=detail)
