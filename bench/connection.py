"""One connection of the load generator: sends prepared bytes, gathers an answer, checks it."""

import asyncio
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self, cast

import httptools

from bench import answers

OK = 200


class Fault(Exception):
    """An answer that is not the expected one."""


class Connection(asyncio.Protocol):
    """Carries one request at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._answered: asyncio.Future[bytes] | None = None
        self._lost = False

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """Raises OSError where nobody listens."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.abort()

    async def ask(self, request: bytes) -> bytes:
        """The body of the answer. Raises Fault where its status is not 200, or the connection broke."""
        if self._lost:
            raise Fault("the connection was closed")
        self._answered = self._loop.create_future()
        self._transport.write(request)
        return await self._answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._fail("the connection broke before an answer was whole")

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"not HTTP: {error}")

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self._pieces)
        self._pieces.clear()
        status = self._parser.get_status_code()
        if status != OK:
            self._fail(f"status {status}: {body[:200].decode(errors='replace')}")
        elif self._answered is not None and not self._answered.done():
            self._answered.set_result(body)

    def _fail(self, reason: str) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(Fault(reason))


async def connect(port: int, number: int, held: AsyncExitStack) -> list[Connection]:
    """Several connections, which `held` closes."""
    return [await held.enter_async_context(await Connection.open(port)) for _ in range(number)]


def check(body: bytes, model: str, *, verbatim: bool) -> None:
    """Raise Fault where a body is not the model's answer: to the byte, or in its chunks and its end."""
    if verbatim:
        if body != answers.whole(model):
            raise Fault(f"{len(body)} bytes came that differ from the {len(answers.whole(model))} sent")
        return
    chunks = answers.Script.of(model).chunks
    marks = body.count(answers.MARK)
    if marks != (chunks or answers.PLAIN_MARKS):
        raise Fault(f"{marks} pieces of text came where {chunks or answers.PLAIN_MARKS} were sent")
    if chunks and not body.endswith(b"data: [DONE]\n\n"):
        raise Fault("a stream came without its end")
