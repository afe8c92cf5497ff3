"""Codes in an answer become their phrases again, and hypertokens the texts that they stand for: in each choice by itself, in
each text of it (`app.codecs.telling`), and, where that is JSON, in its strings alone. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from app import sse
from app.codecs.telling import Place, add, tells, texts
from scenes.codebook.codes import SIGIL
from scenes.decoding import Decoder, JsonDecoder, Stream
from scenes.surfaces import decoder

_CALLS = (b'"tool_calls"', b'"function_call"')

Makes = Callable[[Mapping[str, str]], Stream]
"""A decoder for these phrases."""


@dataclass(frozen=True, slots=True)
class Tongue:
    """What stands for phrases: `signs` are the bytes that an answer has where it has one, escaped or not; and what undoes it in
    plain text and in JSON.
    """

    signs: tuple[bytes, ...]
    plain: Makes
    json: Makes


CODES = Tongue((SIGIL.encode(), rb"\u00a7", rb"\u00A7"), Decoder, JsonDecoder)
HYPERTOKENS = Tongue((b"<", rb"\u003c", rb"\u003C"), decoder, decoder)


@dataclass(slots=True)
class Undoing:
    """Undoes the codes of one answer, or its hypertokens. `is_json` says that its content is one JSON document, `choices` how many
    it has.
    """

    phrases: Mapping[str, str]
    is_json: bool
    tongue: Tongue = CODES
    choices: int = 1
    _streams: dict[tuple[int, Place], Stream] = field(default_factory=dict)
    _last: dict[str, Any] = field(default_factory=dict)
    """The last chunk: what a late one is called like."""

    def body(self, body: bytes) -> bytes:
        """A whole answer."""
        if not self._has_sign(body):
            return body
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            return body
        for choice in _choices(answer):
            message = choice.get("message")
            for text in texts(message) if isinstance(message, dict) else ():
                stream = self._new(text.place)
                text.write(stream.feed(text.read()) + stream.flush())
        return orjson.dumps(answer)

    def events(self, events: bytes) -> bytes:
        """Whole events of a stream. Those without a code stay byte for byte; what only told what is held back is left out."""
        if self._passes(events):
            return events
        return b"".join(self._event(event) for event in sse.split(events))

    def rest(self) -> bytes:
        """What is held back at the end of a stream that did not say its end: an event more, or nothing."""
        return self._late(_flush)

    def cut(self) -> bytes:
        """What of it is certain where the stream broke: no half of a code, which would be none of the client's words."""
        return self._late(_cut)

    def _passes(self, events: bytes) -> bool:
        if self.is_json or self._has_sign(events) or any(each in events for each in _CALLS):
            return False
        return self._is_plain() and not any(stream.holds for stream in self._streams.values())

    def _is_plain(self) -> bool:
        """Whether every choice has begun to say something, and that is no JSON."""
        said = [stream for (_, place), stream in self._streams.items() if place.name == "content"]
        return len(said) >= self.choices and not any(stream.follows for stream in said)

    def _has_sign(self, data: bytes) -> bool:
        return any(sign in data for sign in self.tongue.signs)

    def _event(self, event: bytes) -> bytes:
        payload = sse.data(event)
        if payload == sse.DONE:
            return self.rest() + event
        try:
            chunk = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return event
        choices = _choices(chunk)
        if not choices:
            return self.cut() + event if _is_error(chunk) else event
        before = orjson.dumps(chunk)
        self._last = {name: value for name, value in chunk.items() if name not in {"choices", "usage"}}
        chunk["choices"] = [choice for choice in choices if self._choice(choice)]
        after = orjson.dumps(chunk)
        if after == before:
            return event
        return sse.write(after) if chunk["choices"] or chunk.get("usage") else b""

    def _choice(self, choice: dict[str, Any]) -> bool:
        """Whether anything of it is left to be told."""
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return True
        index, said_something = _number(choice), any(delta.values())
        for text in texts(delta):
            text.write(self._stream(index, text.place).feed(text.read()))
        if choice.get("finish_reason"):
            self._finish(index, delta, _flush)
            return True
        return not said_something or tells(delta)

    def _late(self, end: Callable[[Stream], str]) -> bytes:
        late: dict[int, dict[str, Any]] = {}
        for index in {index for (index, _), stream in self._streams.items() if stream.holds}:
            delta: dict[str, Any] = {}
            self._finish(index, delta, end)
            if delta:
                late[index] = delta
        if not late:
            return b""
        choices = [{"index": index, "delta": delta, "finish_reason": None} for index, delta in late.items()]
        return sse.write(orjson.dumps({**self._last, "choices": choices}))

    def _finish(self, index: int, delta: dict[str, Any], end: Callable[[Stream], str]) -> None:
        """Put what this choice holds back behind what is said here."""
        for (choice, place), stream in self._streams.items():
            rest = end(stream) if choice == index and stream.holds else ""
            if rest:
                add(delta, place, rest)

    def _stream(self, index: int, place: Place) -> Stream:
        if (index, place) not in self._streams:
            self._streams[index, place] = self._new(place)
        return self._streams[index, place]

    def _new(self, place: Place) -> Stream:
        is_json = place.is_json or (place.name == "content" and self.is_json)
        return (self.tongue.json if is_json else self.tongue.plain)(self.phrases)


def _flush(stream: Stream) -> str:
    return stream.flush()


def _cut(stream: Stream) -> str:
    return stream.cut()


def _choices(answer: Any) -> list[dict[str, Any]]:
    choices = answer.get("choices") if isinstance(answer, dict) else None
    return [each for each in choices if isinstance(each, dict)] if isinstance(choices, list) else []


def _number(choice: Mapping[str, Any]) -> int:
    index = choice.get("index")
    return index if isinstance(index, int) else 0


def _is_error(chunk: Any) -> bool:
    """As `app.reading` finds one."""
    return isinstance(chunk, dict) and bool(chunk.get("error") or chunk.get("object") == "error")
