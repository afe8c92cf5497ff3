"""How an answer goes out: its head, and its body in the pieces that the script wants."""

import asyncio
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

from sim.compression import compressed, compressor
from sim.script import Script


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    kind: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Framing:
    """Writes one answer, as its script says; False from `whole` and `end` where the connection ends with it."""

    def __init__(self, writer: asyncio.StreamWriter, script: Script, headers: Mapping[str, str]) -> None:
        self._writer = writer
        self._script = script
        self._headers = headers
        self._compressor = compressor(script.encoding)
        self._chunked = False

    async def whole(self, reply: Reply) -> bool:
        body = reply.body[: len(reply.body) // 2] if self._script.truncated else reply.body
        body = compressed(self._script.encoding, body)
        length = len(body) if self._script.framing in {"", "length"} else None
        self.head(reply.status, reply.kind, length, reply.headers)
        if self._script.cut > 0 or self._script.stall >= 0:
            self._put(body[: len(body) // 2])
            await self._writer.drain()
            if self._script.stall >= 0:
                await asyncio.Event().wait()
            return self.break_off()
        await self._write(body)
        return await self._finish()

    def head(self, status: int, kind: str, length: int | None, more: Mapping[str, str]) -> None:
        """The status line and the headers; without a length the body is chunked, or ends with the connection."""
        script = self._script
        headers = {
            "content-type": script.type or kind,
            "x-request-id": "upstream-7",
            "set-cookie": "secret=1",
            "server": "twin",
            "openai-processing-ms": "5",
            **self._headers,
            **more,
            **_asked_back(script),
        }
        if script.encoding:
            headers["content-encoding"] = script.encoding
        self._chunked = length is None and script.framing != "close"
        if length is not None:
            headers["content-length"] = str(length)
        elif self._chunked:
            headers["transfer-encoding"] = "chunked"
        lines = [
            f"HTTP/1.1 {status} {_phrase(status)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self._put("".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1"))

    async def event(self, data: bytes) -> None:
        await self._write(data if self._compressor is None else self._compressor.compress(data))

    async def end(self) -> bool:
        """The end of a stream."""
        if self._compressor is not None:
            await self._write(self._compressor.flush())
        return await self._finish()

    def break_off(self) -> bool:
        """Let the connection end, by a reset where the script says so."""
        if self._script.reset and not self._writer.transport.is_closing():
            linger = struct.pack("ii", 1, 0)
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        return False

    async def _write(self, data: bytes) -> None:
        for piece in _pieces(data, self._script.split):
            framed = b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece
            self._put(framed)
            await self._writer.drain()
            if self._script.split:
                await asyncio.sleep(0)

    def _put(self, data: bytes) -> None:
        if self._writer.transport.is_closing():  # uvloop has no ConnectionError for it
            raise ConnectionResetError
        self._writer.write(data)

    async def _finish(self) -> bool:
        if self._chunked:
            self._put(b"0\r\n\r\n")
        await self._writer.drain()
        if self._script.close or self._script.framing == "close":
            self._writer.close()
            return False
        return True


def _asked_back(script: Script) -> dict[str, str]:
    """When the client may come again."""
    if script.retry_date >= 0:
        return {"retry-after": formatdate(time.time() + script.retry_date, usegmt=True)}
    return {"retry-after": script.retry_after} if script.retry_after else {}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Twin"


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    step = size or len(data) or 1
    return (data[start : start + step] for start in range(0, len(data), step))
