"""Codes in an answer become their phrases again: in each choice by itself, in the arguments of each call of a tool, and,
where the answer is to be JSON, in its strings alone. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from app import sse
from scenes.codebook.codes import SIGIL
from scenes.decoding import Decoder, JsonDecoder

_TEXTS = ("content", "reasoning", "reasoning_content", "refusal")
_SIGIL = SIGIL.encode()
_ESCAPED = (rb"\u00a7", rb"\u00A7")
_CALLS = b'"tool_calls"'


@dataclass(slots=True)
class Undoing:
    """Undoes the codes of one answer. `is_json` says that its content is one JSON document."""

    phrases: Mapping[str, str]
    is_json: bool
    _streams: dict[tuple[int, str, int], Decoder | JsonDecoder] = field(default_factory=dict)
    _last: dict[str, Any] = field(default_factory=dict)
    """The last chunk: what a late one is called like."""

    @property
    def undone(self) -> int:
        """How many codes were undone so far."""
        return sum(stream.decoded for stream in self._streams.values())

    def body(self, body: bytes) -> bytes:
        """A whole answer."""
        if not _has_sigil(body):
            return body
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            return body
        for choice in _choices(answer):
            index, message = choice.get("index", 0), choice.get("message")
            if isinstance(message, dict):
                self._said(index, message)
                self._finished(index, message)
        return orjson.dumps(answer)

    def events(self, events: bytes) -> bytes:
        """Whole events of a stream. Those without a code stay byte for byte; what only told what is held back is left out."""
        if self._passes(events):
            return events
        return b"".join(self._event(event) for event in sse.split(events))

    def rest(self) -> bytes:
        """What is held back at the end of a stream that did not say its end: an event more, or nothing."""
        late: dict[int, dict[str, Any]] = {}
        for index in {index for (index, _, _), stream in self._streams.items() if stream.holds}:
            late[index] = {}
            self._finished(index, late[index])
        if not late:
            return b""
        choices = [{"index": index, "delta": delta, "finish_reason": None} for index, delta in late.items()]
        return sse.write(orjson.dumps({**self._last, "choices": choices}))

    def _passes(self, events: bytes) -> bool:
        if self.is_json or _CALLS in events or _has_sigil(events):
            return False
        return not any(stream.holds for stream in self._streams.values())

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
            return event
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
        said_something = any(delta.values())
        self._said(choice.get("index", 0), delta)
        if choice.get("finish_reason"):
            self._finished(choice.get("index", 0), delta)
            return True
        return not said_something or _says(delta)

    def _said(self, index: int, holder: dict[str, Any]) -> None:
        for name in _TEXTS:
            text = holder.get(name)
            if isinstance(text, str) and text:
                holder[name] = self._stream(index, name, 0).feed(text)
        for place, call in enumerate(holder.get("tool_calls") or ()):
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and isinstance(function.get("arguments"), str):
                stream = self._stream(index, "arguments", call.get("index", place))
                function["arguments"] = stream.feed(function["arguments"])

    def _finished(self, index: int, holder: dict[str, Any]) -> None:
        """Put what this choice holds back behind what is said here."""
        for (choice, name, call), stream in self._streams.items():
            rest = stream.flush() if choice == index and stream.holds else ""
            if not rest:
                continue
            if name != "arguments":
                holder[name] = (holder.get(name) or "") + rest
            else:
                _add_arguments(holder, call, rest)

    def _stream(self, index: int, name: str, call: int) -> Decoder | JsonDecoder:
        key = (index, name, call)
        if key not in self._streams:
            is_json = name == "arguments" or (name == "content" and self.is_json)
            self._streams[key] = JsonDecoder(self.phrases) if is_json else Decoder(self.phrases)
        return self._streams[key]


def _add_arguments(holder: dict[str, Any], number: int, rest: str) -> None:
    """Behind the arguments of this call that are told here, or as a piece of their own."""
    calls = holder.setdefault("tool_calls", [])
    for place, call in enumerate(calls):
        if call.get("index", place) == number:
            function = call.setdefault("function", {})
            function["arguments"] = function.get("arguments", "") + rest
            return
    calls.append({"index": number, "function": {"arguments": rest}})


def _choices(answer: Any) -> list[dict[str, Any]]:
    choices = answer.get("choices") if isinstance(answer, dict) else None
    return [each for each in choices if isinstance(each, dict)] if isinstance(choices, list) else []


def _says(delta: Mapping[str, Any]) -> bool:
    """Whether a delta has anything to tell."""
    return any(value for name, value in delta.items() if name != "tool_calls") or any(_calls(delta))


def _calls(delta: Mapping[str, Any]) -> Iterator[bool]:
    for call in delta.get("tool_calls") or ():
        function = call.get("function") or {}
        yield bool(call.get("id") or function.get("name") or function.get("arguments"))


def _has_sigil(data: bytes) -> bool:
    return _SIGIL in data or any(each in data for each in _ESCAPED)
