"""The twin's HTTP server: raw sockets, since a server that keeps the rules cannot break them on purpose."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sim import pages
from sim.answering import Answering
from sim.framing import Framing
from sim.house import House, Plain
from sim.occasions import Occasions
from sim.script import Script
from sim.seen import Seen

MAX_BODY_BYTES = 64 * 1024 * 1024


def _plain() -> House:
    return Plain(loras=("twin-lora",))


@dataclass(slots=True)
class Twin:
    """A running twin: where it listens, and what it has seen (the last of it, up to a bound)."""

    recordings: Path | None = None
    house: House = field(default_factory=_plain)
    keeps: int = 100_000
    keeps_bodies: bool = True
    seen: list[Seen] = field(default_factory=list)
    open_connections: int = 0
    connections: int = 0
    requests: int = 0
    occasions: Occasions = field(default_factory=Occasions)
    _server: asyncio.Server | None = None
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; returns the port. Raises OSError."""
        self._server = await asyncio.start_server(self._accept, host, port, backlog=1024)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def forget(self) -> None:
        """Begin anew: nothing seen, no request counted."""
        self.seen.clear()
        self.requests = 0
        self.occasions.forget()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        connection = _Connection(self, reader, writer, self.connections)
        try:
            while await connection.exchange():
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self.open_connections -= 1
            writer.transport.abort()

    def sees(self, seen: Seen) -> None:
        """Keep a request among the last."""
        self.requests += 1
        seen.number = self.requests
        self.seen.append(seen)
        del self.seen[: -self.keeps]


@dataclass(slots=True)
class _Connection:
    """One client's connection: one request after the other."""

    twin: Twin
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    _ahead: bytes = b""
    """What came of the next request while this one was answered."""

    async def exchange(self) -> bool:
        """Answer one request; False when the connection ends with it."""
        seen = await self._read()
        if seen is None:
            return False
        twin = self.twin
        page = pages.own(twin, seen)
        if page is not None:
            return await Framing(self.writer, Script(), {}).whole(page)
        twin.sees(seen)
        answering = Answering(twin.house, twin.occasions, twin.recordings, seen, self.writer)
        try:
            return await self._watched(seen, asyncio.ensure_future(answering.run()))
        finally:
            seen.over = _now()
            if not twin.keeps_bodies:
                seen.body = b""

    async def _watched(self, seen: Seen, answering: asyncio.Task[bool]) -> bool:
        """The answer's end, or the client's leaving, whatever comes first."""
        watching = asyncio.ensure_future(self.reader.read(1))
        try:
            await asyncio.wait({answering, watching}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done() and watching.exception() is None:
                self._ahead = watching.result()
            if not answering.done() and self._ahead:
                await asyncio.wait({answering})
            if not answering.done():
                seen.left = _now()
                return False
            goes_on = answering.result()
            seen.finished = True
            return goes_on
        finally:
            answering.cancel()
            watching.cancel()
            await asyncio.gather(answering, watching, return_exceptions=True)

    async def _read(self) -> Seen | None:
        """The next request; None where there is none, or none that can be read."""
        try:
            head = self._ahead + await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        self._ahead = b""
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, _, rest = first.partition(" ")
        length = _length(headers)
        if length is None:
            self.writer.write(
                b"HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            return None
        body = await self.reader.readexactly(length)
        path = rest.rpartition(" ")[0]
        return Seen(method, path, headers, body, self.number, came=_now())


def _length(headers: Mapping[str, str]) -> int | None:
    """How many bytes the body has; None where that is not said, or is too much."""
    told = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not told.isdecimal() or int(told) > MAX_BODY_BYTES:
        return None
    return int(told)


def _now() -> float:
    return asyncio.get_running_loop().time()
