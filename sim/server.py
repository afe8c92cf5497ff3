"""The twin's HTTP server: raw sockets, since a server that keeps the rules cannot break them on purpose."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import brotli
import orjson
import zstandard

from sim import words
from sim.script import BadScript, Script

_NEWLINES = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}
MAX_HEAD_BYTES = 64 * 1024


@dataclass(slots=True)
class Seen:
    """A request as it reached the twin, and when its client left before the answer was whole (loop's clock)."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    left: float | None = None
    finished: bool = False
    sent_chunks: int = 0

    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass(slots=True)
class Twin:
    """A running twin: where it listens, and what it has seen."""

    recordings: Path | None = None
    seen: list[Seen] = field(default_factory=list)
    open_connections: int = 0
    connections: int = 0
    _server: asyncio.Server | None = None
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._accept, host, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self.open_connections += 1
        try:
            while await self._exchange(reader, writer, number):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self.open_connections -= 1
            writer.transport.abort()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> bool:
        """Answer one request; False when the connection ends with it."""
        seen = await _read(reader, number)
        if seen is None:
            return False
        self.seen.append(seen)
        answering = asyncio.ensure_future(_Answering(self, seen, writer).run())
        watching = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({answering, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                seen.left = asyncio.get_running_loop().time()
                return False
            seen.finished = True
            return answering.result()
        finally:
            answering.cancel()
            watching.cancel()
            await asyncio.gather(answering, watching, return_exceptions=True)


async def _read(reader: asyncio.StreamReader, number: int) -> Seen | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method, path, headers, body, number)


class _Answering:
    """One answer, as its script says."""

    def __init__(self, twin: Twin, seen: Seen, writer: asyncio.StreamWriter) -> None:
        self._twin = twin
        self._seen = seen
        self._writer = writer
        self._compressor: Any = None
        self._chunked = False

    async def run(self) -> bool:
        if self._seen.method == "GET":
            return await self._models()
        request = orjson.loads(self._seen.body)
        try:
            script = Script.of(str(request.get("model", "")))
        except BadScript as error:
            body = orjson.dumps({
                "error": {"message": str(error), "type": "invalid_request_error", "param": None, "code": None}
            })
            return await self._whole(Script(status=400), "application/json", body)
        return await self._follow(script, request)

    async def _follow(self, script: Script, request: Mapping[str, Any]) -> bool:
        await asyncio.sleep(script.head)
        if script.cut == 0:
            return False
        if script.status != 200:
            return await self._whole(script, *words.refusal(script))
        if script.replay:
            return await self._replayed(script)
        if request.get("stream"):
            return await self._stream(request, script)
        await asyncio.sleep(script.first)
        return await self._whole(script, "application/json", words.plain(self._seen.path, request, script))

    async def _models(self) -> bool:
        cards = [{"id": "twin", "object": "model"}, {"id": "twin-lora", "object": "model", "parent": "twin"}]
        return await self._whole(
            Script(), "application/json", orjson.dumps({"object": "list", "data": cards})
        )

    async def _replayed(self, script: Script) -> bool:
        assert self._twin.recordings is not None
        path = self._twin.recordings / script.replay
        kind = "text/event-stream" if path.suffix == ".sse" else "application/json"
        if path.suffix != ".sse":
            return await self._whole(script, kind, path.read_bytes())
        self._head(script, kind, None)
        await self._write(script, path.read_bytes())
        return await self._end(script)

    async def _whole(self, script: Script, kind: str, body: bytes) -> bool:
        body = _compressed(script, body)
        length = len(body) if script.framing in {"", "length"} else None
        self._head(script, kind, length)
        if script.cut > 0:
            self._writer.write(body[: len(body) // 2])
            await self._writer.drain()
            return False
        await self._write(script, body)
        return await self._end(script)

    async def _stream(self, request: Mapping[str, Any], script: Script) -> bool:
        self._head(script, "text/event-stream; charset=utf-8", None)
        self._compressor = _compressor(script)
        newline = _NEWLINES[script.newline]
        async for number, data in _paced(words.events(request, script), script):
            if number == script.cut:
                return False
            if number == script.stall:
                await asyncio.sleep(3600)
            event = b"data: " + data + newline * 2
            await self._write(script, self._squeezed(event))
            self._seen.sent_chunks = number
        if self._compressor is not None:
            await self._write(script, self._compressor.flush())
        return await self._end(script)

    def _squeezed(self, data: bytes) -> bytes:
        if self._compressor is None:
            return data
        squeezed: bytes = self._compressor.compress(data)
        return squeezed

    def _head(self, script: Script, kind: str, length: int | None) -> None:
        lines = [f"HTTP/1.1 {script.status} Twin", f"content-type: {script.type or kind}"]
        lines += [
            "x-request-id: upstream-7",
            "set-cookie: secret=1",
            "server: twin",
            "openai-processing-ms: 5",
        ]
        if script.encoding:
            lines.append(f"content-encoding: {script.encoding}")
        if script.retry_after:
            lines.append(f"retry-after: {script.retry_after}")
        self._chunked = length is None and script.framing != "close"
        if length is not None:
            lines.append(f"content-length: {length}")
        elif self._chunked:
            lines.append("transfer-encoding: chunked")
        self._writer.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1"))

    async def _write(self, script: Script, data: bytes) -> None:
        for piece in _pieces(data, script.split):
            framed = b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece
            self._writer.write(framed)
            await self._writer.drain()
            if script.split:
                await asyncio.sleep(0)

    async def _end(self, script: Script) -> bool:
        if self._chunked:
            self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()
        if script.close or script.framing == "close":
            self._writer.close()
            return False
        return True


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    step = size or len(data) or 1
    return (data[start : start + step] for start in range(0, len(data), step))


async def _paced(events: Iterator[bytes], script: Script) -> AsyncIterator[tuple[int, bytes]]:
    """Each event with the number of content chunks before it, at the script's pace."""
    for index, event in enumerate(events):
        if index == 1:
            await asyncio.sleep(script.first)
        elif index > 1 and script.gap:
            await asyncio.sleep(script.gap)
        yield max(0, index - 1) if index else -2, event


def _compressed(script: Script, body: bytes) -> bytes:
    compressor = _compressor(script)
    if compressor is None:
        return body
    squeezed: bytes = compressor.compress(body) + compressor.flush()
    return squeezed


def _compressor(script: Script) -> Any:
    if script.encoding == "gzip":
        return zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    if script.encoding == "deflate":
        return zlib.compressobj()
    if script.encoding == "zstd":
        return zstandard.ZstdCompressor().compressobj()
    return _Brotli() if script.encoding == "br" else None


class _Brotli:
    """brotli's compressor under the names that zlib's has."""

    def __init__(self) -> None:
        self._inner = brotli.Compressor()

    def compress(self, data: bytes) -> bytes:
        return bytes(self._inner.process(data))

    def flush(self) -> bytes:
        return bytes(self._inner.finish())
