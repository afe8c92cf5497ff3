"""Server-sent events (WHATWG HTML, 9.2): bytes to whole events and back, no I/O.

An event ends with a blank line; lines end with LF, CRLF or CR. JSON never holds a raw CR or LF, so whole
events can be found without looking into them, wherever the pieces were cut.
"""

import re
from collections.abc import Iterator

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""Bound of one event, so that an upstream that never ends one cannot fill the memory."""

DONE = b"[DONE]"
BOM = b"\xef\xbb\xbf"

MAX_OPEN_BYTES = 3
"""The longest beginning of a blank line that may still go on: CR LF CR."""

_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE = re.compile(rb"(?>\r\n|\n|\r)")


class EventTooLong(Exception):
    """An event passed its bound."""


class Framer:
    """Collects pieces and hands on whole events, byte for byte."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._held = 0
        self._tail = b""

    def feed(self, piece: bytes) -> bytes:
        """The events that are whole with this piece, as they came; b"" where none is."""
        if not self._rest and piece.endswith(b"\n\n") and b"\r" not in piece:
            return piece
        window = self._tail + piece
        end = _last_boundary(window)
        if not end:
            self._hold(piece)
            return b""
        end += self._held - len(self._tail)
        data = b"".join([*self._rest, piece])
        self._rest, self._held, self._tail = [], 0, b""
        if end < len(data):
            self._hold(data[end:])
        return data[:end]

    def rest(self) -> bytes:
        """What is left of an unfinished event."""
        return b"".join(self._rest)

    def _hold(self, piece: bytes) -> None:
        """Keep what has no end yet; only its last bytes can be part of one, so no byte is looked at twice."""
        self._rest.append(piece)
        self._tail = (self._tail + piece)[-MAX_OPEN_BYTES:]
        self._held += len(piece)
        if self._held > MAX_EVENT_BYTES:
            raise EventTooLong


def _last_boundary(data: bytes) -> int:
    """The offset behind the last blank line; a CR at the very end may be half a CRLF, and has to wait."""
    if b"\r" not in data:
        return data.rfind(b"\n\n") + 2 if b"\n\n" in data else 0
    end = 0
    for found in _BLANK_LINE.finditer(data):
        if found.end() < len(data) or not data.endswith(b"\r"):
            end = found.end()
    return end


def split(events: bytes) -> list[bytes]:
    """Whole events, one by one, each with its blank line."""
    if events.find(b"\n\n") == len(events) - 2 and b"\r" not in events:  # most pieces are one event
        return [events]
    if b"\r" not in events:
        return [event + b"\n\n" for event in events.split(b"\n\n") if event]
    pieces: list[bytes] = []
    start = 0
    for found in _BLANK_LINE.finditer(events):
        pieces.append(events[start : found.end()])
        start = found.end()
    if start < len(events):
        pieces.append(events[start:])
    return pieces


def data(event: bytes) -> bytes:
    """An event's data: its `data` lines joined by LF; b"" for a comment."""
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2 and b"\r" not in event:
        return event[6:-2]
    return b"\n".join(_data_lines(event))


def _data_lines(event: bytes) -> Iterator[bytes]:
    for line in _LINE.split(event.removeprefix(BOM)):
        name, _, value = line.partition(b":")
        if name == b"data":
            yield value.removeprefix(b" ")


def write(payload: bytes, name: bytes = b"") -> bytes:
    """One event with this data."""
    head = b"event: " + name + b"\n" if name else b""
    return head + b"data: " + payload + b"\n\n"
