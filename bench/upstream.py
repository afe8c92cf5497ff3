"""The fake upstream, a process of its own: prints its port, answers until its standard input ends.

It looks for three things in a request (length, model, usage wanted) and sends bytes made before, so that it is
never what limits a gateway.
"""

import asyncio
import re
import sys
from functools import cache
from typing import cast

import uvloop

from bench import answers

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_MODEL = re.compile(rb'"model" *: *"([^"]+)"')
_USAGE = re.compile(rb'"include_usage" *: *true')


class Answering(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._held = self._held + data if self._held else data
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._held, 0, end)
        if length is None:
            self._transport.write(b"HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\n\r\n")
            self._held = b""
        elif len(self._held) >= end + 4 + int(length[1]):
            body, self._held = self._held[end + 4 :], b""
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        found = _MODEL.search(body)
        model = found[1].decode() if found is not None else ""
        script = answers.Script.of(model)
        if script.chunks:
            usage = _USAGE.search(body) is not None
            Streaming(self._transport, _framed(model, usage=usage), script.gap_seconds).step()
        else:
            self._transport.write(_plain(model))


class Streaming:
    """One stream on its way: each chunk is a write of its own, at a moment counted from the start."""

    def __init__(self, transport: asyncio.Transport, pieces: tuple[bytes, ...], gap_seconds: float) -> None:
        self._transport = transport
        self._pieces = pieces
        self._gap_seconds = gap_seconds
        self._sent = 0
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()

    def step(self) -> None:
        """Send the next piece and see to the one after it."""
        if self._transport.is_closing():
            return
        self._transport.write(self._pieces[self._sent])
        self._sent += 1
        if self._sent == len(self._pieces):
            return
        if self._gap_seconds:
            self._loop.call_at(self._begun + self._sent * self._gap_seconds, self.step)
        else:
            self._loop.call_soon(self.step)


@cache
def _plain(model: str) -> bytes:
    body = answers.plain(model)
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    )


@cache
def _framed(model: str, *, usage: bool) -> tuple[bytes, ...]:
    """The pieces of a stream in chunked framing: the head with the role, the chunks, all that ends it."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    role, *chunks = [b"%x\r\n%b\r\n" % (len(event), event) for event in answers.events(model, usage=usage)]
    inner = answers.Script.of(model).chunks
    return (head + role, *chunks[:inner], b"".join(chunks[inner:]) + b"0\r\n\r\n")


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answering, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    parent_left = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), parent_left.set)
    await parent_left.wait()


if __name__ == "__main__":
    uvloop.run(_serve())
