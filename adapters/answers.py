"""Answers made in this process: a whole body, or events one by one."""

from collections.abc import AsyncIterator

from app.contracts import Headers
from app.operations import Dialect
from app.reading import Reading

JSON: Headers = ((b"content-type", b"application/json"),)
EVENTS: Headers = ((b"content-type", b"text/event-stream; charset=utf-8"),)


class Plain:
    """A whole JSON body, read once."""

    streams = False
    headers = JSON

    def __init__(self, body: bytes, dialect: Dialect) -> None:
        self.reading = Reading(dialect)
        self.reading.whole(body)
        self._body = body

    async def read(self) -> bytes:
        body, self._body = self._body, b""
        return body


class Events:
    """Events as an iterator makes them, each with its closing blank line."""

    streams = True
    headers = EVENTS

    def __init__(self, events: AsyncIterator[bytes], dialect: Dialect) -> None:
        self.reading = Reading(dialect)
        self._events = events

    async def read(self) -> bytes:
        piece = await anext(self._events, b"")
        if piece:
            self.reading.events(piece)
        return piece
